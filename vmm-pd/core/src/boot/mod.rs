//! Preparing a guest's memory and first instruction.
//!
//! Signatures that the rest may build on (the code follows):
//! ```text
//! // An image in a read-only region. The shell overrides copy_into with one copy.
//! pub trait Source<M: GuestMemory> {
//!     fn length(&self) -> u64;
//!     fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds>;
//!     fn copy_into(&self, offset: u64, memory: &mut M, gpa: Gpa, length: u64) -> Result<(), CopyError> { .. }
//! }
//! pub struct Images<'a, K, I> { pub kernel: &'a K, pub initrd: Option<&'a I>, pub command_line: &'a str }
//! pub fn load<M, K: Source<M>, I: Source<M>>(memory: &mut M, ram: RamSize, images: &Images<K, I>) -> Result<Start, BootError>;
//! impl Start { pub fn apply(&self, cpu: &mut impl Cpu); }    // Display says what was loaded and how it is entered
//! ```
//! `load` detects ELF (PVH) or bzImage by content. `BootError: Display` says cause and cure.
pub mod acpi;
pub mod e820;
pub mod linux;
pub mod pvh;
