//! The virtio devices of a machine (virtio 1.2), each a function of the PCI bus.
//!
//! Which there are is fixed when the VMM starts, by the regions that the system
//! description maps. From the guest an access finds its device by address
//! ([`Virtio::at_port`], [`Virtio::at_memory`], [`Virtio::configuration`]); what a
//! device does with guest memory it does when it is served, once, at the end of
//! the exit, so that no access from inside a bus needs the memory.
//!
//! Where things are: a device's behaviour in the folder of its name; what it is to
//! the transport in [`model`]; how driver and device come to agree in
//! [`registers`]; PCI in [`function`]; the three together in [`slot`].

mod bits;
pub mod block;
pub mod console;
pub mod entropy;
pub mod function;
pub mod memory;
pub mod model;
pub mod net;
pub mod rate;
pub mod registers;
pub mod slot;
mod stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::interrupts::Interrupts;
use crate::layout::numbers as n;
use crate::memory::GuestMemory;
use crate::outside::Outside;
use crate::types::{Gpa, Gsi, Ticks, Width};
use crate::vm::NEVER;
use crate::watched::Watched;

use block::Block;
use console::Console;
use entropy::Entropy;
use function::{Effect, Function, MEMORY_SIZE};
use model::Model;
use net::Net;
use slot::{Attended, Slot};

/// A device of the machine; also who serves it outside. In the order of their
/// places on the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// First disk.
    Block0,
    /// Second disk.
    Block1,
    /// First network interface.
    Net0,
    /// Second network interface.
    Net1,
    /// Source of entropy.
    Entropy,
    /// Console beside COM1.
    Console,
}

impl Device {
    /// All of them.
    pub const ALL: [Device; 6] = [
        Device::Block0,
        Device::Block1,
        Device::Net0,
        Device::Net1,
        Device::Entropy,
        Device::Console,
    ];

    /// Its device number on bus 0.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }

    /// Which has a device number.
    const fn of_number(number: u8) -> Option<Device> {
        match number {
            1 => Some(Device::Block0),
            2 => Some(Device::Block1),
            3 => Some(Device::Net0),
            4 => Some(Device::Net1),
            5 => Some(Device::Entropy),
            6 => Some(Device::Console),
            _ => None,
        }
    }

    /// Base class and subclass (PCI Code and ID Assignment 1.11).
    const fn class(self) -> (u8, u8) {
        match self {
            Device::Block0 | Device::Block1 => (0x01, 0x80),
            Device::Net0 | Device::Net1 => (0x02, 0x00),
            Device::Entropy => (0xFF, 0x00),
            Device::Console => (0x07, 0x80),
        }
    }

    /// First port, as firmware would have chosen.
    const fn ports(self) -> u16 {
        n::PCI_PORTS + self as u16 * 0x20
    }

    /// First address, likewise.
    const fn memory(self) -> u32 {
        n::PCI_WINDOW as u32 + self as u32 * MEMORY_SIZE
    }

    /// The line that its interrupt pin drives: as in the table that the guest gets
    /// (`build/dsdt.rs`).
    pub const fn line(self) -> Gsi {
        Gsi(n::PCI_FIRST_GSI + self.number() % n::PCI_GSIS)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Device::Block0 => "virtio disk 0",
            Device::Block1 => "virtio disk 1",
            Device::Net0 => "virtio network interface 0",
            Device::Net1 => "virtio network interface 1",
            Device::Entropy => "virtio entropy source",
            Device::Console => "virtio console",
        })
    }
}

/// Some of the devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceSet(u8);

impl DeviceSet {
    /// None of them.
    pub const NONE: DeviceSet = DeviceSet(0);
    /// Every one that there can be.
    pub const ALL: DeviceSet = DeviceSet(u8::MAX >> (u8::BITS as usize - Device::ALL.len()));

    const fn of(device: Device) -> Self {
        DeviceSet(1 << device as u8)
    }

    /// Adds a device.
    #[inline]
    pub const fn insert(&mut self, device: Device) {
        self.0 |= DeviceSet::of(device).0;
    }

    /// Whether a device is among them.
    #[inline]
    pub const fn contains(self, device: Device) -> bool {
        self.0 & DeviceSet::of(device).0 != 0
    }

    /// Whether there are none.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The models of a machine; those that it does not have are absent. Large ones live in a
/// static place, so that a machine can be moved on a small stack.
#[derive(Debug, Default)]
pub struct Models {
    /// Disks.
    pub block: [Option<&'static mut Block<'static>>; 2],
    /// Network interfaces.
    pub net: [Option<&'static mut Net>; 2],
    /// Source of entropy.
    pub entropy: Option<Entropy>,
    /// Console beside COM1.
    pub console: Option<&'static mut Console>,
}

/// What serving the devices took.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Work {
    /// Bytes copied between guest memory and memory shared with others.
    pub copied: u64,
    /// How many of those others are notified.
    pub rings: u32,
}

/// A base that no address matches: ranges are looked for by difference, and this
/// one is no multiple of any size.
const NOWHERE: u32 = u32::MAX;

/// The devices.
#[derive(Debug)]
pub struct Virtio {
    block: [Option<Slot<&'static mut Block<'static>>>; 2],
    net: [Option<Slot<&'static mut Net>>; 2],
    entropy: Option<Slot<Entropy>>,
    console: Option<Slot<&'static mut Console>>,
    /// First port and first address of each that is decoded.
    ports: [u32; Device::ALL.len()],
    memory: [u32; Device::ALL.len()],
    /// Who wants to be served.
    wanting: DeviceSet,
    deadline: Ticks,
}

/// Does the same with each device that there is.
macro_rules! each {
    ($virtio:expr, |$slot:ident, $device:ident| $body:expr) => {{
        let [block0, block1] = &mut $virtio.block;
        each!(@one block0, Device::Block0, $slot, $device, $body);
        each!(@one block1, Device::Block1, $slot, $device, $body);
        let [net0, net1] = &mut $virtio.net;
        each!(@one net0, Device::Net0, $slot, $device, $body);
        each!(@one net1, Device::Net1, $slot, $device, $body);
        each!(@one &mut $virtio.entropy, Device::Entropy, $slot, $device, $body);
        each!(@one &mut $virtio.console, Device::Console, $slot, $device, $body);
    }};
    (@one $place:expr, $number:expr, $slot:ident, $device:ident, $body:expr) => {
        if let Some($slot) = $place {
            let $device = $number;
            $body
        }
    };
}

/// Does something with one device.
macro_rules! one {
    ($virtio:expr, $number:expr, |$slot:ident| $body:expr) => {
        match $number {
            Device::Block0 => $virtio.block[0].as_mut().map(|$slot| $body),
            Device::Block1 => $virtio.block[1].as_mut().map(|$slot| $body),
            Device::Net0 => $virtio.net[0].as_mut().map(|$slot| $body),
            Device::Net1 => $virtio.net[1].as_mut().map(|$slot| $body),
            Device::Entropy => $virtio.entropy.as_mut().map(|$slot| $body),
            Device::Console => $virtio.console.as_mut().map(|$slot| $body),
        }
    };
}

fn slot<M: Model>(model: Option<M>, device: Device) -> Option<Slot<M>> {
    model.map(|model| Slot::new(model, device.class(), device.ports(), device.memory()))
}

impl Virtio {
    /// The devices after power-on.
    pub fn new(models: Models) -> Self {
        let Models { block: [block0, block1], net: [net0, net1], entropy, console } = models;
        Virtio {
            block: [slot(block0, Device::Block0), slot(block1, Device::Block1)],
            net: [slot(net0, Device::Net0), slot(net1, Device::Net1)],
            entropy: slot(entropy, Device::Entropy),
            console: slot(console, Device::Console),
            ports: [NOWHERE; Device::ALL.len()],
            memory: [NOWHERE; Device::ALL.len()],
            // Who rang before this was made, nobody heard.
            wanting: DeviceSet::ALL,
            deadline: NEVER,
        }
    }

    /// As after power-on, for a guest that starts again. Connections outside stay.
    pub fn restart(&mut self) {
        each!(self, |slot, device| {
            slot.power_cycle(device.class(), device.ports(), device.memory());
        });
        self.ports = [NOWHERE; Device::ALL.len()];
        self.memory = [NOWHERE; Device::ALL.len()];
        self.wanting = DeviceSet::ALL;
        self.deadline = NEVER;
    }

    /// Whether a device wants to be served.
    #[inline(always)]
    pub const fn wanting(&self) -> bool {
        !self.wanting.is_empty()
    }

    /// Those who serve these devices outside have something for them.
    #[inline]
    pub fn rung(&mut self, devices: DeviceSet) {
        self.wanting.0 |= devices.0;
    }

    /// Pulls the cables of all network interfaces, or plugs them in.
    ///
    /// # Returns
    /// How many interfaces there are.
    pub fn set_links(&mut self, up: bool) -> usize {
        let mut count = 0;
        for (slot, device) in self.net.iter_mut().zip([Device::Net0, Device::Net1]) {
            if let Some(slot) = slot {
                slot.model.set_link(up);
                self.wanting.insert(device);
                count += 1;
            }
        }
        count
    }

    /// When a device must be served even if nothing happens.
    #[inline]
    pub fn deadline(&self) -> Option<Ticks> {
        (self.deadline != NEVER).then_some(self.deadline)
    }

    /// Time passed.
    pub fn advance(&mut self, now: Ticks) {
        if self.deadline <= now {
            each!(self, |slot, device| {
                if slot.again() <= now {
                    self.wanting.insert(device);
                }
            });
        }
    }

    /// The device whose port this is.
    #[inline]
    pub fn at_port(&self, port: u16) -> Option<Device> {
        let port = u32::from(port);
        Device::ALL.into_iter().find(|d| self.ports[*d as usize] == port)
    }

    /// The device in whose memory an address is, and the offset there.
    #[inline]
    pub fn at_memory(&self, gpa: Gpa) -> Option<(Device, u32)> {
        let gpa = u32::try_from(gpa.0).ok()?;
        Device::ALL.into_iter().find_map(|d| {
            let base = self.memory[d as usize];
            let offset = gpa.checked_sub(base)?;
            (offset < MEMORY_SIZE && base != NOWHERE).then_some((d, offset))
        })
    }

    /// The driver notifies a device of a queue.
    #[inline]
    pub fn notify(&mut self, device: Device, queue: u16, interrupts: &mut Watched<Interrupts>) {
        self.apply(device, Effect::Kick(queue), interrupts);
    }

    /// Reads a device's memory.
    pub fn read(
        &mut self,
        device: Device,
        offset: u32,
        width: Width,
        interrupts: &mut Watched<Interrupts>,
    ) -> u64 {
        let value = one!(self, device, |slot| {
            let (function, model) = slot.parts();
            function.read_memory(offset, width, model)
        });
        self.drive_lines(interrupts);
        value.unwrap_or(width.mask())
    }

    /// Writes a device's memory.
    pub fn write(
        &mut self,
        device: Device,
        offset: u32,
        width: Width,
        value: u64,
        interrupts: &mut Watched<Interrupts>,
    ) {
        let effect = one!(self, device, |slot| {
            let (function, model) = slot.parts();
            function.write_memory(offset, width, value, model)
        });
        self.apply(device, effect.unwrap_or(Effect::None), interrupts);
        self.drive_lines(interrupts);
    }

    /// The device at a device number of bus 0, if there is one.
    pub fn configuration(&mut self, number: u8) -> Option<Device> {
        let device = Device::of_number(number)?;
        one!(self, device, |_slot| device)
    }

    /// Reads a dword of configuration space.
    pub fn read_config(
        &mut self,
        device: Device,
        register: u8,
        interrupts: &mut Watched<Interrupts>,
    ) -> Option<u32> {
        let value = one!(self, device, |slot| {
            let (function, model) = slot.parts();
            function.read_config(register, model)
        });
        self.drive_lines(interrupts);
        value
    }

    /// Writes those bits of a dword of configuration space that are ones in
    /// `mask`.
    pub fn write_config(
        &mut self,
        device: Device,
        register: u8,
        value: u32,
        mask: u32,
        interrupts: &mut Watched<Interrupts>,
    ) -> Option<()> {
        let effect = one!(self, device, |slot| {
            let (function, model) = slot.parts();
            function.write_config(register, value, mask, model)
        })?;
        self.apply(device, effect, interrupts);
        self.decode();
        // A function that may master the bus now has waited for it.
        self.wanting.insert(device);
        self.drive_lines(interrupts);
        Some(())
    }

    /// Takes over which addresses are decoded.
    fn decode(&mut self) {
        each!(self, |slot, device| {
            let function: &Function = slot.function();
            self.ports[device as usize] = function.ports().map_or(NOWHERE, u32::from);
            self.memory[device as usize] = function.memory().unwrap_or(NOWHERE);
        });
    }

    fn apply(&mut self, device: Device, effect: Effect, interrupts: &mut Watched<Interrupts>) {
        let wants = one!(self, device, |slot| slot.apply(effect, interrupts));
        if wants.unwrap_or(false) {
            self.wanting.insert(device);
        }
    }

    /// Asserts the lines of which a device does. Devices share them, so it takes a
    /// look at all.
    fn drive_lines(&mut self, interrupts: &mut Watched<Interrupts>) {
        let mut lines = [false; n::PCI_GSIS as usize];
        each!(self, |slot, device| {
            lines[usize::from(device.line().0 - n::PCI_FIRST_GSI)] |= slot.function().line();
        });
        for (gsi, level) in (n::PCI_FIRST_GSI..).zip(lines) {
            let gsi = Gsi(gsi);
            if interrupts.line(gsi) != level {
                interrupts.set_line(gsi, level);
            }
        }
    }

    /// Lets each device that wants it do all that it can, for the guest and for those
    /// outside.
    ///
    /// # Returns
    /// What it took.
    pub fn serve(
        &mut self,
        memory: &mut impl GuestMemory,
        interrupts: &mut Watched<Interrupts>,
        outside: &mut impl Outside,
        now: Ticks,
    ) -> Work {
        let mut work = Work::default();
        let wanting = core::mem::take(&mut self.wanting);
        let mut deadline = NEVER;
        each!(self, |slot, device| {
            if wanting.contains(device) {
                let Attended { ring, copied, broken, closed } = slot.serve(memory, interrupts, now);
                work.copied = work.copied.saturating_add(copied);
                if ring {
                    work.rings += 1;
                    outside.ring(device);
                }
                if let Some(broken) = broken {
                    outside
                        .complain(format_args!("{device}: the guest's driver broke it: {broken}"));
                }
                if closed && let Some(breach) = slot.model.breach() {
                    outside.complain(format_args!("{device} is closed: {breach}"));
                }
            }
            deadline = deadline.min(slot.again());
        });
        self.deadline = deadline;
        self.drive_lines(interrupts);
        work
    }
}
