//! The network device between a hostile driver and a virtualiser that may lie.

use arbitrary::{Arbitrary, Unstructured};
use sddf::net::{BUFFER_SIZE, Borrower, Lender, Loan};
use shmem::{ReadWrite, Region};
use vmm_core::devices::virtio::model::Model;
use vmm_core::devices::virtio::net::{Direction, Net, Options};
use vmm_core::devices::virtio::rate::Limiter;
use vmm_core::devices::virtio::testing::{Driver, RAM};
use vmm_core::memory::TestMemory;
use vmm_core::types::Ticks;

use super::{Poke, fresh};
use crate::Target;
use crate::targets::input::{steps, take};

pub(in crate::targets) const TARGET: Target = Target {
    runs: 4_000,
    seeds: super::seeds,
    longest: 600,
    ..Target::new("virtio-net", "frames are whole, and an interface outlives its drivers", check)
};

const BUFFERS: usize = 4;
const SIZES: [u16; 2] = [64; 2];

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// The driver sends so many bytes, with this in its header.
    Send {
        length: u16,
        split: u16,
        flags: u8,
        kind: u8,
        start: u16,
        offset: u16,
    },
    /// It lends room for frames.
    Room([u16; 3]),
    Poke(Poke),
    Serve,
    /// Both sides do all they can.
    Turn,
    Arrive(u16),
    Collect,
    Reset,
    /// The virtualiser writes into a ring.
    Lie {
        ring: u8,
        at: u8,
        value: u16,
    },
}

struct Virtualiser {
    rings: [Region<ReadWrite>; 4],
    receive: Borrower<256>,
    transmit: Borrower<256>,
    receive_data: Region<ReadWrite>,
    empty: Vec<Loan>,
    honest: bool,
}

impl Virtualiser {
    fn arrive(&mut self, length: u16) -> bool {
        while let Ok(Some(loan)) = self.receive.take() {
            self.empty.push(loan);
        }
        if self.empty.is_empty() {
            return false;
        }
        let loan = self.empty.remove(0);
        let frame = vec![0xee; usize::from(length)];
        let _written = self.receive_data.write(loan.offset(), &frame);
        self.receive.give_back(loan, length);
        let _broken = self.receive.publish();
        true
    }

    fn collect(&mut self) -> usize {
        let mut count = 0;
        while let Ok(Some(loan)) = self.transmit.take() {
            let length = loan.length();
            assert!(!self.honest || (14..=1518).contains(&length), "a frame of {length} bytes");
            self.transmit.give_back(loan, 0);
            count += 1;
        }
        let _broken = self.transmit.publish();
        count
    }
}

fn serve(net: &mut Net, driver: &mut Driver, memory: &mut TestMemory) -> bool {
    let broken = net.serve(&mut driver.queues, memory, Ticks(1)).fault.is_some();
    if broken {
        net.reset();
    }
    broken
}

/// Makes a packet of what is behind the virtio header that is to be cut, whose headers are
/// mostly as long as they should be.
fn cuttable(bytes: &mut [u8], size: u16, first: u16, second: u16) {
    // Words of a header: five, or any number.
    let words = |choice: u16| if choice & 0x30 == 0 { usize::from(choice & 15) } else { 5 };
    let tcp = 26 + 4 * words(first);
    for (at, value) in [
        // The size of pieces; IPv4 by its kind and version, TCP; TCP's length.
        (4, size as u8),
        (5, (size >> 13) as u8),
        (24, 0x08),
        (25, 0x00),
        (26, 0x40 | words(first) as u8),
        (35, 6),
        (tcp + 12, (words(second) as u8) << 4),
    ] {
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let features = u64::from(take::<u16>(&mut bytes));
    let size = BUFFERS * BUFFER_SIZE;
    let rings = [0; 4].map(|_| Region::host(4096));
    let [rx_free, rx_active, tx_free, tx_active] = &rings;
    let (receive_data, transmit_data) = (Region::host(size), Region::host(size));
    let direction =
        |out: &Region<ReadWrite>, back: &Region<ReadWrite>, data: &Region<ReadWrite>| {
            let lender = Lender::new(out, back, 0, size).expect("rings");
            Direction { lender, data: data.clone(), limiter: Limiter::default() }
        };
    let mut net = Net::new(
        direction(rx_free, rx_active, &receive_data),
        direction(tx_active, tx_free, &transmit_data),
        Options { mac: [2, 0, 0, 0, 0, 1], mtu: 1500 },
    );
    let mut virt = Virtualiser {
        receive: Borrower::new(rx_free, rx_active, 0, size).expect("rings"),
        transmit: Borrower::new(tx_active, tx_free, 0, size).expect("rings"),
        rings: rings.clone(),
        receive_data,
        empty: vec![],
        honest: true,
    };
    let mut memory = TestMemory::new(RAM);
    let mut driver = fresh(&SIZES, &mut memory);
    net.start(net.features() & features);
    let mut running = true;
    for step in steps(bytes) {
        match step {
            Step::Send { length, split, flags, kind, start, offset } => {
                // Short, long, or anything.
                let length = match length & 3 {
                    0 => 1 + length / 4 % 40,
                    1 => 1520 + length / 4 % 20,
                    _ => 1 + length % 2100,
                };
                let mut bytes = vec![0x5a; length.into()];
                for (at, value) in [
                    (0, u8::from(flags & 7 == 7)),
                    (1, u8::from(kind & 7 == 7)),
                    (6, start as u8),
                    (7, (start >> 14) as u8),
                    (8, offset as u8),
                    (9, (offset >> 14) as u8),
                ] {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = value;
                    }
                }
                if flags & kind & 7 == 7 {
                    cuttable(&mut bytes, split, start, offset);
                }
                let (first, rest) = bytes.split_at(usize::from(split) % bytes.len());
                let parts: Vec<&[u8]> =
                    [first, rest].into_iter().filter(|part| !part.is_empty()).collect();
                driver.offer(1, &mut memory, &parts, &[]);
            }
            Step::Room(lengths) => {
                let lengths: Vec<u32> =
                    lengths.into_iter().map(|n| u32::from(n % 1600)).filter(|n| *n > 0).collect();
                if !lengths.is_empty() {
                    driver.offer(0, &mut memory, &[], &lengths);
                }
            }
            Step::Poke(poke) => poke.write(&mut memory, SIZES.len() as u64),
            Step::Serve if running => running = !serve(&mut net, &mut driver, &mut memory),
            Step::Serve => {}
            Step::Turn => {
                running = running && !serve(&mut net, &mut driver, &mut memory);
                virt.collect();
            }
            Step::Arrive(length) => {
                virt.arrive(length % (BUFFER_SIZE as u16 + 1));
            }
            Step::Collect => {
                virt.collect();
            }
            Step::Reset => {
                net.reset();
                driver = fresh(&SIZES, &mut memory);
                net.start(net.features() & features);
                running = true;
            }
            Step::Lie { ring, at, value } => {
                virt.honest = false;
                let _written =
                    virt.rings[usize::from(ring & 3)].write_u16(usize::from(at) * 2, value);
            }
        }
        assert!(!virt.honest || net.breach().is_none(), "an honest virtualiser is not closed");
    }
    // Whatever was before: an honest driver sends and receives, or its cable is pulled.
    net.reset();
    let mut driver = fresh(&SIZES, &mut memory);
    net.start(net.features());
    assert!(!serve(&mut net, &mut driver, &mut memory), "an honest driver");
    virt.collect();
    driver.offer(0, &mut memory, &[], &[2000]);
    driver.offer(1, &mut memory, &[&[0; 72]], &[]);
    let arrived = virt.arrive(60);
    for _ in 0..4 {
        assert!(!serve(&mut net, &mut driver, &mut memory), "an honest driver");
    }
    if virt.honest {
        assert!(arrived, "there is a buffer for what arrives");
        assert_eq!(driver.used(0, &memory).map(|(_, bytes)| bytes.len()), Some(72));
        assert!(driver.used(1, &memory).is_some(), "what was sent comes back");
        assert_eq!(virt.collect(), 1);
    }
}
