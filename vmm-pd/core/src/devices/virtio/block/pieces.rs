//! What is on its way to the peer for a request, and how requests are cut into it.
//!
//! A request goes in pieces: each a run of whole blocks in the data region. A write of
//! less than a block is read, changed and written. Such a change is atomic against
//! every other write of this guest: no other piece that writes the same block is on
//! its way meanwhile. It is not atomic against a loss of power beyond what the disk's
//! own blocks are, nor against another client's writes, which the block domain keeps
//! off this disk.

use heapless::Vec;
use sddf::block::{Cells, Client, Completion, Operation, Outcome, Request, Run, Submitted};
use shmem::{ReadWrite, Region};
use virtq::Parts;

use super::bits::{HEADER, status};
use super::request::Job;
use super::store::Slot;
use super::{CELL_WORDS, DEPTH, PIECE_CELLS};
use crate::memory::GuestMemory;
use crate::types::Gpa;

/// Bytes of a block.
const BLOCK: u32 = sddf::block::TRANSFER_SIZE as u32;

/// What a piece is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Read or write of whole blocks.
    Transfer,
    /// The reading half of a change within a block.
    Fetch,
    /// Its writing half.
    Store,
    /// A flush.
    Flush,
}

/// Part of a request that the peer has.
#[derive(Debug)]
pub struct Piece {
    pub(super) slot: u8,
    /// Which life of the device it belongs to.
    pub(super) life: u32,
    step: Step,
    run: Option<Run>,
    /// First byte within the request.
    offset: u32,
    length: u32,
    /// First byte within its first block.
    skip: u32,
}

/// Blocks that a piece on its way will change.
#[derive(Clone, Copy, Debug)]
struct Writing {
    first: u64,
    end: u64,
    /// Within a block.
    change: bool,
}

/// Whether a request is all on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Issued {
    /// It is.
    All,
    /// There is no room now; something has to come back first.
    Blocked,
}

/// The path to the peer.
#[derive(Debug)]
pub(super) struct Path {
    pub client: Client<Piece, DEPTH>,
    data: Region<ReadWrite>,
    cells: Cells<CELL_WORDS>,
    writing: Vec<Writing, DEPTH>,
    /// Bytes copied since somebody asked.
    copied: u64,
}

impl Path {
    pub fn new(client: Client<Piece, DEPTH>, data: Region<ReadWrite>) -> Self {
        let cells = Cells::new(data.len());
        Path { client, data, cells, writing: Vec::new(), copied: 0 }
    }

    /// Blocks that the data region holds.
    pub fn cells(&self) -> u32 {
        self.cells.cells()
    }

    /// Bytes copied between guest RAM and the data region since this was last asked.
    pub fn take_copied(&mut self) -> u64 {
        core::mem::take(&mut self.copied)
    }

    /// Gives as much of a request to the peer as there is room for.
    pub fn issue(
        &mut self,
        index: u8,
        slot: &mut Slot,
        life: u32,
        memory: &mut impl GuestMemory,
    ) -> Issued {
        while slot.issued < slot.length {
            if !self.client.has_room() {
                return Issued::Blocked;
            }
            // Within the disk, whose last byte has a number of 64 bits.
            let at = slot.start + u64::from(slot.issued);
            let (block, skip) = (at / u64::from(BLOCK), (at % u64::from(BLOCK)) as u32);
            let left = slot.length - slot.issued;
            let change = slot.job.writes() && (skip > 0 || left < BLOCK);
            // A change is one block, a write whole blocks, a read whatever touches it.
            let wanted = match slot.job {
                _ if change => 1,
                Job::Write | Job::Zero => left / BLOCK,
                Job::Read | Job::Flush => left.saturating_add(skip).div_ceil(BLOCK),
            };
            let Some(run) = self.allocate(wanted.min(PIECE_CELLS)) else {
                return Issued::Blocked;
            };
            let blocks = run.cells();
            if slot.job.writes() && self.conflicts(block, blocks, change) {
                self.cells.free(run);
                return Issued::Blocked;
            }
            let length = left.min(blocks * BLOCK - skip);
            let step = if change { Step::Fetch } else { Step::Transfer };
            let piece =
                Piece { slot: index, life, step, run: None, offset: slot.issued, length, skip };
            if !change {
                self.fill(&piece, &run, slot, memory);
            }
            let operation = if change { Operation::Read } else { slot.job.operation() };
            if slot.job.writes() {
                let writing = Writing { first: block, end: block + u64::from(blocks), change };
                // One a request that is outstanding, so there is room.
                let _full = self.writing.push(writing);
            }
            if !self.submit(operation, block, run, piece) {
                if slot.job.writes() {
                    self.written(block, blocks);
                }
                return Issued::Blocked;
            }
            slot.issued += length;
            slot.outstanding += 1;
        }
        if slot.job == Job::Flush && slot.outstanding == 0 {
            return self.flush(index, slot, life);
        }
        Issued::All
    }

    /// Asks for a flush.
    pub fn flush(&mut self, index: u8, slot: &mut Slot, life: u32) -> Issued {
        let (step, run) = (Step::Flush, None);
        let piece = Piece { slot: index, life, step, run, offset: 0, length: 0, skip: 0 };
        match self.client.submit(Request::bare(Operation::Flush), piece) {
            Ok(Submitted::Yes) => {
                slot.outstanding += 1;
                Issued::All
            }
            Ok(Submitted::Full(_)) | Err(_) => Issued::Blocked,
        }
    }

    /// As many neighbouring cells as wanted, or half as many, and so on.
    fn allocate(&mut self, wanted: u32) -> Option<Run> {
        let mut wanted = wanted;
        while wanted > 0 {
            if let Some(run) = self.cells.allocate(wanted) {
                return Some(run);
            }
            wanted /= 2;
        }
        None
    }

    /// Whether a write must wait for one that is on its way.
    fn conflicts(&self, first: u64, blocks: u32, change: bool) -> bool {
        let end = first + u64::from(blocks);
        self.writing.iter().any(|w| (w.change || change) && w.first < end && first < w.end)
    }

    /// A write of these blocks is not on its way any more.
    fn written(&mut self, first: u64, blocks: u32) {
        let end = first + u64::from(blocks);
        if let Some(index) = self.writing.iter().position(|w| (w.first, w.end) == (first, end)) {
            self.writing.swap_remove(index);
        }
    }

    fn submit(&mut self, operation: Operation, block: u64, run: Run, mut piece: Piece) -> bool {
        let request = Request { operation, buffer: run.offset(), block, count: run.cells() as u16 };
        piece.run = Some(run);
        match self.client.submit(request, piece) {
            Ok(Submitted::Yes) => true,
            Ok(Submitted::Full(piece)) => {
                self.release(piece.run);
                false
            }
            // The cells went with the token; the connection is closed for good.
            Err(_) => false,
        }
    }

    fn release(&mut self, run: Option<Run>) {
        if let Some(run) = run {
            self.cells.free(run);
        }
    }

    /// Puts what a piece writes into the data region.
    fn fill(&mut self, piece: &Piece, run: &Run, slot: &mut Slot, memory: &impl GuestMemory) {
        let at = run.offset() as usize + piece.skip as usize;
        let done = match slot.job {
            Job::Read | Job::Flush => true,
            Job::Zero => self.data.zero(at, piece.length as usize).is_ok(),
            Job::Write => {
                let from = HEADER.saturating_add(piece.offset);
                let mut at = at;
                self.copied = self.copied.saturating_add(piece.length.into());
                pieces(slot.chain.readable(), from, piece.length, |gpa, length| {
                    let copied = memory.copy_to_region(gpa, &self.data, at, length).is_ok();
                    at += length;
                    copied
                })
            }
        };
        if !done {
            slot.status = status::IOERR;
        }
    }

    /// Puts what a piece read into the guest's buffers.
    fn deliver(
        &mut self,
        piece: &Piece,
        run: &Run,
        slot: &mut Slot,
        memory: &mut impl GuestMemory,
    ) {
        let mut at = run.offset() as usize + piece.skip as usize;
        self.copied = self.copied.saturating_add(piece.length.into());
        let done = pieces(slot.chain.writable(), piece.offset, piece.length, |gpa, length| {
            let copied = memory.copy_from_region(gpa, &self.data, at, length).is_ok();
            at += length;
            copied
        });
        if !done {
            slot.status = status::IOERR;
        }
    }

    /// A piece of a request came back. Without a slot it is of an earlier life, and
    /// concerns nobody.
    pub fn returned(
        &mut self,
        completion: Completion<Piece>,
        slot: Option<&mut Slot>,
        memory: &mut impl GuestMemory,
    ) {
        let Completion { request, token: mut piece, outcome } = completion;
        let run = piece.run.take();
        let wrote = request.operation == Operation::Write || piece.step == Step::Fetch;
        if let Some(slot) = slot {
            if matches!(outcome, Outcome::Failed { .. }) {
                slot.status = status::IOERR;
                // What was not begun is not begun any more.
                slot.issued = slot.length;
            }
            match (piece.step, &run) {
                (Step::Fetch, Some(_)) if slot.status == status::OK => {
                    return self.change(request.block, run, piece, slot, memory);
                }
                (Step::Transfer, Some(run)) if !wrote && slot.status == status::OK => {
                    self.deliver(&piece, run, slot, memory);
                }
                (Step::Fetch | Step::Transfer | Step::Store | Step::Flush, _) => {}
            }
            slot.outstanding = slot.outstanding.saturating_sub(1);
        }
        if wrote {
            self.written(request.block, request.count.into());
        }
        self.release(run);
    }

    /// The second half of a change within a block.
    fn change(
        &mut self,
        block: u64,
        run: Option<Run>,
        mut piece: Piece,
        slot: &mut Slot,
        memory: &impl GuestMemory,
    ) {
        let Some(run) = run else { return };
        self.fill(&piece, &run, slot, memory);
        let blocks = run.cells();
        piece.step = Step::Store;
        // An honest peer has room: the first half was just answered.
        if !self.submit(Operation::Write, block, run, piece) {
            slot.status = status::IOERR;
            slot.outstanding = slot.outstanding.saturating_sub(1);
            self.written(block, blocks);
        }
    }
}

/// Does something with each piece of guest RAM, as long as it can.
fn pieces(
    parts: Parts<'_>,
    offset: u32,
    length: u32,
    mut copy: impl FnMut(Gpa, usize) -> bool,
) -> bool {
    parts.pieces(offset, length).all(|part| copy(Gpa(part.address), part.length as usize))
}
