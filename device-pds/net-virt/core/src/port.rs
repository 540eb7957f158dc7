//! A client's port.

use bulkhead_config::ClientSet;
use rate::Limiter;
use sddf::net::{Borrower, Breach, Loan, Waiting};
use shmem::{Read, ReadWrite, Region};

use crate::complaint::{Counters, Reason};
use crate::frame::Frame;
use crate::switch::SLOTS;

/// What a client may do.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// How many addresses it may take beyond its own.
    pub learn: u8,
    /// The ports that it exchanges frames with.
    pub peers: ClientSet,
    /// Whether it exchanges frames with the outside.
    pub uplink: bool,
    /// How much it may send.
    pub limit: Limiter,
    /// How many frames to groups.
    pub groups: Limiter,
}

/// What the shell has of a client.
#[derive(Debug)]
pub struct PortParts {
    /// The frames that it sends.
    pub sent: Borrower<SLOTS>,
    /// Where they are.
    pub sent_data: Region<Read>,
    /// The buffers for frames that it is given.
    pub given: Borrower<SLOTS>,
    /// Where they are.
    pub given_data: Region<ReadWrite>,
}

#[derive(Debug)]
pub(crate) struct Port {
    parts: PortParts,
    pub(crate) policy: Policy,
    pub(crate) counters: Counters,
    /// Whether it was complained of for its source addresses.
    pub(crate) accused: bool,
}

impl Port {
    pub(crate) fn new(mut parts: PortParts, policy: Policy) -> Self {
        // New buffers are looked for when there is a frame; nobody need tell.
        parts.given.ignore();
        Port { parts, policy, counters: Counters::default(), accused: false }
    }

    /// The next frame that the client sends, and what to give back for it; no
    /// frame if it is not one.
    pub(crate) fn take(&mut self) -> Result<Option<(Loan, Option<Frame>)>, Breach> {
        let Some(loan) = self.parts.sent.take()? else { return Ok(None) };
        let frame = Frame::read(&self.parts.sent_data, loan.offset(), loan.length());
        Ok(Some((loan, frame)))
    }

    /// Gives a buffer back to its sender.
    pub(crate) fn give_back(&mut self, loan: Loan) {
        self.parts.sent.give_back(loan, 0);
    }

    /// Gives the client a frame.
    pub(crate) fn deliver(&mut self, frame: &Frame) -> Result<(), Breach> {
        let Some(loan) = self.parts.given.take()? else {
            self.counters.drop(Reason::Full);
            return Ok(());
        };
        // Both ends lie in their regions; were it otherwise, the buffer goes
        // back empty.
        let length = match frame.write(&self.parts.given_data, loan.offset()) {
            Ok(()) => frame.length,
            Err(_) => 0,
        };
        self.parts.given.give_back(loan, length);
        self.counters.received += 1;
        Ok(())
    }

    /// Lets the client see what it was given, and what came back.
    ///
    /// # Returns
    /// Whether it must be notified.
    pub(crate) fn publish(&mut self) -> Result<bool, Breach> {
        let sent = self.parts.sent.publish()?;
        let given = self.parts.given.publish()?;
        Ok(sent || given)
    }

    /// Asks to be told of the next frame, unless there is one.
    pub(crate) fn wait(&mut self) -> Result<Waiting, Breach> {
        self.parts.sent.wait()
    }
}
