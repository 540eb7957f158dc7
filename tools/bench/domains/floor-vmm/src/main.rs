//! The least VMM that there can be, for the floors of `cargo bulkhead bench`: it
//! answers an exit by stepping over the instruction and entering again, and looks
//! at nothing. What its guest measures (`guest-images/bench/floor.S`) is the
//! kernel's part of an exit, which no VMM on this kernel can do without.
//!
//! Not here: a machine. The guest is flat 32-bit code without paging, whose page
//! is part of the boot image; the surprising fact is that nothing is ever loaded.
//!
//! | symbol       | rights | region                                          |
//! | ------------ | ------ | ----------------------------------------------- |
//! | `samples`    | r      | the guest's page of samples                     |
//!
//! The I/O ports with number 0 are COM1, where the samples go, in the form that
//! `guest-images/bench/measure.inc` describes.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod console;
mod guest;

use sel4::{IpcBuffer, abi::current::numbers::vmenter, cap::Vcpu};
use sel4_microkit::{
    Handler, Infallible, Never, memory_region, protection_domain, recv, started,
    vcpu::{self, EntryRegisters, Return, VmEntry},
};
use shmem::{Read, Region};

use console::Console;

/// Basic exit reasons (Intel SDM vol. 3D, appendix C).
mod reason {
    pub const CPUID: u32 = 10;
    pub const IO: u32 = 30;
    pub const RDMSR: u32 = 31;
    pub const EPT_VIOLATION: u32 = 48;
}

/// Where the guest's code begins, which is where it is entered.
const ENTRY: u64 = 0x10000;
/// How many samples there are of an operation.
const SAMPLES: usize = 256;
/// The port that says so (bits 31:16 of an I/O exit's qualification), and the bit
/// that tells an IN from an OUT.
const DONE: u64 = 0x80;
const IN: u64 = 1 << 3;
/// Length of the guest's one access to memory that is not there: an EPT violation
/// reports none that could be relied upon.
const LOAD_LENGTH: u64 = 3;

/// Operations by the letter that the guest writes to [`DONE`]; the floors of what
/// `bench` calls so.
const NAMES: [(u8, &str); 5] = [
    (b'c', "cpuid_exit"),
    (b'i', "port_read_exit"),
    (b'o', "port_write_exit"),
    (b'x', "x2apic_read_exit"),
    (b'm', "mmio_read_exit"),
];

#[protection_domain]
fn init() -> impl Handler {
    FloorVmm
}

/// The handler is its loop.
struct FloorVmm;

impl Handler for FloorVmm {
    type Error = Infallible;

    fn run(&mut self) -> Result<Never, Infallible> {
        let mut console = Console::start();
        let samples: Region<Read> = memory_region!(Read, samples_vaddr, samples_size);
        let vcpu = vcpu::vcpu(0);
        let primary_controls = started(guest::prepare(vcpu));
        match measure(vcpu, primary_controls, &samples, &mut console) {
            Ok(()) => console.line(format_args!("ok floor")),
            Err(Unexpected { reason, rip }) => {
                console.line(format_args!("FAIL floor exit={reason:08x} ip={rip:08x}"));
            }
        }
        loop {
            recv();
        }
    }
}

/// An exit that the guest was not made to cause.
struct Unexpected {
    reason: u32,
    rip: u64,
}

fn measure(
    vcpu: Vcpu,
    primary_controls: u64,
    samples: &Region<Read>,
    console: &mut Console,
) -> Result<(), Unexpected> {
    let mut entry = VmEntry { rip: ENTRY, primary_controls, interruption: 0 };
    let mut registers = EntryRegisters::Kept;
    loop {
        let Return::Exit(reason) = vcpu::enter(vcpu, &mut entry, registers) else {
            registers = EntryRegisters::Kept;
            continue;
        };
        let ipc = IpcBuffer::current();
        let length = ipc.mr(vmenter::FAULT_INSTRUCTION_LENGTH);
        // What returns a value to the guest sets its registers, what does not
        // leaves them.
        let (step, next) = match reason {
            reason::CPUID | reason::RDMSR => (length, EntryRegisters::FromMessage),
            reason::EPT_VIOLATION => (LOAD_LENGTH, EntryRegisters::FromMessage),
            reason::IO => {
                let qualification = ipc.mr(vmenter::FAULT_QUALIFICATION);
                if qualification >> 16 == DONE {
                    let letter = ipc.mr(vmenter::FAULT_RAX) as u8;
                    let Some((_, name)) = NAMES.iter().find(|(its, _)| *its == letter) else {
                        return Ok(());
                    };
                    print(name, samples, console);
                }
                let input = qualification & IN != 0;
                (length, if input { EntryRegisters::FromMessage } else { EntryRegisters::Kept })
            }
            reason => return Err(Unexpected { reason, rip: entry.rip }),
        };
        entry.rip += step;
        registers = next;
    }
}

/// Prints the samples, value by value, with how often each came in a row.
fn print(name: &str, samples: &Region<Read>, console: &mut Console) {
    console.text(format_args!("bench {name}"));
    let sample = |n: usize| samples.read_u32(n * size_of::<u32>()).unwrap_or(0);
    let mut n = 0;
    while n < SAMPLES {
        let value = sample(n);
        let run = (n..SAMPLES).take_while(|&m| sample(m) == value).count();
        console.text(format_args!(" {value:08x}*{run:08x}"));
        n += run;
    }
    console.line(format_args!(""));
}
