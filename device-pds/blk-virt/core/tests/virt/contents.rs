//! What clients write is what they read, each in its own part of the disk,
//! whoever restarts.

use proptest::prelude::*;
use sddf::block::{Operation, Outcome as Ended};

use super::world::{BLOCK, CELLS, World, range, transfer};

const BLOCKS: u64 = 6;

#[derive(Clone, Debug)]
enum Op {
    /// Client, write or read, cell, block, count.
    Transfer(usize, bool, u64, u64, u16),
    Flush(usize),
    Serve,
    Drive,
    RestartVirt,
    RestartDriver,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0usize..3, any::<bool>(), 0..CELLS as u64, 0..BLOCKS, 1u16..4)
            .prop_map(|(client, write, cell, block, count)| Op::Transfer(client, write, cell, block, count)),
        1 => (0usize..3).prop_map(Op::Flush),
        4 => Just(Op::Serve),
        4 => Just(Op::Drive),
        1 => Just(Op::RestartVirt),
        1 => Just(Op::RestartDriver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    /// One request a client at a time, so that the model is simple; what is in
    /// flight meanwhile is the other clients'.
    #[test]
    fn every_client_reads_what_it_wrote(ops in proptest::collection::vec(op(), 1..120)) {
        let wishes = [range(1, BLOCKS), range(1 + BLOCKS, BLOCKS), range(20, BLOCKS)];
        let mut world = World::new(30, 4, &wishes);
        let mut ramdisk = world.ramdisk();
        prop_assert!(world.settle(&mut ramdisk).is_empty());
        let mut disks = [[0u8; BLOCKS as usize]; 3];
        let mut stamp = 0u8;
        for (number, op) in ops.into_iter().enumerate() {
            match op {
                Op::Transfer(client, write, cell, block, count) => {
                    let user = &mut world.users[client];
                    if user.queue.outstanding() > 0 {
                        continue;
                    }
                    let inside = cell + u64::from(count) <= CELLS as u64
                        && block + u64::from(count) <= BLOCKS;
                    let operation = if write { Operation::Write } else { Operation::Read };
                    let bytes = usize::from(count) * BLOCK;
                    stamp = stamp.wrapping_add(1).max(1);
                    if inside {
                        let at = cell as usize * BLOCK;
                        user.connection.data.fill(at, bytes, stamp).unwrap();
                    }
                    user.submit(transfer(operation, cell, block, count), number as u32);
                    prop_assert!(world.settle(&mut ramdisk).is_empty());
                    let user = &mut world.users[client];
                    let completion = user.next().unwrap();
                    prop_assert_eq!(completion.outcome == Ended::Done, inside);
                    if !inside {
                        continue;
                    }
                    let blocks = block as usize..block as usize + usize::from(count);
                    if write {
                        disks[client][blocks].fill(stamp);
                    } else {
                        for (i, expected) in disks[client][blocks].iter().enumerate() {
                            let at = (cell as usize + i) * BLOCK;
                            for offset in [0, BLOCK - 1] {
                                prop_assert_eq!(user.connection.data.read_u8(at + offset), Ok(*expected));
                            }
                        }
                    }
                }
                Op::Flush(client) => {
                    let user = &mut world.users[client];
                    if user.queue.has_room() {
                        user.submit(sddf::block::Request::bare(Operation::Flush), number as u32);
                    }
                }
                Op::Serve => {
                    let _ = world.virt.serve();
                }
                Op::Drive => {
                    let _ = ramdisk.serve();
                }
                Op::RestartVirt => world.restart_virt(),
                Op::RestartDriver => ramdisk = world.ramdisk(),
            }
            for user in &mut world.users {
                for (_, outcome) in user.answers() {
                    prop_assert_eq!(outcome, Ended::Done);
                }
            }
        }
        prop_assert!(world.settle(&mut ramdisk).is_empty());
        for (client, disk) in disks.iter().enumerate() {
            prop_assert!(world.users[client].answers().iter().all(|(_, outcome)| *outcome == Ended::Done));
            prop_assert_eq!(world.users[client].queue.outstanding(), 0, "lost");
            let first = [1, 1 + BLOCKS, 20][client] as usize;
            for (i, expected) in disk.iter().enumerate() {
                prop_assert_eq!(world.disk.read_u8((first + i) * BLOCK), Ok(*expected));
            }
        }
        for outside in [0, 1 + 2 * BLOCKS as usize, 19, 20 + BLOCKS as usize, 29] {
            prop_assert_eq!(world.disk.read_u8(outside * BLOCK), Ok(0), "nobody's block");
        }
    }
}
