use proptest::prelude::*;

use super::*;
use crate::cpu::{Event, Exception};
use crate::dispatch::testing::Bench;
use crate::outcome::Outcome;
use crate::types::{Gsi, Vector};
use crate::vm::Arrival;

const WORD: u64 = 0x2004;
const EOI: u64 = 0x80b;
const SELF_IPI: u64 = 0x83f;
const GP: Outcome = Outcome::Inject(Event::Exception(Exception::GeneralProtection(0)));

const fn interrupt(vector: u8) -> Outcome {
    Outcome::Inject(Event::Interrupt(Vector(vector)))
}

/// In x2APIC mode, willing to be interrupted.
fn bench() -> Bench {
    let mut b = Bench::long_mode();
    b.enable_apic(0x40);
    b.set_rflags(0x202);
    b
}

fn with_word() -> Bench {
    let mut b = bench();
    assert_eq!(b.wrmsr(MSR.into(), WORD | 1), Outcome::Resume);
    b
}

fn cpuid(b: &mut Bench) -> Outcome {
    b.exit(10, 0, 2)
}

fn offered(b: &Bench) -> bool {
    b.memory.0[WORD as usize] & 1 != 0
}

/// The guest ends its interrupt as Linux does. Returns what came of the exit, if
/// there was one.
fn end(b: &mut Bench) -> Option<Outcome> {
    if offered(b) {
        b.memory.0[WORD as usize] &= !1;
        return None;
    }
    Some(b.wrmsr(EOI, 0))
}

#[test]
fn the_end_of_an_interrupt_takes_no_exit() {
    let mut b = with_word();
    // The word's other bits are the guest's.
    b.memory.0[WORD as usize..][..4].fill(0xfe);
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    assert_eq!(b.memory.0[WORD as usize..][..4], [0xff, 0xfe, 0xfe, 0xfe]);
    assert_eq!(end(&mut b), None);
    assert_eq!(cpuid(&mut b), Outcome::Resume);
    assert!(!offered(&b), "nothing is in service");
    // The same again: it is not in service any more.
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
}

#[test]
fn a_guest_that_names_no_word_is_offered_nothing() {
    let mut b = bench();
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    assert!(b.memory.0[WORD as usize..][..4] == [0; 4]);
    assert_eq!(b.wrmsr(EOI, 0), Outcome::Resume);
}

#[test]
fn an_exit_within_the_handler_keeps_the_interrupt_in_service() {
    let mut b = with_word();
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    assert_eq!(cpuid(&mut b), Outcome::Resume);
    assert!(offered(&b), "offered anew");
    assert_eq!(b.wrmsr(SELF_IPI, 0x51), Outcome::Resume, "of the same class: it waits");
    assert!(!offered(&b), "the guest must say when it may come");
    assert_eq!(end(&mut b), Some(interrupt(0x51)));
}

#[test]
fn an_interrupt_from_outside_takes_the_offer_back() {
    let mut b = with_word();
    // COM1 at pin 4 of the I/O APIC: vector 0x51, edge.
    b.vm.devices.interrupts.ioapic_write(0, crate::types::Width::Dword, 0x18);
    b.vm.devices.interrupts.ioapic_write(0x10, crate::types::Width::Dword, 0x51);
    assert_eq!(b.wrmsr(SELF_IPI, 0x58), interrupt(0x58));
    assert!(offered(&b));
    b.vm.devices.interrupts.set_line(Gsi(4), true);
    let _ = b.notified(Arrival::Running);
    assert!(!offered(&b));
    assert_eq!(end(&mut b), Some(interrupt(0x51)));
}

#[test]
fn a_level_triggered_interrupt_ends_by_the_register() {
    let mut b = with_word();
    b.vm.devices.interrupts.ioapic_write(0, crate::types::Width::Dword, 0x1a);
    b.vm.devices.interrupts.ioapic_write(0x10, crate::types::Width::Dword, 1 << 15 | 0x51);
    b.vm.devices.interrupts.set_line(Gsi(5), true);
    assert_eq!(cpuid(&mut b), interrupt(0x51));
    assert!(!offered(&b));
    // The line is still asserted.
    assert_eq!(end(&mut b), Some(interrupt(0x51)));
}

#[test]
fn ending_by_the_register_ends_one_interrupt_only() {
    let mut b = with_word();
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    assert_eq!(b.wrmsr(SELF_IPI, 0x60), interrupt(0x60));
    assert!(offered(&b));
    assert_eq!(b.wrmsr(EOI, 0), Outcome::Resume);
    assert!(offered(&b), "0x50 is still in service");
    assert_eq!(b.wrmsr(SELF_IPI, 0x51), Outcome::Resume);
    assert_eq!(end(&mut b), Some(interrupt(0x51)));
}

#[test]
fn the_register_refuses_what_is_no_word_of_ram() {
    let mut b = with_word();
    for value in [WORD | 3, WORD | 2, 0xffff_ffff_ffff_fffd, 0xfee0_0001, 1 << 40 | 1] {
        assert_eq!(b.wrmsr(MSR.into(), value), GP, "{value:#x}");
    }
    assert_eq!(b.vm.eoi.register(), WORD | 1);
    // Switched off it may name anything.
    assert_eq!(b.wrmsr(MSR.into(), 0xfee0_0000), Outcome::Resume);
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    assert!(!offered(&b));
}

#[test]
fn a_restart_forgets_the_word() {
    let mut b = with_word();
    assert_eq!(b.wrmsr(SELF_IPI, 0x50), interrupt(0x50));
    b.vm.restart(crate::types::Ticks(0));
    assert_eq!(b.vm.eoi, ParavirtualEoi::default());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ipi(u8),
    Line(u8, bool),
    End,
    Cpuid,
    Notified,
    TaskPriority(u8),
    Interruptible(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0x20..0x60u8).prop_map(Step::Ipi),
        2 => (4..6u8, any::<bool>()).prop_map(|(line, level)| Step::Line(line, level)),
        4 => Just(Step::End),
        2 => Just(Step::Cpuid),
        1 => Just(Step::Notified),
        1 => (0..6u8).prop_map(Step::TaskPriority),
        1 => any::<bool>().prop_map(Step::Interruptible),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The guest sees the same interrupts at the same moments, with and without.
    #[test]
    fn nothing_but_the_exits_differs(steps in proptest::collection::vec(step(), 1..60)) {
        let mut with = with_word();
        let mut without = bench();
        for b in [&mut with, &mut without] {
            let interrupts = &mut b.vm.devices.interrupts;
            // Pin 4 edge, pin 5 level.
            for (register, value) in [(0x18, 0x34), (0x1a, 1 << 15 | 0x45)] {
                interrupts.ioapic_write(0, crate::types::Width::Dword, register);
                interrupts.ioapic_write(0x10, crate::types::Width::Dword, value);
            }
        }
        for step in steps {
            let each = |b: &mut Bench| match step {
                Step::Ipi(vector) => b.wrmsr(SELF_IPI, vector.into()),
                Step::Line(line, level) => {
                    b.vm.devices.interrupts.set_line(Gsi(line), level);
                    cpuid(b)
                }
                Step::End => unreachable!("handled below"),
                Step::Cpuid => cpuid(b),
                Step::Notified => b.notified(Arrival::Running),
                Step::TaskPriority(class) => b.wrmsr(0x808, u64::from(class) << 4),
                Step::Interruptible(on) => {
                    b.set_rflags(if on { 0x202 } else { 2 });
                    cpuid(b)
                }
            };
            let (with, without) = match step {
                Step::End => (end(&mut with), without.wrmsr(EOI, 0)),
                _ => (Some(each(&mut with)), each(&mut without)),
            };
            // An end that took no exit is one that would have brought nothing.
            prop_assert_eq!(with.unwrap_or(Outcome::Resume), without, "{:?}", step);
        }
    }
}
