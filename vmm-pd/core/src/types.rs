//! Newtypes for numbers that must not be confused. None of them has
//! arithmetic that can overflow silently.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A guest-physical address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Gpa(pub u64);

/// A guest linear address: segmentation applied, paging not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Gva(pub u64);

/// An I/O port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u16);

/// The number of a model-specific register.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Msr(pub u32);

/// A global system interrupt: an input of the I/O APIC (ACPI 6.5, 5.2.13).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Gsi(pub u8);

/// An interrupt or exception vector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Vector(pub u8);

/// A point in time, or a span of it, in ticks of the time-stamp counter. Guests
/// see the counter raw, so guest time and this are one.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Ticks(pub u64);

impl Gpa {
    /// `self + offset`, or nothing if that leaves the 64-bit space.
    pub fn checked_add(self, offset: u64) -> Option<Gpa> {
        self.0.checked_add(offset).map(Gpa)
    }
}

impl Ticks {
    /// The later of the far future and `self + span`: deadlines saturate.
    pub fn saturating_add(self, span: Ticks) -> Ticks {
        Ticks(self.0.saturating_add(span.0))
    }

    /// Time from `earlier` to `self`; zero if `earlier` is in fact later.
    pub fn since(self, earlier: Ticks) -> Ticks {
        Ticks(self.0.saturating_sub(earlier.0))
    }
}

macro_rules! hex_debug {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:#x})", stringify!($name), self.0)
            }
        }
    )*};
}
hex_debug!(Gpa, Gva, Port, Msr);

/// Size of one access.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Width {
    /// One byte.
    Byte = 1,
    /// Two bytes.
    Word = 2,
    /// Four bytes.
    Dword = 4,
    /// Eight bytes.
    Qword = 8,
}

impl Width {
    /// In bytes.
    pub const fn bytes(self) -> usize {
        self as usize
    }

    /// In bits.
    pub const fn bits(self) -> u32 {
        self as u32 * 8
    }

    /// All ones of this width: what an unclaimed read returns.
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }

    /// The width of so many bytes, if an access can have it.
    pub const fn from_bytes(bytes: u64) -> Option<Width> {
        match bytes {
            1 => Some(Width::Byte),
            2 => Some(Width::Word),
            4 => Some(Width::Dword),
            8 => Some(Width::Qword),
            _ => None,
        }
    }
}
