//! One 8259A: requests, priorities, command words. It does not know whether it
//! is master or slave; [`super::Pic`] wires the two.

use super::bits::{Icw1, Icw4, LINE, Ocw2, Ocw3, POLL_INTERRUPT, VECTOR_BASE};
use super::state::{ChipState, Stage};

/// The line whose vector a chip answers with when asked for an interrupt that
/// is no longer there (8259A data sheet, "Edge and Level Triggered Modes").
const SPURIOUS: u8 = 7;

impl ChipState {
    /// At power-up. The data sheet leaves everything undefined; here all inputs
    /// are masked, so nothing happens before initialisation.
    pub(super) const fn new(cascade: u8) -> Self {
        ChipState {
            lines: 0,
            edges: 0,
            mask: 0xFF,
            in_service: 0,
            level_triggered: 0,
            vector_base: 0,
            cascade,
            lowest: 7,
            stage: Stage::Ready,
            icw4_follows: false,
            single: false,
            auto_eoi: false,
            rotate_on_auto_eoi: false,
            special_fully_nested: false,
            special_mask: false,
            read_isr: false,
            poll: false,
        }
    }

    /// Sets the level of input `line` (0 to 7). An edge-triggered request that
    /// falls before its acknowledgement is gone, as the data sheet has it.
    pub(super) fn set_line(&mut self, line: u8, level: bool) {
        let bit = 1 << (line & LINE);
        if !level {
            self.lines &= !bit;
            self.edges &= !bit;
        } else if self.lines & bit == 0 {
            self.lines |= bit;
            self.edges |= bit;
        }
    }

    /// IRR: what is requested, masked or not.
    pub(super) fn requests(&self) -> u8 {
        self.lines & (self.edges | self.level_triggered)
    }

    /// Rank of a line: 0 is the highest.
    fn rank(&self, line: u8) -> u8 {
        line.wrapping_sub(self.lowest).wrapping_sub(1) & LINE
    }

    /// The line of highest priority in a set.
    fn highest(&self, set: u8) -> Option<u8> {
        let first = (self.lowest + 1) & LINE;
        let by_rank = set.rotate_right(u32::from(first));
        match by_rank.trailing_zeros() {
            8 => None,
            rank => Some((first + rank as u8) & LINE),
        }
    }

    /// The line that the chip would interrupt for now, out of `extra` (requests
    /// of a slave) and its own.
    pub(super) fn pending(&self, extra: u8) -> Option<u8> {
        let line = self.highest((self.requests() | extra) & !self.mask)?;
        let ignored = if self.special_mask { self.mask } else { 0 };
        match self.highest(self.in_service & !ignored) {
            None => Some(line),
            Some(serving) if self.rank(line) < self.rank(serving) => Some(line),
            // Special fully nested: a slave in service may interrupt again.
            Some(serving) if line == serving && self.nests(line) => Some(line),
            Some(_) => None,
        }
    }

    fn nests(&self, line: u8) -> bool {
        self.special_fully_nested && self.cascade & (1 << line) != 0
    }

    /// The processor's acknowledgement.
    ///
    /// # Returns
    /// The line taken, or nothing: the interrupt is spurious and leaves no trace.
    pub(super) fn acknowledge(&mut self, extra: u8) -> Option<u8> {
        let line = self.pending(extra)?;
        let bit = 1 << line;
        self.edges &= !bit;
        if !self.auto_eoi {
            self.in_service |= bit;
        } else if self.rotate_on_auto_eoi {
            self.lowest = line;
        }
        Some(line)
    }

    /// The vector of a line, or of a spurious interrupt.
    pub(super) fn vector(&self, line: Option<u8>) -> u8 {
        self.vector_base | line.unwrap_or(SPURIOUS)
    }

    /// Writes the command register.
    pub(super) fn write_command(&mut self, value: u8) {
        let icw1 = Icw1::from_bits_truncate(value);
        let ocw3 = Ocw3::from_bits_truncate(value);
        if icw1.contains(Icw1::MARK) {
            self.initialise(icw1);
        } else if ocw3.contains(Ocw3::MARK) {
            self.operate3(ocw3);
        } else {
            self.operate2(Ocw2::from_bits_truncate(value), value & LINE);
        }
    }

    /// ICW1: forgets edges, so that each input must rise again; everything but
    /// the levels of the lines and the edge/level choice starts anew.
    fn initialise(&mut self, icw1: Icw1) {
        let fresh = ChipState::new(self.cascade);
        *self = ChipState {
            lines: self.lines,
            level_triggered: self.level_triggered,
            vector_base: self.vector_base,
            mask: 0,
            stage: Stage::Icw2,
            icw4_follows: icw1.contains(Icw1::ICW4_FOLLOWS),
            single: icw1.contains(Icw1::SINGLE),
            ..fresh
        };
    }

    fn operate2(&mut self, command: Ocw2, line: u8) {
        let rotate = command.contains(Ocw2::ROTATE);
        match (command.contains(Ocw2::EOI), command.contains(Ocw2::SPECIFIC)) {
            (true, specific) => {
                let ended = if specific { Some(line) } else { self.highest(self.endable()) };
                if let Some(ended) = ended {
                    self.in_service &= !(1 << ended);
                    if rotate {
                        self.lowest = ended;
                    }
                }
            }
            (false, false) => self.rotate_on_auto_eoi = rotate,
            // Set priority; without R it is the data sheet's "no operation".
            (false, true) if rotate => self.lowest = line,
            (false, true) => {}
        }
    }

    /// What a non-specific EOI may end: in special mask mode not the masked.
    fn endable(&self) -> u8 {
        if self.special_mask { self.in_service & !self.mask } else { self.in_service }
    }

    fn operate3(&mut self, command: Ocw3) {
        if command.contains(Ocw3::ENABLE_SPECIAL_MASK) {
            self.special_mask = command.contains(Ocw3::SPECIAL_MASK);
        }
        if command.contains(Ocw3::READ_REGISTER) {
            self.read_isr = command.contains(Ocw3::READ_ISR);
        }
        self.poll = command.contains(Ocw3::POLL);
    }

    /// Writes the data register.
    pub(super) fn write_data(&mut self, value: u8) {
        match self.stage {
            Stage::Ready => self.mask = value,
            Stage::Icw2 => {
                self.vector_base = value & VECTOR_BASE;
                self.stage = if self.single { self.after_icw3() } else { Stage::Icw3 };
            }
            Stage::Icw3 => {
                self.cascade = value;
                self.stage = self.after_icw3();
            }
            Stage::Icw4 => {
                let icw4 = Icw4::from_bits_truncate(value);
                self.auto_eoi = icw4.contains(Icw4::AUTO_EOI);
                self.special_fully_nested = icw4.contains(Icw4::SPECIAL_FULLY_NESTED);
                self.stage = Stage::Ready;
            }
        }
    }

    fn after_icw3(&self) -> Stage {
        if self.icw4_follows { Stage::Icw4 } else { Stage::Ready }
    }

    /// Reads the command register, outside a poll.
    pub(super) fn read_command(&self, extra: u8) -> u8 {
        if self.read_isr { self.in_service } else { self.requests() | extra }
    }

    /// A poll: acknowledges through a read. Bit 7 says whether there was one.
    pub(super) fn poll(&mut self, extra: u8) -> u8 {
        self.poll = false;
        self.acknowledge(extra).map_or(0, |line| POLL_INTERRUPT | line)
    }

    /// The same with every value in its range, for states from outside.
    pub(super) fn checked(self, level_mask: u8) -> Self {
        ChipState {
            edges: self.edges & self.lines,
            level_triggered: self.level_triggered & level_mask,
            vector_base: self.vector_base & VECTOR_BASE,
            lowest: self.lowest & LINE,
            ..self
        }
    }
}
