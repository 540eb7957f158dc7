//! Takes turns among the clients and writes what they say.

use core::fmt;

use bulkhead_config::{CLIENTS_MAX, NAME_MAX};
use heapless::{String, Vec};
use sddf::serial::{Consumer, LINKS_DOWN, PeerError};
use serial_driver_core::uart::{IER, Ports, Received, Uart};
use shmem::{ReadWrite, Word32};
use statistics::Reader;

use crate::answer;
use crate::frame::Frame;
use crate::line::{Line, Pushed};

/// How often an unready transmitter is polled before it counts as stuck. A
/// full FIFO takes 1.4 ms at 115,200 baud, and a poll is a kernel call of at
/// least 0.3 us, so this is at least twice that.
const POLLS: u32 = 10_000;

/// Bytes taken from a queue at a time.
const BATCH: usize = 64;

/// Batches taken in one turn: a client that never ends its line does not keep
/// the turn.
const BATCHES: u32 = 16;

/// Asks for the clients' counters.
pub const REQUEST: u8 = b'?';

/// Sets the links of a guest's network interfaces: this, and twice the client's
/// number, and 1 if they are to be up.
pub const LINKS: u8 = 0x80;
/// Such requests that there are.
const LINKS_REQUESTS: u8 = 2 * CLIENTS_MAX as u8;

/// Bytes taken from the receiver at a time: whoever sends more gets one answer
/// for all of them.
const RECEIVED_MAX: u32 = 64;

/// Guests and domains together.
const SUBJECTS_MAX: usize = 2 * CLIENTS_MAX;

/// More clients than twice [`CLIENTS_MAX`], or a name that is none: the
/// configuration is not this domain's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusError;

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are more than {SUBJECTS_MAX} clients")
    }
}

#[derive(Debug)]
struct Client {
    name: String<NAME_MAX>,
    subject: Subject,
    queue: Option<Consumer>,
    line: Line,
}

/// What a client's lines are about.
#[derive(Debug)]
pub enum Subject {
    /// The guest of the VMM that is the client: whatever it says.
    Guest {
        /// What the VMM counts.
        statistics: Option<Reader>,
        /// Where it reads what it is asked for ([`ASKED`](sddf::serial::ASKED)).
        asked: Word32<ReadWrite>,
    },
    /// The client itself: each line is a report, and can be nothing else.
    Domain,
}

/// What there was to take of a client.
enum Taken {
    /// A complete line is in its buffer.
    Line,
    /// Its turn is over, with no line yet.
    More,
    /// Nothing more is there.
    Nothing,
    /// Its queue is closed.
    Closed(PeerError),
}

impl Client {
    /// Takes bytes up to the end of the first line, a turn's worth at most.
    fn take_line(&mut self) -> Taken {
        let Some(queue) = &mut self.queue else { return Taken::Nothing };
        let mut batch = [0; BATCH];
        for _ in 0..BATCHES {
            let count = match queue.peek(&mut batch) {
                Ok(0) => return Taken::Nothing,
                Ok(count) => count,
                Err(e) => {
                    self.queue = None;
                    return Taken::Closed(e);
                }
            };
            let mut used = 0;
            let mut pushed = Pushed::Open;
            while used < count && pushed == Pushed::Open {
                pushed = self.line.push(batch[used]);
                used += 1;
            }
            if let Err(e) = queue.consume(used as u32) {
                self.queue = None;
                return Taken::Closed(e);
            }
            if pushed == Pushed::Complete {
                return Taken::Line;
            }
        }
        Taken::More
    }
}

/// The clients and the port.
#[derive(Debug)]
pub struct Status<P> {
    uart: Uart<P>,
    clients: Vec<Client, SUBJECTS_MAX>,
    /// Lines that the port did not take and that were not reported yet.
    lost: u32,
    /// The transmitter was stuck when last waited for.
    stuck: bool,
}

impl<P: Ports> Status<P> {
    /// Serves nobody yet.
    pub fn new(uart: Uart<P>) -> Self {
        Status { uart, clients: Vec::new(), lost: 0, stuck: false }
    }

    /// Adds the next client; one whose queue cannot be used is told of.
    ///
    /// # Errors
    /// There are twice [`CLIENTS_MAX`] already.
    pub fn add(
        &mut self,
        name: String<NAME_MAX>,
        subject: Subject,
        queue: Result<Consumer, PeerError>,
    ) -> Result<(), StatusError> {
        if let Err(why) = queue {
            self.send(&closed(&name, why));
        }
        let queue = queue.ok();
        let client = Client { name, subject, queue, line: Line::default() };
        self.clients.push(client).map_err(|_| StatusError)
    }

    /// Writes everything that waits, a line of each client at a time, until
    /// nothing does; whoever enqueues later notifies. `notify` is called with
    /// the number of a client that waits for room.
    pub fn serve(&mut self, mut notify: impl FnMut(usize)) {
        let mut again = true;
        while again {
            again = false;
            for number in 0..self.clients.len() {
                again |= self.serve_one(number, &mut notify);
            }
        }
    }

    /// Lets the port interrupt when a byte arrives.
    pub fn listen(&mut self) {
        self.uart.set_interrupts(IER::DATA_READY);
    }

    /// The port interrupted: takes what arrived and answers a request in it.
    /// `now` reads the clock; `notify` is called with the number of a client that is
    /// asked for something.
    pub fn interrupted(&mut self, now: impl Fn() -> u64, mut notify: impl FnMut(usize)) {
        let mut requested = false;
        for _ in 0..RECEIVED_MAX {
            match self.uart.receive() {
                Received::Byte(REQUEST) => requested = true,
                Received::Byte(byte) => {
                    if let Some(links) = byte.checked_sub(LINKS).filter(|n| *n < LINKS_REQUESTS) {
                        self.set_links(usize::from(links / 2), links % 2 == 1, &mut notify);
                    }
                }
                Received::Break => {}
                Received::Nothing => break,
            }
        }
        // What is still there, or came meanwhile, must interrupt again.
        self.uart.renew_edge();
        if !requested {
            return;
        }
        for number in 0..self.clients.len() {
            let Some(client) = self.clients.get(number) else { return };
            let Subject::Guest { statistics: Some(reader), .. } = &client.subject else { continue };
            let (name, read) = (client.name.clone(), reader.read());
            match read {
                Ok(snapshot) => answer::frames(&name, &snapshot, now(), |frame| self.send(frame)),
                Err(e) => self.send(&Frame::new(format_args!("guest {name} counted : {e}"))),
            }
        }
    }

    fn set_links(&self, number: usize, up: bool, notify: &mut impl FnMut(usize)) {
        if let Some(Client { subject: Subject::Guest { asked, .. }, .. }) = self.clients.get(number)
        {
            asked.store(if up { 0 } else { LINKS_DOWN });
            notify(number);
        }
    }

    /// Returns whether there may be more.
    fn serve_one(&mut self, number: usize, notify: &mut impl FnMut(usize)) -> bool {
        let Some(client) = self.clients.get_mut(number) else { return false };
        let taken = client.take_line();
        if client.queue.as_mut().is_some_and(Consumer::producer_waits) {
            notify(number);
        }
        match taken {
            Taken::Nothing => false,
            Taken::More => true,
            Taken::Closed(e) => {
                let frame = closed(&client.name, e);
                self.send(&frame);
                false
            }
            Taken::Line => {
                let text = core::str::from_utf8(client.line.text()).unwrap_or_default();
                let frame = match &client.subject {
                    Subject::Guest { .. } => {
                        Frame::new(format_args!("guest {} {text}", client.name))
                    }
                    Subject::Domain => {
                        let text = text.strip_prefix("report : ").unwrap_or(text);
                        Frame::new(format_args!("pd {} report : {text}", client.name))
                    }
                };
                let empty = text.is_empty();
                client.line.clear();
                if !empty {
                    self.send(&frame);
                }
                true
            }
        }
    }

    fn send(&mut self, frame: &Frame) {
        if self.lost > 0 {
            let lost = self.lost;
            let report = Frame::new(format_args!(
                "pd status report : {lost} lines lost, the port took none"
            ));
            if self.transmit(&report) {
                self.lost = 0;
            }
        }
        if self.stuck || !self.transmit(frame) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Returns whether all of it was taken. A frame that gets stuck half way
    /// stays half: the reader drops it when the next begins.
    fn transmit(&mut self, frame: &Frame) -> bool {
        for part in frame.bytes().chunks(self.uart.fifo()) {
            // A port that was stuck is looked at once, not waited for again.
            let polls = if self.stuck { 1 } else { POLLS };
            self.stuck = !(0..polls).any(|_| self.uart.can_send());
            if self.stuck {
                return false;
            }
            self.uart.send(part);
        }
        true
    }
}

fn closed(name: &str, why: PeerError) -> Frame {
    Frame::new(format_args!("pd status report : client {name} is closed, {why}"))
}
