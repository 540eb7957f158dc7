//! From a checkout to a boot image: the order of the steps, what each needs
//! from the one before, and what is kept between runs.
//!
//! The steps themselves are other libraries' work. Everything that is built
//! goes to `target/bulkhead`; a step writes to a temporary name and renames, so
//! that an interrupted one leaves nothing half-written.
//!
//! What surprises: cargo is called from a program that cargo started. Its own
//! lock is free by then, and protection domains have a target folder of their
//! own, because their compiler flags would otherwise evict everything else.
#![forbid(unsafe_code)]

mod bill;
mod domains;
mod draft;
mod embedded;
mod fingerprint;
mod guests;
mod hardware;
mod lease;
mod overrides;
mod platform;
mod profile;
mod sdk;
mod system;
mod workspace;

pub use bulkhead_cargo::CHECKOUT;
pub use bulkhead_sbom::Bill;
pub use domains::{
    Domains, DomainsError, MCS, build_domains, build_test_task, freestanding_packages,
    portable_packages,
};
pub use draft::read_description;
pub use guests::CannotStart;
pub use hardware::{DiskWanted, Hardware};
pub use lease::Lease;
pub use overrides::{GuestOverrides, OverrideError, Overrides};
pub use platform::Platform;
pub use profile::Profile;
pub use system::{Built, Guest, KERNEL_COMMAND_LINE, Request, build_system};
pub use workspace::{BuildLock, RunFolder, TestLock, Workspace, WorkspaceError};
