//! The network virtualiser without its shell: a switch whose ports are clients
//! and, if there is one, a line to the outside.
//!
//! It reads a frame's Ethernet header, fourteen bytes, and nothing behind it.
//!
//! **Who is who.** A port has the addresses that the configuration gives it, and
//! takes as many further ones as it says, none that another port has. A frame
//! from any other address is dropped: no client can send as another, nor as one of
//! the last [`OUTSIDE_MAX`] machines heard from outside.
//!
//! **Who hears what.** A frame to a port's address goes to that port alone; one to
//! a group to every port that may hear it, and outside; any other from a client
//! goes outside, and from outside nowhere. Nothing is flooded among clients: their
//! addresses are known. Two ports exchange frames if each is the other's peer.
//!
//! **How much.** A port that sends more than its limit (frames, bytes, frames to
//! groups) has the rest dropped, as has one that receives faster than it gives
//! buffers: a slow or hostile receiver holds nobody up.
//!
//! **Copies.** Every frame is copied once, from the sender's data region to the
//! receiver's, and its header from the copy that was checked. Sender and receiver
//! see none of each other's memory, and a sender that changes a frame while it is
//! switched changes what it says, not who it is from. That is why the driver is
//! handed a copy and not the client's own buffer: while a device reads that, its
//! source address could be changed to another's.
//!
//! **Turns.** Ports are served in turn, [`QUANTUM`] frames at a time.
#![no_std]
#![forbid(unsafe_code)]

mod addresses;
mod complaint;
mod frame;
mod port;
mod switch;
mod uplink;

pub use addresses::{Addresses, OUTSIDE_MAX};
pub use complaint::{Complaint, Counters, Reason};
pub use frame::{FRAME_MAX, HEADER, Header};
pub use port::{Policy, PortParts};
pub use switch::{Outcome, QUANTUM, SLOTS, Switch, SwitchError};
pub use uplink::{UplinkParts, UplinkPolicy};
