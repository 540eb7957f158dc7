//! The end that uses another's buffers.

use shmem::{ReadWrite, Region};

use super::AttachError;
use super::error::Breach;
use super::flag::{Flag, Ring, Waiting};
use super::wire::{BUFFER_SIZE, Descriptor, capacity};
use crate::ring::{Exchange, Turn};

/// A buffer of the peer's that was taken, and must be given back.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Loan {
    turn: Turn,
    /// Its address less the base: within the data region, all of it.
    offset: usize,
    length: u16,
}

impl Loan {
    /// Offset of its first byte in the data region.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes of the frame in it: at most [`BUFFER_SIZE`].
    pub fn length(&self) -> u16 {
        self.length
    }
}

/// The using end of a connection of at most `N` slots. It may give back in any
/// order; the owner sees it in the order of lending.
#[derive(Debug)]
pub struct Borrower<const N: usize, M: Flag = Ring> {
    rings: Exchange<N, M, M>,
    base: u64,
    size: usize,
    broken: Option<Breach>,
}

impl<const N: usize> Borrower<N> {
    /// Attaches to the rings in two regions, with as many slots as both hold,
    /// and a data region of so many bytes whose first the peer calls `base`.
    ///
    /// # Errors
    /// As [`Borrower::attach`].
    pub fn new(
        lent: &Region<ReadWrite>,
        back: &Region<ReadWrite>,
        base: u64,
        size: usize,
    ) -> Result<Self, AttachError> {
        let slots = capacity(lent.len(), back.len());
        let lent = Ring::new(lent, slots).map_err(AttachError::Layout)?;
        let back = Ring::new(back, slots).map_err(AttachError::Layout)?;
        Borrower::attach(lent, back, base, size)
    }
}

impl<const N: usize, M: Flag> Borrower<N, M> {
    /// Takes the using end of two rings as they stand. What a predecessor did
    /// not give back is taken again.
    ///
    /// # Errors
    /// They differ in capacity or have more than `N` slots, or what they hold
    /// makes no sense.
    pub fn attach(lent: M, back: M, base: u64, size: usize) -> Result<Self, AttachError> {
        match Exchange::attach(lent, back) {
            Ok(rings) => Ok(Borrower { rings, base, size, broken: None }),
            Err(e) => Err(e.map(Breach::from)),
        }
    }

    /// Slots of the connection: the most that can be on loan.
    pub fn capacity(&self) -> u32 {
        self.rings.capacity()
    }

    /// Takes the next buffer.
    ///
    /// # Errors
    /// The owner broke the protocol, now or earlier.
    pub fn take(&mut self) -> Result<Option<Loan>, Breach> {
        self.unbroken()?;
        let (turn, Descriptor { buffer, length }) = match self.rings.take() {
            Ok(Some(taken)) => taken,
            Ok(None) => return Ok(None),
            Err(lie) => return Err(self.fail(lie.into())),
        };
        let Some(offset) = self.place(buffer) else {
            return Err(self.fail(Breach::Place { buffer }));
        };
        if usize::from(length) > BUFFER_SIZE {
            return Err(self.fail(Breach::Length { buffer, length }));
        }
        Ok(Some(Loan { turn, offset, length }))
    }

    /// Gives a buffer back, with a frame of so many bytes, or none. The owner
    /// sees it at a later [`Borrower::publish`].
    pub fn give_back(&mut self, loan: Loan, length: u16) {
        let Loan { turn, offset, .. } = loan;
        let buffer = self.base.wrapping_add(offset as u64);
        self.rings.answer(turn, Descriptor { buffer, length });
    }

    /// Lets the owner see what was given back and is due. To be called after
    /// every batch, and when the owner notifies.
    ///
    /// # Returns
    /// Whether it must be notified.
    ///
    /// # Errors
    /// As [`Borrower::take`].
    pub fn publish(&mut self) -> Result<bool, Breach> {
        self.unbroken()?;
        match self.rings.publish() {
            Ok(published) => Ok(published && self.rings.outgoing().consumer_waits()),
            Err(lie) => Err(self.fail(lie.into())),
        }
    }

    /// Asks to be notified of the next buffer lent, unless one was.
    ///
    /// # Errors
    /// As [`Borrower::take`].
    pub fn wait(&mut self) -> Result<Waiting, Breach> {
        self.unbroken()?;
        self.rings.incoming().ask();
        match self.rings.has_more() {
            Ok(false) => Ok(Waiting::Asleep),
            Ok(true) => {
                self.rings.incoming().busy();
                Ok(Waiting::More)
            }
            Err(lie) => Err(self.fail(lie.into())),
        }
    }

    /// Says that no further buffer is wanted now: the owner does not notify
    /// before the next [`Borrower::wait`].
    pub fn ignore(&mut self) {
        self.rings.incoming().busy();
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Breach> {
        self.broken
    }

    /// The offset of the buffer at an address.
    fn place(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address.checked_sub(self.base)?).ok()?;
        let end = offset.checked_add(BUFFER_SIZE)?;
        (end <= self.size && offset.is_multiple_of(BUFFER_SIZE)).then_some(offset)
    }

    fn unbroken(&self) -> Result<(), Breach> {
        match self.broken {
            Some(breach) => Err(breach),
            None => Ok(()),
        }
    }

    fn fail(&mut self, breach: Breach) -> Breach {
        self.broken = Some(breach);
        breach
    }
}
