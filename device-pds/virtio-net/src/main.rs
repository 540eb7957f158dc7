//! The virtio network card's domain, for the network virtualiser.
//!
//! What it decides is in `virtio-net-core`; this wires it to the kernel.
//!
//! | channel | other end                                                          |
//! | ------- | ------------------------------------------------------------------ |
//! | 0       | the device's interrupt: level-triggered, the line that `pci` routes |
//! | 1       | the virtualiser: of buffers lent and given back                     |
//! | 2       | the domain `pci`: says that the device is set up                    |
//!
//! | symbol       | rights | region                                                  |
//! | ------------ | ------ | ------------------------------------------------------- |
//! | `config`     | r      | kind `virtio-net`                                       |
//! | `pci_status` | r      | what `pci` writes, and where it found the structures    |
//! | `registers`  | rw     | the device's, not cached                                |
//! | `dma`        | rw     | of its own, with a `phys_addr`: all that the device sees |
//! | `rx_free`    | rw     | empty buffers                                           |
//! | `rx_active`  | rw     | buffers with frames                                     |
//! | `tx_free`    | rw     | buffers whose frames were sent                          |
//! | `tx_active`  | rw     | frames to send                                          |
//! | `rx_data`    | rw     | the configuration's `receive`                           |
//! | `tx_data`    | r      | the configuration's `transmit`                          |
//!
//! Each has `_vaddr` and `_size`. It needs `stack_size="0x20000"`: its state, some
//! 20 KiB, is made on the stack.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::{IoRegion, VirtioNet};
use pci_bus::{Status, StatusSource, virtio::StructuresSource};
use reports::Reports;
use sddf::net::{Borrower, Breach};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, debug_println,
    memory_region, protection_domain, started,
};
use shmem::{ReadWrite, Region, Rights};
use static_cell::ConstStaticCell;
use virtio_hal::{DeviceType, Pool, Pooled, Transport};
use virtio_net_core::{BUFFER, Buffers, Driver, EACH, Network, RING_PAGES, Turn};

const INTERRUPT: Channel = Channel::new(0);
const VIRTUALISER: Channel = Channel::new(1);

/// Most slots of a queue: 4 KiB hold as many.
const SLOTS: usize = 128;

/// The device's memory.
enum Dma {}

impl Pooled for Dma {
    fn pool() -> &'static Pool {
        static POOL: Pool = Pool::new();
        &POOL
    }
}

/// Bytes of all buffers.
const PRIVATE: usize = 2 * EACH * BUFFER;

/// The driver's side of it.
static BUFFERS: ConstStaticCell<[u8; PRIVATE]> = ConstStaticCell::new([0; PRIVATE]);

/// How far the domain is.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and there is no heap")]
enum Phase {
    /// The device is not set up.
    Waiting(Region<ReadWrite>, Buffers),
    /// At work.
    Running(Driver<Dma, Region<ReadWrite>>),
    /// The device cannot be had, or the virtualiser broke the protocol.
    Closed,
}

struct Domain {
    phase: Phase,
    /// Where the registers are.
    base: u64,
    device: StatusSource,
    structures: StructuresSource,
    network: Network<SLOTS>,
    notifications: Notifications,
    reports: Reports,
}

/// The size of a data region, which must be as the configuration says.
fn size<R: Rights>(name: &str, region: &Region<R>, named: &IoRegion) -> usize {
    assert!(
        region.len() as u64 == named.size,
        "{name} has {:#x} bytes here, and {}, which the configuration names, {:#x}",
        region.len(),
        named.name,
        named.size
    );
    region.len()
}

#[protection_domain]
fn init() -> Domain {
    let config = memory_region!(Read, config_vaddr, config_size);
    let config: VirtioNet = started(bulkhead_config::load(&config));
    let registers = memory_region!(ReadWrite, registers_vaddr, registers_size);
    let dma = memory_region!(ReadWrite, dma_vaddr, dma_size);
    let private = BUFFERS.take().as_mut_slice();
    let mut all = started(Dma::pool().grant(&dma, config.dma.base, RING_PAGES, private, BUFFER));
    let buffers =
        Buffers { receive: all.by_ref().take(EACH).collect(), transmit: all.take(EACH).collect() };
    let receive_data = memory_region!(ReadWrite, rx_data_vaddr, rx_data_size);
    let transmit_data = memory_region!(Read, tx_data_vaddr, tx_data_size);
    let network = Network {
        receive: started(Borrower::new(
            &memory_region!(ReadWrite, rx_free_vaddr, rx_free_size),
            &memory_region!(ReadWrite, rx_active_vaddr, rx_active_size),
            config.receive.base,
            size("rx_data", &receive_data, &config.receive),
        )),
        receive_data,
        transmit: started(Borrower::new(
            &memory_region!(ReadWrite, tx_active_vaddr, tx_active_size),
            &memory_region!(ReadWrite, tx_free_vaddr, tx_free_size),
            config.transmit.base,
            size("tx_data", &transmit_data, &config.transmit),
        )),
        transmit_data,
    };
    let page = memory_region!(Read, pci_status_vaddr, pci_status_size);
    let mut domain = Domain {
        phase: Phase::Waiting(registers, buffers),
        base: config.registers.base,
        device: started(StatusSource::new(&page)),
        structures: started(StructuresSource::new(&page)),
        network,
        notifications: Notifications::default(),
        reports: Reports::start(),
    };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        if let Phase::Waiting(..) = self.phase {
            self.start();
        }
        loop {
            let Phase::Running(driver) = &mut self.phase else { return };
            let served = driver.serve(&mut self.network);
            if let Some(trouble) = driver.trouble() {
                self.reports.say(format_args!("{trouble}"));
            }
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
                if let Phase::Waiting(registers, buffers) =
                    core::mem::replace(&mut self.phase, Phase::Closed)
                {
                    let (size, structures) = (registers.len(), self.structures.read());
                    let kind = DeviceType::Network;
                    match Transport::new(kind, registers, self.base, size, &structures)
                        .and_then(|transport| Driver::start(transport, buffers))
                    {
                        Ok(driver) => {
                            debug_println!("virtio_net: {:02x?}", driver.address());
                            say_link(&mut self.reports, &driver);
                            self.phase = Phase::Running(driver);
                        }
                        Err(e) => self.reports.say(format_args!("{e}")),
                    }
                }
            }
            Status::Refused(why) => {
                self.reports.say(format_args!("{why}"));
                self.phase = Phase::Closed;
            }
        }
    }

    fn close(&mut self, breach: Breach) {
        self.reports.say(format_args!("the virtualiser broke the protocol: {breach}"));
        self.phase = Phase::Closed;
    }
}

fn say_link(reports: &mut Reports, driver: &Driver<Dma, Region<ReadWrite>>) {
    reports.say(format_args!("the link is {}", if driver.has_link() { "up" } else { "down" }));
}

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        if let (true, Phase::Running(driver)) = (channels.contains(INTERRUPT), &mut self.phase) {
            // Takes the level back; what comes after this raises it again.
            if driver.interrupted() {
                say_link(&mut self.reports, driver);
            }
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
