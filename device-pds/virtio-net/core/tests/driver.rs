//! The driver against a card that need not behave, with queues whose other end need
//! not either.

mod card;

use card::{ADDRESS, Bench, Card};
use proptest::prelude::*;
use virtio_hal::{CrateError, Lie, StartError, VERSION_1, testing::Faults};
use virtio_net_core::{Driver, EACH, HEADER, Trouble};

fn frame(n: usize) -> Vec<u8> {
    (0..60 + n % 1400).map(|i| (i + n) as u8).collect()
}

#[test]
fn a_frame_goes_out_as_it_was_and_its_buffer_comes_back_at_once() {
    let mut bench = Bench::with(|_, faults| faults.slow = true);
    for n in 0..200 {
        bench.send(&frame(n));
        bench.device.work();
    }
    assert_eq!(bench.sent(), (0..200).map(frame).collect::<Vec<_>>());
}

#[test]
fn a_frame_comes_in_as_it_was() {
    let mut bench = Bench::new();
    bench.lend();
    for n in 0..200 {
        bench.inject(&frame(n));
        bench.serve();
        bench.lend();
    }
    assert_eq!(bench.came, (0..200).map(frame).collect::<Vec<_>>());
}

#[test]
fn frames_wait_for_buffers_and_none_is_lost_or_out_of_order() {
    let mut bench = Bench::new();
    for n in 0..2 * EACH {
        bench.inject(&frame(n));
    }
    bench.serve();
    assert!(bench.came.is_empty(), "nothing is lent yet");
    for _ in 0..8 {
        bench.lend();
        bench.serve();
        bench.device.work();
    }
    assert_eq!(bench.came, (0..2 * EACH).map(frame).collect::<Vec<_>>());
}

#[test]
fn frames_wait_for_a_card_that_does_not_send() {
    let mut bench = Bench::with(|card, _| card.stalls = true);
    let mut queued = 0;
    // As many as the driver has buffers, and as the other end has.
    while bench.queue(&frame(queued), frame(queued).len()) {
        queued += 1;
        bench.serve();
    }
    assert_eq!(queued, EACH + 32);
    bench.device.0.borrow_mut().behaviour.stalls = false;
    for _ in 0..4 {
        bench.device.work();
        bench.serve();
    }
    assert_eq!(bench.sent(), (0..queued).map(frame).collect::<Vec<_>>());
}

#[test]
fn what_is_no_frame_is_dropped_and_its_buffer_comes_back() {
    let mut bench = Bench::new();
    let sizes = [0, 1, 13, 1515, 2048];
    for length in sizes {
        assert!(bench.queue(&[1; 2048], length));
        bench.serve();
    }
    assert!(bench.sent().is_empty());
    assert_eq!(bench.driver.dropped(), sizes.len() as u64);
    for length in [14, 1514] {
        bench.send(&vec![3; length]);
    }
    assert_eq!(bench.sent(), [vec![3; 14], vec![3; 1514]]);
}

#[test]
fn what_comes_and_is_no_frame_is_dropped_and_the_next_one_comes() {
    let mut bench = Bench::new();
    bench.lend();
    // Less than a header, a header alone, less than a frame, more than one.
    for length in [0, 5, HEADER, HEADER + 13, HEADER + 1515] {
        bench.device.0.borrow_mut().behaviour.waiting.push_back(vec![9; length]);
        bench.device.work();
        bench.serve();
    }
    assert_eq!(bench.driver.dropped(), 5);
    assert!(bench.came.drain(..).all(|frame| frame.is_empty()));
    bench.lend();
    bench.inject(&frame(3));
    bench.serve();
    assert_eq!(bench.came, [frame(3)]);
}

#[test]
fn a_card_that_lies_is_given_up_and_nobody_waits_for_it() {
    type Lies = fn(&Bench);
    let cases: [(Lie, Lies); 4] = [
        (Lie::NotLent { token: 64 }, |bench| bench.device.claim(0, 64, 100)),
        (Lie::NotLent { token: 5 }, |bench| bench.device.claim(1, 5, 0)),
        (Lie::Length { says: 1537, had: 1536 }, |bench| bench.device.claim(0, 0, 1537)),
        (Lie::Length { says: 1, had: 0 }, |bench| bench.device.claim(1, 0, 1)),
    ];
    for (lie, act) in cases {
        let mut bench = Bench::with(|card, _| card.stalls = true);
        bench.lend();
        bench.send(&frame(1));
        act(&bench);
        bench.serve();
        assert_eq!(bench.driver.trouble(), Some(Trouble::Lie(lie)));
        assert_eq!(bench.device.0.borrow().status, 0, "it was reset");
        for n in 0..100 {
            bench.send(&frame(n));
        }
        assert!(bench.sent().is_empty());
        assert!(bench.driver.dropped() >= 99);
    }
}

#[test]
fn a_card_that_wants_to_be_reset_is_given_up() {
    let mut bench = Bench::new();
    (bench.device.0.borrow_mut().status, bench.device.0.borrow_mut().isr) = (0x40 | 0xf, 2);
    assert!(bench.driver.interrupted());
    assert_eq!(bench.driver.trouble(), Some(Trouble::GaveUp));
}

#[test]
fn the_link_is_what_the_card_says_and_up_where_it_says_nothing() {
    let bench = Bench::new();
    assert!(bench.driver.has_link());
    bench.device.0.borrow_mut().behaviour.is_up = false;
    assert!(!bench.driver.has_link());
    let bench = Bench::with(|card, _| (card.features, card.is_up) = (VERSION_1, false));
    assert!(bench.driver.has_link());
    assert_eq!(bench.driver.address(), None);
    assert_eq!(Bench::new().driver.address(), Some(ADDRESS));
}

#[test]
fn a_virtualiser_that_lies_stops_the_card() {
    let mut bench = Bench::new();
    bench.tx_active.write_u16(0, 1000).unwrap();
    assert!(bench.driver.serve(&mut bench.network).is_err());
    assert_eq!(bench.device.0.borrow().status, 0);
}

#[test]
fn a_card_that_cannot_be_used_is_left_without_work_and_with_the_reason() {
    type Change = fn(&mut Card, &mut Faults);
    let small = |index| StartError::Queue { index, why: CrateError::InvalidParam };
    let cases: [(StartError, Change); 5] = [
        (StartError::Reset, |_, faults| faults.stays = true),
        (StartError::Legacy, |card, _| card.features = 1 << 5),
        (StartError::Features, |_, faults| faults.refuses = true),
        (small(0), |_, faults| faults.most = Some(32)),
        (StartError::Doorbell { queue: 0, offset: 0x3_fffc }, |_, faults| {
            faults.doorbell = Some(u16::MAX)
        }),
    ];
    for (expected, change) in cases {
        let (device, refused) = card::refused(change);
        assert_eq!(refused, expected);
        let works = device.0.borrow().status & 4 != 0;
        assert!(!works || expected == StartError::Reset, "{expected}: it may not work");
    }
}

#[test]
fn the_driver_fits_the_stack_that_it_is_made_on() {
    assert!(size_of::<Driver<virtio_hal::testing::ThreadPool, card::Model>>() < 12 << 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the two ends and the card take turns, what goes in comes out, in order.
    #[test]
    fn no_frame_is_lost_doubled_or_out_of_order(
        steps in proptest::collection::vec(0..6u8, 0..300),
    ) {
        let mut bench = Bench::with(|_, faults| faults.slow = true);
        let (mut sent, mut came) = (vec![], vec![]);
        for (n, step) in steps.into_iter().enumerate() {
            match step {
                0 => if bench.queue(&frame(n), frame(n).len()) {
                    sent.push(frame(n));
                },
                1 => {
                    bench.inject(&frame(n));
                    came.push(frame(n));
                }
                2 => bench.lend(),
                3 => bench.device.work(),
                _ => {
                    bench.driver.interrupted();
                    bench.serve();
                }
            }
        }
        for _ in 0..20 {
            bench.lend();
            bench.serve();
            bench.device.work();
        }
        prop_assert_eq!(bench.sent(), sent);
        prop_assert_eq!(bench.came, came);
        prop_assert_eq!(bench.driver.dropped(), 0);
    }

    /// Whatever the card claims, nothing panics and nothing is believed twice.
    #[test]
    fn no_claim_of_the_card_s_is_believed_twice(
        claims in proptest::collection::vec((0..2u16, 0..70u32, 0..2000u32), 0..60),
    ) {
        let mut bench = Bench::with(|card, _| card.stalls = true);
        bench.lend();
        let mut told = 0;
        for (queue, id, written) in claims {
            bench.queue(&frame(1), 61);
            bench.serve();
            if bench.device.0.borrow().status == 0 {
                break;
            }
            bench.device.claim(queue, id, written);
            told += 1;
        }
        bench.serve();
        prop_assert!(bench.came.len() <= told);
    }
}
