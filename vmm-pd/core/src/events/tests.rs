use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use crate::cpu::testing::FakeCpu;

/// Interrupts and NMIs in a queue.
#[derive(Default)]
struct Queue {
    interrupts: VecDeque<u8>,
    nmi: bool,
}

impl InterruptSource for Queue {
    fn interrupt_pending(&mut self) -> bool {
        !self.interrupts.is_empty()
    }

    fn acknowledge(&mut self) -> Option<Vector> {
        self.interrupts.pop_front().map(Vector)
    }

    fn take_nmi(&mut self) -> bool {
        core::mem::take(&mut self.nmi)
    }
}

fn queue(interrupts: &[u8], nmi: bool) -> Queue {
    Queue { interrupts: interrupts.iter().copied().collect(), nmi }
}

fn cpu(rflags: u64, interruptibility: u32) -> FakeCpu {
    let mut cpu = FakeCpu::long_mode(0);
    cpu.set(StateField::Rflags, rflags);
    cpu.set(StateField::Interruptibility, u64::from(interruptibility));
    cpu
}

fn choose(events: &mut Events, cpu: &mut FakeCpu, source: &mut Queue) -> Option<Event> {
    let mut boundary = Boundary::of(cpu);
    events.choose(cpu, &mut boundary, source)
}

const IF: u64 = RFLAGS_IF | 2;

#[test]
fn an_interrupt_is_taken_when_the_guest_takes_interrupts() {
    let (mut events, mut cpu, mut source) = (Events::default(), cpu(IF, 0), queue(&[0x30], false));
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Interrupt(Vector(0x30))));
    assert!(!cpu.interrupt_window && !cpu.nmi_window);
    assert_eq!(choose(&mut events, &mut cpu, &mut source), None);
}

#[test]
fn an_interrupt_that_cannot_be_taken_waits_for_its_window() {
    for (rflags, blocking) in [(2, 0), (IF, BLOCKING_STI), (IF, BLOCKING_MOV_SS)] {
        let (mut events, mut cpu) = (Events::default(), cpu(rflags, blocking));
        let mut source = queue(&[0x30], false);
        assert_eq!(choose(&mut events, &mut cpu, &mut source), None);
        assert!(cpu.interrupt_window, "{rflags:#x} {blocking:#x}");
        assert_eq!(source.interrupts.len(), 1, "not acknowledged before it is taken");
    }
}

#[test]
fn a_second_interrupt_asks_for_a_window_behind_the_first() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    let mut source = queue(&[0x30, 0x80], false);
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Interrupt(Vector(0x30))));
    assert!(cpu.interrupt_window);
}

#[test]
fn nothing_pending_takes_the_windows_back() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    cpu.interrupt_window = true;
    cpu.nmi_window = true;
    assert_eq!(choose(&mut events, &mut cpu, &mut queue(&[], false)), None);
    assert!(!cpu.interrupt_window && !cpu.nmi_window);
}

#[test]
fn nmi_goes_before_interrupts_and_does_not_need_if() {
    let (mut events, mut cpu) = (Events::default(), cpu(2, 0));
    let mut source = queue(&[0x30], true);
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Nmi));
    assert!(cpu.interrupt_window);
}

#[test]
fn a_blocked_nmi_stays_latched_until_its_window() {
    for blocking in [BLOCKING_NMI, BLOCKING_STI, BLOCKING_MOV_SS, BLOCKING_SMI] {
        let (mut events, mut cpu) = (Events::default(), cpu(2, blocking));
        assert_eq!(choose(&mut events, &mut cpu, &mut queue(&[], true)), None);
        assert!(cpu.nmi_window);
        cpu.set(StateField::Interruptibility, 0);
        assert_eq!(choose(&mut events, &mut cpu, &mut queue(&[], false)), Some(Event::Nmi));
        assert!(!cpu.nmi_window);
    }
}

#[test]
fn nmi_blocking_does_not_hold_interrupts_back() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, BLOCKING_NMI));
    let mut source = queue(&[0x30], true);
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Interrupt(Vector(0x30))));
    assert!(cpu.nmi_window);
}

#[test]
fn an_exception_goes_before_everything_else() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    let mut source = queue(&[0x30], true);
    events.raise(Exception::InvalidOpcode).unwrap();
    assert_eq!(
        choose(&mut events, &mut cpu, &mut source),
        Some(Event::Exception(Exception::InvalidOpcode))
    );
    assert!(cpu.interrupt_window && cpu.nmi_window);
}

#[test]
fn a_fault_is_pushed_with_the_resume_flag() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    events.raise(Exception::GeneralProtection(0)).unwrap();
    choose(&mut events, &mut cpu, &mut queue(&[], false)).unwrap();
    assert_eq!(cpu.get(StateField::Rflags), IF | RFLAGS_RF);
    cpu.set(StateField::Rflags, IF);
    events.raise(Exception::Debug).unwrap();
    choose(&mut events, &mut cpu, &mut queue(&[], false)).unwrap();
    assert_eq!(cpu.get(StateField::Rflags), IF);
}

#[test]
fn a_single_step_trap_goes_before_interrupts() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF | RFLAGS_TF, 0));
    cpu.set(StateField::PendingDebug, PENDING_DEBUG_BS);
    let mut source = queue(&[0x30], true);
    assert_eq!(choose(&mut events, &mut cpu, &mut source), None);
    assert!(cpu.interrupt_window && cpu.nmi_window);
}

/// The CPU after an exit that interrupted the delivery of this.
fn interrupted(info: u32, error_code: u32, rflags: u64, interruptibility: u32) -> FakeCpu {
    let mut cpu = cpu(rflags, interruptibility);
    cpu.set(StateField::IdtVectoringInfo, u64::from(info));
    cpu.set(StateField::IdtVectoringErrorCode, u64::from(error_code));
    cpu
}

#[test]
fn an_interrupted_delivery_is_resumed_first() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x8000_0b0e | 1 << 12, 6, IF, 0);
    let info = events.take_interrupted(&mut cpu, 3).unwrap();
    assert_eq!(info.vector(), Vector(14));
    let mut source = queue(&[0x30], true);
    let event = choose(&mut events, &mut cpu, &mut source).unwrap();
    // Bit 12 is undefined on the way out and must be clear on the way in.
    assert_eq!(event, Event::Redeliver { info: 0x8000_0b0e, error_code: 6, instruction_length: 3 });
    assert!(cpu.interrupt_window && cpu.nmi_window);
}

#[test]
fn nothing_interrupted_costs_one_read() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x0000_0b0e, 6, IF, 0);
    assert_eq!(events.take_interrupted(&mut cpu, 3), None);
    assert_eq!(cpu.reads, [StateField::IdtVectoringInfo]);
}

#[test]
fn an_interrupted_nmi_unblocks_nmis_to_be_injected_again() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x8000_0202, 0, 2, BLOCKING_NMI);
    events.take_interrupted(&mut cpu, 0).unwrap();
    let event = choose(&mut events, &mut cpu, &mut queue(&[], false)).unwrap();
    assert_eq!(EntryWords::of(event, true).info, 0x8000_0202);
    assert_eq!(cpu.get(StateField::Interruptibility), 0);
}

#[test]
fn exceptions_combine_as_table_6_5_says() {
    let hardware = |vector: u8| InterruptionInfo(0x8000_0300 | u32::from(vector));
    let contributory = [0, 10, 11, 12, 13];
    let benign = [1, 5, 6, 7, 16, 17, 18, 19];
    for second in contributory {
        for first in contributory {
            assert_eq!(combine(hardware(first), Vector(second)), Combined::DoubleFault);
        }
        assert_eq!(combine(hardware(14), Vector(second)), Combined::DoubleFault);
        assert_eq!(combine(hardware(8), Vector(second)), Combined::TripleFault);
        for first in benign {
            assert_eq!(combine(hardware(first), Vector(second)), Combined::ExceptionOnly);
        }
    }
    for first in contributory {
        assert_eq!(combine(hardware(first), Vector(14)), Combined::ExceptionOnly);
    }
    assert_eq!(combine(hardware(14), Vector(14)), Combined::DoubleFault);
    assert_eq!(combine(hardware(8), Vector(14)), Combined::TripleFault);
    for second in benign {
        assert_eq!(combine(hardware(8), Vector(second)), Combined::ExceptionOnly);
        assert_eq!(combine(hardware(14), Vector(second)), Combined::ExceptionOnly);
    }
    // Interrupts and NMIs, whatever their vector, are benign and come later.
    for kind in [0x000, 0x200] {
        assert_eq!(combine(InterruptionInfo(0x8000_000e | kind), Vector(13)), Combined::Both);
    }
    // Software events run again.
    for kind in [0x400, 0x500, 0x600] {
        let first = InterruptionInfo(0x8000_000e | kind);
        assert_eq!(combine(first, Vector(13)), Combined::ExceptionOnly);
    }
}

#[test]
fn an_interrupt_whose_delivery_failed_is_not_lost() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x8000_0030, 0, IF, 0);
    events.take_interrupted(&mut cpu, 0).unwrap();
    events.raise(Exception::AlignmentCheck).unwrap();
    let mut source = queue(&[0x80], false);
    assert_eq!(
        choose(&mut events, &mut cpu, &mut source),
        Some(Event::Exception(Exception::AlignmentCheck))
    );
    assert!(cpu.interrupt_window && events.wait());
    // It comes before what the fabric holds, and only once.
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Interrupt(Vector(0x30))));
    assert_eq!(choose(&mut events, &mut cpu, &mut source), Some(Event::Interrupt(Vector(0x80))));
    assert_eq!(choose(&mut events, &mut cpu, &mut source), None);
}

#[test]
fn a_fault_in_a_double_fault_shuts_down() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x8000_0b08, 0, IF, 0);
    events.take_interrupted(&mut cpu, 0).unwrap();
    assert_eq!(events.raise(Exception::GeneralProtection(0)), Err(TripleFault));
}

#[test]
fn two_contributory_faults_become_a_double_fault() {
    let mut events = Events::default();
    let mut cpu = interrupted(0x8000_0b0d, 0, IF, 0);
    events.take_interrupted(&mut cpu, 0).unwrap();
    events.raise(Exception::GeneralProtection(0x10)).unwrap();
    let event = choose(&mut events, &mut cpu, &mut queue(&[], false)).unwrap();
    assert_eq!(
        EntryWords::of(event, true),
        EntryWords { info: 0x8000_0b08, error_code: Some(0), instruction_length: None, cr2: None }
    );
}

#[test]
fn what_an_entry_should_have_delivered_is_remembered_until_the_next_choice() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    let given = choose(&mut events, &mut cpu, &mut queue(&[0x30], false));
    assert!(given.is_some());
    assert_eq!(events.given(), given);
    assert_eq!(choose(&mut events, &mut cpu, &mut queue(&[], false)), None);
    assert_eq!(events.given(), None);
}

#[test]
fn windows_are_asked_for_without_reading_the_guest() {
    let (mut events, mut cpu) = (Events::default(), cpu(IF, 0));
    cpu.forget();
    events.ask_windows(&mut cpu, &mut queue(&[0x30], true));
    assert!(cpu.interrupt_window && cpu.nmi_window);
    assert!(cpu.reads.is_empty() && cpu.writes.is_empty());
    // The NMI was taken out of the fabric and is still there.
    assert_eq!(choose(&mut events, &mut cpu, &mut queue(&[], false)), Some(Event::Nmi));
}

#[test]
fn entry_words_follow_table_25_17() {
    let words = |event| EntryWords::of(event, true);
    assert_eq!(words(Event::Interrupt(Vector(0x30))).info, 0x8000_0030);
    assert_eq!(words(Event::Nmi).info, 0x8000_0202);
    assert_eq!(words(Event::Exception(Exception::InvalidOpcode)).info, 0x8000_0306);
    let fault = Exception::PageFault { address: 0xdead_beef, error_code: 7 };
    assert_eq!(
        words(Event::Exception(fault)),
        EntryWords {
            info: 0x8000_0b0e,
            error_code: Some(7),
            instruction_length: None,
            cr2: Some(0xdead_beef)
        }
    );
    let int3 = Event::Redeliver { info: 0x8000_0603, error_code: 9, instruction_length: 1 };
    assert_eq!(
        words(int3),
        EntryWords { info: 0x8000_0603, error_code: None, instruction_length: Some(1), cr2: None }
    );
}

#[test]
fn real_mode_exceptions_have_no_error_code() {
    let event = Event::Exception(Exception::GeneralProtection(0));
    let words = EntryWords::of(event, false);
    assert_eq!((words.info, words.error_code), (0x8000_030d, None));
}

proptest! {
    /// Whatever the processor recorded, the entry field passes the checks of
    /// vol. 3C, 27.2.1.3 that concern reserved bits and NMI.
    #[test]
    fn any_interrupted_event_can_be_given_back(
        info: u32,
        error_code: u32,
        length: u32,
        rflags: u64,
        blocking in 0u32..16,
    ) {
        let mut events = Events::default();
        let mut cpu = interrupted(info, error_code, rflags, blocking);
        let taken = events.take_interrupted(&mut cpu, length);
        let event = choose(&mut events, &mut cpu, &mut queue(&[], false));
        prop_assert_eq!(taken.is_some(), event.is_some());
        if let Some(event) = event {
            let words = EntryWords::of(event, true);
            prop_assert_eq!(words.info & 0x7fff_f000, 0);
            if InterruptionInfo(words.info).kind() == EventKind::Nmi {
                prop_assert_eq!(cpu.get(StateField::Interruptibility) & 8, 0);
            }
        }
    }

    /// No interrupt is lost or doubled, whatever the guest's state is in between.
    #[test]
    fn every_interrupt_is_delivered_once(
        vectors in prop::collection::vec(16u8.., 0..8),
        states in prop::collection::vec((any::<bool>(), 0u32..4), 0..40),
    ) {
        let mut events = Events::default();
        let mut source = queue(&vectors, false);
        let mut delivered = std::vec::Vec::new();
        let open = std::iter::repeat_n((true, 0), vectors.len());
        for (enabled, blocking) in states.into_iter().chain(open) {
            let mut cpu = cpu(if enabled { IF } else { 2 }, blocking);
            if let Some(Event::Interrupt(vector)) = choose(&mut events, &mut cpu, &mut source) {
                prop_assert!(enabled && blocking == 0);
                delivered.push(vector.0);
            }
            prop_assert_eq!(cpu.interrupt_window, delivered.len() < vectors.len());
        }
        prop_assert_eq!(delivered, vectors);
    }
}
