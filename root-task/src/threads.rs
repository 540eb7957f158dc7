//! A protection domain's thread, address space and virtual machine.

use sel4::{
    Word,
    abi::{IPC_BUFFER, STACK_TOP},
    cap::{CNode, MemoryType, ObjectType, Rights, Tcb, Vcpu},
};
use sel4_root_task::{GuestSpace, Objects, PdSpace};
use system_spec::{PAGE_SIZE, PdIndex, ProtectionDomain, VirtualMachine};

use crate::{
    construct::{BuildError, Domain, System},
    cspace::{CSpace, FAULT, RADIX, VCPUS},
    image::Image,
    memory::{Frames, Regions, memory_type, rights},
};

const READ_WRITE: Rights = Rights { read: true, write: true, grant: false };

/// Makes a domain's objects and its whole address space, and its guest's.
///
/// # Errors
/// No memory, or two mappings overlap.
pub fn make(
    objects: &mut Objects,
    image: &Image,
    regions: &Regions,
    index: PdIndex,
    pd: ProtectionDomain<'static>,
) -> Result<Domain, BuildError> {
    let object = |e| BuildError::Object(pd.name, e);
    let mapping = |e| BuildError::Map(pd.name, e);
    let tcb = Tcb::from_address(objects.one(ObjectType::Tcb).map_err(object)?);
    let cspace = CSpace::new(objects, pd.name)?;
    let mut space = PdSpace::new(objects).map_err(object)?;

    let mut program = (Word::MAX, 0);
    for segment in image.spec.segments().filter(|s| s.pd == index) {
        let frames = Frames::small(objects, segment.payload, segment.size).map_err(object)?;
        frames
            .map(
                objects,
                image,
                &mut space,
                segment.vaddr,
                rights(segment.rights),
                MemoryType::WriteBack,
            )
            .map_err(mapping)?;
        program = (program.0.min(segment.vaddr), program.1.max(segment.vaddr + segment.size));
    }
    for map in image.spec.maps().filter(|m| m.pd == index) {
        regions
            .get(map.region)
            .map(objects, image, &mut space, map.vaddr, rights(map.rights), memory_type(map.cached))
            .map_err(mapping)?;
    }
    let stack = Frames::small(objects, None, pd.stack_size).map_err(object)?;
    let stack_bottom = STACK_TOP.saturating_sub(pd.stack_size);
    stack
        .map(objects, image, &mut space, stack_bottom, READ_WRITE, MemoryType::WriteBack)
        .map_err(mapping)?;
    let ipc = Frames::small(objects, None, PAGE_SIZE).map_err(object)?;
    ipc.map(objects, image, &mut space, IPC_BUFFER, READ_WRITE, MemoryType::WriteBack)
        .map_err(mapping)?;

    let ept = guest_space(objects, image, regions, index, pd.name)?;
    let ipc_frame = ipc.get(image, 0);
    let domain = Domain {
        name: pd.name,
        guest: None,
        tcb,
        cspace,
        vspace: space.root(),
        stack,
        stack_bottom,
        program,
        ept: ept.map(|e| e.root()),
        ipc_frame,
    };
    Ok(domain)
}

/// A guest's physical address space, if the domain has a guest.
fn guest_space(
    objects: &mut Objects,
    image: &Image,
    regions: &Regions,
    index: PdIndex,
    name: &'static str,
) -> Result<Option<GuestSpace>, BuildError> {
    if !image.spec.virtual_machines().any(|m| m.pd == index) {
        return Ok(None);
    }
    let mut space = GuestSpace::new(objects).map_err(|e| BuildError::Object(name, e))?;
    for map in image.spec.guest_maps().filter(|m| m.pd == index) {
        regions
            .get(map.region)
            .map(objects, image, &mut space, map.gpa, rights(map.rights), memory_type(map.cached))
            .map_err(|e| BuildError::Map(name, e))?;
    }
    Ok(Some(space))
}

/// Gives a domain's thread its spaces, priority, start address and stack. It
/// does not run yet.
///
/// # Errors
/// The kernel refuses a capability or the priority.
pub fn configure(domain: &Domain, pd: ProtectionDomain<'static>) -> Result<(), BuildError> {
    let failed = |what| move |e| BuildError::Capability(domain.name, what, e);
    domain
        .tcb
        .configure(
            FAULT,
            pd.priority,
            domain.cspace.cnode,
            CNode::guard(RADIX),
            domain.vspace,
            IPC_BUFFER,
            domain.ipc_frame,
        )
        .map_err(failed("its thread"))?;
    domain.tcb.bind_notification(domain.cspace.notification).map_err(failed("its notification"))?;
    // SAFETY: the thread is another program's, in an address space of its own.
    unsafe { domain.tcb.write_start(pd.entry, STACK_TOP) }.map_err(failed("its registers"))
}

/// Makes a virtual CPU, run by its domain's thread.
///
/// # Errors
/// No memory, or the processor has no VT-x.
pub fn virtual_machine(
    objects: &mut Objects,
    system: &mut System,
    machine: VirtualMachine<'static>,
) -> Result<(), BuildError> {
    let failed = |what| move |e| BuildError::Capability(machine.name, what, e);
    let vcpu = objects.one(ObjectType::Vcpu).map_err(|e| BuildError::Object(machine.name, e))?;
    let domain = &mut system.domains[usize::from(machine.pd.0)];
    domain.guest = Some(machine.name);
    Vcpu::from_address(vcpu).set_tcb(domain.tcb).map_err(failed("its virtual CPU"))?;
    if let Some(ept) = domain.ept {
        domain.tcb.set_ept_root(ept).map_err(failed("its physical address space"))?;
    }
    domain
        .cspace
        .copy(VCPUS + Word::from(machine.vcpu_id), vcpu, Rights::ALL)
        .map_err(failed("the VMM's capability"))
}
