//! The RAM disk between a virtualiser that asks anything and its regions.

use ramdisk_core::{Data, Disk, Ramdisk, RamdiskError, SLOTS};
use sddf::block::{
    Client, DataError, InfoSink, InfoSource, Operation, Outcome as Ended, Request, Server, Status,
    Submitted, Window,
};
use shmem::{ReadWrite, Region};

const BLOCK: usize = 4096;
const FIRST: u64 = 0x100_0000;
const SECOND: u64 = 0x200_0000;

struct World {
    requests: Region<ReadWrite>,
    responses: Region<ReadWrite>,
    info: Region<ReadWrite>,
    disk: Region<ReadWrite>,
    data: [Region<ReadWrite>; 2],
    client: Client<(), 64>,
}

impl World {
    fn new(blocks: usize) -> Self {
        let (requests, responses) = (Region::host(8192), Region::host(4096));
        World {
            client: Client::new(&requests, &responses).unwrap(),
            requests,
            responses,
            info: Region::host(4096),
            disk: Region::host(blocks * BLOCK + 100),
            data: [Region::host(4 * BLOCK), Region::host(2 * BLOCK)],
        }
    }

    fn ramdisk(&self, disk: Disk) -> Result<Ramdisk, RamdiskError> {
        let server: Server<SLOTS> = Server::new(&self.requests, &self.responses).unwrap();
        let data = [FIRST, SECOND].into_iter().zip(&self.data).map(|(base, region)| Data {
            window: Window { base, size: region.len() as u64 },
            region: region.clone(),
        });
        Ramdisk::new(server, &InfoSink::new(&self.info).unwrap(), disk, data)
    }

    fn writable(&self) -> Ramdisk {
        self.ramdisk(Disk::Writable(self.disk.clone())).unwrap()
    }

    fn ask(&mut self, ramdisk: &mut Ramdisk, request: Request) -> Ended {
        assert!(matches!(self.client.submit(request, ()), Ok(Submitted::Yes)));
        assert!(self.client.publish());
        let outcome = ramdisk.serve();
        assert!(outcome.notify && !outcome.again && outcome.breach.is_none());
        self.client.next_completion().unwrap().unwrap().outcome
    }
}

fn transfer(operation: Operation, buffer: u64, block: u64, count: u16) -> Request {
    Request { operation, buffer, block, count }
}

const REFUSED: Ended = Ended::Failed { status: Status::InvalidParameter, done: 0 };

#[test]
fn bytes_go_from_one_client_to_the_disk_and_to_the_other() {
    let mut world = World::new(8);
    let mut ramdisk = world.writable();
    world.data[0].fill(BLOCK, 2 * BLOCK, 0x5A).unwrap();
    let write = transfer(Operation::Write, FIRST + BLOCK as u64, 6, 2);
    assert_eq!(world.ask(&mut ramdisk, write), Ended::Done);
    let read = transfer(Operation::Read, SECOND, 7, 1);
    assert_eq!(world.ask(&mut ramdisk, read), Ended::Done);
    assert_eq!(world.data[1].read_u8(BLOCK - 1), Ok(0x5A));
    assert_eq!(world.data[1].read_u8(BLOCK), Ok(0), "no byte more");
    assert_eq!(world.disk.read_u8(6 * BLOCK - 1), Ok(0));
    assert_eq!(world.ask(&mut ramdisk, Request::bare(Operation::Flush)), Ended::Done);
    assert_eq!(world.ask(&mut ramdisk, Request::bare(Operation::Barrier)), Ended::Done);
}

#[test]
fn what_is_outside_the_disk_or_every_data_region_is_refused() {
    let mut world = World::new(8);
    let mut ramdisk = world.writable();
    for operation in [Operation::Read, Operation::Write] {
        for (buffer, block, count) in [
            (FIRST, 8, 1),
            (FIRST, 7, 2),
            (FIRST, u64::MAX, 1),
            (0, 0, 1),
            (FIRST - BLOCK as u64, 0, 1),
            (FIRST + 3 * BLOCK as u64, 0, 2),
            (FIRST + 4 * BLOCK as u64, 0, 1),
            (FIRST + 8, 0, 1),
            (u64::MAX - 4095, 0, 1),
        ] {
            let request = transfer(operation, buffer, block, count);
            assert_eq!(world.ask(&mut ramdisk, request), REFUSED, "{request:x?}");
        }
    }
}

#[test]
fn a_disk_that_can_only_be_read_is_not_written() {
    let mut world = World::new(8);
    world.disk.fill(0, BLOCK, 7).unwrap();
    let mut ramdisk = world.ramdisk(Disk::ReadOnly(world.disk.read_only())).unwrap();
    assert!(InfoSource::new(&world.info.read_only()).unwrap().read().unwrap().read_only);
    assert_eq!(world.ask(&mut ramdisk, transfer(Operation::Write, FIRST, 0, 1)), REFUSED);
    assert_eq!(world.ask(&mut ramdisk, transfer(Operation::Read, FIRST, 0, 1)), Ended::Done);
    assert_eq!(world.data[0].read_u8(0), Ok(7));
}

#[test]
fn it_says_what_disk_it_is() {
    let world = World::new(8);
    let _ramdisk = world.writable();
    let info = InfoSource::new(&world.info.read_only()).unwrap().read().unwrap();
    assert_eq!((info.capacity, info.read_only), (8, false), "whole blocks only");
    assert_eq!(info.serial(), b"bulkhead-ramdisk");
}

#[test]
fn more_than_the_budget_is_done_in_parts() {
    let mut world = World::new(64);
    world.data[0] = Region::host(64 * BLOCK);
    let mut ramdisk = world.writable();
    for _ in 0..40 {
        let request = transfer(Operation::Read, FIRST, 0, 64);
        assert!(matches!(world.client.submit(request, ()), Ok(Submitted::Yes)));
    }
    assert!(world.client.publish());
    let mut parts = Vec::new();
    loop {
        let outcome = ramdisk.serve();
        let mut part = 0;
        while world.client.next_completion().unwrap().is_some() {
            part += 1;
        }
        parts.push(part);
        if !outcome.again {
            break;
        }
    }
    assert_eq!(parts, [16, 16, 8]);
}

#[test]
fn a_virtualiser_that_lies_is_named_once() {
    let world = World::new(8);
    let mut ramdisk = world.writable();
    world.requests.write_u32(4, 1000).unwrap();
    assert!(ramdisk.serve().breach.is_some());
    let later = ramdisk.serve();
    assert!(later.breach.is_none() && !later.notify && !later.again);
}

#[test]
fn regions_that_do_not_fit_the_configuration_are_refused() {
    let mut world = World::new(8);
    world.disk = Region::host(100);
    let refused = |world: &World, disk| world.ramdisk(disk).map(|_| ()).unwrap_err();
    assert_eq!(refused(&world, Disk::Writable(world.disk.clone())), RamdiskError::Empty);
    let server: Server<SLOTS> = Server::new(&world.requests, &world.responses).unwrap();
    let data =
        [Data { window: Window { base: FIRST, size: 0x9000 }, region: world.data[0].clone() }];
    let disk = Disk::Writable(Region::host(BLOCK));
    let info = InfoSink::new(&world.info).unwrap();
    let error = Ramdisk::new(server, &info, disk, data).map(|_| ()).unwrap_err();
    let expected = DataError::Size { number: 0, mapped: 0x4000, says: 0x9000 };
    assert_eq!(error, RamdiskError::Data(expected));
}
