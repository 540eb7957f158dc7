//! String instructions, one element at a time.
//!
//! Between two elements a repeated instruction is in a state that the guest may
//! see: the index registers and the counter are those of the elements done, and
//! RIP is at the instruction. So a fault at an element needs no repair, and a
//! long repetition may stop after [`BATCH`] elements and be continued by running
//! the guest again, which gives interrupts their turn.

use super::access::Span;
use super::context::Context;
use super::retire::retire;
use super::{Completion, Interruption, Machine, MmioBus, PortBus, alu};
use crate::cpu::{Cpu, Gpr, SegmentRegister, StateField};
use crate::decode::{Binary, Register, Repeat, StringKind, StringOperation};
use crate::memory::GuestMemory;
use crate::types::{Port, Width};
use crate::walk::AccessKind;

/// Elements done per exit. One costs about 200 instructions (two translations),
/// so a batch is well below a time slice, and an exit is small against it.
const BATCH: u32 = 512;

const RFLAGS_DF: u64 = 1 << 10;

/// Which side of an element.
#[derive(Clone, Copy)]
enum Side {
    /// rSI, in the instruction's segment.
    Source,
    /// rDI, in ES.
    Destination,
}

impl<C: Cpu, M: GuestMemory, B: MmioBus + PortBus> Machine<'_, C, M, B> {
    pub(super) fn string(
        &mut self,
        context: &Context,
        operation: &StringOperation,
        next: u64,
    ) -> Result<Completion, Interruption> {
        let counter = Register::low(Gpr::Rcx);
        let mut flags = context.flags;
        let mut done = 0;
        let repeated = operation.repeat != Repeat::Once;
        loop {
            if repeated && self.register(counter, operation.address) == 0 {
                break;
            }
            if done == BATCH {
                return Ok(Completion::Partial);
            }
            let compared = self.element(context, operation, flags)?;
            done += 1;
            if let Some(new) = compared {
                flags = new;
                self.cpu.set_state(StateField::Rflags, flags);
            }
            if !repeated {
                break;
            }
            let left = self.register(counter, operation.address).wrapping_sub(1);
            self.set_register(counter, operation.address, left);
            let equal = flags & alu::ZF != 0;
            let stop = compared.is_some()
                && match operation.repeat {
                    Repeat::WhileEqual => !equal,
                    Repeat::WhileNotEqual => equal,
                    Repeat::Once => true,
                };
            if stop {
                break;
            }
        }
        retire(self.cpu, next);
        Ok(Completion::Done)
    }

    /// One element, and the index registers moved on.
    ///
    /// # Returns
    /// RFLAGS, from those that compare.
    fn element(
        &mut self,
        context: &Context,
        operation: &StringOperation,
        flags: u64,
    ) -> Result<Option<u64>, Interruption> {
        let width = operation.width;
        let accumulator = Register::low(Gpr::Rax);
        // DX is the port, whatever the address size.
        let port = Port(self.cpu.gpr(Gpr::Rdx) as u16);
        let mut compared = None;
        match operation.kind {
            StringKind::Movs => {
                let from = self.side(context, operation, Side::Source, AccessKind::Read)?;
                let to = self.side(context, operation, Side::Destination, AccessKind::Write)?;
                let value = self.load_span(from);
                self.store_span(to, value);
            }
            StringKind::Stos => {
                let to = self.side(context, operation, Side::Destination, AccessKind::Write)?;
                let value = self.register(accumulator, width);
                self.store_span(to, value);
            }
            StringKind::Lods => {
                let from = self.side(context, operation, Side::Source, AccessKind::Read)?;
                let value = self.load_span(from);
                self.set_register(accumulator, width, value);
            }
            StringKind::Cmps => {
                let first = self.side(context, operation, Side::Source, AccessKind::Read)?;
                let second = self.side(context, operation, Side::Destination, AccessKind::Read)?;
                let (a, b) = (self.load_span(first), self.load_span(second));
                compared = Some(alu::binary(Binary::Cmp, width, a, b, flags).flags);
            }
            StringKind::Scas => {
                let second = self.side(context, operation, Side::Destination, AccessKind::Read)?;
                let (a, b) = (self.register(accumulator, width), self.load_span(second));
                compared = Some(alu::binary(Binary::Cmp, width, a, b, flags).flags);
            }
            StringKind::Ins => {
                let to = self.side(context, operation, Side::Destination, AccessKind::Write)?;
                let value = self.bus.port_read(port, width);
                self.store_span(to, u64::from(value) & width.mask());
            }
            StringKind::Outs => {
                let from = self.side(context, operation, Side::Source, AccessKind::Read)?;
                let value = self.load_span(from) & Width::Dword.mask();
                self.bus.port_write(port, width, value as u32);
            }
        }
        if uses_source(operation.kind) {
            self.step(operation, Gpr::Rsi, flags);
        }
        if uses_destination(operation.kind) {
            self.step(operation, Gpr::Rdi, flags);
        }
        Ok(compared)
    }

    fn side(
        &mut self,
        context: &Context,
        operation: &StringOperation,
        side: Side,
        kind: AccessKind,
    ) -> Result<Span, Interruption> {
        let (segment, gpr) = match side {
            Side::Source => (operation.segment, Gpr::Rsi),
            Side::Destination => (SegmentRegister::Es, Gpr::Rdi),
        };
        let offset = self.register(Register::low(gpr), operation.address);
        self.span(context, segment, offset, operation.width, kind)
    }

    fn step(&mut self, operation: &StringOperation, gpr: Gpr, flags: u64) {
        let register = Register::low(gpr);
        let size = operation.width.bytes() as u64;
        let old = self.register(register, operation.address);
        let new =
            if flags & RFLAGS_DF != 0 { old.wrapping_sub(size) } else { old.wrapping_add(size) };
        self.set_register(register, operation.address, new);
    }
}

const fn uses_source(kind: StringKind) -> bool {
    match kind {
        StringKind::Movs | StringKind::Lods | StringKind::Cmps | StringKind::Outs => true,
        StringKind::Stos | StringKind::Scas | StringKind::Ins => false,
    }
}

const fn uses_destination(kind: StringKind) -> bool {
    match kind {
        StringKind::Movs
        | StringKind::Cmps
        | StringKind::Stos
        | StringKind::Scas
        | StringKind::Ins => true,
        StringKind::Lods | StringKind::Outs => false,
    }
}
