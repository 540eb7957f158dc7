//! What keys mean: nearly all go to the guest, Ctrl-A begins a command.
//!
//! Only a terminal's keys are read this way. Bytes from a pipe or file go to
//! the guest as they are.

/// Ctrl-A.
const ESCAPE: u8 = 0x01;

/// Something that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Bytes for the guest.
    Send(Vec<u8>),
    /// Leave.
    Leave,
    /// Show the guests' counters.
    Statistics,
    /// Show the commands.
    Help,
    /// Send keys to this guest from now on, counted from 0.
    Select(u8),
    /// Pull the network cables of this guest, counted from 0, or plug them in.
    Links(u8, bool),
}

/// Takes keys, gives actions.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
    /// The next key says whose cables are pulled, or plugged in.
    links: Option<bool>,
}

impl Keys {
    /// Takes what was typed. A Ctrl-A followed by a key that is no command is
    /// answered with help, and neither reaches the guest.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut plain = Vec::new();
        for &byte in bytes {
            if let Some(up) = self.links.take() {
                flush(&mut plain, &mut actions);
                actions.push(match byte {
                    b'1'..=b'8' => Action::Links(byte - b'1', up),
                    _ => Action::Help,
                });
                continue;
            }
            if !self.escaped {
                if byte == ESCAPE {
                    self.escaped = true;
                } else {
                    plain.push(byte);
                }
                continue;
            }
            self.escaped = false;
            let action = match byte {
                // Both Ctrl-A Ctrl-A and Ctrl-A a, as in screen.
                ESCAPE | b'a' => {
                    plain.push(ESCAPE);
                    continue;
                }
                b'x' | b'X' => Action::Leave,
                b'i' | b'I' => Action::Statistics,
                b'1'..=b'8' => Action::Select(byte - b'1'),
                b'd' | b'D' | b'u' | b'U' => {
                    self.links = Some(byte.eq_ignore_ascii_case(&b'u'));
                    continue;
                }
                _ => Action::Help,
            };
            flush(&mut plain, &mut actions);
            actions.push(action);
        }
        flush(&mut plain, &mut actions);
        actions
    }
}

fn flush(plain: &mut Vec<u8>, actions: &mut Vec<Action>) {
    if !plain.is_empty() {
        actions.push(Action::Send(std::mem::take(plain)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(bytes: &[u8]) -> Action {
        Action::Send(bytes.to_vec())
    }

    #[test]
    fn ordinary_keys_pass_control_keys_too() {
        assert_eq!(Keys::default().push(b"ls\r\x03\x1a"), [send(b"ls\r\x03\x1a")]);
    }

    #[test]
    fn the_escape_may_come_in_two_reads() {
        let mut keys = Keys::default();
        assert_eq!(keys.push(b"a\x01"), [send(b"a")]);
        assert_eq!(keys.push(b"xb"), [Action::Leave, send(b"b")]);
        assert_eq!(keys.push(b"\x01i"), [Action::Statistics]);
    }

    #[test]
    fn a_doubled_escape_sends_one() {
        assert_eq!(Keys::default().push(b"\x01\x01e"), [send(b"\x01e")]);
    }

    #[test]
    fn what_is_no_command_is_answered_with_help() {
        assert_eq!(Keys::default().push(b"\x01?"), [Action::Help]);
        assert_eq!(Keys::default().push(b"\x019"), [Action::Help]);
        assert_eq!(Keys::default().push(b"\x01\x1b[A"), [Action::Help, send(b"[A")]);
    }

    #[test]
    fn cables_are_pulled_and_plugged_in_by_a_guests_number() {
        let mut keys = Keys::default();
        assert_eq!(keys.push(b"a\x01d"), [send(b"a")]);
        assert_eq!(keys.push(b"2b"), [Action::Links(1, false), send(b"b")]);
        assert_eq!(keys.push(b"\x01u1"), [Action::Links(0, true)]);
        assert_eq!(keys.push(b"\x01uxx"), [Action::Help, send(b"x")]);
    }

    #[test]
    fn digits_select_guests_counted_from_one() {
        assert_eq!(Keys::default().push(b"\x012q"), [Action::Select(1), send(b"q")]);
    }
}
