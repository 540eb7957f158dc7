//! The serial virtualiser's domain: shares one serial line among clients.
//!
//! What it does is in `serial-virt-core`; this wires it to the kernel.
//!
//! | channel | other end         |
//! | ------- | ----------------- |
//! | 0       | the serial driver |
//! | 1 + i   | client i          |
//!
//! | symbol               | rights | region                                         |
//! | -------------------- | ------ | ---------------------------------------------- |
//! | `config`             | r      | clients' names, in the order of their numbers  |
//! | `driver_tx_queue`    | rw     | serial queue towards the driver: its words     |
//! | `driver_tx_data`     | rw     | and its bytes                                  |
//! | `driver_rx_queue`    | rw     | serial queue from the driver                   |
//! | `driver_rx_data`     | r      | and its bytes                                  |
//! | `client{i}_tx_queue` | rw     | serial queue of what client i writes           |
//! | `client{i}_tx_data`  | r      | and its bytes                                  |
//! | `client{i}_rx_queue` | rw     | serial queue of what client i reads            |
//! | `client{i}_rx_data`  | rw     | and its bytes                                  |
//!
//! Each has `_vaddr` and `_size`. There are as many clients as the
//! configuration names.
//!
//! It needs `stack_size="0x8000"`: its state, several KiB, is made on the
//! stack and stays there, so that nothing of it outlives a restart.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{CLIENTS_MAX, SerialVirt};
use reports::Reports;
use sddf::serial::{Consumer, PeerError, Producer, Shared};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, each_of_8,
    memory_region, numbered_region, protection_domain, started,
};
use serial_virt_core::{ClientQueues, Virt};
use shmem::{Read, ReadWrite, Region};

const DRIVER: Channel = Channel::new(0);

/// The channel of a client.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

struct Domain {
    virt: Virt,
    notifications: Notifications,
    reports: Reports,
}

/// The regions of one client: what it writes, then what it reads.
struct Regions {
    tx_queue: Option<Region<ReadWrite>>,
    tx_data: Option<Region<Read>>,
    rx_queue: Option<Region<ReadWrite>>,
    rx_data: Option<Region<ReadWrite>>,
}

macro_rules! client {
    ($number:literal) => {
        Regions {
            tx_queue: numbered_region!(ReadWrite, "client", $number, "_tx_queue"),
            tx_data: numbered_region!(Read, "client", $number, "_tx_data"),
            rx_queue: numbered_region!(ReadWrite, "client", $number, "_rx_queue"),
            rx_data: numbered_region!(ReadWrite, "client", $number, "_rx_data"),
        }
    };
}

impl Regions {
    /// The client's queues, if all four regions are mapped; an error if the
    /// client left them in a state that no honest one could.
    fn queues(self) -> Option<Result<ClientQueues, PeerError>> {
        let output = started(Shared::new(&self.tx_queue?, self.tx_data?));
        let input = started(Shared::new(&self.rx_queue?, self.rx_data?));
        let output = Consumer::attach(output);
        let input = Producer::attach(input);
        Some(output.and_then(|output| Ok(ClientQueues { output, input: input? })))
    }
}

#[protection_domain]
fn init() -> Domain {
    let output = started(Shared::new(
        &memory_region!(ReadWrite, driver_tx_queue_vaddr, driver_tx_queue_size),
        memory_region!(ReadWrite, driver_tx_data_vaddr, driver_tx_data_size),
    ));
    let input = started(Shared::new(
        &memory_region!(ReadWrite, driver_rx_queue_vaddr, driver_rx_queue_size),
        memory_region!(Read, driver_rx_data_vaddr, driver_rx_data_size),
    ));
    let mut virt =
        started(Virt::new(started(Producer::attach(output)), started(Consumer::attach(input))));

    let config = memory_region!(Read, config_vaddr, config_size);
    let config: SerialVirt = started(bulkhead_config::load(&config));
    let clients: [Regions; CLIENTS_MAX] = each_of_8!(client);
    for (number, (name, regions)) in config.clients.into_iter().zip(clients).enumerate() {
        let Some(queues) = regions.queues() else {
            panic!(
                "the configuration names client {number}, {name}, but not all its regions are mapped"
            );
        };
        started(match queues {
            Ok(queues) => virt.add(name, queues),
            Err(e) => virt.add_closed(name, e),
        });
    }
    let mut domain =
        Domain { virt, notifications: Notifications::default(), reports: Reports::start() };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        let outcome = self.virt.serve();
        if outcome.driver {
            self.notifications.notify(DRIVER);
        }
        for client in outcome.clients.iter() {
            self.notifications.notify(channel(client));
        }
        if let Some(complaint) = outcome.complaint {
            self.reports.say(format_args!("{complaint}"));
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
