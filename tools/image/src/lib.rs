//! Boot images.
//!
//! Of the `bochs` board:
//! [`system_elf`] joins the initial task, the compiled system description and
//! the payload (programs, guest images) into one ELF file, and [`iso`] puts
//! that and the kernel on a CD or disk that a BIOS boots.
//!
//! Of the SDK's board the SDK's tool makes the system ELF, its "loader image";
//! [`pad_module`] and [`Menu`] add what boot loaders need.
//!
//! Not here: what is in the description, and how the machine is started.
//!
//! # What the kernel wants of the system ELF
//! seL4 5.0.0 takes the first Multiboot module for the initial task
//! (`src/arch/x86/kernel/boot_sys.c`, `load_boot_module`):
//! - 64-bit ELF; of the header it checks the magic number and the class only;
//! - all program headers count, whatever their type, if their size in memory is
//!   not zero: so only `PT_LOAD` is written here;
//! - the lowest address must be page-aligned; everything from there to the end
//!   of the highest segment is one contiguous range, gaps included: each page
//!   of it becomes a frame capability, in order of address, and is mapped;
//! - the entry point lies inside, and two more pages fit after the end, for the
//!   IPC buffer and bootinfo;
//! - the module stays where the boot loader put it while its segments are unpacked right
//!   after it, so the machine needs memory for it twice ([`SystemElf::fits`]).
//!   The result then moves to the end of the kernel, and the module is free
//!   memory again.
//!
//! What surprises: nothing of the payload is ever copied after that. Its frames
//! become the protection domains' memory, which is why it is page-aligned here.
#![forbid(unsafe_code)]

mod elf;
mod error;
mod iso;
mod menu;
mod module;

pub use elf::{Payload, SystemElf, system_elf};
pub use error::ImageError;
pub use iso::{DISK_SECTOR, LOADER, LoaderPart, iso};
pub use menu::{GRUB_FOLDER, Menu};
pub use module::pad_module;
