//! The rings of a connection, with a peer's hand on every word of them.

use sddf::net::{Borrower, Lender};
use shmem::{ReadWrite, Region};

pub const SLOTS: usize = 8;
/// What the borrower calls the data region's first byte.
pub const BASE: u64 = 0x10_0000;
pub const SIZE: usize = SLOTS * 2048;

pub type TestLender = Lender<SLOTS>;
pub type TestBorrower = Borrower<SLOTS>;

pub struct Rings {
    pub out: Region<ReadWrite>,
    pub back: Region<ReadWrite>,
}

impl Rings {
    pub fn new(start: u16) -> Self {
        let ring = || {
            let ring = Region::host(8 + SLOTS * 16);
            ring.write_u16(0, start).unwrap();
            ring.write_u16(2, start).unwrap();
            ring
        };
        Rings { out: ring(), back: ring() }
    }

    pub fn lender(&self) -> TestLender {
        Lender::new(&self.out, &self.back, BASE, SIZE).unwrap()
    }

    pub fn borrower(&self) -> TestBorrower {
        Borrower::new(&self.out, &self.back, BASE, SIZE).unwrap()
    }
}

/// Puts anything into a ring, as a lying peer may.
pub fn forge(ring: &Region<ReadWrite>, buffer: u64, length: u16) {
    let tail = ring.read_u16(0).unwrap();
    let at = 8 + (usize::from(tail) % SLOTS) * 16;
    ring.write_u64(at, buffer).unwrap();
    ring.write_u16(at + 8, length).unwrap();
    ring.write_u16(0, tail.wrapping_add(1)).unwrap();
}
