//! Sets up PCI devices as a configuration says: checks what they are, gives them
//! their addresses, enables what their drivers need and routes their interrupts.
//!
//! Not here: ports, channels. Discovery neither: what the configuration does not
//! name is looked at only to see whether its registers would be lain over.
//!
//! What surprises: which interrupt line a device's pin leads to is not the
//! device's matter. Pin A of device 2 is wire B of the PIIX3 (each slot is wired
//! one further), and the PIIX3 leads each wire to a line of its own register's.
#![no_std]
#![forbid(unsafe_code)]

mod bars;
mod bits;
mod capabilities;
mod route;

use bulkhead_config::{PciDevice, PciSpace};
use pci_bus::{
    Place, Refusal,
    virtio::{self, Structures},
};

use crate::route::Router;

/// Access to configuration space; registers are four bytes each, at offsets that
/// are multiples of four.
pub trait ConfigSpace {
    /// Reads a register; all ones where nothing is.
    fn read(&mut self, place: Place, offset: u8) -> u32;
    /// Writes one.
    fn write(&mut self, place: Place, offset: u8, value: u32);
}

/// Sets up devices, one after the other.
#[derive(Debug)]
pub struct Host<C> {
    space: C,
    router: Router,
}

impl<C: ConfigSpace> Host<C> {
    /// Nothing is changed yet.
    pub fn new(space: C) -> Self {
        Host { space, router: Router::default() }
    }

    /// Checks and sets up one device.
    ///
    /// # Returns
    /// Where its structures are, if it is a virtio device.
    ///
    /// # Errors
    /// Why it is not as the configuration says. Its bus mastering is off then, if
    /// it is the device that was meant.
    pub fn set_up(&mut self, wanted: &PciDevice) -> Result<Option<Structures>, Refusal> {
        self.identify(wanted)?;
        let done = self.configure(wanted).and_then(|()| self.structures(wanted));
        if done.is_err() {
            let command = self.command(wanted.place) & !bits::COMMAND_MASTER;
            self.space.write(wanted.place, bits::COMMAND, command);
        }
        done
    }

    /// Switches off bus mastering of every device but these: what the firmware
    /// used to boot must not write memory that is somebody's now.
    pub fn hush(&mut self, except: impl Fn(Place) -> bool) {
        for place in every_place().filter(|&place| !except(place)) {
            let is_device = is_present(&mut self.space, place)
                && (self.space.read(place, bits::CLASS) >> 24) as u8 != bits::CLASS_BRIDGE;
            let command = self.command(place);
            if is_device && command & bits::COMMAND_MASTER != 0 {
                self.space.write(place, bits::COMMAND, command & !bits::COMMAND_MASTER);
            }
        }
    }

    fn identify(&mut self, wanted: &PciDevice) -> Result<(), Refusal> {
        let identity = self.space.read(wanted.place, bits::IDENTITY);
        if identity as u16 == bits::NO_VENDOR {
            return Err(Refusal::Absent);
        }
        let expected = u32::from(wanted.device) << 16 | u32::from(wanted.vendor);
        if identity == expected { Ok(()) } else { Err(Refusal::OtherDevice) }
    }

    fn configure(&mut self, wanted: &PciDevice) -> Result<(), Refusal> {
        let place = wanted.place;
        for bar in &wanted.registers {
            bars::place(&mut self.space, place, bar)?;
        }
        if wanted.interrupt != 0 {
            self.router.route(&mut self.space, place, wanted.interrupt)?;
        }
        let has = |space| wanted.registers.iter().any(|bar| bar.space == space);
        let mut set = 0;
        let mut clear = 0;
        let mut want = |bit, on| if on { set |= bit } else { clear |= bit };
        // What a device decodes besides, the firmware has settled: an IDE
        // controller's ports are fixed and are not in its registers.
        if has(PciSpace::Io) {
            want(bits::COMMAND_IO, true);
        }
        if has(PciSpace::Memory) {
            want(bits::COMMAND_MEMORY, true);
        }
        want(bits::COMMAND_MASTER, wanted.bus_master);
        if wanted.interrupt != 0 {
            want(bits::COMMAND_NO_INTERRUPT, false);
        }
        let command = self.command(place);
        self.space.write(place, bits::COMMAND, (command | set) & !clear);
        let command = self.command(place);
        if command & set == set && command & clear == 0 { Ok(()) } else { Err(Refusal::Command) }
    }

    fn structures(&mut self, wanted: &PciDevice) -> Result<Option<Structures>, Refusal> {
        if wanted.vendor != virtio::VENDOR || !virtio::DEVICES.contains(&wanted.device) {
            return Ok(None);
        }
        capabilities::structures(&mut self.space, wanted).map(Some).ok_or(Refusal::Structures)
    }

    fn command(&mut self, place: Place) -> u32 {
        self.space.read(place, bits::COMMAND) & bits::COMMAND_MASK
    }
}

fn every_place() -> impl Iterator<Item = Place> {
    (0..32).flat_map(|device| (0..8).map(move |function| Place::new(device, function)))
}

/// Whether a function is there. A device of one function may answer for all.
fn is_present<C: ConfigSpace>(space: &mut C, at: Place) -> bool {
    let mut is_there = |at| space.read(at, bits::IDENTITY) as u16 != bits::NO_VENDOR;
    let first = Place::new(at.device(), 0);
    is_there(first)
        && (at == first
            || is_there(at) && space.read(first, bits::HEADER) & bits::HEADER_SEVERAL != 0)
}
