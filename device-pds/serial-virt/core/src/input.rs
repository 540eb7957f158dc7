//! What is typed, when there are several clients: which of it is for whom.

/// Ctrl-\: begins a command to the virtualiser.
const COMMAND: u8 = 0x1c;

/// What became of a byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Typed {
    /// It goes to the selected client.
    Byte(u8),
    /// This client, counted from zero, is to be selected, if it exists.
    Select(usize),
    /// It is, or was part of, a command; nothing goes anywhere.
    Nothing,
}

/// Tells commands from input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Input {
    command: bool,
}

impl Input {
    /// Takes the next byte.
    pub fn push(&mut self, byte: u8) -> Typed {
        match (core::mem::take(&mut self.command), byte) {
            (false, COMMAND) => {
                self.command = true;
                Typed::Nothing
            }
            (true, COMMAND) => Typed::Byte(COMMAND),
            (true, b'1'..=b'8') => Typed::Select(usize::from(byte - b'1')),
            (true, _) => Typed::Nothing,
            (false, _) => Typed::Byte(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Typed::{Byte, Nothing, Select};

    fn typed<const N: usize>(bytes: [u8; N]) -> [Typed; N] {
        let mut input = Input::default();
        bytes.map(|byte| input.push(byte))
    }

    #[test]
    fn the_command_byte_and_a_digit_select() {
        assert_eq!(
            typed(*b"a\x1c1b\x1c8"),
            [Byte(b'a'), Nothing, Select(0), Byte(b'b'), Nothing, Select(7)]
        );
    }

    #[test]
    fn twice_the_command_byte_sends_it_once() {
        assert_eq!(typed(*b"\x1c\x1c1"), [Nothing, Byte(COMMAND), Byte(b'1')]);
    }

    #[test]
    fn another_byte_cancels_the_command() {
        assert_eq!(
            typed(*b"\x1c9\x1c01x"),
            [Nothing, Nothing, Nothing, Nothing, Byte(b'1'), Byte(b'x')]
        );
    }
}
