//! Commands and register bits of the keyboard controller (IBM PC/AT Technical
//! Reference, "Keyboard controller"; IBM PS/2 Technical Reference).

use bitflags::bitflags;

bitflags! {
    /// Status register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Status: u8 {
        /// A byte waits at the data port.
        const OUTPUT_FULL = 1 << 0;
        /// The controller has not taken the last byte yet: never here.
        const INPUT_FULL = 1 << 1;
        /// The self-test passed.
        const SYSTEM = 1 << 2;
        /// The last byte written was a command.
        const COMMAND = 1 << 3;
        /// The keyboard is not locked.
        const UNLOCKED = 1 << 4;
        /// Nothing answered on the keyboard's or the mouse's line.
        const TIMEOUT = 1 << 6;
    }

    /// Output port.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct OutputPort: u8 {
        /// The processor runs; zero holds it in reset.
        const RUN = 1 << 0;
        /// Address line 20 on; it always is here, the bit is only kept.
        const A20 = 1 << 1;
        /// Lines to the keyboard and the mouse, and unused ones.
        const OTHERS = 0b1111_1100;
    }
}

/// Command: read the command byte.
pub const READ_COMMAND_BYTE: u8 = 0x20;
/// Command: write the command byte.
pub const WRITE_COMMAND_BYTE: u8 = 0x60;
/// Command: disable the mouse's line.
pub const DISABLE_MOUSE: u8 = 0xA7;
/// Command: enable the mouse's line.
pub const ENABLE_MOUSE: u8 = 0xA8;
/// Command: test the mouse's line.
pub const TEST_MOUSE: u8 = 0xA9;
/// Command: self-test.
pub const SELF_TEST: u8 = 0xAA;
/// Command: test the keyboard's line.
pub const TEST_KEYBOARD: u8 = 0xAB;
/// Command: disable the keyboard's line.
pub const DISABLE_KEYBOARD: u8 = 0xAD;
/// Command: enable the keyboard's line.
pub const ENABLE_KEYBOARD: u8 = 0xAE;
/// Command: read the input port.
pub const READ_INPUT_PORT: u8 = 0xC0;
/// Command: read the output port.
pub const READ_OUTPUT_PORT: u8 = 0xD0;
/// Command: write the output port.
pub const WRITE_OUTPUT_PORT: u8 = 0xD1;
/// Command: the next byte comes back as if from the keyboard.
pub const ECHO_AS_KEYBOARD: u8 = 0xD2;
/// Command: the next byte comes back as if from the mouse.
pub const ECHO_AS_MOUSE: u8 = 0xD3;
/// Command: the next byte goes to the mouse.
pub const SEND_TO_MOUSE: u8 = 0xD4;
/// Commands from here on pulse those of the low four output port lines whose
/// bits are zero.
pub const PULSE: u8 = 0xF0;

/// Answer of a passed self-test.
pub const SELF_TEST_PASSED: u8 = 0x55;
/// Answer of a passed line test.
pub const LINE_GOOD: u8 = 0x00;
/// Answer of a line test: the data line is stuck high.
pub const LINE_DEAD: u8 = 0x04;
/// What stands at the data port after a device did not answer.
pub const NO_ANSWER: u8 = 0xFE;
/// Input port: keyboard not locked, no jumpers set.
pub const INPUT_PORT: u8 = 0x80;
