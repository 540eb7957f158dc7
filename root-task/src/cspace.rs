//! A protection domain's capability space, laid out as Microkit 2.3 does, and
//! what connects domains. Nothing is put there that the description does not
//! grant: no TCB, no address space, no untyped memory.

use sel4::{
    Badge, Word,
    cap::{CNode, Notification, ObjectType, Rights, Slot},
};
use sel4_root_task::{Objects, Slots, init_caps};
use system_spec::{Channel, End, PdIndex, ProtectionDomain};

use crate::construct::{BuildError, Domain, System};

/// Log2 of the number of slots.
pub const RADIX: u8 = 9;

/// Endpoint on which a domain receives.
pub const INPUT: Word = 1;
/// Endpoint to which the kernel sends a domain's faults.
pub const FAULT: Word = 2;
const NOTIFICATIONS: Word = 10;
const ENDPOINTS: Word = NOTIFICATIONS + 64;
/// Interrupt handlers, by channel.
pub const IRQS: Word = ENDPOINTS + 64;
const TCBS: Word = IRQS + 64;
/// Virtual CPUs, by number.
pub const VCPUS: Word = TCBS + 128;
/// I/O port ranges, by number.
pub const IO_PORTS: Word = VCPUS + 64;

/// A capability space.
#[derive(Clone, Copy, Debug)]
pub struct CSpace {
    /// Its table.
    pub cnode: CNode,
    /// The domain's own notification, unbadged, in this task's space.
    pub notification: Notification,
    /// The domain's input endpoint, unbadged, in this task's space.
    pub input: Word,
}

impl CSpace {
    /// A new one that holds the domain's input endpoint.
    ///
    /// # Errors
    /// No memory.
    pub fn new(objects: &mut Objects, name: &'static str) -> Result<Self, BuildError> {
        let object = |e| BuildError::Object(name, e);
        let space = CSpace {
            cnode: CNode::from_address(objects.one(ObjectType::CNode(RADIX)).map_err(object)?),
            notification: Notification::from_address(
                objects.one(ObjectType::Notification).map_err(object)?,
            ),
            input: objects.one(ObjectType::Endpoint).map_err(object)?,
        };
        let receive = Rights { read: true, write: false, grant: false };
        space
            .copy(INPUT, space.input, receive)
            .map_err(|e| BuildError::Capability(name, "input endpoint", e))?;
        Ok(space)
    }

    /// Copies a capability of this task's space.
    ///
    /// # Errors
    /// The slot is taken.
    pub fn copy(&self, slot: Word, source: Word, rights: Rights) -> sel4::Result {
        self.cnode.copy(here(slot), init_caps::CNODE, Slots::slot(source), rights)
    }

    /// Copies a capability of this task's space with a badge or port range.
    ///
    /// # Errors
    /// The slot is taken, or the data is not valid.
    pub fn mint(&self, slot: Word, source: Word, rights: Rights, data: Word) -> sel4::Result {
        self.cnode.mint(here(slot), init_caps::CNODE, Slots::slot(source), rights, data)
    }
}

fn here(index: Word) -> Slot {
    Slot { index, depth: RADIX }
}

/// Says who learns of a domain's faults: its parent, which also gets its
/// thread, or this task.
///
/// # Errors
/// A slot is taken.
pub fn faults(
    system: &System,
    index: PdIndex,
    pd: ProtectionDomain<'static>,
) -> Result<(), BuildError> {
    let domain = system.domain(index);
    let failed = |what| move |e| BuildError::Capability(pd.name, what, e);
    let (endpoint, id) = match pd.parent {
        None => (system.fault_endpoint.address(), index.0),
        Some((parent, id)) => {
            let parent = system.domain(parent);
            parent
                .cspace
                .copy(TCBS + Word::from(id), domain.tcb.address(), Rights::ALL)
                .map_err(failed("its thread for the parent"))?;
            (parent.cspace.input, id.into())
        }
    };
    domain
        .cspace
        .mint(FAULT, endpoint, Rights::CALL, Badge::Fault(id).pack())
        .map_err(failed("fault endpoint"))
}

/// Gives each end of a channel what the description grants.
///
/// # Errors
/// A slot is taken.
pub fn channel(system: &System, channel: Channel) -> Result<(), BuildError> {
    one_way(system, channel.a, channel.b)?;
    one_way(system, channel.b, channel.a)
}

fn one_way(system: &System, from: End, to: End) -> Result<(), BuildError> {
    let sender: &Domain = system.domain(from.pd);
    let receiver: &Domain = system.domain(to.pd);
    let id = Word::from(from.id);
    let failed = |e| BuildError::Capability(sender.name, "channel", e);
    if from.notify {
        let badge = Badge::Notification(1 << to.id).pack();
        let source = receiver.cspace.notification.address();
        sender.cspace.mint(NOTIFICATIONS + id, source, Rights::WRITE, badge).map_err(failed)?;
    }
    if from.pp {
        let badge = Badge::Call(to.id.into()).pack();
        let source = receiver.cspace.input;
        sender.cspace.mint(ENDPOINTS + id, source, Rights::CALL, badge).map_err(failed)?;
    }
    Ok(())
}
