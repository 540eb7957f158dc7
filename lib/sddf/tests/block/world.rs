//! The regions of a connection, with a peer's hand on every word of them.

use sddf::block::{Client, Operation, Request, Server};
use shmem::{ReadWrite, Region};

pub const SLOTS: usize = 8;

pub type TestClient = Client<u32, SLOTS>;
pub type TestServer = Server<SLOTS>;

pub struct Rings {
    pub requests: Region<ReadWrite>,
    pub responses: Region<ReadWrite>,
}

impl Rings {
    /// Rings of [`SLOTS`] slots, whose indices already stand at `start`.
    pub fn new(start: u32) -> Self {
        let rings = Rings {
            requests: Region::host(16 + SLOTS * 32),
            responses: Region::host(8 + SLOTS * 12),
        };
        for ring in [&rings.requests, &rings.responses] {
            ring.write_u32(0, start).unwrap();
            ring.write_u32(4, start).unwrap();
        }
        rings
    }

    pub fn client(&self) -> TestClient {
        Client::new(&self.requests, &self.responses).unwrap()
    }

    pub fn server(&self) -> TestServer {
        Server::new(&self.requests, &self.responses).unwrap()
    }

    /// Answers with anything, as a lying server may.
    pub fn forge_response(&self, status: u32, done: u16, id: u32) {
        let tail = self.responses.read_u32(4).unwrap();
        let at = 8 + (tail as usize % SLOTS) * 12;
        self.responses.write_u32(at, status).unwrap();
        self.responses.write_u16(at + 4, done).unwrap();
        self.responses.write_u32(at + 8, id).unwrap();
        self.responses.write_u32(4, tail.wrapping_add(1)).unwrap();
    }

    /// Requests anything, as a lying client may.
    pub fn forge_request(&self, code: u32, buffer: u64, block: u64, count: u16, id: u32) {
        let tail = self.requests.read_u32(4).unwrap();
        let at = 16 + (tail as usize % SLOTS) * 32;
        self.requests.write_u32(at, code).unwrap();
        self.requests.write_u64(at + 8, buffer).unwrap();
        self.requests.write_u64(at + 16, block).unwrap();
        self.requests.write_u16(at + 24, count).unwrap();
        self.requests.write_u32(at + 28, id).unwrap();
        self.requests.write_u32(4, tail.wrapping_add(1)).unwrap();
    }

    /// The response at an index: status, blocks done, id.
    pub fn response(&self, index: u32) -> (u32, u16, u32) {
        let at = 8 + (index as usize % SLOTS) * 12;
        (
            self.responses.read_u32(at).unwrap(),
            self.responses.read_u16(at + 4).unwrap(),
            self.responses.read_u32(at + 8).unwrap(),
        )
    }
}

pub fn read(block: u64, count: u16) -> Request {
    Request { operation: Operation::Read, buffer: 0x1000, block, count }
}
