//! The part that a network card's driver serves: finds the only other host of the
//! emulated network, and has it send back what it is sent.
//!
//! It is a virtualiser's other half: the buffers are its own, and it names them by
//! I/O addresses.

use core::net::Ipv4Addr;

use sddf::net::{BUFFER_SIZE, Buffer, Lender, Lent, Waiting};
use sel4_microkit::{Channel, memory_region, timestamp_counter, var};
use shmem::{Read, ReadWrite, Region};

use crate::console::say;

const DRIVER: Channel = Channel::new(1);

/// Buffers of either direction.
const BUFFERS: usize = 64;

/// The card's own address, which the tests' machines have.
const OWN: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// The other host, an address beside it, and how many bytes more each echo has than
/// the one before: in Bochs, which echoes frames of 128 bytes at most, and in QEMU.
const HOSTS: [(Ipv4Addr, Ipv4Addr, usize); 2] = [
    (Ipv4Addr::new(192, 168, 10, 1), Ipv4Addr::new(192, 168, 10, 15), 2),
    (Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 15), 53),
];

/// Echoes, and the bytes of the first.
const ECHOES: u16 = 28;
const SHORTEST: usize = 18;

/// Headers: Ethernet's, IPv4's, ICMP's.
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const ICMP: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Asks who the host is.
    Asking,
    /// Sends echoes one after the other; holds the host and how many came back.
    Echoing {
        mac: [u8; 6],
        host: usize,
        came: u16,
    },
    Done,
}

pub struct Net {
    receive: Lender<BUFFERS>,
    receive_data: Region<Read>,
    transmit: Lender<BUFFERS>,
    transmit_data: Region<ReadWrite>,
    step: Step,
    start: u64,
}

impl Net {
    pub fn start() -> Self {
        let receive_data = memory_region!(Read, rx_data_vaddr, rx_data_size);
        let transmit_data = memory_region!(ReadWrite, tx_data_vaddr, tx_data_size);
        let receive = Lender::new(
            &memory_region!(ReadWrite, rx_free_vaddr, rx_free_size),
            &memory_region!(ReadWrite, rx_active_vaddr, rx_active_size),
            var!(rx_data_paddr: u64 = 0),
            receive_data.len(),
        );
        let transmit = Lender::new(
            &memory_region!(ReadWrite, tx_active_vaddr, tx_active_size),
            &memory_region!(ReadWrite, tx_free_vaddr, tx_free_size),
            var!(tx_data_paddr: u64 = 0),
            transmit_data.len(),
        );
        let mut net = Net {
            receive: receive.expect("the rings are new"),
            receive_data,
            transmit: transmit.expect("the rings are new"),
            transmit_data,
            step: Step::Asking,
            start: timestamp_counter(),
        };
        for host in 0..HOSTS.len() {
            net.ask(host);
        }
        net.notified();
        net
    }

    pub fn notified(&mut self) {
        loop {
            while let Some((buffer, _)) = self.transmit.next_returned().expect("kept") {
                self.transmit.keep(buffer);
            }
            while let Some((buffer, length)) = self.receive.next_returned().expect("kept") {
                self.look(&buffer, length.into());
                self.receive.keep(buffer);
            }
            while let Some(buffer) = self.receive.take() {
                lend(&mut self.receive, buffer, 0);
            }
            let (lent, sent) = (self.receive.publish(), self.transmit.publish());
            if lent || sent {
                DRIVER.notify();
            }
            // Buffers that were sent are looked for when something comes.
            self.transmit.ignore();
            if self.receive.wait().expect("kept") == Waiting::Asleep {
                return;
            }
        }
    }

    /// Takes a frame.
    fn look(&mut self, buffer: &Buffer, length: usize) {
        let mut frame = [0; BUFFER_SIZE];
        let frame = &mut frame[..length];
        self.receive_data.read(buffer.offset(), frame).expect("within the region");
        match self.step {
            Step::Asking => {
                for (host, (its, ..)) in HOSTS.iter().enumerate() {
                    // An ARP reply, from whom it is (RFC 826).
                    let is_reply = frame.get(12..14) == Some(&[8, 6])
                        && frame.get(20..22) == Some(&[0, 2])
                        && frame.get(28..32) == Some(&its.octets());
                    if let (true, Some(&mac)) = (is_reply, frame[22..].first_chunk()) {
                        say!("net found {its} at {mac:02x?}");
                        self.step = Step::Echoing { mac, host, came: 0 };
                        self.start = timestamp_counter();
                        self.echo(mac, host, 0);
                        return;
                    }
                }
            }
            Step::Echoing { mac, host, came } => {
                if !is_echo(frame, host, came) {
                    return;
                }
                let came = came + 1;
                if came == ECHOES {
                    let took = timestamp_counter() - self.start;
                    say!("net had {came} echoes as they were sent in {took} ticks");
                    self.step = Step::Done;
                } else {
                    self.step = Step::Echoing { mac, host, came };
                    self.echo(mac, host, came);
                }
            }
            Step::Done => {}
        }
    }

    fn ask(&mut self, host: usize) {
        let (its, own, _) = HOSTS[host];
        let mut frame = [0; 60];
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&OWN);
        // ARP for IPv4 over Ethernet: a request.
        frame[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
        frame[22..28].copy_from_slice(&OWN);
        frame[28..32].copy_from_slice(&own.octets());
        frame[38..42].copy_from_slice(&its.octets());
        self.send(&frame);
    }

    /// Sends the nth echo request.
    fn echo(&mut self, mac: [u8; 6], host: usize, n: u16) {
        let (its, own, _) = HOSTS[host];
        let mut frame = [0; 1514];
        let frame = &mut frame[..ETHERNET + IPV4 + ICMP + data(host, n).len()];
        frame[..6].copy_from_slice(&mac);
        frame[6..12].copy_from_slice(&OWN);
        frame[12..14].copy_from_slice(&[8, 0]);
        let total = (frame.len() - ETHERNET) as u16;
        let header = &mut frame[ETHERNET..ETHERNET + IPV4];
        header[0] = 0x45;
        header[2..4].copy_from_slice(&total.to_be_bytes());
        // Time to live, ICMP.
        header[8..10].copy_from_slice(&[64, 1]);
        header[12..16].copy_from_slice(&own.octets());
        header[16..20].copy_from_slice(&its.octets());
        let sum = checksum(header);
        header[10..12].copy_from_slice(&sum);
        let echo = &mut frame[ETHERNET + IPV4..];
        echo[0] = 8;
        echo[6..8].copy_from_slice(&n.to_be_bytes());
        for (to, from) in echo[ICMP..].iter_mut().zip(data(host, n)) {
            *to = from;
        }
        let sum = checksum(echo);
        echo[2..4].copy_from_slice(&sum);
        self.send(frame);
    }

    fn send(&mut self, frame: &[u8]) {
        let buffer = self.transmit.take().expect("one at a time is sent");
        self.transmit_data.write(buffer.offset(), frame).expect("within the region");
        lend(&mut self.transmit, buffer, frame.len() as u16);
    }
}

fn lend(lender: &mut Lender<BUFFERS>, buffer: Buffer, length: u16) {
    let lent = lender.lend(buffer, length).expect("the driver keeps to it");
    assert!(matches!(lent, Lent::Yes), "the queue has room for every buffer");
}

/// What the nth echo carries.
fn data(host: usize, n: u16) -> impl ExactSizeIterator<Item = u8> {
    let (.., longer) = HOSTS[host];
    let length = SHORTEST + usize::from(n) * longer;
    (0..length).map(move |i| (i as u8).wrapping_mul(31).wrapping_add(n as u8))
}

/// Whether this is the answer to the nth echo request, with what that carried.
fn is_echo(frame: &[u8], host: usize, n: u16) -> bool {
    let Some(echo) = frame.get(ETHERNET + IPV4..) else { return false };
    frame.get(12..14) == Some(&[8, 0])
        && frame.get(ETHERNET + 9) == Some(&1)
        && echo.first() == Some(&0)
        && echo.get(6..8) == Some(&n.to_be_bytes())
        && echo
            .get(ICMP..ICMP + data(host, n).len())
            .is_some_and(|it| data(host, n).eq(it.iter().copied()))
}

/// The Internet's (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!sum as u16).to_be_bytes()
}
