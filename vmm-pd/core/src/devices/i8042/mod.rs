//! A keyboard controller to which nothing is connected.
//!
//! It is here for its other duties: old software resets a PC and switches
//! address line 20 through it, and waits for its status first, for ever if
//! nothing answered. There is no keyboard, no mouse and so no interrupt; a byte
//! sent to one of them times out. The ACPI tables say that there is no such
//! controller, so a newer guest does not look.

pub mod bits;
mod state;
#[cfg(test)]
mod tests;

pub use state::State;

use self::bits::{OutputPort, Status};
use super::request::{Request, ResetSource};

/// The controller.
pub struct I8042 {
    state: State,
}

impl Default for I8042 {
    fn default() -> Self {
        Self::new()
    }
}

impl I8042 {
    /// A controller as firmware leaves it: self-test passed.
    pub fn new() -> Self {
        Self::restore(State {
            status: Status::SYSTEM.bits(),
            output: None,
            command_byte: 0,
            output_port: OutputPort::all().bits(),
            pending: None,
        })
    }

    /// A controller as a snapshot recorded it.
    pub fn restore(state: State) -> Self {
        I8042 { state }
    }

    /// What a snapshot holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Reads the data port: the last byte again if none waits.
    pub fn read_data(&mut self) -> u8 {
        self.state.status &= !Status::TIMEOUT.bits();
        self.state.output.take().unwrap_or(0)
    }

    /// Reads the status port.
    pub fn read_status(&self) -> u8 {
        let mut status = Status::from_bits_retain(self.state.status) | Status::UNLOCKED;
        status.set(Status::OUTPUT_FULL, self.state.output.is_some());
        status.bits()
    }

    /// Writes the data port: a parameter, or a byte for the keyboard.
    pub fn write_data(&mut self, value: u8) -> Option<Request> {
        self.state.status &= !Status::COMMAND.bits();
        match self.state.pending.take() {
            Some(bits::WRITE_COMMAND_BYTE) => self.state.command_byte = value,
            Some(bits::WRITE_OUTPUT_PORT) => return self.write_output_port(value),
            Some(bits::ECHO_AS_KEYBOARD | bits::ECHO_AS_MOUSE) => self.answer(value),
            _ => {
                self.answer(bits::NO_ANSWER);
                self.state.status |= Status::TIMEOUT.bits();
            }
        }
        None
    }

    /// Writes the command port.
    pub fn write_command(&mut self, command: u8) -> Option<Request> {
        self.state.status |= Status::COMMAND.bits();
        self.state.pending = None;
        match command {
            bits::READ_COMMAND_BYTE => self.answer(self.state.command_byte),
            bits::READ_INPUT_PORT => self.answer(bits::INPUT_PORT),
            bits::READ_OUTPUT_PORT => self.answer(self.state.output_port),
            bits::SELF_TEST => {
                self.state.status |= Status::SYSTEM.bits();
                self.answer(bits::SELF_TEST_PASSED);
            }
            bits::TEST_KEYBOARD => self.answer(bits::LINE_GOOD),
            bits::TEST_MOUSE => self.answer(bits::LINE_DEAD),
            bits::WRITE_COMMAND_BYTE
            | bits::WRITE_OUTPUT_PORT
            | bits::ECHO_AS_KEYBOARD
            | bits::ECHO_AS_MOUSE
            | bits::SEND_TO_MOUSE => self.state.pending = Some(command),
            bits::PULSE.. if command & OutputPort::RUN.bits() == 0 => {
                return Some(Request::Reset(ResetSource::KeyboardController));
            }
            // Switching lines to which nothing is connected, pulses of lines
            // other than reset, and commands that no PC defines.
            _ => {}
        }
        None
    }

    fn write_output_port(&mut self, value: u8) -> Option<Request> {
        self.state.output_port = value;
        (!OutputPort::from_bits_retain(value).contains(OutputPort::RUN))
            .then_some(Request::Reset(ResetSource::KeyboardController))
    }

    fn answer(&mut self, value: u8) {
        self.state.output = Some(value);
    }
}
