//! The virtual machine monitor's protection domain: one guest, one virtual
//! CPU, everything that the guest sees of a machine.
//!
//! This crate is the shell: it wires the pure core (`vmm-core`) to VT-x, to the
//! guest's memory and to the queues and notifications that the system
//! description grants, and runs the loop. The surprising fact: this thread *is*
//! the guest's CPU. While the guest runs, the VMM does not.
//!
//! Channels: 0 the serial virtualiser, 1 the status domain, 2 the timer; from 3 on
//! those who serve the virtio devices, in the order of
//! [`vmm_core::devices::virtio::Device`]; from 9 on `pci`, for each device that is passed
//! through, which is not listened to; interrupts of those have what numbers the
//! configuration says. The virtual CPU has number 0.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod guest;
mod machine;
mod memory;
mod outside;
mod passed;
mod sleep;
mod status;
mod virtio;
mod vtx;

use sddf::serial::LayoutError;
use sel4_microkit::{
    Channel, Handler, Never, acknowledge_all_irqs, memory_region, protection_domain, recv,
};

use machine::Machine;
use status::Status;

/// To the serial virtualiser.
const CONSOLE: Channel = Channel::new(0);
/// To the status domain.
const STATUS: Channel = Channel::new(1);
/// To the timer.
const TIMER: Channel = Channel::new(2);
/// Number of the virtual CPU.
const VCPU: u64 = 0;

#[protection_domain]
fn init() -> impl Handler {
    Vmm
}

/// The handler is its loop.
struct Vmm;

impl Handler for Vmm {
    type Error = LayoutError;

    fn run(&mut self) -> Result<Never, LayoutError> {
        acknowledge_all_irqs();
        let queue = memory_region!(ReadWrite, status_queue_vaddr, status_queue_size);
        let data = memory_region!(ReadWrite, status_data_vaddr, status_data_size);
        let mut status = Status::new(&queue, data, STATUS)?;
        match Machine::new(&mut status) {
            Ok(mut machine) => machine.run(),
            Err(e) => {
                let result = vmm_core::outcome::result::BAD_IMAGE;
                status.insist(format_args!("stopped result={result} : {e}"));
            }
        }
        // The guest has ended; whoever has the authority may restart this
        // domain.
        loop {
            recv();
        }
    }
}
