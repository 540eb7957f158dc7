//! The emulated machine: a PC with VT-x, which Debian's Bochs provides, or QEMU
//! with KVM where the host can. This
//! crate writes its configuration, starts it, carries its first serial port
//! (guest consoles) both ways, parses the status lines that arrive on its
//! second, and makes sure that the emulator never outlives its owner.
//!
//! Not here: what is booted (any CD image), and how things are shown.
//!
//! What surprises: Bochs ignores SIGTERM, and stops in its debugger on SIGINT.
//! So it runs in a process group of its own, out of the terminal's reach, and
//! is only ever ended by SIGKILL to its own process id.
//!
//! ```no_run
//! use bulkhead_machine::{Config, Event, Machine};
//!
//! let (sender, events) = std::sync::mpsc::channel();
//! let config = Config::new("system.iso", "target/bulkhead/logs");
//! let _machine = Machine::start(config, move |event| drop(sender.send(event)))?;
//! for event in events {
//!     match event {
//!         Event::Console(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
//!         Event::Status(line) => eprintln!("{line}"),
//!         Event::Ended(ending) => eprintln!("{ending}"),
//!     }
//! }
//! # Ok::<(), bulkhead_machine::MachineError>(())
//! ```
#![forbid(unsafe_code)]

mod bochs;
mod config;
mod console;
mod counts;
mod directory;
mod emulator;
mod frames;
mod host;
mod kvm;
mod machine;
mod monitor;
mod qemu;
mod status;
mod supervisor;

pub use config::{
    Accelerator, Config, DEFAULT_MEMORY, DISK_UNIT, DeviceKind, HALTED, IPS, MEMORY_MAX, Mebibytes,
    Network, Runner, Watch,
};
pub use counts::{Answers, Count, Counters, Counts};
pub use directory::remove_abandoned;
pub use frames::FrameReader;
pub use kvm::Lack;
pub use machine::{Keyboard, Logs, Machine, MachineError};
pub use status::{GuestEvent, Outcome, Status};
pub use supervisor::{Ending, Event};
