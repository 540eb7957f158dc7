//! One client: its two queues and what is known of its output.

use bulkhead_config::NAME_MAX;
use heapless::{String, Vec};
use sddf::serial::{Consumer, PeerError, Producer};

use crate::filter::{Filter, add};
use crate::notes::Notes;

/// Bytes of a client's that are looked at together. A line of which these are
/// full is shown without waiting for its end; it stays together all the same
/// if the rest follows.
const HELD_MAX: usize = 128;

/// Longest prefix: colour, name, mark, end of colour.
pub const PREFIX_MAX: usize = 7 + NAME_MAX + 2 + 4;

/// Colours of the prefixes, in turn: green, cyan, magenta, yellow, blue, red.
const COLOURS: [u8; 6] = [2, 6, 5, 3, 4, 1];

/// How much of a line there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// The beginning of a line.
    Part,
    /// A whole line, or as much as is looked at.
    Line,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    pub name: String<NAME_MAX>,
    pub prefix: Vec<u8, PREFIX_MAX>,
    /// What the client writes; none once it broke the protocol.
    pub output: Option<Consumer>,
    /// What it reads; none once it broke the protocol.
    pub input: Option<Producer>,
    pub filter: Filter,
    /// Bytes that may still be taken in this go.
    allowance: usize,
    line: [u8; HELD_MAX],
    length: usize,
    /// Up to and including the first line feed in `line`.
    complete: Option<usize>,
}

impl Client {
    /// A client without queues.
    pub fn closed(number: usize, name: String<NAME_MAX>) -> Self {
        let mut prefix = Vec::new();
        add(&mut prefix, b"\x1b[0;3");
        add(&mut prefix, &[b'0' + COLOURS[number % COLOURS.len()], b'm']);
        for byte in name.bytes() {
            add(&mut prefix, &[if (b' '..=b'~').contains(&byte) { byte } else { b'?' }]);
        }
        add(&mut prefix, b"| ");
        add(&mut prefix, crate::filter::RESET);
        Client {
            name,
            prefix,
            output: None,
            input: None,
            filter: Filter::default(),
            allowance: 0,
            line: [0; HELD_MAX],
            length: 0,
            complete: None,
        }
    }

    /// Begins a go, in which no more is taken than is there now: with what
    /// comes later comes a notification, and a client that writes as fast as
    /// it is read does not keep the virtualiser from everybody else.
    pub fn begin(&mut self) {
        self.allowance = match self.output.as_mut().map(Consumer::len) {
            Some(Ok(length)) => length as usize,
            // Found out, and named, when bytes are taken.
            Some(Err(_)) => usize::MAX,
            None => 0,
        };
    }

    /// Copies out what the client wrote, as far as the line has room.
    ///
    /// # Returns
    /// Whether the client waits for room in its queue and must be notified.
    ///
    /// # Errors
    /// The client broke its queue's protocol; it is closed.
    pub fn refill(&mut self) -> Result<bool, PeerError> {
        let Some(output) = &mut self.output else { return Ok(false) };
        let (_, room) = self.line.split_at_mut(self.length);
        let (room, _) = room.split_at_mut(room.len().min(self.allowance));
        if room.is_empty() {
            return Ok(false);
        }
        let count = match output.dequeue(room) {
            Ok(count) => count,
            Err(e) => {
                self.output = None;
                return Err(e);
            }
        };
        if count == 0 {
            return Ok(false);
        }
        self.allowance = self.allowance.saturating_sub(count);
        if self.complete.is_none() {
            let at = room.iter().take(count).position(|&b| b == b'\n');
            self.complete = at.map(|at| self.length + at + 1);
        }
        self.length += count;
        Ok(output.producer_waits())
    }

    /// The client broke the protocol of the queue that it reads.
    pub fn close_input(&mut self, e: PeerError, notes: &mut Notes) {
        self.input = None;
        notes.add(format_args!("{} takes no input any more: {e}", self.name));
    }

    /// How much there is to show.
    pub fn held(&self) -> Held {
        if self.complete.is_some() || self.length == HELD_MAX {
            Held::Line
        } else if self.length > 0 {
            Held::Part
        } else {
            Held::Nothing
        }
    }

    /// The rest of the line, or what there is of it.
    pub fn text(&self) -> &[u8] {
        let (text, _) = self.line.split_at(self.complete.unwrap_or(self.length));
        text
    }

    /// Forgets the first bytes, which were shown: at most [`Client::text`].
    pub fn shown(&mut self, count: usize) {
        let count = count.min(self.length);
        self.line.copy_within(count..self.length, 0);
        self.length -= count;
        let (rest, _) = self.line.split_at(self.length);
        self.complete = rest.iter().position(|&b| b == b'\n').map(|at| at + 1);
    }
}
