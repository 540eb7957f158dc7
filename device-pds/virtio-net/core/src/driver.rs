//! Frames between the virtualiser's buffers and the device's.

use core::fmt;

use heapless::Vec;
use sddf::net::{Borrower, Breach, Flag, Waiting};
use shmem::{Read, ReadWrite, Region};
use virtio_drivers::{config::read_config, transport::Transport as _};
use virtio_hal::{
    Buffer, DeviceStatus, Done, InterruptStatus, Lie, Pooled, Queue, Registers, Rejected,
    StartError, Transport,
};

use crate::bits::{self, Config, Features, HEADER};

/// Buffers of either direction.
pub const EACH: usize = 64;

/// Shortest and longest frame, without its checksum: a header, and 1,500 bytes behind
/// it.
const FRAME_MIN: usize = 14;
const FRAME_MAX: usize = 1514;

/// Bytes of a buffer, rounded up to a cache line. A device may want 1,526 (5.1.6.3.1).
pub const BUFFER: usize = (HEADER + FRAME_MAX).next_multiple_of(64);

/// Pages that the rings of both queues take in the region for DMA.
pub const RING_PAGES: usize = 2 * Queue::<Nowhere, (), EACH>::PAGES;

/// A pool for the count of its pages, which does not depend on it.
enum Nowhere {}

impl Pooled for Nowhere {
    fn pool() -> &'static virtio_hal::Pool {
        static NONE: virtio_hal::Pool = virtio_hal::Pool::new();
        &NONE
    }
}

/// The queues of both directions, and where their frames are.
#[derive(Debug)]
pub struct Network<const N: usize, M: Flag = sddf::net::Ring> {
    /// Empty buffers, to be given back with frames.
    pub receive: Borrower<N, M>,
    /// Their region.
    pub receive_data: Region<ReadWrite>,
    /// Frames to send.
    pub transmit: Borrower<N, M>,
    /// Their region.
    pub transmit_data: Region<Read>,
}

/// The driver's own buffers, of [`BUFFER`] bytes each.
#[derive(Debug, Default)]
pub struct Buffers {
    /// For frames that come.
    pub receive: Vec<Buffer, EACH>,
    /// For frames that go.
    pub transmit: Vec<Buffer, EACH>,
}

/// What the caller has to do.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The other end must be notified.
    pub notify: bool,
    /// There is more to do: call again.
    pub again: bool,
}

/// What went wrong, for a report. The device is not used any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trouble {
    /// The device said what cannot be.
    Lie(Lie),
    /// The device gave up.
    GaveUp,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Lie(lie) => lie.fmt(f),
            Trouble::GaveUp => f.write_str("the device wants to be reset, and is given up"),
        }
    }
}

/// The driver.
#[derive(Debug)]
pub struct Driver<P: Pooled, R> {
    transport: Transport<R>,
    receive: Queue<P, (), EACH>,
    transmit: Queue<P, (), EACH>,
    /// Buffers of frames that are not under way.
    idle: Vec<Buffer, EACH>,
    features: Features,
    gone: bool,
    trouble: Option<Trouble>,
    dropped: u64,
}

impl<P: Pooled, R: Registers> Driver<P, R> {
    /// Takes the device over, whatever it is doing, and gives it what it receives
    /// into.
    ///
    /// # Errors
    /// It cannot be used. It does nothing then.
    pub fn start(mut transport: Transport<R>, buffers: Buffers) -> Result<Self, StartError> {
        let features = virtio_hal::begin(&mut transport, Features::all())?;
        let queues = Queue::new(&mut transport, bits::RECEIVE)
            .and_then(|receive| Ok((receive, Queue::new(&mut transport, bits::TRANSMIT)?)));
        let (receive, transmit) = match queues {
            Ok(queues) => queues,
            Err(why) => {
                virtio_hal::stop(&mut transport);
                return Err(why);
            }
        };
        virtio_hal::finish(&mut transport);
        let mut driver = Driver {
            transport,
            receive,
            transmit,
            idle: buffers.transmit,
            features,
            gone: false,
            trouble: None,
            dropped: 0,
        };
        for buffer in buffers.receive {
            driver.lend(buffer);
        }
        driver.receive.kick(&mut driver.transport);
        Ok(driver)
    }

    /// The device's own address, if it says one.
    pub fn address(&self) -> Option<[u8; 6]> {
        let read = || read_config!(self.transport, Config, mac);
        let has = self.features.contains(Features::MAC);
        has.then(|| self.transport.read_consistent(read).ok())?
    }

    /// Whether there is a link; a device that does not say has one.
    pub fn has_link(&self) -> bool {
        let status: Result<u16, _> = read_config!(self.transport, Config, status);
        !self.features.contains(Features::STATUS)
            || status.is_ok_and(|status| status & bits::LINK_UP != 0)
    }

    /// What went wrong since this was last asked.
    pub fn trouble(&mut self) -> Option<Trouble> {
        self.trouble.take()
    }

    /// Frames that were not such as can be sent or received.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the device's interrupt back. To be called before [`Driver::serve`] when
    /// it interrupts.
    ///
    /// # Returns
    /// Whether its configuration has changed: the link, that is.
    pub fn interrupted(&mut self) -> bool {
        let why = self.transport.ack_interrupt();
        let changed = why.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT);
        if changed && self.transport.get_status().contains(DeviceStatus::DEVICE_NEEDS_RESET) {
            self.give_up(Trouble::GaveUp);
        }
        changed
    }

    /// Does what can be done now: to be called when the device interrupts and when
    /// the other end notifies. Moves no more than a queue's worth each way.
    ///
    /// # Errors
    /// The other end broke the protocol. The device is stopped: it moves nothing any
    /// more.
    pub fn serve<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<Turn, Breach> {
        let turn = self.turn(network);
        if turn.is_err() {
            self.gone = true;
            virtio_hal::stop(&mut self.transport);
        }
        turn
    }

    fn turn<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<Turn, Breach> {
        let mut again = false;
        if !self.gone {
            let done = self.transmitted().and_then(|()| self.receive(network));
            match done {
                Ok(received) => again = received?,
                Err(lie) => self.give_up(Trouble::Lie(lie)),
            }
        }
        if self.gone {
            self.discard(network)?;
        } else {
            self.transmit(network)?;
            self.receive.kick(&mut self.transport);
            self.transmit.kick(&mut self.transport);
        }
        let sent = network.transmit.publish()?;
        let came = network.receive.publish()?;
        Ok(Turn { notify: sent || came, again })
    }

    fn give_up(&mut self, why: Trouble) {
        self.trouble = Some(why);
        self.gone = true;
        virtio_hal::stop(&mut self.transport);
    }

    /// Takes buffers back whose frames have left.
    fn transmitted(&mut self) -> Result<(), Lie> {
        // Ends: nothing is made available meanwhile.
        while let Some(Done { buffer, .. }) = self.transmit.take()? {
            let kept = self.idle.push(buffer);
            debug_assert!(kept.is_ok(), "it came from there");
        }
        Ok(())
    }

    /// Hands frames to the device. What was copied is given back at once.
    fn transmit<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<(), Breach> {
        // Ends: each step takes a buffer, or finds no frame.
        loop {
            let Some(mut buffer) = self.idle.pop() else {
                // The device says when there is one.
                network.transmit.ignore();
                return Ok(());
            };
            let Some(loan) = next(&mut network.transmit)? else {
                self.keep(buffer);
                return Ok(());
            };
            let length = usize::from(loan.length());
            let (header, rest) = buffer.bytes().split_at_mut(HEADER);
            header.fill(0);
            let copied = (FRAME_MIN..=FRAME_MAX).contains(&length)
                && rest
                    .get_mut(..length)
                    .is_some_and(|frame| network.transmit_data.read(loan.offset(), frame).is_ok());
            network.transmit.give_back(loan, 0);
            if !copied {
                self.dropped += 1;
                self.keep(buffer);
                continue;
            }
            if let Err(Rejected(buffer, ())) = self.transmit.submit(buffer, HEADER + length, 0, ())
            {
                self.keep(buffer);
                return Ok(());
            }
        }
    }

    fn keep(&mut self, buffer: Buffer) {
        let kept = self.idle.push(buffer);
        debug_assert!(kept.is_ok(), "it came from there");
    }

    /// Copies frames that have come into buffers that are lent for them. Without one
    /// they stay where they are, and the device drops what comes when it has no more.
    ///
    /// # Returns
    /// Whether there are more than it takes at once.
    fn receive<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<Result<bool, Breach>, Lie> {
        for _ in 0..EACH {
            if !self.receive.has_done() {
                // Nobody need say that there are buffers.
                network.receive.ignore();
                return Ok(Ok(false));
            }
            let loan = match next(&mut network.receive) {
                Ok(Some(loan)) => loan,
                Ok(None) => return Ok(Ok(false)),
                Err(breach) => return Ok(Err(breach)),
            };
            let taken = self.receive.take();
            let Ok(Some(Done { mut buffer, written, tag: () })) = taken else {
                network.receive.give_back(loan, 0);
                return taken.map(|_| Ok(false));
            };
            let length = written.saturating_sub(HEADER);
            let frame = buffer.bytes().get(HEADER..HEADER + length);
            let copied = (FRAME_MIN..=FRAME_MAX).contains(&length)
                && frame
                    .is_some_and(|frame| network.receive_data.write(loan.offset(), frame).is_ok());
            if !copied {
                self.dropped += 1;
            }
            // FRAME_MAX at most, if there is one.
            network.receive.give_back(loan, if copied { length as u16 } else { 0 });
            self.lend(buffer);
        }
        Ok(Ok(self.receive.has_done()))
    }

    /// Gives the device a buffer to receive into.
    fn lend(&mut self, buffer: Buffer) {
        let lent = self.receive.submit(buffer, 0, BUFFER, ());
        debug_assert!(lent.is_ok(), "there are as many descriptors as buffers");
    }

    /// Gives frames back unsent: nobody is to wait for a device that is gone.
    fn discard<const N: usize, M: Flag>(
        &mut self,
        network: &mut Network<N, M>,
    ) -> Result<(), Breach> {
        // Ends: a queue's worth at most is on loan, and nothing is published yet.
        while let Some(loan) = next(&mut network.transmit)? {
            network.transmit.give_back(loan, 0);
            self.dropped += 1;
        }
        network.receive.ignore();
        Ok(())
    }
}

/// The next buffer of a queue; if there is none, its owner says when there is.
fn next<const N: usize, M: Flag>(
    queue: &mut Borrower<N, M>,
) -> Result<Option<sddf::net::Loan>, Breach> {
    loop {
        if let Some(loan) = queue.take()? {
            return Ok(Some(loan));
        }
        match queue.wait()? {
            Waiting::Asleep => return Ok(None),
            // One has come meanwhile: the next look finds it.
            Waiting::More => {}
        }
    }
}
