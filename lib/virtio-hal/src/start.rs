//! From a device in any state to one that is at work, and back (virtio 1.2, 3.1).

use core::{
    fmt::{self, Debug},
    ops::BitAnd,
};

use bitflags::Flags;
use pci_bus::virtio::Span;
use virtio_drivers::{
    Error,
    transport::{DeviceStatus, Transport as _},
};

use crate::{Registers, Transport};

/// `VIRTIO_F_VERSION_1` (6): a device without it wants other queues.
pub const VERSION_1: u64 = 1 << 32;

/// How often a device is asked whether its reset is over; each look takes a
/// microsecond on the bus.
const LOOKS: u32 = 100_000;

/// Why a device cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartError {
    /// A structure is not in the registers that were granted, too small, or not
    /// aligned.
    Structure {
        /// Which.
        name: &'static str,
        /// Where it is.
        span: Span,
    },
    /// It does not come out of its reset.
    Reset,
    /// It is older than virtio 1.0.
    Legacy,
    /// It does not accept what it offered.
    Features,
    /// It has no such queue, or a smaller one.
    Queue {
        /// Its number.
        index: u16,
        /// As the crate says it.
        why: Error,
    },
    /// It wants to be notified of a queue outside the area for that.
    Doorbell {
        /// The queue.
        queue: u16,
        /// Where.
        offset: u64,
    },
    /// Its configuration cannot be read.
    Configuration(Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Structure { name, span } => write!(
                f,
                "the device's {name}, {span}, is too small, not aligned or outside the region \
                 of its registers"
            ),
            StartError::Reset => f.write_str("the device does not come out of its reset"),
            StartError::Legacy => f.write_str("the device is older than virtio 1.0"),
            StartError::Features => f.write_str("the device does not accept what it offered"),
            StartError::Queue { index, why } => write!(f, "the device's queue {index}: {why}"),
            StartError::Doorbell { queue, offset } => write!(
                f,
                "the device wants to be notified of queue {queue} at {offset:#x}, outside its \
                 notification area"
            ),
            StartError::Configuration(why) => write!(f, "the device's configuration: {why}"),
        }
    }
}

/// Resets a device and settles with it what is used of what it offers, of which
/// [`VERSION_1`] must be part. Next come its queues, then [`finish`].
///
/// # Errors
/// It is none that can be used. It does nothing then.
pub fn begin<R, F>(transport: &mut Transport<R>, wanted: F) -> Result<F, StartError>
where
    R: Registers,
    F: Flags<Bits = u64> + BitAnd<Output = F> + Debug,
{
    reset(transport)?;
    let agreed = transport.begin_init(wanted);
    let refused = if agreed.bits() & VERSION_1 == 0 {
        Some(StartError::Legacy)
    } else {
        let accepted = transport.get_status().contains(DeviceStatus::FEATURES_OK);
        (!accepted).then_some(StartError::Features)
    };
    match refused {
        Some(why) => {
            transport.set_status(DeviceStatus::FAILED);
            Err(why)
        }
        None => Ok(agreed),
    }
}

/// Lets the device work.
pub fn finish<R: Registers>(transport: &mut Transport<R>) {
    transport.finish_init();
}

/// Ends all that the device does. If it does not obey, nothing else helps.
pub fn stop<R: Registers>(transport: &mut Transport<R>) {
    let _ = reset(transport);
}

fn reset<R: Registers>(transport: &mut Transport<R>) -> Result<(), StartError> {
    transport.set_status(DeviceStatus::empty());
    let is_over = |_| transport.get_status() == DeviceStatus::empty();
    (0..LOOKS).any(is_over).then_some(()).ok_or(StartError::Reset)
}
