//! Who serves the devices outside the VMM, and the devices that they serve.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use ramdisk_core::{Data, Disk, Ramdisk};
use sddf::{
    block::{Client, InfoSink, InfoSource, Server, Window},
    net::{BUFFER_SIZE, Borrower, Lender},
    serial::{Consumer, Producer, Shared},
};
use shmem::{Read, ReadWrite, Region};
use vmm_core::devices::virtio::{
    Device, Models,
    block::{Block, Options, Store},
    console::Console,
    entropy::Entropy,
    net::{self, BUFFERS, Direction, Net},
    rate::Limiter,
};

use crate::{Machine, Peer};

fn leak<T>(value: T) -> &'static mut T {
    Box::leak(Box::new(value))
}

impl Peer for Ramdisk {
    fn work(&mut self) -> bool {
        let mut told = false;
        loop {
            let outcome = self.serve();
            assert_eq!(outcome.breach, None);
            told |= outcome.notify;
            if !outcome.again {
                return told;
            }
        }
    }
}

/// A disk over a region, with the RAM disk's driver behind it.
pub fn disk(contents: &Region<ReadWrite>, read_only: bool) -> Machine {
    let queue = || Region::host(4096);
    let (requests, responses, page) = (queue(), queue(), queue());
    // Fewer than the driver may ask for at once.
    let data = Region::host(24 * 4096);
    let window = Window { base: 0, size: data.len() as u64 };
    let image = if read_only {
        Disk::ReadOnly(contents.read_only())
    } else {
        Disk::Writable(contents.clone())
    };
    let ramdisk = Ramdisk::new(
        Server::new(&requests, &responses).expect("new rings"),
        &InfoSink::new(&page).expect("a page"),
        image,
        [Data { window, region: data.clone() }],
    );
    let block = Block::new(
        leak(Store::new()),
        Client::new(&requests, &responses).expect("new rings"),
        data,
        InfoSource::new(&page.read_only()).expect("a page"),
        Options::default(),
        Limiter::default(),
    );
    let models =
        Models { block: [Some(leak(block.expect("a region"))), None], ..Models::default() };
    Machine::new(models, Device::Block0, ramdisk.expect("a disk"))
}

/// What a network carries.
#[derive(Default)]
pub struct Wire {
    /// What the guest sent.
    pub sent: Vec<Vec<u8>>,
    /// What it is sent.
    pub waiting: VecDeque<Vec<u8>>,
}

struct Virtualiser {
    receive: Borrower<BUFFERS>,
    transmit: Borrower<BUFFERS>,
    receive_data: Region<ReadWrite>,
    transmit_data: Region<ReadWrite>,
    wire: Rc<RefCell<Wire>>,
}

impl Peer for Virtualiser {
    fn work(&mut self) -> bool {
        let mut wire = self.wire.borrow_mut();
        let mut moved = false;
        while let Some(loan) = self.transmit.take().expect("the VMM is honest") {
            let mut frame = vec![0; loan.length().into()];
            self.transmit_data.read(loan.offset(), &mut frame).expect("within the region");
            wire.sent.push(frame);
            self.transmit.give_back(loan, 0);
            moved = true;
        }
        while let Some(frame) = wire.waiting.pop_front() {
            let Some(loan) = self.receive.take().expect("the VMM is honest") else {
                wire.waiting.push_front(frame);
                break;
            };
            self.receive_data.write(loan.offset(), &frame).expect("within the region");
            self.receive.give_back(loan, frame.len() as u16);
            moved = true;
        }
        let _asked = self.transmit.publish().expect("the VMM is honest");
        let _asked = self.receive.publish().expect("the VMM is honest");
        moved
    }
}

/// A network interface with this address on a wire.
pub fn network(mac: [u8; 6], wire: &Rc<RefCell<Wire>>) -> Machine {
    let size = BUFFERS * BUFFER_SIZE;
    let queue = || Region::host(4096);
    let (rx_free, rx_active, tx_free, tx_active) = (queue(), queue(), queue(), queue());
    let (receive_data, transmit_data) = (Region::host(size), Region::host(size));
    let direction = |out, back, data: &Region<ReadWrite>| Direction {
        lender: Lender::new(out, back, 0, size).expect("new rings"),
        data: data.clone(),
        limiter: Limiter::default(),
    };
    let device = Net::new(
        direction(&rx_free, &rx_active, &receive_data),
        direction(&tx_active, &tx_free, &transmit_data),
        net::Options { mac, mtu: 1500 },
    );
    let virtualiser = Virtualiser {
        receive: Borrower::new(&rx_free, &rx_active, 0, size).expect("new rings"),
        transmit: Borrower::new(&tx_active, &tx_free, 0, size).expect("new rings"),
        receive_data,
        transmit_data,
        wire: Rc::clone(wire),
    };
    let models = Models { net: [Some(leak(device)), None], ..Models::default() };
    Machine::new(models, Device::Net0, virtualiser)
}

/// Both ends of a stream of bytes.
fn stream() -> (Producer, Consumer<Shared<Read>>) {
    let (queue, data) = (Region::host(4096), Region::host(4096));
    let shared = |data| Shared::new(&queue, data).expect("a region");
    let producer = Producer::attach(shared(data.clone())).expect("a new queue");
    let consumer = Shared::new(&queue, data.read_only()).expect("a region");
    (producer, Consumer::attach(consumer).expect("a new queue"))
}

/// Counts, so that every byte is another.
struct Source {
    bytes: Producer,
    next: u8,
}

impl Peer for Source {
    fn work(&mut self) -> bool {
        let mut some = false;
        while self.bytes.enqueue(&[self.next]).is_ok_and(|taken| taken > 0) {
            self.next = self.next.wrapping_add(1);
            some = true;
        }
        some
    }
}

/// A source of entropy that counts.
pub fn entropy() -> Machine {
    let (bytes, consumer) = stream();
    let models = Models { entropy: Some(Entropy::new(Ok(consumer))), ..Models::default() };
    Machine::new(models, Device::Entropy, Source { bytes, next: 0 })
}

/// What passes over a console.
#[derive(Default)]
pub struct Screen {
    /// What the guest wrote.
    pub shown: Vec<u8>,
    /// What is typed at it.
    pub typed: VecDeque<u8>,
}

struct Terminal {
    output: Consumer<Shared<Read>>,
    input: Producer,
    screen: Rc<RefCell<Screen>>,
}

impl Peer for Terminal {
    fn work(&mut self) -> bool {
        let mut screen = self.screen.borrow_mut();
        let mut moved = false;
        let mut bytes = [0; 64];
        loop {
            let count = self.output.dequeue(&mut bytes).expect("the VMM is honest");
            if count == 0 {
                break;
            }
            screen.shown.extend(&bytes[..count]);
            moved = true;
        }
        while let Some(&byte) = screen.typed.front() {
            if self.input.enqueue(&[byte]).expect("the VMM is honest") == 0 {
                break;
            }
            screen.typed.pop_front();
            moved = true;
        }
        moved
    }
}

/// A console.
pub fn console(screen: &Rc<RefCell<Screen>>) -> Machine {
    let (output, shown) = stream();
    let (typed, input) = stream();
    let terminal = Terminal { output: shown, input: typed, screen: Rc::clone(screen) };
    let models = Models { console: Some(leak(Console::new(output, input))), ..Models::default() };
    Machine::new(models, Device::Console, terminal)
}
