//! The serial driver domain: one 16550 and its virtualiser.
//!
//! What it does is in `serial-driver-core`; this wires it to the kernel.
//!
//! | channel, I/O ports | other end                                                    |
//! | ------------------ | ------------------------------------------------------------ |
//! | channel 0 or 1     | the virtualiser                                              |
//! | channel 1 or 0     | the UART's interrupt, `trigger="edge" polarity="high"`; level works too |
//! | I/O ports 0        | the UART's eight, of which the first is the symbol `uart_port` (0x3f8) |
//!
//! The channel that the description lets this domain notify is the
//! virtualiser's; the other one is the interrupt.
//!
//! | symbol     | rights | region                                   |
//! | ---------- | ------ | ---------------------------------------- |
//! | `tx_queue` | rw     | serial queue of bytes to send: its words |
//! | `tx_data`  | r      | and its bytes                            |
//! | `rx_queue` | rw     | serial queue of bytes received           |
//! | `rx_data`  | rw     | and its bytes                            |
//!
//! Each has `_vaddr` and `_size`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sddf::serial::{Consumer, Producer, Shared};
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, Infallible, IoPort, Notifications, debug_println,
    memory_region, protection_domain, started, var,
};
use serial_driver_core::Driver;
use serial_driver_core::ports::PortRange;
use serial_driver_core::uart::Uart;

const CHANNELS: [Channel; 2] = [Channel::new(0), Channel::new(1)];
const PORTS: IoPort = IoPort::new(0);

struct Domain {
    driver: Driver<PortRange>,
    virtualiser: Channel,
    interrupt: Channel,
    notifications: Notifications,
}

#[protection_domain]
fn init() -> Domain {
    let [first, second] = CHANNELS;
    let (virtualiser, interrupt) =
        if first.may_notify() { (first, second) } else { (second, first) };
    let transmit = started(Shared::new(
        &memory_region!(ReadWrite, tx_queue_vaddr, tx_queue_size),
        memory_region!(Read, tx_data_vaddr, tx_data_size),
    ));
    let receive = started(Shared::new(
        &memory_region!(ReadWrite, rx_queue_vaddr, rx_queue_size),
        memory_region!(ReadWrite, rx_data_vaddr, rx_data_size),
    ));
    let first = var!(uart_port: u64 = 0x3f8);
    let uart = started(Uart::start(started(PortRange::new(PORTS, first))));
    // The line may be masked still, and the UART's first edge would be lost.
    started(interrupt.irq_ack());
    let driver =
        Driver::new(uart, started(Consumer::attach(transmit)), started(Producer::attach(receive)));
    let mut domain =
        Domain { driver, virtualiser, interrupt, notifications: Notifications::default() };
    domain.serve();
    domain
}

impl Domain {
    fn serve(&mut self) {
        let outcome = self.driver.serve();
        if outcome.notify {
            self.notifications.notify(self.virtualiser);
        }
        if let Some(complaint) = outcome.complaint {
            debug_println!("serial driver: {complaint}");
        }
    }
}

impl Handler for Domain {
    type Error = Infallible;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Infallible> {
        if channels.contains(self.interrupt) {
            // Before the UART is looked at: an edge while masked is lost.
            started(self.interrupt.irq_ack());
        }
        self.serve();
        Ok(())
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
