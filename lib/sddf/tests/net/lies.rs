//! Every lie that a peer can tell.

use proptest::prelude::*;
use sddf::net::{AttachError, Borrower, Breach, Lender, Lent};
use sddf::ring::{Culprit, PeerError};
use shmem::Region;

use super::world::{BASE, Rings, SIZE, SLOTS, TestLender, forge};

/// A lender that has lent its first buffer.
fn lent(rings: &Rings) -> TestLender {
    let mut lender = rings.lender();
    let buffer = lender.take().unwrap();
    assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
    assert!(lender.publish());
    lender
}

/// The lender's verdict on a buffer that comes back, which must stay.
fn returned(buffer: u64, length: u16) -> Breach {
    let rings = Rings::new(0);
    let mut lender = lent(&rings);
    forge(&rings.back, buffer, length);
    let breach = lender.next_returned().unwrap_err();
    assert_eq!(lender.next_returned(), Err(breach), "it stays");
    assert_eq!(lender.wait(), Err(breach));
    assert!(!lender.publish());
    let other = lender.take().unwrap();
    assert_eq!(lender.lend(other, 0), Err(breach));
    assert_eq!(lender.broken(), Some(breach));
    breach
}

/// The borrower's verdict on a buffer that it is lent, which must stay.
fn borrowed(buffer: u64, length: u16) -> Breach {
    let rings = Rings::new(0);
    let mut borrower = rings.borrower();
    forge(&rings.out, buffer, length);
    let breach = borrower.take().unwrap_err();
    assert_eq!(borrower.take(), Err(breach), "it stays");
    assert_eq!(borrower.wait(), Err(breach));
    assert_eq!(borrower.publish(), Err(breach));
    assert_eq!(borrower.broken(), Some(breach));
    breach
}

const OUTSIDE: [u64; 5] = [0, BASE - 2048, BASE + SIZE as u64, u64::MAX, u64::MAX - 2047];

#[test]
fn a_buffer_outside_the_data_region_ends_the_connection() {
    for buffer in OUTSIDE {
        assert_eq!(returned(buffer, 0), Breach::Place { buffer });
        assert_eq!(borrowed(buffer, 0), Breach::Place { buffer });
    }
}

#[test]
fn a_buffer_that_begins_within_another_ends_the_connection() {
    for buffer in [BASE + 1, BASE + 1024] {
        assert_eq!(returned(buffer, 0), Breach::Place { buffer });
        assert_eq!(borrowed(buffer, 0), Breach::Place { buffer });
    }
}

#[test]
fn a_frame_longer_than_its_buffer_ends_the_connection() {
    for length in [2049, u16::MAX] {
        assert_eq!(returned(BASE, length), Breach::Length { buffer: BASE, length });
        assert_eq!(borrowed(BASE, length), Breach::Length { buffer: BASE, length });
    }
}

#[test]
fn a_buffer_never_lent_or_given_back_twice_ends_the_connection() {
    assert_eq!(returned(BASE + 2048, 0), Breach::NotLent { buffer: BASE + 2048 });
    let rings = Rings::new(0);
    let mut lender = lent(&rings);
    forge(&rings.back, BASE, 0);
    forge(&rings.back, BASE, 0);
    assert!(lender.next_returned().unwrap().is_some());
    assert_eq!(lender.next_returned(), Err(Breach::NotLent { buffer: BASE }));
}

#[test]
fn a_tail_that_jumps_or_goes_back_ends_the_connection() {
    for (first, second) in [(9, 9), (4, 3), (4, 9), (0, u16::MAX)] {
        let rings = Rings::new(0);
        let mut borrower = rings.borrower();
        rings.out.write_u16(0, first).unwrap();
        let before = borrower.wait();
        rings.out.write_u16(0, second).unwrap();
        let breach = before.and_then(|_| borrower.wait()).unwrap_err();
        assert!(matches!(breach, Breach::Lending(PeerError { culprit: Culprit::Producer, .. })));

        let mut lender = rings.lender_of(&Region::host(8 + SLOTS * 16));
        rings.back.write_u16(0, first).unwrap();
        let before = lender.wait();
        rings.back.write_u16(0, second).unwrap();
        let breach = before.and_then(|_| lender.wait()).unwrap_err();
        assert!(matches!(breach, Breach::Returning(PeerError { culprit: Culprit::Producer, .. })));
    }
}

impl Rings {
    /// A lender with another ring to lend through.
    fn lender_of(&self, out: &Region<shmem::ReadWrite>) -> TestLender {
        Lender::new(out, &self.back, BASE, SIZE).unwrap()
    }
}

#[test]
fn a_head_that_passes_what_was_lent_ends_the_connection() {
    let rings = Rings::new(0);
    let mut lender = lent(&rings);
    rings.out.write_u16(2, 2).unwrap();
    for _ in 1..SLOTS {
        let buffer = lender.take().unwrap();
        assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes), "there is room without a look");
    }
    forge(&rings.back, BASE, 0);
    let (buffer, _) = lender.next_returned().unwrap().unwrap();
    let breach = lender.lend(buffer, 0).unwrap_err();
    assert!(matches!(breach, Breach::Lending(PeerError { culprit: Culprit::Consumer, .. })));
}

#[test]
fn a_buffer_for_which_there_is_no_slot_stays_its_owners() {
    let rings = Rings::new(0);
    let mut lender = rings.lender();
    while let Some(buffer) = lender.take() {
        assert_eq!(lender.lend(buffer, 0), Ok(Lent::Yes));
    }
    assert!(lender.publish());
    // Given back, the slot not released yet.
    forge(&rings.back, BASE, 0);
    let (buffer, _) = lender.next_returned().unwrap().unwrap();
    assert!(matches!(lender.lend(buffer, 0), Ok(Lent::Full(_))));
}

#[test]
fn rings_that_disagree_are_refused() {
    let rings = Rings::new(0);
    rings.back.write_u16(0, 3).unwrap();
    assert_eq!(
        Borrower::<SLOTS>::new(&rings.out, &rings.back, BASE, SIZE).map(|_| ()),
        Err(AttachError::Breach(Breach::Unbalanced { outstanding: 3, most: 0 }))
    );
    let rings = Rings::new(0);
    rings.out.write_u16(0, 30).unwrap();
    rings.out.write_u16(2, 30).unwrap();
    assert_eq!(
        Lender::<SLOTS>::new(&rings.out, &rings.back, BASE, SIZE).map(|_| ()),
        Err(AttachError::Breach(Breach::Unbalanced { outstanding: 30, most: 8 }))
    );
    assert_eq!(
        Borrower::<SLOTS>::new(&Region::host(4096), &Region::host(4096), 0, 0).map(|_| ()),
        Err(AttachError::Capacity { out: 128, back: 128, most: 8 })
    );
}

proptest! {
    #[test]
    fn a_peer_may_write_anything_anywhere(
        writes in proptest::collection::vec(
            (
                any::<bool>(),
                0usize..68,
                prop_oneof![any::<u16>(), 0u16..20, Just(0x10), Just(2048)],
                any::<bool>(),
            ),
            1..80,
        ),
    ) {
        let rings = Rings::new(0);
        let (mut lender, mut borrower) = (rings.lender(), rings.borrower());
        let (mut lender_broken, mut borrower_broken) = (None, None);
        for (ring, word, value, turn) in writes {
            let ring = if ring { &rings.out } else { &rings.back };
            let _ = ring.write_u16(word * 2, value);
            if turn {
                if let Some(buffer) = lender.take() {
                    prop_assert!(buffer.offset() < SIZE);
                    if let Ok(Lent::Full(buffer)) = lender.lend(buffer, 7) {
                        lender.keep(buffer);
                    }
                }
                let _ = lender.publish();
                match lender.next_returned() {
                    Ok(Some((buffer, length))) => {
                        prop_assert!(buffer.offset() < SIZE && length <= 2048);
                        lender.keep(buffer);
                    }
                    Ok(None) => prop_assert!(lender_broken.is_none()),
                    Err(e) => prop_assert_eq!(*lender_broken.get_or_insert(e), e),
                }
                prop_assert!(lender.unused() <= SLOTS);
            } else {
                let result = borrower.take().and_then(|loan| {
                    if let Some(loan) = loan {
                        assert!(loan.offset() + 2048 <= SIZE && loan.length() <= 2048);
                        borrower.give_back(loan, 5);
                    }
                    borrower.publish()
                });
                match result {
                    Ok(_) => prop_assert!(borrower_broken.is_none()),
                    Err(e) => prop_assert_eq!(*borrower_broken.get_or_insert(e), e),
                }
            }
        }
    }
}
