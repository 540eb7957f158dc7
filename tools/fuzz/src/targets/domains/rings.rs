//! The two kinds of queue alone.

use std::collections::{BTreeSet, VecDeque};

use arbitrary::{Arbitrary, Unstructured};
use sddf::block::{Client, Operation, Request, Server, Status, Submitted, Ticket};
use sddf::net::{Borrower, Lender, Lent, Loan};
use shmem::{ReadWrite, Region};

use crate::Target;
use crate::targets::input::{steps, take};

pub(crate) const BLOCK: Target = Target {
    ..Target::new("block-queue", "every request is answered once, or the liar named", check_block)
};

pub(crate) const NET: Target = Target {
    ..Target::new("net-queue", "every buffer comes back once, or the liar is named", check_net)
};

const SLOTS: usize = 4;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum BlockStep {
    Submit(u8, u16),
    Publish,
    Take,
    Answer(u8, u8),
    PublishAnswers,
    Complete,
    RestartClient,
    RestartServer,
    /// The server fails when its answers are seen and the requests not given back.
    FailBetween,
    /// Somebody writes a word of a ring.
    Lie(bool, u8, u32),
}

fn check_block(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let start: u32 = take(&mut bytes);
    let (requests, responses) = (Region::host(16 + SLOTS * 32), Region::host(8 + SLOTS * 12));
    for ring in [&requests, &responses] {
        for index in [0, 4] {
            ring.write_u32(index, start).expect("a header");
        }
    }
    let client = || Client::<u32, SLOTS>::new(&requests, &responses);
    let server = || Server::<SLOTS>::new(&requests, &responses);
    let (mut asking, mut answering) =
        (client().expect("empty rings"), server().expect("empty rings"));
    let mut tickets: Vec<(Ticket, Request)> = Vec::new();
    let (mut staged, mut awaited) = (0u32, VecDeque::new());
    let mut next = 0u32;
    // Half of the runs are without lies, or few would get far.
    let liar: bool = take(&mut bytes);
    let mut honest = true;
    let mut step = |step: BlockStep| match step {
        BlockStep::Submit(operation, count) => {
            let operation = Operation::from_code(u32::from(operation % 4)).expect("four of them");
            let count = if operation.transfers() { count.max(1) } else { 0 };
            let request = Request { operation, buffer: 0, block: next.into(), count };
            if let Ok(Submitted::Yes) = asking.submit(request, next) {
                next = next.wrapping_add(1);
                staged += 1;
            }
        }
        BlockStep::Publish => {
            if asking.publish() {
                awaited.extend(next.wrapping_sub(staged)..next);
                staged = 0;
            }
        }
        BlockStep::Take => tickets.extend(answering.take().ok().flatten()),
        BlockStep::Answer(which, status) => {
            if !tickets.is_empty() {
                let (ticket, request) = tickets.swap_remove(usize::from(which) % tickets.len());
                let status = Status::from_code(u32::from(status % 5)).expect("five of them");
                let done = if status == Status::Ok { request.count } else { 0 };
                answering.answer(ticket, status, done);
            }
        }
        BlockStep::PublishAnswers => {
            let published = answering.publish();
            assert!(published.is_ok() || !honest, "an honest client is accused: {published:?}");
        }
        BlockStep::Complete => match asking.next_completion() {
            Ok(Some(completion)) if honest => {
                assert_eq!(Some(completion.token), awaited.pop_front(), "in order, once");
            }
            Ok(_) => {}
            Err(breach) => {
                assert!(!honest, "an honest server is accused: {breach}");
                assert_eq!(asking.next_completion().map(|_| ()), Err(breach), "it stays");
            }
        },
        BlockStep::RestartClient => {
            if let Ok(new) = client() {
                asking = new;
                awaited.clear();
                staged = 0;
            }
        }
        BlockStep::RestartServer => {
            if let Ok(new) = server() {
                answering = new;
                tickets.clear();
            }
        }
        BlockStep::FailBetween => {
            let head = requests.read_u32(0).expect("a header");
            let published = answering.publish();
            requests.write_u32(0, head).expect("a header");
            if let (Ok(_), Ok(new)) = (published, server()) {
                answering = new;
                tickets.clear();
            } else {
                assert!(!honest, "the server cannot be started again");
            }
        }
        BlockStep::Lie(..) if !liar => {}
        BlockStep::Lie(ring, word, value) => {
            honest = false;
            let ring = if ring { &requests } else { &responses };
            let _ = ring.write_u32(usize::from(word) * 4, value);
        }
    };
    for taken in steps::<BlockStep>(bytes) {
        step(taken);
    }
    for _ in 0..4 * SLOTS {
        for settle in [
            BlockStep::Publish,
            BlockStep::Take,
            BlockStep::Answer(0, 0),
            BlockStep::PublishAnswers,
            BlockStep::Complete,
        ] {
            step(settle);
        }
    }
    assert!(!honest || (awaited.is_empty() && asking.outstanding() == 0), "a request was lost");
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum NetStep {
    Lend(u16),
    Publish,
    Take,
    GiveBack(u8, u16),
    PublishReturned,
    Return,
    WaitLender,
    WaitBorrower,
    RestartLender,
    RestartBorrower,
    /// The user gives back a buffer without having it.
    Forge(u8),
    /// Somebody writes a word of a ring.
    Lie(bool, u8, u16),
}

const BUFFER: usize = 2048;

fn check_net(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let start: u16 = take(&mut bytes);
    let base: u64 = u64::from(take::<u32>(&mut bytes)) << 11;
    let ring = || {
        let ring = Region::<ReadWrite>::host(8 + SLOTS * 16);
        ring.write_u16(0, start).expect("a header");
        ring.write_u16(2, start).expect("a header");
        ring
    };
    let (out, back) = (ring(), ring());
    let lender = || Lender::<SLOTS>::new(&out, &back, base, SLOTS * BUFFER);
    let borrower = || Borrower::<SLOTS>::new(&out, &back, base, SLOTS * BUFFER);
    let (mut owner, mut user) = (lender().expect("empty rings"), borrower().expect("empty rings"));
    let mut loans: Vec<Loan> = Vec::new();
    // Half of the runs are without lies, or few would get far.
    let liar: bool = take(&mut bytes);
    let mut honest = true;
    // Where the owner's buffers are that nobody else has.
    let mut own: BTreeSet<usize> = (0..SLOTS).map(|number| number * BUFFER).collect();
    let mut step = |step: NetStep| match step {
        NetStep::Lend(length) => {
            if let Some(buffer) = owner.take() {
                let offset = buffer.offset();
                assert!(own.remove(&offset), "a buffer that is not the owner's");
                if let Ok(Lent::Full(buffer)) = owner.lend(buffer, length % 2049) {
                    assert!(!honest, "there are as many slots as buffers");
                    own.insert(offset);
                    owner.keep(buffer);
                }
            }
        }
        NetStep::Publish => {
            let _ = owner.publish();
        }
        NetStep::Take => match user.take() {
            Ok(loan) => {
                if let Some(loan) = &loan {
                    assert!(loan.offset() + BUFFER <= SLOTS * BUFFER, "outside the region");
                    assert!(usize::from(loan.length()) <= BUFFER);
                }
                loans.extend(loan);
            }
            Err(breach) => assert!(!honest, "an honest owner is accused: {breach}"),
        },
        NetStep::GiveBack(which, length) => {
            if !loans.is_empty() {
                let loan = loans.swap_remove(usize::from(which) % loans.len());
                user.give_back(loan, length % 2049);
            }
        }
        NetStep::PublishReturned => {
            assert!(user.publish().is_ok() || !honest, "an honest owner is accused");
        }
        NetStep::Return => match owner.next_returned() {
            Ok(Some((buffer, length))) => {
                assert!(usize::from(length) <= BUFFER);
                assert!(own.insert(buffer.offset()), "a buffer comes back that was not lent");
                owner.keep(buffer);
            }
            Ok(None) => {}
            Err(breach) => assert!(!honest, "an honest user is accused: {breach}"),
        },
        NetStep::WaitLender => {
            let _ = owner.wait();
        }
        NetStep::WaitBorrower => {
            let _ = user.wait();
        }
        NetStep::RestartLender => {
            if let Ok(new) = lender() {
                owner = new;
                let buffers: Vec<_> = std::iter::from_fn(|| owner.take()).collect();
                own = buffers.iter().map(|buffer| buffer.offset()).collect();
                buffers.into_iter().for_each(|buffer| owner.keep(buffer));
            }
        }
        NetStep::RestartBorrower => {
            if let Ok(new) = borrower() {
                user = new;
                loans.clear();
            }
        }
        NetStep::Forge(_) | NetStep::Lie(..) if !liar => {}
        NetStep::Forge(number) => {
            honest = false;
            let tail = back.read_u16(0).expect("a header");
            let at = 8 + (usize::from(tail) % SLOTS) * 16;
            let buffer = base + u64::from(number % 5) * BUFFER as u64;
            back.write_u64(at, buffer).expect("a slot");
            back.write_u16(at + 8, 60).expect("a slot");
            back.write_u16(0, tail.wrapping_add(1)).expect("a header");
        }
        NetStep::Lie(ring, word, value) => {
            honest = false;
            let ring = if ring { &out } else { &back };
            let _ = ring.write_u16(usize::from(word) * 2, value);
        }
    };
    for taken in steps::<NetStep>(bytes) {
        step(taken);
    }
    for _ in 0..4 * SLOTS {
        for settle in [
            NetStep::Publish,
            NetStep::Take,
            NetStep::GiveBack(0, 60),
            NetStep::PublishReturned,
            NetStep::Return,
        ] {
            step(settle);
        }
    }
    // Every buffer is there once.
    let mut offsets = BTreeSet::new();
    while let Some(buffer) = owner.take() {
        assert!(offsets.insert(buffer.offset()) || !honest, "a buffer twice");
    }
    assert!(!honest || offsets.len() == SLOTS, "a buffer was lost");
}
