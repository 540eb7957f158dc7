//! Code for guests.

/// Where a guest's code goes: guest-physical, and offset in its memory.
pub const CODE: u64 = 0x8000;

/// Assembles a guest's code and gives its bytes: `guest!(".code32", "hlt")`.
///
/// The code lies in the middle of the function that uses it, which jumps over
/// it; so it is written where it is read. It runs at [`CODE`], wherever the
/// assembler thinks it is: jumps inside it are fine, addresses of its own are
/// not. Labels 20 and 30 are taken.
macro_rules! guest {
    ($bits:literal, $($line:literal),+ $(,)?) => {{
        let (start, end): (usize, usize);
        // SAFETY: computes two addresses; the guest's code is jumped over.
        unsafe {
            core::arch::asm!(
                "lea {start}, [rip + 20f]",
                "lea {end}, [rip + 30f]",
                "jmp 30f",
                "20:",
                $bits,
                $($line,)+
                ".code64",
                "30:",
                start = out(reg) start,
                end = out(reg) end,
                options(nomem, nostack, preserves_flags)
            )
        };
        // SAFETY: the range between the two labels, which is code of this
        // program and never written.
        unsafe { core::slice::from_raw_parts(start as *const u8, end - start) }
    }};
}
pub(crate) use guest;
