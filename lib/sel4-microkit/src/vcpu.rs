//! A domain's virtual CPU. The domain's own thread runs the guest: [`enter`]
//! returns when the guest exits or a notification arrives.

pub use sel4::abi::{EntryRegisters, VmEntry, current::vcpu::*};
use sel4::{
    Badge,
    abi::{VmReturn, current as abi},
    cap::Vcpu,
};

use crate::{ChannelSet, IoPort, channel::VCPU_BASE};

/// Why the guest stopped running.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// An exit, with the basic reason and flags as the VMCS has them; or
    /// 0xffff_ffff when the entry itself failed.
    Exit(u32),
    /// Notifications. What the guest was doing goes on at the next entry.
    Notified(ChannelSet),
}

/// The virtual CPU with this number in the system description.
pub const fn vcpu(id: u64) -> Vcpu {
    Vcpu::from_address(VCPU_BASE + id)
}

/// Lets the guest of `vcpu` reach a range of ports itself, without exits.
///
/// # Errors
/// The range is not within `ports`.
///
/// # Panics
/// The description does not grant `ports`.
pub fn enable_io_ports(vcpu: Vcpu, ports: IoPort, first: u16, last: u16) -> sel4::Result {
    vcpu.enable_io_ports(ports.cap(), first, last)
}

/// Runs the guest of `vcpu`, this domain's own.
#[inline(always)]
pub fn enter(vcpu: Vcpu, entry: &mut VmEntry, registers: EntryRegisters) -> Return {
    match abi::vm_enter(vcpu, entry, registers) {
        VmReturn::Exit(reason) => Return::Exit(reason as u32),
        VmReturn::Notification(badge) => match Badge::parse(badge) {
            Badge::Notification(channels) => Return::Notified(ChannelSet::from_bits(channels)),
            // Badge 0: the VCPU was taken from this thread.
            Badge::Call(_) | Badge::Fault(_) => Return::Notified(ChannelSet::default()),
        },
    }
}
