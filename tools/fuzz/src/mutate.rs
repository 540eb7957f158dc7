//! New inputs from old ones. The same seed gives the same inputs: no clock, no
//! address, no order of threads has a part in it.

use fastrand::Rng;

/// Values at which code decides.
const INTERESTING: [u64; 16] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0xfff,
    0x1000,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Most changes to one input.
const CHANGES: usize = 8;

/// Longest piece that is inserted or removed at once.
const PIECE: usize = 64;

/// The `index`-th made input: one of `inputs`, which is not empty, changed a
/// little.
pub(crate) fn mutated(
    inputs: &[Vec<u8>],
    words: &[&[u8]],
    longest: usize,
    rng: &mut Rng,
) -> Vec<u8> {
    if rng.u8(..32) == 0 {
        let length = rng.usize(..=longest);
        return random(length, rng);
    }
    let mut bytes = inputs[rng.usize(..inputs.len())].clone();
    bytes.truncate(longest);
    for _ in 0..1 + rng.usize(..CHANGES) {
        change(&mut bytes, inputs, words, rng);
    }
    bytes.truncate(longest);
    bytes
}

fn random(length: usize, rng: &mut Rng) -> Vec<u8> {
    (0..length).map(|_| rng.u8(..)).collect()
}

/// A place in `bytes`, or its end.
fn place(bytes: &[u8], rng: &mut Rng) -> usize {
    rng.usize(..=bytes.len())
}

/// A piece of `bytes`, possibly of no length.
fn piece(bytes: &[u8], rng: &mut Rng) -> std::ops::Range<usize> {
    let start = place(bytes, rng);
    let end = start + rng.usize(..=PIECE.min(bytes.len() - start));
    start..end
}

/// Puts `new` over what is at a place, or between.
fn put(bytes: &mut Vec<u8>, new: &[u8], rng: &mut Rng) {
    let at = place(bytes, rng);
    let replaced = if rng.bool() { new.len().min(bytes.len() - at) } else { 0 };
    bytes.splice(at..at + replaced, new.iter().copied());
}

fn change(bytes: &mut Vec<u8>, inputs: &[Vec<u8>], words: &[&[u8]], rng: &mut Rng) {
    match rng.u8(..10) {
        0 | 1 if !bytes.is_empty() => {
            let at = rng.usize(..bytes.len());
            bytes[at] ^= 1 << rng.u8(..8);
        }
        2 if !bytes.is_empty() => {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        3 if !bytes.is_empty() => {
            let at = rng.usize(..bytes.len());
            bytes[at] = bytes[at].wrapping_add(rng.u8(..16).wrapping_sub(8));
        }
        4 => {
            let value = INTERESTING[rng.usize(..INTERESTING.len())].to_le_bytes();
            put(bytes, &value[..1 << rng.u8(..4)], rng);
        }
        5 => {
            let length = 1 + rng.usize(..8);
            let new = random(length, rng);
            put(bytes, &new, rng);
        }
        6 => {
            bytes.drain(piece(bytes, rng));
        }
        7 => {
            let copy = bytes[piece(bytes, rng)].to_vec();
            put(bytes, &copy, rng);
        }
        8 if !words.is_empty() => put(bytes, words[rng.usize(..words.len())], rng),
        _ => {
            let other = &inputs[rng.usize(..inputs.len())];
            let copy = other[piece(other, rng)].to_vec();
            put(bytes, &copy, rng);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_input() {
        let inputs = [b"some input".to_vec(), b"another".to_vec()];
        let made = |seed| mutated(&inputs, &[b"word"], 64, &mut Rng::with_seed(seed));
        let all: Vec<_> = (0..500).map(made).collect();
        assert_eq!(all, (0..500).map(made).collect::<Vec<_>>());
        assert!(all.iter().all(|input| input.len() <= 64));
        assert!(all.iter().any(|input| input.windows(4).any(|w| w == b"word")));
    }

    #[test]
    fn nothing_can_be_changed_too() {
        for seed in 0..500 {
            mutated(&[Vec::new()], &[], 16, &mut Rng::with_seed(seed));
        }
    }
}
