//! Patterns over all the RAM that can be had.

use std::fs;

use crate::Outcome;

/// Left for the kernel and the other processes, in KiB; an eighth of what is
/// available if that is more.
const RESERVE: u64 = 24 * 1024;

/// Asked for at a time, in words: 4 MiB.
const BLOCK: usize = 4 * 1024 * 1024 / 8;

/// What word `i` of block `b` holds in round `round`: its own address mixed
/// up, so that two places that alias differ, then the complement.
fn pattern(block: usize, i: usize, round: u64) -> u64 {
    let place = (block * BLOCK + i) as u64;
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ place.rotate_left(29);
    if round == 0 { mixed } else { !mixed }
}

/// Fills nearly all free memory, then reads it back; twice, with complements.
pub fn patterns() -> Outcome {
    let info = fs::read_to_string("/proc/meminfo").map_err(|e| format!("{e}"))?;
    let field = |name: &str| {
        info.lines()
            .find_map(|l| l.strip_prefix(name)?.split_whitespace().next()?.parse::<u64>().ok())
            .ok_or(format!("/proc/meminfo has no {name}"))
    };
    let (total, available) = (field("MemTotal:")?, field("MemAvailable:")?);
    let usable =
        available.checked_sub(RESERVE.max(available / 8)).ok_or("too little memory is free")?;
    let count = (usable * 1024 / 8 / BLOCK as u64) as usize;
    if count == 0 {
        return Err(format!("only {usable} KiB to test"));
    }
    let mut blocks: Vec<Vec<u64>> = Vec::with_capacity(count);
    for round in 0..2 {
        for b in 0..count {
            if round == 0 {
                blocks.push((0..BLOCK).map(|i| pattern(b, i, round)).collect());
            } else {
                blocks[b].iter_mut().enumerate().for_each(|(i, w)| *w = pattern(b, i, round));
            }
        }
        for (b, block) in blocks.iter().enumerate() {
            if let Some(i) = block.iter().enumerate().position(|(i, &w)| w != pattern(b, i, round))
            {
                let (found, wanted) = (block[i], pattern(b, i, round));
                return Err(format!(
                    "round {round}, byte {}: {found:#x} instead of {wanted:#x}",
                    (b * BLOCK + i) * 8
                ));
            }
        }
    }
    Ok(format!("{} MiB of {} MiB", (count * BLOCK * 8) >> 20, total / 1024))
}
