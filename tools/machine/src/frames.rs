//! Frames of the status channel: STX, text, ETX.
//!
//! Two writers share the port, and the initial task may interrupt the status
//! domain in mid-frame. So frames nest: an STX inside a frame begins an inner
//! one, and what was interrupted goes on after its ETX. Bytes outside frames
//! are not ours (firmware, a boot loader) and are dropped.
//!
//! Texts are printable ASCII. What is not is dropped (control characters,
//! among them the line feed that follows each frame) or replaced, so that no
//! guest can send escape sequences to the user's terminal this way.

const STX: u8 = 0x02;
const ETX: u8 = 0x03;

/// Longest text of a frame; longer ones are cut. A VMM's longest report line
/// is far below it.
const TEXT_MAX: usize = 4096;

/// Deepest nesting. Two writers need two; a writer that died in mid-frame
/// leaves one behind for good, so the oldest is given up when this is reached.
const DEPTH_MAX: usize = 8;

/// Takes bytes, gives texts.
#[derive(Debug, Default)]
pub struct FrameReader {
    open: Vec<String>,
}

impl FrameReader {
    /// Outside any frame.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what arrived and returns the texts of the frames that it ended,
    /// in the order of their ends.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut ended = Vec::new();
        for &byte in bytes {
            match byte {
                STX => {
                    if self.open.len() == DEPTH_MAX {
                        self.open.remove(0);
                    }
                    self.open.push(String::new());
                }
                ETX => {
                    ended.extend(self.open.pop());
                }
                _ => {
                    if let Some(text) = self.open.last_mut()
                        && text.len() < TEXT_MAX
                    {
                        match byte {
                            b' '..=b'~' => text.push(char::from(byte)),
                            0x80.. => text.push(char::REPLACEMENT_CHARACTER),
                            _ => {}
                        }
                    }
                }
            }
        }
        ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_outside_frames_are_dropped() {
        let mut reader = FrameReader::new();
        assert_eq!(reader.push(b"GRUB\r\n\x03\x02system - ready\x03\nnoise"), ["system - ready"]);
    }

    #[test]
    fn an_inner_frame_comes_first_and_the_outer_goes_on() {
        let mut reader = FrameReader::new();
        let got = reader.push(b"\x02guest a sto\x02pd b fault kind=vm\x03\npped result=0\x03");
        assert_eq!(got, ["pd b fault kind=vm", "guest a stopped result=0"]);
    }

    #[test]
    fn no_escape_sequence_passes() {
        let got = FrameReader::new().push(b"\x02guest a report : \x1b[2J\xffx\r\x03");
        assert_eq!(got, ["guest a report : [2J\u{fffd}x"]);
    }

    #[test]
    fn a_writer_that_dies_in_mid_frame_does_not_stop_the_others() {
        let mut reader = FrameReader::new();
        for round in 0..100 {
            let text = format!("\x02half\x02whole {round}\x03");
            assert_eq!(reader.push(text.as_bytes()), [format!("whole {round}")]);
            assert!(reader.open.len() <= DEPTH_MAX);
        }
    }

    #[test]
    fn a_frame_without_end_takes_no_more_than_its_bound() {
        let mut reader = FrameReader::new();
        reader.push(&[STX]);
        reader.push(&vec![b'x'; 10 * TEXT_MAX]);
        assert_eq!(reader.push(&[ETX])[0].len(), TEXT_MAX);
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_into_reads_does_not_matter(
            bytes in proptest::collection::vec(
                prop_oneof![Just(STX), Just(ETX), any::<u8>()], 0..400),
            cut in 1usize..17,
        ) {
            let whole = FrameReader::new().push(&bytes);
            let mut reader = FrameReader::new();
            let parts: Vec<String> =
                bytes.chunks(cut).flat_map(|part| reader.push(part)).collect();
            prop_assert_eq!(whole, parts);
        }
    }
}
