//! From the driver to the virtualiser.

use sddf::net::{Breach, Buffer, Lent, Waiting};
use virtq::{Chain, Fault, Pending};

use super::bits::{ETHERNET, GSO_NONE, HEADER, NEEDS_CSUM};
use super::{Direction, Done, GO, PARTS, Stop, TRANSMIT, checksum};
use crate::devices::virtio::memory::Guest;
use crate::devices::virtio::model::Queues;
use crate::memory::GuestMemory;
use crate::types::{Gpa, Ticks};

/// The sending direction.
#[derive(Debug)]
pub(super) struct Transmitter {
    direction: Direction,
}

impl Transmitter {
    pub fn new(direction: Direction) -> Self {
        Transmitter { direction }
    }

    /// Takes frames as long as there are buffers for them.
    pub fn serve(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        longest: u32,
        finish: bool,
        now: Ticks,
    ) -> Result<Done, Stop> {
        let Some(queue) = queues.get(TRANSMIT) else { return Ok(Done::default()) };
        let mut done = Done::default();
        let mut chain = Chain::<PARTS>::new();
        for _ in 0..GO {
            if !queue.has_next(&Guest(memory))? {
                self.direction.lender.ignore();
                if queue.arm(&mut Guest(memory))? == Pending::None {
                    return Ok(done);
                }
            }
            if let Err(at) = self.direction.limiter.admit(now) {
                done.again = Some(at);
                queue.disarm(&mut Guest(memory));
                return Ok(done);
            }
            let Some(buffer) = self.buffer()? else {
                // One that comes back brings us here again.
                queue.disarm(&mut Guest(memory));
                return Ok(done);
            };
            let Some(head) = queue.pop(&Guest(memory), &mut chain)? else {
                self.direction.lender.keep(buffer);
                return Ok(done);
            };
            let length = self.fill(&buffer, &chain, memory, longest, finish);
            queue.complete(&mut Guest(memory), head, 0);
            // A frame that makes no sense goes nowhere, as on any wire.
            self.direction.limiter.take(length.unwrap_or(0).into(), now);
            let Some(length) = length else {
                self.direction.lender.keep(buffer);
                continue;
            };
            done.copied = done.copied.saturating_add(length.into());
            match self.direction.lender.lend(buffer, length)? {
                Lent::Yes => {}
                // A slot that is not released yet: as if the wire had lost it.
                Lent::Full(buffer) => self.direction.lender.keep(buffer),
            }
        }
        done.again = Some(now);
        Ok(done)
    }

    /// Lets the virtualiser see what was sent.
    pub fn publish(&mut self) -> bool {
        self.direction.lender.publish()
    }

    /// With nobody there, what is sent is gone.
    pub fn drop_all(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
    ) -> Result<(), Fault> {
        let Some(queue) = queues.get(TRANSMIT) else { return Ok(()) };
        let mut chain = Chain::<PARTS>::new();
        for _ in 0..GO {
            match queue.pop(&Guest(memory), &mut chain)? {
                Some(head) => queue.complete(&mut Guest(memory), head, 0),
                None if queue.arm(&mut Guest(memory))? == Pending::None => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// A buffer that nobody has. If there is none, the virtualiser says when.
    fn buffer(&mut self) -> Result<Option<Buffer>, Breach> {
        let lender = &mut self.direction.lender;
        if lender.unused() == 0 {
            while let Some((buffer, _)) = lender.next_returned()? {
                lender.keep(buffer);
            }
            if lender.unused() == 0 && lender.wait()? == Waiting::More {
                while let Some((buffer, _)) = lender.next_returned()? {
                    lender.keep(buffer);
                }
            }
        }
        Ok(lender.take())
    }

    /// Puts a frame into a buffer.
    ///
    /// # Returns
    /// Its length, or nothing if it is none.
    fn fill(
        &self,
        buffer: &Buffer,
        chain: &Chain<PARTS>,
        memory: &mut impl GuestMemory,
        longest: u32,
        finish: bool,
    ) -> Option<u16> {
        let given = chain.readable();
        let length = given.len().checked_sub(HEADER as u32)?;
        if length < ETHERNET || length > longest {
            return None;
        }
        let mut header = [0; HEADER];
        given.read(&Guest(memory), 0, &mut header).ok()?;
        let [flags, segmentation, _, _, _, _, s0, s1, o0, o1, _, _] = header;
        if segmentation != GSO_NONE {
            return None;
        }
        let data = &self.direction.data;
        let mut at = buffer.offset();
        for part in given.pieces(HEADER as u32, length) {
            let piece = part.length as usize;
            memory.copy_to_region(Gpa(part.address), data, at, piece).ok()?;
            at += piece;
        }
        if flags & NEEDS_CSUM != 0 {
            let start = u32::from(u16::from_le_bytes([s0, s1]));
            let place = start + u32::from(u16::from_le_bytes([o0, o1]));
            if !finish || place + 2 > length {
                return None;
            }
            let (start, place) = (start as usize, buffer.offset() + place as usize);
            let sum = checksum::of(data, buffer.offset() + start, length as usize - start).ok()?;
            data.write_u16(place, sum.to_be()).ok()?;
        }
        u16::try_from(length).ok()
    }
}
