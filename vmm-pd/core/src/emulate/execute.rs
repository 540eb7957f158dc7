//! The one match: operation to effect.
//!
//! Every arm has the same order: resolve what can fault, read, compute, write,
//! retire. After the first read nothing faults.

use super::access::Resolved;
use super::alu::{self, Computed};
use super::context::Context;
use super::retire::{retire, retire_blocking};
use super::{Completion, Interruption, Machine, MmioBus, PortBus};
use crate::cpu::{Cpu, Gpr, Segment, SegmentRegister, StateField};
use crate::decode::{Binary, Bit, Memory, Operation, Place, Register, Source};
use crate::memory::GuestMemory;
use crate::types::Width;
use crate::walk::{AccessKind, AddressSpace};

impl<C: Cpu, M: GuestMemory, B: MmioBus + PortBus> Machine<'_, C, M, B> {
    pub(super) fn execute(
        &mut self,
        context: &Context,
        operation: &Operation,
        next: u64,
    ) -> Result<Completion, Interruption> {
        let mut flags = context.flags;
        match operation {
            Operation::Move { width, destination, source } => match (destination, source) {
                // Both may fault, but only one is memory.
                (Place::Memory(_), _) => {
                    let to = self.resolve(context, destination, next, *width, AccessKind::Write)?;
                    let value = self.value(context, source, next, *width)?;
                    self.store(to, *width, value);
                }
                (Place::Register(register), _) => {
                    let value = self.value(context, source, next, *width)?;
                    self.set_register(*register, *width, value);
                }
            },
            Operation::Extend { from, to, signed, destination, source } => {
                let value = self.value(context, &Source::Place(*source), next, *from)?;
                let value = if *signed { alu::sign_extend(*from, value) } else { value };
                self.set_register(*destination, *to, value);
            }
            Operation::MoveSwapped { width, destination, source } => {
                let to = self.resolve(context, destination, next, *width, AccessKind::Write)?;
                let value = self.value(context, &Source::Place(*source), next, *width)?;
                let swapped = value.swap_bytes() >> (64 - width.bits());
                self.store(to, *width, swapped);
            }
            Operation::StoreSelector { width, destination, source } => {
                let to = self.resolve(context, destination, next, *width, AccessKind::Write)?;
                let selector = self.cpu.segment(*source).selector;
                self.store(to, *width, selector.into());
            }
            Operation::LoadSelector { destination, source } => {
                return self.load_selector(context, *destination, source, next);
            }
            Operation::Binary { kind, width, destination, source } => {
                let only_read = matches!(kind, Binary::Cmp | Binary::Test);
                let access = if only_read { AccessKind::Read } else { AccessKind::Write };
                let to = self.resolve(context, destination, next, *width, access)?;
                let b = self.value(context, source, next, *width)?;
                let a = self.load(to, *width);
                let computed = alu::binary(*kind, *width, a, b, flags);
                if !only_read {
                    self.store(to, *width, computed.value);
                }
                flags = computed.flags;
            }
            Operation::Unary { kind, width, place } => {
                let to = self.resolve(context, place, next, *width, AccessKind::Write)?;
                let a = self.load(to, *width);
                let computed = alu::unary(*kind, *width, a, flags);
                self.store(to, *width, computed.value);
                flags = computed.flags;
            }
            Operation::Shift { kind, width, place, count } => {
                let to = self.resolve(context, place, next, *width, AccessKind::Write)?;
                let count = self.value(context, count, next, Width::Byte)?;
                let a = self.load(to, *width);
                let computed = alu::shift(*kind, *width, a, count, flags);
                self.store(to, *width, computed.value);
                flags = computed.flags;
            }
            Operation::Bit { kind, width, place, index } => {
                flags = self.bit(context, *kind, *width, place, index, next)?;
            }
            Operation::Exchange { width, place, register } => {
                let to = self.resolve(context, place, next, *width, AccessKind::Write)?;
                let theirs = self.load(to, *width);
                let ours = self.register(*register, *width);
                self.store(to, *width, ours);
                self.set_register(*register, *width, theirs);
            }
            Operation::CompareExchange { width, place, register } => {
                let to = self.resolve(context, place, next, *width, AccessKind::Write)?;
                let old = self.load(to, *width);
                let expected = self.accumulator(*width);
                let computed = alu::binary(Binary::Cmp, *width, expected, old, flags);
                flags = computed.flags;
                if expected == old {
                    let new = self.register(*register, *width);
                    self.store(to, *width, new);
                } else {
                    // Memory gets a write cycle in either case; a register is
                    // left alone, its upper half too.
                    if matches!(to, Resolved::Span(_)) {
                        self.store(to, *width, old);
                    }
                    self.set_register(Register::low(Gpr::Rax), *width, old);
                }
            }
            Operation::CompareExchangePair { memory } => {
                flags = self.compare_exchange_pair(context, memory, next)?;
            }
            Operation::ExchangeAdd { width, place, register } => {
                let to = self.resolve(context, place, next, *width, AccessKind::Write)?;
                let old = self.load(to, *width);
                let addend = self.register(*register, *width);
                let Computed { value, flags: new } =
                    alu::binary(Binary::Add, *width, old, addend, flags);
                flags = new;
                self.set_register(*register, *width, old);
                self.store(to, *width, value);
            }
            Operation::Push { width, source } => self.push(context, *width, source, next)?,
            Operation::Pop { width, destination } => {
                self.pop(context, *width, destination, next)?
            }
            Operation::SetCondition { condition, destination } => {
                let to =
                    self.resolve(context, destination, next, Width::Byte, AccessKind::Write)?;
                self.store(to, Width::Byte, alu::holds(*condition, flags).into());
            }
            Operation::MoveCondition { condition, width, destination, source } => {
                // The source is read, and a 32-bit destination written, in
                // either case.
                let new = self.value(context, &Source::Place(*source), next, *width)?;
                let old = self.register(*destination, *width);
                let value = if alu::holds(*condition, flags) { new } else { old };
                self.set_register(*destination, *width, value);
            }
            Operation::String(string) => return self.string(context, string, next),
            Operation::Hint => {}
        }
        if flags != context.flags {
            self.cpu.set_state(StateField::Rflags, flags);
        }
        retire(self.cpu, next);
        Ok(Completion::Done)
    }

    /// BT and its kin. A register index is signed and not bounded by the width
    /// of a memory operand: the accessed word is `index / width` words away
    /// (Intel SDM vol. 2A, "BT").
    fn bit(
        &mut self,
        context: &Context,
        kind: Bit,
        width: Width,
        place: &Place,
        index: &Source,
        next: u64,
    ) -> Result<u64, Interruption> {
        let selected = self.value(context, index, next, width)?;
        let place = match (place, index) {
            (Place::Memory(memory), Source::Place(_)) => {
                let signed = alu::sign_extend(width, selected).cast_signed();
                let words = signed.div_euclid(i64::from(width.bits()));
                let bytes = words.wrapping_mul(width.bytes() as i64).cast_unsigned();
                let displacement = memory.displacement.wrapping_add(bytes);
                Place::Memory(Memory { displacement, ..*memory })
            }
            _ => *place,
        };
        let access = if kind == Bit::Test { AccessKind::Read } else { AccessKind::Write };
        let to = self.resolve(context, &place, next, width, access)?;
        let a = self.load(to, width);
        let computed = alu::bit(kind, width, a, selected, context.flags);
        if kind != Bit::Test {
            self.store(to, width, computed.value);
        }
        Ok(computed.flags)
    }

    fn compare_exchange_pair(
        &mut self,
        context: &Context,
        memory: &Memory,
        next: u64,
    ) -> Result<u64, Interruption> {
        let half = |machine: &mut Self, gpr| machine.cpu.gpr(gpr) & Width::Dword.mask();
        let offset = self.effective(memory, next);
        let to = self.span(context, memory.segment, offset, Width::Qword, AccessKind::Write)?;
        let old = self.load_span(to);
        let expected = (half(self, Gpr::Rdx) << 32) | half(self, Gpr::Rax);
        if old == expected {
            let new = (half(self, Gpr::Rcx) << 32) | half(self, Gpr::Rbx);
            self.store_span(to, new);
            Ok(context.flags | alu::ZF)
        } else {
            self.store_span(to, old);
            self.cpu.set_gpr(Gpr::Rax, old & Width::Dword.mask());
            self.cpu.set_gpr(Gpr::Rdx, old >> 32);
            Ok(context.flags & !alu::ZF)
        }
    }

    fn stack_pointer(&mut self, context: &Context) -> u64 {
        self.register(Register::low(Gpr::Rsp), context.stack)
    }

    fn push(
        &mut self,
        context: &Context,
        width: Width,
        source: &Source,
        next: u64,
    ) -> Result<(), Interruption> {
        // The operand's address uses the stack pointer before the push.
        let operand = match source {
            Source::Immediate(_) => None,
            Source::Place(place) => {
                Some(self.resolve(context, place, next, width, AccessKind::Read)?)
            }
        };
        let top =
            self.stack_pointer(context).wrapping_sub(width.bytes() as u64) & context.stack.mask();
        let to = self.span(context, SegmentRegister::Ss, top, width, AccessKind::Write)?;
        let value = match (operand, source) {
            (Some(operand), _) => self.load(operand, width),
            (None, Source::Immediate(value)) => *value & width.mask(),
            (None, Source::Place(_)) => return Err(Interruption::Effect("PUSH of nothing")),
        };
        self.store_span(to, value);
        self.set_register(Register::low(Gpr::Rsp), context.stack, top);
        Ok(())
    }

    fn pop(
        &mut self,
        context: &Context,
        width: Width,
        destination: &Place,
        next: u64,
    ) -> Result<(), Interruption> {
        let top = self.stack_pointer(context);
        let from = self.span(context, SegmentRegister::Ss, top, width, AccessKind::Read)?;
        let above = top.wrapping_add(width.bytes() as u64) & context.stack.mask();
        // The destination's address uses the stack pointer after the pop, which
        // is taken back if that faults.
        let before = self.cpu.gpr(Gpr::Rsp);
        self.set_register(Register::low(Gpr::Rsp), context.stack, above);
        let to = match self.resolve(context, destination, next, width, AccessKind::Write) {
            Ok(to) => to,
            Err(e) => {
                self.cpu.set_gpr(Gpr::Rsp, before);
                return Err(e);
            }
        };
        let value = self.load(Resolved::Span(from), width);
        self.store(to, width, value);
        Ok(())
    }

    /// In real and virtual-8086 mode a selector is a paragraph number. In the
    /// others it names a descriptor, and a guest that keeps selectors in a
    /// device register has yet to be seen.
    fn load_selector(
        &mut self,
        context: &Context,
        register: SegmentRegister,
        source: &Place,
        next: u64,
    ) -> Result<Completion, Interruption> {
        if context.space != AddressSpace::Real {
            return Err(Interruption::Effect("segment register loaded from a device"));
        }
        let selector = self.value(context, &Source::Place(*source), next, Width::Word)?;
        let old = self.cpu.segment(register);
        // Limit and rights stay, in real mode (Intel SDM vol. 3A, 20.1.2).
        let new = Segment {
            selector: selector as u16,
            base: selector << 4,
            limit: old.limit,
            access_rights: old.access_rights,
        };
        self.cpu.set_segment(register, new);
        if register == SegmentRegister::Ss {
            retire_blocking(self.cpu, next);
        } else {
            retire(self.cpu, next);
        }
        Ok(Completion::Done)
    }
}
