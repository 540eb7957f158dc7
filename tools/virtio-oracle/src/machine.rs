//! Devices of the VMM's, as a guest's driver finds them.

use std::{
    cell::RefCell,
    rc::Rc,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use pci_bus::virtio::{Span, Structures, VENDOR};
use virtio_hal::DeviceType;
use vmm_core::{
    devices::virtio::{Device, DeviceSet, Models, Virtio, function::MEMORY_SIZE},
    interrupts::Interrupts,
    outside::testing::FakeOutside,
    time::TscFrequency,
    types::{Ticks, Width},
    watched::Watched,
};

use crate::{Transport, memory::Ram};

/// Who serves a device outside the VMM.
pub trait Peer {
    /// Does all that it can.
    ///
    /// # Returns
    /// Whether the device must be told.
    fn work(&mut self) -> bool;
}

/// How often both sides may take turns before that counts as for ever.
const TURNS: u32 = 100_000;

/// In the registers' numbers: where the port for notifications is.
const PORT: u32 = 0x1_0000;

struct Inside {
    virtio: Virtio,
    interrupts: Watched<Interrupts>,
    memory: Ram,
    outside: FakeOutside,
    peer: Box<dyn Peer>,
    now: u64,
}

/// A machine with one device of interest.
pub struct Machine {
    inside: Rc<RefCell<Inside>>,
    device: Device,
    /// Dropped with the machine, which its watch hears.
    _watched: Sender<()>,
}

/// How long a machine may last: far longer than any test.
const LIMIT: Duration = Duration::from_secs(600);

/// Ends the process if a machine lasts too long: the crate's drivers wait by looking,
/// and so for ever for a device that does not answer.
fn watch() -> Sender<()> {
    let (watched, gone) = mpsc::channel();
    thread::spawn(move || {
        if gone.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("the driver has waited for its device for {LIMIT:?}");
            std::process::abort();
        }
    });
    watched
}

/// Its registers, to which the port for notifications is added.
pub struct Registers {
    inside: Rc<RefCell<Inside>>,
    device: Device,
}

impl Inside {
    /// Lets the device and who serves it work until neither has anything left.
    fn settle(&mut self, device: Device) {
        for _ in 0..TURNS {
            self.now += 1;
            let Inside { virtio, interrupts, memory, outside, peer, now } = self;
            virtio.advance(Ticks(*now));
            let wanted = virtio.wanting();
            if wanted {
                virtio.serve(memory, interrupts, outside, Ticks(*now));
            }
            assert!(outside.complaints.is_empty(), "{:?}", outside.complaints);
            if peer.work() {
                let mut rang = DeviceSet::NONE;
                rang.insert(device);
                virtio.rung(rang);
            } else if !wanted {
                return;
            }
        }
        panic!("device and peer work for ever");
    }

    fn config(&mut self, device: Device, register: u8) -> u32 {
        let Inside { virtio, interrupts, .. } = self;
        virtio.read_config(device, register, interrupts).expect("there is one")
    }
}

impl Machine {
    /// A machine with these devices, and who serves the one of interest. Memory of an
    /// earlier one of this thread is gone.
    pub fn new(models: Models, device: Device, peer: impl Peer + 'static) -> Machine {
        let tsc = TscFrequency::new(100_000_000).expect("it is one");
        let inside = Inside {
            virtio: Virtio::new(models),
            interrupts: Watched::new(Interrupts::new(tsc, 39)),
            memory: Ram::new(),
            outside: FakeOutside::new(),
            peer: Box::new(peer),
            now: 0,
        };
        Machine { inside: Rc::new(RefCell::new(inside)), device, _watched: watch() }
    }

    /// Finds the device in configuration space, enables it, and gives a driver its
    /// registers.
    ///
    /// # Panics
    /// There is none of this kind, or its capabilities do not say what they must.
    pub fn transport(&self, kind: DeviceType) -> Transport {
        let (structures, base) = {
            let mut inside = self.inside.borrow_mut();
            let identity = u32::from(VENDOR) | (0x1040 + kind as u32) << 16;
            assert_eq!(inside.config(self.device, 0), identity);
            let Inside { virtio, interrupts, .. } = &mut *inside;
            // Ports, memory, bus mastering.
            virtio.write_config(self.device, 4, 7, 0xffff, interrupts).expect("there is one");
            inside.structures(self.device)
        };
        let registers = Registers { inside: Rc::clone(&self.inside), device: self.device };
        let size = (PORT + 4) as usize;
        Transport::new(kind, registers, base.into(), size, &structures)
            .unwrap_or_else(|e| panic!("{e}"))
    }

    /// Lets everybody work, as when somebody outside has something new.
    pub fn settle(&self) {
        let mut inside = self.inside.borrow_mut();
        let mut rang = DeviceSet::NONE;
        rang.insert(self.device);
        inside.virtio.rung(rang);
        inside.settle(self.device);
    }

    /// Whether the device asserts its line.
    pub fn line(&self) -> bool {
        self.inside.borrow().interrupts.line(self.device.line())
    }
}

impl Inside {
    /// Where the structures are, and where the memory begins: what the capabilities
    /// say. The port for notifications is put behind the memory.
    fn structures(&mut self, device: Device) -> (Structures, u32) {
        let base = self.config(device, 0x14) & !0xf;
        let mut found = Structures::default();
        let mut at = self.config(device, 0x34) as u8;
        while at != 0 {
            let [id, next, _, kind] = self.config(device, at).to_le_bytes();
            let [bar, offset, size] = [4, 8, 12].map(|place| self.config(device, at + place));
            let span = match bar as u8 {
                0 => Span { address: base + PORT + offset, size },
                _ => Span { address: base + offset, size },
            };
            match (id, kind) {
                (0x09, 1) => found.common = span,
                (0x09, 2) => {
                    found.notify = span;
                    found.notify_multiplier = self.config(device, at + 16);
                }
                (0x09, 3) => found.isr = span,
                (0x09, 4) => found.device = span,
                _ => {}
            }
            at = next;
        }
        (found, base)
    }
}

impl Registers {
    fn read(&self, offset: usize, width: Width) -> u64 {
        let offset = offset as u32;
        assert!(offset < MEMORY_SIZE, "a read of the port");
        let mut inside = self.inside.borrow_mut();
        let Inside { virtio, interrupts, .. } = &mut *inside;
        virtio.read(self.device, offset, width, interrupts)
    }

    fn write(&self, offset: usize, width: Width, value: u64) {
        let offset = offset as u32;
        let mut inside = self.inside.borrow_mut();
        let Inside { virtio, interrupts, .. } = &mut *inside;
        if offset == PORT {
            virtio.notify(self.device, value as u16, interrupts);
        } else {
            virtio.write(self.device, offset, width, value, interrupts);
        }
        inside.settle(self.device);
    }
}

impl virtio_hal::Registers for Registers {
    fn read_8(&self, offset: usize) -> u8 {
        self.read(offset, Width::Byte) as u8
    }

    fn read_16(&self, offset: usize) -> u16 {
        self.read(offset, Width::Word) as u16
    }

    fn read_32(&self, offset: usize) -> u32 {
        self.read(offset, Width::Dword) as u32
    }

    fn write_8(&self, offset: usize, value: u8) {
        self.write(offset, Width::Byte, value.into());
    }

    fn write_16(&self, offset: usize, value: u16) {
        self.write(offset, Width::Word, value.into());
    }

    fn write_32(&self, offset: usize, value: u32) {
        self.write(offset, Width::Dword, value.into());
    }
}
