//! The 82540EM domain: a network card, for the network virtualiser.
//!
//! What it decides is in `e1000-core`; this wires it to the kernel.
//!
//! | channel | other end                                                        |
//! | ------- | ---------------------------------------------------------------- |
//! | 0       | the card's interrupt: level-triggered, the line that `pci` routes |
//! | 1       | the virtualiser: of buffers lent and given back                   |
//! | 2       | the domain `pci`: says that the card is set up                    |
//!
//! | symbol       | rights | region                                                 |
//! | ------------ | ------ | ------------------------------------------------------ |
//! | `config`     | r      | kind `e1000`                                           |
//! | `pci_status` | r      | the word that `pci` writes                             |
//! | `registers`  | rw     | the card's, 128 KiB, not cached                        |
//! | `rings`      | rw     | of its own, with a `phys_addr`; the card writes it too |
//! | `rx_free`    | rw     | empty buffers, I/O addresses                           |
//! | `rx_active`  | rw     | buffers with frames                                    |
//! | `tx_free`    | rw     | buffers whose frames were sent                         |
//! | `tx_active`  | rw     | frames to send, I/O addresses                          |
//!
//! Each has `_vaddr` and `_size`. The data regions are not mapped. It needs
//! `stack_size="0x10000"`: its state, some 20 KiB, is made on the stack.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use bulkhead_config::E1000;
use e1000_core::{Driver, Network, RING, Register, Registers, Rings};
use pci_bus::{Status, StatusSource};
use reports::Reports;
use sddf::net::{Borrower, Breach};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, Notifications, debug_println,
    memory_region, protection_domain, started,
};
use shmem::{ReadWrite, Region};

const INTERRUPT: Channel = Channel::new(0);
const VIRTUALISER: Channel = Channel::new(1);

/// Bytes of the card's registers (317453, 4.1: its first base address register).
const REGISTERS_SIZE: usize = 128 << 10;

/// Most slots of a queue: what a ring takes.
const SLOTS: usize = RING;

/// The card's registers in memory.
struct Block(Region<ReadWrite>);

impl Registers for Block {
    fn read(&mut self, Register(offset): Register) -> u32 {
        match self.0.word32(offset as usize) {
            Ok(word) => word.load(),
            Err(e) => unreachable!("the region holds the block, which was checked: {e}"),
        }
    }

    fn write(&mut self, Register(offset): Register, value: u32) {
        match self.0.word32(offset as usize) {
            Ok(word) => word.store(value),
            Err(e) => unreachable!("the region holds the block, which was checked: {e}"),
        }
    }
}

/// How far the domain is.
enum Phase {
    /// The card is not set up.
    Waiting(Block, Rings),
    /// At work.
    Running(Driver<Block>),
    /// The card cannot be had, or the virtualiser broke the protocol.
    Closed,
}

struct Domain {
    phase: Phase,
    card: StatusSource,
    network: Network<SLOTS>,
    notifications: Notifications,
    reports: Reports,
}

#[protection_domain]
fn init() -> Domain {
    let config = memory_region!(Read, config_vaddr, config_size);
    let config: E1000 = started(bulkhead_config::load(&config));
    let block = memory_region!(ReadWrite, registers_vaddr, registers_size);
    assert!(block.len() >= REGISTERS_SIZE, "the region registers is smaller than the card's");
    let rings = memory_region!(ReadWrite, rings_vaddr, rings_size);
    let rings = started(Rings::new(&rings, config.rings.base));
    let size = |region: &bulkhead_config::IoRegion| started(usize::try_from(region.size));
    let network = Network {
        receive: started(Borrower::new(
            &memory_region!(ReadWrite, rx_free_vaddr, rx_free_size),
            &memory_region!(ReadWrite, rx_active_vaddr, rx_active_size),
            config.receive.base,
            size(&config.receive),
        )),
        receive_base: config.receive.base,
        transmit: started(Borrower::new(
            &memory_region!(ReadWrite, tx_active_vaddr, tx_active_size),
            &memory_region!(ReadWrite, tx_free_vaddr, tx_free_size),
            config.transmit.base,
            size(&config.transmit),
        )),
        transmit_base: config.transmit.base,
    };
    let card = memory_region!(Read, pci_status_vaddr, pci_status_size);
    let mut domain = Domain {
        phase: Phase::Waiting(Block(block), rings),
        card: started(StatusSource::new(&card)),
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
        let Phase::Running(driver) = &mut self.phase else { return };
        match driver.serve(&mut self.network) {
            Ok(turn) => {
                if turn.notify {
                    self.notifications.notify(VIRTUALISER);
                }
                match turn.link {
                    Some(true) => self.reports.say(format_args!("the link is up")),
                    Some(false) => self.reports.say(format_args!("the link is down")),
                    None => {}
                }
            }
            Err(breach) => self.close(breach),
        }
    }

    /// Begins with the card, once it is set up.
    fn start(&mut self) {
        match self.card.read() {
            Status::Waiting => {}
            Status::Ready => {
                if let Phase::Waiting(block, rings) =
                    core::mem::replace(&mut self.phase, Phase::Closed)
                {
                    match Driver::start(block, rings) {
                        Ok(driver) => {
                            debug_println!("e1000: {:02x?}", driver.address());
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

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        self.serve();
        if channels.contains(INTERRUPT) {
            // Behind the look at the card, which takes a level back; one that came
            // meanwhile is still there.
            started(INTERRUPT.irq_ack());
        }
        Ok(())
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
