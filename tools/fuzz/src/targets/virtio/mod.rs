//! Virtqueues and the devices behind them, with drivers that write whatever they like
//! into memory, and domains that may lie.
//!
//! What is held beside "nothing panics": a chain is what a second reader finds, a domain
//! is asked for nothing outside what it has, and after a reset an honest driver is
//! served as if nothing had been.

pub(super) mod chains;
pub(super) mod disk;
pub(super) mod frames;

use arbitrary::Arbitrary;
use vmm_core::devices::virtio::testing::Driver;
use vmm_core::memory::{GuestMemory, TestMemory};
use vmm_core::types::Gpa;

/// A write of a hostile driver: where its queues are, or anywhere.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Poke {
    place: u8,
    index: u8,
    value: u64,
    width: u8,
}

/// Bytes of a queue's room, and offsets of its rings there (`testing.rs` of the models).
const ROOM: u64 = 0x4000;
const RINGS: [u64; 3] = [0, 0x1000, 0x2000];

impl Poke {
    fn write(self, memory: &mut TestMemory, queues: u64) {
        let Poke { place, index, value, width } = self;
        let queue = u64::from(place >> 2) % queues;
        let ring = RINGS[usize::from(place & 3) % 3];
        let at = Gpa(queue * ROOM + ring + u64::from(index));
        // Small numbers mean more here.
        let value = if width & 0x80 == 0 { value & 0xff } else { value };
        let bytes = value.to_le_bytes();
        let count = 1 << (width & 3);
        let _outside = memory.write(at, &bytes[..count]);
    }
}

/// The driver begins anew, in memory that is clean where its queues are.
fn fresh(sizes: &[u16], memory: &mut TestMemory) -> Driver {
    let end = sizes.len() as u64 * ROOM;
    let _all_ram = memory.zero(Gpa(0), end);
    Driver::new(sizes, memory)
}

/// Inputs to start from: steps at random, the same ones every time.
fn seeds() -> Vec<Vec<u8>> {
    let steps = |number: u64| {
        let mut random = fastrand::Rng::with_seed(number);
        (0..64 << (number % 5)).map(|_| random.u8(..)).collect()
    };
    (0..64).map(steps).collect()
}
