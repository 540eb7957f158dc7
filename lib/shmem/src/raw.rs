//! The accesses themselves, each one `asm!` statement.
//!
//! None of them claims `nomem` or `pure`, so the compiler neither drops,
//! repeats nor reorders them against each other; each load or store is exactly
//! one access of its width, which device registers need too. The direction
//! flag is clear on entry to every `asm!` block (Rust Reference, "Inline
//! assembly", rules), so the string instructions go upwards.

use core::arch::asm;

macro_rules! scalar {
    ($load:ident, $store:ident, $ty:ty, $class:ident, $operand:literal) => {
        /// Loads one value, which need not be aligned.
        ///
        /// # Safety
        /// The bytes from `from` on are mapped readable.
        #[inline(always)]
        pub(crate) unsafe fn $load(from: *const $ty) -> $ty {
            let value: $ty;
            // SAFETY: the caller answers for the bytes; nothing else is touched.
            unsafe {
                asm!(
                    concat!("mov ", $operand, ", [{from}]"),
                    from = in(reg) from,
                    value = out($class) value,
                    options(nostack, preserves_flags, readonly),
                );
            }
            value
        }

        /// Stores one value, which need not be aligned.
        ///
        /// # Safety
        /// The bytes from `to` on are mapped writable, and no Rust object of
        /// this program lies in them.
        #[inline(always)]
        pub(crate) unsafe fn $store(to: *mut $ty, value: $ty) {
            // SAFETY: the caller answers for the bytes; nothing else is touched.
            unsafe {
                asm!(
                    concat!("mov [{to}], ", $operand),
                    to = in(reg) to,
                    value = in($class) value,
                    options(nostack, preserves_flags),
                );
            }
        }
    };
}

scalar!(load_u8, store_u8, u8, reg_byte, "{value}");
scalar!(load_u16, store_u16, u16, reg, "{value:x}");
scalar!(load_u32, store_u32, u32, reg, "{value:e}");
scalar!(load_u64, store_u64, u64, reg, "{value:r}");

/// Loads the word `BYTES` behind `from`; the distance is part of the instruction.
///
/// # Safety
/// As [`load_u64`] of that word.
#[inline(always)]
pub(crate) unsafe fn load_u64_at<const BYTES: usize>(from: *const u64) -> u64 {
    let value: u64;
    // SAFETY: the caller answers for the bytes; nothing else is touched.
    unsafe {
        asm!(
            "mov {value}, [{from} + {bytes}]",
            bytes = const BYTES,
            from = in(reg) from,
            value = out(reg) value,
            options(nostack, preserves_flags, readonly),
        );
    }
    value
}

/// Stores the word `BYTES` behind `to`; the distance is part of the instruction.
///
/// # Safety
/// As [`store_u64`] of that word.
#[inline(always)]
pub(crate) unsafe fn store_u64_at<const BYTES: usize>(to: *mut u64, value: u64) {
    // SAFETY: the caller answers for the bytes; nothing else is touched.
    unsafe {
        asm!(
            "mov [{to} + {bytes}], {value}",
            bytes = const BYTES,
            to = in(reg) to,
            value = in(reg) value,
            options(nostack, preserves_flags),
        );
    }
}

/// Copies upwards, eight bytes at a time and then the rest. String
/// instructions leave the vector registers alone, whose first use costs a
/// protection domain a trap, and are what processors copy large blocks with
/// fastest (Intel Optimization Reference Manual, 3.7.6).
///
/// If the ranges overlap, the result is as if bytes were copied in some order.
///
/// # Safety
/// `length` bytes from `from` are readable and `length` bytes from `to` are
/// writable. Whichever of the two is memory of this program is an object that
/// the caller may read or write for the duration of the call.
#[inline]
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    // SAFETY: length/8 words and then length%8 bytes are `length` bytes, for
    // which the caller answers.
    unsafe {
        asm!(
            "mov {rest:e}, ecx",
            "shr rcx, 3",
            "rep movsq",
            "mov ecx, {rest:e}",
            "and ecx, 7",
            "rep movsb",
            rest = out(reg) _,
            inout("rcx") length => _,
            inout("rsi") from => _,
            inout("rdi") to => _,
            options(nostack),
        );
    }
}

/// Sets bytes.
///
/// # Safety
/// `length` bytes from `to` are mapped writable, and no Rust object of this
/// program lies in them.
#[inline]
pub(crate) unsafe fn fill(to: *mut u8, length: usize, byte: u8) {
    // SAFETY: as in `copy`.
    unsafe {
        asm!(
            "mov {rest:e}, ecx",
            "shr rcx, 3",
            "rep stosq",
            "mov ecx, {rest:e}",
            "and ecx, 7",
            "rep stosb",
            rest = out(reg) _,
            inout("rcx") length => _,
            inout("rdi") to => _,
            in("rax") u64::from_ne_bytes([byte; 8]),
            options(nostack),
        );
    }
}
