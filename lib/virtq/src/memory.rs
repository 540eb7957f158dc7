//! The guest's memory as a queue needs it.

use core::fmt;

/// A range that is not all memory of the guest's. Nothing was read or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outside {
    /// Where it began, guest-physical.
    pub address: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outside { address, length } = self;
        write!(f, "{length:#x} bytes at guest-physical {address:#x} are not all RAM")
    }
}

/// The guest's memory, which the guest may write at any time.
///
/// Whoever implements it keeps to this:
/// - Every access is checked; one that is not all memory does nothing.
/// - Words are little-endian, and those aligned to their size are read and written
///   in one piece. They need not be aligned.
/// - Accesses stay in program order, except that a store may pass a later load
///   (as x86-64 does by itself); [`Memory::fence`] forbids that too.
pub trait Memory {
    /// Whether all of a range is memory. It stays so as long as a queue lives.
    fn contains(&self, address: u64, length: u64) -> bool;

    /// Reads a word of two bytes.
    ///
    /// # Errors
    /// It is not all memory.
    fn read_u16(&self, address: u64) -> Result<u16, Outside>;

    /// Reads a word of eight bytes.
    ///
    /// # Errors
    /// It is not all memory.
    fn read_u64(&self, address: u64) -> Result<u64, Outside>;

    /// Writes a word of two bytes.
    ///
    /// # Errors
    /// It is not all memory.
    fn write_u16(&mut self, address: u64, value: u16) -> Result<(), Outside>;

    /// Writes a word of eight bytes.
    ///
    /// # Errors
    /// It is not all memory.
    fn write_u64(&mut self, address: u64, value: u64) -> Result<(), Outside>;

    /// Copies out.
    ///
    /// # Errors
    /// A byte is not memory; `into` is then unchanged.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Outside>;

    /// Copies in.
    ///
    /// # Errors
    /// A byte is not memory; nothing was then written.
    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Outside>;

    /// Orders every earlier access before every later one, a store before a later
    /// load included.
    fn fence(&self);
}
