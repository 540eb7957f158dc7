mod link;
mod segment;
mod world;

use std::format;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::devices::virtio::rate::Rate;
use crate::memory::GuestMemory as _;
use crate::time::TscFrequency;
use crate::types::Gpa;
use bits::HEADER;
use world::{World, frame, world, world_of};

const PLAIN: [u8; 12] = [0; 12];

#[test]
fn what_the_guest_sends_goes_out_and_its_buffers_come_back() {
    let mut w = world();
    let (a, b) = (frame(60, 1), frame(1514, 2));
    w.send(PLAIN, &[&a]);
    w.send(PLAIN, &[&b[..14], &b[14..700], &b[700..]]);
    w.serve();
    assert!(w.last.ring);
    assert_eq!(w.last.copied, 60 + 1514);
    assert_eq!(w.sent(), [a, b]);
    assert_eq!(w.finished(), 2);
    assert_eq!(w.driver.queues.take_interrupts(), 1 << TRANSMIT);
}

#[test]
fn a_header_and_frame_may_share_a_buffer() {
    let mut w = world();
    let a = frame(100, 3);
    let mut both = vec![0; 12];
    both.extend(&a);
    w.driver.offer(TRANSMIT, &mut w.memory, &[&both[..5], &both[5..]], &[]);
    w.serve();
    assert_eq!(w.sent(), [a]);
}

#[test]
fn what_is_no_frame_goes_nowhere() {
    let mut w = world();
    let ok = frame(60, 0);
    let mut segmented = PLAIN;
    segmented[1] = 1;
    let checksum = |start: u16, offset: u16| {
        let mut header = PLAIN;
        header[0] = 1;
        header[6..8].copy_from_slice(&start.to_le_bytes());
        header[8..10].copy_from_slice(&offset.to_le_bytes());
        header
    };
    w.send(PLAIN, &[&frame(13, 0)]);
    w.send(PLAIN, &[&frame(1519, 0)]);
    w.send(PLAIN, &[&frame(60000, 0)]);
    w.send(segmented, &[&ok]);
    for (start, offset) in [(60, 0), (0, 59), (59, 0), (u16::MAX, u16::MAX), (1, u16::MAX)] {
        w.send(checksum(start, offset), &[&ok]);
    }
    // Without a whole header; without a frame; with nothing to be read.
    w.driver.offer(TRANSMIT, &mut w.memory, &[&[0; 11]], &[]);
    w.driver.offer(TRANSMIT, &mut w.memory, &[&[0; 12]], &[]);
    w.driver.offer(TRANSMIT, &mut w.memory, &[], &[100]);
    w.serve();
    assert_eq!(w.sent(), [] as [Vec<u8>; 0]);
    assert_eq!(w.finished(), 12, "all come back");
    // No buffer was lost over it.
    for _ in 0..8 {
        w.send(PLAIN, &[&ok]);
    }
    w.serve();
    assert_eq!(w.sent().len(), 8);
}

#[test]
fn an_unfinished_checksum_without_the_feature_is_no_frame() {
    let mut w = world_of(8, 0, Limiter::default());
    let mut header = PLAIN;
    header[0] = 1;
    w.send(header, &[&frame(60, 0)]);
    w.serve();
    assert_eq!(w.sent().len(), 0);
}

/// One's complement sum of big-endian words, as RFC 1071 has it.
fn reference(bytes: &[u8]) -> u16 {
    let mut sum = 0_u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[test]
fn when_the_ring_is_full_frames_wait_for_buffers() {
    let mut w = world_of(4, u64::MAX, Limiter::default());
    for n in 0..10 {
        w.send(PLAIN, &[&frame(64, n)]);
    }
    w.serve();
    assert_eq!(w.finished(), 4);
    let mut all = vec![];
    for _ in 0..3 {
        all.extend(w.sent());
        w.serve();
    }
    assert_eq!(w.finished(), 6);
    assert_eq!(all, (0..10).map(|n| frame(64, n)).collect::<Vec<_>>());
}

#[test]
fn what_arrives_is_behind_a_header_in_the_guests_buffer() {
    let mut w = world();
    let a = frame(1514, 9);
    w.room(&[12, 2000]);
    assert!(w.arrive(&a));
    w.serve();
    let got = w.received().unwrap();
    assert_eq!(got[..HEADER], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(got[HEADER..], a);
    assert_eq!(w.driver.queues.take_interrupts(), 1 << RECEIVE);
}

#[test]
fn a_frame_is_spread_over_buffers_that_can_be_merged() {
    let mut w = world();
    let a = frame(1014, 4);
    for lengths in [vec![400], vec![6, 6, 300], vec![1, 300], vec![12]] {
        w.room(&lengths);
    }
    assert!(w.arrive(&a));
    w.serve();
    assert_eq!(w.received(), None, "one byte is missing");
    w.room(&[1]);
    w.serve();
    // 400 + 312 + 301 + 12 + 1: header and frame.
    let mut got: Vec<Vec<u8>> = vec![];
    while let Some(bytes) = w.received() {
        got.push(bytes);
    }
    let all = got.concat();
    assert_eq!(all[10], got.len() as u8);
    assert_eq!(all[HEADER..], a);
}

#[test]
fn without_merging_a_frame_that_does_not_fit_is_lost() {
    let mut w = world_of(8, bits::feature::MAC, Limiter::default());
    w.room(&[500]);
    assert!(w.arrive(&frame(600, 1)));
    assert!(w.arrive(&frame(100, 2)));
    w.serve();
    let got = w.received().unwrap();
    assert_eq!(got[HEADER..], frame(100, 2));
    assert_eq!(w.received(), None);
}

#[test]
fn frames_wait_until_the_guest_has_room() {
    let mut w = world();
    for n in 0..8 {
        assert!(w.arrive(&frame(60, n)));
    }
    assert!(!w.arrive(&frame(60, 0)), "all buffers are full");
    w.serve();
    for n in 0..8 {
        w.room(&[2000]);
        w.serve();
        assert_eq!(w.received().unwrap()[HEADER..], frame(60, n));
    }
    assert!(w.arrive(&frame(60, 0)), "and empty again");
}

#[test]
fn buffers_that_hold_no_header_come_back_empty() {
    let mut w = world();
    w.room(&[11]);
    w.driver.offer(RECEIVE, &mut w.memory, &[&[0; 100]], &[]);
    w.room(&[2000]);
    assert!(w.arrive(&frame(60, 1)));
    w.serve();
    assert_eq!(w.received(), Some(vec![]));
    assert_eq!(w.received(), Some(vec![]));
    assert_eq!(w.received().unwrap()[HEADER..], frame(60, 1));
}

#[test]
fn buffers_too_small_to_be_meant_lose_the_frame_and_nothing_else() {
    let mut w = world();
    for _ in 0..100 {
        w.room(&[12]);
    }
    assert!(w.arrive(&frame(1500, 1)));
    w.serve();
    assert_eq!(w.received(), None);
    assert!(w.arrive(&frame(24, 2)));
    w.serve();
    assert_eq!(w.received().unwrap()[10], 3);
}

#[test]
fn what_arrived_for_an_earlier_driver_is_not_the_next_ones() {
    let mut w = world();
    w.arrive(&frame(60, 1));
    w.serve();
    w.arrive(&frame(60, 2));
    w.net.reset();
    w.net.start(u64::MAX);
    w.room(&[2000]);
    w.serve();
    assert_eq!(w.received(), None);
    w.arrive(&frame(60, 3));
    w.serve();
    assert_eq!(w.received().unwrap()[HEADER..], frame(60, 3));
    for n in 0..8 {
        assert!(w.arrive(&frame(60, n)), "no buffer was lost");
    }
}

#[test]
fn the_configuration_space_has_address_link_and_mtu() {
    let w = world();
    let mut space = [0xff; 14];
    w.net.read_config(0, &mut space);
    assert_eq!(space, [2, 0, 0, 0, 0, 7, 1, 0, 1, 0, 0xdc, 5, 0, 0]);
    let mut byte = [0xff];
    for (at, expected) in [(6, 1), (11, 5), (12, 0), (u32::MAX, 0)] {
        w.net.read_config(at, &mut byte);
        assert_eq!(byte, [expected]);
    }
}

#[test]
fn a_limited_interface_goes_at_its_rate() {
    let tsc = TscFrequency::new(100_000_000).unwrap();
    let rate = |per_second, burst| Rate { per_second, burst };
    let mut w = world_of(64, u64::MAX, Limiter::new(rate(1000, 2), rate(0, 0), tsc));
    for n in 0..5 {
        w.send(PLAIN, &[&frame(60, n)]);
        w.room(&[2000]);
        w.arrive(&frame(60, n));
    }
    w.serve();
    assert_eq!((w.sent().len(), w.finished()), (2, 2));
    let mut count = 0;
    while let Some(at) = w.last.again {
        assert!(at > w.now);
        w.now = at;
        w.serve();
        assert!(w.sent().len() <= 1);
        count += 1;
    }
    assert!((3..=6).contains(&count));
    assert_eq!(core::iter::from_fn(|| w.received()).count(), 5);
}

#[test]
fn a_broken_queue_is_the_drivers_fault() {
    for queue in [RECEIVE, TRANSMIT] {
        let mut w = world();
        w.arrive(&frame(60, 0));
        w.memory.write_u16(Gpa(0x4000 * queue as u64 + 0x1002), 500).unwrap();
        let served = w.net.serve(&mut w.driver.queues, &mut w.memory, w.now);
        assert!(matches!(served.fault, Some(Fault::Index { found: 500, .. })), "{served:?}");
    }
}

/// Two guests on the switch that they have in the product, told of nothing but what it
/// and the devices say themselves.
#[test]
fn guests_on_the_switch_reach_each_other_by_what_each_side_says() {
    use bulkhead_config::{ClientSet, Mac};
    use net_virt_core::{Policy, PortParts, Switch};
    use sddf::net::Borrower;

    let mut guests = [world(), world()];
    let mac = |last: usize| Mac::new([2, 0, 0, 0, 0, last as u8 + 1]).unwrap();
    let mut switch = Switch::default();
    for (number, guest) in guests.iter().enumerate() {
        let [rx_free, rx_active, tx_free, tx_active] = &guest.rings;
        let size = guest.receive_data.len();
        let parts = PortParts {
            sent: Borrower::new(tx_active, tx_free, 0, size).unwrap(),
            sent_data: guest.transmit_data.read_only(),
            given: Borrower::new(rx_free, rx_active, 0, size).unwrap(),
            given_data: guest.receive_data.clone(),
        };
        let mut peers = ClientSet::default();
        peers.insert(1 - number);
        let policy = Policy { peers, ..Policy::default() };
        switch.add(&[mac(number)], policy, Ok(parts)).unwrap();
    }
    let _first = switch.serve(0);
    for guest in &mut guests {
        for _ in 0..4 {
            guest.room(&[2000]);
        }
        guest.serve();
    }
    // Many times the buffers that there are, back and forth.
    for turn in 0..100_usize {
        let (from, to) = (turn % 2, 1 - turn % 2);
        let to_mac = if turn < 2 { [0xff; 6] } else { mac(to).bytes() };
        let head = [&to_mac[..], &mac(from).bytes(), &[8, 0]].concat();
        let mut bytes = frame(60 + turn * 14, turn as u8);
        bytes[..14].copy_from_slice(&head);
        guests[from].send(PLAIN, &[&bytes]);
        guests[from].serve();
        assert!(guests[from].last.ring, "turn {turn}: the switch is told");
        let outcome = switch.serve(0);
        assert!(
            outcome.clients.iter().any(|client| client == to),
            "turn {turn}: the guest is told"
        );
        guests[to].serve();
        let got = guests[to].received().expect("a frame");
        assert_eq!(got[HEADER..], bytes, "turn {turn}");
        guests[to].room(&[2000]);
        guests[to].serve();
        assert_eq!(guests[from].finished(), 1);
    }
}

proptest! {
    /// A checksum that the driver left unfinished is what it would have been.
    #[test]
    fn an_unfinished_checksum_is_finished(
        bytes in prop::collection::vec(any::<u8>(), 40..1514),
        start in 0..38_usize,
        offset in 0..1500_usize,
    ) {
        let mut w = world();
        let offset = offset % (bytes.len() - start - 1);
        let mut header = PLAIN;
        header[0] = 1;
        header[6..8].copy_from_slice(&(start as u16).to_le_bytes());
        header[8..10].copy_from_slice(&(offset as u16).to_le_bytes());
        w.send(header, &[&bytes]);
        w.serve();
        let sent = w.sent();
        let mut expected = bytes.clone();
        let sum = !reference(&bytes[start..]);
        let sum = if sum == 0 { 0xffff } else { sum };
        expected[start + offset..][..2].copy_from_slice(&sum.to_be_bytes());
        prop_assert_eq!(&sent, &[expected]);
    }

    /// Frames go both ways in order, whatever the sizes of the guest's buffers.
    #[test]
    fn frames_arrive_whole_and_in_order(
        frames in prop::collection::vec((14..1514_usize, any::<u8>()), 1..30),
        rooms in prop::collection::vec(prop::collection::vec(12..900_u32, 1..4), 1..120),
    ) {
        let mut w = world();
        let mut rooms = rooms.into_iter().cycle();
        let mut stream = vec![];
        for (length, salt) in &frames {
            prop_assert!(w.arrive(&frame(*length, *salt)));
            for _ in 0..300 {
                w.serve();
                let before = stream.len();
                while let Some(bytes) = w.received() {
                    stream.push(bytes);
                }
                if stream.len() > before {
                    break;
                }
                w.room(&rooms.next().unwrap());
            }
        }
        let mut parts = stream.into_iter();
        for (length, salt) in frames {
            let first = parts.next().expect("a frame");
            let count = usize::from(first[10]) | usize::from(first[11]) << 8;
            let mut got = first[HEADER..].to_vec();
            for _ in 1..count {
                got.extend(parts.next().expect("a part"));
            }
            prop_assert_eq!(got, frame(length, salt));
        }
        prop_assert!(parts.next().is_none());
    }

    /// Any bytes in the rings that the virtualiser writes: the connection ends or goes
    /// on, nothing else.
    #[test]
    fn any_rings_are_survived(
        receive in prop::collection::vec(any::<u8>(), 64),
        transmit in prop::collection::vec(any::<u8>(), 64),
        tails in any::<(u8, u8)>(),
    ) {
        let mut w = world();
        for n in 0..8 {
            w.room(&[2000]);
            w.send(PLAIN, &[&frame(60, n)]);
        }
        w.serve();
        w.rings[1].write(8, &receive).unwrap();
        w.rings[2].write(8, &transmit).unwrap();
        w.rings[1].write_u16(0, u16::from(tails.0 & 15)).unwrap();
        w.rings[2].write_u16(0, u16::from(tails.1 & 15)).unwrap();
        for _ in 0..3 {
            w.serve();
            w.send(PLAIN, &[&frame(60, 0)]);
        }
        w.net.reset();
        w.net.start(u64::MAX);
        w.serve();
    }
}
