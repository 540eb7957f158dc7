use crate::cpu::{Event, StateField};
use crate::dispatch::testing::Bench;
use crate::outcome::Outcome;
use crate::types::{Ticks, Vector};
use crate::vm::Arrival;

/// The 8259 pair at vectors 20h and 28h, with these lines of the master open.
fn open_lines(b: &mut Bench, mask: u64) {
    for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, !mask & 0xff)] {
        assert_eq!(b.out(port, 1, value), Outcome::Resume);
    }
}

#[test]
fn a_halting_guest_is_woken_by_every_period_of_the_8254() {
    let mut b = Bench::long_mode();
    open_lines(&mut b, 1);
    // Channel 0, mode 2, 11932: 100 Hz. The TSC runs at 100 MHz.
    for (port, value) in [(0x43, 0x34), (0x40, 0x9c), (0x40, 0x2e)] {
        assert_eq!(b.out(port, 1, value), Outcome::Resume);
    }
    b.set_rflags(0x202);
    let mut woken = std::vec::Vec::new();
    while woken.len() < 50 {
        let mut outcome = b.exit(12, 0, 1);
        while let Outcome::Halt { until } = outcome {
            b.cpu.ticks = until.expect("the 8254 runs");
            outcome = b.notified(Arrival::Running);
        }
        assert_eq!(outcome, Outcome::Inject(Event::Interrupt(Vector(0x20))));
        woken.push(b.cpu.ticks.0);
        // The handler ends the interrupt.
        assert_eq!(b.out(0x20, 1, 0x20), Outcome::Resume);
    }
    for (n, at) in (1..).zip(&woken) {
        let exact = n * 11932 * 100_000_000 / 1_193_182;
        assert!(at.abs_diff(exact) < 200, "period {n} at {at}, not {exact}");
    }
}

#[test]
fn a_deadline_in_the_past_interrupts_at_once() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.cpu.ticks = Ticks(1_000_000);
    b.set_rflags(0x202);
    // The exit that arms it may deliver it, or the deadline is due and armed.
    let outcome = b.wrmsr(0x6e0, 5);
    let late = match outcome {
        Outcome::Inject(event) => event,
        Outcome::Resume => {
            assert!(b.vm.next_deadline().is_some_and(|at| at <= b.cpu.ticks));
            let Outcome::Inject(event) = b.exit(52, 0, 0) else { panic!("nothing delivered") };
            event
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(late, Event::Interrupt(Vector(0x40)));
}

#[test]
fn an_end_of_interrupt_lets_the_next_one_through() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(0x202);
    // Self-IPIs: 50h, then 40h, which has to wait.
    assert_eq!(b.wrmsr(0x83f, 0x50), Outcome::Inject(Event::Interrupt(Vector(0x50))));
    b.set_rflags(2);
    assert_eq!(b.wrmsr(0x83f, 0x40), Outcome::Resume);
    assert!(!b.cpu.interrupt_window, "nothing is deliverable before the EOI");
    assert_eq!(b.wrmsr(0x80b, 0), Outcome::Resume);
    assert!(b.cpu.interrupt_window);
    b.set_rflags(0x202);
    assert_eq!(b.exit(7, 0, 0), Outcome::Inject(Event::Interrupt(Vector(0x40))));
}

#[test]
fn lowering_the_task_priority_lets_an_interrupt_through() {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(0x202);
    b.cpu.gprs[3] = 15;
    assert_eq!(b.exit(28, 0x308, 4), Outcome::Resume);
    assert_eq!(b.wrmsr(0x83f, 0x40), Outcome::Resume);
    b.cpu.gprs[3] = 0;
    assert_eq!(b.exit(28, 0x308, 4), Outcome::Inject(Event::Interrupt(Vector(0x40))));
}

#[test]
fn frequent_exits_ask_the_kernel_for_nothing() {
    let free = |b: &Bench| {
        let came_along =
            |f: &StateField| matches!(f, StateField::Rflags | StateField::Interruptibility);
        b.cpu.reads.iter().all(came_along) && b.cpu.writes.is_empty()
    };
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(0x202);
    let _ = b.out(0x3f8, 1, 0x41);
    assert!(free(&b), "OUT");
    let _ = b.input(0x3fd, 1);
    assert!(free(&b), "IN");
    let _ = b.wrmsr(0x6e0, 50);
    assert!(free(&b), "TSC deadline");
    b.cpu.ticks = Ticks(60);
    let outcome = b.exit(52, 0, 0);
    assert_eq!(outcome, Outcome::Inject(Event::Interrupt(Vector(0x40))));
    assert!(free(&b), "timer and injection");
    let _ = b.wrmsr(0x80b, 0);
    assert!(free(&b), "end of interrupt");
    let _ = b.exit(12, 0, 1);
    assert!(free(&b), "HLT");
    let _ = b.exit(7, 0, 0);
    assert!(free(&b), "interrupt window");
}
