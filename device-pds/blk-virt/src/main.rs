//! The block virtualiser's domain: shares one disk among clients.
//!
//! What it does is in `blk-virt-core`; this wires it to the kernel.
//!
//! | channel | other end                                    |
//! | ------- | -------------------------------------------- |
//! | 0       | the driver (`ide`, `ramdisk`, `virtio_blk`)  |
//! | 1 + i   | client i                                     |
//!
//! | symbol               | rights | region                                            |
//! | -------------------- | ------ | ------------------------------------------------- |
//! | `config`             | r      | clients, their data regions and partitions        |
//! | `driver_requests`    | rw     | block requests to the driver                      |
//! | `driver_responses`   | rw     | block responses from it                           |
//! | `driver_info`        | r      | what disk it has                                  |
//! | `driver_data`        | r      | the configuration's `table`: what the driver reads of the partition table; left out: fixed ranges only |
//! | `client{i}_requests` | rw     | block requests from client i                      |
//! | `client{i}_responses`| rw     | block responses to it                             |
//! | `client{i}_info`     | rw     | what disk it has                                  |
//!
//! Each has `_vaddr` and `_size`. There are as many clients as the configuration
//! names. No client's data region is mapped: the virtualiser knows where they
//! are, and sees none of them.
//!
//! A queue has as many slots as its regions hold, a power of two up to 128:
//! requests of 4 KiB hold 64, of 8 KiB 128.
//!
//! It needs `stack_size="0x20000"`: its state, some 30 KiB, is made on the stack
//! and stays there, so that nothing of it outlives a restart.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use blk_virt_core::{ClientParts, DriverParts, SLOTS, Virt};
use bulkhead_config::{BlkVirt, CLIENTS_MAX, NAME_MAX};
use heapless::{String, Vec};
use reports::Reports;
use sddf::block::{AttachError, Client, InfoSink, InfoSource, Server, Window};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, each_of_8,
    memory_region, numbered_region, protection_domain, started,
};
use shmem::{ReadWrite, Region};

const DRIVER: Channel = Channel::new(0);

/// The channel of a client.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

struct Domain {
    virt: Virt,
    /// The clients', in reports.
    names: Vec<String<NAME_MAX>, CLIENTS_MAX>,
    notifications: Notifications,
    reports: Reports,
}

/// The regions of one client.
struct Regions {
    requests: Option<Region<ReadWrite>>,
    responses: Option<Region<ReadWrite>>,
    info: Option<Region<ReadWrite>>,
}

macro_rules! client {
    ($number:literal) => {
        Regions {
            requests: numbered_region!(ReadWrite, "client", $number, "_requests"),
            responses: numbered_region!(ReadWrite, "client", $number, "_responses"),
            info: numbered_region!(ReadWrite, "client", $number, "_info"),
        }
    };
}

impl Regions {
    /// The client's end of the queue and its page, if all regions are mapped; an
    /// error if the client left them in a state that no honest one could.
    fn ends(self) -> Option<(Result<Server<SLOTS>, AttachError>, InfoSink)> {
        let server = Server::new(&self.requests?, &self.responses?);
        Some((server, started(InfoSink::new(&self.info?))))
    }
}

#[protection_domain]
fn init() -> Domain {
    let config: BlkVirt =
        started(bulkhead_config::load(&memory_region!(Read, config_vaddr, config_size)));
    let table = config.table.map(|table| {
        let region = memory_region!(Read, driver_data_vaddr, driver_data_size);
        (region, Window { base: table.base, size: table.size })
    });
    let mut virt = started(Virt::new(DriverParts {
        queue: started(Client::new(
            &memory_region!(ReadWrite, driver_requests_vaddr, driver_requests_size),
            &memory_region!(ReadWrite, driver_responses_vaddr, driver_responses_size),
        )),
        info: started(InfoSource::new(&memory_region!(Read, driver_info_vaddr, driver_info_size))),
        data: table,
    }));
    let mut names = Vec::new();
    let clients: [Regions; CLIENTS_MAX] = each_of_8!(client);
    for (number, (client, regions)) in config.clients.into_iter().zip(clients).enumerate() {
        let Some((server, info)) = regions.ends() else {
            panic!(
                "the configuration names client {number}, {}, but not all its regions are mapped",
                client.name
            );
        };
        let server = match server {
            // A region of the wrong size is nobody's lie.
            Err(e @ (AttachError::Layout(_) | AttachError::Capacity { .. })) => {
                panic!("client {number}, {}: {e}", client.name)
            }
            server => server,
        };
        let data = Window { base: client.data.base, size: client.data.size };
        let parts =
            server.map(|server| ClientParts { server, info, data, read_only: client.read_only });
        started(virt.add(client.partition, parts));
        // As many names as clients.
        let _ = names.push(client.name);
    }
    let mut domain =
        Domain { virt, names, notifications: Notifications::default(), reports: Reports::start() };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        let outcome = self.virt.serve();
        for complaint in &outcome.complaints {
            let name = complaint.client().and_then(|client| self.names.get(client));
            self.reports.say_of(name.map(|name| name.as_str()), format_args!("{complaint}"));
        }
        for client in outcome.clients.iter() {
            self.notifications.notify(channel(client));
        }
        if outcome.driver {
            self.notifications.notify(DRIVER);
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
