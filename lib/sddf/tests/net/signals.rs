//! Who notifies whom.

use sddf::net::{Lent, Waiting};

use super::world::{BASE, Rings, forge};

#[test]
fn a_consumer_that_waits_is_notified_once() {
    let rings = Rings::new(0);
    let (mut lender, mut borrower) = (rings.lender(), rings.borrower());
    assert_eq!(borrower.wait(), Ok(Waiting::Asleep));
    for expected in [true, false] {
        let buffer = lender.take().unwrap();
        assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
        assert_eq!(lender.publish(), expected);
        assert!(!lender.publish(), "nothing new");
    }
    assert_eq!(borrower.wait(), Ok(Waiting::More));
    assert_eq!(rings.out.read_u32(4), Ok(1), "it is awake");
}

#[test]
fn a_lender_that_waits_is_notified_once() {
    let rings = Rings::new(0);
    let (mut lender, mut borrower) = (rings.lender(), rings.borrower());
    for _ in 0..2 {
        let buffer = lender.take().unwrap();
        assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
    }
    let _ = lender.publish();
    assert_eq!(lender.wait(), Ok(Waiting::Asleep));
    for expected in [true, false] {
        let loan = borrower.take().unwrap().unwrap();
        borrower.give_back(loan, 60);
        assert_eq!(borrower.publish(), Ok(expected));
    }
    assert_eq!(lender.wait(), Ok(Waiting::More));
}

#[test]
fn who_ignores_is_not_notified() {
    let rings = Rings::new(0);
    let (mut lender, mut borrower) = (rings.lender(), rings.borrower());
    borrower.ignore();
    let buffer = lender.take().unwrap();
    assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
    assert!(!lender.publish());
    lender.ignore();
    let loan = borrower.take().unwrap().unwrap();
    borrower.give_back(loan, 0);
    assert_eq!(borrower.publish(), Ok(false));
    forge(&rings.back, BASE, 0);
    assert_eq!(lender.wait(), Ok(Waiting::More));
}
