//! Lines about the guest for the status domain, over a serial queue.

use core::fmt::{Arguments, Write};

use heapless::String;
use sddf::serial::{LayoutError, PeerError, Producer, Shared, Space};
use sel4_microkit::{Channel, recv};
use shmem::{ReadWrite, Region};

/// Longest line, its end included; a longer one is cut.
const LINE: usize = 240;

/// How often a line that must not be lost is offered to a full queue, with a
/// wait for the status domain between: far more often than the queue has lines.
const PATIENCE: u32 = 10_000;

/// The status domain's client end.
#[derive(Debug)]
pub struct Status {
    queue: Result<Producer, PeerError>,
    channel: Channel,
    lost: u32,
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
        let queue = Producer::attach(Shared::new(queue, data)?);
        Ok(Status { queue, channel, lost: 0 })
    }

    /// Says a line, or drops it if the queue is full.
    pub fn say(&mut self, text: Arguments<'_>) {
        if !self.try_say(text) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Says a line that must not be lost, and waits for room. The guest does not
    /// run meanwhile. Any notification ends a wait, so a status domain that
    /// never takes anything is given up at last.
    pub fn insist(&mut self, text: Arguments<'_>) {
        if self.lost > 0 {
            let lost = core::mem::take(&mut self.lost);
            self.insist(format_args!("report : {lost} lines before this were lost"));
        }
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
        let mut line: String<LINE> = String::new();
        if line.write_fmt(text).is_err() || line.len() == LINE {
            line.truncate(LINE - 1);
        }
        // There is room for it.
        let _ = line.push('\n');
        match self.offer(line.as_bytes()) {
            Ok(taken) => taken,
            Err(breach) => {
                self.queue = Err(breach);
                true
            }
        }
    }

    fn offer(&mut self, line: &[u8]) -> Result<bool, PeerError> {
        let Ok(queue) = &mut self.queue else { return Ok(true) };
        // Whole lines only.
        if queue.wait_for_space(line.len() as u32)? == Space::Wait {
            return Ok(false);
        }
        queue.enqueue(line)?;
        self.channel.notify();
        Ok(true)
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
