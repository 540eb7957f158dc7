//! The status domain: what VMMs report, framed on the second serial port.
//!
//! What it does is in `status-core`; this wires it to the kernel.
//!
//! | channel, I/O ports | other end                                                  |
//! | ------------------ | ---------------------------------------------------------- |
//! | channel 0          | the UART's interrupt, `trigger="edge"`; without it requests are not heard |
//! | channel 1 + i      | guest i's VMM                                              |
//! | channel 9 + i      | domain i, which reports for itself                         |
//! | I/O ports 0        | the UART's eight, of which the first is the symbol `uart_port` (0x2f8) |
//!
//! | symbol            | rights | region                                      |
//! | ----------------- | ------ | ------------------------------------------- |
//! | `config`          | r      | clients' names, in the order of their numbers |
//! | `client{i}_queue` | rw     | serial queue of client i's text: its words  |
//! | `client{i}_data`  | r      | and its bytes                               |
//! | `client{i}_statistics` | r | what client i counts (`lib/statistics`); may be absent |
//!
//! | `domain{i}_report`     | rw | what domain i says (`lib/reports`): words and bytes |
//!
//! Each has `_vaddr` and `_size`. There are as many clients and domains as the
//! configuration names. Its priority is a VMM's, for it polls (see
//! `status-core`).
//!
//! It needs `stack_size="0x8000"`: its state, several KiB, is made on the
//! stack and stays there, so that nothing of it outlives a restart.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{CLIENTS_MAX, FIRST_REPORTING};
use sddf::serial::{ASKED, Consumer, Shared, in_one};
use sel4_microkit::{
    Channel, ChannelSet, Handler, Infallible, IoPort, each_of_8, memory_region, numbered_region,
    protection_domain, started, timestamp_counter, var,
};
use serial_driver_core::ports::PortRange;
use serial_driver_core::uart::Uart;
use shmem::{Read, ReadWrite, Region};
use statistics::Reader;
use status_core::{Status, Subject};

const PORTS: IoPort = IoPort::new(0);
/// The UART's interrupt: a request arrived.
const INTERRUPT: Channel = Channel::new(0);

/// The channel of a client, of which the first so many are guests' VMMs.
fn channel(client: usize, guests: usize) -> Channel {
    Channel::new(match client.checked_sub(guests) {
        None => 1 + client,
        Some(domain) => FIRST_REPORTING + domain,
    })
}

struct Domain {
    status: Status<PortRange>,
    /// Clients that are guests' VMMs; the others are domains.
    guests: usize,
}

/// The region of one domain that reports for itself.
macro_rules! domain {
    ($number:literal) => {
        numbered_region!(ReadWrite, "domain", $number, "_report")
    };
}

type Regions = (Option<Region<ReadWrite>>, Option<Region<Read>>, Option<Region<Read>>);

/// The regions of one client.
macro_rules! client {
    ($number:literal) => {
        (
            numbered_region!(ReadWrite, "client", $number, "_queue"),
            numbered_region!(Read, "client", $number, "_data"),
            numbered_region!(Read, "client", $number, "_statistics"),
        )
    };
}

#[protection_domain]
fn init() -> Domain {
    let first = var!(uart_port: u64 = 0x2f8);
    let mut status = Status::new(started(Uart::start(started(PortRange::new(PORTS, first)))));

    let config = memory_region!(Read, config_vaddr, config_size);
    let config: bulkhead_config::Status = started(bulkhead_config::load(&config));

    let guests = config.clients.len();
    let regions: [Regions; CLIENTS_MAX] = each_of_8!(client);
    for (number, (name, regions)) in config.clients.into_iter().zip(regions).enumerate() {
        let (Some(queue), Some(data), statistics) = regions else {
            panic!(
                "the configuration names client {number}, {name}, but no region is mapped for it"
            );
        };
        let shared = started(Shared::new(&queue, data));
        let statistics = statistics.map(|page| started(Reader::new(&page)));
        let asked = started(queue.word32(ASKED));
        let subject = Subject::Guest { statistics, asked };
        started(status.add(name, subject, Consumer::attach(shared)));
    }
    let regions: [Option<Region<ReadWrite>>; CLIENTS_MAX] = each_of_8!(domain);
    for (number, (name, region)) in config.domains.into_iter().zip(regions).enumerate() {
        let Some(region) = region else {
            panic!(
                "the configuration names domain {number}, {name}, but no region is mapped for it"
            );
        };
        let [words, bytes] = started(in_one(&region));
        let shared = started(Shared::new(&words, bytes.read_only()));
        started(status.add(name, Subject::Domain, Consumer::attach(shared)));
    }
    // Without an interrupt nobody is heard, and the UART drives no line, which a guest
    // may have for another device.
    if INTERRUPT.is_irq() {
        // The line may be masked still, and the UART's first edge would be lost.
        started(INTERRUPT.irq_ack());
        status.listen();
    }
    let mut domain = Domain { status, guests };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        self.status.serve(|client| channel(client, self.guests).notify());
    }
}

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        if channels.contains(INTERRUPT) {
            // Before the UART is looked at: an edge while masked is lost.
            started(INTERRUPT.irq_ack());
            let guests = self.guests;
            self.status.interrupted(timestamp_counter, |client| channel(client, guests).notify());
        }
        self.serve();
        Ok(())
    }
}
