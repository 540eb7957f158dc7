//! The network virtualiser's domain: a switch between clients and one line to the
//! outside.
//!
//! What it does is in `net-virt-core`; this wires it to the kernel.
//!
//! | channel | other end                                              |
//! | ------- | ------------------------------------------------------ |
//! | 0       | the driver (`e1000`, `virtio_net`), if there is one    |
//! | 1 + i   | client i                                               |
//!
//! | symbol                 | rights | region                                       |
//! | ---------------------- | ------ | -------------------------------------------- |
//! | `config`               | r      | ports, addresses, who may talk to whom       |
//! | `clock`                | r      | what the timer measured; needed for limits   |
//! | `driver_rx_free`       | rw     | buffers lent to the driver to receive into   |
//! | `driver_rx_active`     | rw     | frames received                              |
//! | `driver_rx_data`       | r      | the configuration's `receive`: those buffers |
//! | `driver_tx_active`     | rw     | frames to transmit                           |
//! | `driver_tx_free`       | rw     | buffers that come back                       |
//! | `driver_tx_data`       | rw     | the configuration's `transmit`: those buffers |
//! | `client{i}_tx_active`  | rw     | frames that client i sends                   |
//! | `client{i}_tx_free`    | rw     | its buffers, given back                      |
//! | `client{i}_tx_data`    | r      | those buffers                                |
//! | `client{i}_rx_free`    | rw     | client i's buffers for frames that it is given |
//! | `client{i}_rx_active`  | rw     | frames that it is given                      |
//! | `client{i}_rx_data`    | rw     | those buffers                                |
//!
//! Each has `_vaddr` and `_size`. There are as many clients as the configuration
//! has ports. The two data regions of the driver are the virtualiser's own: no
//! client maps them, and the driver maps none of the clients'.
//!
//! Every queue region is of 4 KiB, which holds 128 slots; a data region of 256
//! KiB is as much as that can use.
//!
//! It needs `stack_size="0x40000"`: its state, some 60 KiB, is made on the stack
//! and stays there, so that nothing of it outlives a restart.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{CLIENTS_MAX, ClientSet, Limit, NetPort, NetUplink, NetVirt};
use deadline::ClockReader;
use net_virt_core::{Policy, PortParts, SLOTS, Switch, UplinkParts, UplinkPolicy};
use rate::{Limiter, Rate};
use reports::Reports;
use sddf::net::{AttachError, Borrower, Lender};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, each_of_8,
    memory_region, numbered_region, protection_domain, started, timestamp_counter,
};
use shmem::{Read, ReadWrite, Region};

const DRIVER: Channel = Channel::new(0);

/// The channel of a client.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

struct Domain {
    config: NetVirt,
    switch: Switch,
    /// Whether the switch has its ports: once every limit has its clock.
    ready: bool,
    notifications: Notifications,
    reports: Reports,
}

/// The regions of one client.
struct Regions {
    tx_active: Option<Region<ReadWrite>>,
    tx_free: Option<Region<ReadWrite>>,
    tx_data: Option<Region<Read>>,
    rx_free: Option<Region<ReadWrite>>,
    rx_active: Option<Region<ReadWrite>>,
    rx_data: Option<Region<ReadWrite>>,
}

macro_rules! client {
    ($number:literal) => {
        Regions {
            tx_active: numbered_region!(ReadWrite, "client", $number, "_tx_active"),
            tx_free: numbered_region!(ReadWrite, "client", $number, "_tx_free"),
            tx_data: numbered_region!(Read, "client", $number, "_tx_data"),
            rx_free: numbered_region!(ReadWrite, "client", $number, "_rx_free"),
            rx_active: numbered_region!(ReadWrite, "client", $number, "_rx_active"),
            rx_data: numbered_region!(ReadWrite, "client", $number, "_rx_data"),
        }
    };
}

impl Regions {
    /// The client's queues, if all six regions are mapped; an error if the client
    /// left them in a state that no honest one could.
    fn ends(self) -> Option<Result<PortParts, AttachError>> {
        let (sent_data, given_data) = (self.tx_data?, self.rx_data?);
        let sent = Borrower::new(&self.tx_active?, &self.tx_free?, 0, sent_data.len());
        let given = Borrower::new(&self.rx_free?, &self.rx_active?, 0, given_data.len());
        Some(sent.and_then(|sent| Ok(PortParts { sent, sent_data, given: given?, given_data })))
    }
}

fn uplink(config: &NetUplink) -> UplinkParts {
    let transmit_data = memory_region!(ReadWrite, driver_tx_data_vaddr, driver_tx_data_size);
    let receive_data = memory_region!(Read, driver_rx_data_vaddr, driver_rx_data_size);
    let transmit: Lender<SLOTS> = started(Lender::new(
        &memory_region!(ReadWrite, driver_tx_active_vaddr, driver_tx_active_size),
        &memory_region!(ReadWrite, driver_tx_free_vaddr, driver_tx_free_size),
        config.transmit.base,
        transmit_data.len(),
    ));
    let receive = started(Lender::new(
        &memory_region!(ReadWrite, driver_rx_free_vaddr, driver_rx_free_size),
        &memory_region!(ReadWrite, driver_rx_active_vaddr, driver_rx_active_size),
        config.receive.base,
        receive_data.len(),
    ));
    UplinkParts { transmit, transmit_data, receive, receive_data }
}

/// The tokens of a limit, on a clock of so many ticks a second.
fn limiter(limit: Limit, hz: u64) -> Limiter {
    let Limit { operations, operations_burst, bytes, bytes_burst } = limit;
    Limiter::new(Rate::new(operations, operations_burst), Rate::new(bytes, bytes_burst), hz)
}

/// The tokens for frames to groups.
fn groups(frames: u64, hz: u64) -> Limiter {
    limiter(Limit { operations: frames, ..Limit::default() }, hz)
}

/// Whether nobody has a limit, so that no clock is needed.
fn is_unlimited(config: &NetVirt) -> bool {
    let none = |limit: &Limit, groups: u64| *limit == Limit::default() && groups == 0;
    config.uplink.iter().all(|uplink| none(&uplink.limit, uplink.group_frames))
        && config.ports.iter().all(|port| none(&port.limit, port.group_frames))
}

/// Gives the switch what a configuration describes, on a clock of so many ticks a
/// second.
fn wire(switch: &mut Switch, config: &NetVirt, hz: u64) {
    if let Some(config) = &config.uplink {
        let limit = limiter(config.limit, hz);
        let policy = UplinkPolicy { limit, groups: groups(config.group_frames, hz) };
        switch.connect(uplink(config), policy);
    }
    let clients: [Regions; CLIENTS_MAX] = each_of_8!(client);
    for (number, (port, regions)) in config.ports.iter().zip(clients).enumerate() {
        let NetPort { name, macs, learn, uplink, limit, group_frames, peers: _ } = port;
        let Some(parts) = regions.ends() else {
            panic!(
                "the configuration has a port {number} for {name}, but not all its regions are mapped"
            );
        };
        let parts = match parts {
            // A region of the wrong size is nobody's lie.
            Err(e @ (AttachError::Layout(_) | AttachError::Capacity { .. })) => {
                panic!("port {number}, {name}: {e}")
            }
            parts => parts,
        };
        let mut peers = ClientSet::default();
        for other in (0..config.ports.len()).filter(|&other| config.are_peers(number, other)) {
            peers.insert(other);
        }
        let policy = Policy {
            learn: *learn,
            peers,
            uplink: *uplink,
            limit: limiter(*limit, hz),
            groups: groups(*group_frames, hz),
        };
        started(switch.add(macs, policy, parts));
    }
}

#[protection_domain]
fn init() -> Domain {
    let config: NetVirt =
        started(bulkhead_config::load(&memory_region!(Read, config_vaddr, config_size)));
    let mut domain = Domain {
        config,
        switch: Switch::default(),
        ready: false,
        notifications: Notifications::default(),
        reports: Reports::start(),
    };
    domain.serve();
    domain
}

/// The frequency of the time-stamp counter, once the timer has measured it.
fn frequency() -> Option<u64> {
    let clock = started(ClockReader::new(&memory_region!(Read, clock_vaddr, clock_size)));
    clock.read().ok().map(|clock| clock.frequency.hz())
}

impl Domain {
    fn serve(&mut self) {
        if !self.ready {
            let hz = if is_unlimited(&self.config) { Some(1) } else { frequency() };
            // Without a clock yet: the timer, which ranks higher, has one before
            // long, and who wants something notifies again.
            let Some(hz) = hz else { return };
            wire(&mut self.switch, &self.config, hz);
            self.ready = true;
        }
        loop {
            let outcome = self.switch.serve(timestamp_counter());
            for complaint in &outcome.complaints {
                let port = complaint.client().and_then(|client| self.config.ports.get(client));
                self.reports
                    .say_of(port.map(|port| port.name.as_str()), format_args!("{complaint}"));
            }
            for client in outcome.clients.iter() {
                self.notifications.notify(channel(client));
            }
            if outcome.driver {
                self.notifications.notify(DRIVER);
            }
            if !outcome.again {
                return;
            }
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
