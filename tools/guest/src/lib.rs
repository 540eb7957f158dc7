//! Guest images: the default Linux guest out of Debian packages, and the tiny
//! guests of our own.
//!
//! Nothing here is committed or downloaded by us: `apt` fetches packages and
//! checks them against its signed index; this crate unpacks them and puts the
//! pieces together. The surprising fact: the kernel is unpacked here, on the
//! host, because in an emulator the guest would spend most of its boot on it.
#![forbid(unsafe_code)]

pub mod bzimage;
mod debian;
mod error;
mod initramfs;
mod initrd;
mod linux;
mod programs;
mod recipe;
mod store;
mod unit;

pub use debian::Package;
pub use error::GuestError;
pub use initrd::initrd_fault;
pub use linux::{
    Content, LinuxImages, Source, UnpackedPackage, bench_linux, hardware_linux, linux, test_linux,
};
pub use unit::{bench_guests, hostile_guests, unit_guests};

use std::path::Path;

use bulkhead_progress::Progress;

/// Where to work and what to show.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The checkout.
    pub workspace: &'a Path,
    /// The build folder; images and packages are kept in `guest/` below it.
    pub out: &'a Path,
    /// Shows the steps.
    pub progress: &'a dyn Progress,
}
