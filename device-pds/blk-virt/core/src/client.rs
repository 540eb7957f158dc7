//! A client: its queue, its partition, its turn.

use sddf::block::{
    InfoSink, Operation, Request, Server, Status, StorageInfo, TRANSFER_SIZE, Ticket, Window,
};

use crate::virt::SLOTS;

/// What the shell has of a client.
#[derive(Debug)]
pub struct ClientParts {
    /// Its queue, attached.
    pub server: Server<SLOTS>,
    /// The page that says what disk it has.
    pub info: InfoSink,
    /// Its data region as the driver addresses it.
    pub data: Window,
    /// Whether it may only read.
    pub read_only: bool,
}

/// What a client has of the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Disk {
    /// That is not known yet; its requests wait.
    Unknown,
    /// These blocks.
    Range { first: u64, blocks: u64 },
    /// None; its requests are answered so.
    None,
}

/// What to do with a client's next request.
#[derive(Debug)]
pub(crate) enum Next {
    /// There is none, or it waits for the client's own.
    Nothing,
    /// It was answered here.
    Answered,
    /// It goes to the driver.
    Driver {
        ticket: Ticket,
        /// As the client wrote it.
        request: Request,
        /// As the driver gets it.
        translated: Request,
    },
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) server: Server<SLOTS>,
    info: InfoSink,
    data: Window,
    pub(crate) read_only: bool,
    pub(crate) disk: Disk,
    /// A request that was taken and could not go on yet.
    held: Option<(Ticket, Request)>,
    /// Its requests that the driver has.
    pub(crate) in_flight: u32,
    /// Blocks given to it, on the clock of [`crate::Virt`]'s turns.
    pub(crate) spent: u64,
    /// Whether its turn counts from before: it always had something to do.
    pub(crate) busy: bool,
}

impl Client {
    pub(crate) fn new(parts: ClientParts) -> Self {
        let ClientParts { server, info, data, read_only } = parts;
        info.withdraw();
        let disk = Disk::Unknown;
        Client {
            server,
            info,
            data,
            read_only,
            disk,
            held: None,
            in_flight: 0,
            spent: 0,
            busy: false,
        }
    }

    /// Gives it blocks of a disk, and says so.
    pub(crate) fn give(&mut self, first: u64, blocks: u64, of: &StorageInfo) {
        self.disk = Disk::Range { first, blocks };
        self.read_only |= of.read_only;
        // Geometry is the whole disk's; a part has none.
        self.info.publish(&StorageInfo {
            read_only: self.read_only,
            capacity: blocks,
            queue_depth: self.server.capacity() as u16,
            cylinders: 0,
            heads: 0,
            sectors: 0,
            ..*of
        });
    }

    /// Takes the disk away.
    pub(crate) fn take_away(&mut self) {
        self.disk = Disk::None;
        self.info.withdraw();
    }

    /// Looks at its next request.
    ///
    /// # Errors
    /// It broke its protocol.
    pub(crate) fn next(&mut self) -> Result<Next, sddf::block::Breach> {
        if self.disk == Disk::Unknown {
            return Ok(Next::Nothing);
        }
        let taken = match self.held.take() {
            Some(held) => Some(held),
            None => self.server.take()?,
        };
        let Some((ticket, request)) = taken else { return Ok(Next::Nothing) };
        if request.operation == Operation::Barrier && self.in_flight > 0 {
            self.held = Some((ticket, request));
            return Ok(Next::Nothing);
        }
        let (status, done) = match self.translate(&request) {
            Ok(Some(translated)) => return Ok(Next::Driver { ticket, request, translated }),
            Ok(None) => (Status::Ok, 0),
            Err(status) => (status, 0),
        };
        self.server.answer(ticket, status, done);
        Ok(Next::Answered)
    }

    /// Keeps a request for which the driver has no room.
    pub(crate) fn hold(&mut self, ticket: Ticket, request: Request) {
        self.held = Some((ticket, request));
    }

    /// A request as the driver gets it; none if there is nothing to do.
    ///
    /// # Errors
    /// How the client is answered instead.
    fn translate(&self, request: &Request) -> Result<Option<Request>, Status> {
        let (first, blocks) = match self.disk {
            Disk::Range { first, blocks } => (first, blocks),
            Disk::None | Disk::Unknown => return Err(Status::NoDevice),
        };
        match request.operation {
            Operation::Barrier => return Ok(None),
            Operation::Flush => return Ok(Some(Request::bare(Operation::Flush))),
            Operation::Write if self.read_only => return Err(Status::InvalidParameter),
            Operation::Read | Operation::Write => {}
        }
        let end = request.block.checked_add(u64::from(request.count));
        let own = Window { base: 0, size: self.data.size };
        let (Some(offset), true) = (own.offset_of(request), end.is_some_and(|end| end <= blocks))
        else {
            return Err(Status::InvalidParameter);
        };
        // Neither sum wraps: the range lies on the disk, the window in the
        // address space, and the request within both.
        Ok(Some(Request {
            buffer: self.data.base + offset,
            block: first + request.block,
            ..*request
        }))
    }
}

/// Whether a window's addresses are addresses.
pub(crate) fn is_possible(window: &Window) -> bool {
    window.base.checked_add(window.size).is_some() && window.base.is_multiple_of(TRANSFER_SIZE)
}
