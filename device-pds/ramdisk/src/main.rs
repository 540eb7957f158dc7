//! The RAM disk's domain: a driver whose disk is a memory region.
//!
//! What it does is in `ramdisk-core`; this wires it to the kernel.
//!
//! | channel | other end                                          |
//! | ------- | -------------------------------------------------- |
//! | 1       | the block virtualiser                              |
//!
//! | symbol      | rights | region                                             |
//! | ----------- | ------ | -------------------------------------------------- |
//! | `config`    | r      | data regions, and whether the disk may be written  |
//! | `requests`  | rw     | block requests from the virtualiser                |
//! | `responses` | rw     | block responses to it                              |
//! | `info`      | rw     | what disk it is                                    |
//! | `disk`      | rw     | the disk                                           |
//! | `image`     | r      | the disk where the configuration says read-only    |
//! | `data{i}`   | rw     | the configuration's data region i                  |
//!
//! Each has `_vaddr` and `_size`. `disk` or `image` may be filled from a file
//! (`prefill_path`); what is written to it lasts as long as the system runs.
//!
//! It needs `stack_size="0x8000"`: its state, several KiB, is made on the stack.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{DATA_REGIONS_MAX, Ramdisk as Config};
use ramdisk_core::{Data, Disk, Outcome, Ramdisk};
use reports::Reports;
use sddf::block::{InfoSink, Server, Window};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, each_of_8,
    memory_region, numbered_region, protection_domain, started,
};
use shmem::{ReadWrite, Region};

const VIRTUALISER: Channel = Channel::new(1);

struct Domain {
    ramdisk: Ramdisk,
    notifications: Notifications,
    reports: Reports,
}

macro_rules! data {
    ($number:literal) => {
        numbered_region!(ReadWrite, "data", $number)
    };
}

#[protection_domain]
fn init() -> Domain {
    let config: Config =
        started(bulkhead_config::load(&memory_region!(Read, config_vaddr, config_size)));
    let server = started(Server::new(
        &memory_region!(ReadWrite, requests_vaddr, requests_size),
        &memory_region!(ReadWrite, responses_vaddr, responses_size),
    ));
    let info = started(InfoSink::new(&memory_region!(ReadWrite, info_vaddr, info_size)));
    let disk = if config.read_only {
        Disk::ReadOnly(memory_region!(Read, image_vaddr, image_size))
    } else {
        Disk::Writable(memory_region!(ReadWrite, disk_vaddr, disk_size))
    };
    let regions: [Option<Region<ReadWrite>>; DATA_REGIONS_MAX] = each_of_8!(data);
    let data = config.data.into_iter().zip(regions).enumerate().map(|(number, (named, region))| {
        let Some(region) = region else {
            panic!(
                "the configuration names data region {number}, {}, and data{number} is not mapped",
                named.name
            );
        };
        Data { window: Window { base: named.base, size: named.size }, region }
    });
    let ramdisk = started(Ramdisk::new(server, &info, disk, data));
    let mut domain =
        Domain { ramdisk, notifications: Notifications::default(), reports: Reports::start() };
    domain.serve();
    // The virtualiser waits to hear what disk there is.
    domain.notifications.notify(VIRTUALISER);
    domain
}

impl Domain {
    fn serve(&mut self) {
        loop {
            let Outcome { notify, again, breach } = self.ramdisk.serve();
            if let Some(breach) = breach {
                self.reports.say(format_args!("the virtualiser is disconnected: {breach}"));
            }
            if notify {
                self.notifications.notify(VIRTUALISER);
            }
            if !again {
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
