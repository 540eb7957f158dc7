//! Clients, a virtualiser and a driver, over memory of this process.

use blk_virt_core::{ClientParts, DriverParts, Outcome, SLOTS, Virt, VirtError};
use bulkhead_config::BlkPartition;
use ramdisk_core::{Data, Disk, Ramdisk};
use sddf::block::{
    AttachError, Client, Completion, InfoSink, InfoSource, Operation, Outcome as Ended, Request,
    Server, Status, StorageInfo, Submitted, Window,
};
use shmem::{ReadWrite, Region};

pub const BLOCK: usize = 4096;
/// Blocks of a client's data region.
pub const CELLS: usize = 8;
/// Where the virtualiser's own region is, for the driver.
pub const TABLE_AT: u64 = 0x9000_0000;

/// Where client i's data region is, for the driver.
pub fn data_at(client: usize) -> u64 {
    0x1000_0000 * (client as u64 + 1)
}

pub struct Connection {
    pub requests: Region<ReadWrite>,
    pub responses: Region<ReadWrite>,
    pub info: Region<ReadWrite>,
    pub data: Region<ReadWrite>,
}

impl Connection {
    pub fn new(slots: usize) -> Self {
        Connection {
            requests: Region::host(16 + slots * 32),
            responses: Region::host(8 + slots * 12),
            info: Region::host(4096),
            data: Region::host(CELLS * BLOCK),
        }
    }

    pub fn server<const N: usize>(&self) -> Result<Server<N>, AttachError> {
        Server::new(&self.requests, &self.responses)
    }

    pub fn info(&self) -> Option<StorageInfo> {
        InfoSource::new(&self.info.read_only()).unwrap().read()
    }
}

/// What a client is to have.
#[derive(Clone)]
pub struct Wish {
    pub partition: BlkPartition,
    pub read_only: bool,
}

pub fn range(first: u64, blocks: u64) -> Wish {
    let blocks = blocks.try_into().unwrap();
    Wish { partition: BlkPartition::Range { first, blocks }, read_only: false }
}

/// A client that keeps its requests' numbers as tokens.
pub struct User {
    pub connection: Connection,
    pub queue: Client<u32, 64>,
}

impl User {
    pub fn submit(&mut self, request: Request, token: u32) {
        assert!(matches!(self.queue.submit(request, token), Ok(Submitted::Yes)));
        let _ = self.queue.publish();
    }

    pub fn next(&mut self) -> Option<Completion<u32>> {
        self.queue.next_completion().unwrap()
    }

    /// The tokens and outcomes of everything that was answered.
    pub fn answers(&mut self) -> Vec<(u32, Ended)> {
        std::iter::from_fn(|| self.next()).map(|c| (c.token, c.outcome)).collect()
    }
}

pub struct World {
    pub driver: Connection,
    pub table: Region<ReadWrite>,
    pub disk: Region<ReadWrite>,
    pub wishes: Vec<Wish>,
    pub users: Vec<User>,
    pub virt: Virt,
}

impl World {
    /// A disk of so many blocks, and slots of the driver's queue; the driver has
    /// not said yet what disk it is.
    pub fn new(blocks: usize, driver_slots: usize, wishes: &[Wish]) -> Self {
        let driver = Connection::new(driver_slots);
        let table = Region::host(BLOCK);
        let users: Vec<User> = wishes
            .iter()
            .map(|_| {
                let connection = Connection::new(16);
                let queue = Client::new(&connection.requests, &connection.responses).unwrap();
                User { connection, queue }
            })
            .collect();
        let virt = virt(&driver, &table, &users, wishes).unwrap();
        let disk = Region::host(blocks * BLOCK);
        World { driver, table, disk, wishes: wishes.to_vec(), users, virt }
    }

    /// Starts the virtualiser again.
    pub fn restart_virt(&mut self) {
        self.virt = virt(&self.driver, &self.table, &self.users, &self.wishes).unwrap();
    }

    /// The real RAM disk as the driver.
    pub fn ramdisk(&self) -> Ramdisk {
        let clients =
            self.users.iter().enumerate().map(|(i, user)| (data_at(i), &user.connection.data));
        let data = clients.chain([(TABLE_AT, &self.table)]).map(|(base, region)| Data {
            window: Window { base, size: region.len() as u64 },
            region: region.clone(),
        });
        let info = InfoSink::new(&self.driver.info).unwrap();
        let server = self.driver.server().unwrap();
        Ramdisk::new(server, &info, Disk::Writable(self.disk.clone()), data).unwrap()
    }

    /// Says what disk it is, for a driver that is played by hand.
    pub fn announce(&self, info: &StorageInfo) {
        InfoSink::new(&self.driver.info).unwrap().publish(info);
    }

    /// A driver that is played by hand.
    pub fn by_hand(&self) -> Server<16> {
        self.driver.server().unwrap()
    }

    /// Lets virtualiser and driver work until nothing happens any more.
    ///
    /// # Returns
    /// What was complained of.
    pub fn settle(&mut self, ramdisk: &mut Ramdisk) -> Vec<String> {
        let mut complaints = Vec::new();
        for _ in 0..1000 {
            let Outcome { driver, complaints: new, .. } = self.virt.serve();
            complaints.extend(new.iter().map(ToString::to_string));
            let outcome = ramdisk.serve();
            assert_eq!(outcome.breach, None);
            if !driver && !outcome.notify && !outcome.again {
                return complaints;
            }
        }
        panic!("it does not settle");
    }
}

fn virt(
    driver: &Connection,
    table: &Region<ReadWrite>,
    users: &[User],
    wishes: &[Wish],
) -> Result<Virt, VirtError> {
    let mut virt = Virt::new(DriverParts {
        queue: Client::new(&driver.requests, &driver.responses).unwrap(),
        info: InfoSource::new(&driver.info.read_only()).unwrap(),
        data: Some((table.read_only(), Window { base: TABLE_AT, size: BLOCK as u64 })),
    })?;
    for (number, (user, wish)) in users.iter().zip(wishes).enumerate() {
        let parts = user.connection.server::<SLOTS>().map(|server| ClientParts {
            server,
            info: InfoSink::new(&user.connection.info).unwrap(),
            data: Window { base: data_at(number), size: (CELLS * BLOCK) as u64 },
            read_only: wish.read_only,
        });
        virt.add(wish.partition.clone(), parts)?;
    }
    Ok(virt)
}

pub fn transfer(operation: Operation, cell: u64, block: u64, count: u16) -> Request {
    Request { operation, buffer: cell * BLOCK as u64, block, count }
}

pub fn failed(status: Status) -> Ended {
    Ended::Failed { status, done: 0 }
}
