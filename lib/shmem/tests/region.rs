//! What a region promises, checked on host memory with the product's accesses.

use proptest::prelude::*;
use shmem::{Misaligned, OutOfBounds, ReadWrite, Region, WordError, fence};

fn bytes(region: &Region<ReadWrite>) -> Vec<u8> {
    let mut out = vec![0; region.len()];
    region.read(0, &mut out).unwrap();
    out
}

#[test]
fn a_range_that_leaves_the_region_is_refused_and_changes_nothing() {
    let region = Region::host_with(b"abcdefgh");
    for (offset, length) in [(0, 9), (8, 1), (7, 2), (usize::MAX, 1), (9, 0), (1, usize::MAX)] {
        let refused = OutOfBounds { offset, length, size: 8 };
        assert_eq!(region.fill(offset, length, 0), Err(refused));
        assert_eq!(region.sub(offset, length).map(|_| ()), Err(refused));
        assert_eq!(
            region.copy_from(offset, &Region::host(16), 0, length).map_err(|e| e.length),
            Err(length)
        );
        if length < 16 {
            let mut into = vec![7; length];
            assert_eq!(region.read(offset, &mut into), Err(refused));
            assert_eq!(into, vec![7; length]);
            assert_eq!(region.write(offset, &into), Err(refused));
        }
    }
    assert_eq!(bytes(&region), b"abcdefgh");
}

#[test]
fn a_copy_between_regions_checks_both_sides() {
    let (to, from) = (Region::host_with(&[1; 8]), Region::host(4));
    assert!(to.copy_from(0, &from, 0, 5).is_err());
    assert!(to.copy_from(5, &from, 0, 4).is_err());
    assert_eq!(bytes(&to), [1; 8]);
    to.copy_from(4, &from.read_only(), 0, 4).unwrap();
    assert_eq!(bytes(&to), [1, 1, 1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_part_of_a_part_stays_in_both() {
    let region = Region::host_with(b"0123456789");
    let part = region.sub(2, 6).unwrap().sub(1, 3).unwrap();
    assert_eq!(bytes(&part), b"345");
    part.write(0, b"xyz").unwrap();
    assert_eq!(bytes(&region), b"012xyz6789");
    assert!(part.write(0, b"long").is_err());
}

#[test]
fn an_empty_part_at_the_end_is_a_part() {
    let region = Region::host(8);
    assert!(region.sub(8, 0).unwrap().is_empty());
    assert_eq!(region.read(8, &mut []), Ok(()));
}

#[test]
fn a_word_is_inside_and_aligned() {
    let region = Region::host(16);
    assert!(region.word32(12).is_ok());
    assert!(region.word64(8).is_ok());
    assert_eq!(
        region.word32(13).map(|_| ()),
        Err(WordError::OutOfBounds(OutOfBounds { offset: 13, length: 4, size: 16 }))
    );
    assert_eq!(
        region.word64(4).map(|_| ()),
        Err(WordError::Misaligned(Misaligned { offset: 4, width: 8 }))
    );
    // What counts is the address, not the offset in the part.
    assert!(region.sub(2, 8).unwrap().word32(2).is_ok());
    assert!(region.sub(2, 8).unwrap().word32(0).is_err());
}

#[test]
fn scalars_are_little_endian_and_need_no_alignment() {
    let region = Region::host(16);
    region.write_u64(1, 0x0807_0605_0403_0201).unwrap();
    region.write_u32(9, 0x0c0b_0a09).unwrap();
    region.write_u16(13, 0x0e0d).unwrap();
    region.write_u8(15, 15).unwrap();
    assert_eq!(bytes(&region), (0..16).collect::<Vec<u8>>());
    assert_eq!(region.read_u64(3), Ok(0x0a09_0807_0605_0403));
    assert_eq!(region.read_u32(5), Ok(0x0807_0605));
    assert_eq!(region.read_u16(7), Ok(0x0807));
    assert_eq!(region.read_u8(9), Ok(9));
    assert!(region.read_u64(9).is_err());
    assert!(region.write_u32(13, 0).is_err());
}

#[test]
fn memory_outlives_the_region_it_was_cut_from() {
    let part = Region::host_with(&[9; 64]).sub(32, 4).unwrap();
    let word = part.word32(0).unwrap();
    drop(part);
    assert_eq!(word.load(), 0x0909_0909);
}

proptest! {
    /// Every length and alignment takes the same way through the string
    /// instructions as a slice copy would.
    #[test]
    fn copies_move_exactly_their_range(
        content in proptest::collection::vec(any::<u8>(), 1..200),
        data in proptest::collection::vec(any::<u8>(), 0..100),
        at in 0usize..200,
    ) {
        let region = Region::host_with(&content);
        let mut model = content.clone();
        if at + data.len() <= content.len() {
            model[at..at + data.len()].copy_from_slice(&data);
            region.write(at, &data).unwrap();
            let mut back = vec![0; data.len()];
            region.read(at, &mut back).unwrap();
            prop_assert_eq!(&back, &data);
        } else {
            prop_assert!(region.write(at, &data).is_err());
        }
        prop_assert_eq!(bytes(&region), model);
    }

    #[test]
    fn fills_set_exactly_their_range(size in 1usize..100, at in 0usize..100, length in 0usize..100, byte: u8) {
        let region = Region::host_with(&vec![byte.wrapping_add(1); size]);
        let mut model = bytes(&region);
        match region.fill(at, length, byte) {
            Ok(()) => model[at..at + length].fill(byte),
            Err(_) => prop_assert!(at + length > size),
        }
        prop_assert_eq!(bytes(&region), model);
    }

    #[test]
    fn copies_between_regions_equal_slice_copies(
        from in proptest::collection::vec(any::<u8>(), 1..100),
        size in 1usize..100, at in 0usize..100, source_at in 0usize..100, length in 0usize..100,
    ) {
        let (to, source) = (Region::host(size), Region::host_with(&from));
        let mut model = vec![0; size];
        match to.copy_from(at, &source, source_at, length) {
            Ok(()) => model[at..at + length].copy_from_slice(&from[source_at..source_at + length]),
            Err(_) => prop_assert!(at + length > size || source_at + length > from.len()),
        }
        prop_assert_eq!(bytes(&to), model);
    }
}

/// Data written before a word was stored is seen by whoever read the word.
#[test]
fn a_published_block_is_complete() {
    const ROUNDS: u32 = 20_000;
    let region = Region::host(4096);
    let other = region.clone();
    let writer = std::thread::spawn(move || {
        let (ready, taken) = (other.word32(0).unwrap(), other.word32(64).unwrap());
        for round in 1..=ROUNDS {
            other.fill(128, 1003, round as u8).unwrap();
            ready.store(round);
            while taken.load() != round {
                std::hint::spin_loop();
                std::thread::yield_now();
            }
        }
    });
    let (ready, taken) = (region.word32(0).unwrap(), region.word32(64).unwrap());
    let mut block = [0; 1003];
    for round in 1..=ROUNDS {
        while ready.load() != round {
            std::hint::spin_loop();
            std::thread::yield_now();
        }
        region.read(128, &mut block).unwrap();
        assert!(block.iter().all(|&b| b == round as u8), "round {round}");
        taken.store(round);
    }
    writer.join().unwrap();
}

/// Store, fence, load on both sides: at least one sees the other's store.
#[test]
fn the_fence_orders_a_store_before_a_load() {
    use std::sync::{Arc, Barrier};
    const ROUNDS: u32 = 20_000;
    let region = Region::host(256);
    let barrier = Arc::new(Barrier::new(2));
    let run = |mine: usize, theirs: usize| {
        let (region, barrier) = (region.clone(), barrier.clone());
        std::thread::spawn(move || {
            let (mine, theirs) = (region.word32(mine).unwrap(), region.word32(theirs).unwrap());
            (1..=ROUNDS)
                .map(|round| {
                    barrier.wait();
                    mine.store(round);
                    fence();
                    let seen = theirs.load() == round;
                    barrier.wait();
                    seen
                })
                .collect::<Vec<_>>()
        })
    };
    let (a, b) = (run(0, 128), run(128, 0));
    let (a, b) = (a.join().unwrap(), b.join().unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| *a || *b));
}

#[test]
fn a_table_of_words_is_checked_once_and_then_by_index() {
    use shmem::{WordError, Words};
    let region = Region::host(64);
    assert!(Words::<_, 8>::new(&region).is_ok());
    assert!(matches!(Words::<_, 9>::new(&region), Err(WordError::OutOfBounds(_))));
    let odd = region.sub(4, 56).unwrap();
    assert!(matches!(Words::<_, 2>::new(&odd), Err(WordError::Misaligned(_))));
    let words = Words::<_, 8>::new(&region).unwrap();
    words.store(7, 0x0102_0304_0506_0708);
    assert_eq!(region.read_u64(56), Ok(0x0102_0304_0506_0708));
    assert_eq!(words.load_all(), [0, 0, 0, 0, 0, 0, 0, 0x0102_0304_0506_0708]);
    assert!(std::panic::catch_unwind(|| words.load(8)).is_err());
    assert!(std::panic::catch_unwind(|| words.store(8, 0)).is_err());
}
