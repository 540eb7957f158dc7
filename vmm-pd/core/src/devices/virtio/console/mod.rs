//! The console device (virtio 1.2, 5.3): one port, a client of a serial virtualiser.
//!
//! Not offered: several ports (a console each has its own device and connection), a
//! size (nobody knows the terminal's) and the emergency write (the guest has COM1).
//!
//! A virtualiser that breaks the protocol closes the connection for good: what the
//! guest writes then goes nowhere, and nothing comes.

#[cfg(test)]
mod tests;

use core::fmt;

use sddf::serial::{Consumer, PeerError, Producer, Shared};
use shmem::Read;
use virtq::{Fault, Pending};

use super::memory::Guest;
use super::model::{Model, Queues, Served};
use super::stream::{Drain, Stop, fill};
use crate::memory::GuestMemory;
use crate::types::Ticks;

/// Device type (5).
const TYPE: u16 = 3;
/// Buffers for what is typed (5.3.2).
const RECEIVE: usize = 0;
/// What the guest writes.
const TRANSMIT: usize = 1;
/// Greatest size of each queue.
const SIZE: u16 = 64;
/// Buffers of a chain at most: as long as the queue.
const PARTS: usize = SIZE as usize;
/// Rounds and chains at one go; a guest of several processors might never end.
const ROUNDS: usize = 4;

/// The device.
#[derive(Debug)]
pub struct Console {
    output: Producer,
    input: Consumer<Shared<Read>>,
    drain: Drain<PARTS>,
    breach: Option<PeerError>,
}

impl Console {
    /// A device that writes to `output` and reads from `input`.
    pub fn new(output: Producer, input: Consumer<Shared<Read>>) -> Self {
        Console { output, input, drain: Drain::new(), breach: None }
    }

    /// What the guest writes.
    ///
    /// # Returns
    /// Whether more may wait that nobody will tell of.
    fn write(
        &mut self,
        queues: &mut Queues,
        memory: &mut Guest<'_, impl GuestMemory>,
        copied: &mut u64,
    ) -> Result<bool, Stop> {
        let Some(queue) = queues.get(TRANSMIT) else { return Ok(false) };
        for _ in 0..ROUNDS {
            if !self.drain.empty(&mut self.output, queue, memory, copied, PARTS)? {
                // The virtualiser brings us back.
                queue.disarm(memory);
                return Ok(false);
            }
            if queue.arm(memory)? == Pending::None {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is typed.
    fn read(
        &mut self,
        queues: &mut Queues,
        memory: &mut Guest<'_, impl GuestMemory>,
        copied: &mut u64,
    ) -> Result<(), Stop> {
        let Some(queue) = queues.get(RECEIVE) else { return Ok(()) };
        for _ in 0..ROUNDS {
            fill::<PARTS>(&mut self.input, queue, memory, copied)?;
            // Without bytes there is no need to be told of more buffers.
            if self.input.is_empty()? {
                queue.disarm(memory);
                break;
            }
            if queue.arm(memory)? == Pending::None {
                break;
            }
        }
        Ok(())
    }

    /// Nobody is there: what is written goes nowhere.
    fn discard(
        &mut self,
        queues: &mut Queues,
        memory: &mut Guest<'_, impl GuestMemory>,
    ) -> Result<(), Fault> {
        let Some(queue) = queues.get(TRANSMIT) else { return Ok(()) };
        for _ in 0..ROUNDS {
            self.drain.discard(queue, memory, PARTS)?;
            if queue.arm(memory)? == Pending::None {
                break;
            }
        }
        Ok(())
    }
}

impl Model for Console {
    fn device_type(&self) -> u16 {
        TYPE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[SIZE; 2]
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

    fn reset(&mut self) {
        self.drain.reset();
    }

    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, now: Ticks) -> Served {
        let mut served = Served::default();
        let _kicked = queues.take_kicked();
        let memory = &mut Guest(memory);
        if self.breach.is_none() {
            let mut copied = 0;
            let written = self.write(queues, memory, &mut copied);
            // The consumer of a serial queue is told of every batch.
            served.ring = copied > 0;
            let both = written.and_then(|more| {
                self.read(queues, memory, &mut copied)?;
                Ok(more)
            });
            served.ring |= self.input.producer_waits();
            served.copied = copied;
            match both {
                Ok(more) => served.again = more.then_some(now),
                Err(Stop::Fault(fault)) => served.fault = Some(fault),
                Err(Stop::Breach(breach)) => self.breach = Some(breach),
            }
        }
        if self.breach.is_some()
            && served.fault.is_none()
            && let Err(fault) = self.discard(queues, memory)
        {
            served.fault = Some(fault);
        }
        for index in [RECEIVE, TRANSMIT] {
            if let Some(queue) = queues.get(index)
                && queue.publish(memory)
            {
                queues.interrupt(index);
            }
        }
        served
    }

    fn breach(&self) -> Option<&dyn fmt::Display> {
        self.breach.as_ref().map(|breach| breach as &dyn fmt::Display)
    }
}
