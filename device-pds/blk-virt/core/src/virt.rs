//! The virtualiser: its clients, its driver, and what it does when notified.

use core::fmt;

use bulkhead_config::{BlkPartition, CLIENTS_MAX, ClientSet};
use heapless::Vec;
use sddf::block::{
    AttachError, Breach, Client as Driver, Completion, InfoSource, Operation, Outcome as Ended,
    Request, Status, StorageInfo, Submitted, Ticket, Window,
};
use shmem::{Read, Region};

use crate::client::{Client, ClientParts, Next, is_possible};
use crate::complaint::{Complaint, Refusal};
use crate::gpt::GptError;
use crate::reader::{BLOCK, BLOCKS_MAX, Progress, Reader};

/// Most slots of a client's queue: what 8 KiB of requests hold.
pub const SLOTS: usize = 128;

/// Most requests that the driver has at once.
pub const DRIVER_SLOTS: usize = 128;

/// A description that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VirtError {
    /// There are more than [`CLIENTS_MAX`] clients.
    Clients,
    /// A data region ends beyond the address space, or does not begin at a
    /// multiple of 4 KiB.
    Data {
        /// As the driver addresses it.
        window: Window,
    },
    /// A client wants a partition of the disk's table, and there is no region
    /// for the virtualiser to read the table into.
    NoTableData,
}

impl fmt::Display for VirtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VirtError::Clients => write!(f, "there are more than {CLIENTS_MAX} clients"),
            VirtError::Data { window: Window { base, size } } => write!(
                f,
                "a data region of {size:#x} bytes at {base:#x}: it must begin at a multiple of 4 KiB and end in the address space"
            ),
            VirtError::NoTableData => f.write_str(
                "a client wants a partition of the disk's table, and no region is mapped as `driver_data` to read it into",
            ),
        }
    }
}

/// What the shell has of the driver.
#[derive(Debug)]
pub struct DriverParts {
    /// Its queue, attached.
    pub queue: Driver<Token, DRIVER_SLOTS>,
    /// The page on which it says what disk it has.
    pub info: InfoSource,
    /// A region of the virtualiser's own for the partition table, of a block or
    /// more, and how the driver addresses it.
    pub data: Option<(Region<Read>, Window)>,
}

/// Whose request the driver has.
#[derive(Debug)]
pub struct Token(Owner);

#[derive(Debug)]
enum Owner {
    Client(usize, Ticket),
    Table,
}

/// What the shell has to do after [`Virt::serve`].
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Notify the driver.
    pub driver: bool,
    /// Notify these clients.
    pub clients: ClientSet,
    /// Report these.
    pub complaints: Vec<Complaint, { 2 * CLIENTS_MAX + 1 }>,
}

/// What is known of the disk.
#[expect(clippy::large_enum_variant, reason = "there is one of them, and no heap")]
#[derive(Debug)]
enum State {
    /// The driver has not said what disk it has.
    Waiting,
    /// The table is being read; whether the next block was asked for.
    Reading { reader: Reader, block: u64, asked: bool },
    /// Every client has what it will have.
    Serving,
}

/// The virtualiser.
#[derive(Debug)]
pub struct Virt {
    driver: Driver<Token, DRIVER_SLOTS>,
    info: InfoSource,
    data: Option<(Region<Read>, Window)>,
    driver_closed: bool,
    disk: StorageInfo,
    state: State,
    clients: Vec<Option<Client>, CLIENTS_MAX>,
    wanted: Vec<BlkPartition, CLIENTS_MAX>,
    /// The least that a client in turn has been given; see the crate's head.
    clock: u64,
    /// To report with the next outcome.
    complaints: Vec<Complaint, { 2 * CLIENTS_MAX + 1 }>,
}

impl Virt {
    /// Serves nobody yet.
    ///
    /// # Errors
    /// The region for the table cannot be.
    pub fn new(driver: DriverParts) -> Result<Self, VirtError> {
        let DriverParts { queue, info, data } = driver;
        let data = match data {
            Some((region, window)) if region.len() >= BLOCK && window.size >= BLOCK as u64 => {
                if !is_possible(&window) {
                    return Err(VirtError::Data { window });
                }
                Some((region, window))
            }
            Some(_) | None => None,
        };
        Ok(Virt {
            driver: queue,
            info,
            data,
            driver_closed: false,
            disk: StorageInfo::of(0),
            state: State::Waiting,
            clients: Vec::new(),
            wanted: Vec::new(),
            clock: 0,
            complaints: Vec::new(),
        })
    }

    /// Adds the next client, or one whose queues made no sense when this domain,
    /// restarted perhaps, took them over: it is disconnected, and named with the
    /// next outcome.
    ///
    /// # Errors
    /// There are too many, its data region cannot be, or there is nothing to
    /// read the table into that it needs.
    pub fn add(
        &mut self,
        wants: BlkPartition,
        client: Result<ClientParts, AttachError>,
    ) -> Result<(), VirtError> {
        let number = self.clients.len();
        if wants.needs_table() && self.data.is_none() {
            return Err(VirtError::NoTableData);
        }
        let client = match client {
            Ok(parts) if !is_possible(&parts.data) => {
                return Err(VirtError::Data { window: parts.data });
            }
            Ok(parts) => Some(Client::new(parts)),
            Err(e) => {
                self.complain(Complaint::Attach(number, e));
                None
            }
        };
        self.wanted.push(wants).map_err(|_| VirtError::Clients)?;
        self.clients.push(client).map_err(|_| VirtError::Clients)
    }

    /// Does what there is to do, whoever notified.
    pub fn serve(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        self.completions();
        self.find_disk();
        self.requests();
        outcome.driver = self.driver.publish();
        for number in 0..self.clients.len() {
            let Some(client) = self.clients.get_mut(number).and_then(Option::as_mut) else {
                continue;
            };
            match client.server.publish() {
                Ok(true) => outcome.clients.insert(number),
                Ok(false) => {}
                Err(breach) => self.disconnect(number, breach),
            }
        }
        outcome.complaints = core::mem::take(&mut self.complaints);
        outcome
    }

    /// Passes the driver's answers on.
    fn completions(&mut self) {
        loop {
            match self.driver.next_completion() {
                Ok(Some(completion)) => self.completed(completion),
                Ok(None) => return,
                Err(breach) => return self.driver_broke(breach),
            }
        }
    }

    fn completed(&mut self, completion: Completion<Token>) {
        let Completion { request, token: Token(owner), outcome } = completion;
        let (status, done) = match outcome {
            Ended::Done => (Status::Ok, request.count),
            Ended::Failed { status, done } => (status, done),
        };
        match owner {
            Owner::Client(number, ticket) => self.answer(number, ticket, status, done),
            Owner::Table => self.table_read(status == Status::Ok),
        }
    }

    /// Answers a client, if it is still there.
    fn answer(&mut self, number: usize, ticket: Ticket, status: Status, done: u16) {
        if let Some(client) = self.clients.get_mut(number).and_then(Option::as_mut) {
            client.in_flight = client.in_flight.saturating_sub(1);
            client.server.answer(ticket, status, done);
        }
    }

    /// Ends the driver's connection: what it had has failed, and nobody has a
    /// disk any more. The buffers it had are lost to it, not to their clients:
    /// what a device still writes there, it could write at any time.
    fn driver_broke(&mut self, breach: Breach) {
        if self.driver_closed {
            return;
        }
        self.driver_closed = true;
        while let Some((_, Token(owner))) = self.driver.abandon() {
            match owner {
                Owner::Client(number, ticket) => self.answer(number, ticket, Status::Io, 0),
                Owner::Table => {}
            }
        }
        self.state = State::Serving;
        self.clients.iter_mut().flatten().for_each(Client::take_away);
        self.complain(Complaint::Driver(breach));
    }

    /// Learns what disk there is, and what is whose.
    fn find_disk(&mut self) {
        if matches!(self.state, State::Waiting) {
            let Some(disk) = self.info.read() else { return };
            self.disk = StorageInfo { capacity: disk.capacity.min(BLOCKS_MAX), ..disk };
            if !self.wanted.iter().any(BlkPartition::needs_table) {
                return self.share(None);
            }
            match Reader::new(self.disk.capacity, self.disk.sector_size) {
                Ok(reader) => {
                    let progress = reader.begin();
                    self.read_on(reader, progress);
                }
                Err(e) => self.share(Some(Err(e))),
            }
        }
        if let State::Reading { block, asked: asked @ false, .. } = &mut self.state
            && let Some((_, window)) = &self.data
        {
            let request = Request {
                operation: Operation::Read,
                buffer: window.base,
                block: *block,
                count: 1,
            };
            match self.driver.submit(request, Token(Owner::Table)) {
                Ok(Submitted::Yes) => *asked = true,
                // Later; or never, which the next completion tells.
                Ok(Submitted::Full(_)) | Err(_) => {}
            }
        }
    }

    /// Takes the block of the table that was read.
    fn table_read(&mut self, good: bool) {
        let State::Reading { mut reader, .. } = core::mem::replace(&mut self.state, State::Waiting)
        else {
            self.state = State::Serving;
            return;
        };
        let mut bytes = [0; BLOCK];
        let read = self.data.as_ref().map(|(region, _)| region.read(0, &mut bytes));
        let bytes = (good && read == Some(Ok(()))).then_some(&bytes);
        let progress = reader.feed(bytes, &self.wanted);
        self.read_on(reader, progress);
    }

    fn read_on(&mut self, reader: Reader, progress: Progress) {
        match progress {
            Progress::Read { block } => {
                self.state = State::Reading { reader, block, asked: false };
            }
            Progress::Done => self.share(Some(Ok(&reader))),
            Progress::Failed(e) => self.share(Some(Err(e))),
        }
    }

    /// Gives each client what it wants of the disk.
    fn share(&mut self, table: Option<Result<&Reader, GptError>>) {
        let capacity = self.disk.capacity;
        let mut given: Vec<Option<(u64, u64)>, CLIENTS_MAX> = Vec::new();
        for (number, wants) in self.wanted.iter().enumerate() {
            let found = match wants {
                BlkPartition::Whole => Ok((0, capacity)),
                &BlkPartition::Range { first, blocks } => {
                    let blocks = blocks.get();
                    match first.checked_add(blocks) {
                        Some(end) if end <= capacity => Ok((first, blocks)),
                        Some(_) | None => Err(Refusal::Range { first, blocks, capacity }),
                    }
                }
                BlkPartition::Index(_) | BlkPartition::Name(_) | BlkPartition::Guid(_) => {
                    match table {
                        Some(Ok(reader)) => reader.partition(number),
                        Some(Err(e)) => Err(Refusal::Table(e)),
                        None => Err(Refusal::NotFound),
                    }
                }
            };
            let checked = found.and_then(|range| match self.overlapping(&given, number, range) {
                Some(with) => Err(Refusal::Overlap { with }),
                None => Ok(range),
            });
            let Some(Some(client)) = self.clients.get_mut(number) else {
                let _ = given.push(None);
                continue;
            };
            match checked {
                Ok((first, blocks)) => client.give(first, blocks, &self.disk),
                Err(why) => {
                    client.take_away();
                    let _ = self.complaints.push(Complaint::Refused(number, why));
                }
            }
            let _ = given.push(checked.ok());
        }
        self.state = State::Serving;
    }

    /// The earlier client that has blocks of these, if one of the two writes.
    fn overlapping(
        &self,
        given: &[Option<(u64, u64)>],
        number: usize,
        (first, blocks): (u64, u64),
    ) -> Option<usize> {
        let reads_only = |number: usize| {
            self.disk.read_only
                || self.clients.get(number).is_some_and(|c| c.as_ref().is_none_or(|c| c.read_only))
        };
        given.iter().enumerate().find_map(|(with, range)| {
            let (other, others) = (*range)?;
            let apart = first + blocks <= other || other + others <= first;
            let harmless = apart || (reads_only(with) && reads_only(number));
            (!harmless).then_some(with)
        })
    }

    /// Hands requests to the driver, in turns, as long as it has room.
    fn requests(&mut self) {
        let mut idle = ClientSet::default();
        while let Some(number) = self.whose_turn(idle) {
            let Some(Some(client)) = self.clients.get_mut(number) else { return };
            if !client.busy {
                client.busy = true;
                client.spent = client.spent.max(self.clock);
            }
            self.clock = client.spent;
            match client.next() {
                Ok(Next::Nothing) => {
                    // A client whose requests are under way keeps its place.
                    client.busy = client.in_flight > 0;
                    idle.insert(number);
                }
                Ok(Next::Answered) => client.spent += 1,
                Ok(Next::Driver { ticket, request, translated }) => {
                    let token = Token(Owner::Client(number, ticket));
                    match self.driver.submit(translated, token) {
                        Ok(Submitted::Yes) => {
                            client.in_flight += 1;
                            client.spent += 1 + u64::from(request.count);
                        }
                        Ok(Submitted::Full(Token(Owner::Client(_, ticket)))) => {
                            client.hold(ticket, request);
                            match self.driver.broken() {
                                // Then it is answered in its next turn.
                                Some(breach) => self.driver_broke(breach),
                                None => return,
                            }
                        }
                        // Neither happens: the token is a client's, and nobody
                        // has a disk of a driver that is known to be broken.
                        Ok(Submitted::Full(Token(Owner::Table))) | Err(_) => return,
                    }
                }
                Err(breach) => {
                    idle.insert(number);
                    self.disconnect(number, breach);
                }
            }
        }
    }

    /// The client that has been given the least, of those not known to be idle.
    fn whose_turn(&self, idle: ClientSet) -> Option<usize> {
        let waiting = self.clients.iter().enumerate().filter_map(|(number, client)| {
            let client = client.as_ref()?;
            let spent = if client.busy { client.spent } else { client.spent.max(self.clock) };
            (!idle.contains(number)).then_some((spent, number))
        });
        waiting.min().map(|(_, number)| number)
    }

    fn disconnect(&mut self, number: usize, breach: Breach) {
        if let Some(mut client) = self.clients.get_mut(number).and_then(Option::take) {
            client.take_away();
        }
        self.complain(Complaint::Client(number, breach));
    }

    /// At most two for each client and one for the driver, so that there is room.
    fn complain(&mut self, complaint: Complaint) {
        let _ = self.complaints.push(complaint);
    }
}
