//! The line to the outside: the driver's queues, with buffers of our own.

use rate::Limiter;
use sddf::net::{Breach, Buffer, Lender, Lent, Waiting};
use shmem::{Read, ReadWrite, Region};

use crate::complaint::{Counters, Reason};
use crate::frame::Frame;
use crate::switch::SLOTS;

/// What may come in.
#[derive(Clone, Debug, Default)]
pub struct UplinkPolicy {
    /// How much.
    pub limit: Limiter,
    /// How many frames to groups.
    pub groups: Limiter,
}

/// What the shell has of the driver.
#[derive(Debug)]
pub struct UplinkParts {
    /// Frames for the driver to transmit.
    pub transmit: Lender<SLOTS>,
    /// Where they are.
    pub transmit_data: Region<ReadWrite>,
    /// Buffers for the driver to receive into.
    pub receive: Lender<SLOTS>,
    /// Where they are.
    pub receive_data: Region<Read>,
}

#[derive(Debug)]
pub(crate) struct Uplink {
    parts: UplinkParts,
    pub(crate) policy: UplinkPolicy,
    pub(crate) counters: Counters,
}

impl Uplink {
    pub(crate) fn new(mut parts: UplinkParts, policy: UplinkPolicy) -> Self {
        // Buffers that were sent are looked for when one is needed.
        parts.transmit.ignore();
        Uplink { parts, policy, counters: Counters::default() }
    }

    /// The next frame from outside, and the buffer to lend again; no frame if it
    /// is not one.
    pub(crate) fn take(&mut self) -> Result<Option<(Buffer, Option<Frame>)>, Breach> {
        let Some((buffer, length)) = self.parts.receive.next_returned()? else { return Ok(None) };
        let frame = Frame::read(&self.parts.receive_data, buffer.offset(), length);
        Ok(Some((buffer, frame)))
    }

    /// Keeps a buffer for the driver to receive into.
    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        self.parts.receive.keep(buffer);
    }

    /// Sends a frame outside.
    pub(crate) fn deliver(&mut self, frame: &Frame) -> Result<(), Breach> {
        let transmit = &mut self.parts.transmit;
        if transmit.unused() == 0 {
            while let Some((buffer, _)) = transmit.next_returned()? {
                transmit.keep(buffer);
            }
        }
        let Some(buffer) = transmit.take() else {
            self.counters.drop(Reason::Full);
            return Ok(());
        };
        if frame.write(&self.parts.transmit_data, buffer.offset()).is_err() {
            // It lies in its region, so this is for a region of another size.
            transmit.keep(buffer);
            self.counters.drop(Reason::Full);
            return Ok(());
        }
        match transmit.lend(buffer, frame.length)? {
            Lent::Yes => self.counters.received += 1,
            Lent::Full(buffer) => {
                transmit.keep(buffer);
                self.counters.drop(Reason::Full);
            }
        }
        Ok(())
    }

    /// Lends the driver every buffer for receiving that is ours, and lets it see
    /// what it has.
    ///
    /// # Returns
    /// Whether it must be notified.
    pub(crate) fn publish(&mut self) -> Result<bool, Breach> {
        let receive = &mut self.parts.receive;
        while let Some(buffer) = receive.take() {
            if let Lent::Full(buffer) = receive.lend(buffer, 0)? {
                receive.keep(buffer);
                break;
            }
        }
        let (receive, transmit) = (receive.publish(), self.parts.transmit.publish());
        Ok(receive || transmit)
    }

    /// Asks to be told of the next frame, unless there is one.
    pub(crate) fn wait(&mut self) -> Result<Waiting, Breach> {
        self.parts.receive.wait()
    }
}
