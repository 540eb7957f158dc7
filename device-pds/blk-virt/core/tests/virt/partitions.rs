//! Who gets which part of the disk, and what a wrong table does.

use bulkhead_config::{BlkPartition, Guid};
use heapless::String;
use proptest::prelude::*;
use sddf::block::{Operation, Outcome as Ended, Status, StorageInfo};

use super::gpt::{Part, Table, crc32};
use super::world::{BLOCK, Wish, World, failed, range, transfer};

const BLOCKS: usize = 64;

fn parts() -> [Part; 3] {
    [
        Part { guid: [1; 16], first: 40, last: 79, name: "boot" },
        Part { guid: [2; 16], first: 80, last: 161, name: "größe" },
        Part { guid: [3; 16], first: 200, last: 239, name: "root" },
    ]
}

fn index(number: u32) -> Wish {
    Wish { partition: BlkPartition::Index(number.try_into().unwrap()), read_only: false }
}

fn named(name: &str) -> Wish {
    Wish { partition: BlkPartition::Name(String::try_from(name).unwrap()), read_only: false }
}

fn guid(byte: u8) -> Wish {
    Wish { partition: BlkPartition::Guid(Guid([byte; 16])), read_only: false }
}

/// Lets a disk with a table be shared, and says what was complained of.
fn share(wishes: &[Wish], prepare: impl FnOnce(&World)) -> (World, Vec<std::string::String>) {
    let mut world = World::new(BLOCKS, 4, wishes);
    prepare(&world);
    let mut ramdisk = world.ramdisk();
    let complaints = world.settle(&mut ramdisk);
    (world, complaints)
}

fn capacities(world: &World) -> Vec<Option<u64>> {
    world.users.iter().map(|user| user.connection.info().map(|info| info.capacity)).collect()
}

#[test]
fn partitions_are_found_by_number_name_and_guid() {
    let (mut world, complaints) = share(&[index(1), named("größe"), guid(3)], |world| {
        Table::new(&parts()).write_first(&world.disk, |_| ());
    });
    assert_eq!(complaints, [""; 0]);
    // The second has 82 sectors: ten blocks, and two sectors that are not used.
    assert_eq!(capacities(&world), [Some(5), Some(10), Some(5)]);
    let mut ramdisk = world.ramdisk();
    for (client, first) in [(0, 5usize), (1, 10), (2, 25)] {
        world.users[client].connection.data.fill(0, BLOCK, 0x40 + client as u8).unwrap();
        world.users[client].submit(transfer(Operation::Write, 0, 0, 1), 0);
        world.settle(&mut ramdisk);
        assert_eq!(world.users[client].answers(), [(0, Ended::Done)]);
        assert_eq!(world.disk.read_u8(first * BLOCK), Ok(0x40 + client as u8));
    }
}

#[test]
fn sectors_of_4_kib_are_understood() {
    let wishes = [index(1)];
    let mut world = World::new(BLOCKS, 4, &wishes);
    let part = Part { guid: [1; 16], first: 41, last: 43, name: "x" };
    let table = Table { sector: 4096, entries: 4, ..Table::new(&[part]) };
    table.write(&world.disk, 1, 2, |header| {
        header[40..48].copy_from_slice(&10u64.to_le_bytes());
        header[48..56].copy_from_slice(&50u64.to_le_bytes());
    });
    let mut ramdisk = world.ramdisk();
    world.announce(&StorageInfo { sector_size: 4096, ..StorageInfo::of(BLOCKS as u64) });
    assert!(world.settle(&mut ramdisk).is_empty());
    assert_eq!(capacities(&world), [Some(3)]);
}

#[test]
fn large_entries_are_understood() {
    for entry_size in [256, 1024, 8192] {
        let (world, complaints) = share(&[named("root")], |world| {
            let table = Table { entry_size, entries: 4, ..Table::new(&parts()) };
            table.write(&world.disk, 1, 264, |_| ());
        });
        assert_eq!(complaints, [""; 0], "{entry_size}");
        assert_eq!(capacities(&world), [Some(5)]);
    }
}

#[test]
fn what_is_not_there_or_there_twice_is_refused_and_others_are_served() {
    let (world, complaints) = share(&[index(4), named("root"), named("boo"), guid(9)], |world| {
        let mut parts = parts().to_vec();
        parts[0].name = "root";
        Table::new(&parts).write_first(&world.disk, |_| ());
    });
    assert_eq!(
        complaints,
        [
            "client 0 has no disk: the disk has no partition of that name, number or GUID",
            "client 1 has no disk: the disk has several partitions of that name or GUID",
            "client 2 has no disk: the disk has no partition of that name, number or GUID",
            "client 3 has no disk: the disk has no partition of that name, number or GUID",
        ]
    );
    assert_eq!(capacities(&world), [None; 4]);
}

#[test]
fn a_client_without_a_disk_is_told_so() {
    let (mut world, _) = share(&[index(4)], |world| {
        Table::new(&parts()).write_first(&world.disk, |_| ());
    });
    let mut ramdisk = world.ramdisk();
    for (token, operation) in
        [Operation::Read, Operation::Flush, Operation::Barrier].into_iter().enumerate()
    {
        world.users[0].submit(transfer(operation, 0, 0, 1), token as u32);
    }
    world.settle(&mut ramdisk);
    assert_eq!(world.users[0].answers(), [0, 1, 2].map(|token| (token, failed(Status::NoDevice))));
}

#[test]
fn the_last_table_is_used_if_the_first_is_damaged() {
    for damage in [0usize, 16, 40, 92 + 1] {
        let (world, complaints) = share(&[index(3)], |world| {
            let table = Table::new(&parts());
            table.write_first(&world.disk, |_| ());
            table.write_last(&world.disk, |_| ());
            let at = if damage > 92 { 2 * 512 + 200 } else { 512 + damage };
            let byte = world.disk.read_u8(at).unwrap();
            world.disk.write_u8(at, byte ^ 1).unwrap();
        });
        assert_eq!(complaints, [""; 0], "{damage}");
        assert_eq!(capacities(&world), [Some(5)]);
    }
}

#[test]
fn a_wrong_header_is_refused_with_the_reason() {
    type Change = fn(&mut [u8]);
    let cases: [(Change, &str); 9] = [
        (|h| h[0] = b'x', "there is no GUID partition table"),
        (|h| h[12] = 91, "the table's header has 91 bytes"),
        (|h| h[13] = 0x10, "the table's header has 4188 bytes"),
        (|h| h[24] = 2, "the table's header in sector 1 says that it is in 2"),
        (|h| h[54] = 1, "the table's usable sectors 40 to 281474976711128 are not on the disk"),
        (
            |h| h[40..48].copy_from_slice(&500u64.to_le_bytes()),
            "the table's usable sectors 500 to 472 are not on the disk",
        ),
        (|h| h[84] = 64, "the table's entries have 64 bytes"),
        (
            |h| h[72..80].copy_from_slice(&500u64.to_le_bytes()),
            "the table of 128 entries at sector 500 is not on the disk, or too large",
        ),
        (
            |h| h[80..84].fill(0xFF),
            "the table of 4294967295 entries at sector 2 is not on the disk, or too large",
        ),
    ];
    for (change, expected) in cases {
        let (world, complaints) = share(&[index(1)], |world| {
            Table::new(&parts()).write_first(&world.disk, |header| {
                change(header);
                // The size covers the checksum's range; keep it right.
                header[16..20].fill(0);
            });
        });
        assert_eq!(complaints, [format!("client 0 has no disk: {expected}")]);
        assert_eq!(capacities(&world), [None]);
    }
}

#[test]
fn a_damaged_header_or_table_is_refused() {
    for (at, expected) in [
        (512 + 60, "the checksum of the table's header is wrong"),
        (2 * 512 + 128 * 100, "the checksum of the table is wrong"),
    ] {
        let (_, complaints) = share(&[index(1)], |world| {
            Table::new(&parts()).write_first(&world.disk, |_| ());
            world.disk.write_u8(at, 0x55).unwrap();
        });
        assert_eq!(complaints, [format!("client 0 has no disk: {expected}")]);
    }
}

#[test]
fn a_partition_outside_the_usable_sectors_or_misaligned_is_refused() {
    for (first, last, expected) in [
        (39, 79, "its sectors 39 to 79 are not among those of partitions"),
        (80, 79, "its sectors 80 to 79 are not among those of partitions"),
        (40, 473, "its sectors 40 to 473 are not among those of partitions"),
        (40, u64::MAX, "its sectors 40 to 18446744073709551615 are not among those of partitions"),
        (41, 79, "it begins at sector 41, which is no multiple of 4 KiB"),
    ] {
        let (_, complaints) = share(&[index(1)], |world| {
            let part = Part { guid: [1; 16], first, last, name: "x" };
            Table::new(&[part]).write_first(&world.disk, |_| ());
        });
        assert_eq!(complaints, [format!("client 0 has no disk: {expected}")]);
    }
}

#[test]
fn a_range_that_leaves_the_disk_is_refused() {
    let far = range(u64::MAX, 2);
    let (world, complaints) = share(&[range(60, 5), range(0, 64), far], |_| ());
    assert_eq!(
        complaints,
        [
            "client 0 has no disk: blocks 60 and 5 from there on do not lie on a disk of 64",
            "client 2 has no disk: blocks 18446744073709551615 and 2 from there on do not lie on a disk of 64",
        ]
    );
    assert_eq!(capacities(&world), [None, Some(64), None]);
}

#[test]
fn two_clients_share_blocks_only_to_read_them() {
    let reading = |wish: Wish| Wish { read_only: true, ..wish };
    let (world, complaints) =
        share(&[reading(range(0, 8)), reading(range(4, 8)), range(7, 4), range(12, 1)], |_| ());
    assert_eq!(
        complaints,
        ["client 2 has no disk: it shares blocks with client 0's, and one of the two writes"]
    );
    assert_eq!(capacities(&world), [Some(8), Some(8), None, Some(1)]);
}

#[test]
fn a_disk_that_cannot_be_read_has_no_table() {
    let mut world = World::new(BLOCKS, 4, &[index(1)]);
    let mut driver = world.by_hand();
    world.announce(&StorageInfo::of(BLOCKS as u64));
    let mut complaints = Vec::new();
    for _ in 0..4 {
        complaints.extend(world.virt.serve().complaints.iter().map(ToString::to_string));
        while let Some((ticket, _)) = driver.take().unwrap() {
            driver.answer(ticket, Status::Io, 0);
        }
        let _ = driver.publish().unwrap();
    }
    assert_eq!(complaints, ["client 0 has no disk: the disk could not be read"]);
}

#[test]
fn a_sector_size_that_cannot_be_is_refused() {
    for sector_size in [0, 511, 513, 8192] {
        let mut world = World::new(BLOCKS, 4, &[index(1)]);
        world.announce(&StorageInfo { sector_size, ..StorageInfo::of(BLOCKS as u64) });
        let complaints = world.virt.serve().complaints;
        assert_eq!(
            complaints[0].to_string(),
            format!(
                "client 0 has no disk: the disk has sectors of {sector_size} bytes, with which no table can be read"
            )
        );
    }
}

#[test]
fn a_disk_too_small_for_a_table_is_not_read_beyond_its_end() {
    for (blocks, sector_size) in [(0, 512), (1, 4096)] {
        let mut world = World::new(BLOCKS, 4, &[index(1)]);
        world.announce(&StorageInfo { sector_size, ..StorageInfo::of(blocks) });
        let outcome = world.virt.serve();
        assert!(!outcome.driver);
        assert_eq!(
            outcome.complaints[0].to_string(),
            "client 0 has no disk: there is no GUID partition table"
        );
    }
}

#[test]
fn the_reference_checksum_is_the_known_one() {
    assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
}

proptest! {
    /// Any bytes where the tables are, whatever the driver says of the disk: no
    /// panic, no access outside it, an end.
    #[test]
    fn a_hostile_disk_harms_nobody(
        bytes in proptest::collection::vec(any::<u8>(), 300),
        places in proptest::collection::vec((0usize..64 * 512, any::<u8>()), 0..20),
        fix in any::<bool>(),
        blocks in prop_oneof![0u64..70, Just(u64::MAX), any::<u64>()],
    ) {
        let mut world = World::new(BLOCKS, 4, &[index(1), named("root")]);
        let table = Table::new(&parts());
        table.write_first(&world.disk, |header| {
            for &(at, byte) in places.iter().filter(|(at, _)| *at < 92) {
                header[at] = byte;
            }
            if !fix {
                header[16..20].fill(0);
            }
        });
        for (at, byte) in places {
            world.disk.write_u8(2 * 512 + at, byte).unwrap();
        }
        if !fix {
            world.disk.write(512, &bytes).unwrap();
        }
        let mut ramdisk = world.ramdisk();
        world.announce(&StorageInfo::of(blocks));
        world.settle(&mut ramdisk);
        for capacity in capacities(&world).into_iter().flatten() {
            prop_assert!(capacity <= blocks);
        }
    }
}
