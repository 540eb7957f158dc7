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

use super::memory::Guest;
use super::model::{Model, Queues, Served};
use super::stream::{Stop, fill};
use crate::memory::GuestMemory;
use crate::types::Ticks;

/// Device type (5).
const TYPE: u16 = 4;
/// The one queue.
const REQUESTS: usize = 0;
/// Its greatest size. Linux offers one buffer at a time.
const SIZE: u16 = 8;

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
            let copied = &mut served.copied;
            if let Err(stop) = fill::<{ SIZE as usize }>(source, queue, memory, copied) {
                break Err(stop);
            }
            // While nothing comes in there is no need to be told of more buffers.
            match source.is_empty() {
                Ok(true) => break Ok(()),
                Ok(false) => {}
                Err(e) => break Err(e.into()),
            }
            match queue.arm(memory) {
                Ok(virtq::Pending::More) => {}
                Ok(virtq::Pending::None) => break Ok(()),
                Err(fault) => break Err(fault.into()),
            }
        };
        served.ring = source.producer_waits();
        let interrupt = queue.publish(memory);
        if interrupt {
            queues.interrupt(REQUESTS);
        }
        match filled {
            Ok(()) => {}
            Err(Stop::Breach(breach)) => self.source = Err(breach),
            Err(Stop::Fault(fault)) => served.fault = Some(fault),
        }
        served
    }

    fn breach(&self) -> Option<&dyn fmt::Display> {
        self.source.as_ref().err().map(|e| e as &dyn fmt::Display)
    }
}
