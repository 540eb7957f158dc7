//! What went wrong, and whose fault it is; and how often frames were dropped.

use core::fmt;

use bulkhead_config::Mac;
use sddf::net::{AttachError, Breach};

/// Why a frame was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It is shorter than a header or longer than a frame.
    Length,
    /// It is from an address that its port does not have, or from none.
    Source,
    /// It is to an address that its port cannot reach, or to none.
    Destination,
    /// Its port sent more than its limit.
    Limit,
    /// Its receiver had no buffer.
    Full,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 5] =
        [Reason::Length, Reason::Source, Reason::Destination, Reason::Limit, Reason::Full];
}

/// What passed a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Frames that it sent and that were let in.
    pub sent: u64,
    /// Frames that it was given.
    pub received: u64,
    /// Frames that were dropped, by reason; [`Reason::Full`] counts at the
    /// receiver's port, all others at the sender's.
    dropped: [u64; Reason::ALL.len()],
}

impl Counters {
    /// Frames dropped for a reason.
    pub fn dropped(&self, why: Reason) -> u64 {
        self.dropped[why as usize]
    }

    pub(crate) fn drop(&mut self, why: Reason) {
        let count = &mut self.dropped[why as usize];
        *count = count.saturating_add(1);
    }
}

/// Something to report. Numbers are ports'.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// The driver broke its protocol; nothing passes to the outside any more.
    Driver(Breach),
    /// A client broke its protocol; it is disconnected.
    Client(usize, Breach),
    /// A client's queues made no sense when they were taken over.
    Attach(usize, AttachError),
    /// A client sent a frame from an address that is not its own. Said once a
    /// port; all such frames are dropped.
    Source(usize, Option<Mac>),
}

impl Complaint {
    /// The client that it is about.
    pub const fn client(&self) -> Option<usize> {
        match *self {
            Complaint::Driver(_) => None,
            Complaint::Client(client, _)
            | Complaint::Attach(client, _)
            | Complaint::Source(client, _) => Some(client),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Driver(e) => write!(f, "the driver is disconnected: {e}"),
            Complaint::Client(port, e) => write!(f, "client {port} is disconnected: {e}"),
            Complaint::Attach(port, e) => write!(f, "client {port} is disconnected: {e}"),
            Complaint::Source(port, Some(mac)) => write!(
                f,
                "client {port} sends as {mac}, which it may not; such frames are dropped (`macs` and `learn` in the configuration)"
            ),
            Complaint::Source(port, None) => {
                write!(f, "client {port} sends from no station's address; such frames are dropped")
            }
        }
    }
}
