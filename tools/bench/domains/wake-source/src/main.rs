//! Stands where a VMM expects the serial virtualiser, and wakes its guest: for
//! `wake_latency` of `cargo bulkhead bench`. The other side is
//! `guest-images/bench/wake.S`.
//!
//! The guest writes the byte GO and halts. This domain answers with one byte of
//! input, writes the time-stamp counter into a page that the guest sees, and
//! notifies the VMM. Everything else that the guest writes goes to COM1.
//!
//! The surprising fact: that the guest really sleeps by then follows from the
//! priorities alone. This domain's is below the VMM's, so it first runs when the
//! VMM waits for a notification.
//!
//! | symbol     | rights | region                                             |
//! | ---------- | ------ | -------------------------------------------------- |
//! | `tx_queue` | rw     | serial queue of what the guest writes: its words   |
//! | `tx_data`  | r      | and its bytes                                      |
//! | `rx_queue` | rw     | serial queue of what the guest reads               |
//! | `rx_data`  | rw     | and its bytes                                      |
//! | `stamp`    | rw     | when it was woken; the guest's to read             |
//!
//! Channel 0 is the VMM. The I/O ports with number 0 are COM1.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sddf::serial::{Consumer, PeerError, Producer, Shared};
use sel4_microkit::{
    Channel, ChannelSet, Handler, IoPort, memory_region, protection_domain, started,
    timestamp_counter,
};
use shmem::{ReadWrite, Word64};

const VMM: Channel = Channel::new(0);

/// What the guest writes before it halts.
const GO: u8 = 0x01;

const COM1: u16 = 0x3f8;
/// Line control register: eight bits a character, where reset leaves five.
const LCR: u16 = COM1 + 3;
const EIGHT_BITS: u8 = 3;
/// Line status register, and its bit for an empty transmitter (National
/// Semiconductor PC16550D, table II).
const LSR: u16 = COM1 + 5;
const THRE: u8 = 1 << 5;

struct Source {
    output: Consumer,
    input: Producer,
    stamp: Word64<ReadWrite>,
    ports: IoPort,
}

#[protection_domain]
fn init() -> Source {
    let output = started(Shared::new(
        &memory_region!(ReadWrite, tx_queue_vaddr, tx_queue_size),
        memory_region!(Read, tx_data_vaddr, tx_data_size),
    ));
    let input = started(Shared::new(
        &memory_region!(ReadWrite, rx_queue_vaddr, rx_queue_size),
        memory_region!(ReadWrite, rx_data_vaddr, rx_data_size),
    ));
    let stamp = started(memory_region!(ReadWrite, stamp_vaddr, stamp_size).word64(0));
    let ports = IoPort::new(0);
    ports.write_8(LCR, EIGHT_BITS);
    Source {
        output: started(Consumer::attach(output)),
        input: started(Producer::attach(input)),
        stamp,
        ports,
    }
}

impl Source {
    fn wake(&mut self) -> Result<(), PeerError> {
        self.input.enqueue(&[0])?;
        self.stamp.store(timestamp_counter());
        VMM.notify();
        Ok(())
    }

    fn print(&self, byte: u8) {
        while self.ports.read_8(LSR) & THRE == 0 {}
        self.ports.write_8(COM1, byte);
    }
}

impl Handler for Source {
    type Error = PeerError;

    fn notified(&mut self, _: ChannelSet) -> Result<(), PeerError> {
        let mut byte = [0];
        while self.output.dequeue(&mut byte)? == 1 {
            match byte[0] {
                GO => self.wake()?,
                other => self.print(other),
            }
        }
        if self.output.producer_waits() {
            VMM.notify();
        }
        Ok(())
    }
}
