//! A queue whose buffers are its own while the device has them.

use core::fmt;

use virtio_drivers::{Error, queue::VirtQueue, transport::Transport as _};

use crate::{Bounce, Buffer, Pooled, Registers, StartError, Transport};

/// What a device said that cannot be. Its queue is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It is done with a chain that it does not have.
    NotLent {
        /// The chain's number.
        token: u16,
    },
    /// It wrote more than it was given.
    Length {
        /// Bytes that it says.
        says: u32,
        /// Bytes that it had.
        had: usize,
    },
    /// What it said changed while it was looked at.
    Changed,
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lie::NotLent { token } => {
                write!(f, "the device gives back chain {token}, which it does not have")
            }
            Lie::Length { says, had } => {
                write!(f, "the device wrote {says} bytes into a buffer of {had}")
            }
            Lie::Changed => f.write_str("the device takes back what it said"),
        }
    }
}

/// A request that the device is done with.
#[derive(Debug)]
pub struct Done<T> {
    /// Its buffer, with what the device wrote behind the part that it read.
    pub buffer: Buffer,
    /// Bytes that the device says it wrote: no more than it was given.
    pub written: usize,
    /// What came with the request.
    pub tag: T,
}

/// A request that the queue has no room for, or whose parts leave its buffer.
#[derive(Debug)]
pub struct Rejected<T>(pub Buffer, pub T);

struct Lent<T> {
    buffer: Buffer,
    readable: usize,
    writable: usize,
    tag: T,
}

impl<T> Lent<T> {
    /// The part that the device reads, and the part that it writes.
    fn parts(&mut self) -> Option<(&[u8], &mut [u8])> {
        let (readable, rest) = self.buffer.0.split_at_mut_checked(self.readable)?;
        Some((readable, rest.get_mut(..self.writable)?))
    }
}

/// A queue of `SIZE` descriptors, two of which a request needs at most: its buffer's
/// beginning is for the device to read, the rest for it to write. (Where one ends and
/// another begins means nothing to a device of virtio 1.0 or later; 2.7.4.)
pub struct Queue<P: Pooled, T, const SIZE: usize> {
    ring: VirtQueue<Bounce<P>, SIZE>,
    index: u16,
    /// By the number of a chain, which is its first descriptor's.
    lent: [Option<Lent<T>>; SIZE],
    /// Something was made available that the device has not been told of.
    added: bool,
    broken: Option<Lie>,
}

impl<P: Pooled, T, const SIZE: usize> fmt::Debug for Queue<P, T, SIZE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("index", &self.index)
            .field("outstanding", &self.outstanding())
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl<P: Pooled, T, const SIZE: usize> Queue<P, T, SIZE> {
    /// Pages that its rings take in a pool.
    pub const PAGES: usize = {
        // Descriptors and available ring together, the used ring by itself (2.7).
        let driver = 16 * SIZE + 6 + 2 * SIZE;
        let device = 6 + 8 * SIZE;
        driver.div_ceil(virtio_drivers::PAGE_SIZE) + device.div_ceil(virtio_drivers::PAGE_SIZE)
    };

    /// Sets up the device's queue of this number.
    ///
    /// # Errors
    /// It has none, or a smaller one, or no place to be notified of it.
    pub fn new<R: Registers>(transport: &mut Transport<R>, index: u16) -> Result<Self, StartError> {
        transport.doorbell(index)?;
        // No indirect descriptors, which would want a heap. No event index: with it
        // the crate cannot say that it wants no interrupt, and looks whether the
        // device wants a notification differently from what 2.7.10 says.
        let ring = VirtQueue::new(transport, index, false, false)
            .map_err(|why| StartError::Queue { index, why })?;
        Ok(Queue { ring, index, lent: [const { None }; SIZE], added: false, broken: None })
    }

    /// Requests that the device has.
    pub fn outstanding(&self) -> usize {
        self.lent.iter().flatten().count()
    }

    /// Makes a request available: of the buffer, so many bytes for the device to
    /// read and the next so many for it to write. It hears of it by [`Queue::kick`].
    ///
    /// # Errors
    /// There is no room, or the buffer is too small for that, or it would be empty,
    /// or the queue is done with.
    pub fn submit(
        &mut self,
        buffer: Buffer,
        readable: usize,
        writable: usize,
        tag: T,
    ) -> Result<(), Rejected<T>> {
        let mut lent = Lent { buffer, readable, writable, tag };
        if self.broken.is_some() {
            return Err(Rejected(lent.buffer, lent.tag));
        }
        let added = match lent.parts() {
            // SAFETY: the buffer is exclusive memory that lasts as long as the
            // program. From here on it is in `lent`, or lost with it, where nobody
            // accesses it until `pop_used` has said so.
            Some((reads, writes)) => unsafe { add(&mut self.ring, reads, writes) },
            None => Err(Error::InvalidParam),
        };
        match added.ok().and_then(|token| self.lent.get_mut(usize::from(token))) {
            Some(slot) => {
                *slot = Some(lent);
                self.added = true;
                Ok(())
            }
            None => Err(Rejected(lent.buffer, lent.tag)),
        }
    }

    /// Tells the device of what was made available, if anything was and it wants to
    /// be told.
    pub fn kick<R: Registers>(&mut self, transport: &mut Transport<R>) {
        if !core::mem::take(&mut self.added) {
            return;
        }
        // The crate has none between the two, so a look may come before the entry is
        // seen (2.7.13.4.1).
        shmem::fence();
        if self.ring.should_notify() {
            transport.notify(self.index);
        }
    }

    /// Whether there is something to take.
    pub fn has_done(&self) -> bool {
        self.broken.is_none() && self.ring.can_pop()
    }

    /// A request that the device is done with.
    ///
    /// # Errors
    /// It said what cannot be, now or earlier.
    pub fn take(&mut self) -> Result<Option<Done<T>>, Lie> {
        if let Some(lie) = self.broken {
            return Err(lie);
        }
        let taken = self.next();
        if let Err(lie) = taken {
            self.broken = Some(lie);
        }
        taken
    }

    fn next(&mut self) -> Result<Option<Done<T>>, Lie> {
        let Some(token) = self.ring.peek_used() else { return Ok(None) };
        let slot = self.lent.get_mut(usize::from(token)).ok_or(Lie::NotLent { token })?;
        let lent = slot.as_mut().ok_or(Lie::NotLent { token })?;
        let had = lent.writable;
        let Some((reads, writes)) = lent.parts() else {
            unreachable!("its parts were within the buffer when it was lent")
        };
        // SAFETY: these are the parts that were added when this number was given to
        // the chain, for the entry is at that number; and the device has had no
        // other since, for it stays there until here.
        let says =
            unsafe { pop(&mut self.ring, token, reads, writes) }.map_err(|_| Lie::Changed)?;
        if usize::try_from(says).map_or(true, |says| says > had) {
            return Err(Lie::Length { says, had });
        }
        let Some(Lent { buffer, tag, .. }) = slot.take() else {
            unreachable!("it was there a moment ago")
        };
        Ok(Some(Done { buffer, written: says as usize, tag }))
    }

    /// Gives up what the device has: it was reset. The queue is done with.
    pub fn abandon(&mut self) -> impl Iterator<Item = T> + '_ {
        self.broken.get_or_insert(Lie::Changed);
        self.lent.iter_mut().filter_map(Option::take).map(|lent| lent.tag)
    }
}

/// Adds a chain of at most two parts; the crate takes no empty ones.
///
/// # Safety
/// As [`VirtQueue::add`].
unsafe fn add<P: Pooled, const SIZE: usize>(
    ring: &mut VirtQueue<Bounce<P>, SIZE>,
    reads: &[u8],
    writes: &mut [u8],
) -> Result<u16, Error> {
    match (reads.is_empty(), writes.is_empty()) {
        (true, true) => Err(Error::InvalidParam),
        // SAFETY: the caller's.
        (false, true) => unsafe { ring.add(&[reads], &mut []) },
        // SAFETY: the caller's.
        (true, false) => unsafe { ring.add(&[], &mut [writes]) },
        // SAFETY: the caller's.
        (false, false) => unsafe { ring.add(&[reads], &mut [writes]) },
    }
}

/// Takes it back.
///
/// # Safety
/// As [`VirtQueue::pop_used`], with the parts that [`add`] was given.
unsafe fn pop<P: Pooled, const SIZE: usize>(
    ring: &mut VirtQueue<Bounce<P>, SIZE>,
    token: u16,
    reads: &[u8],
    writes: &mut [u8],
) -> Result<u32, Error> {
    match (reads.is_empty(), writes.is_empty()) {
        // SAFETY: the caller's.
        (_, true) => unsafe { ring.pop_used(token, &[reads], &mut []) },
        // SAFETY: the caller's.
        (true, false) => unsafe { ring.pop_used(token, &[], &mut [writes]) },
        // SAFETY: the caller's.
        (false, false) => unsafe { ring.pop_used(token, &[reads], &mut [writes]) },
    }
}
