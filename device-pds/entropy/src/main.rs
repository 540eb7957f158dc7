//! The entropy domain: random bytes for each client, from the processor's generator.
//!
//! What it does is in `entropy-core`; this wires it to the kernel.
//!
//! | channel | other end  |
//! | ------- | ---------- |
//! | 1 + i   | client i, in the order of the configuration |
//!
//! | symbol          | rights | region                                |
//! | --------------- | ------ | ------------------------------------- |
//! | `client{i}_queue` | rw   | serial queue towards client i: its words |
//! | `client{i}_data`  | rw   | and its bytes                         |
//! | `config`          | r    | the clients' names                    |
//!
//! Each has `_vaddr` and `_size`. It needs no interrupt and no device: on a processor
//! without RDSEED and RDRAND it stops, and says so.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{CLIENTS_MAX, Entropy};
use entropy_core::{
    generator::{Failure, Generator},
    hardware::Hardware,
    server::{Outcome, Server},
};
use reports::Reports;
use sddf::serial::{Producer, Shared};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, debug_println,
    each_of_8, memory_region, numbered_region, protection_domain, started,
};
use shmem::{ReadWrite, Region};

/// The channel of a client.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

struct Domain {
    server: Server<Hardware>,
    notifications: Notifications,
    reports: Reports,
    /// The failure that was told last, so that it is told once.
    told: Option<Failure>,
}

/// Words and bytes of a client's queue.
macro_rules! client {
    ($number:literal) => {
        numbered_region!(ReadWrite, "client", $number, "_queue")
            .zip(numbered_region!(ReadWrite, "client", $number, "_data"))
    };
}

#[protection_domain]
fn init() -> Domain {
    let hardware = started(Hardware::detect());
    debug_println!("entropy: from {hardware}");
    let mut server = Server::new(started(Generator::new(hardware)));
    let config: Entropy =
        started(bulkhead_config::load(&memory_region!(Read, config_vaddr, config_size)));
    let clients: [Option<(Region<ReadWrite>, Region<ReadWrite>)>; CLIENTS_MAX] = each_of_8!(client);
    for (number, (name, regions)) in config.clients.iter().zip(clients).enumerate() {
        let Some((queue, data)) = regions else {
            panic!(
                "the configuration names client {number}, {name}, but not both its regions are mapped"
            );
        };
        started(server.add(Producer::attach(started(Shared::new(&queue, data)))));
    }
    let mut domain = Domain {
        server,
        notifications: Notifications::default(),
        reports: Reports::start(),
        told: None,
    };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        let Outcome { notify, breach, failure } = self.server.serve();
        for client in (0..CLIENTS_MAX).filter(|client| notify & 1 << client != 0) {
            self.notifications.notify(channel(client));
        }
        if let Some((client, breach)) = breach {
            self.reports.say(format_args!("client {client} is closed: {breach}"));
        }
        if failure != self.told {
            if let Some(failure) = failure {
                self.reports.say(format_args!("{failure}"));
            }
            self.told = failure;
        }
    }
}

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, _: ChannelSet) -> Result<(), Infallible> {
        self.serve();
        Ok(())
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
