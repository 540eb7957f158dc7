//! The calling thread's IPC buffer: message registers from the fourth on, and
//! capabilities sent along.

use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::{
    Word,
    abi::current::numbers::{ipc_buffer, message},
};

/// Index of message register 0.
const MSG: usize = ipc_buffer::MSG / size_of::<Word>();
/// Index of the first capability.
const CAPS: usize = ipc_buffer::CAPS_OR_BADGES / size_of::<Word>();

/// Set once, before the first system call that uses it. Not thread-local: a
/// protection domain has one thread.
static BUFFER: AtomicPtr<Word> = AtomicPtr::new(core::ptr::null_mut());

/// Says where this thread's IPC buffer is.
///
/// # Safety
/// `buffer` must be the address at which the kernel was told this thread's IPC
/// buffer is mapped, writable, for as long as the program runs; the program has
/// one thread, and no reference into the buffer exists.
pub unsafe fn set_ipc_buffer(buffer: *mut Word) {
    BUFFER.store(buffer, Relaxed);
}

/// Handle to the IPC buffer.
#[derive(Clone, Copy, Debug)]
pub struct IpcBuffer(*mut Word);

impl IpcBuffer {
    /// This thread's.
    ///
    /// # Panics
    /// Before [`set_ipc_buffer`].
    #[inline(always)]
    pub fn current() -> Self {
        let p = BUFFER.load(Relaxed);
        assert!(!p.is_null(), "system call before the IPC buffer was set");
        IpcBuffer(p)
    }

    /// Message register `n`.
    ///
    /// # Panics
    /// `n` of 120 or more.
    #[inline(always)]
    pub fn mr(self, n: usize) -> Word {
        assert!(n < message::MAX_LENGTH);
        // SAFETY: inside the buffer by the assertion above, mapped by
        // `set_ipc_buffer`'s contract; volatile because the kernel writes it.
        unsafe { self.0.wrapping_add(MSG + n).read_volatile() }
    }

    /// Sets message register `n`.
    ///
    /// # Panics
    /// `n` of 120 or more.
    #[inline(always)]
    pub fn set_mr(self, n: usize, word: Word) {
        assert!(n < message::MAX_LENGTH);
        // SAFETY: as in `mr`.
        unsafe { self.0.wrapping_add(MSG + n).write_volatile(word) }
    }

    /// Copies two message registers, `from` and the one behind it.
    ///
    /// # Panics
    /// A register of 120 or more.
    #[inline(always)]
    pub fn copy_two(self, from: usize, to: usize) {
        assert!(from < message::MAX_LENGTH - 1 && to < message::MAX_LENGTH - 1);
        let at = |n: usize| self.0.wrapping_add(MSG + n).cast::<__m128i>();
        // SAFETY: both are inside the buffer by the assertion above, mapped by
        // `set_ipc_buffer`'s contract, and need not be aligned. Not volatile: the
        // kernel writes it only during system calls, which may write all memory.
        let words = unsafe { _mm_loadu_si128(at(from)) };
        // SAFETY: as above; this thread alone writes it.
        unsafe { _mm_storeu_si128(at(to), words) };
    }

    /// Sets capability `n` of those sent along.
    ///
    /// # Panics
    /// `n` of 3 or more.
    #[inline(always)]
    pub fn set_cap(self, n: usize, cap: Word) {
        assert!(n < message::MAX_EXTRA_CAPS);
        // SAFETY: as in `mr`, for the array of capabilities.
        unsafe { self.0.wrapping_add(CAPS + n).write_volatile(cap) }
    }
}
