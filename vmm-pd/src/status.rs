//! Lines about the guest for the status domain, over a serial queue.

use core::fmt::{Arguments, Write};

use heapless::String;
use sddf::serial::{ASKED, LINE, LINKS_DOWN, LayoutError, Lines, Said};
use sel4_microkit::{Channel, recv};
use shmem::{ReadWrite, Region, Word32};

/// How often a line that must not be lost is offered to a full queue, with a
/// wait for the status domain between: far more often than the queue has lines.
const PATIENCE: u32 = 10_000;

/// The status domain's client end.
#[derive(Debug)]
pub struct Status {
    lines: Lines,
    channel: Channel,
    /// What the status domain asks for.
    asked: Word32<ReadWrite>,
}

impl Status {
    /// Attaches to the queue.
    ///
    /// # Errors
    /// The regions cannot be a queue.
    pub fn new(
        queue: &Region<ReadWrite>,
        data: Region<ReadWrite>,
        channel: Channel,
    ) -> Result<Self, LayoutError> {
        let asked = queue.word32(ASKED)?;
        Ok(Status { lines: Lines::new(queue, data)?, channel, asked })
    }

    /// Whether the guest's network interfaces are to have a link.
    pub fn links(&self) -> bool {
        self.asked.load() & LINKS_DOWN == 0
    }

    /// Says a line, or drops it if the queue is full.
    pub fn say(&mut self, text: Arguments<'_>) {
        if self.lines.say(text) == Said::Taken {
            self.channel.notify();
        }
    }

    /// Says a line that must not be lost, and waits for room. The guest does not
    /// run meanwhile. Any notification ends a wait, so a status domain that
    /// never takes anything is given up at last.
    pub fn insist(&mut self, text: Arguments<'_>) {
        for _ in 0..PATIENCE {
            if self.try_say(text) {
                return;
            }
            // The queue was told to say when it has room.
            recv();
        }
    }

    /// A writer whose every line becomes a line of a report.
    pub fn report(&mut self) -> Report<'_> {
        Report { status: self, line: String::new() }
    }

    /// Whether the line was taken, or nobody will ever take it.
    fn try_say(&mut self, text: Arguments<'_>) -> bool {
        match self.lines.offer(text) {
            Said::Taken => {
                self.channel.notify();
                true
            }
            Said::Full => false,
            Said::Closed => true,
        }
    }
}

/// Gathers text into lines of a report.
#[derive(Debug)]
pub struct Report<'a> {
    status: &'a mut Status,
    line: String<LINE>,
}

impl Write for Report<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        for c in text.chars() {
            if c == '\n' {
                let line = core::mem::take(&mut self.line);
                self.status.insist(format_args!("report : {line}"));
            } else {
                // What exceeds a line is cut, as everywhere here.
                let _ = self.line.push(c);
            }
        }
        Ok(())
    }
}
