//! Loading kernels, good ones and hostile ones.

mod bzimage;
mod elf;
mod entry;
mod found;

use super::*;
use crate::cpu::testing::FakeCpu;
use crate::memory::{NotRam, TestMemory};
use std::vec::Vec;

/// RAM of the guests here.
const RAM: u64 = 20 * n::MIB;

fn ram() -> RamSize {
    RamSize::new(RAM).unwrap()
}

/// RAM full of what the last guest left.
fn dirty_memory() -> TestMemory {
    TestMemory(std::vec![0xA5; RAM as usize])
}

fn images<'a>(kernel: &'a [u8], initrd: Option<&'a [u8]>) -> Images<'a, [u8], [u8]> {
    Images { kernel, initrd, command_line: "console=ttyS0" }
}

fn start(kernel: &[u8], initrd: Option<&[u8]>) -> (TestMemory, Result<Start, BootError>) {
    let mut memory = dirty_memory();
    let start = load(&mut memory, ram(), &images(kernel, initrd));
    (memory, start)
}

/// Why an image is refused; needs no memory to find out.
fn refusal(kernel: &[u8]) -> BootError {
    let mut memory = Recorder::new();
    load(&mut memory, ram(), &images(kernel, None)).unwrap_err()
}

fn number(bytes: &[u8], at: u64, length: usize) -> u64 {
    bytes[at as usize..][..length].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Memory that records what is written and has RAM for all of it.
struct Recorder {
    size: u64,
    outside: Vec<Span>,
}

impl Recorder {
    fn new() -> Self {
        Recorder { size: RAM, outside: Vec::new() }
    }

    fn check(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        let end = gpa.0.saturating_add(length);
        if end > self.size {
            self.outside.push(Span::new(gpa.0, end));
        }
        Ok(())
    }
}

impl GuestMemory for Recorder {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        Err(NotRam { gpa, length: into.len() })
    }

    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        self.check(gpa, from.len() as u64)
    }

    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        self.check(gpa, length)
    }

    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < self.size
    }
}

/// Loads into memory that refuses nothing, and checks that what starts, if it
/// does, lies where kernels may and apart from its RAM disk.
///
/// # Returns
/// What was written outside RAM all the same.
fn writes_outside(kernel: &[u8], initrd: Option<&[u8]>) -> Vec<Span> {
    let mut memory = Recorder::new();
    if let Ok(start) = load(&mut memory, ram(), &images(kernel, initrd)) {
        let entry = start.entry.rip.0;
        assert!(layout::kernel_room(ram()).contains(start.kernel));
        assert!(start.kernel.contains(Span::new(entry, entry + 1)));
        if let Some(initrd) = start.initrd {
            assert!(!initrd.overlaps(start.kernel) && initrd.end <= RAM);
        }
    }
    memory.outside
}

/// What both protocols leave in low memory.
fn check_low_memory(memory: &TestMemory) {
    assert_eq!(number(&memory.0, n::BDA, 2), u64::from(n::COM1_PORT));
    assert_eq!(number(&memory.0, n::BDA + 0x0E, 2) << 4, n::EBDA);
    assert_eq!(number(&memory.0, n::BDA + 0x13, 2), 639);
    assert_eq!(memory.0[n::EBDA as usize], 1);
    assert!(memory.0[n::ACPI as usize..].starts_with(b"RSD PTR "));
    assert!(memory.0[n::COMMAND_LINE as usize..].starts_with(b"console=ttyS0\0"));
    // Nothing of the last guest is left where firmware tables are searched.
    assert!(memory.0[0xF_0000..0x10_0000].iter().all(|b| *b == 0));
    assert!(memory.0[n::EBDA as usize + 1..n::ISA_HOLE as usize].iter().all(|b| *b == 0));
}

#[test]
fn a_command_line_that_is_too_long_is_refused() {
    let line = std::string::String::from_utf8(std::vec![b'x'; 4096]).unwrap();
    let kernel = elf::kernel();
    let mut memory = dirty_memory();
    let images: Images<'_, [u8], [u8]> =
        Images { kernel: &kernel, initrd: None, command_line: &line };
    let error = load(&mut memory, ram(), &images).unwrap_err();
    assert_eq!(error, BootError::CommandLine { length: 4096, most: 4095 });
}

#[test]
fn memory_smaller_than_its_configuration_is_named() {
    let mut memory = TestMemory::new(n::MIB as usize / 2);
    let error = load(&mut memory, ram(), &images(&elf::kernel(), None)).unwrap_err();
    assert!(matches!(error, BootError::Memory(_)));
}

#[test]
fn an_initrd_that_does_not_fit_is_refused() {
    let initrd = std::vec![0; RAM as usize];
    let (_, result) = start(&elf::kernel(), Some(&initrd));
    assert!(matches!(result, Err(BootError::InitrdNoRoom { .. })));
}

#[test]
fn an_empty_initrd_is_none() {
    let (_, result) = start(&elf::kernel(), Some(&[]));
    assert_eq!(result.unwrap().initrd, None);
}
