//! The same queue seen by rust-vmm's `virtio-queue`: what an honest driver lends is
//! the same chain to both, and what we accept of a random table, it accepts too.

use proptest::prelude::*;
use virtio_queue::{Queue as Theirs, QueueOwnedT, QueueT};
use virtq::testing::{Buffer, Bytes, Driver};
use virtq::{Chain, Features, Head, Memory, Queue};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};

const RAM: usize = 0x40000;
const SIZE: u16 = 16;
const DATA: u64 = 0x20000;

struct Both {
    memory: Bytes,
    theirs_memory: GuestMemoryMmap,
    driver: Driver,
    ours: Queue,
    theirs: Theirs,
}

type Seen = (u16, Vec<(u64, u32, bool)>);

impl Both {
    fn new(features: Features) -> Self {
        let memory = Bytes::new(RAM);
        let driver = Driver::new(0x1000, SIZE, features);
        assert!(driver.end() <= DATA);
        let theirs_memory =
            GuestMemoryMmap::from_ranges(&[(GuestAddress(0), RAM)]).expect("there is memory");
        let mut theirs = Theirs::new(SIZE).expect("a size");
        let halves = |at: u64| (Some(at as u32), Some((at >> 32) as u32));
        theirs.set_size(SIZE);
        let (low, high) = halves(driver.config.descriptors);
        theirs.set_desc_table_address(low, high);
        let (low, high) = halves(driver.config.driver);
        theirs.set_avail_ring_address(low, high);
        let (low, high) = halves(driver.config.device);
        theirs.set_used_ring_address(low, high);
        theirs.set_event_idx(features.event_index);
        theirs.set_ready(true);
        assert!(theirs.is_valid(&theirs_memory));
        let ours = driver.config.activate(features, &memory).expect("a sound queue");
        Both { memory, theirs_memory, driver, ours, theirs }
    }

    /// Both see the same memory from here on.
    fn sync(&mut self) {
        self.theirs_memory.write_slice(&self.memory.0, GuestAddress(0)).expect("of one size");
    }

    fn ours(&mut self) -> Result<Option<(Head, Seen)>, virtq::Fault> {
        let mut chain = Chain::<16>::new();
        Ok(self.ours.pop(&self.memory, &mut chain)?.map(|head| {
            let list = |parts: virtq::Parts<'_>, writable| -> Vec<_> {
                parts.buffers().iter().map(|p| (p.address, p.length, writable)).collect()
            };
            let mut all = list(chain.readable(), false);
            all.extend(list(chain.writable(), true));
            (head, (head.descriptor(), all))
        }))
    }

    fn theirs(&mut self) -> Option<Seen> {
        let mut all = self.theirs.iter(&self.theirs_memory).ok()?;
        let chain = all.next()?;
        let head = chain.head_index();
        Some((head, chain.map(|d| (d.addr().0, d.len(), d.is_write_only())).collect()))
    }
}

fn features() -> impl Strategy<Value = Features> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(indirect, event_index)| Features { indirect, event_index })
}

/// Lengths of readable and writable buffers, whether in an indirect table, and how
/// many chains are taken and given back afterwards.
fn step() -> impl Strategy<Value = (Vec<u32>, Vec<u32>, bool, u8)> {
    let lengths = || prop::collection::vec(1..4096_u32, 0..5);
    (lengths(), lengths(), any::<bool>(), 0..4_u8)
}

proptest! {
    #[test]
    fn an_honest_driver_lends_both_the_same(
        features in features(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut both = Both::new(features);
        let mut flight = std::collections::VecDeque::new();
        for (readable, writable, indirect, take) in steps {
            let read = readable.iter().map(|l| Buffer::read(DATA, *l));
            let buffers: Vec<_> =
                read.chain(writable.iter().map(|l| Buffer::write(DATA + 4096, *l))).collect();
            if !buffers.is_empty() {
                let _full = if indirect && features.indirect {
                    both.driver.add_indirect(&mut both.memory, &buffers)
                } else {
                    both.driver.add(&mut both.memory, &buffers)
                };
            }
            both.sync();
            for _ in 0..take {
                let ours = both.ours().expect("honest");
                let theirs = both.theirs();
prop_assert_eq!(ours.as_ref().map(|(_, seen)| seen), theirs.as_ref());
                flight.extend(ours);
            }
            // The older half comes back.
            for _ in 0..flight.len().div_ceil(2) {
                let (handle, (head, buffers)) = flight.pop_front().expect("counted");
                let written = buffers.iter().filter(|b| b.2).map(|b| b.1).sum();
                both.theirs.add_used(&both.theirs_memory, head, written).expect("in range");
                both.ours.complete(&mut both.memory, handle, written);
            }
            let ours = both.ours.publish(&mut both.memory);
            let theirs = both.theirs.needs_notification(&both.theirs_memory).expect("in range");
            // Theirs may be asked without news, and then says no or repeats itself.
            if both.driver.take(&both.memory).is_some() {
                prop_assert_eq!(ours, theirs);
                while both.driver.take(&both.memory).is_some() {}
            }
            let at = both.driver.used;
            both.driver.ask(&mut both.memory, at, true);
            both.sync();
        }
    }

    /// A table of random descriptors: whatever we take for a chain, is one to them too.
    #[test]
    fn of_a_random_table_they_accept_what_we_accept(
        descriptors in prop::collection::vec(
            (0..RAM as u64 + 64, prop_oneof![0..64_u32, Just(16), Just(32)], 0..8_u16, 0..20_u16),
            16,
        ),
        heads in prop::collection::vec(0..18_u16, 1..8),
    ) {
        let features = Features { indirect: true, event_index: false };
        let mut both = Both::new(features);
        let table = both.driver.config.descriptors;
        for (index, descriptor) in descriptors.into_iter().enumerate() {
            // An indirect table is often this one.
            let (mut address, length, flags, next) = descriptor;
            if flags & 4 != 0 && address % 2 == 0 {
                address = table + 16 * (address % 12);
            }
            let descriptor = (address, length, flags, next);
            both.driver.descriptor(&mut both.memory, table, index as u16, descriptor);
        }
        for head in &heads {
            both.driver.offer(&mut both.memory, *head);
        }
        both.sync();
        for _ in &heads {
            match both.ours() {
                Ok(ours) => prop_assert_eq!(ours.map(|(_, seen)| seen), both.theirs()),
                Err(_) => break,
            }
        }
    }

    /// Rings of any bytes: no panic, no endless loop, nothing written outside.
    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0x800),
        features in features(),
    ) {
        let mut both = Both::new(features);
        let end = both.driver.config.device + 6 + 8 * u64::from(SIZE);
        both.memory.write(0x1000, &bytes).expect("RAM");
        let before = both.memory.clone();
        let mut chain = Chain::<8>::new();
        for _ in 0..2 * SIZE {
            if let Ok(Some(head)) = both.ours.pop(&both.memory, &mut chain) {
                both.ours.complete(&mut both.memory, head, 1);
            }
            let _interrupt = both.ours.publish(&mut both.memory);
            let _pending = both.ours.arm(&mut both.memory);
        }
        let used = both.driver.config.device as usize..end as usize;
        for (at, (now, then)) in both.memory.0.iter().zip(&before.0).enumerate() {
            prop_assert!(now == then || used.contains(&at), "wrote at {at:#x}");
        }
    }
}
