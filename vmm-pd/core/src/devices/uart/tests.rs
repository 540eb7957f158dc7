//! The 16550A against its data sheet. An honest driver at the other end is in
//! `tests/uart.rs`.

use super::*;
use crate::outside::testing::FakeOutside;
use proptest::prelude::*;

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
fn a_byte_is_sent_at_once_and_the_transmitter_stays_empty() {
    let mut b = Bench::open(Ier::ETBEI, 0);
    for byte in b"hello" {
        b.write(0, *byte);
        assert!(b.lsr().contains(Lsr::THRE | Lsr::TEMT));
    }
    assert_eq!(b.out.written, b"hello");
}

#[test]
fn enabling_the_transmitter_interrupt_raises_it_and_reading_it_ends_it() {
    let mut b = Bench::open(Ier::ETBEI, 0);
    assert!(b.uart.irq());
    assert_eq!(b.interrupt(), Interrupt::TransmitterEmpty as u8);
    assert!(!b.uart.irq());
    assert_eq!(b.interrupt(), IIR_NONE);
    b.write(0, b'x');
    assert!(b.uart.irq(), "sent, so empty again");
    // Enabling what is enabled already is no event.
    b.read(2);
    b.write(1, Ier::ETBEI.bits());
    assert!(!b.uart.irq());
}

#[test]
fn a_full_console_makes_the_transmitter_busy_until_it_has_room() {
    let mut b = Bench::open(Ier::ETBEI, 0);
    b.read(2);
    b.out.room = 2;
    for byte in b"abcde" {
        b.write(0, *byte);
    }
    assert_eq!(b.out.written, b"ab");
    assert!(!b.lsr().intersects(Lsr::THRE | Lsr::TEMT));
    b.read(2);
    assert!(!b.uart.irq());

    b.out.room = 1;
    b.uart.writable(&mut b.out);
    assert_eq!(b.out.written, b"abc");
    assert!(!b.uart.irq() && !b.lsr().contains(Lsr::THRE));

    b.out.room = usize::MAX;
    b.uart.writable(&mut b.out);
    assert_eq!(b.out.written, b"abcde");
    assert!(b.uart.irq() && b.lsr().contains(Lsr::THRE | Lsr::TEMT));
}

#[test]
fn a_byte_never_overtakes_one_that_waits() {
    let mut b = Bench::open(Ier::empty(), 0);
    b.out.room = 0;
    b.write(0, b'1');
    b.out.room = usize::MAX;
    b.write(0, b'2');
    assert!(b.out.written.is_empty());
    b.uart.writable(&mut b.out);
    assert_eq!(b.out.written, b"12");
}

#[test]
fn the_transmitter_holds_sixteen_bytes_with_fifos_and_one_without() {
    for (fcr, held) in [(0, 1), (Fcr::ENABLE.bits(), 16)] {
        let mut b = Bench::new();
        b.write(2, fcr);
        b.out.room = 0;
        (0..40).for_each(|byte| b.write(0, byte));
        b.out.room = usize::MAX;
        b.uart.writable(&mut b.out);
        assert_eq!(b.out.written.len(), held);
    }
}

#[test]
fn received_data_interrupts_at_its_trigger_level() {
    for (trigger, level) in [(0, 1), (1, 4), (2, 8), (3, 14)] {
        let mut b = Bench::open(Ier::ERBFI, trigger);
        for typed in 1..=16 {
            b.type_in(b"x");
            assert_eq!(b.uart.irq(), typed >= level, "{typed} of {level}");
        }
        while b.uart.irq() {
            assert_eq!(b.interrupt(), Interrupt::ReceivedData as u8);
            b.read(0);
        }
        assert_eq!(b.uart.state().receiver.len(), level - 1);
    }
}

#[test]
fn bytes_below_the_trigger_level_interrupt_after_four_character_times() {
    let mut b = Bench::open(Ier::ERBFI, 3);
    // 8N1 at 115,200 baud: 40 bits.
    let timeout = 40 * TSC_HZ / 115_200 + 1;
    b.type_in(b"ab");
    assert!(!b.uart.irq());
    assert_eq!(b.uart.deadline(), Some(Ticks(timeout)));
    b.uart.advance(Ticks(timeout - 1));
    assert!(!b.uart.irq());
    b.uart.advance(Ticks(timeout));
    assert!(b.uart.irq());
    assert_eq!(b.uart.deadline(), None);
    assert_eq!(b.interrupt(), Interrupt::CharacterTimeout as u8);

    // Reading one ends it and starts it again for the other.
    b.now = Ticks(timeout);
    assert_eq!(b.read(0), b'a');
    assert!(!b.uart.irq());
    assert_eq!(b.uart.deadline(), Some(Ticks(2 * timeout)));
    assert_eq!(b.read(0), b'b');
    assert_eq!(b.uart.deadline(), None);
}

#[test]
fn the_timeout_follows_the_line_settings() {
    let mut b = Bench::open(Ier::ERBFI, 3);
    // 300 baud, 7 bits, even parity, two stop bits: 44 bits.
    b.write(3, (Lcr::DLAB | Lcr::PEN | Lcr::EPS | Lcr::STB).bits() | 0b10);
    b.write(0, (384u16 & 0xFF) as u8);
    b.write(1, (384u16 >> 8) as u8);
    b.write(3, (Lcr::PEN | Lcr::EPS | Lcr::STB).bits() | 0b10);
    b.type_in(b"a");
    assert_eq!(b.uart.deadline(), Some(Ticks((44 * TSC_HZ).div_ceil(300))));
}

#[test]
fn nothing_typed_is_lost_however_much_it_is() {
    let typed: std::vec::Vec<u8> = (0..1000u32).map(|i| (i % 251) as u8).collect();
    let mut b = Bench::open(Ier::ERBFI, 2);
    b.type_in(&typed);
    assert_eq!(b.uart.state().receiver.len(), FIFO_SIZE);
    let mut got = std::vec::Vec::new();
    while b.lsr().contains(Lsr::DR) {
        got.push(b.read(0));
    }
    assert!(got == typed);
    assert!(!b.lsr().contains(Lsr::OE));
}

#[test]
fn a_polling_guest_holds_at_most_one_byte() {
    let mut b = Bench::open(Ier::empty(), 0);
    b.type_in(b"typed ahead");
    assert_eq!(b.uart.state().receiver.len(), 0);
    assert!(b.lsr().contains(Lsr::DR));
    assert_eq!(b.uart.state().receiver.len(), 1);
    b.write(2, (Fcr::ENABLE | Fcr::RCVR_RESET).bits());
    b.write(1, Ier::ERBFI.bits());
    assert!(b.uart.irq());
    let rest: std::vec::Vec<u8> = (0..10).map(|_| b.read(0)).collect();
    assert_eq!(rest, b"yped ahead");
}

#[test]
fn clearing_the_receiver_takes_what_waits_outside() {
    let mut b = Bench::open(Ier::ERBFI, 0);
    b.type_in(&[7; 20]);
    b.write(2, (Fcr::ENABLE | Fcr::RCVR_RESET).bits());
    assert_eq!(b.uart.state().receiver.len(), 4);
    assert!(b.uart.irq());
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
fn an_overrun_loses_the_newest_byte_with_fifos_and_the_oldest_without() {
    for (fcr, kept) in [(Fcr::ENABLE.bits(), 0), (0, 16)] {
        let mut b = Bench::new();
        b.write(2, fcr);
        b.write(4, Mcr::LOOP.bits());
        (0..17).for_each(|byte| b.write(0, byte));
        assert!(b.lsr().contains(Lsr::OE));
        assert_eq!(b.read(0), kept);
    }
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

/// The steps of Linux's `autoconfig` (drivers/tty/serial/8250/8250_port.c) that
/// tell a 16550A from what came before and after it.
#[test]
fn linux_recognises_a_16550a() {
    let mut b = Bench::new();
    // There is a UART: IER keeps four bits and no more.
    b.write(1, 0);
    assert_eq!(b.read(1) & 0x0F, 0);
    b.write(1, 0x0F);
    assert_eq!(b.read(1) & 0x0F, 0x0F);
    b.write(1, 0);
    // It answers its loopback: DCD and CTS, and not DSR and RI.
    b.write(4, 0x1A);
    assert_eq!(b.read(6) & 0xF0, 0x90);
    b.write(4, 0);
    // FIFOs that work: not an 8250, 16450 or 16550.
    b.write(3, 0xBF);
    b.write(2, 0);
    b.write(3, 0);
    b.write(2, 0x01);
    assert_eq!(b.read(2) >> 6, 3);
    // No EFR behind DLAB, nor behind 0xBF: not a 16650.
    b.write(3, 0x80);
    assert_ne!(b.read(2), 0);
    b.write(3, 0xBF);
    assert_ne!(b.read(2), 0);
    // MCR does not show through register 2 behind 0xE0: not a National one
    // with banks.
    b.write(3, 0);
    let mcr = b.read(4);
    b.write(3, 0xE0);
    let bank = b.read(2);
    if (bank ^ mcr) & 0x10 == 0 {
        b.write(3, 0);
        b.write(4, mcr ^ 0x10);
        b.write(3, 0xE0);
        let bank = b.read(2);
        b.write(3, 0);
        b.write(4, mcr);
        assert_eq!((bank ^ mcr) & 0x10, 0);
    }
    // No 64-byte FIFO: not a 16750.
    b.write(3, 0);
    b.write(2, 0x21);
    let one = b.read(2) >> 5;
    b.write(2, 0x01);
    b.write(3, 0x80);
    b.write(2, 0x21);
    let two = b.read(2) >> 5;
    b.write(3, 0);
    assert_eq!((one, two), (6, 6));
    // No UUE bit: not an XScale.
    b.write(1, 0x40);
    assert_eq!(b.read(1) & 0x40, 0);
}

/// `serial8250_THRE_test` and the TXEN test of `serial8250_do_startup` there: a
/// UART that fails them is polled for ever after.
#[test]
fn linux_finds_no_bug_in_the_transmitter_interrupt() {
    let mut b = Bench::open(Ier::empty(), 2);
    let etbei = Ier::ETBEI.bits();
    for _ in 0..2 {
        b.write(1, etbei);
        assert_eq!(b.interrupt(), Interrupt::TransmitterEmpty as u8);
        b.write(1, 0);
    }
    b.write(1, etbei);
    assert!(b.lsr().contains(Lsr::TEMT));
    assert_eq!(b.interrupt(), Interrupt::TransmitterEmpty as u8);
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken() {
    let mut b = Bench::open(Ier::ERBFI, 3);
    b.out.room = 1;
    b.write(0, b'1');
    b.write(0, b'2');
    b.type_in(b"ab");
    let deadline = b.uart.deadline();
    let tsc = TscFrequency::new(TSC_HZ).unwrap();
    b.uart = Uart::restore(tsc, b.uart.state().clone());
    assert_eq!(b.uart.deadline(), deadline);
    assert_eq!(b.read(0), b'a');
    b.out.room = 1;
    b.uart.writable(&mut b.out);
    assert_eq!(b.out.written, b"12");
}

/// What may happen to a UART.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read(u8),
    Write(u8, u8),
    Type(u8),
    Room(u8),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Read),
        (any::<u8>(), any::<u8>()).prop_map(|(o, v)| Step::Write(o, v)),
        any::<u8>().prop_map(Step::Type),
        any::<u8>().prop_map(Step::Room),
        any::<u32>().prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever is done to it, it does not panic and keeps its own rules.
    #[test]
    fn any_sequence_keeps_the_rules(steps in prop::collection::vec(step(), 0..300)) {
        let mut b = Bench::new();
        b.out.room = 0;
        for step in steps {
            match step {
                Step::Read(offset) => {
                    b.read(offset);
                }
                Step::Write(offset, value) => b.write(offset, value),
                Step::Type(byte) => b.type_in(&[byte]),
                Step::Room(room) => {
                    b.out.room = room.into();
                    b.uart.writable(&mut b.out);
                }
                Step::Wait(ticks) => {
                    b.now = b.now.saturating_add(Ticks(ticks.into()));
                    b.uart.advance(b.now);
                }
            }
            let state = b.uart.state();
            prop_assert!(state.receiver.len() <= b.uart.room());
            prop_assert!(state.transmitter.len() <= b.uart.room());
            let mcr = Mcr::from_bits_retain(state.mcr);
            let connected = mcr.contains(Mcr::OUT2) && !mcr.contains(Mcr::LOOP);
            prop_assert_eq!(b.uart.irq(), connected && b.uart.interrupt().is_some());
            if let Some(at) = b.uart.deadline() {
                prop_assert!(at > b.now, "a deadline in the past");
            }
        }
    }

    /// An interrupt-driven driver gets every byte in order, whatever the trigger.
    #[test]
    fn an_interrupt_handler_loses_nothing(
        typed in prop::collection::vec(any::<u8>(), 0..200),
        trigger in 0u8..4,
        gaps in prop::collection::vec(0u64..1_000_000, 200),
    ) {
        let mut b = Bench::open(Ier::ERBFI, trigger);
        let mut got = std::vec::Vec::new();
        for (byte, gap) in typed.iter().zip(gaps) {
            b.type_in(&[*byte]);
            let until = b.now.saturating_add(Ticks(gap));
            while let Some(at) = b.uart.deadline().filter(|at| *at <= until) {
                b.now = at;
                b.uart.advance(at);
                while b.uart.irq() {
                    got.push(b.read(0));
                }
            }
            b.now = until;
            b.uart.advance(until);
            while b.uart.irq() {
                got.push(b.read(0));
            }
        }
        while let Some(at) = b.uart.deadline() {
            b.now = at;
            b.uart.advance(at);
            while b.uart.irq() {
                got.push(b.read(0));
            }
        }
        prop_assert_eq!(got, typed);
    }
}
