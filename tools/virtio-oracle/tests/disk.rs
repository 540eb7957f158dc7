//! `virtio-drivers`' disk on ours.

use shmem::{ReadWrite, Region};
use virtio_drivers::{
    Error,
    device::blk::{BlkReq, BlkResp, RespStatus, SECTOR_SIZE, VirtIOBlk},
};
use virtio_hal::DeviceType;
use virtio_oracle::{GuestHal, Machine, Transport, peers};

const BLOCKS: usize = 64;
const SECTORS: usize = BLOCKS * 8;

type Disk = VirtIOBlk<GuestHal, Transport>;

fn machine(read_only: bool) -> (Machine, Region<ReadWrite>) {
    let contents = Region::host(BLOCKS * 4096);
    for sector in 0..SECTORS {
        contents.fill(sector * SECTOR_SIZE, SECTOR_SIZE, sector as u8).unwrap();
    }
    (peers::disk(&contents, read_only), contents)
}

fn driver(machine: &Machine) -> Disk {
    Disk::new(machine.transport(DeviceType::Block)).unwrap()
}

#[test]
fn the_driver_finds_the_disk_and_what_is_on_it() {
    let (machine, _) = machine(false);
    let mut disk = driver(&machine);
    assert_eq!((disk.capacity(), disk.readonly()), (SECTORS as u64, false));
    let mut id = [0; 20];
    let length = disk.device_id(&mut id).unwrap();
    assert_eq!(&id[..length], b"bulkhead-ramdisk");
    let mut bytes = vec![0; SECTORS * SECTOR_SIZE];
    disk.read_blocks(0, &mut bytes).unwrap();
    assert!(bytes.iter().enumerate().all(|(at, &byte)| byte == (at / SECTOR_SIZE) as u8));
}

#[test]
fn what_is_written_is_on_the_disk_and_nothing_beside_it() {
    let (machine, contents) = machine(false);
    let mut disk = driver(&machine);
    let mut expected: Vec<u8> =
        (0..SECTORS * SECTOR_SIZE).map(|at| (at / SECTOR_SIZE) as u8).collect();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..400 {
        let first = random.usize(..SECTORS);
        let count = random.usize(1..=(SECTORS - first).min(200));
        let range = first * SECTOR_SIZE..(first + count) * SECTOR_SIZE;
        let mut bytes = vec![0; range.len()];
        if random.bool() {
            random.fill(&mut bytes);
            disk.write_blocks(first, &bytes).unwrap();
            expected[range].copy_from_slice(&bytes);
        } else {
            disk.read_blocks(first, &mut bytes).unwrap();
            assert_eq!(bytes, expected[range]);
        }
        if random.u8(..) < 16 {
            disk.flush().unwrap();
        }
    }
    let mut there = vec![0; expected.len()];
    contents.read(0, &mut there).unwrap();
    assert_eq!(there, expected);
}

#[test]
fn beyond_the_end_and_on_a_disk_that_is_read_only_there_are_errors() {
    let mut bytes = [0; 2 * SECTOR_SIZE];
    let (first, contents) = machine(false);
    let mut disk = driver(&first);
    assert_eq!(disk.read_blocks(SECTORS - 1, &mut bytes), Err(Error::IoError));
    assert_eq!(disk.write_blocks(usize::MAX, &bytes), Err(Error::IoError));
    disk.read_blocks(SECTORS - 2, &mut bytes).unwrap();
    drop((disk, first, contents));
    let (second, contents) = machine(true);
    let mut disk = driver(&second);
    assert!(disk.readonly());
    assert_eq!(disk.write_blocks(0, &bytes), Err(Error::IoError));
    assert_eq!(contents.read_u64(0), Ok(0));
    disk.read_blocks(3, &mut bytes).unwrap();
    assert_eq!(bytes[0], 3);
}

#[test]
fn several_requests_at_once_are_each_done() {
    let (machine, _) = machine(false);
    let mut disk = driver(&machine);
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..100 {
        let count = random.usize(1..=16);
        let mut asked: Vec<_> = (0..count)
            .map(|_| {
                let buffer = vec![0; random.usize(1..=8) * SECTOR_SIZE];
                let sector = random.usize(..SECTORS - 8);
                (sector, BlkReq::default(), buffer, BlkResp::default(), 0)
            })
            .collect();
        for (sector, request, buffer, answer, token) in &mut asked {
            // SAFETY: they stay where they are until they are done, below.
            *token = unsafe { disk.read_blocks_nb(*sector, request, buffer, answer) }.unwrap();
        }
        for _ in 0..count {
            let done = disk.peek_used().unwrap();
            let (sector, request, buffer, answer, token) =
                asked.iter_mut().find(|(.., token)| *token == done).unwrap();
            // SAFETY: the same as were submitted with this number.
            unsafe { disk.complete_read_blocks(*token, request, buffer, answer) }.unwrap();
            assert_eq!(answer.status(), RespStatus::OK);
            for (n, bytes) in buffer.chunks(SECTOR_SIZE).enumerate() {
                assert_eq!(bytes, [(*sector + n) as u8; SECTOR_SIZE]);
            }
        }
        assert_eq!(disk.peek_used(), None);
    }
}

#[test]
fn the_line_says_that_something_is_done_until_it_is_acknowledged() {
    let (machine, _) = machine(false);
    let mut disk = driver(&machine);
    assert!(!machine.line());
    disk.read_blocks(0, &mut [0; SECTOR_SIZE]).unwrap();
    assert!(machine.line());
    assert!(!disk.ack_interrupt().is_empty());
    assert!(!machine.line());
    assert!(disk.ack_interrupt().is_empty());
}

#[test]
fn a_second_driver_takes_the_device_over() {
    let (machine, _) = machine(false);
    for round in 0..20 {
        let mut disk = driver(&machine);
        disk.write_blocks(round, &[round as u8; SECTOR_SIZE]).unwrap();
        let mut bytes = [0xff; SECTOR_SIZE];
        disk.read_blocks(0, &mut bytes).unwrap();
        assert_eq!(bytes, [0; SECTOR_SIZE]);
    }
}

/// Indices are of 16 bits: more requests than that pass both sides' wrap.
#[test]
fn the_indices_of_a_queue_wrap() {
    let (machine, _) = machine(false);
    let mut disk = driver(&machine);
    let mut bytes = [0; SECTOR_SIZE];
    for n in 0..66_000 {
        disk.read_blocks(n % SECTORS, &mut bytes).unwrap();
        assert_eq!(bytes[0], (n % SECTORS) as u8, "{n}");
    }
}
