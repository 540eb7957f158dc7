//! Buffers come back once, in order, whichever end is started again when.

use std::collections::VecDeque;

use proptest::prelude::*;
use sddf::net::{Buffer, Lent, Loan};

use super::world::{BASE, Rings, SLOTS, TestBorrower, TestLender};

#[derive(Clone, Debug)]
enum Op {
    Lend(u16),
    PublishLent,
    Take,
    GiveBack(usize, u16),
    PublishReturned,
    Return,
    RestartLender,
    RestartBorrower,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0u16..=2048).prop_map(Op::Lend),
        3 => Just(Op::PublishLent),
        5 => Just(Op::Take),
        5 => (0usize..SLOTS, 0u16..=2048).prop_map(|(which, length)| Op::GiveBack(which, length)),
        3 => Just(Op::PublishReturned),
        5 => Just(Op::Return),
        1 => Just(Op::RestartLender),
        1 => Just(Op::RestartBorrower),
    ]
}

struct World {
    rings: Rings,
    lender: TestLender,
    borrower: TestBorrower,
    /// Buffers the lender's user has in hand.
    own: Vec<Buffer>,
    /// Lent in this order: the offset and length; the first are published.
    lent: VecDeque<(usize, u16)>,
    published: usize,
    loans: Vec<Loan>,
    /// What was given back for a lent buffer, by offset.
    answers: std::collections::BTreeMap<usize, u16>,
}

impl World {
    fn new(start: u16) -> Self {
        let rings = Rings::new(start);
        World {
            lender: rings.lender(),
            borrower: rings.borrower(),
            rings,
            own: Vec::new(),
            lent: VecDeque::new(),
            published: 0,
            loans: Vec::new(),
            answers: Default::default(),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Lend(length) => {
                let Some(buffer) = self.own.pop().or_else(|| self.lender.take()) else { return };
                let offset = buffer.offset();
                match self.lender.lend(buffer, length).unwrap() {
                    Lent::Yes => self.lent.push_back((offset, length)),
                    Lent::Full(_) => panic!("there are as many slots as buffers"),
                }
            }
            Op::PublishLent => {
                let _ = self.lender.publish();
                self.published = self.lent.len();
            }
            Op::Take => {
                if let Some(loan) = self.borrower.take().unwrap() {
                    assert!(self.lent.contains(&(loan.offset(), loan.length())));
                    self.loans.push(loan);
                }
            }
            Op::GiveBack(which, length) => {
                if which < self.loans.len() {
                    let loan = self.loans.remove(which);
                    self.answers.insert(loan.offset(), length);
                    self.borrower.give_back(loan, length);
                }
            }
            Op::PublishReturned => {
                let _ = self.borrower.publish().unwrap();
            }
            Op::Return => {
                if let Some((buffer, length)) = self.lender.next_returned().unwrap() {
                    let (offset, _) = self.lent.pop_front().expect("it was lent");
                    self.published -= 1;
                    assert_eq!(buffer.offset(), offset, "in order, once");
                    assert_eq!(self.answers.get(&offset), Some(&length));
                    self.own.push(buffer);
                }
            }
            Op::RestartLender => {
                self.lender = self.rings.lender();
                self.own.clear();
                self.lent.truncate(self.published);
                assert_eq!(self.lender.unused(), SLOTS - self.lent.len(), "it knows its own");
            }
            Op::RestartBorrower => {
                self.borrower = self.rings.borrower();
                self.loans.clear();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_buffer_comes_back_once_whoever_restarts(
        ops in proptest::collection::vec(op(), 1..150),
        start in prop_oneof![Just(0), any::<u16>(), (u16::MAX - 20)..=u16::MAX],
    ) {
        let mut world = World::new(start);
        for op in &ops {
            world.apply(op);
        }
        for _ in 0..4 * SLOTS {
            for op in [Op::PublishLent, Op::Take, Op::GiveBack(0, 9), Op::PublishReturned, Op::Return] {
                world.apply(&op);
            }
        }
        prop_assert_eq!(world.lent.len(), 0, "lost");
        prop_assert_eq!(world.lender.unused() + world.own.len(), SLOTS);
    }
}

#[test]
fn the_layout_is_that_of_the_c_structure() {
    let rings = Rings::new(0);
    let mut lender = rings.lender();
    let _ = lender.take();
    let second = lender.take().unwrap();
    assert_eq!(second.offset(), 2048);
    assert_eq!(lender.lend(second, 60), Ok(Lent::Yes));
    assert!(lender.publish(), "a fresh ring's consumer waits");
    assert_eq!((rings.out.read_u16(0), rings.out.read_u16(2)), (Ok(1), Ok(0)), "tail, head");
    assert_eq!(rings.out.read_u32(4), Ok(1), "signalled");
    assert_eq!(rings.out.read_u64(8), Ok(BASE + 2048));
    assert_eq!((rings.out.read_u16(16), rings.out.read_u8(18)), (Ok(60), Ok(0)));
}

#[test]
fn a_lender_beside_a_peer_that_releases_early_takes_everything_for_lent() {
    let rings = Rings::new(0);
    let mut lender = rings.lender();
    let buffer = lender.take().unwrap();
    assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
    let _ = lender.publish();
    // As sDDF's own components do when they take.
    rings.out.write_u16(2, 1).unwrap();
    let mut lender = rings.lender();
    assert_eq!(lender.take(), None);
    super::world::forge(&rings.back, BASE, 77);
    let (buffer, length) = lender.next_returned().unwrap().unwrap();
    assert_eq!((buffer.offset(), length), (0, 77));
}
