//! The network: who is who, and who may talk to whom.

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::{CLIENTS_MAX, IoRegion, Limit, Mac, NAME_MAX};

/// Most addresses that a port's client has by configuration.
pub const PORT_MACS_MAX: usize = 4;

/// Most addresses that all ports together may take beyond those.
pub const LEARNED_MAX: usize = 32;

/// A network virtualiser: its ports, in the order of its channels and queues.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetVirt {
    /// The line to the outside; left out: clients reach each other only.
    #[serde(default)]
    pub uplink: Option<NetUplink>,
    /// One port a client.
    pub ports: Vec<NetPort, CLIENTS_MAX>,
}

/// The line to the outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetUplink {
    /// The region that the driver receives into.
    pub receive: IoRegion,
    /// The region that it transmits from.
    pub transmit: IoRegion,
    /// How much it may bring in.
    #[serde(default)]
    pub limit: Limit,
    /// Frames to groups a second that it may bring in; 0: no limit of their own.
    #[serde(default)]
    pub group_frames: u64,
}

/// A client and what it may do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetPort {
    /// The client: a protection domain's name, or its guest's.
    pub name: String<NAME_MAX>,
    /// The addresses that it may send from, and that are sent to it.
    pub macs: Vec<Mac, PORT_MACS_MAX>,
    /// How many further ones it may take: addresses that no other port has, such
    /// as those of machines inside it. The oldest makes room for the next.
    #[serde(default)]
    pub learn: u8,
    /// The ports that it exchanges frames with, if they agree; left out: all.
    #[serde(default)]
    pub peers: Option<Vec<String<NAME_MAX>, CLIENTS_MAX>>,
    /// Whether it exchanges frames with the outside.
    #[serde(default = "yes")]
    pub uplink: bool,
    /// How much it may send. What is more is dropped.
    #[serde(default)]
    pub limit: Limit,
    /// Frames to groups a second that it may send; 0: no limit of their own.
    #[serde(default)]
    pub group_frames: u64,
}

const fn yes() -> bool {
    true
}

impl NetVirt {
    /// Whether two ports exchange frames: each is a peer of the other.
    pub fn are_peers(&self, a: usize, b: usize) -> bool {
        let (Some(first), Some(second)) = (self.ports.get(a), self.ports.get(b)) else {
            return false;
        };
        let has = |port: &NetPort, other: &NetPort| {
            port.peers.as_ref().is_none_or(|peers| peers.contains(&other.name))
        };
        a != b && has(first, second) && has(second, first)
    }
}
