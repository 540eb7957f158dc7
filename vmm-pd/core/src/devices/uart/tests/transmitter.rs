//! What the guest sends: when it leaves, and when the transmitter interrupts.

use super::*;

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
