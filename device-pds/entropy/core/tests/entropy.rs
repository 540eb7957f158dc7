//! The generator and its queues, over sources that a test makes.

use entropy_core::generator::{BLOCK, Failure, Generator};
use entropy_core::hardware::{Hardware, Source};
use entropy_core::health::{AT_START, Health, PROPORTION, Unhealthy, WINDOW};
use entropy_core::server::{CLIENTS_MAX, Server, TooMany};
use proptest::prelude::*;
use sddf::serial::{Consumer, Producer, Shared};
use shmem::{ReadWrite, Region};

/// Splitmix64: no noise, but it passes for some.
struct Good {
    state: u64,
    words: u32,
}

fn good(state: u64) -> Good {
    Good { state, words: 0 }
}

impl Source for Good {
    fn word(&mut self) -> Option<u64> {
        self.words += 1;
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Some(z ^ z >> 31)
    }
}

/// Good for so many words, then this for ever.
struct Then(Good, u32, Option<u64>);

impl Source for Then {
    fn word(&mut self) -> Option<u64> {
        if self.0.words < self.1 { self.0.word() } else { self.2 }
    }
}

#[test]
fn a_source_that_repeats_itself_is_refused() {
    for word in [0, u64::MAX, 0x1234] {
        let made = Generator::new(Then(good(1), 0, Some(word))).map(drop);
        assert_eq!(made, Err(Failure::Broken(Unhealthy::Repeats(word))));
    }
}

#[test]
fn a_source_that_prefers_a_byte_is_refused() {
    // Every word another, but each with the same byte in it.
    let mut health = Health::default();
    let failed = (0_u64..).find_map(|n| health.look(n.wrapping_mul(0x0101_0101_0000_0100)).err());
    assert_eq!(failed, Some(Unhealthy::Prefers(0)));
    // Just below the limit is well.
    let mut health = Health::default();
    let mut bytes: Vec<u8> = (0..WINDOW).map(|n| 1 + (n % 251) as u8).collect();
    bytes[..PROPORTION as usize - 1].fill(0);
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
    // Words of zeroes alone would be repetitions.
    let spread: Vec<u64> = words.iter().enumerate().map(|(n, w)| w ^ (n as u64) << 56).collect();
    for word in spread {
        assert_eq!(health.look(word), Ok(()));
    }
}

#[test]
fn a_source_is_tested_before_it_is_used() {
    let last = AT_START - 1;
    let made = Generator::new(Then(good(1), last, Some(7))).map(drop);
    assert!(matches!(made, Err(Failure::Broken(Unhealthy::Repeats(7)))));
    let dry = Generator::new(Then(good(1), last, None)).map(drop);
    assert_eq!(dry, Err(Failure::Dry));
}

#[test]
fn a_source_that_fails_later_gives_nothing_any_more() {
    // Enough for the start and one block.
    let mut generator = Generator::new(Then(good(1), AT_START + 8, Some(7))).expect("healthy");
    let mut block = [0; BLOCK];
    assert_eq!(generator.fill(&mut block), Ok(()));
    for _ in 0..3 {
        let failed = generator.fill(&mut block);
        assert_eq!(failed, Err(Failure::Broken(Unhealthy::Repeats(7))));
        assert_eq!(block, [0; BLOCK], "nothing that was made of it");
    }
}

#[test]
fn a_source_that_is_dry_gives_more_later() {
    struct Tap(Good, bool);
    impl Source for &mut Tap {
        fn word(&mut self) -> Option<u64> {
            if self.1 { self.0.word() } else { None }
        }
    }
    // Dry in the middle of a key: nothing half made comes out.
    let mut tap = Tap(good(1), true);
    let mut generator = Generator::new(&mut tap).expect("healthy");
    let mut block = [0; BLOCK];
    assert_eq!(generator.fill(&mut block), Ok(()));
    let mut generator = Generator::new(Then(good(1), AT_START + 6, None)).expect("healthy");
    assert_eq!(generator.fill(&mut block), Err(Failure::Dry));
    assert_eq!(block, [0; BLOCK]);
}

#[test]
fn each_block_has_a_key_of_its_own_and_fresh_words() {
    // The same start, other words later: the first block differs already by its own key.
    let blocks = |source: Then| {
        let mut generator = Generator::new(source).expect("healthy");
        let mut first = [0; BLOCK];
        generator.fill(&mut first).expect("healthy");
        first
    };
    let one = blocks(Then(good(1), u32::MAX, None));
    assert_eq!(one, blocks(Then(good(1), u32::MAX, None)), "nothing else goes in");
    assert_ne!(one, blocks(Then(good(2), u32::MAX, None)));
    let mut generator = Generator::new(good(1)).expect("healthy");
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..64 {
        let mut block = [0; BLOCK];
        generator.fill(&mut block).expect("healthy");
        for word in block.as_chunks::<8>().0 {
            assert!(all.insert(*word), "a word came twice");
        }
    }
}

struct Client {
    header: Region<ReadWrite>,
    input: Consumer,
}

fn client(server: &mut Server<Good>, size: usize) -> Client {
    let (header, data) = (Region::host(64), Region::host(size));
    let output = Shared::new(&header, data.clone()).expect("fits");
    let input = Shared::new(&header, data.read_only()).expect("fits");
    server.add(Producer::attach(output)).expect("room");
    Client { header, input: Consumer::attach(input).expect("empty") }
}

fn server() -> Server<Good> {
    Server::new(Generator::new(good(1)).expect("healthy"))
}

#[test]
fn every_queue_is_filled_and_no_byte_goes_into_two() {
    let mut server = server();
    let mut clients = [client(&mut server, 4096), client(&mut server, 1024)];
    let outcome = server.serve();
    assert_eq!((outcome.notify, outcome.breach, outcome.failure), (0b11, None, None));
    let mut all = std::collections::BTreeSet::new();
    for (client, size) in clients.iter_mut().zip([4096, 1024]) {
        let mut bytes = vec![0; size];
        assert_eq!(client.input.dequeue(&mut bytes), Ok(size));
        assert!(client.input.producer_waits(), "it asked to be told");
        for word in bytes.as_chunks::<8>().0 {
            assert!(all.insert(*word));
        }
    }
    // The one that took is served again, the full one is left alone.
    assert_eq!(server.serve().notify, 0b11);
    let _taken = clients[1].input.consume(10);
    assert_eq!(server.serve().notify, 0b10);
    assert_eq!(server.serve().notify, 0);
}

#[test]
fn a_client_that_lies_is_closed_and_the_others_are_served() {
    let mut server = server();
    let mut clients = [client(&mut server, 1024), client(&mut server, 1024)];
    let _full = server.serve();
    clients[0].header.write_u32(4, 5000).expect("in the region");
    let _taken = clients[1].input.consume(100);
    let outcome = server.serve();
    assert_eq!(outcome.notify, 0b10);
    assert_eq!(outcome.breach.map(|(number, _)| number), Some(0));
    clients[0].header.write_u32(4, 1024).expect("in the region");
    let _taken = clients[1].input.consume(100);
    let outcome = server.serve();
    assert_eq!((outcome.notify, outcome.breach), (0b10, None), "for good");
}

#[test]
fn there_is_a_limit_to_clients() {
    let mut server = server();
    for _ in 0..CLIENTS_MAX {
        client(&mut server, 64);
    }
    let (header, data) = (Region::host(64), Region::host(64));
    let one_more = Producer::attach(Shared::new(&header, data).expect("fits"));
    assert_eq!(server.add(one_more), Err(TooMany));
}

#[test]
fn what_this_processor_has_passes_the_tests() {
    // Where the test runs there may be neither instruction.
    if let Ok(hardware) = Hardware::detect() {
        let mut generator = Generator::new(hardware).expect("a sound processor");
        let mut block = [0; BLOCK];
        generator.fill(&mut block).expect("a sound processor");
        assert_ne!(block, [0; BLOCK]);
    }
}

proptest! {
    /// A source that looks random is not refused, whatever it began with.
    #[test]
    fn a_healthy_source_stays_healthy(state in any::<u64>()) {
        let mut health = Health::default();
        let mut source = good(state);
        for _ in 0..4096 {
            let word = source.word().expect("always");
            prop_assert_eq!(health.look(word), Ok(()));
        }
    }
}
