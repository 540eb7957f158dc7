//! What a peer can do wrong.

use core::fmt;

use super::wire::BUFFER_SIZE;
use crate::peer::PeerError;
use crate::ring::Lie;

/// The peer broke the protocol. The end that noticed refuses every further
/// operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// By an index of the ring that buffers are lent through.
    Lending(PeerError),
    /// By an index of the ring that they come back through.
    Returning(PeerError),
    /// The two rings disagree on what is lent.
    Unbalanced {
        /// Buffers that the one ring says are lent.
        outstanding: u32,
        /// The most that there can be.
        most: u32,
    },
    /// A buffer that does not lie in the data region, or does not begin where
    /// one begins.
    Place {
        /// The address or offset it gave.
        buffer: u64,
    },
    /// A frame longer than its buffer.
    Length {
        /// The address or offset of its buffer.
        buffer: u64,
        /// The length it gave.
        length: u16,
    },
    /// A buffer given back that was never lent, or was given back before.
    NotLent {
        /// Its address or offset.
        buffer: u64,
    },
}

impl From<Lie> for Breach {
    /// As a borrower sees it.
    fn from(lie: Lie) -> Self {
        match lie {
            Lie::Incoming(e) => Breach::Lending(e),
            Lie::Outgoing(e) => Breach::Returning(e),
            Lie::Unbalanced { outstanding, most } => Breach::Unbalanced { outstanding, most },
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Lending(e) => write!(f, "buffers lent: {e}"),
            Breach::Returning(e) => write!(f, "buffers given back: {e}"),
            Breach::Unbalanced { outstanding, most } => write!(
                f,
                "network rings disagree: {outstanding} buffers outstanding where {most} is the most"
            ),
            Breach::Place { buffer } => {
                write!(f, "a network buffer at {buffer:#x}, where the data region has none")
            }
            Breach::Length { buffer, length } => write!(
                f,
                "a frame of {length} bytes in the buffer at {buffer:#x}, which has {BUFFER_SIZE}"
            ),
            Breach::NotLent { buffer } => {
                write!(f, "the network buffer at {buffer:#x} given back, which is not lent")
            }
        }
    }
}
