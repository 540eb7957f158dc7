//! From the description to kernel objects, in the order that makes the first
//! error name its cause: memory first, then threads, then what connects them.

use core::fmt;

use heapless::Vec;
use sel4::cap::{EptPml4, ObjectType, Pml4, Tcb};
use sel4_root_task::{AllocError, MapError, Objects};
use system_spec::PdIndex;

use crate::{
    cspace::{self, CSpace},
    devices,
    image::{Image, ImageError},
    layout::{self, LayoutError},
    memory::{self, Frames, REGIONS_MAX},
    threads,
};

/// Protection domains of one system: channel numbers limit no more than this.
pub const PDS_MAX: usize = 62;

/// Which step failed.
#[derive(Clone, Copy, Debug)]
pub enum BuildError {
    /// The boot image.
    Image(ImageError),
    /// The description contradicts itself.
    Layout(LayoutError),
    /// More protection domains than this task keeps account of.
    TooManyDomains,
    /// More memory regions than this task keeps account of.
    TooManyRegions,
    /// An object for something named.
    Object(&'static str, AllocError),
    /// A mapping for something named.
    Map(&'static str, MapError),
    /// A capability of a domain. Holds the domain and what for.
    Capability(&'static str, &'static str, sel4::Error),
}

impl From<ImageError> for BuildError {
    fn from(e: ImageError) -> Self {
        BuildError::Image(e)
    }
}

impl From<LayoutError> for BuildError {
    fn from(e: LayoutError) -> Self {
        BuildError::Layout(e)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Image(e) => write!(f, "{e}"),
            BuildError::Layout(e) => write!(f, "{e}"),
            BuildError::TooManyDomains => write!(f, "more than {PDS_MAX} protection domains"),
            BuildError::TooManyRegions => write!(f, "more than {REGIONS_MAX} memory regions"),
            BuildError::Object(name, e) => write!(f, "{name}: {e}"),
            BuildError::Map(name, e) => write!(f, "{name}: {e}"),
            BuildError::Capability(name, what, e) => write!(f, "{name}: {what}: {e}"),
        }
    }
}

/// What this task keeps of a protection domain.
#[derive(Clone, Copy, Debug)]
pub struct Domain {
    /// Its name.
    pub name: &'static str,
    /// Its virtual machine's name, if it has one.
    pub guest: Option<&'static str>,
    /// Its thread.
    pub tcb: Tcb,
    /// Its capability space.
    pub cspace: CSpace,
    /// Root of its address space.
    pub vspace: Pml4,
    /// Its stack, for traces.
    pub stack: Frames,
    /// Lowest address of its stack.
    pub stack_bottom: u64,
    /// Lowest and highest address of its program.
    pub program: (u64, u64),
    /// Its IPC buffer.
    pub ipc_frame: sel4::cap::Frame,
    /// Its guest's physical address space.
    pub ept: Option<EptPml4>,
}

/// A system that runs.
#[derive(Debug)]
pub struct System {
    /// By index.
    pub domains: Vec<Domain, PDS_MAX>,
    /// Where faults of domains without a parent arrive.
    pub fault_endpoint: sel4::cap::Endpoint,
}

impl System {
    /// The domain with this index; `Spec::parse` proved that it exists.
    pub fn domain(&self, index: PdIndex) -> &Domain {
        &self.domains[usize::from(index.0)]
    }
}

/// Builds everything and starts it.
///
/// # Errors
/// The first object, mapping or capability that could not be made. Nothing runs
/// then.
pub fn construct(objects: &mut Objects, image: &Image) -> Result<System, BuildError> {
    let spec = &image.spec;
    layout::check(spec)?;
    let regions = memory::regions(objects, image)?;
    let fault_endpoint = objects
        .one(ObjectType::Endpoint)
        .map(sel4::cap::Endpoint::from_address)
        .map_err(|e| BuildError::Object("fault endpoint", e))?;
    let mut system = System { domains: Vec::new(), fault_endpoint };
    for (i, pd) in spec.protection_domains().enumerate() {
        let index = PdIndex(i as u16);
        let domain = threads::make(objects, image, &regions, index, pd)?;
        system.domains.push(domain).map_err(|_| BuildError::TooManyDomains)?;
    }
    for (i, pd) in spec.protection_domains().enumerate() {
        cspace::faults(&system, PdIndex(i as u16), pd)?;
    }
    for channel in spec.channels() {
        cspace::channel(&system, channel)?;
    }
    for irq in spec.irqs() {
        devices::irq(objects, system.domain(irq.pd), irq)?;
    }
    for ports in spec.io_ports() {
        devices::io_ports(system.domain(ports.pd), ports)?;
    }
    for machine in spec.virtual_machines() {
        threads::virtual_machine(objects, &mut system, machine)?;
    }
    for (i, pd) in spec.protection_domains().enumerate() {
        threads::configure(system.domain(PdIndex(i as u16)), pd)?;
    }
    for domain in &system.domains {
        let failed = |e| BuildError::Capability(domain.name, "starting its thread", e);
        domain.tcb.resume().map_err(failed)?;
    }
    Ok(system)
}
