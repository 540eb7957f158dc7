//! Operands: where they are, and moving them.

use super::context::Context;
use super::{Interruption, Machine, MmioBus, PortBus};
use crate::cpu::{Cpu, Gpr, Segment, SegmentRegister};
use crate::decode::{Base, Memory, Place, Register, Source};
use crate::memory::GuestMemory;
use crate::types::{Gpa, Gva, Width};
use crate::walk::{self, AccessKind, AddressSpace};

const PAGE: u64 = 0x1000;

/// A memory operand after translation: one page, or the end of one and the
/// beginning of another. Holding one proves that the guest may access all of it
/// in the way it was resolved for; not that it is RAM.
#[derive(Clone, Copy)]
pub(super) struct Span {
    first: Gpa,
    /// Bytes in the first page.
    in_first: u8,
    second: Gpa,
    length: u8,
}

/// Where an operand is, ready for use.
#[derive(Clone, Copy)]
pub(super) enum Resolved {
    Register(Register),
    Span(Span),
}

/// A piece of an access that one bus access can carry.
struct Part {
    /// First byte, from the beginning.
    at: u8,
    width: Width,
}

/// `length` bytes, at most eight, in as few accesses as there can be.
fn parts(length: u8) -> impl Iterator<Item = Part> {
    let mut at = 0;
    core::iter::from_fn(move || {
        let width = match length.saturating_sub(at) {
            0 => return None,
            1 => Width::Byte,
            2..=3 => Width::Word,
            4..=7 => Width::Dword,
            _ => Width::Qword,
        };
        let part = Part { at, width };
        at += width as u8;
        Some(part)
    })
}

impl<C: Cpu, M: GuestMemory, B: MmioBus + PortBus> Machine<'_, C, M, B> {
    /// The linear address of `length` bytes.
    pub(super) fn linear(
        &mut self,
        context: &Context,
        register: SegmentRegister,
        offset: u64,
        length: u8,
        kind: AccessKind,
    ) -> Result<Gva, Interruption> {
        let needed = context.space != AddressSpace::Long
            || matches!(register, SegmentRegister::Fs | SegmentRegister::Gs);
        let segment = if needed { self.cpu.segment(register) } else { Segment::default() };
        Ok(walk::linear(context.space, register, &segment, offset, length, kind)?)
    }

    /// The offset that `memory` names; `next` is the next instruction.
    pub(super) fn effective(&mut self, memory: &Memory, next: u64) -> u64 {
        let base = match memory.base {
            Some(Base::Gpr(gpr)) => self.cpu.gpr(gpr),
            Some(Base::NextInstruction) => next,
            None => 0,
        };
        let index = match memory.index {
            Some((gpr, scale)) => self.cpu.gpr(gpr).wrapping_mul(u64::from(scale)),
            None => 0,
        };
        base.wrapping_add(index).wrapping_add(memory.displacement) & memory.address.mask()
    }

    /// Segmentation, alignment and paging for an operand.
    pub(super) fn span(
        &mut self,
        context: &Context,
        segment: SegmentRegister,
        offset: u64,
        width: Width,
        kind: AccessKind,
    ) -> Result<Span, Interruption> {
        let length = width.bytes() as u8;
        let gva = self.linear(context, segment, offset, length, kind)?;
        context.align(gva, length)?;
        let in_page = PAGE - (gva.0 & (PAGE - 1));
        let in_first = u8::try_from(in_page).map_or(length, |n| n.min(length));
        let first = context.translate(self.memory, gva, kind)?;
        let second = if in_first < length {
            let mut rest = gva.0.wrapping_add(u64::from(in_first));
            if context.space != AddressSpace::Long {
                rest &= 0xffff_ffff;
            }
            context.translate(self.memory, Gva(rest), kind)?
        } else {
            first
        };
        Ok(Span { first, in_first, second, length })
    }

    pub(super) fn resolve(
        &mut self,
        context: &Context,
        place: &Place,
        next: u64,
        width: Width,
        kind: AccessKind,
    ) -> Result<Resolved, Interruption> {
        match place {
            Place::Register(register) => Ok(Resolved::Register(*register)),
            Place::Memory(memory) => {
                let offset = self.effective(memory, next);
                self.span(context, memory.segment, offset, width, kind).map(Resolved::Span)
            }
        }
    }

    /// The value of an operand that is only read.
    pub(super) fn value(
        &mut self,
        context: &Context,
        source: &Source,
        next: u64,
        width: Width,
    ) -> Result<u64, Interruption> {
        match source {
            Source::Immediate(value) => Ok(value & width.mask()),
            Source::Place(place) => {
                let resolved = self.resolve(context, place, next, width, AccessKind::Read)?;
                Ok(self.load(resolved, width))
            }
        }
    }

    /// Reads a resolved operand.
    pub(super) fn load(&mut self, from: Resolved, width: Width) -> u64 {
        match from {
            Resolved::Register(register) => self.register(register, width),
            Resolved::Span(span) => self.load_span(span),
        }
    }

    /// Writes a resolved operand.
    pub(super) fn store(&mut self, to: Resolved, width: Width, value: u64) {
        match to {
            Resolved::Register(register) => self.set_register(register, width, value),
            Resolved::Span(span) => self.store_span(span, value),
        }
    }

    pub(super) fn register(&mut self, register: Register, width: Width) -> u64 {
        let shift = if register.high { 8 } else { 0 };
        (self.cpu.gpr(register.gpr) >> shift) & width.mask()
    }

    /// 8- and 16-bit writes keep the rest of the register, 32-bit writes clear
    /// its upper half (Intel SDM vol. 1, 3.4.1.1).
    pub(super) fn set_register(&mut self, register: Register, width: Width, value: u64) {
        let value = value & width.mask();
        let new = match width {
            Width::Byte | Width::Word => {
                let shift = if register.high { 8 } else { 0 };
                let old = self.cpu.gpr(register.gpr);
                (old & !(width.mask() << shift)) | (value << shift)
            }
            Width::Dword | Width::Qword => value,
        };
        self.cpu.set_gpr(register.gpr, new);
    }

    pub(super) fn accumulator(&mut self, width: Width) -> u64 {
        self.register(Register::low(Gpr::Rax), width)
    }

    pub(super) fn load_span(&mut self, span: Span) -> u64 {
        let low = self.load_piece(span.first, span.in_first);
        if span.in_first == span.length {
            return low;
        }
        let high = self.load_piece(span.second, span.length - span.in_first);
        low | (high << (u32::from(span.in_first) * 8))
    }

    pub(super) fn store_span(&mut self, span: Span, value: u64) {
        self.store_piece(span.first, span.in_first, value);
        if span.in_first != span.length {
            let rest = value >> (u32::from(span.in_first) * 8);
            self.store_piece(span.second, span.length - span.in_first, rest);
        }
    }

    /// At most eight bytes of one page: RAM, or else a device. A device sees the
    /// access as it is if its length is a power of two; the end of one that
    /// crosses a page arrives in accesses that are.
    fn load_piece(&mut self, gpa: Gpa, length: u8) -> u64 {
        let mut bytes = [0; 8];
        let part = bytes.get_mut(..usize::from(length)).unwrap_or_default();
        if self.memory.read(gpa, part).is_ok() {
            return u64::from_le_bytes(bytes);
        }
        let mut value = 0;
        for Part { at, width } in parts(length) {
            let read = self.bus.read(Gpa(gpa.0.wrapping_add(u64::from(at))), width) & width.mask();
            value |= read << (u32::from(at) * 8);
        }
        value
    }

    fn store_piece(&mut self, gpa: Gpa, length: u8, value: u64) {
        let bytes = value.to_le_bytes();
        let part = bytes.get(..usize::from(length)).unwrap_or_default();
        if self.memory.write(gpa, part).is_ok() {
            return;
        }
        for Part { at, width } in parts(length) {
            let value = (value >> (u32::from(at) * 8)) & width.mask();
            self.bus.write(Gpa(gpa.0.wrapping_add(u64::from(at))), width, value);
        }
    }
}
