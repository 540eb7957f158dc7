//! Interrupt lines and I/O ports.

use sel4::{
    Badge, Word,
    cap::{IoApicLine, Notification, Rights, port_range},
};
use sel4_root_task::{Objects, Slots, init_caps};
use system_spec::{IoPort, Irq};

use crate::{
    construct::{BuildError, Domain},
    cspace::{IO_PORTS, IRQS},
};

/// Makes an interrupt line's handler, lets it signal its domain and gives it
/// to the domain.
///
/// # Errors
/// No such line, or its vector is taken.
pub fn irq(objects: &mut Objects, domain: &Domain, irq: Irq) -> Result<(), BuildError> {
    let failed = |e| BuildError::Capability(domain.name, "interrupt line", e);
    let slots = objects.slots(2).map_err(|e| BuildError::Object(domain.name, e))?;
    let (handler_slot, signal_slot) = (slots, slots + 1);
    let line = IoApicLine {
        ioapic: irq.ioapic.into(),
        pin: irq.pin.into(),
        level: irq.level,
        active_low: irq.active_low,
        vector: irq.vector.into(),
    };
    let handler = init_caps::IRQ_CONTROL
        .io_apic(line, init_caps::CNODE, Slots::slot(handler_slot))
        .map_err(failed)?;
    init_caps::CNODE
        .mint(
            Slots::slot(signal_slot),
            init_caps::CNODE,
            Slots::slot(domain.cspace.notification.address()),
            Rights::WRITE,
            Badge::Notification(1 << irq.id).pack(),
        )
        .map_err(failed)?;
    handler.set_notification(Notification::from_address(signal_slot)).map_err(failed)?;
    domain.cspace.copy(IRQS + Word::from(irq.id), handler_slot, Rights::ALL).map_err(failed)
}

/// Gives a domain a range of I/O ports.
///
/// # Errors
/// The slot is taken.
pub fn io_ports(domain: &Domain, ports: IoPort) -> Result<(), BuildError> {
    // `Spec::parse` proved that the range is not empty and ends by 0xffff.
    let last = (u32::from(ports.base) + ports.size - 1) as u16;
    domain
        .cspace
        .mint(
            IO_PORTS + Word::from(ports.id),
            init_caps::IO_PORTS.address(),
            Rights::ALL,
            port_range(ports.base, last),
        )
        .map_err(|e| BuildError::Capability(domain.name, "I/O ports", e))
}
