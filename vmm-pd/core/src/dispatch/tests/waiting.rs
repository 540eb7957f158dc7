//! Halting, deadlines, and interrupts that wait for their moment.

use super::*;
use crate::vm::Arrival;

#[test]
fn halt_sleeps_until_the_deadline_and_wakes_with_the_interrupt() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(IF);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    // sti; hlt: blocking by STI ends with HLT.
    b.cpu.set(StateField::Interruptibility, 1);
    b.cpu.rip = 0x1000;
    assert_eq!(b.exit(12, 0, 1), Outcome::Halt { until: Some(Ticks(5000)) });
    assert_eq!(b.cpu.rip, 0x1001);
    // A notification for nothing goes back to sleep.
    b.cpu.ticks = Ticks(4999);
    assert_eq!(b.notified(Arrival::Running), Outcome::Halt { until: Some(Ticks(5000)) });
    b.cpu.ticks = Ticks(5001);
    assert_eq!(b.notified(Arrival::Running), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.cpu.get(StateField::Interruptibility), 0);
    // Should that entry be prevented, the interrupt is not lost.
    assert_eq!(b.notified(Arrival::BeforeEntry), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
}

#[test]
fn an_interrupt_that_is_pending_at_halt_is_taken_at_once() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    b.set_rflags(IF);
    assert_eq!(b.exit(12, 0, 1), Outcome::Inject(Event::Interrupt(Vector(0x40))));
}

#[test]
fn halting_with_interrupts_off_is_for_good() {
    let mut b = Bench::long_mode();
    b.set_rflags(2);
    assert_eq!(b.exit(12, 0, 1), Outcome::Stop(StopReason::HaltedForGood));
    let mut b = Bench::long_mode();
    b.set_rflags(2);
    b.vm.devices.interrupts.raise_nmi();
    assert_eq!(b.exit(12, 0, 1), Outcome::Inject(Event::Nmi));
}

#[test]
fn a_single_step_over_halt_does_not_halt() {
    let mut b = Bench::long_mode();
    b.set_rflags(IF | 0x100);
    assert_eq!(b.exit(12, 0, 1), Outcome::Resume);
    assert_eq!(b.cpu.get(StateField::PendingDebug), 1 << 14);
}

#[test]
fn a_deadline_reached_while_the_guest_runs_is_delivered() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    assert_eq!(b.vm.next_deadline(), Some(Ticks(5000)));
    b.set_rflags(IF);
    b.cpu.ticks = Ticks(5000);
    assert_eq!(b.exit(52, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert_eq!(b.vm.next_deadline(), None);
}

#[test]
fn a_timer_that_runs_out_early_changes_nothing() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 5000), Outcome::Resume);
    b.cpu.ticks = Ticks(4990);
    assert_eq!(b.exit(52, 0, 0), Outcome::Resume);
    assert_eq!(b.vm.next_deadline(), Some(Ticks(5000)));
}

#[test]
fn an_interrupt_waits_for_its_window() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    b.set_rflags(2);
    assert_eq!(b.exit(10, 0, 2), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    b.set_rflags(IF);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert!(!b.cpu.interrupt_window);
}

#[test]
fn a_notification_while_the_guest_runs_reads_nothing_of_it() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    assert_eq!(b.wrmsr(0x6e0, 10), Outcome::Resume);
    b.cpu.ticks = Ticks(20);
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    assert!(b.cpu.reads.is_empty() && b.cpu.writes.is_empty());
}

#[test]
fn typed_bytes_interrupt_the_guest() {
    let mut b = Bench::long_mode();
    // UART: interrupt on data, OUT2. Master 8259: base 0x20, only line 4 open.
    for (port, value) in
        [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0xef), (0x3f9, 1), (0x3fc, 0xb)]
    {
        assert_eq!(b.out(port, 1, value), Outcome::Resume);
    }
    b.console.typed.extend(b"x");
    assert_eq!(b.notified(Arrival::Running), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    b.set_rflags(IF);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x24))));
    assert_eq!(b.input(0x3f8, 1).1 & 0xff, u64::from(b'x'));
}
