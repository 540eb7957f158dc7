//! Whole lines of text into a serial queue, for a reader that takes them by the line.
//!
//! Nobody waits here: a line for which there is no room is left out, and how many
//! were is said before the next that fits.

use core::fmt::{self, Arguments, Write};

use heapless::String;
use shmem::{ReadWrite, Region};

use super::{LayoutError, PeerError, Producer, Shared, Space};

/// Longest line, its end included; a longer one is cut.
pub const LINE: usize = 240;

/// Offset, in the region of the queue's words, of one that the reader writes: what it
/// asks of the writer. sDDF leaves that part of the region alone.
pub const ASKED: usize = 64;

/// In that word: the network interfaces of the writer's guest have no link.
pub const LINKS_DOWN: u32 = 1;

/// Bytes of the first part of a region that holds a whole queue.
const WORDS: usize = 0x1000;

/// The two parts of a queue that lies in one region: a page for its words, and all
/// that follows for its bytes.
///
/// # Errors
/// The region has no second part.
pub fn in_one(region: &Region<ReadWrite>) -> Result<[Region<ReadWrite>; 2], LayoutError> {
    let size = region.len();
    let part = |offset, length| {
        region
            .sub(offset, length)
            .map_err(|_| LayoutError::Capacity { size: size.saturating_sub(WORDS) })
    };
    Ok([part(0, WORDS)?, part(WORDS, size.saturating_sub(WORDS))?])
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    /// It is in the queue: the consumer must be notified.
    Taken,
    /// There is no room; the consumer notifies when it makes some.
    Full,
    /// The consumer broke the protocol: nobody will ever take it.
    Closed,
}

/// The producing end of a queue of lines.
#[derive(Debug)]
pub struct Lines {
    queue: Result<Producer, PeerError>,
    lost: u32,
}

impl Lines {
    /// Attaches to the queue in two regions.
    ///
    /// # Errors
    /// The regions cannot be a queue.
    pub fn new(queue: &Region<ReadWrite>, data: Region<ReadWrite>) -> Result<Self, LayoutError> {
        let queue = Producer::attach(Shared::new(queue, data)?);
        Ok(Lines { queue, lost: 0 })
    }

    /// Says a line if there is room, and counts it as lost if not.
    pub fn say(&mut self, text: Arguments<'_>) -> Said {
        let said = self.offer(text);
        if said == Said::Full {
            self.lost = self.lost.saturating_add(1);
        }
        said
    }

    /// Says a line if there is room, and before it how many were lost; for those who
    /// will offer it again.
    pub fn offer(&mut self, text: Arguments<'_>) -> Said {
        if self.lost > 0 {
            let lost = self.lost;
            match self.put(format_args!("report : {lost} lines before this were lost")) {
                Said::Taken => self.lost = 0,
                said @ (Said::Full | Said::Closed) => return said,
            }
        }
        self.put(text)
    }

    fn put(&mut self, text: Arguments<'_>) -> Said {
        let mut line = Line(String::new());
        // Cutting cannot fail.
        let _ = line.write_fmt(text);
        let Line(mut line) = line;
        // There is room for it.
        let _ = line.push('\n');
        match self.enqueue(line.as_bytes()) {
            Ok(true) => Said::Taken,
            Ok(false) => Said::Full,
            Err(breach) => {
                self.queue = Err(breach);
                Said::Closed
            }
        }
    }

    fn enqueue(&mut self, line: &[u8]) -> Result<bool, PeerError> {
        let queue = self.queue.as_mut().map_err(|breach| *breach)?;
        // Whole lines only.
        if queue.wait_for_space(line.len() as u32)? == Space::Wait {
            return Ok(false);
        }
        queue.enqueue(line)?;
        Ok(true)
    }
}

/// A line that is cut where it is full, between two characters.
struct Line(String<LINE>);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() + c.len_utf8() >= LINE {
                // Nothing that follows would be where it belongs.
                return Err(fmt::Error);
            }
            let _ = self.0.push(c);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{format, string::String as StdString};

    use super::*;
    use crate::serial::Consumer;

    fn pair(room: usize) -> (Lines, Consumer, Region<ReadWrite>) {
        let (queue, data) = (Region::host(4096), Region::host(room));
        let consumer = Consumer::attach(Shared::new(&queue, data.read_only()).unwrap()).unwrap();
        (Lines::new(&queue, data).unwrap(), consumer, queue)
    }

    fn taken(consumer: &mut Consumer) -> StdString {
        let mut bytes = [0; 1024];
        let count = consumer.peek(&mut bytes).unwrap();
        consumer.consume(count as u32).unwrap();
        StdString::from_utf8(bytes[..count].into()).unwrap()
    }

    #[test]
    fn lines_come_whole_and_what_was_lost_is_told() {
        let (mut lines, mut consumer, _) = pair(64);
        assert_eq!(lines.say(format_args!("report : {}", "x".repeat(30))), Said::Taken);
        assert_eq!(lines.say(format_args!("report : {}", "y".repeat(30))), Said::Full);
        assert_eq!(lines.say(format_args!("report : z")), Said::Full);
        assert_eq!(taken(&mut consumer), format!("report : {}\n", "x".repeat(30)));
        assert_eq!(lines.say(format_args!("report : w")), Said::Taken);
        assert_eq!(taken(&mut consumer), "report : 2 lines before this were lost\nreport : w\n");
    }

    #[test]
    fn a_queue_in_one_region_is_what_is_behind_its_first_page() {
        let region = Region::host(0x3000);
        let [words, bytes] = in_one(&region).unwrap();
        assert_eq!((words.len(), bytes.len()), (0x1000, 0x2000));
        assert!(Lines::new(&words, bytes).is_ok());
        for short in [0x800, 0x1000] {
            let lines =
                in_one(&Region::host(short)).and_then(|[words, bytes]| Lines::new(&words, bytes));
            assert_eq!(lines.unwrap_err(), LayoutError::Capacity { size: 0 });
        }
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let (mut lines, mut consumer, _) = pair(1024);
        assert_eq!(lines.say(format_args!("{}", "é".repeat(LINE))), Said::Taken);
        let line = taken(&mut consumer);
        assert!(line.len() <= LINE && line.ends_with("é\n"), "{line}");
    }

    #[test]
    fn a_reader_that_lies_is_given_up() {
        let (mut lines, _consumer, queue) = pair(1024);
        assert_eq!(lines.say(format_args!("x")), Said::Taken);
        queue.word32(4).unwrap().store(7);
        assert_eq!(lines.say(format_args!("x")), Said::Closed);
        queue.word32(4).unwrap().store(0);
        assert_eq!(lines.say(format_args!("x")), Said::Closed);
    }
}
