//! Completes an instruction of the guest that the processor could not: one
//! whose operand is no memory but a device, or a string of port accesses.
//!
//! It decodes ([`crate::decode`]), translates ([`crate::walk`]), computes flags
//! ([`alu`]) and moves the data between registers, RAM and the buses. It does
//! not know which device is where. The surprising fact: most of an instruction's
//! work may be elsewhere than at the address that caused the exit (the other
//! side of a MOVS, the far end of an access that crosses a page, the stack of a
//! PUSH), and all of that may fault. So everything is translated before anything
//! is read, and a device sees each read and each write exactly once.
//!
//! Nothing is atomic with respect to other processors: a guest has one.

mod access;
pub mod alu;
mod context;
mod execute;
mod retire;
mod string;

use core::fmt;

pub use retire::{retire, retire_from};

use crate::control;
use crate::cpu::{Cpu, Exception, SegmentRegister, StateField};
use crate::decode::{self, CodeSize, MAX_LENGTH, ShortMove, Undecodable};
use crate::memory::GuestMemory;
use crate::types::{Gpa, Gva, Port, Width};
use crate::walk::{self, AccessKind, Fault, PhysicalBits};

use context::Context;

/// Device registers in memory, and addresses that are nothing.
pub trait MmioBus {
    /// Reads; bits beyond `width` are ignored.
    fn read(&mut self, gpa: Gpa, width: Width) -> u64;

    /// Writes; bits of `value` beyond `width` are zero.
    fn write(&mut self, gpa: Gpa, width: Width, value: u64);
}

/// I/O ports. `width` is at most 32 bits.
pub trait PortBus {
    /// Reads; bits beyond `width` are ignored.
    fn port_read(&mut self, port: Port, width: Width) -> u32;

    /// Writes; bits of `value` beyond `width` are zero.
    fn port_write(&mut self, port: Port, width: Width, value: u32);
}

/// What an exit says of the access that memory did not answer (Intel SDM
/// vol. 3C, table 28-7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The address.
    pub gpa: Gpa,
    /// What was tried there. A read-modify-write may be reported as either.
    pub kind: AccessKind,
    /// Whether `gpa` is where an operand of the instruction is, rather than one
    /// of the guest's paging structures.
    pub operand: bool,
}

/// How far the instruction came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Completion {
    /// It is done; RIP is behind it.
    Done,
    /// A repeated instruction did many of its elements and has more; RIP is
    /// still at it, so running the guest continues it.
    Partial,
    /// The guest takes this exception; RIP is at the instruction, and its state
    /// is as the architecture says for a fault there.
    Exception(Exception),
}

/// The bytes of an instruction, for a report.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

impl Bytes {
    /// As many as were there, from the first.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.as_slice().iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Why the VMM cannot complete the instruction. All of these stop the guest;
/// none is a fault of the VMM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The instruction lies outside RAM.
    FetchOutsideRam {
        /// Where.
        gpa: Gpa,
    },
    /// The bytes are no instruction that can be completed.
    Undecodable {
        /// Why.
        why: Undecodable,
        /// What they are.
        bytes: Bytes,
    },
    /// A known instruction with an effect that the VMM cannot bring about.
    Unsupported {
        /// Which effect.
        what: &'static str,
        /// The instruction.
        bytes: Bytes,
    },
    /// Address translation failed in a way that no guest can handle.
    Translation(Fault),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::FetchOutsideRam { gpa } => {
                write!(f, "the guest executes at guest-physical {:#x}, which is not RAM", gpa.0)
            }
            Refusal::Undecodable { why, bytes } => write!(f, "{why}: {bytes:?}"),
            Refusal::Unsupported { what, bytes } => write!(f, "unsupported: {what}: {bytes:?}"),
            Refusal::Translation(fault) => write!(f, "{fault}"),
        }
    }
}

/// Why an instruction stops in its middle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Interruption {
    Exception(Exception),
    Refusal(Refusal),
    /// Refused, and the bytes are not at hand.
    Effect(&'static str),
}

impl From<Fault> for Interruption {
    fn from(fault: Fault) -> Interruption {
        match fault {
            Fault::Exception(exception) => Interruption::Exception(exception),
            Fault::TableOutsideRam { .. } | Fault::UnsupportedPaging { .. } => {
                Interruption::Refusal(Refusal::Translation(fault))
            }
        }
    }
}

/// What an instruction works on.
pub struct Machine<'a, C, M, B> {
    /// The processor, stopped at the instruction.
    pub cpu: &'a mut C,
    /// RAM.
    pub memory: &'a mut M,
    /// Devices.
    pub bus: &'a mut B,
    /// Width of physical addresses.
    pub physical: PhysicalBits,
}

impl<C: Cpu, M: GuestMemory, B: MmioBus + PortBus> Machine<'_, C, M, B> {
    /// Completes the instruction at RIP, which accessed what is no RAM.
    ///
    /// # Errors
    /// [`Refusal`]: the guest cannot go on.
    pub fn complete_mmio(&mut self, violation: Violation) -> Result<Completion, Refusal> {
        match self.short_path(violation) {
            Some(completion) => Ok(completion),
            None => self.complete(),
        }
    }

    /// Completes the instruction at RIP, whatever it is: INS, OUTS, or one that
    /// accessed what is no RAM.
    ///
    /// # Errors
    /// [`Refusal`]: the guest cannot go on.
    pub fn complete(&mut self) -> Result<Completion, Refusal> {
        let mut bytes = Bytes { bytes: [0; MAX_LENGTH], length: 0 };
        match self.run(&mut bytes) {
            Ok(completion) => Ok(completion),
            Err(Interruption::Exception(exception)) => Ok(Completion::Exception(exception)),
            Err(Interruption::Refusal(refusal)) => Err(refusal),
            Err(Interruption::Effect(what)) => Err(Refusal::Unsupported { what, bytes }),
        }
    }

    /// A plain move between a register and the reported address, in 64-bit
    /// code: no translation of the operand, no vector register touched, and of
    /// the processor's state only CR3 read, and for code below 4 GiB EFER and the
    /// code segment's rights, each of which may cost a kernel call. The rest is for [`Self::complete`].
    ///
    /// CR4.LA57 is not looked at: no guest is offered it, and one that had it
    /// would execute a wrong move of its own.
    fn short_path(&mut self, violation: Violation) -> Option<Completion> {
        let gpa = violation.gpa;
        if !violation.operand || !control::in_64_bit_mode(self.cpu) {
            return None;
        }
        let rip = self.cpu.rip();
        // Two reads of eight bytes, within the page.
        if rip & 0xfff > 0xff0 {
            return None;
        }
        let at = walk::fetched(self.memory, self.cpu.state(StateField::Cr3), Gva(rip))?;
        let low = self.memory.read_u64(at).ok()?;
        let high = self.memory.read_u64(at.checked_add(8)?).ok()?;
        let short = decode::short_move(u128::from(low) | (u128::from(high) << 64))?;
        let in_page = |width: Width| (gpa.0 & 0xfff) + width.bytes() as u64 <= 0x1000;
        let length = match (short, violation.kind) {
            (ShortMove::Load { width, register, length }, AccessKind::Read) if in_page(width) => {
                let value = self.bus.read(gpa, width) & width.mask();
                self.cpu.set_gpr(register, value);
                length
            }
            (ShortMove::Store { width, register, length }, AccessKind::Write) if in_page(width) => {
                let value = self.cpu.gpr(register) & width.mask();
                self.bus.write(gpa, width, value);
                length
            }
            (ShortMove::StoreImmediate { width, value, length }, AccessKind::Write)
                if in_page(width) =>
            {
                self.bus.write(gpa, width, value & width.mask());
                length
            }
            _ => return None,
        };
        retire(self.cpu, rip.wrapping_add(u64::from(length)));
        Some(Completion::Done)
    }

    fn run(&mut self, bytes: &mut Bytes) -> Result<Completion, Interruption> {
        let context = Context::of(self.cpu, self.physical)?;
        let rip = self.cpu.rip();
        let instruction = self.fetch(&context, rip, bytes)?;
        let mut next = rip.wrapping_add(u64::from(instruction.length));
        if context.code != CodeSize::Bits64 {
            next &= 0xffff_ffff;
        }
        self.execute(&context, &instruction.operation, next)
    }

    /// Fetches and decodes. A second page is touched only if the instruction
    /// reaches into it, as the processor did.
    fn fetch(
        &mut self,
        context: &Context,
        rip: u64,
        into: &mut Bytes,
    ) -> Result<decode::Instruction, Interruption> {
        loop {
            let have = into.length;
            let offset = context.offset(rip, u64::from(have));
            let gva = self.linear(context, SegmentRegister::Cs, offset, 1, AccessKind::Fetch)?;
            let gpa = context.translate(self.memory, gva, AccessKind::Fetch)?;
            let wanted = usize::from(context.fetchable(self.cpu, offset))
                .min(0x1000 - (gpa.0 & 0xfff) as usize)
                .min(MAX_LENGTH - usize::from(have));
            let end = usize::from(have) + wanted;
            let room = into.bytes.get_mut(usize::from(have)..end).unwrap_or_default();
            if self.memory.read(gpa, room).is_err() {
                return Err(Interruption::Refusal(Refusal::FetchOutsideRam { gpa }));
            }
            into.length = end as u8;
            match decode::decode(into.as_slice(), context.code) {
                Ok(instruction) => {
                    into.length = instruction.length;
                    return Ok(instruction);
                }
                // Each turn adds at least one byte, and 15 are never incomplete.
                Err(Undecodable::Incomplete) if end < MAX_LENGTH => {}
                Err(why) => {
                    return Err(Interruption::Refusal(Refusal::Undecodable { why, bytes: *into }));
                }
            }
        }
    }
}
