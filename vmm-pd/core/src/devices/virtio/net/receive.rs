//! From the virtualiser to the driver.

use heapless::Vec;
use sddf::net::{Breach, Buffer, Lent, Waiting};
use virtq::{Chain, Head, Memory, Part, Pending, Queue};

use super::bits::{HEADER, NUM_BUFFERS};
use super::{Direction, Done, GO, PARTS, RECEIVE, Stop};
use crate::devices::virtio::memory::Guest;
use crate::devices::virtio::model::Queues;
use crate::memory::GuestMemory;
use crate::types::{Gpa, Ticks};

/// Buffers of the driver's that a frame is spread over at most. They are meant to be
/// larger than 32 bytes (virtio 1.2, 5.1.6.3.1).
const SPREAD: usize = 64;

/// The receiving direction.
#[derive(Debug)]
pub(super) struct Receiver {
    direction: Direction,
    /// A frame that the driver had no room for.
    held: Option<(Buffer, u16)>,
}

/// What became of a frame.
enum Delivery {
    Done,
    /// It can be tried again at once.
    Again,
    /// The driver has no room now.
    NoRoom,
    /// It never will: the frame is gone.
    Lost,
}

impl Receiver {
    pub fn new(direction: Direction) -> Self {
        let mut receiver = Receiver { direction, held: None };
        // A breach shows at the next look.
        let _breach = receiver.lend_all();
        receiver
    }

    /// Gives every buffer that is ours to the virtualiser, to be filled.
    fn lend_all(&mut self) -> Result<(), Breach> {
        let lender = &mut self.direction.lender;
        while let Some(buffer) = lender.take() {
            if let Lent::Full(buffer) = lender.lend(buffer, 0)? {
                lender.keep(buffer);
                break;
            }
        }
        Ok(())
    }

    /// Forgets the driver.
    pub fn reset(&mut self) {
        if let Some((buffer, _)) = self.held.take() {
            self.direction.lender.keep(buffer);
        }
    }

    /// Drops what has arrived.
    pub fn discard(&mut self) -> Result<(), Breach> {
        // Ends at the latest when all buffers are ours.
        for _ in 0..super::BUFFERS {
            match self.direction.lender.next_returned()? {
                Some((buffer, _)) => self.direction.lender.keep(buffer),
                None => break,
            }
        }
        self.lend_all()
    }

    /// Lets the virtualiser see the buffers that are to be filled.
    pub fn publish(&mut self) -> bool {
        self.direction.lender.publish()
    }

    /// Hands over frames as long as the driver has room for them.
    pub fn serve(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        merge: bool,
        now: Ticks,
    ) -> Result<Done, Stop> {
        let mut done = Done::default();
        let Some(queue) = queues.get(RECEIVE) else { return Ok(done) };
        let mut left = GO;
        while left > 0 {
            let Some((buffer, length)) = self.next()? else {
                // The driver's new buffers are of no interest before there is a frame.
                queue.disarm(&mut Guest(memory));
                break;
            };
            if let Err(at) = self.direction.limiter.admit(now) {
                self.held = Some((buffer, length));
                self.direction.lender.ignore();
                done.again = Some(at);
                break;
            }
            match self.deliver(&buffer, length, queue, memory, merge)? {
                Delivery::NoRoom => {
                    self.held = Some((buffer, length));
                    self.direction.lender.ignore();
                    if queue.arm(&mut Guest(memory))? == Pending::None {
                        break;
                    }
                    // Some room, perhaps still not enough: each look is counted.
                    left -= 1;
                    continue;
                }
                Delivery::Again => {
                    self.held = Some((buffer, length));
                    left -= 1;
                    continue;
                }
                Delivery::Done => done.copied = done.copied.saturating_add(length.into()),
                Delivery::Lost => {}
            }
            self.direction.limiter.take(length.into(), now);
            self.direction.lender.keep(buffer);
            left -= 1;
        }
        self.lend_all()?;
        if left == 0 {
            done.again = Some(now);
        }
        Ok(done)
    }

    /// The next frame. If there is none, the virtualiser says when.
    fn next(&mut self) -> Result<Option<(Buffer, u16)>, Breach> {
        if let Some(held) = self.held.take() {
            return Ok(Some(held));
        }
        let lender = &mut self.direction.lender;
        match lender.next_returned()? {
            Some(frame) => Ok(Some(frame)),
            None => match lender.wait()? {
                Waiting::More => lender.next_returned(),
                Waiting::Asleep => Ok(None),
            },
        }
    }

    /// Copies a frame behind its header into as many of the driver's buffers as it
    /// takes: one, unless they can be merged (virtio 1.2, 5.1.6.3.2 and 5.1.6.4).
    fn deliver(
        &self,
        buffer: &Buffer,
        length: u16,
        queue: &mut Queue,
        memory: &mut impl GuestMemory,
        merge: bool,
    ) -> Result<Delivery, Stop> {
        let whole = HEADER as u32 + u32::from(length);
        let mut chain = Chain::<PARTS>::new();
        let mut taken: Vec<(Head, u32), SPREAD> = Vec::new();
        // Where the number of buffers belongs, known at the end.
        let mut number: Vec<Part, 2> = Vec::new();
        let mut written = 0;
        let failed = loop {
            let Some(head) = queue.pop(&Guest(memory), &mut chain)? else {
                break Some(Delivery::NoRoom);
            };
            let room = chain.writable();
            let now = room.len().min(whole - written);
            let first = taken.is_empty();
            // One too small for the header, or that cannot be written at all, is of no
            // use: it comes back empty, and so does what was taken before it.
            if first && room.len() < HEADER as u32 || room.is_empty() {
                for (earlier, _) in &taken {
                    queue.complete(&mut Guest(memory), *earlier, 0);
                }
                queue.complete(&mut Guest(memory), head, 0);
                return Ok(if first { Delivery::Again } else { Delivery::Lost });
            }
            if taken.push((head, now)).is_err() {
                queue.unpop();
                break Some(Delivery::Lost);
            }
            if first {
                // No checksum that we know of, no segmentation.
                let header = [0; HEADER];
                let _whole = room.write(&mut Guest(memory), 0, &header);
                number.extend(room.pieces(NUM_BUFFERS, 2).take(2));
            }
            let skip = if first { HEADER as u32 } else { 0 };
            let mut from = buffer.offset() + (written + skip) as usize - HEADER;
            for part in room.pieces(skip, now - skip) {
                let piece = part.length as usize;
                let data = &self.direction.data;
                // Both ends were checked: the part is RAM, the buffer in the region.
                let _copied = memory.copy_from_region(Gpa(part.address), data, from, piece);
                from += piece;
            }
            written += now;
            if written == whole {
                break None;
            }
            if !merge {
                break Some(Delivery::Lost);
            }
        };
        if let Some(failed) = failed {
            for _ in &taken {
                queue.unpop();
            }
            return Ok(failed);
        }
        let count = (taken.len() as u16).to_le_bytes();
        let mut bytes = count.as_slice();
        for part in &number {
            let (now, rest) = bytes.split_at(bytes.len().min(part.length as usize));
            let _written = Guest(memory).write(part.address, now);
            bytes = rest;
        }
        for (head, written) in &taken {
            queue.complete(&mut Guest(memory), *head, *written);
        }
        Ok(Delivery::Done)
    }
}
