//! Queues of the seL4 Device Driver Framework (sDDF 0.7): its layout in shared
//! memory and its signalling, so that a peer may be a component of either
//! project.
//!
//! Unlike the C library, each end here assumes that the other lies. It keeps
//! its own index in private memory, checks the peer's against what the peer
//! could honestly have done, and on the first lie ends that connection with an
//! error that names the culprit. Nothing else breaks: no access ever leaves
//! the data region, whatever the indices say.
//!
//! Not here: notifications. An end says when its peer must be notified; the
//! protection domain does it.
#![no_std]
#![forbid(unsafe_code)]

pub mod block;
pub mod net;
mod peer;
pub mod ring;
pub mod serial;
pub mod timer;
