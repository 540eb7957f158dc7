//! Several reads of a disk at once, by Linux's asynchronous I/O (io_submit(2)): the
//! only way to a queue depth that does not depend on who runs when.

use std::{io, mem::zeroed, os::fd::AsRawFd};

/// `IOCB_CMD_PREAD` (linux/aio_abi.h).
const PREAD: u16 = 0;

/// `struct iocb` of linux/aio_abi.h, little endian.
#[repr(C)]
#[derive(Clone, Copy)]
struct Request {
    data: u64,
    key: u32,
    flags: u32,
    operation: u16,
    priority: i16,
    file: u32,
    buffer: u64,
    length: u64,
    offset: i64,
    reserved: u64,
    more_flags: u32,
    eventfd: u32,
}

/// `struct io_event`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Event {
    data: u64,
    object: u64,
    result: i64,
    result2: i64,
}

/// A context for so many requests.
pub struct Context {
    id: libc::c_ulong,
    depth: usize,
}

impl Context {
    /// # Errors
    /// Linux has no room for it.
    pub fn new(depth: usize) -> io::Result<Self> {
        let mut id: libc::c_ulong = 0;
        // SAFETY: io_setup(2) writes the identity to the word that it is given, which
        // outlives the call.
        let result = unsafe { libc::syscall(libc::SYS_io_setup, depth, &raw mut id) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(Context { id, depth }) }
    }

    /// Reads pieces of a file all at once and waits for all; one buffer and one offset
    /// each.
    ///
    /// # Errors
    /// One was not read, or not wholly.
    pub fn read(&self, file: &impl AsRawFd, pieces: &mut [(&mut [u8], u64)]) -> io::Result<()> {
        let file = file.as_raw_fd().unsigned_abs();
        let mut requests: Vec<Request> = pieces
            .iter_mut()
            .take(self.depth)
            .map(|(buffer, offset)| Request {
                data: buffer.len() as u64,
                key: 0,
                flags: 0,
                operation: PREAD,
                priority: 0,
                file,
                buffer: buffer.as_mut_ptr() as u64,
                length: buffer.len() as u64,
                offset: offset.cast_signed(),
                reserved: 0,
                more_flags: 0,
                eventfd: 0,
            })
            .collect();
        let list: Vec<*mut Request> = requests.iter_mut().map(|r| r as *mut Request).collect();
        // SAFETY: io_submit(2) reads a list of pointers to requests, which live until
        // the call returns; the buffers that they name are borrowed exclusively until
        // this function returns, and all requests are waited for before.
        let submitted =
            unsafe { libc::syscall(libc::SYS_io_submit, self.id, list.len(), list.as_ptr()) };
        if submitted < 0 {
            return Err(io::Error::last_os_error());
        }
        let count = submitted.unsigned_abs() as usize;
        // SAFETY: four numbers, for which zeroes are values.
        let mut events: Vec<Event> = vec![unsafe { zeroed() }; count];
        let no_timeout: *const libc::timespec = std::ptr::null();
        // SAFETY: io_getevents(2) writes at most `count` events to a list of as many;
        // it returns when there are as many, without a timeout.
        let finished = unsafe {
            libc::syscall(
                libc::SYS_io_getevents,
                self.id,
                count,
                count,
                events.as_mut_ptr(),
                no_timeout,
            )
        };
        let whole = events.iter().all(|event| event.result == event.data.cast_signed());
        match finished {
            finished if finished < 0 => Err(io::Error::last_os_error()),
            finished if finished.unsigned_abs() as usize == pieces.len() && whole => Ok(()),
            _ => Err(io::Error::other("a read was not finished, or not wholly")),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: io_destroy(2) takes a number; every request was waited for.
        unsafe { libc::syscall(libc::SYS_io_destroy, self.id) };
    }
}
