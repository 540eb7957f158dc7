//! From the driver to the virtualiser.

use sddf::net::{Breach, Buffer, Lent, Waiting};
use virtq::{Chain, Fault, Head, Memory, Pending};

use super::bits::{ETHERNET, GSO_NONE, GSO_TCPV4, HEADER, NEEDS_CSUM};
use super::segment::{Packet, Piece};
use super::{Direction, Done, GO, PARTS, Stop, TRANSMIT, checksum};
use crate::devices::virtio::memory::Guest;
use crate::devices::virtio::model::Queues;
use crate::memory::GuestMemory;
use crate::types::{Gpa, Ticks};

/// The sending direction.
#[derive(Debug)]
pub(super) struct Transmitter {
    direction: Direction,
    /// Frames of the queue's next packet that were sent before buffers ran out.
    sent: u32,
}

/// What the driver may ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Bytes of the longest frame.
    pub longest: u32,
    /// Unfinished checksums.
    pub finish: bool,
    /// Packets to be cut.
    pub cut: bool,
}

/// What is to be sent of a chain.
enum Work {
    /// A frame as it is, and where its checksum is of and goes, if it is unfinished.
    Frame { length: u32, checksum: Option<(usize, usize)> },
    /// A packet in pieces.
    Packet(Packet),
    /// Nothing: it makes no sense.
    Nothing,
}

impl Work {
    /// What a chain's virtio header asks for.
    fn of(chain: &Chain<PARTS>, memory: &impl Memory, rules: Rules) -> Work {
        Work::asked(chain, memory, rules).unwrap_or(Work::Nothing)
    }

    fn asked(chain: &Chain<PARTS>, memory: &impl Memory, rules: Rules) -> Option<Work> {
        let given = chain.readable();
        let length = given.len().checked_sub(HEADER as u32)?;
        let mut header = [0; HEADER];
        given.read(memory, 0, &mut header).ok()?;
        let [flags, segmentation, _, _, z0, z1, s0, s1, o0, o1, _, _] = header;
        let unfinished = flags & NEEDS_CSUM != 0;
        if unfinished && !rules.finish {
            return None;
        }
        match segmentation {
            GSO_NONE if length >= ETHERNET && length <= rules.longest => {
                let start = u32::from(u16::from_le_bytes([s0, s1]));
                let place = start + u32::from(u16::from_le_bytes([o0, o1]));
                if unfinished && place + 2 > length {
                    return None;
                }
                let checksum = unfinished.then_some((start as usize, place as usize));
                Some(Work::Frame { length, checksum })
            }
            GSO_TCPV4 if unfinished && rules.cut => {
                let packet = Packet::parse(&given, memory, u16::from_le_bytes([z0, z1]))?;
                (packet.longest() <= rules.longest).then_some(Work::Packet(packet))
            }
            _ => None,
        }
    }

    /// The frame of a number, counted from 0.
    fn piece(&self, number: u32) -> Option<Piece> {
        match self {
            Work::Frame { length, checksum } => Some(Piece::whole(*length, *checksum)),
            Work::Packet(packet) => packet.piece(number),
            Work::Nothing => None,
        }
    }

    /// Whether there are frames behind that one.
    fn goes_on(&self, number: u32) -> bool {
        match self {
            Work::Frame { .. } | Work::Nothing => false,
            Work::Packet(packet) => packet.goes_on(number),
        }
    }
}

impl Transmitter {
    pub fn new(direction: Direction) -> Self {
        Transmitter { direction, sent: 0 }
    }

    /// Forgets the driver.
    pub fn reset(&mut self) {
        self.sent = 0;
    }

    /// Takes frames as long as there are buffers for them.
    pub fn serve(
        &mut self,
        queues: &mut Queues,
        memory: &mut impl GuestMemory,
        rules: Rules,
        now: Ticks,
    ) -> Result<Done, Stop> {
        let Some(queue) = queues.get(TRANSMIT) else { return Ok(Done::default()) };
        let mut done = Done::default();
        let mut chain = Chain::<PARTS>::new();
        // The chain that was taken and is not done with.
        let mut open: Option<(Head, Work)> = None;
        for _ in 0..GO {
            if open.is_none() {
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
            }
            let Some(buffer) = self.buffer()? else {
                // One that comes back brings us here again.
                if open.is_some() {
                    queue.unpop();
                }
                queue.disarm(&mut Guest(memory));
                return Ok(done);
            };
            let (head, work) = match open.take() {
                Some(open) => open,
                None => {
                    let Some(head) = queue.pop(&Guest(memory), &mut chain)? else {
                        self.direction.lender.keep(buffer);
                        return Ok(done);
                    };
                    (head, Work::of(&chain, &Guest(memory), rules))
                }
            };
            let length = work.piece(self.sent).and_then(|p| self.fill(&buffer, p, &chain, memory));
            // A frame that makes no sense goes nowhere, as on any wire.
            self.direction.limiter.take(length.unwrap_or(0).into(), now);
            match length {
                None => self.direction.lender.keep(buffer),
                Some(length) => {
                    done.copied = done.copied.saturating_add(length.into());
                    match self.direction.lender.lend(buffer, length)? {
                        Lent::Yes => {}
                        // A slot that is not released yet: as if the wire had lost it.
                        Lent::Full(buffer) => self.direction.lender.keep(buffer),
                    }
                }
            }
            if length.is_some() && work.goes_on(self.sent) {
                self.sent += 1;
                open = Some((head, work));
            } else {
                self.sent = 0;
                queue.complete(&mut Guest(memory), head, 0);
            }
        }
        if open.is_some() {
            queue.unpop();
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
        if self.direction.lender.unused() == 0 {
            self.take_back()?;
            if self.direction.lender.unused() == 0 && self.direction.lender.wait()? == Waiting::More
            {
                self.take_back()?;
            }
        }
        Ok(self.direction.lender.take())
    }

    /// Keeps what came back.
    #[inline(never)]
    fn take_back(&mut self) -> Result<(), Breach> {
        while let Some((buffer, _)) = self.direction.lender.next_returned()? {
            self.direction.lender.keep(buffer);
        }
        Ok(())
    }

    /// Makes a frame in a buffer.
    ///
    /// # Returns
    /// Its length, or nothing if it cannot be.
    fn fill(
        &self,
        buffer: &Buffer,
        piece: Piece,
        chain: &Chain<PARTS>,
        memory: &mut impl GuestMemory,
    ) -> Option<u16> {
        let data = &self.direction.data;
        let start = buffer.offset();
        data.write(start, piece.head()).ok()?;
        let mut end = start + piece.head().len();
        let from = HEADER as u32 + piece.from;
        for part in chain.readable().pieces(from, piece.length) {
            let length = part.length as usize;
            memory.copy_to_region(Gpa(part.address), data, end, length).ok()?;
            end += length;
        }
        if let Some((first, place)) = piece.checksum {
            let first = start + first;
            let sum = checksum::of(data, first, end.checked_sub(first)?).ok()?;
            data.write_u16(start + place, sum.to_be()).ok()?;
        }
        u16::try_from(end - start).ok()
    }
}
