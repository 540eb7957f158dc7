//! The virtualiser between clients and a driver, all over shared memory.

use sddf::serial::{Consumer, Producer, Shared};
use serial_virt_core::{ClientQueues, Outcome, Virt};
use shmem::{Read, ReadWrite, Region};

pub struct Queue {
    pub header: Region<ReadWrite>,
    data: Region<ReadWrite>,
}

impl Queue {
    pub fn new(capacity: usize) -> Self {
        Queue { header: Region::host(4096), data: Region::host(capacity) }
    }

    pub fn producer(&self) -> Producer {
        Producer::attach(Shared::new(&self.header, self.data.clone()).unwrap()).unwrap()
    }

    /// As its consumer sees it.
    pub fn shared(&self) -> Shared<Read> {
        Shared::new(&self.header, self.data.read_only()).unwrap()
    }

    pub fn consumer(&self) -> Consumer {
        Consumer::attach(self.shared()).unwrap()
    }
}

pub struct Peer {
    pub output: Producer,
    pub input: Consumer,
    pub output_header: Region<ReadWrite>,
    pub input_header: Region<ReadWrite>,
}

pub struct World {
    pub virt: Virt,
    pub clients: Vec<Peer>,
    pub line: Consumer,
    pub keys: Producer,
    pub line_header: Region<ReadWrite>,
    pub keys_header: Region<ReadWrite>,
    pub shown: Vec<u8>,
    pub last: Outcome,
}

impl World {
    pub fn new(names: &[&str], capacity: usize, client_capacity: usize) -> Self {
        let (line, keys) = (Queue::new(capacity), Queue::new(64));
        let mut virt = Virt::new(line.producer(), keys.consumer()).unwrap();
        let clients = names
            .iter()
            .map(|name| {
                let (output, input) = (Queue::new(client_capacity), Queue::new(64));
                let queues = ClientQueues { output: output.consumer(), input: input.producer() };
                virt.add((*name).try_into().unwrap(), queues).unwrap();
                Peer {
                    output: output.producer(),
                    input: input.consumer(),
                    output_header: output.header.clone(),
                    input_header: input.header.clone(),
                }
            })
            .collect();
        World {
            virt,
            clients,
            line: line.consumer(),
            keys: keys.producer(),
            line_header: line.header,
            keys_header: keys.header,
            shown: vec![],
            last: Outcome::default(),
        }
    }

    pub fn serve(&mut self) {
        self.last = self.virt.serve();
    }

    /// A client writes and notifies.
    pub fn say(&mut self, client: usize, bytes: &[u8]) -> usize {
        let taken = self.clients[client].output.enqueue(bytes).unwrap();
        self.serve();
        taken
    }

    /// The wire takes bytes, sixteen at a time, and notifies if asked to.
    pub fn send(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let mut batch = [0; 16];
            let n = self.line.dequeue(&mut batch[..left.min(16)]).unwrap();
            if n == 0 {
                break;
            }
            self.shown.extend(&batch[..n]);
            left -= n;
            if self.line.producer_waits() {
                self.serve();
            }
        }
    }

    /// Until nothing is left to send.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            let before = self.shown.len();
            self.send(4096);
            if self.shown.len() == before {
                return;
            }
        }
        panic!("never at rest");
    }

    pub fn type_in(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = self.keys.enqueue(rest).unwrap();
            rest = &rest[n..];
            self.serve();
            if n == 0 {
                break;
            }
        }
    }

    pub fn read(&mut self, client: usize) -> Vec<u8> {
        let mut out = vec![0; 256];
        let n = self.clients[client].input.dequeue(&mut out).unwrap();
        out.truncate(n);
        out
    }

    /// What was shown, without colours, by lines.
    pub fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.shown.clone()).unwrap();
        let mut plain = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("\x1b[") {
            plain.push_str(&rest[..at]);
            let after = &rest[at + 2..];
            // The wire may be in the middle of one.
            let end =
                after.find(|c: char| c.is_ascii_alphabetic()).map_or(after.len(), |end| end + 1);
            rest = &after[end..];
        }
        plain.push_str(rest);
        let mut lines: Vec<String> = plain.split("\r\n").map(str::to_string).collect();
        if lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}
