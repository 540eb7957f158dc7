//! What requests to the first virtio disk cost, past the page cache: one at a time,
//! and several at once.

use std::{
    fs::{File, OpenOptions},
    hint::black_box,
    os::unix::fs::{FileExt, OpenOptionsExt},
};

use statistics::Counter;

use crate::{
    aio::Context,
    clock,
    counters::{self, Counts},
    line,
};

/// The disk.
const DISK: &str = "/dev/vda";
/// Bytes of a page.
const PAGE: usize = 4096;
/// Most bytes of a request here.
const LARGEST: usize = 65536;
/// Room for the greatest depth.
const ROOM: usize = 32 * PAGE;
/// Samples of each operation.
const SAMPLES: usize = 512;
/// How much of the disk is used; less than the smallest that has room.
const SPAN: u64 = 4 << 20;
/// Queue depths.
const DEPTHS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Memory that a disk can be read into directly.
#[repr(C, align(4096))]
struct Buffer([u8; ROOM]);

/// Where the n-th request goes: every page once before any again, not in order.
fn place(n: usize, length: usize) -> u64 {
    let places = SPAN / length as u64;
    (n as u64).wrapping_mul(37) % places * length as u64
}

/// Measures.
///
/// # Errors
/// What failed.
pub fn measure() -> Result<String, String> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |e: std::io::Error| format!("{DISK}: {what}: {e}")
    };
    let open = |flags: i32, write: bool| {
        OpenOptions::new().read(true).write(write).custom_flags(libc::O_DIRECT | flags).open(DISK)
    };
    let reads = open(0, false).map_err(failed("open"))?;
    let writes = open(libc::O_SYNC, true).map_err(failed("open to write"))?;
    let mut buffer = Box::new(Buffer([0x5A; ROOM]));
    let mut text = String::new();
    text += &line("blk_write_4k", &each(PAGE, |at| writes.write_all_at(&buffer.0[..PAGE], at))?);
    let copied = counters::counter(Counter::Copied);
    let samples = each(PAGE, |at| reads.read_exact_at(&mut buffer.0[..PAGE], at))?;
    let bytes = (SAMPLES * PAGE) as u64;
    let copied = counters::counter(Counter::Copied) - copied;
    text += &line("blk_read_4k", &samples);
    text += &format!("value blk_copied {copied}\nvalue blk_carried {bytes}\n");
    let samples = each(LARGEST, |at| reads.read_exact_at(&mut buffer.0[..LARGEST], at))?;
    text += &line("blk_read_64k", &samples);
    black_box(&buffer.0);
    for depth in DEPTHS {
        text += &at_depth(&reads, depth, &mut buffer.0).map_err(failed("several reads"))?;
    }
    Ok(text)
}

/// Ticks of one operation after the other.
fn each(
    length: usize,
    mut operation: impl FnMut(u64) -> std::io::Result<()>,
) -> Result<Vec<u32>, String> {
    let mut samples = Vec::with_capacity(SAMPLES);
    for n in 0..SAMPLES {
        let before = clock::now();
        operation(place(n, length)).map_err(|e| format!("{DISK}: request {n}: {e}"))?;
        samples.push(u32::try_from(clock::now() - before).unwrap_or(u32::MAX));
    }
    Ok(samples)
}

/// What as many requests cost when so many are on their way at once.
fn at_depth(disk: &File, depth: usize, buffer: &mut [u8]) -> std::io::Result<String> {
    let context = Context::new(depth)?;
    let rings = counters::counter(Counter::Rings);
    let begin = Counts::beginning();
    let began = clock::now();
    for round in 0..SAMPLES / depth {
        let mut pieces: Vec<(&mut [u8], u64)> = buffer
            .chunks_exact_mut(PAGE)
            .take(depth)
            .enumerate()
            .map(|(n, piece)| (piece, place(round * depth + n, PAGE)))
            .collect();
        context.read(disk, &mut pieces)?;
    }
    let ticks = clock::now() - began;
    let exits = begin.exits_until(&Counts::ending());
    let rings = counters::counter(Counter::Rings) - rings;
    Ok(format!(
        "value blk_qd{depth}_ticks {ticks}\nvalue blk_qd{depth}_exits {exits}\nvalue blk_qd{depth}_rings {rings}\n"
    ))
}
