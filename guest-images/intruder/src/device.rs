//! A virtio device on the PCI bus, driven from here: one queue, one request at a time
//! (virtio 1.2, 2.7, 4.1).
//!
//! It sets up whatever it is told to, sense or not.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::mapping::{Mapping, PAGE};

/// Offsets in the common configuration (4.1.4.3).
mod common {
    pub const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub const DEVICE_FEATURE: usize = 0x04;
    pub const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub const DRIVER_FEATURE: usize = 0x0c;
    pub const STATUS: usize = 0x14;
    pub const QUEUE_SELECT: usize = 0x16;
    pub const QUEUE_SIZE: usize = 0x18;
    pub const QUEUE_ENABLE: usize = 0x1c;
    pub const QUEUE_DESC: usize = 0x20;
    pub const QUEUE_DRIVER: usize = 0x28;
    pub const QUEUE_DEVICE: usize = 0x30;
}

/// Device status (2.1).
const ACKNOWLEDGE: u8 = 1;
const DRIVER: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;

/// `VIRTIO_F_VERSION_1`, in the upper half of the features.
const VERSION_1: u32 = 1;

/// Vendor-specific PCI capability, and what it describes (4.1.4).
const CAPABILITY: u8 = 9;
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;

/// Flags of a descriptor (2.7.5).
const NEXT: u16 = 1;
const WRITE: u16 = 2;

/// Descriptors of the queue.
const SIZE: u16 = 8;

/// Where the queue's parts lie in its page.
const DESCRIPTORS: usize = 0;
const AVAILABLE: usize = 0x200;
const USED: usize = 0x400;

/// Until a device that says nothing is taken to have refused in silence.
const PATIENCE: Duration = Duration::from_secs(2);

/// A piece of a request, as told to the device.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Where it lies, as the guest calls it.
    pub address: u64,
    pub length: u32,
    /// Whether the device writes it.
    pub writable: bool,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The device is done with it.
    Done,
    /// The device gave up, and wants a reset.
    Broken,
    /// Nothing happened.
    Silent,
}

/// A device whose own driver was told to leave it.
pub struct Device {
    place: String,
    notify: File,
    memory: Mapping,
    common: usize,
    config: usize,
    queue: Mapping,
    /// Where the queue's page lies, as the guest calls it.
    queue_at: u64,
}

impl Device {
    /// Takes the device at a place on the bus from its driver.
    ///
    /// # Errors
    /// There is none, or it is not modern virtio.
    pub fn take(place: &str) -> Result<Self, String> {
        let failed = |what: &'static str| move |e: io::Error| format!("{what}: {e}");
        let folder = PathBuf::from("/sys/bus/pci/devices").join(place);
        fs::write("/sys/bus/pci/drivers/virtio-pci/unbind", place)
            .map_err(failed("taking it from its driver"))?;
        let path = folder.join("config");
        let space = OpenOptions::new().read(true).write(true).open(&path);
        let space = space.map_err(failed("configuration space"))?;
        let mut bytes = [0; 256];
        space.read_exact_at(&mut bytes, 0).map_err(failed("configuration space"))?;
        // Ports, memory and bus mastering.
        space.write_all_at(&[7, bytes[5]], 4).map_err(failed("the command register"))?;
        let (bar, common) = structure(&bytes, COMMON).ok_or("it has no common configuration")?;
        let (_, config) = structure(&bytes, DEVICE).ok_or("it has no configuration")?;
        let (port_bar, 0) = structure(&bytes, NOTIFY).ok_or("it has no notifications")? else {
            return Err("its notifications are not at a register's begin".into());
        };
        let resource = |bar: u8| folder.join(format!("resource{bar}"));
        let notify = OpenOptions::new().write(true).open(resource(port_bar));
        let queue = Mapping::own("intruder-queue", PAGE).map_err(failed("memory"))?;
        Ok(Device {
            place: place.into(),
            notify: notify.map_err(failed("its ports"))?,
            memory: Mapping::new(&resource(bar), 0, PAGE).map_err(failed("its memory"))?,
            common,
            config,
            queue_at: queue.physical(0).map_err(failed("memory"))?,
            queue,
        })
    }

    /// Gives it back to its driver.
    ///
    /// # Errors
    /// The driver does not take it.
    pub fn give_back(self) -> Result<(), String> {
        self.set_status(0);
        fs::write("/sys/bus/pci/drivers/virtio-pci/bind", &self.place)
            .map_err(|e| format!("its driver does not take it again: {e}"))
    }

    fn status(&self) -> u8 {
        self.memory.read(self.common + common::STATUS)
    }

    fn set_status(&self, status: u8) {
        self.memory.write(self.common + common::STATUS, status);
    }

    fn set_address(&self, register: usize, address: u64) {
        self.memory.write(self.common + register, address as u32);
        self.memory.write(self.common + register + 4, (address >> 32) as u32);
    }

    /// A dword of the device's own configuration.
    pub fn config(&self, at: usize) -> u32 {
        self.memory.read(self.config + at)
    }

    /// Whether it offers one of its first 32 features.
    pub fn offers(&self, feature: u32) -> bool {
        self.memory.write(self.common + common::DEVICE_FEATURE_SELECT, 0_u32);
        self.memory.read::<u32>(self.common + common::DEVICE_FEATURE) & feature != 0
    }

    /// Resets it and starts it anew, with queue 0 where it belongs.
    pub fn start(&self) -> Answer {
        self.start_with([DESCRIPTORS, AVAILABLE, USED].map(|at| self.queue_at + at as u64))
    }

    /// The same with the queue's three parts anywhere.
    pub fn start_with(&self, [descriptors, available, used]: [u64; 3]) -> Answer {
        self.set_status(0);
        for at in (0..PAGE).step_by(8) {
            self.queue.write(at, 0_u64);
        }
        let register = |at| self.common + at;
        self.set_status(ACKNOWLEDGE | DRIVER);
        for (half, features) in [(0_u32, 0), (1, VERSION_1)] {
            self.memory.write(register(common::DRIVER_FEATURE_SELECT), half);
            self.memory.write(register(common::DRIVER_FEATURE), features);
        }
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        self.memory.write(register(common::QUEUE_SELECT), 0_u16);
        self.memory.write(register(common::QUEUE_SIZE), SIZE);
        self.set_address(common::QUEUE_DESC, descriptors);
        self.set_address(common::QUEUE_DRIVER, available);
        self.set_address(common::QUEUE_DEVICE, used);
        self.memory.write(register(common::QUEUE_ENABLE), 1_u16);
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
        if self.status() & NEEDS_RESET != 0 { Answer::Broken } else { Answer::Done }
    }

    /// Makes the first request after a start, and waits for what becomes of it.
    ///
    /// # Errors
    /// The notification cannot be written.
    pub fn request(&self, pieces: &[Piece]) -> Result<Answer, String> {
        for (number, piece) in pieces.iter().enumerate() {
            let at = DESCRIPTORS + 16 * number;
            let more = number + 1 < pieces.len();
            let flags = if more { NEXT } else { 0 } | if piece.writable { WRITE } else { 0 };
            self.queue.write(at, piece.address);
            self.queue.write(at + 8, piece.length);
            self.queue.write(at + 12, flags);
            self.queue.write(at + 14, number as u16 + 1);
        }
        // No interrupt is wanted (2.7.6), and the first entry is descriptor 0.
        self.queue.write(AVAILABLE, 1_u16);
        self.queue.write(AVAILABLE + 4, 0_u16);
        self.queue.write(AVAILABLE + 2, 1_u16);
        self.kick()?;
        let since = Instant::now();
        loop {
            if self.status() & NEEDS_RESET != 0 {
                return Ok(Answer::Broken);
            }
            if self.queue.read::<u16>(USED + 2) == 1 {
                return Ok(Answer::Done);
            }
            if since.elapsed() > PATIENCE {
                return Ok(Answer::Silent);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Tells it of queue 0.
    ///
    /// # Errors
    /// The port cannot be written.
    pub fn kick(&self) -> Result<(), String> {
        self.notify.write_all_at(&[0, 0], 0).map_err(|e| format!("the notification: {e}"))
    }

    /// Whether it wants a reset.
    pub fn is_broken(&self) -> bool {
        self.status() & NEEDS_RESET != 0
    }
}

/// The register and offset of a structure, by its capability.
fn structure(space: &[u8; 256], wanted: u8) -> Option<(u8, usize)> {
    let mut at = usize::from(space[0x34]);
    // As many as there is room for.
    for _ in 0..48 {
        let body = space.get(at..at + 16).filter(|_| at != 0)?;
        if body[0] == CAPABILITY && body[3] == wanted {
            let offset = u32::from_le_bytes(body[8..12].try_into().ok()?);
            return Some((body[4], offset as usize));
        }
        at = usize::from(body[1]);
    }
    None
}
