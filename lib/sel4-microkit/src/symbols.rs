//! Symbols whose values the Microkit's tool writes into a program's image.

use core::{cell::UnsafeCell, ptr::NonNull};

use shmem::Region;

/// A variable that a tool sets in the image. Read as volatile, so that the
/// compiler does not take the default for the value.
#[repr(transparent)]
#[derive(Debug)]
pub struct Patched<T>(UnsafeCell<T>);

// SAFETY: nothing writes it after the image was made.
unsafe impl<T: Sync> Sync for Patched<T> {}

impl<T: Copy> Patched<T> {
    /// A variable with its value before the tool.
    pub const fn new(default: T) -> Self {
        Patched(UnsafeCell::new(default))
    }

    /// What the tool set.
    pub fn get(&self) -> T {
        // SAFETY: valid and initialised as a static, and never written while
        // the program runs.
        unsafe { self.0.get().read_volatile() }
    }
}

/// Declares a symbol for the tool to set and gives its value:
/// `var!(name: u64 = 0)`.
#[macro_export]
macro_rules! var {
    ($symbol:ident: $type:ty = $default:expr) => {
        $crate::_named_var!([stringify!($symbol)]: $type = $default)
    };
}

/// As [`var!`], of a name in parts.
#[doc(hidden)]
#[macro_export]
macro_rules! _named_var {
    ([$($part:expr),+]: $type:ty = $default:expr) => {{
        #[unsafe(export_name = concat!($($part),+))]
        #[unsafe(link_section = ".data")]
        static PATCHED: $crate::_private::Patched<$type> = $crate::_private::Patched::new($default);
        PATCHED.get()
    }};
}

/// The shared region whose address and size the tool writes to these symbols
/// (`setvar_vaddr`, `setvar_size`): `memory_region!(ReadWrite, x_vaddr, x_size)`.
/// Panics with the symbol's name if the system description maps none.
#[macro_export]
macro_rules! memory_region {
    ($rights:ident, $vaddr:ident, $size:ident) => {
        match $crate::memory_region_opt!($rights, $vaddr, $size) {
            Some(region) => region,
            None => {
                panic!("the system description maps no region with setvar {}", stringify!($vaddr))
            }
        }
    };
}

/// As [`memory_region!`], but `None` if the system description maps none.
#[macro_export]
macro_rules! memory_region_opt {
    ($rights:ident, $vaddr:ident, $size:ident) => {
        $crate::_named_region!($rights, [stringify!($vaddr)], [stringify!($size)])
    };
}

/// As [`memory_region_opt!`], for one of several that are alike, by its number:
/// `numbered_region!(ReadWrite, "client", 2, "_data")` has the symbols
/// `client2_data_vaddr` and `client2_data_size`.
#[macro_export]
macro_rules! numbered_region {
    ($rights:ident, $($part:expr),+) => {
        $crate::_named_region!($rights, [$($part),+, "_vaddr"], [$($part),+, "_size"])
    };
}

/// A region whose symbols have names in parts.
#[doc(hidden)]
#[macro_export]
macro_rules! _named_region {
    ($rights:ident, [$($vaddr:expr),+], [$($size:expr),+]) => {{
        let vaddr = $crate::_named_var!([$($vaddr),+]: u64 = 0);
        let size = $crate::_named_var!([$($size),+]: u64 = 0);
        // SAFETY: the tool sets both from one mapping of the system
        // description, which outlives the program and holds no Rust object.
        unsafe {
            $crate::_private::region_opt::<$crate::_private::shmem::$rights>(vaddr, size)
        }
    }};
}

/// What a macro makes of each number from 0 to 7, as an array: for the regions of
/// so many clients ([`numbered_region!`]).
#[macro_export]
macro_rules! each_of_8 {
    ($make:ident) => {
        [$make!(0), $make!(1), $make!(2), $make!(3), $make!(4), $make!(5), $make!(6), $make!(7)]
    };
}

/// The region at `vaddr`, if that is not zero.
///
/// # Safety
/// `size` bytes at `vaddr` are mapped with the rights `R` for the life of the
/// program, and no Rust object lies in them.
#[doc(hidden)]
pub unsafe fn region_opt<R: shmem::Rights>(vaddr: u64, size: u64) -> Option<Region<R>> {
    let start = NonNull::new(vaddr as *mut u8)?;
    // SAFETY: the caller's.
    (size > 0).then(|| unsafe { Region::from_raw(start, size as usize) })
}

/// Longest name of a protection domain, with its terminator.
const NAME_LENGTH: usize = 64;

/// This protection domain's name.
pub fn pd_name() -> &'static str {
    #[allow(non_upper_case_globals)]
    #[unsafe(no_mangle)]
    #[unsafe(link_section = ".data")]
    static microkit_name: Patched<[u8; NAME_LENGTH]> = Patched::new([0; NAME_LENGTH]);
    // SAFETY: never written while the program runs, so a reference to it is
    // sound; it lives as long as the program.
    let bytes: &'static [u8; NAME_LENGTH] = unsafe { &*microkit_name.0.get() };
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(NAME_LENGTH);
    core::str::from_utf8(&bytes[..end]).unwrap_or("?")
}

/// Interrupt lines of this domain, one bit a channel.
pub(crate) fn irqs() -> u64 {
    var!(microkit_irqs: u64 = 0)
}

/// Channels that this domain may notify.
pub(crate) fn notifications() -> u64 {
    var!(microkit_notifications: u64 = 0)
}

/// Channels that this domain may call.
pub(crate) fn calls() -> u64 {
    var!(microkit_pps: u64 = 0)
}

/// I/O port ranges of this domain.
pub(crate) fn io_ports() -> u64 {
    var!(microkit_ioports: u64 = 0)
}

/// Whether this domain runs on its callers' time.
pub(crate) fn passive() -> bool {
    var!(microkit_passive: u8 = 0) != 0
}
