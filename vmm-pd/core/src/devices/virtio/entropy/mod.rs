//! The entropy device (virtio 1.2, 5.4): bytes from outside into whatever buffers
//! the driver offers.
//!
//! It makes no randomness and keeps none: what the entropy domain put into the
//! queue goes to the guest, once. A buffer waits while that is empty. If the domain
//! breaks the protocol, buffers wait for ever, as with a source that dried up.

#[cfg(test)]
mod tests;

use core::fmt;

use sddf::serial::{Consumer, PeerError, Shared};
use shmem::Read;
use virtq::{Chain, Fault, Queue};

use super::memory::Guest;
use super::model::{Model, Queues, Served};
use crate::memory::GuestMemory;
use crate::types::Ticks;

/// Device type (5).
const TYPE: u16 = 4;
/// The one queue.
const REQUESTS: usize = 0;
/// Its greatest size. Linux offers one buffer at a time.
const SIZE: u16 = 8;
/// Bytes copied at a time.
const PIECE: usize = 64;

/// The device.
#[derive(Debug)]
pub struct Entropy {
    source: Result<Consumer<Shared<Read>>, PeerError>,
}

impl Entropy {
    /// A device that hands out what `source` brings.
    pub fn new(source: Result<Consumer<Shared<Read>>, PeerError>) -> Self {
        Entropy { source }
    }

    /// Fills buffers as long as there are bytes.
    fn fill(
        source: &mut Consumer<Shared<Read>>,
        queue: &mut Queue,
        memory: &mut Guest<'_, impl GuestMemory>,
        copied: &mut u64,
    ) -> Result<Result<(), PeerError>, Fault> {
        let mut chain = Chain::<{ SIZE as usize }>::new();
        loop {
            match source.is_empty() {
                Ok(false) => {}
                Ok(true) => return Ok(Ok(())),
                Err(e) => return Ok(Err(e)),
            }
            let Some(head) = queue.pop(memory, &mut chain)? else { return Ok(Ok(())) };
            let into = chain.writable();
            let mut written = 0;
            while written < into.len() {
                let mut bytes = [0; PIECE];
                let wanted = PIECE.min((into.len() - written) as usize);
                let (piece, _) = bytes.split_at_mut(wanted);
                let count = match source.dequeue(piece) {
                    Ok(count) => count,
                    Err(e) => {
                        queue.complete(memory, head, written);
                        return Ok(Err(e));
                    }
                };
                let (piece, _) = piece.split_at(count);
                into.write(memory, written, piece).map_err(Fault::Buffer)?;
                if count == 0 {
                    break;
                }
                written += count as u32;
            }
            *copied += u64::from(written);
            queue.complete(memory, head, written);
        }
    }
}

impl Model for Entropy {
    fn device_type(&self) -> u16 {
        TYPE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[SIZE]
    }

    fn features(&self) -> u64 {
        0
    }

    fn check_features(&self, _: u64) -> bool {
        true
    }

    fn read_config(&self, _: u32, into: &mut [u8]) {
        into.fill(0);
    }

    fn write_config(&mut self, _: u32, _: &[u8]) {}

    fn start(&mut self, _: u64) {}

    fn reset(&mut self) {}

    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, _: Ticks) -> Served {
        let mut served = Served::default();
        let _ = queues.take_kicked();
        let (Some(queue), Ok(source)) = (queues.get(REQUESTS), &mut self.source) else {
            return served;
        };
        let memory = &mut Guest(memory);
        let filled = loop {
            match Self::fill(source, queue, memory, &mut served.copied) {
                Ok(Ok(())) => {}
                other => break other,
            }
            // While nothing comes in there is no need to be told of more buffers.
            match source.is_empty() {
                Ok(true) => break Ok(Ok(())),
                Ok(false) => {}
                Err(e) => break Ok(Err(e)),
            }
            match queue.arm(memory) {
                Ok(virtq::Pending::More) => {}
                Ok(virtq::Pending::None) => break Ok(Ok(())),
                Err(fault) => break Err(fault),
            }
        };
        served.ring = source.producer_waits();
        let interrupt = queue.publish(memory);
        if interrupt {
            queues.interrupt(REQUESTS);
        }
        match filled {
            Ok(Ok(())) => {}
            Ok(Err(breach)) => self.source = Err(breach),
            Err(fault) => served.fault = Some(fault),
        }
        served
    }

    fn breach(&self) -> Option<&dyn fmt::Display> {
        self.source.as_ref().err().map(|e| e as &dyn fmt::Display)
    }
}
