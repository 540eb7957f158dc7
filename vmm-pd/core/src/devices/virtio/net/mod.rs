//! The network device (virtio 1.2, 5.1), a client of a network virtualiser: one pair
//! of queues, and buffers of its own that it lends to the virtualiser.
//!
//! Each frame is copied once, between the guest's buffers and a buffer of the data
//! region. What a driver sends is given back to it at once; a frame that arrived waits
//! in the ring until the driver has room for it.
//!
//! Offered: an address, an MTU, the state of the link, received frames spread over
//! several buffers, checksums of sent frames (finished here: sDDF's queues have no
//! word for "unfinished"), TCP over IPv4 in pieces of up to 64 KiB (cut here: a frame is
//! one buffer of 2 KiB). A guest that sends much is an exit or two a piece, not three a
//! frame. Not offered: the same in the other direction, and for IPv6; checksums of
//! received frames, since nobody has looked at them and the guest would have to believe
//! what nobody knows; a control queue and several pairs, since
//! there is one processor.
//!
//! The surprising fact is the link. It is up until the virtualiser breaks its protocol:
//! the connection is then closed for good, and the guest sees its cable pulled. An
//! administrator pulls it likewise, and plugs it in again: meanwhile what the guest
//! sends is dropped, and so is what comes for it.

mod bits;
mod checksum;
mod receive;
mod segment;
#[cfg(test)]
mod tests;
mod transmit;

use core::fmt;

use sddf::net::{Breach, Lender};
use shmem::{ReadWrite, Region};
use virtq::Fault;

use super::model::{Model, Queues, Served};
use super::rate::Limiter;
use crate::memory::GuestMemory;
use crate::types::Ticks;
use bits::{CONFIG, LINK_UP, feature};
use receive::Receiver;
use transmit::{Rules, Transmitter};

/// The driver's buffers for frames to come.
const RECEIVE: usize = 0;
/// The frames that it sends.
const TRANSMIT: usize = 1;
/// Greatest size of each queue.
const QUEUE_SIZE: u16 = 256;
/// Buffers of a chain at most: as long as the queue, which the specification allows.
const PARTS: usize = QUEUE_SIZE as usize;
/// Buffers that are lent in each direction at most.
pub const BUFFERS: usize = 256;
/// Frames a direction at one go; a guest of several processors might never end.
const GO: usize = 256;

/// What the system's configuration says about an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Its address.
    pub mac: [u8; 6],
    /// Longest packet behind the Ethernet header, in bytes.
    pub mtu: u16,
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Direction {
    /// Lends buffers to the virtualiser.
    pub lender: Lender<BUFFERS>,
    /// Where they are.
    pub data: Region<ReadWrite>,
    /// How fast frames may go.
    pub limiter: Limiter,
}

/// The device.
#[derive(Debug)]
pub struct Net {
    options: Options,
    receiver: Receiver,
    transmitter: Transmitter,
    features: u64,
    breach: Option<Breach>,
    /// The cable is pulled.
    pulled: bool,
    /// And the driver does not know that it was, or is not any more.
    untold: bool,
}

/// Why work ended before its time.
enum Stop {
    /// The driver broke a rule of its queue.
    Fault(Fault),
    /// The virtualiser broke the protocol.
    Breach(Breach),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<Breach> for Stop {
    fn from(breach: Breach) -> Self {
        Stop::Breach(breach)
    }
}

/// What one direction came to.
#[derive(Default)]
struct Done {
    /// When to go on, if only time is missing.
    again: Option<Ticks>,
    copied: u64,
}

impl Net {
    /// A device that receives and sends through these.
    pub fn new(receive: Direction, transmit: Direction, options: Options) -> Self {
        Net {
            options,
            receiver: Receiver::new(receive),
            transmitter: Transmitter::new(transmit),
            features: 0,
            breach: None,
            pulled: false,
            untold: false,
        }
    }

    /// Pulls the cable, or plugs it in; the device must be served then.
    pub const fn set_link(&mut self, up: bool) {
        self.untold |= self.pulled == up;
        self.pulled = !up;
    }

    const fn has_link(&self) -> bool {
        self.breach.is_none() && !self.pulled
    }

    fn has(&self, feature: u64) -> bool {
        self.features & feature != 0
    }

    fn work(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        now: Ticks,
    ) -> Result<Done, Stop> {
        let rules = Rules {
            longest: u32::from(self.options.mtu) + bits::ETHERNET + bits::TAG,
            finish: self.has(feature::CSUM),
            cut: self.has(feature::HOST_TSO4),
        };
        let merge = self.has(feature::MRG_RXBUF);
        let sent = self.transmitter.serve(queues, memory, rules, now)?;
        let received = self.receiver.serve(queues, memory, merge, now)?;
        let again = match (sent.again, received.again) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Ok(Done { again, copied: sent.copied + received.copied })
    }
}

impl Model for Net {
    fn device_type(&self) -> u16 {
        bits::TYPE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE; 2]
    }

    fn features(&self) -> u64 {
        feature::CSUM
            | feature::MTU
            | feature::MAC
            | feature::HOST_TSO4
            | feature::MRG_RXBUF
            | feature::STATUS
    }

    fn check_features(&self, features: u64) -> bool {
        // Pieces have checksums that nobody else could finish (5.1.3.1).
        features & feature::HOST_TSO4 == 0 || features & feature::CSUM != 0
    }

    fn read_config(&self, offset: u32, into: &mut [u8]) {
        let [a, b, c, d, e, f] = self.options.mac;
        let [status, _] = if self.has_link() { LINK_UP } else { 0 }.to_le_bytes();
        let [low, high] = self.options.mtu.to_le_bytes();
        let space: [u8; CONFIG] = [a, b, c, d, e, f, status, 0, 1, 0, low, high];
        let rest = usize::try_from(offset).ok().and_then(|at| space.get(at..)).unwrap_or(&[]);
        into.fill(0);
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    fn write_config(&mut self, _: u32, _: &[u8]) {}

    fn start(&mut self, features: u64) {
        self.features = features;
        // What arrived for nobody, or for an earlier driver, is not this one's.
        if let Err(breach) = self.receiver.discard() {
            self.breach.get_or_insert(breach);
        }
    }

    fn reset(&mut self) {
        self.features = 0;
        self.receiver.reset();
        self.transmitter.reset();
    }

    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, now: Ticks) -> Served {
        let mut served = Served::default();
        let _kicked = queues.take_kicked();
        served.config_changed = core::mem::take(&mut self.untold) && self.has(feature::STATUS);
        if self.pulled
            && self.breach.is_none()
            && let Err(breach) = self.receiver.discard()
        {
            self.breach = Some(breach);
        }
        if self.has_link() {
            match self.work(queues, memory, now) {
                Ok(Done { again, copied }) => (served.again, served.copied) = (again, copied),
                Err(Stop::Fault(fault)) => served.fault = Some(fault),
                Err(Stop::Breach(breach)) => {
                    self.breach = Some(breach);
                    served.config_changed = self.has(feature::STATUS);
                }
            }
        }
        if !self.has_link()
            && served.fault.is_none()
            && let Err(fault) = self.transmitter.drop_all(queues, memory)
        {
            served.fault = Some(fault);
        }
        served.ring = self.transmitter.publish() | self.receiver.publish();
        for index in [RECEIVE, TRANSMIT] {
            if let Some(queue) = queues.get(index)
                && queue.publish(&mut super::memory::Guest(memory))
            {
                queues.interrupt(index);
            }
        }
        served
    }

    fn breach(&self) -> Option<&dyn fmt::Display> {
        self.breach.as_ref().map(|breach| breach as &dyn fmt::Display)
    }
}
