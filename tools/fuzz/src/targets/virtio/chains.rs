//! A queue alone.

use arbitrary::{Arbitrary, Unstructured};
use virtq::testing::{Buffer, Bytes, Driver};
use virtq::{Chain, Features, Memory};

use crate::Target;
use crate::targets::input::{steps, take};

pub(in crate::targets) const TARGET: Target = Target {
    runs: 40_000,
    seeds: super::seeds,
    ..Target::new("virtq", "a chain is what the driver lent, or a fault closes its queue", check)
};

const RAM: usize = 0x3000;
const SIZE: u16 = 8;

/// Buffers of a chain that the device takes: fewer than the queue is long.
const PARTS: usize = 6;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// An honest chain: how many buffers to read and to write, whether indirect.
    Add(u8, u8, bool),
    /// A descriptor of the queue's table or of an indirect one, as it is told.
    Descriptor {
        table: u8,
        index: u8,
        address: u16,
        length: u8,
        flags: u8,
        next: u8,
    },
    /// The next entry of the available ring names this one.
    Offer(u8),
    Index(u16),
    Pop,
    Unpop,
    Complete,
    Publish,
    Arm,
    Disarm,
    Poke(u16, u8),
}

/// The chain from a head on by a second reader, who knows nothing of faults.
fn read(memory: &Bytes, driver: &Driver, head: u16) -> Option<Vec<(u64, u32, bool)>> {
    let descriptor = |table: u64, index: u16| {
        let at = table as usize + 16 * usize::from(index);
        let bytes: [u8; 16] = memory.0.get(at..at + 16)?.try_into().ok()?;
        let number = u128::from_le_bytes(bytes);
        Some((number as u64, (number >> 64) as u32, (number >> 96) as u16, (number >> 112) as u16))
    };
    let mut parts: Vec<(u64, u32, bool)> = vec![];
    let (mut table, mut entries, mut nested) = (driver.config.descriptors, u64::from(SIZE), false);
    let mut index = head;
    loop {
        if u64::from(index) >= entries || parts.len() > usize::from(SIZE) {
            return None;
        }
        let (address, length, flags, next) = descriptor(table, index)?;
        let end = u128::from(address) + u128::from(length);
        if length == 0 || end > RAM as u128 {
            return None;
        }
        if flags & 4 != 0 {
            if nested || !driver.features.indirect || flags & 1 != 0 || length % 16 != 0 {
                return None;
            }
            (table, entries, nested, index) = (address, u64::from(length / 16), true, 0);
            continue;
        }
        let writable = flags & 2 != 0;
        if !writable && parts.last().is_some_and(|part| part.2) {
            return None;
        }
        parts.push((address, length, writable));
        if parts.len() > PARTS {
            return None;
        }
        if flags & 1 == 0 {
            return Some(parts);
        }
        index = next;
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let flags: u8 = take(&mut bytes);
    let features = Features { indirect: flags & 1 != 0, event_index: flags & 2 != 0 };
    let mut memory = Bytes::new(RAM);
    let mut driver = Driver::new(0x100, SIZE, features);
    let data = driver.end();
    assert!(data < RAM as u64 - 0x400, "the areas leave room for data");
    let mut queue = driver.config.activate(features, &memory).expect("a sound queue");
    let mut chain = Chain::<PARTS>::new();
    let mut flight = vec![];
    let used = driver.config.device as usize..driver.config.device as usize + 6 + 8 * 8;
    let (mut popped, mut lied) = (0_u16, false);
    // Before anything is lent, every descriptor is one that could be.
    for table in [driver.config.descriptors, driver.table(0), driver.table(1)] {
        for index in 0..SIZE {
            driver.descriptor(&mut memory, table, index, (data, 1 + u32::from(index), 0, 0));
        }
    }
    for step in steps(bytes) {
        match step {
            Step::Add(reads, writes, indirect) => {
                let part = |n: u8, writable| Buffer {
                    address: data + 16 * u64::from(n),
                    length: 1 + u32::from(n),
                    writable,
                };
                let reads = (0..reads & 3).map(|n| part(n, false));
                let list: Vec<_> = reads.chain((0..writes & 3).map(|n| part(n, true))).collect();
                if list.is_empty() {
                    continue;
                }
                let _full = if indirect && features.indirect {
                    driver.add_indirect(&mut memory, &list)
                } else {
                    driver.add(&mut memory, &list)
                };
            }
            Step::Descriptor { table, index, address, length, flags, next } => {
                lied = true;
                let index = u16::from(index) % SIZE;
                let table = match table % 4 {
                    0 => driver.table(0),
                    1 => driver.table(1),
                    _ => driver.config.descriptors,
                };
                // Mostly what a careful liar would write.
                let address = match address & 15 {
                    0 => u64::MAX - u64::from(address),
                    1 => u64::from(address) % (RAM as u64 + 64),
                    2..6 => driver.table(u16::from(address & 16 != 0)),
                    _ => data + u64::from(address & 0xff),
                };
                // An indirect table is whole descriptors more often than not.
                let indirect = flags & 0x1c == 4;
                let length = if indirect && length & 0x80 == 0 { length & 0x70 } else { length };
                let flags = u16::from(flags & 3) | u16::from(indirect) << 2;
                let word = (address, u32::from(length), flags, u16::from(next % 9));
                driver.descriptor(&mut memory, table, index, word);
            }
            Step::Offer(head) => {
                lied = true;
                driver.offer(&mut memory, u16::from(head % 10));
            }
            Step::Index(index) => {
                lied = true;
                driver.available = popped.wrapping_add(index % 12);
                driver.set_index(&mut memory, driver.available);
            }
            Step::Poke(at, value) => {
                lied = true;
                let at = usize::from(at) % (data as usize);
                memory.0[at] = value;
            }
            Step::Pop => {
                let slot = u64::from(popped & (SIZE - 1));
                let head = memory.read_u16(driver.config.driver + 4 + 2 * slot).expect("RAM");
                let before = queue.broken();
                match queue.pop(&memory, &mut chain) {
                    Ok(None) => assert!(before.is_none()),
                    Ok(Some(taken)) => {
                        assert!(before.is_none(), "a closed queue stays closed");
                        popped = popped.wrapping_add(1);
                        assert_eq!(taken.descriptor(), head);
                        let list = |parts: virtq::Parts<'_>, writable| -> Vec<_> {
                            parts
                                .buffers()
                                .iter()
                                .map(|p| (p.address, p.length, writable))
                                .collect()
                        };
                        let mut found = list(chain.readable(), false);
                        found.extend(list(chain.writable(), true));
                        assert_eq!(Some(found), read(&memory, &driver, head));
                        flight.push(taken);
                        assert!(flight.len() <= usize::from(SIZE));
                    }
                    Err(fault) => {
                        assert!(lied, "{fault} without a lie");
                        let jump = matches!(fault, virtq::Fault::Index { .. });
                        let sound = head < SIZE && read(&memory, &driver, head).is_some();
                        assert!(before.is_some() || jump || !sound, "{fault} of a sound chain");
                        // The device is reset, and the driver begins anew; what it wrote into
                        // the tables is still there.
                        let rings = driver.config.driver as usize;
                        let tables = driver.table(0) as usize;
                        memory.0[rings..tables].fill(0);
                        driver = Driver::new(0x100, SIZE, features);
                        queue = driver.config.activate(features, &memory).expect("a sound queue");
                        flight.clear();
                        (popped, lied) = (0, true);
                    }
                }
            }
            Step::Unpop => {
                if flight.pop().is_some() {
                    queue.unpop();
                    popped = popped.wrapping_sub(1);
                }
            }
            Step::Complete => {
                if !flight.is_empty() {
                    // Only that ring is the device's to write.
                    let before = memory.clone();
                    queue.complete(&mut memory, flight.remove(0), 7);
                    let _interrupt = queue.publish(&mut memory);
                    for (at, (now, then)) in memory.0.iter().zip(&before.0).enumerate() {
                        assert!(now == then || used.contains(&at), "wrote at {at:#x}");
                    }
                }
            }
            Step::Publish => {
                let _interrupt = queue.publish(&mut memory);
                if !lied {
                    while driver.take(&memory).is_some() {}
                }
            }
            Step::Arm => {
                if let Ok(virtq::Pending::None) = queue.arm(&mut memory)
                    && !lied
                {
                    assert_eq!(popped, driver.available, "what waits is more");
                }
            }
            Step::Disarm => queue.disarm(&mut memory),
        }
    }
}
