//! Every interleaving of the two ends of the block and network queues, under
//! the memory model of C11: an entry is seen whole, an answer leaves before its
//! slot is released, and nobody sleeps while there is something to do.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use sddf::block::{Client, Operation, RawRequest, RawResponse, Request, Server, Status, Submitted};
use sddf::net::{Borrower, Descriptor, Flag, Lender, Lent, Waiting};
use sddf::ring::{Index, Memory};

const CAPACITY: usize = 2;

/// An entry as two words that can be seen apart.
trait Words: Copy + std::fmt::Debug {
    const MASK: u32;
    fn pack(&self) -> [u64; 2];
    fn unpack(words: [u64; 2]) -> Self;
}

impl Words for RawRequest {
    const MASK: u32 = u32::MAX;

    fn pack(&self) -> [u64; 2] {
        [u64::from(self.code) | u64::from(self.count) << 32, self.block << 32 | u64::from(self.id)]
    }

    fn unpack([low, high]: [u64; 2]) -> Self {
        let (block, id) = (high >> 32, high as u32);
        RawRequest { code: low as u32, buffer: 0, block, count: (low >> 32) as u16, id }
    }
}

impl Words for RawResponse {
    const MASK: u32 = u32::MAX;

    fn pack(&self) -> [u64; 2] {
        [u64::from(self.status) | u64::from(self.done) << 32, u64::from(self.id)]
    }

    fn unpack([low, high]: [u64; 2]) -> Self {
        RawResponse { status: low as u32, done: (low >> 32) as u16, id: high as u32 }
    }
}

impl Words for Descriptor {
    const MASK: u32 = 0xFFFF;

    fn pack(&self) -> [u64; 2] {
        [self.buffer, u64::from(self.length)]
    }

    fn unpack([buffer, length]: [u64; 2]) -> Self {
        Descriptor { buffer, length: length as u16 }
    }
}

/// A ring whose words have the weakest orderings that the protocol claims to
/// need, weaker than x86-64's.
struct Model<E> {
    indices: Arc<[AtomicU32; 2]>,
    signalled: Arc<AtomicU32>,
    slots: Arc<[[AtomicU64; 2]; CAPACITY]>,
    fences: bool,
    entry: std::marker::PhantomData<fn() -> E>,
}

impl<E> Clone for Model<E> {
    fn clone(&self) -> Self {
        Model {
            indices: self.indices.clone(),
            signalled: self.signalled.clone(),
            slots: self.slots.clone(),
            fences: self.fences,
            entry: self.entry,
        }
    }
}

impl<E> Model<E> {
    fn new(fences: bool) -> Self {
        Model {
            indices: Arc::new([AtomicU32::new(0), AtomicU32::new(0)]),
            signalled: Arc::new(AtomicU32::new(1)),
            slots: Arc::new(std::array::from_fn(|_| [AtomicU64::new(0), AtomicU64::new(0)])),
            fences,
            entry: std::marker::PhantomData,
        }
    }

    fn index(&self, index: Index) -> &AtomicU32 {
        match index {
            Index::Tail => &self.indices[0],
            Index::Head => &self.indices[1],
        }
    }
}

impl<E: Words> Memory for Model<E> {
    type Entry = E;
    const MASK: u32 = E::MASK;

    fn capacity(&self) -> u32 {
        CAPACITY as u32
    }

    fn load(&self, index: Index) -> u32 {
        self.index(index).load(Ordering::Acquire)
    }

    fn store(&self, index: Index, value: u32) {
        self.index(index).store(value, Ordering::Release);
    }

    fn read(&self, slot: u32) -> E {
        let [low, high] = &self.slots[slot as usize];
        E::unpack([low.load(Ordering::Relaxed), high.load(Ordering::Relaxed)])
    }

    fn write(&self, slot: u32, entry: &E) {
        for (word, value) in self.slots[slot as usize].iter().zip(entry.pack()) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

impl Flag for Model<Descriptor> {
    fn signalled(&self) -> u32 {
        self.signalled.load(Ordering::Relaxed)
    }

    fn set_signalled(&self, value: u32) {
        self.signalled.store(value, Ordering::Relaxed);
    }

    fn fence(&self) {
        if self.fences {
            fence(Ordering::SeqCst);
        }
    }
}

fn request(block: u64) -> Request {
    Request { operation: Operation::Write, buffer: 0, block, count: block as u16 + 1 }
}

#[test]
fn a_block_request_is_seen_whole_and_answered_once() {
    loom::model(|| {
        let (requests, responses) = (Model::new(true), Model::new(true));
        let mut client: Client<u64, CAPACITY, Model<RawRequest>, Model<RawResponse>> =
            Client::attach(requests.clone(), responses.clone()).unwrap();
        let mut server: Server<CAPACITY, Model<RawRequest>, Model<RawResponse>> =
            Server::attach(requests, responses).unwrap();
        let serve = |server: &mut Server<CAPACITY, _, _>| {
            while let Some((ticket, taken)) = server.take().unwrap() {
                assert_eq!(taken, request(taken.block), "seen in parts");
                server.answer(ticket, Status::Ok, taken.count);
            }
            let _ = server.publish().unwrap();
        };
        let serving = loom::thread::spawn(move || {
            serve(&mut server);
            server
        });
        let mut made = 0;
        let mut done = 0;
        for _ in 0..3 {
            if let Submitted::Yes = client.submit(request(made), made).unwrap() {
                made += 1;
            }
            let _ = client.publish();
            while let Some(completion) = client.next_completion().unwrap() {
                assert_eq!(completion.token, done);
                done += 1;
            }
        }
        serve(&mut serving.join().unwrap());
        while let Some(completion) = client.next_completion().unwrap() {
            assert_eq!(completion.token, done);
            done += 1;
        }
        assert_eq!(done, made);
    });
}

/// A lender sends a frame while the borrower goes to sleep.
fn a_borrower_falls_asleep(fences: bool) {
    loom::model(move || {
        let (out, back) = (Model::new(fences), Model::new(fences));
        let mut lender: Lender<CAPACITY, Model<Descriptor>> =
            Lender::attach(out.clone(), back.clone(), 0, CAPACITY * 2048).unwrap();
        let mut borrower: Borrower<CAPACITY, Model<Descriptor>> =
            Borrower::attach(out, back, 0, CAPACITY * 2048).unwrap();
        let notified = Arc::new(AtomicBool::new(false));
        let sending = {
            let notified = notified.clone();
            loom::thread::spawn(move || {
                for length in [60, 61] {
                    let buffer = lender.take().unwrap();
                    assert_eq!(lender.lend(buffer, length), Ok(Lent::Yes));
                    if lender.publish() {
                        notified.store(true, Ordering::Relaxed);
                    }
                }
            })
        };
        let mut taken = Vec::new();
        while let Some(loan) = borrower.take().unwrap() {
            taken.push(loan);
        }
        let asleep = borrower.wait().unwrap() == Waiting::Asleep;
        sending.join().unwrap();
        let slept_on = asleep && taken.len() < 2 && !notified.load(Ordering::Relaxed);
        assert!(!slept_on, "lost wake-up");
        while let Some(loan) = borrower.take().unwrap() {
            taken.push(loan);
        }
        let seen: Vec<_> = taken.iter().map(|loan| (loan.offset(), loan.length())).collect();
        assert_eq!(seen, [(0, 60), (2048, 61)]);
    });
}

#[test]
fn a_sleeping_consumer_of_frames_is_notified() {
    a_borrower_falls_asleep(true);
}

/// The model is strong enough to find what the fences are there for.
#[test]
#[should_panic(expected = "lost wake-up")]
fn without_its_fences_the_network_protocol_loses_wake_ups() {
    a_borrower_falls_asleep(false);
}

#[test]
fn a_buffer_comes_back_to_a_lender_that_lends_it_again() {
    loom::model(|| {
        let (out, back) = (Model::new(true), Model::new(true));
        let mut lender: Lender<CAPACITY, Model<Descriptor>> =
            Lender::attach(out.clone(), back.clone(), 0, CAPACITY * 2048).unwrap();
        let mut borrower: Borrower<CAPACITY, Model<Descriptor>> =
            Borrower::attach(out, back, 0, CAPACITY * 2048).unwrap();
        for _ in 0..CAPACITY {
            let buffer = lender.take().unwrap();
            assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
        }
        let _ = lender.publish();
        let using = loom::thread::spawn(move || {
            for _ in 0..2 {
                if let Some(loan) = borrower.take().unwrap() {
                    let length = loan.length() + 1;
                    borrower.give_back(loan, length);
                }
                let _ = borrower.publish().unwrap();
            }
        });
        let mut kept = 0;
        for _ in 0..2 {
            if let Some((buffer, length)) = lender.next_returned().unwrap() {
                assert_eq!(length, 1);
                // Its slot may not be released yet.
                match lender.lend(buffer, 10).unwrap() {
                    Lent::Yes => {}
                    Lent::Full(buffer) => {
                        lender.keep(buffer);
                        kept += 1;
                    }
                }
            }
        }
        using.join().unwrap();
        assert_eq!(lender.unused(), kept);
    });
}
