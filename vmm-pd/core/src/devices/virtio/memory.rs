//! Guest memory as virtqueues see it.

use virtq::Outside;

use crate::memory::{GuestMemory, NotRam};
use crate::types::Gpa;

/// Guest memory, borrowed for one go.
#[derive(Debug)]
pub struct Guest<'a, M>(pub &'a mut M);

fn outside(e: NotRam) -> Outside {
    Outside { address: e.gpa.0, length: e.length as u64 }
}

impl<M: GuestMemory> virtq::Memory for Guest<'_, M> {
    #[inline]
    fn contains(&self, address: u64, length: u64) -> bool {
        self.0.is_all_ram(Gpa(address), length)
    }

    #[inline]
    fn read_u16(&self, address: u64) -> Result<u16, Outside> {
        self.0.read_u16(Gpa(address)).map_err(outside)
    }

    #[inline]
    fn read_u64(&self, address: u64) -> Result<u64, Outside> {
        self.0.read_u64(Gpa(address)).map_err(outside)
    }

    #[inline]
    fn write_u16(&mut self, address: u64, value: u16) -> Result<(), Outside> {
        self.0.write_u16(Gpa(address), value).map_err(outside)
    }

    #[inline]
    fn write_u64(&mut self, address: u64, value: u64) -> Result<(), Outside> {
        self.0.write_u64(Gpa(address), value).map_err(outside)
    }

    #[inline]
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Outside> {
        self.0.read(Gpa(address), into).map_err(outside)
    }

    #[inline]
    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Outside> {
        self.0.write(Gpa(address), from).map_err(outside)
    }

    #[inline]
    fn fence(&self) {
        core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst);
    }
}
