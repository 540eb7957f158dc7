//! What must hold after each exit and notification.

use vmm_core::{
    cpu::{Event, StateField},
    events::{EntryWords, PENDING_DEBUG_BS, RFLAGS_IF, RFLAGS_TF},
    exit::{EventKind, ExitMessage, InterruptionInfo},
    outcome::{Outcome, StopReason, result},
    report,
};

use super::world::{Stand, World};

/// What waited before.
pub(super) struct Before {
    /// The local APIC's requests.
    requests: [u64; 4],
    apic_base: u64,
    nmi: bool,
    /// An interrupt that was interrupted must come first.
    owed: Option<u8>,
}

impl Before {
    pub(super) fn of(world: &World) -> Self {
        let interrupts = &world.vm.devices.interrupts;
        Before {
            requests: interrupts.save(world.cpu.ticks).lapic.request,
            apic_base: interrupts.apic_base(),
            nmi: interrupts.nmi_pending() || world.cpu.nmi_window,
            owed: world.owed,
        }
    }
}

/// Whether the guest would take an interrupt where it stands (Intel SDM
/// vol. 3A, 6.8.1; vol. 3C, 27.3.1.5).
fn takes_interrupt(world: &World) -> bool {
    let rflags = world.cpu.get(StateField::Rflags);
    let trap =
        rflags & RFLAGS_TF != 0 && world.cpu.get(StateField::PendingDebug) & PENDING_DEBUG_BS != 0;
    rflags & RFLAGS_IF != 0 && !trap && world.cpu.get(StateField::Interruptibility) & 3 == 0
}

pub(super) fn after_exit(
    world: &mut World,
    before: &Before,
    message: &ExitMessage,
    outcome: &Outcome,
) {
    common(world, before, outcome);
    let waits = world.vm.devices.interrupts.next_interrupt().is_some() || world.owed.is_some();
    match outcome {
        Outcome::Resume | Outcome::Halt { .. } if takes_interrupt(world) => {
            assert!(!waits, "{outcome:?} after {message:?}, but an interrupt could be delivered");
        }
        Outcome::Resume | Outcome::Inject(_) => {
            assert_eq!(
                world.cpu.interrupt_window, waits,
                "{outcome:?} after {message:?}: no window for what waits, or one for nothing"
            );
        }
        Outcome::Halt { .. } | Outcome::Stop(_) | Outcome::Restart(_) => {}
    }
    assert!(
        !world.vm.devices.interrupts.init_pending()
            || matches!(outcome, Outcome::Stop(_) | Outcome::Restart(_)),
        "an INIT waits"
    );
}

pub(super) fn after_notification(
    world: &mut World,
    before: &Before,
    waiting: Option<Event>,
    outcome: &Outcome,
) {
    common(world, before, outcome);
    let halted = matches!(world.stand, Stand::Halted { .. });
    if !halted {
        // The guest was not looked at: what was to be delivered still is, and
        // for the rest there are windows.
        assert_eq!(*outcome, waiting.map_or(Outcome::Resume, Outcome::Inject));
        let waits = world.vm.devices.interrupts.next_interrupt().is_some() || world.owed.is_some();
        assert_eq!(world.cpu.interrupt_window, waits, "no window for what a notification brought");
    } else if let Outcome::Halt { .. } = outcome {
        assert!(
            !takes_interrupt(world) || world.vm.devices.interrupts.next_interrupt().is_none(),
            "asleep, but an interrupt could be delivered"
        );
    }
}

fn common(world: &mut World, before: &Before, outcome: &Outcome) {
    let ended = matches!(outcome, Outcome::Stop(_) | Outcome::Restart(_));
    let read_only = |field: StateField| {
        matches!(
            field,
            StateField::IdtVectoringInfo
                | StateField::IdtVectoringErrorCode
                | StateField::ExitInterruptionInfo
                | StateField::ExitInterruptionErrorCode
                | StateField::GuestLinearAddress
        )
    };
    assert!(!world.cpu.writes.iter().any(|(field, _)| read_only(*field)), "writes to read-only");
    deadlines(world);
    if ended {
        return;
    }
    if let Outcome::Halt { until } = outcome {
        assert_eq!(*until, world.vm.next_deadline(), "sleeps past a deadline");
    }
    assert!(!world.vm.devices.interrupts.nmi_pending(), "an NMI was overlooked");
    assert!(
        !before.nmi || world.cpu.nmi_window || *outcome == Outcome::Inject(Event::Nmi),
        "an NMI was lost: {outcome:?}"
    );
    if let Outcome::Inject(event) = outcome {
        injectable(world, *event);
    }
    conserved(world, before, outcome);
}

/// The cached deadline is the earliest of all devices'.
fn deadlines(world: &World) {
    let devices = &world.vm.devices;
    let all = [
        devices.interrupts.deadline(),
        devices.pit.deadline(),
        devices.uart.deadline(),
        devices.rtc.deadline(),
        devices.pm.deadline(),
    ];
    let earliest = all.into_iter().flatten().filter(|at| at.0 != u64::MAX).min();
    assert_eq!(world.vm.next_deadline(), earliest, "a device's deadline is not the machine's");
}

/// Interrupts leave the local APIC by being delivered, and what is delivered was
/// there.
fn conserved(world: &mut World, before: &Before, outcome: &Outcome) {
    let interrupts = &world.vm.devices.interrupts;
    let after = interrupts.save(world.cpu.ticks);
    let has = |set: &[u64; 4], vector: u8| set[usize::from(vector >> 6)] >> (vector & 63) & 1 != 0;
    let injected = match outcome {
        Outcome::Inject(Event::Interrupt(vector)) => Some(vector.0),
        _ => None,
    };
    if interrupts.apic_base() == before.apic_base {
        for vector in 0..=255 {
            assert!(
                !has(&before.requests, vector)
                    || has(&after.lapic.request, vector)
                    || injected == Some(vector),
                "interrupt {vector:#x} was lost: {outcome:?}"
            );
        }
    }
    let Some(vector) = injected else { return };
    if let Some(owed) = before.owed {
        assert_eq!(vector, owed, "an interrupted interrupt comes first");
        world.owed = None;
        return;
    }
    let pic = [&after.pic.master, &after.pic.slave]
        .iter()
        .any(|chip| chip.vector_base & 0xf8 == vector & 0xf8);
    assert!(has(&after.lapic.in_service, vector) || pic, "interrupt {vector:#x} came from nowhere");
}

/// What VM entry checks of an event (Intel SDM vol. 3C, 27.2.1.3, 27.3.1.5).
fn injectable(world: &World, event: Event) {
    let protected = world.cpu.get(StateField::Cr0) & 1 != 0;
    let words = EntryWords::of(event, protected);
    let info = InterruptionInfo(words.info);
    let vector = info.vector().0;
    assert!(info.valid().is_some());
    assert_eq!(words.info & 0x7fff_f000, 0, "reserved bits: {event:?}");
    assert_eq!(info.has_error_code(), words.error_code.is_some());
    let blocking = world.cpu.get(StateField::Interruptibility);
    match info.kind() {
        EventKind::Interrupt => {
            assert!(takes_interrupt(world), "{event:?} is injected where it is blocked");
        }
        EventKind::Nmi => {
            assert_eq!(vector, 2);
            assert_eq!(blocking & 0xf, 0, "an NMI is injected where it is blocked");
        }
        EventKind::HardwareException => {
            assert!(vector < 32);
            let pushes = matches!(vector, 8 | 10..=14 | 17 | 21);
            assert_eq!(info.has_error_code(), pushes && protected, "{event:?}");
        }
        EventKind::SoftwareInterrupt
        | EventKind::PrivilegedSoftwareException
        | EventKind::SoftwareException => {
            assert!(words.instruction_length.is_some_and(|length| length <= 15));
        }
        EventKind::Reserved => panic!("{event:?} is of no kind"),
    }
}

/// A guest that is stopped leaves a reason, a result and a report.
pub(super) fn stopped(world: &mut World, reason: StopReason) {
    assert!(!reason.to_string().is_empty());
    assert!(reason.result() <= result::RESET_REFUSED);
    if reason == StopReason::HaltedForGood {
        assert_eq!(world.cpu.get(StateField::Rflags) & RFLAGS_IF, 0);
    }
    let World { vm, cpu, memory, .. } = world;
    let mut text = String::new();
    report::write(&mut text, reason, vm, cpu, memory).expect("a string takes everything");
    assert!(text.lines().count() > 5);
    assert!(text.is_ascii(), "{text}");
}

/// Nothing of the guest before a restart is left.
pub(super) fn restarted(world: &World) {
    let interrupts = &world.vm.devices.interrupts;
    assert_eq!(interrupts.next_interrupt(), None);
    assert!(!interrupts.nmi_pending() && !interrupts.init_pending());
    assert!(!world.vm.events.wait());
    deadlines(world);
}
