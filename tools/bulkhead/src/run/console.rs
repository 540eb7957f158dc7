//! The guests' console on the user's terminal, with messages of our own
//! between the lines, and a transcript of both.

use std::{
    fs::File,
    io::{self, Write},
    time::{Duration, Instant},
};

/// Standard output for the guests, standard error for messages.
pub struct Console {
    transcript: Option<File>,
    /// A message must not begin in the middle of a guest's line.
    at_line_start: bool,
    /// In raw mode the terminal does not return to column 1 by itself.
    raw: bool,
    /// When a guest last printed.
    last_output: Instant,
}

impl Console {
    /// Nothing shown yet.
    pub fn new(raw: bool, transcript: Option<File>) -> Self {
        Console { transcript, at_line_start: true, raw, last_output: Instant::now() }
    }

    /// Shows a guest's bytes as they are.
    ///
    /// # Errors
    /// Standard output is closed, or the transcript cannot be written.
    pub fn guest(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        if let Some(transcript) = &mut self.transcript {
            transcript.write_all(bytes)?;
        }
        if let Some(&last) = bytes.last() {
            self.at_line_start = last == b'\n';
            self.last_output = Instant::now();
        }
        Ok(())
    }

    /// Shows a message on a line of its own; it may hold colours and several
    /// lines.
    ///
    /// # Errors
    /// As for [`Console::guest`].
    pub fn message(&mut self, text: &str) -> io::Result<()> {
        let end = if self.raw { "\r\n" } else { "\n" };
        let mut shown = String::new();
        if !self.at_line_start {
            shown += end;
        }
        for line in text.lines() {
            shown += line;
            shown += end;
        }
        let mut stderr = anstream::stderr().lock();
        stderr.write_all(shown.as_bytes())?;
        stderr.flush()?;
        if let Some(transcript) = &mut self.transcript {
            let plain = anstream::adapter::strip_str(text).to_string();
            let start = if self.at_line_start { "" } else { "\n" };
            writeln!(transcript, "{start}[bulkhead] {}", plain.replace('\n', "\n[bulkhead] "))?;
        }
        self.at_line_start = true;
        Ok(())
    }

    /// For how long no guest has printed.
    pub fn quiet_for(&self) -> Duration {
        self.last_output.elapsed()
    }

    /// The terminal is back in its usual mode.
    pub fn leave_raw(&mut self) {
        self.raw = false;
    }
}
