//! The part that a disk's driver serves: reads what the test put there, writes a
//! pattern all over, reads it back, and asks for what it may not have.
//!
//! It is a virtualiser's other half: what it names is I/O addresses.

use sddf::block::{Client, InfoSource, Operation, Outcome, Request, Submitted, TRANSFER_SIZE};
use sel4_microkit::{Channel, memory_region, timestamp_counter, var};
use shmem::{ReadWrite, Region};

use crate::console::say;

const DRIVER: Channel = Channel::new(1);

/// Slots of the queue.
const SLOTS: usize = 64;

/// The first block of those that are written, and how many there are; the buffers
/// are as many, and then as many again.
const FIRST: u64 = 16;
const BLOCKS: u64 = 256;
/// Blocks of one request: one that needs several commands of a 28-bit disk.
const EACH: u64 = 64;

const fn bytes(blocks: u64) -> usize {
    (blocks * TRANSFER_SIZE) as usize
}

/// What is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The driver has not said what disk it is.
    Waiting,
    /// Reads block 0, which the test wrote.
    Greeting,
    /// Writes.
    Writing,
    /// Reads that back, elsewhere.
    Reading,
    /// Asks for what it may not have.
    Begging,
    Done,
}

pub struct Disk {
    client: Client<(), SLOTS>,
    info: InfoSource,
    data: Region<ReadWrite>,
    /// Its I/O address.
    base: u64,
    step: Step,
    /// Since when this step.
    start: u64,
    /// Outcomes that were not what was asked for.
    failures: u32,
}

impl Disk {
    pub fn start() -> Self {
        let client = Client::new(
            &memory_region!(ReadWrite, requests_vaddr, requests_size),
            &memory_region!(ReadWrite, responses_vaddr, responses_size),
        );
        let info = InfoSource::new(&memory_region!(Read, info_vaddr, info_size));
        let mut disk = Disk {
            client: client.expect("the rings are new"),
            info: info.expect("a page holds it"),
            data: memory_region!(ReadWrite, data_vaddr, data_size),
            base: var!(data_paddr: u64 = 0),
            step: Step::Waiting,
            start: 0,
            failures: 0,
        };
        disk.notified();
        disk
    }

    pub fn notified(&mut self) {
        while let Some(completion) = self.client.next_completion().expect("the driver keeps to it")
        {
            let refused = matches!(completion.outcome, Outcome::Failed { .. });
            if refused != (self.step == Step::Begging) {
                say!("disk {:?}: {:?}", self.step, completion.outcome);
                self.failures += 1;
            }
        }
        if self.client.outstanding() > 0 {
            return;
        }
        let took = timestamp_counter() - self.start;
        self.step = match self.step {
            Step::Waiting => match self.info.read() {
                None => return,
                Some(info) => {
                    say!("disk has {} blocks", info.capacity);
                    self.submit(Operation::Read, 0, 0, 1);
                    Step::Greeting
                }
            },
            Step::Greeting => {
                let mut text = [0; 5];
                self.data.read(0, &mut text).expect("the region holds a block");
                say!("disk says {} in {took} ticks", text.escape_ascii());
                self.fill();
                self.all(Operation::Write, 0);
                self.submit(Operation::Flush, 0, 0, 0);
                Step::Writing
            }
            Step::Writing => {
                say!("disk wrote {} blocks in {took} ticks", BLOCKS);
                self.all(Operation::Read, BLOCKS);
                Step::Reading
            }
            Step::Reading => {
                let same = self.compare();
                say!("disk read {same} blocks as they were written in {took} ticks");
                let end = bytes(2 * BLOCKS) as u64;
                self.request(Operation::Write, self.base.wrapping_sub(TRANSFER_SIZE), FIRST, 1);
                self.request(Operation::Read, self.base + end, FIRST, 1);
                self.request(Operation::Read, self.base + end - TRANSFER_SIZE, FIRST, 2);
                self.request(Operation::Write, self.base, u64::MAX - 1, 1);
                Step::Begging
            }
            Step::Begging => {
                say!("disk is done with {} failures", self.failures);
                Step::Done
            }
            Step::Done => return,
        };
        self.start = timestamp_counter();
        if self.client.publish() {
            DRIVER.notify();
        }
    }

    /// The pattern of a word: no two are alike.
    fn word(offset: usize) -> u64 {
        (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5a5a
    }

    fn fill(&self) {
        for offset in (0..bytes(BLOCKS)).step_by(8) {
            self.data.write_u64(offset, Disk::word(offset)).expect("within the region");
            self.data.write_u64(bytes(BLOCKS) + offset, 0).expect("within the region");
        }
    }

    /// How many blocks came back as they went.
    fn compare(&self) -> usize {
        let same = |block: &u64| {
            (bytes(*block)..bytes(block + 1)).step_by(8).all(|offset| {
                let there = self.data.read_u64(bytes(BLOCKS) + offset);
                there.is_ok_and(|word| word == Disk::word(offset))
            })
        };
        (0..BLOCKS).filter(same).count()
    }

    /// All that is written, with buffers from this block of the region on.
    fn all(&mut self, operation: Operation, buffer: u64) {
        for block in (0..BLOCKS).step_by(EACH as usize) {
            self.submit(operation, buffer + block, FIRST + block, EACH as u16);
        }
    }

    fn submit(&mut self, operation: Operation, buffer: u64, block: u64, count: u16) {
        self.request(operation, self.base + bytes(buffer) as u64, block, count);
    }

    fn request(&mut self, operation: Operation, buffer: u64, block: u64, count: u16) {
        let request = Request { operation, buffer, block, count };
        let taken = self.client.submit(request, ()).expect("the driver keeps to it");
        assert!(matches!(taken, Submitted::Yes), "the queue has room for every step");
    }
}
