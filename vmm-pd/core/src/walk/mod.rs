//! From what an instruction names (segment and offset) to a guest-physical
//! address, as the processor gets there: segmentation first ([`segment`]), then
//! paging ([`paging`]).
//!
//! It does not cache translations, and it does not know devices: an address
//! outside RAM is a result like any other; only *tables* must lie in RAM. The
//! surprising fact: every table that it reads is written by the guest, so tables
//! may contain themselves, overlap or lie anywhere. Nothing follows more than
//! four entries, and every outcome but an address is a typed [`Fault`].

mod fetched;
mod paging;
mod segment;

use core::fmt;

pub use fetched::fetched;
pub use paging::{Paging, PhysicalBits};
pub use segment::{AddressSpace, linear};

use crate::cpu::Exception;
use crate::types::Gpa;

/// What an access wants to do at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessKind {
    /// Read data.
    Read,
    /// Write data, or read and then write.
    Write,
    /// Fetch an instruction.
    Fetch,
}

/// Who accesses, and for what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// What for.
    pub kind: AccessKind,
    /// Whether it is a user-mode access (CPL 3).
    pub user: bool,
    /// RFLAGS.AC, which lifts SMAP for supervisor accesses.
    pub ac: bool,
}

/// Why there is no guest-physical address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The processor would raise this; the guest handles it.
    Exception(Exception),
    /// A paging structure lies outside RAM. A processor would see all ones or a
    /// device's registers there; this VMM stops the guest, whose tables are
    /// wrong.
    TableOutsideRam {
        /// Where the entry would be.
        entry: Gpa,
    },
    /// CR4 enables a way of paging that CPUID does not offer to the guest:
    /// five levels, or protection keys, whose register a VMM cannot read.
    UnsupportedPaging {
        /// CR4 as the processor uses it.
        cr4: u64,
    },
}

impl From<Exception> for Fault {
    fn from(exception: Exception) -> Fault {
        Fault::Exception(exception)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Exception(exception) => write!(f, "the guest takes {exception:?}"),
            Fault::TableOutsideRam { entry } => write!(
                f,
                "the guest's paging structure at guest-physical {:#x} is not in RAM; \
                 the guest's CR3 or an entry above is wrong",
                entry.0
            ),
            Fault::UnsupportedPaging { cr4 } => write!(
                f,
                "the guest's CR4 {cr4:#x} enables five-level paging or protection keys, \
                 which CPUID does not offer"
            ),
        }
    }
}
