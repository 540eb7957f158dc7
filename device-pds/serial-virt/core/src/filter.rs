//! What of a client's bytes reaches the terminal when there are several.
//!
//! The cursor must never leave the client's own line, and what the client
//! switches on must end with it. So these pass:
//! - printable ASCII, and UTF-8 for anything above U+009F;
//! - BEL, tab; backspace and CSI D (cursor left) as far as the client's own
//!   text goes, CSI C (right);
//! - CSI m (colours), which are reset at the end of the line; CSI K and CSI J
//!   that erase forwards, which below the last line is nothing;
//! - LF, which ends the line; CR, after which the prefix is written anew, so
//!   that a progress bar works.
//!
//! Dropped: every other control character and escape sequence: cursor
//! addressing, scrolling, window titles, modes, character sets, reports
//! (their answers would be typed at the selected client). A byte that is not
//! UTF-8, and a C1 control in UTF-8, becomes `?`.

use heapless::Vec;

/// Most bytes that [`Filter::push`] adds besides a prefix.
pub const EXPANSION_MAX: usize = 32;

/// Longest parameters of an escape sequence that passes: enough for
/// `38;2;255;255;255`, an exact colour.
const PARAMETERS_MAX: usize = 20;

/// Columns that a cursor movement may span.
const COLUMNS_MAX: u16 = 999;

const BEL: u8 = 0x07;
const BS: u8 = 0x08;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const DEL: u8 = 0x7f;

/// Ends whatever colours are on.
pub const RESET: &[u8] = b"\x1b[0m";

#[derive(Clone, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// After CR.
    Return,
    /// In a character of several bytes.
    Utf8 { bytes: Vec<u8, 4>, length: usize },
    /// After ESC, and intermediate bytes.
    Escape,
    /// In a control sequence; nothing in `parameters` if it cannot pass.
    Control { parameters: Option<Vec<u8, PARAMETERS_MAX>> },
    /// In a string for the terminal (title, colours), until BEL or ST.
    String,
}

/// Whether a line goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pushed {
    /// It does.
    Open,
    /// LF ended it.
    Ended,
}

/// One client's filter; keeps its state from byte to byte.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    state: State,
    /// Columns of the client's own text to the left of the cursor, or fewer.
    column: u16,
    /// Colours may be on.
    styled: bool,
}

impl Filter {
    /// Takes a byte and adds what becomes of it to `out`, which has room for
    /// the prefix and [`EXPANSION_MAX`] more.
    pub fn push<const N: usize>(
        &mut self,
        byte: u8,
        prefix: &[u8],
        out: &mut Vec<u8, N>,
    ) -> Pushed {
        match core::mem::take(&mut self.state) {
            _ if byte == b'\n' => {
                self.end(out);
                return Pushed::Ended;
            }
            _ if byte == CAN || byte == SUB => {}
            State::Ground => self.ground(byte, out),
            State::Return if byte == b'\r' => self.state = State::Return,
            State::Return => {
                if self.column > 0 {
                    add(out, b"\r");
                    self.end_style(out);
                    add(out, prefix);
                    self.column = 0;
                }
                self.ground(byte, out);
            }
            State::Utf8 { bytes, length } => self.utf8(bytes, length, byte, out),
            State::Escape => self.escape(byte),
            State::Control { parameters } => self.control(parameters, byte, out),
            State::String => match byte {
                BEL => {}
                // ST is ESC \; any other sequence ends the string as well.
                ESC => self.state = State::Escape,
                _ => self.state = State::String,
            },
        }
        Pushed::Open
    }

    /// Ends the line on the terminal, whatever state the client left it in.
    pub fn end<const N: usize>(&mut self, out: &mut Vec<u8, N>) {
        self.end_style(out);
        add(out, b"\r\n");
        self.column = 0;
    }

    fn end_style<const N: usize>(&mut self, out: &mut Vec<u8, N>) {
        if self.styled {
            add(out, RESET);
            self.styled = false;
        }
    }

    fn ground<const N: usize>(&mut self, byte: u8, out: &mut Vec<u8, N>) {
        match byte {
            b' '..=b'~' => self.show(&[byte], out),
            b'\t' => self.show(b"\t", out),
            b'\r' => self.state = State::Return,
            BEL => add(out, &[BEL]),
            BS if self.column > 0 => {
                self.column -= 1;
                add(out, &[BS]);
            }
            ESC => self.state = State::Escape,
            0..b' ' | DEL => {}
            0x80.. => match utf8_length(byte) {
                Some(length) => {
                    let mut bytes = Vec::new();
                    add(&mut bytes, &[byte]);
                    self.state = State::Utf8 { bytes, length };
                }
                None => self.show(b"?", out),
            },
        }
    }

    fn show<const N: usize>(&mut self, character: &[u8], out: &mut Vec<u8, N>) {
        add(out, character);
        self.column = (self.column + 1).min(COLUMNS_MAX);
    }

    fn utf8<const N: usize>(
        &mut self,
        mut bytes: Vec<u8, 4>,
        length: usize,
        byte: u8,
        out: &mut Vec<u8, N>,
    ) {
        if byte & 0xc0 != 0x80 {
            // Cut off; what comes stands for itself.
            self.show(b"?", out);
            return self.ground(byte, out);
        }
        add(&mut bytes, &[byte]);
        if bytes.len() < length {
            self.state = State::Utf8 { bytes, length };
            return;
        }
        match core::str::from_utf8(&bytes) {
            Ok(text) if !text.chars().any(char::is_control) => self.show(&bytes, out),
            Ok(_) | Err(_) => self.show(b"?", out),
        }
    }

    fn escape(&mut self, byte: u8) {
        self.state = match byte {
            b'[' => State::Control { parameters: Some(Vec::new()) },
            b']' | b'P' | b'X' | b'^' | b'_' => State::String,
            ESC | b' '..=b'/' => State::Escape,
            // The last byte of a sequence, none of which passes; or a byte
            // that has no place in one.
            _ => State::Ground,
        };
    }

    fn control<const N: usize>(
        &mut self,
        parameters: Option<Vec<u8, PARAMETERS_MAX>>,
        byte: u8,
        out: &mut Vec<u8, N>,
    ) {
        match byte {
            b'0'..=b'9' | b';' | b':' => {
                let parameters =
                    parameters.and_then(|mut list| list.push(byte).is_ok().then_some(list));
                self.state = State::Control { parameters };
            }
            // Private parameters and intermediate bytes: nothing that passes.
            b' '..=b'/' | b'<'..=b'?' => self.state = State::Control { parameters: None },
            b'@'..=b'~' => {
                if let Some(parameters) = parameters {
                    self.finish(&parameters, byte, out);
                }
            }
            ESC => self.state = State::Escape,
            0..b' ' => self.state = State::Control { parameters },
            DEL.. => {}
        }
    }

    /// The last byte of a control sequence says what it does.
    fn finish<const N: usize>(&mut self, parameters: &[u8], last: u8, out: &mut Vec<u8, N>) {
        match (last, parameters) {
            (b'm', _) => {
                self.styled = true;
                sequence(parameters, last, out);
            }
            (b'K' | b'J', b"" | b"0") => sequence(b"", last, out),
            (b'C' | b'D', _) => {
                let wanted = number(parameters);
                let count = if last == b'D' { wanted.min(self.column) } else { wanted };
                if count == 0 {
                    return;
                }
                self.column = if last == b'D' {
                    self.column - count
                } else {
                    (self.column + count).min(COLUMNS_MAX)
                };
                let digits = [count / 100, count / 10 % 10, count % 10].map(|d| b'0' + d as u8);
                sequence(&digits, last, out);
            }
            _ => {}
        }
    }
}

fn sequence<const N: usize>(parameters: &[u8], last: u8, out: &mut Vec<u8, N>) {
    add(out, b"\x1b[");
    add(out, parameters);
    add(out, &[last]);
}

/// One number, 1 if left out (ECMA-48, 8.3.18 and 8.3.20); zero for more than
/// one, or something else.
fn number(parameters: &[u8]) -> u16 {
    if parameters.is_empty() {
        return 1;
    }
    let mut value = 0;
    for &byte in parameters {
        if !byte.is_ascii_digit() {
            return 0;
        }
        value = (value * 10 + u16::from(byte - b'0')).min(COLUMNS_MAX);
    }
    value.max(1)
}

/// Bytes of the character that begins so (RFC 3629, 4).
fn utf8_length(first: u8) -> Option<usize> {
    match first {
        0xc2..=0xdf => Some(2),
        0xe0..=0xef => Some(3),
        0xf0..=0xf4 => Some(4),
        _ => None,
    }
}

/// Appends. The caller made room.
pub fn add<const N: usize>(out: &mut Vec<u8, N>, bytes: &[u8]) {
    let added = out.extend_from_slice(bytes);
    debug_assert!(added.is_ok(), "room was made before");
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn filtered(bytes: &[u8]) -> String {
        let mut filter = Filter::default();
        let mut all = std::vec::Vec::new();
        for &byte in bytes {
            let mut out: Vec<u8, 64> = Vec::new();
            filter.push(byte, b"p| ", &mut out);
            all.extend_from_slice(&out);
        }
        String::from_utf8(all).expect("UTF-8")
    }

    #[test]
    fn text_passes_unchanged() {
        let text = "plain, t\tab, umläut, 漢字, \u{1f980}";
        assert_eq!(filtered(text.as_bytes()), text);
    }

    #[test]
    fn lines_end_in_carriage_return_and_line_feed() {
        assert_eq!(filtered(b"a\nb\r\nc\r\r\n"), "a\r\nb\r\nc\r\n");
    }

    #[test]
    fn a_progress_bar_keeps_its_prefix() {
        assert_eq!(filtered(b"10%\r20%\r\r30%\r\n"), "10%\rp| 20%\rp| 30%\r\n");
        assert_eq!(filtered(b"\r\r\rx"), "x", "at the start there is nothing to return over");
    }

    #[test]
    fn colours_end_with_the_line() {
        assert_eq!(filtered(b"\x1b[1;31mred\nnext\n"), "\x1b[1;31mred\x1b[0m\r\nnext\r\n");
        assert_eq!(filtered(b"\x1b[mx\ry"), "\x1b[mx\r\x1b[0mp| y");
    }

    #[test]
    fn the_cursor_stays_in_the_clients_own_text() {
        assert_eq!(filtered(b"ab\x08\x08\x08\x08c"), "ab\x08\x08c");
        assert_eq!(filtered(b"abc\x1b[9Dx"), "abc\x1b[003Dx");
        assert_eq!(filtered(b"\x1b[D\x1b[0D\x1b[2;3D"), "");
        assert_eq!(filtered(b"a\x1b[C\x1b[2D\x1b[D"), "a\x1b[001C\x1b[002D");
        assert_eq!(filtered(b"a\x1b[99999Cx"), "a\x1b[999Cx");
    }

    #[test]
    fn erasing_forwards_passes_and_backwards_does_not() {
        assert_eq!(
            filtered(b"\x1b[K\x1b[0K\x1b[J\x1b[1K\x1b[2K\x1b[2J\x1b[1J"),
            "\x1b[K\x1b[K\x1b[J"
        );
    }

    #[test]
    fn what_moves_or_sets_up_the_terminal_is_dropped() {
        for sequence in [
            "\x1b[H",
            "\x1b[5;5H",
            "\x1b[2A",
            "\x1b[S",
            "\x1b[?25l",
            "\x1b[?1049h",
            "\x1b[>4;2m",
            "\x1b[6n",
            "\x1b[c",
            "\x1bc",
            "\x1bM",
            "\x1b7",
            "\x1b(0",
            "\x1b#8",
            "\x1b]0;title\x07",
            "\x1b]0;title\x1b\\",
            "\x1bP$q\x1b\\",
            "\x1b_apc\x1b\\",
            "\x0e",
            "\x0f",
            "\x0b",
            "\x0c",
            "\x00",
            "\x7f",
            "\x1b[!p",
            "\x1b[2 q",
        ] {
            assert_eq!(filtered(std::format!("a{sequence}b").as_bytes()), "ab", "{sequence:?}");
        }
    }

    #[test]
    fn an_unfinished_sequence_swallows_no_more_than_its_line() {
        assert_eq!(filtered(b"a\x1b]0;endless\nb"), "a\r\nb");
        assert_eq!(filtered(b"a\x1b[1;2\nb"), "a\r\nb");
        assert_eq!(filtered(b"a\x1b[1\x18b"), "ab");
    }

    #[test]
    fn what_is_not_utf_8_becomes_a_question_mark() {
        assert_eq!(filtered(b"\xff\x80\xc3("), "???(");
        assert_eq!(filtered(b"\xed\xa0\x80"), "?", "a surrogate");
        assert_eq!(filtered("\u{9b}31m\u{85}".as_bytes()), "?31m?", "C1 controls");
        assert_eq!(filtered(b"\xe2\x82\n"), "\r\n");
    }

    proptest! {
        /// Whatever a client sends: valid UTF-8, in which the only controls
        /// are those that keep to the line.
        #[test]
        fn only_what_keeps_to_the_line_gets_through(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(ESC), Just(b'['), proptest::sample::select(b";0123456789mKJCDHA\r\n\x08".to_vec())],
                0..300,
            ),
        ) {
            let shown = filtered(&bytes);
            let mut rest = shown.as_str();
            let mut column = 0i32;
            while let Some(character) = rest.chars().next() {
                rest = &rest[character.len_utf8()..];
                match character {
                    '\x1b' => {
                        let body = rest.strip_prefix('[').expect("only control sequences");
                        let end = body.find(|c: char| c.is_ascii_alphabetic()).expect("complete");
                        let (parameters, last) = (&body[..end], body.as_bytes()[end]);
                        prop_assert!(parameters.bytes().all(|b| b.is_ascii_digit() || b == b';' || b == b':'));
                        match last {
                            b'm' => {}
                            b'K' | b'J' => prop_assert_eq!(parameters, ""),
                            b'C' => column += parameters.parse::<i32>().unwrap(),
                            b'D' => column -= parameters.parse::<i32>().unwrap(),
                            other => prop_assert!(false, "{}", other),
                        }
                        rest = &body[end + 1..];
                    }
                    '\r' => {
                        column = 0;
                        if !rest.starts_with('\n') {
                            let after = rest.strip_prefix("\x1b[0m").unwrap_or(rest);
                            rest = after.strip_prefix("p| ").expect("the prefix again");
                        }
                    }
                    '\n' | '\x07' => {}
                    '\x08' => column -= 1,
                    _ => {
                        prop_assert!(character == '\t' || !character.is_control());
                        column += 1;
                    }
                }
                prop_assert!(column >= 0, "left of its own text in {shown:?}");
            }
        }

        #[test]
        fn a_byte_adds_no_more_than_promised(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut filter = Filter::default();
            for byte in bytes {
                let mut out: Vec<u8, 64> = Vec::new();
                filter.push(byte, b"p| ", &mut out);
                prop_assert!(out.len() <= 3 + EXPANSION_MAX);
            }
        }
    }
}
