//! What Linux does with a port that it finds.

use super::*;

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
