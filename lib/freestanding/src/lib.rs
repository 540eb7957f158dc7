//! The memory functions that compiled code calls; there is no libc. String
//! instructions, eight bytes at a time: fast on the processors that seL4
//! virtualises on, and they touch no vector register, so a VMM that copies
//! does not take the floating-point unit from its guest.
#![no_std]

use core::arch::asm;

/// Copies `n` bytes that do not overlap.
///
/// # Safety
/// As C's `memcpy`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    // SAFETY: the caller's ranges are valid for n bytes; the direction flag is
    // clear by the ABI.
    unsafe {
        asm!(
            "rep movsq",
            "mov ecx, {rest:e}",
            "rep movsb",
            rest = in(reg) n & 7,
            inout("rcx") n >> 3 => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags)
        );
    }
    to
}

/// Copies `n` bytes that may overlap.
///
/// # Safety
/// As C's `memmove`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= n {
        // The destination does not begin inside the source: ascending order
        // reads every byte before it is overwritten.
        // SAFETY: the caller's; string instructions work in ascending order.
        return unsafe { memcpy(to, from, n) };
    }
    // SAFETY: the caller's ranges; starting at the last byte and descending,
    // every byte is read before it is overwritten. The flag is cleared again.
    unsafe {
        asm!(
            "std",
            "rep movsb",
            "cld",
            inout("rcx") n => _,
            inout("rdi") to.wrapping_add(n).wrapping_sub(1) => _,
            inout("rsi") from.wrapping_add(n).wrapping_sub(1) => _,
            options(nostack)
        );
    }
    to
}

/// Sets `n` bytes.
///
/// # Safety
/// As C's `memset`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    let word = u64::from(byte as u8) * 0x0101_0101_0101_0101;
    // SAFETY: the caller's range; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep stosq",
            "mov ecx, {rest:e}",
            "rep stosb",
            rest = in(reg) n & 7,
            inout("rcx") n >> 3 => _,
            inout("rdi") to => _,
            in("rax") word,
            options(nostack, preserves_flags)
        );
    }
    to
}

/// Compares `n` bytes.
///
/// # Safety
/// As C's `memcmp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    let mut i = 0;
    while i < n {
        // SAFETY: the caller's ranges hold n bytes; volatile, so that the
        // compiler does not turn this loop into a call of itself.
        let x = unsafe { a.wrapping_add(i).read_volatile() };
        // SAFETY: as above.
        let y = unsafe { b.wrapping_add(i).read_volatile() };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
        i += 1;
    }
    0
}

/// As [`memcmp`], equality only.
///
/// # Safety
/// As C's `bcmp`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { memcmp(a, b, n) }
}
