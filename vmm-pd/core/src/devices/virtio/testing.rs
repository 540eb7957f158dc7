//! An honest driver for host tests: it lays its queues out in the guest's memory,
//! offers buffers, and reads what came back.

use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use virtq::{Features, QueueConfig};

use super::memory::Guest;
use super::model::Queues;
use crate::memory::{GuestMemory, TestMemory};
use crate::types::Gpa;

/// Memory that it needs.
pub const RAM: usize = 4 << 20;

/// Room for the areas of one queue.
const AREAS: u64 = 0x4000;
/// Where buffers begin.
const BUFFERS: u64 = 0x4_0000;
/// Offsets of the rings in a queue's room.
const DRIVER: u64 = 0x1000;
const DEVICE: u64 = 0x2000;

/// What a chain of descriptors stands for.
#[derive(Clone, Debug)]
struct Offered {
    head: u16,
    writable: Vec<(u64, u32)>,
}

/// One queue as its driver sees it.
#[derive(Clone, Debug, Default)]
struct Ring {
    base: u64,
    size: u16,
    next: u16,
    available: u16,
    used: u16,
    offered: VecDeque<Offered>,
}

/// The driver.
#[derive(Debug)]
pub struct Driver {
    /// The device's ends.
    pub queues: Queues,
    rings: Vec<Ring>,
    buffers: u64,
}

impl Driver {
    /// Sets up queues of these sizes, at most 256, without optional features.
    pub fn new(sizes: &[u16], memory: &mut TestMemory) -> Self {
        let mut queues = Queues::default();
        let mut rings = vec![];
        for (index, &size) in sizes.iter().enumerate() {
            let base = AREAS * index as u64;
            let config = QueueConfig {
                size,
                most: size,
                descriptors: base,
                driver: base + DRIVER,
                device: base + DEVICE,
            };
            let queue = config.activate(Features::default(), &Guest(memory)).unwrap();
            queues.set(index, queue);
            rings.push(Ring { base, size, ..Ring::default() });
        }
        Driver { queues, rings, buffers: BUFFERS }
    }

    /// Offers a chain and notifies the device: buffers that hold these bytes, then buffers of these lengths
    /// for the device to write. Descriptors are used in turn, so fewer than the
    /// queue's size may be on their way.
    pub fn offer(
        &mut self,
        queue: usize,
        memory: &mut TestMemory,
        readable: &[&[u8]],
        writable: &[u32],
    ) {
        let ring = &mut self.rings[queue];
        let head = ring.next;
        let mut offered = Offered { head, writable: vec![] };
        let count = readable.len() + writable.len();
        let lengths = readable.iter().map(|b| b.len() as u32).chain(writable.iter().copied());
        for (i, length) in lengths.enumerate() {
            // Round and round: what was offered long ago has come back.
            if self.buffers + u64::from(length) > RAM as u64 {
                self.buffers = BUFFERS;
            }
            let address = self.buffers;
            self.buffers += u64::from(length);
            let mut flags = u64::from(i + 1 < count);
            match readable.get(i) {
                Some(bytes) => memory.write(Gpa(address), bytes).unwrap(),
                None => {
                    flags |= 2;
                    offered.writable.push((address, length));
                }
            }
            let at = ring.base + 16 * u64::from(ring.next);
            ring.next = (ring.next + 1) % ring.size;
            let word = u64::from(length) | flags << 32 | u64::from(ring.next) << 48;
            memory.write_u64(Gpa(at), address).unwrap();
            memory.write_u64(Gpa(at + 8), word).unwrap();
        }
        let slot = u64::from(ring.available % ring.size);
        memory.write_u16(Gpa(ring.base + DRIVER + 4 + 2 * slot), head).unwrap();
        ring.available = ring.available.wrapping_add(1);
        memory.write_u16(Gpa(ring.base + DRIVER + 2), ring.available).unwrap();
        ring.offered.push_back(offered);
        self.queues.kick(queue as u16);
    }

    /// The oldest chain that came back, if one did: its head, and what the device
    /// says it wrote.
    pub fn used(&mut self, queue: usize, memory: &TestMemory) -> Option<(u16, Vec<u8>)> {
        let (head, written, mut bytes) = self.used_whole(queue, memory)?;
        bytes.truncate(written);
        Some((head, bytes))
    }

    /// The same with all that is in its writable buffers, and how much of that the
    /// device says it wrote.
    pub fn used_whole(
        &mut self,
        queue: usize,
        memory: &TestMemory,
    ) -> Option<(u16, usize, Vec<u8>)> {
        let ring = &mut self.rings[queue];
        if memory.read_u16(Gpa(ring.base + DEVICE + 2)).unwrap() == ring.used {
            return None;
        }
        let at = ring.base + DEVICE + 4 + 8 * u64::from(ring.used % ring.size);
        let element = memory.read_u64(Gpa(at)).unwrap();
        ring.used = ring.used.wrapping_add(1);
        let (head, written) = (element as u16, (element >> 32) as usize);
        let index = ring.offered.iter().position(|o| o.head == head).expect("it was offered");
        let offered = ring.offered.remove(index).unwrap();
        let mut bytes = vec![];
        for (address, length) in offered.writable {
            let mut buffer = vec![0; length as usize];
            memory.read(Gpa(address), &mut buffer).unwrap();
            bytes.extend(buffer);
        }
        assert!(written <= bytes.len(), "the device wrote more than there was room for");
        Some((head, written, bytes))
    }
}
