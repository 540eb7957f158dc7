//! Command words of the 8259A (Intel 8259A data sheet, order 231468-003,
//! figures 7 and 8), and the edge/level control registers of the PC's chip
//! sets (Intel 82371AB PIIX4, 290562-001, 4.2.4).

use bitflags::bitflags;

bitflags! {
    /// Initialisation command word 1, written to the command register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Icw1: u8 {
        /// IC4: an ICW4 will follow.
        const ICW4_FOLLOWS = 1 << 0;
        /// SNGL: no cascade, so no ICW3 follows.
        const SINGLE = 1 << 1;
        /// ADI: vector spacing of the 8080; without meaning here.
        const INTERVAL_4 = 1 << 2;
        /// LTIM: all inputs level-triggered. The chip sets ignore it: the
        /// edge/level control register has taken its place.
        const LEVEL_TRIGGERED = 1 << 3;
        /// What tells an ICW1 from an OCW.
        const MARK = 1 << 4;
    }

    /// Initialisation command word 4.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Icw4: u8 {
        /// uPM: 8086 mode. The 8080's is not modelled: no PC uses it.
        const MODE_8086 = 1 << 0;
        /// AEOI: the acknowledgement ends the interrupt.
        const AUTO_EOI = 1 << 1;
        /// M/S: buffered master. The PC does not buffer.
        const BUFFERED_MASTER = 1 << 2;
        /// BUF: buffered mode.
        const BUFFERED = 1 << 3;
        /// SFNM: special fully nested mode.
        const SPECIAL_FULLY_NESTED = 1 << 4;
    }

    /// Operation command word 2, without its line number.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Ocw2: u8 {
        /// EOI: end of interrupt.
        const EOI = 1 << 5;
        /// SL: the line number counts.
        const SPECIFIC = 1 << 6;
        /// R: rotate priorities.
        const ROTATE = 1 << 7;
    }

    /// Operation command word 3.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Ocw3: u8 {
        /// RIS: reads of the command register return the ISR, not the IRR.
        const READ_ISR = 1 << 0;
        /// RR: take over RIS.
        const READ_REGISTER = 1 << 1;
        /// P: the next read is a poll.
        const POLL = 1 << 2;
        /// What tells an OCW3 from an OCW2.
        const MARK = 1 << 3;
        /// SMM: special mask mode.
        const SPECIAL_MASK = 1 << 5;
        /// ESMM: take over SMM.
        const ENABLE_SPECIAL_MASK = 1 << 6;
    }
}

/// OCW2's line number, and that of a poll's answer.
pub const LINE: u8 = 0b111;

/// ICW2: the bits of the vector that software chooses, in 8086 mode.
pub const VECTOR_BASE: u8 = 0b1111_1000;

/// A poll's answer: an interrupt was taken.
pub const POLL_INTERRUPT: u8 = 1 << 7;

/// Lines of the master that may be level-triggered: not 0 (timer), 1
/// (keyboard), 2 (cascade).
pub const MASTER_ELCR: u8 = 0b1111_1000;

/// Lines of the slave that may be level-triggered: not 8 (clock), 13
/// (coprocessor).
pub const SLAVE_ELCR: u8 = 0b1101_1110;
