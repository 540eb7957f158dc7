//! What a peer can do wrong.

use core::fmt;

use super::wire::Status;
use crate::peer::PeerError;
use crate::ring::Lie;

/// The peer broke the protocol. The end that noticed refuses every further
/// operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// By an index of the requests.
    Requests(PeerError),
    /// By an index of the responses.
    Responses(PeerError),
    /// The two rings disagree on what was answered: one of them was written by
    /// the wrong side.
    Unbalanced {
        /// Requests that the one ring says are outstanding.
        outstanding: u32,
        /// The most that there can be.
        most: u32,
    },
    /// A response to a request that was never made, or was answered before.
    NotLent {
        /// The id it gave.
        id: u32,
    },
    /// A response that claims another number of blocks than its request had, or
    /// than its status allows.
    Count {
        /// The request's id.
        id: u32,
        /// What it claims.
        done: u16,
        /// The blocks asked for.
        count: u16,
        /// Its status.
        status: Status,
    },
    /// A response with a status that does not exist.
    Status {
        /// The request's id.
        id: u32,
        /// The status it gave.
        status: u32,
    },
}

impl From<Lie> for Breach {
    /// As a server sees it.
    fn from(lie: Lie) -> Self {
        match lie {
            Lie::Incoming(e) => Breach::Requests(e),
            Lie::Outgoing(e) => Breach::Responses(e),
            Lie::Unbalanced { outstanding, most } => Breach::Unbalanced { outstanding, most },
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::Requests(e) => write!(f, "block requests: {e}"),
            Breach::Responses(e) => write!(f, "block responses: {e}"),
            Breach::Unbalanced { outstanding, most } => write!(
                f,
                "block rings disagree: {outstanding} requests outstanding where {most} is the most"
            ),
            Breach::NotLent { id } => {
                write!(f, "a block response to request {id:#x}, which is not outstanding")
            }
            Breach::Count { id, done, count, status } => write!(
                f,
                "a block response to request {id:#x} of {count} blocks claims {done} with status {status:?}"
            ),
            Breach::Status { id, status } => {
                write!(
                    f,
                    "a block response to request {id:#x} with status {status}, which does not exist"
                )
            }
        }
    }
}
