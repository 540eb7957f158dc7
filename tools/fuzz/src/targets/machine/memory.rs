//! Guest RAM, with a bound on how often one exit may ask for it.

use std::cell::Cell;

use vmm_core::{
    memory::{GuestMemory, NotRam, TestMemory},
    types::Gpa,
};

/// Accesses to guest memory that one exit may need: 512 elements of a repeated
/// instruction, each with two operands in two pages, and their walks.
const ACCESSES: u32 = 512 * 40;

/// Guest RAM that counts how often it is asked.
pub(super) struct Counted {
    pub(super) memory: TestMemory,
    accesses: Cell<u32>,
}

impl Counted {
    pub(super) fn new(bytes: usize) -> Self {
        Counted { memory: TestMemory::new(bytes), accesses: Cell::new(0) }
    }

    /// Another exit begins.
    pub(super) fn forget(&self) {
        self.accesses.set(0);
    }

    fn count(&self) {
        self.accesses.set(self.accesses.get() + 1);
        assert!(self.accesses.get() < ACCESSES, "one exit needs {ACCESSES} accesses to memory");
    }
}

impl GuestMemory for Counted {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        self.count();
        self.memory.read(gpa, into)
    }
    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        self.count();
        self.memory.write(gpa, from)
    }
    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        self.count();
        self.memory.zero(gpa, length)
    }
    fn is_ram(&self, gpa: Gpa) -> bool {
        self.memory.is_ram(gpa)
    }
}
