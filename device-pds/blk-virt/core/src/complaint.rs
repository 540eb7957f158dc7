//! What went wrong, and whose fault it is.

use core::fmt;

use sddf::block::{AttachError, Breach};

use crate::gpt::GptError;

/// Why a client has no disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The table has no such partition.
    NotFound,
    /// The table has several.
    Ambiguous,
    /// It does not lie in the sectors that partitions may have.
    Bounds {
        /// Its first sector.
        first: u64,
        /// Its last.
        last: u64,
    },
    /// It does not begin at a multiple of 4 KiB.
    Misaligned {
        /// Its first sector.
        first: u64,
    },
    /// The blocks that the configuration gives are not all on the disk.
    Range {
        /// The first.
        first: u64,
        /// How many.
        blocks: u64,
        /// The disk's.
        capacity: u64,
    },
    /// It shares blocks with an earlier client's, and one of them writes.
    Overlap {
        /// The earlier client.
        with: usize,
    },
    /// There is no right table.
    Table(GptError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NotFound => {
                f.write_str("the disk has no partition of that name, number or GUID")
            }
            Refusal::Ambiguous => {
                f.write_str("the disk has several partitions of that name or GUID")
            }
            Refusal::Bounds { first, last } => {
                write!(f, "its sectors {first} to {last} are not among those of partitions")
            }
            Refusal::Misaligned { first } => {
                write!(f, "it begins at sector {first}, which is no multiple of 4 KiB")
            }
            Refusal::Range { first, blocks, capacity } => write!(
                f,
                "blocks {first} and {blocks} from there on do not lie on a disk of {capacity}"
            ),
            Refusal::Overlap { with } => {
                write!(f, "it shares blocks with client {with}'s, and one of the two writes")
            }
            Refusal::Table(e) => e.fmt(f),
        }
    }
}

/// Something to report. Numbers are clients'.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// The driver broke its protocol; no disk is to be had any more.
    Driver(Breach),
    /// A client broke its protocol; it is disconnected.
    Client(usize, Breach),
    /// A client's queues made no sense when they were taken over.
    Attach(usize, AttachError),
    /// A client has no disk.
    Refused(usize, Refusal),
}

impl Complaint {
    /// The client that it is about.
    pub const fn client(&self) -> Option<usize> {
        match *self {
            Complaint::Driver(_) => None,
            Complaint::Client(client, _)
            | Complaint::Attach(client, _)
            | Complaint::Refused(client, _) => Some(client),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Driver(e) => write!(f, "the driver is disconnected: {e}"),
            Complaint::Client(client, e) => write!(f, "client {client} is disconnected: {e}"),
            Complaint::Attach(client, e) => write!(f, "client {client} is disconnected: {e}"),
            Complaint::Refused(client, why) => write!(f, "client {client} has no disk: {why}"),
        }
    }
}
