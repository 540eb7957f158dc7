//! Rings of descriptors: what the card is to do, and what it has done.
//!
//! The card writes the same memory, so each descriptor is read once, and only where
//! one was handed out.

use core::fmt;

use sddf::net::{BUFFER_SIZE, Loan};
use shmem::{ReadWrite, Region};

use crate::bits;

/// Descriptors of a ring. One is always left out, or a full ring would look like an
/// empty one (3.2.6).
pub const RING: usize = 128;

/// Bytes of one.
const SIZE: usize = RING * bits::DESCRIPTOR;

/// Bytes of both.
pub const RINGS_SIZE: usize = 2 * SIZE;

/// Why a region cannot hold the rings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RingError {
    /// It is too small.
    Small {
        /// Bytes that it has.
        size: usize,
    },
    /// The card wants a multiple of 16 (13.4.25), below 4 GiB here.
    Place {
        /// Its I/O address.
        base: u64,
    },
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::Small { size } => {
                write!(f, "the region of the rings has {size} bytes, and {RINGS_SIZE} are wanted")
            }
            RingError::Place { base } => write!(
                f,
                "the region of the rings at {base:#x} is not aligned to 16 bytes or ends above \
                 4 GiB"
            ),
        }
    }
}

/// Both rings' memory.
#[derive(Debug)]
pub struct Rings {
    pub(crate) receive: Ring,
    pub(crate) transmit: Ring,
}

impl Rings {
    /// In this region, which the card finds at `base`.
    ///
    /// # Errors
    /// The region will not do.
    pub fn new(region: &Region<ReadWrite>, base: u64) -> Result<Rings, RingError> {
        let ring = |n: usize| -> Result<Ring, RingError> {
            let memory =
                region.sub(n * SIZE, SIZE).map_err(|_| RingError::Small { size: region.len() })?;
            let place = RingError::Place { base };
            let address = base.checked_add((n * SIZE) as u64).ok_or(place)?;
            let end = address.checked_add(SIZE as u64).ok_or(place)?;
            if !address.is_multiple_of(bits::DESCRIPTOR as u64) || end > 1 << 32 {
                return Err(place);
            }
            Ok(Ring::new(memory, address as u32))
        };
        Ok(Rings { receive: ring(0)?, transmit: ring(1)? })
    }
}

/// What the card did with a buffer.
#[derive(Debug)]
pub(crate) struct Done {
    pub loan: Loan,
    /// As the card says.
    pub length: u16,
    /// Bits of the status.
    pub status: u8,
    /// Bits of the errors.
    pub errors: u8,
}

/// One ring, and whose buffers are in it.
#[derive(Debug)]
pub(crate) struct Ring {
    memory: Region<ReadWrite>,
    /// Where the card finds it.
    pub address: u32,
    loans: [Option<Loan>; RING],
    /// The oldest that the card has, and the next that it gets.
    oldest: usize,
    next: usize,
}

impl Ring {
    fn new(memory: Region<ReadWrite>, address: u32) -> Self {
        Ring { memory, address, loans: [const { None }; RING], oldest: 0, next: 0 }
    }

    /// Bytes of it.
    pub const fn size() -> u32 {
        SIZE as u32
    }

    /// What the tail register must hold.
    pub fn tail(&self) -> u32 {
        self.next as u32
    }

    /// Whether another fits.
    pub fn has_room(&self) -> bool {
        (self.next + 1) % RING != self.oldest
    }

    /// Whether the card has none.
    pub fn is_empty(&self) -> bool {
        self.next == self.oldest
    }

    /// Hands a buffer to the card; it sees it when it is told the tail. Give it only
    /// where there is room.
    ///
    /// # Returns
    /// The buffer, if there is none.
    pub fn hand(&mut self, loan: Loan, base: u64, command: u64) -> Result<(), Loan> {
        if !self.has_room() {
            return Err(loan);
        }
        let at = self.next * bits::DESCRIPTOR;
        let address = base.wrapping_add(loan.offset() as u64);
        let written = self
            .memory
            .write_u64(at, address)
            .and_then(|()| self.memory.write_u64(at + 8, command));
        debug_assert!(written.is_ok(), "the memory was measured");
        self.loans[self.next] = Some(loan);
        self.next = (self.next + 1) % RING;
        Ok(())
    }

    /// The oldest buffer, if the card is done with it.
    pub fn take(&mut self) -> Option<Done> {
        if self.is_empty() {
            return None;
        }
        let at = self.oldest * bits::DESCRIPTOR;
        let word = self.memory.read_u64(at + 8).ok()?;
        let status = (word >> bits::STATUS_SHIFT) as u8;
        if status & bits::DD == 0 {
            return None;
        }
        let loan = self.loans[self.oldest].take()?;
        self.oldest = (self.oldest + 1) % RING;
        Some(Done { loan, length: word as u16, status, errors: (word >> bits::ERRORS_SHIFT) as u8 })
    }
}

impl Done {
    /// Bytes of the frame that was received; `None` if there is no whole and good
    /// one in this buffer.
    pub fn received(&self) -> Option<u16> {
        let whole = self.status & bits::RECEIVED_EOP != 0 && self.errors == 0;
        let fits = (1..=BUFFER_SIZE).contains(&self.length.into());
        (whole && fits).then_some(self.length)
    }
}
