//! The end that owns the data region.

use shmem::{ReadWrite, Region};

use super::AttachError;
use super::error::Breach;
use super::flag::{Flag, Ring, Waiting};
use super::wire::{BUFFER_SIZE, Descriptor, capacity};
use crate::ring::{Consumer, Index, Producer};

/// A buffer that is ours now.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub struct Buffer(u16);

impl Buffer {
    /// Offset of its first byte in the data region.
    pub fn offset(&self) -> usize {
        usize::from(self.0) * BUFFER_SIZE
    }
}

/// Whether a buffer was lent.
#[derive(PartialEq, Eq, Debug)]
#[must_use]
pub enum Lent {
    /// It will come back.
    Yes,
    /// There is no slot for it now; here it is.
    Full(Buffer),
}

/// The owner's end of a connection with at most `N` buffers.
#[derive(Debug)]
pub struct Lender<const N: usize, M = Ring> {
    out: Producer<M>,
    back: Consumer<M>,
    /// What the peer calls the data region's first byte.
    base: u64,
    lent: [bool; N],
    /// The first `unused` are buffers that nobody has.
    pool: [u16; N],
    unused: usize,
    buffers: usize,
    broken: Option<Breach>,
}

impl<const N: usize> Lender<N> {
    /// Attaches to the rings in two regions, with as many slots as both hold,
    /// and a data region of so many bytes whose first the peer calls `base`
    /// (0, or its I/O address).
    ///
    /// # Errors
    /// As [`Lender::attach`].
    pub fn new(
        out: &Region<ReadWrite>,
        back: &Region<ReadWrite>,
        base: u64,
        size: usize,
    ) -> Result<Self, AttachError> {
        let slots = capacity(out.len(), back.len());
        let out = Ring::new(out, slots).map_err(AttachError::Layout)?;
        let back = Ring::new(back, slots).map_err(AttachError::Layout)?;
        Lender::attach(out, back, base, size)
    }
}

impl<const N: usize, M: Flag> Lender<N, M> {
    const BUFFERS: () = assert!(N > 0 && N <= 1 << 15, "a ring has at most half of 2^16 slots");

    /// Takes the owner's end of two rings as they stand. Uses as many buffers as
    /// the data region has, the rings can carry, and there is account for.
    ///
    /// # Errors
    /// The rings differ in capacity, or what they hold makes no sense.
    pub fn attach(out: M, back: M, base: u64, size: usize) -> Result<Self, AttachError> {
        const { Self::BUFFERS };
        let most = out.capacity();
        if most != back.capacity() {
            return Err(AttachError::Capacity { out: most, back: back.capacity(), most });
        }
        let (first, end) = (out.load(Index::Head), out.load(Index::Tail));
        let out = Producer::attach(out).map_err(Breach::Lending)?;
        let back = Consumer::attach(back).map_err(Breach::Returning)?;
        let outstanding = out.tail().wrapping_sub(back.head()) & M::MASK;
        if outstanding > most {
            return Err(Breach::Unbalanced { outstanding, most }.into());
        }
        let buffers = N.min(most as usize).min(size / BUFFER_SIZE);
        let mut lender = Lender {
            lent: [false; N],
            pool: [0; N],
            unused: 0,
            base,
            buffers,
            broken: None,
            back,
            out,
        };
        // What is lent lies in one of the rings (see the module's head).
        let mut found = 0;
        let waiting = lender.back.len().map_err(Breach::Returning)?;
        let here = lender.back.head();
        for index in 0..waiting {
            found += lender.mark(here.wrapping_add(index), true);
        }
        for index in 0..end.wrapping_sub(first) & M::MASK {
            found += lender.mark(first.wrapping_add(index), false);
        }
        if found != outstanding {
            lender.lent = [true; N];
        }
        for buffer in (0..buffers).rev() {
            if !lender.lent[buffer] {
                lender.keep(Buffer(buffer as u16));
            }
        }
        Ok(lender)
    }

    /// Marks the buffer of a slot as lent.
    ///
    /// # Returns
    /// 1 unless it was, or there is no such buffer.
    fn mark(&mut self, index: u32, returned: bool) -> u32 {
        let memory = if returned { self.back.memory() } else { self.out.memory() };
        let Descriptor { buffer, .. } = memory.read(index & (memory.capacity() - 1));
        match self.number(buffer).and_then(|number| self.lent.get_mut(number)) {
            Some(lent) if !*lent => {
                *lent = true;
                1
            }
            Some(_) | None => 0,
        }
    }

    /// Buffers of the connection.
    pub fn buffers(&self) -> usize {
        self.buffers
    }

    /// Buffers that [`Lender::take`] would yield now.
    pub fn unused(&self) -> usize {
        self.unused
    }

    /// A buffer that nobody has.
    pub fn take(&mut self) -> Option<Buffer> {
        self.unused = self.unused.checked_sub(1)?;
        self.pool.get(self.unused).map(|&number| Buffer(number))
    }

    /// Puts a buffer back unlent.
    pub fn keep(&mut self, buffer: Buffer) {
        if let Some(place) = self.pool.get_mut(self.unused) {
            *place = buffer.0;
            self.unused += 1;
        }
    }

    /// Puts a buffer into the ring, with a frame of so many bytes, or none;
    /// unseen by the peer before [`Lender::publish`]. There are no more buffers
    /// than slots; yet a peer that has given a buffer back may not have released
    /// its slot for a moment.
    ///
    /// # Errors
    /// The peer broke the protocol, now or earlier.
    pub fn lend(&mut self, buffer: Buffer, length: u16) -> Result<Lent, Breach> {
        self.unbroken()?;
        let address = self.base.wrapping_add(buffer.offset() as u64);
        match self.out.stage(&Descriptor { buffer: address, length }) {
            Ok(true) => {
                self.lent[usize::from(buffer.0)] = true;
                Ok(Lent::Yes)
            }
            Ok(false) => Ok(Lent::Full(buffer)),
            Err(e) => Err(self.fail(Breach::Lending(e))),
        }
    }

    /// Lets the peer see what was lent.
    ///
    /// # Returns
    /// Whether it must be notified.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        self.broken.is_none() && self.out.publish() && self.out.memory().consumer_waits()
    }

    /// Takes the next buffer that came back, and the length of the frame in it.
    ///
    /// # Errors
    /// As [`Lender::lend`].
    pub fn next_returned(&mut self) -> Result<Option<(Buffer, u16)>, Breach> {
        self.unbroken()?;
        let descriptor = match self.back.take() {
            Ok(Some(descriptor)) => descriptor,
            Ok(None) => return Ok(None),
            Err(e) => return Err(self.fail(Breach::Returning(e))),
        };
        self.back.release(1);
        let Descriptor { buffer, length } = descriptor;
        let Some(number) = self.number(buffer) else {
            return Err(self.fail(Breach::Place { buffer }));
        };
        if usize::from(length) > BUFFER_SIZE {
            return Err(self.fail(Breach::Length { buffer, length }));
        }
        match self.lent.get_mut(number) {
            Some(lent) if *lent => *lent = false,
            Some(_) | None => return Err(self.fail(Breach::NotLent { buffer })),
        }
        Ok(Some((Buffer(number as u16), length)))
    }

    /// Asks to be notified of the next buffer that comes back, unless one has.
    ///
    /// # Errors
    /// As [`Lender::lend`].
    pub fn wait(&mut self) -> Result<Waiting, Breach> {
        self.unbroken()?;
        self.back.memory().ask();
        match self.back.is_empty() {
            Ok(true) => Ok(Waiting::Asleep),
            Ok(false) => {
                self.back.memory().busy();
                Ok(Waiting::More)
            }
            Err(e) => Err(self.fail(Breach::Returning(e))),
        }
    }

    /// Says that nothing that comes back is of interest now: the peer does not
    /// notify before the next [`Lender::wait`].
    pub fn ignore(&mut self) {
        self.back.memory().busy();
    }

    /// What the peer did, once it did.
    pub fn broken(&self) -> Option<Breach> {
        self.broken
    }

    /// The number of the buffer at an address.
    fn number(&self, address: u64) -> Option<usize> {
        let offset = address.checked_sub(self.base)?;
        let number = usize::try_from(offset / BUFFER_SIZE as u64).ok()?;
        (number < self.buffers && offset.is_multiple_of(BUFFER_SIZE as u64)).then_some(number)
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
