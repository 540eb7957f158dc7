//! The virtio disk's domain: one disk, for the block virtualiser.
//!
//! What it decides is in `virtio-blk-core`; this wires it to the kernel.
//!
//! | channel | other end                                                          |
//! | ------- | ------------------------------------------------------------------ |
//! | 0       | the device's interrupt: level-triggered, the line that `pci` routes |
//! | 1       | the virtualiser: of requests and answers                            |
//! | 2       | the domain `pci`: says that the device is set up                    |
//!
//! | symbol       | rights | region                                                  |
//! | ------------ | ------ | ------------------------------------------------------- |
//! | `config`     | r      | kind `virtio-blk`                                       |
//! | `pci_status` | r      | what `pci` writes, and where it found the structures    |
//! | `registers`  | rw     | the device's, not cached                                |
//! | `dma`        | rw     | of its own, with a `phys_addr`: all that the device sees |
//! | `requests`   | rw     | sDDF block requests                                     |
//! | `responses`  | rw     | sDDF block responses                                    |
//! | `info`       | rw     | what disk it is                                         |
//! | `data{i}`    | rw     | the configuration's data region i                       |
//!
//! Each has `_vaddr` and `_size`. It needs `stack_size="0x8000"`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{DATA_REGIONS_MAX, VirtioBlk};
use pci_bus::{Status, StatusSource, virtio::StructuresSource};
use reports::Reports;
use sddf::block::{Breach, Data, DataRegions, InfoSink, Server, Window};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, debug_println,
    each_of_8, memory_region, numbered_region, protection_domain, started,
};
use shmem::{ReadWrite, Region};
use static_cell::ConstStaticCell;
use virtio_blk_core::{BUFFER, Driver, Memory, RING_PAGES, SLOTS, Turn};
use virtio_hal::{DeviceType, Pool, Pooled, Transport};

const INTERRUPT: Channel = Channel::new(0);
const VIRTUALISER: Channel = Channel::new(1);

/// Most slots of the queues: 8 KiB of requests.
const QUEUE: usize = 128;

/// The device's memory.
enum Dma {}

impl Pooled for Dma {
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// The driver's side of it.
static BUFFERS: ConstStaticCell<[u8; SLOTS * BUFFER]> = ConstStaticCell::new([0; SLOTS * BUFFER]);

/// How far the domain is.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and there is no heap")]
enum Phase {
    /// The device is not set up.
    Waiting(Region<ReadWrite>, Memory),
    /// At work.
    Running(Driver<Dma, Region<ReadWrite>>),
    /// The device cannot be had; every request is answered so.
    Refused,
    /// The virtualiser broke the protocol.
    Closed,
}

struct Domain {
    phase: Phase,
    /// Where the registers are.
    base: u64,
    device: StatusSource,
    structures: StructuresSource,
    server: Server<QUEUE>,
    info: InfoSink,
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
    let config = memory_region!(Read, config_vaddr, config_size);
    let config: VirtioBlk = started(bulkhead_config::load(&config));
    let registers = memory_region!(ReadWrite, registers_vaddr, registers_size);
    let dma = memory_region!(ReadWrite, dma_vaddr, dma_size);
    let private = BUFFERS.take().as_mut_slice();
    let buffers =
        started(Dma::pool().grant(&dma, config.dma.base, RING_PAGES, private, BUFFER)).collect();
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
    let memory = Memory { buffers, data: started(DataRegions::new(data)) };
    let page = memory_region!(Read, pci_status_vaddr, pci_status_size);
    let mut domain = Domain {
        phase: Phase::Waiting(registers, memory),
        base: config.registers.base,
        device: started(StatusSource::new(&page)),
        structures: started(StructuresSource::new(&page)),
        server: started(Server::new(
            &memory_region!(ReadWrite, requests_vaddr, requests_size),
            &memory_region!(ReadWrite, responses_vaddr, responses_size),
        )),
        info: started(InfoSink::new(&memory_region!(ReadWrite, info_vaddr, info_size))),
        notifications: Notifications::default(),
        reports: Reports::start(),
    };
    domain.info.withdraw();
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        if let Phase::Waiting(..) = self.phase {
            self.start();
        }
        loop {
            let served = match &mut self.phase {
                Phase::Waiting(..) | Phase::Closed => return,
                Phase::Running(driver) => {
                    let served = driver.serve(&mut self.server, &self.info);
                    if let Some(trouble) = driver.trouble() {
                        self.reports.say(format_args!("{trouble}"));
                    }
                    served
                }
                Phase::Refused => self.server.decline().map(|notify| Turn { notify, again: false }),
            };
            match served {
                Ok(Turn { notify, again }) => {
                    if notify {
                        self.notifications.notify(VIRTUALISER);
                    }
                    if !again {
                        return;
                    }
                }
                Err(breach) => return self.close(breach),
            }
        }
    }

    /// Begins with the device, once it is set up.
    fn start(&mut self) {
        match self.device.read() {
            Status::Waiting => {}
            Status::Ready => {
                if let Phase::Waiting(registers, memory) =
                    core::mem::replace(&mut self.phase, Phase::Refused)
                {
                    let (size, structures) = (registers.len(), self.structures.read());
                    let kind = DeviceType::Block;
                    match Transport::new(kind, registers, self.base, size, &structures)
                        .and_then(|transport| Driver::start(transport, memory))
                    {
                        Ok(driver) => {
                            debug_println!("virtio_blk: {} blocks", driver.blocks());
                            self.phase = Phase::Running(driver);
                        }
                        Err(e) => self.reports.say(format_args!("{e}")),
                    }
                }
            }
            Status::Refused(why) => {
                self.reports.say(format_args!("{why}"));
                self.phase = Phase::Refused;
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
        if let (true, Phase::Running(driver)) = (channels.contains(INTERRUPT), &mut self.phase) {
            // Takes the level back; what is done after this raises it again.
            driver.interrupted(&self.info);
        }
        self.serve();
        if channels.contains(INTERRUPT) {
            started(INTERRUPT.irq_ack());
        }
        Ok(())
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
