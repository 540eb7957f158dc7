//! The guest's console over sDDF's serial queues, and its debug port.
//!
//! Output is staged and handed over in batches: at a line's end, when the batch
//! is large, and whenever the guest halts or its timer runs out; a notification
//! wakes two other domains, which costs more than many exits.

use core::fmt::{self, Write as _};

use heapless::String;
use sddf::serial::{Consumer, LayoutError, PeerError, Producer, Shared, Space};
use sel4_microkit::{Channel, ChannelSet};
use shmem::{Read, ReadWrite, Region};
use vmm_core::{
    devices::virtio::{Device, DeviceSet},
    outside::Outside,
};

/// Bytes staged before they are handed over without a line's end.
const BATCH: u32 = 128;

/// Longest line of the debug port; longer ones are broken.
const DEBUG_LINE: usize = 120;

/// Longest complaint about a device; longer ones are cut.
const COMPLAINT: usize = 200;

/// The channel of who serves the first virtio device; the others' follow in the
/// order of [`Device::ALL`].
const FIRST_DEVICE: usize = 3;

/// The virtio devices whose servers these channels lead to.
pub fn rung(channels: ChannelSet) -> DeviceSet {
    let mut devices = DeviceSet::NONE;
    for channel in channels {
        let device = channel.index().checked_sub(FIRST_DEVICE).and_then(|i| Device::ALL.get(i));
        if let Some(device) = device {
            devices.insert(*device);
        }
    }
    devices
}

/// The console's four regions.
#[derive(Debug)]
pub struct ConsoleRegions {
    pub tx_queue: Region<ReadWrite>,
    pub tx_data: Region<ReadWrite>,
    pub rx_queue: Region<ReadWrite>,
    pub rx_data: Region<Read>,
}

/// A direction of the console, or why it is closed.
type Line<T> = Result<T, PeerError>;

/// Everything that leaves the VMM.
#[derive(Debug)]
pub struct Doorbell {
    tx: Line<Producer>,
    rx: Line<Consumer>,
    staged: u32,
    /// The console's peer must be notified.
    ring: bool,
    channel: Channel,
    debug: String<DEBUG_LINE>,
    debug_complete: bool,
    /// Virtio devices whose servers must be notified.
    devices: DeviceSet,
    /// What is to be told of a device; of several, the first.
    complaint: Option<String<COMPLAINT>>,
    /// Something waits for [`Doorbell::flush`], [`Doorbell::ring`] or
    /// [`Doorbell::take_debug_line`], or may: one test at each exit.
    busy: bool,
}

impl Doorbell {
    /// Attaches to the console's queues.
    ///
    /// # Errors
    /// The regions cannot be queues: the system description is wrong.
    pub fn new(regions: ConsoleRegions, channel: Channel) -> Result<Self, LayoutError> {
        let tx = Shared::new(&regions.tx_queue, regions.tx_data)?;
        let rx = Shared::new(&regions.rx_queue, regions.rx_data)?;
        Ok(Doorbell {
            tx: Producer::attach(tx),
            rx: Consumer::attach(rx),
            staged: 0,
            ring: false,
            channel,
            debug: String::new(),
            debug_complete: false,
            devices: DeviceSet::NONE,
            complaint: None,
            busy: false,
        })
    }

    /// Lets the console's peer see what was staged, and rings if it must know.
    ///
    /// # Returns
    /// As [`Doorbell::ring`].
    pub fn flush(&mut self) -> DeviceSet {
        if self.staged > 0
            && let Ok(tx) = &mut self.tx
        {
            tx.publish();
            self.staged = 0;
            self.ring = true;
        }
        self.ring()
    }

    /// Whether anything waits to be attended to.
    #[inline(always)]
    pub fn busy(&self) -> bool {
        self.busy
    }

    /// Everything was attended to that could be.
    pub fn attended(&mut self) {
        self.busy = self.staged > 0 || self.ring || self.debug_complete || self.complaint.is_some();
    }

    /// Rings if something was handed over or taken since.
    ///
    /// # Returns
    /// The virtio devices whose servers were rung. Those rank above this domain, so
    /// that they may have answered already.
    pub fn ring(&mut self) -> DeviceSet {
        if core::mem::take(&mut self.ring) {
            self.channel.notify();
        }
        let devices = core::mem::take(&mut self.devices);
        for device in Device::ALL.into_iter().filter(|device| devices.contains(*device)) {
            Channel::new(FIRST_DEVICE + device as usize).notify();
        }
        devices
    }

    /// What is to be told of a device, if anything is.
    pub fn take_complaint(&mut self) -> Option<String<COMPLAINT>> {
        self.complaint.take()
    }

    /// The line of the debug port that is complete, if one is.
    pub fn take_debug_line(&mut self) -> Option<String<DEBUG_LINE>> {
        core::mem::take(&mut self.debug_complete).then(|| core::mem::take(&mut self.debug))
    }

    /// The peer's breach of protocol that closed a direction, if one did.
    pub fn breach(&self) -> Option<PeerError> {
        self.tx.as_ref().err().or(self.rx.as_ref().err()).copied()
    }

    /// Stages a byte; if there is no room, asks to be told when there is.
    fn stage(&mut self, byte: u8) -> Result<bool, PeerError> {
        let Ok(tx) = &mut self.tx else {
            // A console that is gone swallows everything, as an unplugged line.
            return Ok(true);
        };
        if tx.stage(&[byte])? == 1 {
            self.staged += 1;
            if byte == b'\n' || self.staged >= BATCH {
                tx.publish();
                self.staged = 0;
                self.ring = true;
            }
            return Ok(true);
        }
        tx.publish();
        self.ring |= self.staged > 0;
        self.staged = 0;
        match tx.wait_for_space(1)? {
            Space::Available => Ok(tx.enqueue(&[byte])? == 1),
            Space::Wait => Ok(false),
        }
    }
}

impl Outside for Doorbell {
    fn console_write(&mut self, byte: u8) -> bool {
        self.busy = true;
        self.stage(byte).unwrap_or_else(|breach| {
            self.tx = Err(breach);
            true
        })
    }

    fn console_read(&mut self) -> Option<u8> {
        self.busy = true;
        let rx = self.rx.as_mut().ok()?;
        let mut byte = [0];
        match rx.dequeue(&mut byte) {
            Ok(0) => None,
            Ok(_) => {
                self.ring |= rx.producer_waits();
                Some(byte[0])
            }
            Err(breach) => {
                self.rx = Err(breach);
                None
            }
        }
    }

    fn debug_write(&mut self, byte: u8) {
        self.busy = true;
        if self.debug_complete {
            // The last line has not been fetched: the port is faster than its
            // reader, and says so nowhere else.
            return;
        }
        self.debug_complete = byte == b'\n' || self.debug.push(byte.into()).is_err();
    }

    fn ring(&mut self, device: Device) {
        self.busy = true;
        self.devices.insert(device);
    }

    fn complain(&mut self, what: fmt::Arguments<'_>) {
        self.busy = true;
        if self.complaint.is_none() {
            let mut text = String::new();
            // What does not fit is cut.
            let _ = text.write_fmt(what);
            self.complaint = Some(text);
        }
    }
}
