//! The guests' console on the user's terminal, with messages of our own
//! between the lines, and a transcript of both.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use bulkhead_host::FileError;

use super::transcript::Transcript;

/// Why something cannot be shown.
pub enum ShowError {
    /// Standard output or standard error does not take it.
    Output(io::Error),
    /// The transcript does not.
    Transcript(FileError),
}

impl From<io::Error> for ShowError {
    fn from(error: io::Error) -> Self {
        ShowError::Output(error)
    }
}

impl From<FileError> for ShowError {
    fn from(error: FileError) -> Self {
        ShowError::Transcript(error)
    }
}

/// Standard output for the guests, standard error for messages.
pub struct Console {
    transcript: Option<Transcript>,
    /// A message must not begin in the middle of a guest's line.
    at_line_start: bool,
    /// In raw mode the terminal does not return to column 1 by itself.
    raw: bool,
    /// When a guest last printed.
    last_output: Instant,
}

impl Console {
    /// Nothing shown yet.
    pub fn new(raw: bool, transcript: Option<Transcript>) -> Self {
        Console { transcript, at_line_start: true, raw, last_output: Instant::now() }
    }

    /// Shows a guest's bytes as they are.
    ///
    /// # Errors
    /// Standard output is closed, or the transcript cannot be written.
    pub fn guest(&mut self, bytes: &[u8]) -> Result<(), ShowError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()?;
        if let Some(transcript) = &mut self.transcript {
            transcript.write(bytes)?;
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
    pub fn message(&mut self, text: &str) -> Result<(), ShowError> {
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
            let lines = plain.replace('\n', "\n[bulkhead] ");
            transcript.write(format!("{start}[bulkhead] {lines}\n").as_bytes())?;
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
