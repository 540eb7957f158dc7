//! Block and network queues, and the domains that work on them, with peers that
//! keep to the protocol and peers that do not.

mod block;
mod gpt;
mod net;
mod rings;

pub(super) use block::VIRT as BLK_VIRT;
pub(super) use gpt::TARGET as GPT;
pub(super) use net::VIRT as NET_VIRT;
pub(super) use rings::{BLOCK, NET};
