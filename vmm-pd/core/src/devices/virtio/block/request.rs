//! What a guest's request asks for.

use sddf::block::Operation;
use virtq::{Chain, Memory, Outside};

use super::bits::{HEADER, ID, RANGE, SECTOR, UNMAP, kind, status};
use super::disk::{Disk, ZEROES_MAX};

/// What has to be done for a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Job {
    /// From the disk into the chain's writable buffers.
    Read,
    /// From the chain's readable buffers, after the header, onto the disk.
    Write,
    /// Zeroes onto the disk.
    Zero,
    /// Everything answered so far is to survive a loss of power.
    Flush,
}

impl Job {
    /// Whether the disk is different afterwards.
    pub fn writes(self) -> bool {
        match self {
            Job::Write | Job::Zero => true,
            Job::Read | Job::Flush => false,
        }
    }

    /// As a peer is asked for it.
    pub fn operation(self) -> Operation {
        match self {
            Job::Read => Operation::Read,
            Job::Write | Job::Zero => Operation::Write,
            Job::Flush => Operation::Flush,
        }
    }
}

/// A request as it was understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// Something for the disk: what, from which byte on, how many.
    Work(Job, u64, u32),
    /// It is answered at once: so many bytes before the status were written.
    Answer(u8, u32),
}

const REFUSED: Parsed = Parsed::Answer(status::IOERR, 0);

/// Understands a request (virtio 1.2, 5.2.6). Nothing here trusts the driver: what
/// makes no sense is answered with an error and does nothing.
///
/// # Errors
/// A buffer is not RAM any more.
pub fn parse<const N: usize>(
    chain: &Chain<N>,
    disk: &Disk,
    memory: &mut impl Memory,
) -> Result<Parsed, Outside> {
    let (readable, writable) = (chain.readable(), chain.writable());
    // All but the status byte, which is the last.
    let Some(room) = writable.len().checked_sub(1) else { return Ok(REFUSED) };
    let Some(given) = readable.len().checked_sub(HEADER) else { return Ok(REFUSED) };
    let mut header = [0; HEADER as usize];
    readable.read(memory, 0, &mut header)?;
    let [a, b, c, d, _, _, _, _, sector @ ..] = header;
    let sector = u64::from_le_bytes(sector);
    Ok(match u32::from_le_bytes([a, b, c, d]) {
        kind::IN => within(Job::Read, sector, room, disk),
        kind::OUT => within(Job::Write, sector, given, disk),
        // Its sector means nothing (5.2.6.1).
        kind::FLUSH => Parsed::Work(Job::Flush, 0, 0),
        kind::GET_ID => {
            if (room as usize) < ID {
                return Ok(REFUSED);
            }
            writable.write(memory, 0, &disk.serial)?;
            Parsed::Answer(status::OK, ID as u32)
        }
        kind::WRITE_ZEROES => {
            if given as usize != RANGE {
                return Ok(REFUSED);
            }
            let mut range = [0; RANGE];
            readable.read(memory, HEADER, &mut range)?;
            let [start @ .., _, _, _, _, _, _, _, _] = range;
            let [_, _, _, _, _, _, _, _, a, b, c, d, flags @ ..] = range;
            let sectors = u32::from_le_bytes([a, b, c, d]);
            if u32::from_le_bytes(flags) & !UNMAP != 0 {
                // Reserved bits (5.2.6.2).
                return Ok(Parsed::Answer(status::UNSUPP, 0));
            }
            if sectors > ZEROES_MAX {
                return Ok(REFUSED);
            }
            within(Job::Zero, u64::from_le_bytes(start), sectors * SECTOR as u32, disk)
        }
        _ => Parsed::Answer(status::UNSUPP, 0),
    })
}

/// A transfer, if it is one within the disk.
fn within(job: Job, sector: u64, length: u32, disk: &Disk) -> Parsed {
    if !disk.holds(sector, length.into()) || job.writes() && disk.read_only {
        return REFUSED;
    }
    if length == 0 {
        return Parsed::Answer(status::OK, 0);
    }
    Parsed::Work(job, sector * SECTOR, length)
}
