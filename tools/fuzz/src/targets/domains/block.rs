//! The block virtualiser and a RAM disk, with one client that does anything.

use arbitrary::{Arbitrary, Unstructured};
use sddf::block::{Operation, Outcome, Request};

use crate::Target;
use crate::targets::input::steps;

#[path = "../../../../../device-pds/blk-virt/core/tests/virt/world.rs"]
#[allow(dead_code, reason = "the virtualiser's tests use more of it")]
mod world;

use world::{BLOCK, World, range};

pub(crate) const VIRT: Target = Target {
    runs: 4_000,
    ..Target::new("blk-virt", "no client leaves its blocks or stops another", check)
};

const BLOCKS: u64 = 4;
/// Where the honest client's blocks begin, and the liar's.
const HONEST: u64 = 10;
const LIAR: u64 = 2;
/// What the honest client has on the disk, and the blocks of nobody.
const MARK: u8 = 0x5A;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// The liar requests anything.
    Request {
        code: u8,
        buffer: u64,
        block: u64,
        count: u16,
        id: u32,
    },
    /// The liar requests what might be right.
    Near {
        write: bool,
        cell: u8,
        block: u8,
        count: u8,
    },
    /// It writes a word of a ring.
    Lie(bool, u8, u32),
    Honest(u8),
    Serve,
    Drive,
    RestartVirt,
    RestartDriver,
}

fn check(bytes: &[u8]) {
    let mut world = World::new(16, 4, &[range(LIAR, BLOCKS), range(HONEST, BLOCKS)]);
    world.disk.fill(0, 16 * BLOCK, MARK).expect("the disk");
    let mut ramdisk = world.ramdisk();
    world.settle(&mut ramdisk);
    for step in steps::<Step>(Unstructured::new(bytes)) {
        let liar = &world.users[0].connection;
        match step {
            Step::Request { code, buffer, block, count, id } => {
                request(&liar.requests, u32::from(code), buffer, block, count, id);
            }
            Step::Near { write, cell, block, count } => {
                let operation = if write { Operation::Write } else { Operation::Read };
                let buffer = u64::from(cell % 10) * BLOCK as u64;
                let (block, count) = (u64::from(block % 6), u16::from(count % 6));
                request(&liar.requests, operation.code(), buffer, block, count, 0);
            }
            Step::Lie(ring, word, value) => {
                let ring = if ring { &liar.requests } else { &liar.responses };
                let _ = ring.write_u32(usize::from(word) * 4, value);
            }
            Step::Honest(block) => {
                let user = &mut world.users[1];
                if user.queue.has_room() {
                    let block = u64::from(block) % BLOCKS;
                    user.submit(Request { block, ..world::transfer(Operation::Read, 0, 0, 1) }, 0);
                }
            }
            Step::Serve => {
                let _ = world.virt.serve();
            }
            Step::Drive => {
                assert_eq!(ramdisk.serve().breach, None, "the virtualiser lies");
            }
            Step::RestartVirt => world.restart_virt(),
            Step::RestartDriver => ramdisk = world.ramdisk(),
        }
        for (_, outcome) in world.users[1].answers() {
            assert_eq!(outcome, Outcome::Done, "the honest client is refused");
        }
    }
    for _ in 0..64 {
        let _ = world.virt.serve();
        let _ = ramdisk.serve();
        world.users[1].answers();
    }
    assert_eq!(world.users[1].queue.outstanding(), 0, "the honest client hangs");
    for block in (0..LIAR).chain(LIAR + BLOCKS..16) {
        let byte = world.disk.read_u8(block as usize * BLOCK);
        assert_eq!(byte, Ok(MARK), "block {block} is not the liar's");
    }
    let data = &world.users[1].connection.data;
    for offset in [BLOCK, 7 * BLOCK] {
        assert_eq!(data.read_u8(offset), Ok(0), "the honest client's buffers are written to");
    }
}

/// Puts a request into a ring, as whoever does not care for room.
fn request(
    ring: &shmem::Region<shmem::ReadWrite>,
    code: u32,
    buffer: u64,
    block: u64,
    count: u16,
    id: u32,
) {
    let tail = ring.read_u32(4).expect("a header");
    let at = 16 + (tail as usize % 16) * 32;
    let put = ring
        .write_u32(at, code)
        .and_then(|()| ring.write_u64(at + 8, buffer))
        .and_then(|()| ring.write_u64(at + 16, block))
        .and_then(|()| ring.write_u16(at + 24, count))
        .and_then(|()| ring.write_u32(at + 28, id));
    put.expect("a slot");
    ring.write_u32(4, tail.wrapping_add(1)).expect("a header");
}
