//! A host on the virtual switch that answers ARP and echoes at once: what a round
//! trip of the guest's costs when the other end costs nothing, for `net_rtt_64` of
//! `cargo bulkhead bench`. The other side is `guest-images/bench-init/src/network.rs`.
//!
//! It has the address 192.0.2.2 (RFC 5737: for documentation) and whatever hardware
//! address a frame to it names. It is a client as a VMM is: the buffers are its own.
//!
//! | symbol      | rights | region                                    |
//! | ----------- | ------ | ----------------------------------------- |
//! | `rx_free`   | rw     | buffers that it lends to be filled        |
//! | `rx_active` | rw     | frames for it                             |
//! | `rx_data`   | r      | and their bytes                           |
//! | `tx_active` | rw     | frames that it sends                      |
//! | `tx_free`   | rw     | their buffers, given back                 |
//! | `tx_data`   | rw     | and their bytes                           |
//!
//! Channel 0 is the network virtualiser.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sddf::net::{Breach, Buffer, Lender, Lent, Waiting};
use sel4_microkit::{Channel, ChannelSet, Handler, memory_region, protection_domain, started};
use shmem::{Read, ReadWrite, Region};

const SWITCH: Channel = Channel::new(0);

/// Buffers of each direction.
const BUFFERS: usize = 64;
/// Longest frame that it answers; an echo of 64 bytes has 98.
const FRAME: usize = 256;

/// Its hardware address.
const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x22];
/// Its address.
const ADDRESS: [u8; 4] = [192, 0, 2, 2];

/// Offsets in an Ethernet frame (RFC 826, 791, 792).
mod at {
    pub const DESTINATION: usize = 0;
    pub const SOURCE: usize = 6;
    pub const TYPE: usize = 12;
    pub const ARP_OPERATION: usize = 20;
    pub const ARP_SENDER: usize = 22;
    pub const ARP_TARGET: usize = 32;
    pub const ARP_TARGET_ADDRESS: usize = 38;
    pub const ARP_END: usize = 42;
    pub const IP_PROTOCOL: usize = 23;
    pub const IP_SOURCE: usize = 26;
    pub const IP_DESTINATION: usize = 30;
    pub const ICMP_TYPE: usize = 34;
    pub const ICMP_CHECKSUM: usize = 36;
    pub const ICMP_END: usize = 42;
}

struct Host {
    receive: Lender<BUFFERS>,
    receive_data: Region<Read>,
    transmit: Lender<BUFFERS>,
    transmit_data: Region<ReadWrite>,
}

#[protection_domain]
fn init() -> Host {
    let receive_data = memory_region!(Read, rx_data_vaddr, rx_data_size);
    let transmit_data = memory_region!(ReadWrite, tx_data_vaddr, tx_data_size);
    let receive = started(Lender::new(
        &memory_region!(ReadWrite, rx_free_vaddr, rx_free_size),
        &memory_region!(ReadWrite, rx_active_vaddr, rx_active_size),
        0,
        receive_data.len(),
    ));
    let transmit = started(Lender::new(
        &memory_region!(ReadWrite, tx_active_vaddr, tx_active_size),
        &memory_region!(ReadWrite, tx_free_vaddr, tx_free_size),
        0,
        transmit_data.len(),
    ));
    let mut host = Host { receive, receive_data, transmit, transmit_data };
    started(host.serve());
    host
}

impl Host {
    /// Answers what has come, until nothing more does.
    fn serve(&mut self) -> Result<(), Breach> {
        loop {
            while let Some((buffer, length)) = self.receive.next_returned()? {
                let mut frame = [0; FRAME];
                let length = usize::from(length);
                if let Some(bytes) = frame.get_mut(..length)
                    && self.receive_data.read(buffer.offset(), bytes).is_ok()
                    && answer(bytes)
                {
                    self.send(bytes)?;
                }
                self.receive.keep(buffer);
            }
            self.lend()?;
            let notify = self.receive.publish() | self.transmit.publish();
            if notify {
                SWITCH.notify();
            }
            if self.receive.wait()? == Waiting::Asleep {
                return Ok(());
            }
        }
    }

    /// Lends every buffer to be filled.
    fn lend(&mut self) -> Result<(), Breach> {
        while let Some(buffer) = self.receive.take() {
            if let Lent::Full(buffer) = self.receive.lend(buffer, 0)? {
                self.receive.keep(buffer);
                break;
            }
        }
        Ok(())
    }

    /// Sends a frame, unless every buffer is on its way.
    fn send(&mut self, frame: &[u8]) -> Result<(), Breach> {
        let Some(buffer) = self.buffer()? else { return Ok(()) };
        if self.transmit_data.write(buffer.offset(), frame).is_err() {
            self.transmit.keep(buffer);
            return Ok(());
        }
        match self.transmit.lend(buffer, frame.len() as u16)? {
            Lent::Yes => {}
            Lent::Full(buffer) => self.transmit.keep(buffer),
        }
        Ok(())
    }

    fn buffer(&mut self) -> Result<Option<Buffer>, Breach> {
        while let Some((buffer, _)) = self.transmit.next_returned()? {
            self.transmit.keep(buffer);
        }
        Ok(self.transmit.take())
    }
}

/// Turns a question into its answer, in place.
///
/// # Returns
/// Whether it was one.
fn answer(frame: &mut [u8]) -> bool {
    let is = |at: usize, bytes: &[u8]| frame.get(at..at + bytes.len()) == Some(bytes);
    let answered = if is(at::TYPE, &[8, 6])
        && is(at::ARP_OPERATION, &[0, 1])
        && is(at::ARP_TARGET_ADDRESS, &ADDRESS)
    {
        answer_arp(frame)
    } else if is(at::TYPE, &[8, 0])
        && is(at::IP_PROTOCOL, &[1])
        && is(at::IP_DESTINATION, &ADDRESS)
        && is(at::ICMP_TYPE, &[8, 0])
    {
        answer_echo(frame)
    } else {
        None
    };
    answered.is_some()
}

fn answer_arp(frame: &mut [u8]) -> Option<()> {
    let frame = frame.get_mut(..at::ARP_END)?;
    frame.copy_within(at::SOURCE..at::SOURCE + 6, at::DESTINATION);
    frame.copy_within(at::ARP_SENDER..at::ARP_SENDER + 10, at::ARP_TARGET);
    frame.get_mut(at::SOURCE..at::SOURCE + 6)?.copy_from_slice(&MAC);
    frame.get_mut(at::ARP_OPERATION..at::ARP_OPERATION + 2)?.copy_from_slice(&[0, 2]);
    frame.get_mut(at::ARP_SENDER..at::ARP_SENDER + 6)?.copy_from_slice(&MAC);
    frame.get_mut(at::ARP_SENDER + 6..at::ARP_SENDER + 10)?.copy_from_slice(&ADDRESS);
    Some(())
}

fn answer_echo(frame: &mut [u8]) -> Option<()> {
    frame.get(..at::ICMP_END)?;
    frame.copy_within(at::SOURCE..at::SOURCE + 6, at::DESTINATION);
    frame.get_mut(at::SOURCE..at::SOURCE + 6)?.copy_from_slice(&MAC);
    frame.copy_within(at::IP_SOURCE..at::IP_SOURCE + 4, at::IP_DESTINATION);
    frame.get_mut(at::IP_SOURCE..at::IP_SOURCE + 4)?.copy_from_slice(&ADDRESS);
    *frame.get_mut(at::ICMP_TYPE)? = 0;
    // The type went from 8 to 0: so much more is the checksum (RFC 1624).
    let old =
        u16::from_be_bytes([*frame.get(at::ICMP_CHECKSUM)?, *frame.get(at::ICMP_CHECKSUM + 1)?]);
    let (sum, carry) = old.overflowing_add(8 << 8);
    let new = sum.wrapping_add(u16::from(carry));
    frame.get_mut(at::ICMP_CHECKSUM..at::ICMP_CHECKSUM + 2)?.copy_from_slice(&new.to_be_bytes());
    Some(())
}

impl Handler for Host {
    type Error = Breach;

    fn notified(&mut self, _: ChannelSet) -> Result<(), Breach> {
        self.serve()
    }
}
