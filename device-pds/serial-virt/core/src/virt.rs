//! The virtualiser: its clients, its driver, and what it does when notified.

use core::fmt;

use bulkhead_config::{CLIENTS_MAX, ClientSet, NAME_MAX};
use heapless::{String, Vec};
use sddf::serial::{Consumer, PeerError, Producer};

use crate::client::Client;
use crate::input::Input;
use crate::notes::{NOTES_MAX, Notes};
use crate::several::{OpenLine, Turn};

/// A driver's queue that is too small to be shared, or too many clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VirtError {
    /// The driver's transmit queue holds fewer bytes than [`Virt::DRIVER_MIN`].
    DriverQueue {
        /// What it holds.
        capacity: u32,
    },
    /// There are [`CLIENTS_MAX`] already.
    Clients,
}

impl fmt::Display for VirtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VirtError::DriverQueue { capacity } => write!(
                f,
                "the driver's transmit data region has {capacity} bytes; give it {} or more",
                Virt::DRIVER_MIN
            ),
            VirtError::Clients => write!(f, "there are more than {CLIENTS_MAX} clients"),
        }
    }
}

/// Which of the driver's queues was closed: the driver broke its protocol, and
/// nothing passes that way any more. Clients keep their data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// Towards the line.
    Output(PeerError),
    /// From the line.
    Input(PeerError),
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Output(e) => write!(f, "the driver's transmit queue is closed: {e}"),
            Complaint::Input(e) => write!(f, "the driver's receive queue is closed: {e}"),
        }
    }
}

/// What the shell has to do after [`Virt::serve`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Notify the driver.
    pub driver: bool,
    /// Notify these clients.
    pub clients: ClientSet,
    /// Report this.
    pub complaint: Option<Complaint>,
}

/// A client's queues, as seen from here.
#[derive(Debug)]
pub struct ClientQueues {
    /// What the client writes.
    pub output: Consumer,
    /// What it reads.
    pub input: Producer,
}

/// The virtualiser.
#[derive(Debug)]
pub struct Virt {
    pub(crate) driver_output: Option<Producer>,
    pub(crate) driver_input: Option<Consumer>,
    pub(crate) clients: Vec<Client, CLIENTS_MAX>,
    pub(crate) notes: Notes,
    pub(crate) open: Option<OpenLine>,
    pub(crate) turn: Turn,
    pub(crate) typed: Input,
    pub(crate) selected: usize,
    pub(crate) dropped: u32,
}

impl Virt {
    /// Bytes that the driver's transmit queue must hold, so that the
    /// virtualiser's own notes and the longest prefix fit.
    pub const DRIVER_MIN: u32 = 512;

    /// Serves nobody yet.
    ///
    /// # Errors
    /// The driver's transmit queue is too small.
    pub fn new(output: Producer, input: Consumer) -> Result<Self, VirtError> {
        let capacity = output.capacity();
        if capacity < Self::DRIVER_MIN {
            return Err(VirtError::DriverQueue { capacity });
        }
        Ok(Virt {
            driver_output: Some(output),
            driver_input: Some(input),
            clients: Vec::new(),
            notes: Notes::default(),
            open: None,
            turn: Turn::default(),
            typed: Input::default(),
            selected: 0,
            dropped: 0,
        })
    }

    /// Adds the next client.
    ///
    /// # Errors
    /// There are [`CLIENTS_MAX`] already.
    pub fn add(&mut self, name: String<NAME_MAX>, queues: ClientQueues) -> Result<(), VirtError> {
        let ClientQueues { output, input } = queues;
        let mut client = Client::closed(self.clients.len(), name);
        client.output = Some(output);
        client.input = Some(input);
        self.clients.push(client).map_err(|_| VirtError::Clients)
    }

    /// Adds the next client as one that is disconnected: its queues made no
    /// sense when this domain, restarted perhaps, took them over. It is named
    /// on the terminal.
    ///
    /// # Errors
    /// There are [`CLIENTS_MAX`] already.
    pub fn add_closed(&mut self, name: String<NAME_MAX>, why: PeerError) -> Result<(), VirtError> {
        self.notes.add(format_args!("{name} is disconnected: {why}"));
        let client = Client::closed(self.clients.len(), name);
        self.clients.push(client).map_err(|_| VirtError::Clients)
    }

    /// Does what there is to do, whoever notified.
    pub fn serve(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        if self.clients.len() <= 1 {
            self.pass_input(&mut outcome);
            self.pass_output(&mut outcome);
        } else {
            self.distribute(&mut outcome);
            self.multiplex(&mut outcome);
        }
        outcome
    }

    /// Bytes typed that the selected client had no room for.
    pub fn dropped(&self) -> u32 {
        self.dropped
    }
}

const _: () = assert!(NOTES_MAX + 64 <= Virt::DRIVER_MIN as usize);
