//! The 16550A against its data sheet. An honest driver at the other end is in
//! `tests/uart.rs`.

mod any_sequence;
mod linux;
mod receiver;
mod transmitter;

use super::*;
use crate::outside::testing::FakeOutside;

/// 1 GHz: a tick is a nanosecond.
const TSC_HZ: u64 = 1_000_000_000;

/// A UART with its outside and a clock.
struct Bench {
    uart: Uart,
    out: FakeOutside,
    now: Ticks,
}

impl Bench {
    fn new() -> Self {
        let tsc = TscFrequency::new(TSC_HZ).unwrap();
        Bench { uart: Uart::new(tsc), out: FakeOutside::new(), now: Ticks(0) }
    }

    /// As Linux leaves an open port: FIFOs on, interrupts connected.
    fn open(ier: Ier, trigger: u8) -> Self {
        let mut b = Bench::new();
        b.write(2, (Fcr::ENABLE).bits() | trigger << 6);
        b.write(3, 0x03);
        b.write(4, (Mcr::DTR | Mcr::RTS | Mcr::OUT2).bits());
        b.write(1, ier.bits());
        b
    }

    fn read(&mut self, offset: u8) -> u8 {
        self.uart.read(offset, self.now, &mut self.out)
    }

    fn write(&mut self, offset: u8, value: u8) {
        self.uart.write(offset, value, self.now, &mut self.out);
    }

    fn type_in(&mut self, bytes: &[u8]) {
        self.out.type_in(bytes);
        self.uart.readable(self.now, &mut self.out);
    }

    fn lsr(&mut self) -> Lsr {
        Lsr::from_bits_retain(self.read(5))
    }

    fn interrupt(&mut self) -> u8 {
        self.read(2) & 0x0F
    }
}

#[test]
fn reset_values_are_the_data_sheets() {
    let mut b = Bench::new();
    for (offset, value) in [(1, 0), (2, IIR_NONE), (3, 0), (4, 0), (5, 0x60), (6, 0xB0)] {
        assert_eq!(b.read(offset), value, "register {offset}");
    }
    assert!(!b.uart.irq());
    assert_eq!(b.uart.deadline(), None);
}

#[test]
fn the_divisor_latch_hides_data_and_interrupt_enable_only() {
    let mut b = Bench::new();
    b.write(1, 0x0F);
    b.write(3, Lcr::DLAB.bits());
    b.write(0, 0x34);
    b.write(1, 0x12);
    assert_eq!((b.read(0), b.read(1)), (0x34, 0x12));
    b.write(7, 0xA5);
    assert_eq!(b.read(7), 0xA5);
    b.write(3, 0);
    assert_eq!(b.read(1), 0x0F);
    assert!(b.out.written.is_empty(), "the divisor was sent");
}

#[test]
fn unused_bits_of_interrupt_enable_and_modem_control_read_zero() {
    let mut b = Bench::new();
    b.write(1, 0xFF);
    b.write(4, 0xFF);
    assert_eq!((b.read(1), b.read(4)), (0x0F, 0x1F));
}

#[test]
fn interrupts_are_identified_by_priority() {
    let all = Ier::all();
    let mut b = Bench::open(all, 0);
    b.read(2);
    // Loopback: modem lines change, bytes overrun, the transmitter empties.
    b.write(4, (Mcr::LOOP | Mcr::RTS).bits());
    (0..17).for_each(|byte| b.write(0, byte));
    b.write(4, (Mcr::OUT2).bits());
    assert_eq!(b.interrupt(), Interrupt::LineStatus as u8);
    assert!(b.lsr().contains(Lsr::OE));
    assert!(!b.lsr().contains(Lsr::OE), "reading cleared it");
    assert_eq!(b.interrupt(), Interrupt::ReceivedData as u8);
    (0..16).for_each(|byte| assert_eq!(b.read(0), byte));
    assert_eq!(b.interrupt(), Interrupt::TransmitterEmpty as u8);
    assert_eq!(b.interrupt(), Interrupt::ModemStatus as u8);
    assert_ne!(b.read(6) & 0x0F, 0);
    assert_eq!(b.interrupt(), IIR_NONE);
}

#[test]
fn identification_shows_the_fifos() {
    let mut b = Bench::new();
    assert_eq!(b.read(2), IIR_NONE);
    b.write(2, Fcr::ENABLE.bits());
    assert_eq!(b.read(2), IIR_FIFOS | IIR_NONE);
    // Without the enable bit the others count for nothing.
    b.write(2, 0xC0);
    assert_eq!(b.read(2), IIR_NONE);
}

#[test]
fn loopback_joins_outputs_to_inputs_and_sends_nothing() {
    let mut b = Bench::new();
    for (mcr, msr) in [
        (Mcr::empty(), Msr::empty()),
        (Mcr::RTS, Msr::CTS),
        (Mcr::DTR, Msr::DSR),
        (Mcr::OUT1, Msr::RI),
        (Mcr::OUT2, Msr::DCD),
    ] {
        b.write(4, (mcr | Mcr::LOOP).bits());
        assert_eq!(b.read(6) & 0xF0, msr.bits());
    }
    b.write(0, 0x42);
    assert_eq!(b.read(0), 0x42);
    b.out.type_in(b"z");
    assert!(!b.lsr().contains(Lsr::DR), "the receiver is off the line");
    assert!(b.out.written.is_empty());
}

#[test]
fn a_ring_is_told_only_when_it_ends() {
    let mut b = Bench::new();
    b.write(4, Mcr::LOOP.bits());
    b.read(6);
    b.write(4, (Mcr::LOOP | Mcr::OUT1).bits());
    assert_eq!(b.read(6), Msr::RI.bits());
    b.write(4, Mcr::LOOP.bits());
    assert_eq!(b.read(6), Msr::TERI.bits());
    assert_eq!(b.read(6), 0);
}

#[test]
fn out2_connects_the_interrupt_and_loopback_cuts_it() {
    let mut b = Bench::open(Ier::ETBEI, 0);
    assert!(b.uart.irq());
    b.write(4, (Mcr::OUT2 | Mcr::LOOP).bits());
    assert!(!b.uart.irq());
    b.write(4, 0);
    assert!(!b.uart.irq());
    b.write(4, Mcr::OUT2.bits());
    assert!(b.uart.irq());
}
