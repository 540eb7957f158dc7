//! Random requests to a disk or a file on one, past the page cache, and every byte
//! that comes back is verified.
//!
//! Each block holds, eight bytes at a time, what block it is and which write of it
//! this was; so a block that comes from another place, an old one or a torn one is
//! told. What was written when is kept in memory, so a run needs no other disk to
//! compare with. Not here: judging file systems or speed.
#![forbid(unsafe_code)]

use std::{
    env,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    process::ExitCode,
};

/// Bytes of a block.
const BLOCK: usize = 4096;
/// Most blocks of a request.
const BLOCKS_MAX: usize = 32;
/// One request of so many is a flush.
const FLUSHES: u64 = 64;
/// Progress is told so often.
const TOLD_EVERY: u64 = 100_000;

const USAGE: &str = "usage: disktest FILE MEBIBYTES REQUESTS [SEED [LONGEST]]
Writes over the first MEBIBYTES of FILE, a block device or a file, which is made that long.
LONGEST is that of a request, in blocks of 4 KiB: 32, unless said.";

/// What is wanted.
struct Job {
    file: String,
    blocks: usize,
    requests: u64,
    seed: u64,
    /// Blocks of the longest request.
    longest: usize,
}

impl Job {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Job> {
        let file = arguments.next()?;
        let mebibytes: usize = arguments.next()?.parse().ok()?;
        let requests = arguments.next()?.parse().ok()?;
        let seed = match arguments.next() {
            Some(seed) => seed.parse().ok()?,
            None => 1,
        };
        let longest = match arguments.next() {
            Some(longest) => longest.parse().ok().filter(|l| (1..=BLOCKS_MAX).contains(l))?,
            None => BLOCKS_MAX,
        };
        let blocks = mebibytes.checked_mul((1 << 20) / BLOCK).filter(|b| *b > BLOCKS_MAX)?;
        Some(Job { file, blocks, requests, seed, longest })
    }
}

/// Memory that a disk can be read into directly.
#[repr(C, align(4096))]
struct Buffer([u8; BLOCK * BLOCKS_MAX]);

fn main() -> ExitCode {
    let Some(job) = Job::parse(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(&job) {
        Ok(summary) => {
            println!("disktest: {summary}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("disktest: FAILED: {}: {why}", job.file);
            ExitCode::FAILURE
        }
    }
}

/// The disk, and what should be on it.
struct Disk {
    file: File,
    /// How often each block was written.
    versions: Vec<u32>,
    buffer: Box<Buffer>,
}

fn run(job: &Job) -> Result<String, String> {
    let open = || {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_DIRECT)
            .open(&job.file)?;
        if file.metadata()?.is_file() {
            file.set_len((job.blocks * BLOCK) as u64)?;
        }
        Ok(file)
    };
    let file = open().map_err(|e: io::Error| e.to_string())?;
    let mut disk = Disk {
        file,
        versions: vec![0; job.blocks],
        buffer: Box::new(Buffer([0; BLOCK * BLOCKS_MAX])),
    };
    let mut random = fastrand::Rng::with_seed(job.seed);
    let (mut reads, mut writes, mut flushes, mut verified) = (0u64, 0u64, 0u64, 0u64);
    for request in 0..job.requests {
        // Short ones are most of what file systems do.
        let most = if random.bool() { 1 } else { job.longest };
        let count = random.usize(1..=most);
        let first = random.usize(0..=job.blocks - count);
        let failed = |what: &str, e: String| {
            format!("request {request}: {what} of {count} blocks at {first}: {e}")
        };
        if random.u64(0..FLUSHES) == 0 {
            disk.file.sync_data().map_err(|e| failed("flush", e.to_string()))?;
            flushes += 1;
        } else if random.bool() {
            disk.write(first, count).map_err(|e| failed("write", e.to_string()))?;
            writes += 1;
        } else {
            verified += disk.read(first, count).map_err(|e| failed("read", e))?;
            reads += 1;
        }
        if request > 0 && request.is_multiple_of(TOLD_EVERY) {
            println!("disktest: {request} of {}", job.requests);
        }
    }
    // At the end everything, once.
    for first in (0..job.blocks - BLOCKS_MAX).step_by(BLOCKS_MAX) {
        verified += disk.read(first, BLOCKS_MAX).map_err(|e| format!("the last look: {e}"))?;
    }
    Ok(format!(
        "{} requests ({reads} reads, {writes} writes, {flushes} flushes), {verified} blocks verified",
        job.requests
    ))
}

impl Disk {
    fn write(&mut self, first: usize, count: usize) -> io::Result<()> {
        let (bytes, _) = self.buffer.0.split_at_mut(count * BLOCK);
        for (block, into) in (first..).zip(bytes.chunks_exact_mut(BLOCK)) {
            self.versions[block] += 1;
            fill(into, block, self.versions[block]);
        }
        self.file.write_all_at(bytes, (first * BLOCK) as u64)
    }

    /// Reads, and says how many blocks were as they should be: those never written
    /// may hold anything.
    fn read(&mut self, first: usize, count: usize) -> Result<u64, String> {
        let (bytes, _) = self.buffer.0.split_at_mut(count * BLOCK);
        self.file.read_exact_at(bytes, (first * BLOCK) as u64).map_err(|e| e.to_string())?;
        let mut verified = 0;
        for (block, found) in (first..).zip(bytes.chunks_exact(BLOCK)) {
            let version = self.versions[block];
            if version > 0 {
                check(found, block, version)?;
                verified += 1;
            }
        }
        Ok(verified)
    }
}

/// What a block holds at a place.
fn word(block: usize, version: u32, place: usize) -> u64 {
    let which = (block as u64) << 32 | u64::from(version);
    which.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place as u64
}

fn fill(into: &mut [u8], block: usize, version: u32) {
    for (place, word_bytes) in into.chunks_exact_mut(8).enumerate() {
        word_bytes.copy_from_slice(&word(block, version, place).to_le_bytes());
    }
}

fn check(found: &[u8], block: usize, version: u32) -> Result<(), String> {
    for (place, bytes) in found.chunks_exact(8).enumerate() {
        if bytes == word(block, version, place).to_le_bytes() {
            continue;
        }
        let older = (0..version).find(|v| bytes == word(block, *v, place).to_le_bytes());
        return Err(match older {
            Some(older) => format!(
                "block {block} holds write {older} of it at byte {}, not write {version}",
                place * 8
            ),
            None => format!("block {block} holds something else at byte {}", place * 8),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_known_by_place_and_version() {
        let mut block = vec![0; BLOCK];
        fill(&mut block, 7, 3);
        assert_eq!(check(&block, 7, 3), Ok(()));
        assert!(check(&block, 8, 3).unwrap_err().contains("something else at byte 0"));
        let mut newer = vec![0; BLOCK];
        fill(&mut newer, 7, 4);
        newer[512..].copy_from_slice(&block[512..]);
        let torn = check(&newer, 7, 4).unwrap_err();
        assert_eq!(torn, "block 7 holds write 3 of it at byte 512, not write 4");
    }

    #[test]
    fn a_file_is_written_and_verified() {
        let file = std::env::temp_dir().join(format!("disktest-{}", std::process::id()));
        let job = Job {
            file: file.to_string_lossy().into_owned(),
            blocks: 512,
            requests: 2000,
            seed: 1,
            longest: 8,
        };
        let summary = run(&job);
        std::fs::remove_file(&file).unwrap();
        // Not every file system has O_DIRECT.
        if let Err(why) = &summary {
            assert!(why.contains("Invalid argument"), "{why}");
            return;
        }
        assert!(summary.unwrap().starts_with("2000 requests"));
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        for bad in [
            &["f"][..],
            &["f", "1"],
            &["f", "0", "5"],
            &["f", "x", "5"],
            &["f", "1", "5", "y"],
            &["f", "1", "5", "1", "0"],
            &["f", "1", "5", "1", "33"],
        ] {
            assert!(Job::parse(bad.iter().map(|s| (*s).into())).is_none(), "{bad:?}");
        }
        let parsed = |words: &[&str]| Job::parse(words.iter().map(|s| (*s).into()));
        assert_eq!(parsed(&["f", "1", "5"]).unwrap().longest, BLOCKS_MAX);
        assert_eq!(parsed(&["f", "1", "5", "1", "4"]).unwrap().longest, 4);
    }
}
