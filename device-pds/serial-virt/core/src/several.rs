//! Several clients: whose line is shown next.

use heapless::Vec;
use sddf::serial::{PeerError, Space};

use crate::client::{Held, PREFIX_MAX};
use crate::filter::{EXPANSION_MAX, Pushed, add};
use crate::input::Typed;
use crate::virt::{Outcome, Virt};

/// Bytes of output that a client may have in its turn. The line that passes
/// this is still completed.
pub const QUANTUM: usize = 1024;

/// Bytes of an open line that others wait for its owner to go on with.
pub const LINE_MAX: usize = 512;

/// Bytes that may wait in the driver's queue: 0.18 s at 115,200 baud. More
/// would only delay whoever is next.
pub const IN_FLIGHT: u32 = 2048;

/// Bytes put on the wire in one piece.
pub const OUT_MAX: usize = 1024;

/// Room without which nothing is begun: the end of another's line, a prefix
/// and what one byte may become.
const ROOM_MIN: u32 = (EXPANSION_MAX + 2 * PREFIX_MAX + EXPANSION_MAX) as u32;

/// The line on the terminal that has no end yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenLine {
    client: usize,
    /// Bytes of the client's that it has.
    length: usize,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    client: usize,
    /// What is left of its quantum.
    credit: usize,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// Show what this client has, as a line of its own.
    Show(usize),
    /// Show more of the open line, which is this client's.
    Continue(usize),
    /// Somebody has something, but the wire must be idle first.
    Drain,
    /// Nobody has anything.
    Rest,
}

impl Virt {
    /// From the clients to the line.
    pub(crate) fn multiplex(&mut self, outcome: &mut Outcome) {
        for client in &mut self.clients {
            client.begin();
        }
        loop {
            self.refill(outcome);
            let room = match self.room() {
                Ok(Some(room)) => room,
                Ok(None) => return,
                Err(e) => return self.lose_driver_output(e, outcome),
            };
            let written = if !self.notes.text().is_empty() {
                match self.write_notes() {
                    Ok(Space::Available) => Ok(()),
                    Ok(Space::Wait) => return,
                    Err(e) => Err(e),
                }
            } else {
                let idle = match self.driver_output.as_mut().map(|d| d.pending()) {
                    None => return,
                    Some(Ok(pending)) => pending == 0,
                    Some(Err(e)) => return self.lose_driver_output(e, outcome),
                };
                match self.next(idle) {
                    Next::Continue(client) => self.show(client, room),
                    Next::Show(client) => {
                        let mut out = Vec::new();
                        self.break_line(&mut out);
                        match self.write(&out) {
                            Ok(()) => self.show(client, room - out.len()),
                            Err(e) => Err(e),
                        }
                    }
                    Next::Rest => return,
                    Next::Drain => match self.drained() {
                        Ok(Space::Available) => continue,
                        Ok(Space::Wait) => return,
                        Err(e) => return self.lose_driver_output(e, outcome),
                    },
                }
            };
            match written {
                Ok(()) => outcome.driver = true,
                Err(e) => return self.lose_driver_output(e, outcome),
            }
        }
    }

    fn refill(&mut self, outcome: &mut Outcome) {
        for (number, client) in self.clients.iter_mut().enumerate() {
            match client.refill() {
                Ok(false) => {}
                Ok(true) => outcome.clients.insert(number),
                Err(e) => self.notes.add(format_args!("{} is disconnected: {e}", client.name)),
            }
        }
    }

    /// How many bytes may be written now; nothing if it is too few, and then
    /// the driver notifies when it is more.
    fn room(&mut self) -> Result<Option<usize>, PeerError> {
        let Some(driver) = &mut self.driver_output else { return Ok(None) };
        let reserve = driver.capacity().saturating_sub(IN_FLIGHT);
        match driver.wait_for_space(reserve + ROOM_MIN)? {
            Space::Wait => Ok(None),
            Space::Available => Ok(Some((driver.free()? - reserve) as usize)),
        }
    }

    /// Asks the driver to notify as soon as its queue is empty.
    fn drained(&mut self) -> Result<Space, PeerError> {
        match &mut self.driver_output {
            Some(driver) => driver.wait_for_space(driver.capacity()),
            None => Ok(Space::Wait),
        }
    }

    fn next(&mut self, idle: bool) -> Next {
        if let Some(open) = self.open {
            let others = self
                .clients
                .iter()
                .enumerate()
                .any(|(n, c)| n != open.client && c.held() != Held::Nothing);
            let goes_on = self.clients.get(open.client).is_some_and(|c| c.held() != Held::Nothing);
            if goes_on && (!others || open.length < LINE_MAX) {
                return Next::Continue(open.client);
            }
            if !others {
                return Next::Rest;
            }
            // Its owner may yet go on while its bytes are on the wire.
            if !goes_on && !idle {
                return Next::Drain;
            }
        }
        match self.choose(Held::Line) {
            Some(client) => Next::Show(client),
            None => match self.choose(Held::Part) {
                Some(client) if idle => Next::Show(client),
                Some(_) => Next::Drain,
                None => Next::Rest,
            },
        }
    }

    /// The client whose turn it is among those that have at least this.
    fn choose(&mut self, least: Held) -> Option<usize> {
        let has = |client: usize| {
            self.clients.get(client).is_some_and(|c| c.held() == Held::Line || c.held() == least)
        };
        let count = self.clients.len();
        if self.turn.credit > 0 && has(self.turn.client) {
            return Some(self.turn.client);
        }
        // The one whose turn was last comes last.
        let client = (1..=count).map(|n| (self.turn.client + n) % count).find(|&c| has(c))?;
        self.turn = Turn { client, credit: QUANTUM };
        Some(client)
    }

    /// Shows the rest of a client's line, or as much of it as there is, and as
    /// there is room for. The open line is this client's, or there is none.
    fn show(&mut self, number: usize, room: usize) -> Result<(), PeerError> {
        let mut out: Vec<u8, OUT_MAX> = Vec::new();
        let room = room.min(OUT_MAX);
        let length = self.open.map_or(0, |open| open.length);
        let Some(client) = self.clients.get_mut(number) else { return Ok(()) };
        if self.open.is_none() {
            add(&mut out, &client.prefix);
        }
        let mut used = 0;
        let mut pushed = Pushed::Open;
        let text_length = client.text().len();
        while used < text_length
            && pushed == Pushed::Open
            && out.len() + PREFIX_MAX + EXPANSION_MAX <= room
        {
            let Some(&byte) = client.text().get(used) else { break };
            pushed = client.filter.push(byte, &client.prefix, &mut out);
            used += 1;
        }
        client.shown(used);
        self.open = match pushed {
            Pushed::Open => Some(OpenLine { client: number, length: length + used }),
            Pushed::Ended => None,
        };
        if self.turn.client == number {
            self.turn.credit = self.turn.credit.saturating_sub(out.len());
        }
        self.write(&out)
    }

    /// Ends the open line in mid-line.
    fn break_line(&mut self, out: &mut Vec<u8, OUT_MAX>) {
        if let Some(open) = self.open.take()
            && let Some(client) = self.clients.get_mut(open.client)
        {
            client.filter.end(out);
        }
    }

    /// Shows what the virtualiser has to say, whosever line is open.
    fn write_notes(&mut self) -> Result<Space, PeerError> {
        let Some(driver) = &mut self.driver_output else { return Ok(Space::Wait) };
        let length = self.notes.text().len() + EXPANSION_MAX;
        if driver.wait_for_space(length as u32)? == Space::Wait {
            return Ok(Space::Wait);
        }
        let mut out: Vec<u8, OUT_MAX> = Vec::new();
        self.break_line(&mut out);
        add(&mut out, self.notes.text());
        self.notes.clear();
        self.write(&out)?;
        Ok(Space::Available)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        if let Some(driver) = &mut self.driver_output {
            driver.enqueue(bytes)?;
        }
        Ok(())
    }

    /// From the line to the clients, as much as is there now.
    pub(crate) fn distribute(&mut self, outcome: &mut Outcome) {
        let Some(driver) = &mut self.driver_input else { return };
        let mut left = match driver.len() {
            Ok(length) => length as usize,
            Err(e) => return self.lose_driver_input(e, outcome),
        };
        while left > 0 {
            let Some(driver) = &mut self.driver_input else { return };
            let mut bytes = [0; 64];
            let (bytes, _) = bytes.split_at_mut(left.min(64));
            let count = match driver.dequeue(bytes) {
                Ok(0) => return,
                Ok(count) => count,
                Err(e) => return self.lose_driver_input(e, outcome),
            };
            left -= count;
            outcome.driver |= driver.producer_waits();
            for &byte in bytes.iter().take(count) {
                match self.typed.push(byte) {
                    Typed::Nothing => {}
                    Typed::Byte(byte) => self.give(byte, outcome),
                    Typed::Select(client) => self.select(client),
                }
            }
        }
    }

    fn give(&mut self, byte: u8, outcome: &mut Outcome) {
        let Some(client) = self.clients.get_mut(self.selected) else { return };
        let Some(input) = &mut client.input else { return };
        match input.enqueue(&[byte]) {
            Ok(0) => self.dropped = self.dropped.saturating_add(1),
            Ok(_) => outcome.clients.insert(self.selected),
            Err(e) => client.close_input(e, &mut self.notes),
        }
    }

    fn select(&mut self, number: usize) {
        match self.clients.get(number) {
            Some(client) => {
                self.selected = number;
                self.notes.add(format_args!("input goes to {}", client.name));
            }
            None => self.notes.add(format_args!("there is no client {}", number + 1)),
        }
    }
}
