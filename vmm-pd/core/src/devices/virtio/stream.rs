//! Bytes between a driver's buffers and sDDF's serial queues, for devices that are
//! streams. What is in the buffers means nothing here.
//!
//! A byte is copied twice, through a small buffer on the stack: streams are slow, and
//! their queues give no place to copy from or to that would not change meanwhile.

use sddf::serial::{Consumer, PeerError, Producer, Shared, Space};
use shmem::Read;
use virtq::{Chain, Fault, Head, Queue};

use super::memory::Guest;
use crate::memory::GuestMemory;

/// Bytes copied at a time.
const PIECE: usize = 64;

/// Why work ended before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stop {
    /// The driver broke a rule of its queue.
    Fault(Fault),
    /// The peer broke the protocol.
    Breach(PeerError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<PeerError> for Stop {
    fn from(breach: PeerError) -> Self {
        Stop::Breach(breach)
    }
}

/// Fills the driver's buffers with the bytes that are there now; what comes meanwhile
/// is told by another notification. A buffer comes back with what it got, full or not.
pub(super) fn fill<const N: usize>(
    source: &mut Consumer<Shared<Read>>,
    queue: &mut Queue,
    memory: &mut Guest<'_, impl GuestMemory>,
    copied: &mut u64,
) -> Result<(), Stop> {
    let mut chain = Chain::<N>::new();
    let mut left = source.len()?;
    while left > 0 {
        let Some(head) = queue.pop(memory, &mut chain)? else { return Ok(()) };
        let into = chain.writable();
        let wanted = into.len().min(left);
        let mut written = 0;
        while written < wanted {
            let mut bytes = [0; PIECE];
            let (piece, _) = bytes.split_at_mut(PIECE.min((wanted - written) as usize));
            let taken = source.dequeue(piece);
            let count = taken.unwrap_or(0);
            let (piece, _) = piece.split_at(count);
            into.write(memory, written, piece).map_err(Fault::Buffer)?;
            written += count as u32;
            if let Err(breach) = taken {
                queue.complete(memory, head, written);
                return Err(breach.into());
            }
        }
        left -= written;
        *copied += u64::from(written);
        queue.complete(memory, head, written);
    }
    Ok(())
}

/// The driver's buffers on their way into a queue.
#[derive(Debug)]
pub(super) struct Drain<const N: usize> {
    chain: Chain<N>,
    /// A chain of which not all found room.
    head: Option<Head>,
    sent: u32,
}

impl<const N: usize> Drain<N> {
    pub const fn new() -> Self {
        Drain { chain: Chain::new(), head: None, sent: 0 }
    }

    /// Forgets the driver.
    pub fn reset(&mut self) {
        self.head = None;
    }

    /// Takes chains as long as there is room for their bytes, at most `most` chains.
    ///
    /// # Returns
    /// Whether there was room for all; if not, the consumer will say when there is some.
    pub fn empty(
        &mut self,
        sink: &mut Producer,
        queue: &mut Queue,
        memory: &mut Guest<'_, impl GuestMemory>,
        copied: &mut u64,
        most: usize,
    ) -> Result<bool, Stop> {
        for _ in 0..most {
            let head = match self.head {
                Some(head) => head,
                None => {
                    self.sent = 0;
                    let Some(head) = queue.pop(memory, &mut self.chain)? else {
                        return Ok(true);
                    };
                    // It is ours until it is done, whatever comes between.
                    self.head = Some(head);
                    head
                }
            };
            let from = self.chain.readable();
            while self.sent < from.len() {
                if sink.wait_for_space(1)? == Space::Wait {
                    return Ok(false);
                }
                let mut bytes = [0; PIECE];
                let count = from.read(memory, self.sent, &mut bytes).map_err(Fault::Buffer)?;
                let taken = sink.enqueue(bytes.get(..count).unwrap_or(&[]))? as u32;
                self.sent += taken;
                *copied += u64::from(taken);
            }
            self.head = None;
            queue.complete(memory, head, 0);
        }
        Ok(true)
    }

    /// Takes chains whose bytes go nowhere.
    pub fn discard(
        &mut self,
        queue: &mut Queue,
        memory: &mut Guest<'_, impl GuestMemory>,
        most: usize,
    ) -> Result<(), Fault> {
        if let Some(head) = self.head.take() {
            queue.complete(memory, head, 0);
        }
        for _ in 0..most {
            let Some(head) = queue.pop(memory, &mut self.chain)? else { break };
            queue.complete(memory, head, 0);
        }
        Ok(())
    }
}
