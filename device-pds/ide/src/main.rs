//! The IDE domain: one disk on a PIIX's channel, for the block virtualiser.
//!
//! What it decides is in `ide-core`; this wires it to the kernel.
//!
//! | channel | other end                                                           |
//! | ------- | ------------------------------------------------------------------- |
//! | 0       | the channel's interrupt: `pin="15" trigger="edge"` for the second    |
//! | 1       | the virtualiser: of requests and answers                             |
//! | 2       | the domain `pci`: says that the controller is set up                 |
//! | 3       | the domain `timer`                                                   |
//!
//! | symbol       | rights | region                                                  |
//! | ------------ | ------ | ------------------------------------------------------- |
//! | `config`     | r      | kind `ide`                                              |
//! | `pci_status` | r      | the word that `pci` writes                              |
//! | `clock`      | r      | what the timer measured                                 |
//! | `deadline`   | rw     | when to be woken                                        |
//! | `table`      | rw     | of its own, with a `phys_addr`; the controller reads it |
//! | `requests`   | rw     | sDDF block requests, I/O addresses in them              |
//! | `responses`  | rw     | sDDF block responses                                    |
//! | `info`       | rw     | what disk it is                                         |
//!
//! Each has `_vaddr` and `_size`. The data regions are not mapped. I/O ports: 0
//! the command block (`command_port`, eight), 1 the control block (`control_port`,
//! one), 2 this channel's half of the bus master (`master_port`, eight).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

mod ports;

use bulkhead_config::Ide;
use deadline::{ClockError, ClockReader, Notify, Sleeper, Tsc};
use heapless::Vec;
use ide_core::{Clock, Driver, Table, Turn};
use pci_bus::{Status, StatusSource};
use reports::Reports;
use sddf::block::{Breach, InfoSink, Server, Window};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, memory_region,
    protection_domain, started, timestamp_counter,
};

use crate::ports::PiixPorts;

const INTERRUPT: Channel = Channel::new(0);
const VIRTUALISER: Channel = Channel::new(1);
const TIMER: Channel = Channel::new(3);

/// Most slots of the queues: 8 KiB of requests.
const SLOTS: usize = 128;

/// How far the domain is.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and there is no heap")]
enum Phase {
    /// The controller is not set up, or the clock not measured.
    Waiting(Table),
    /// At work.
    Running(Driver<PiixPorts>),
    /// The controller cannot be had; every request is answered so.
    Refused,
    /// The virtualiser broke the protocol.
    Closed,
}

struct Domain {
    phase: Phase,
    windows: Vec<Window, { bulkhead_config::DATA_REGIONS_MAX }>,
    controller: StatusSource,
    clock: ClockReader,
    sleeper: Sleeper,
    server: Server<SLOTS>,
    info: InfoSink,
    notifications: Notifications,
    reports: Reports,
}

#[protection_domain]
fn init() -> Domain {
    let config = memory_region!(Read, config_vaddr, config_size);
    let config: Ide = started(bulkhead_config::load(&config));
    let table = memory_region!(ReadWrite, table_vaddr, table_size);
    let table = started(Table::new(&table, config.table.base));
    let windows =
        config.data.iter().map(|region| Window { base: region.base, size: region.size }).collect();
    let mut domain = Domain {
        phase: Phase::Waiting(table),
        windows,
        controller: started(StatusSource::new(&memory_region!(
            Read,
            pci_status_vaddr,
            pci_status_size
        ))),
        clock: started(ClockReader::new(&memory_region!(Read, clock_vaddr, clock_size))),
        sleeper: started(Sleeper::new(&memory_region!(ReadWrite, deadline_vaddr, deadline_size))),
        server: started(Server::new(
            &memory_region!(ReadWrite, requests_vaddr, requests_size),
            &memory_region!(ReadWrite, responses_vaddr, responses_size),
        )),
        info: started(InfoSink::new(&memory_region!(ReadWrite, info_vaddr, info_size))),
        notifications: Notifications::default(),
        reports: Reports::start(),
    };
    domain.info.withdraw();
    // The line may be masked still, and an edge would be lost.
    started(INTERRUPT.irq_ack());
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        if let Phase::Waiting(_) = self.phase {
            self.start();
        }
        let served = match &mut self.phase {
            Phase::Waiting(_) | Phase::Closed => return,
            Phase::Running(driver) => {
                let served = driver.serve(&mut self.server, &self.info);
                if let Some(trouble) = driver.trouble() {
                    self.reports.say(format_args!("{trouble}"));
                }
                served
            }
            Phase::Refused => self.server.decline().map(|notify| Turn { notify, wake: None }),
        };
        match served {
            Ok(turn) => self.turn(turn),
            Err(breach) => self.close(breach),
        }
    }

    /// Begins with the disk, once the controller is set up and the clock measured.
    fn start(&mut self) {
        let frequency = match self.clock.read() {
            Ok(clock) => clock.frequency,
            Err(ClockError::NotReady) => return,
            Err(e @ ClockError::Implausible { .. }) => panic!("cannot start: {e}"),
        };
        match self.controller.read() {
            Status::Waiting => {}
            Status::Ready => {
                if let Phase::Waiting(table) = core::mem::replace(&mut self.phase, Phase::Refused) {
                    let ports = PiixPorts::new();
                    let windows = self.windows.clone();
                    self.phase =
                        Phase::Running(Driver::new(ports, Clock(frequency), table, windows));
                }
            }
            Status::Refused(why) => {
                self.reports.say(format_args!("{why}"));
                self.phase = Phase::Refused;
            }
        }
    }

    fn turn(&mut self, turn: Turn) {
        if turn.notify {
            self.notifications.notify(VIRTUALISER);
        }
        // With nothing to wait for the time stays where it is: the next command's
        // limit is later, and the timer need not be told of that.
        if turn.wake.is_some() {
            match self.sleeper.set(turn.wake, || Tsc(timestamp_counter())) {
                Notify::Needed => self.notifications.notify(TIMER),
                Notify::NotNeeded => {}
            }
        }
    }

    fn close(&mut self, breach: Breach) {
        self.reports.say(format_args!("the virtualiser broke the protocol: {breach}"));
        self.info.withdraw();
        self.phase = Phase::Closed;
    }
}

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        if channels.contains(INTERRUPT) {
            // Before the disk is looked at: an edge while masked is lost.
            started(INTERRUPT.irq_ack());
        }
        if channels.contains(TIMER) {
            self.sleeper.woken();
        }
        self.serve();
        Ok(())
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
