//! What is typed: trigger levels, the time-out, and that nothing is lost.

use super::*;

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
