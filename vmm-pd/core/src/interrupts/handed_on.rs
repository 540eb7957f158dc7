//! Interrupts of real devices on their way through the fabric: a level is asserted
//! from its arrival to the guest's end of it, and then may arrive again.

use proptest::prelude::*;

use super::tests::{LEVEL, MASKED, eoi, fabric, ioapic_write, pic_init, route_pin, symmetric};
use super::*;
use pic::Register::{MasterCommand, MasterData, SlaveCommand};

const LINE: Gsi = Gsi(20);
const BIT: u32 = 1 << 20;

/// The machine's line with the kernel's mask: it arrives while the device asserts it and
/// the last arrival was acknowledged.
#[derive(Default)]
struct Line {
    asserted: bool,
    masked: bool,
    arrivals: u32,
}

impl Line {
    /// What the kernel and the VMM's shell do.
    fn settle(&mut self, fabric: &mut Interrupts) {
        for _ in 0..100 {
            if fabric.take_ended() & BIT != 0 {
                self.masked = false;
            }
            if !self.asserted || self.masked {
                return;
            }
            self.masked = true;
            self.arrivals += 1;
            fabric.hold_line(LINE);
        }
        panic!("a storm");
    }
}

fn routed() -> Interrupts {
    let mut fabric = symmetric();
    route_pin(&mut fabric, LINE.0, 0x51 | LEVEL);
    fabric
}

#[test]
fn a_level_is_one_interrupt_until_the_guest_has_ended_it() {
    let (mut fabric, mut line) = (routed(), Line::default());
    line.asserted = true;
    line.settle(&mut fabric);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
    assert!(!fabric.has_ended() && fabric.line(LINE));
    // The driver quiets the device, then ends the interrupt.
    line.asserted = false;
    line.settle(&mut fabric);
    eoi(&mut fabric);
    assert!(fabric.has_ended() && !fabric.line(LINE));
    line.settle(&mut fabric);
    assert_eq!((fabric.next_interrupt(), line.arrivals, line.masked), (None, 1, false));
}

#[test]
fn a_device_that_never_stops_costs_an_interrupt_for_each_that_is_ended() {
    let (mut fabric, mut line) = (routed(), Line::default());
    line.asserted = true;
    for round in 1..=5 {
        line.settle(&mut fabric);
        assert_eq!(line.arrivals, round);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
        eoi(&mut fabric);
    }
}

/// Linux's way with threads: mask the pin, end the interrupt, unmask it when the thread
/// is done.
#[test]
fn a_pin_that_the_guest_masks_holds_the_next_one_back() {
    let (mut fabric, mut line) = (routed(), Line::default());
    line.asserted = true;
    line.settle(&mut fabric);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
    ioapic_write(&mut fabric, 0x10 + 2 * LINE.0, 0x51 | LEVEL | MASKED);
    eoi(&mut fabric);
    line.settle(&mut fabric);
    assert_eq!((fabric.next_interrupt(), line.arrivals), (None, 2));
    assert!(!fabric.has_ended(), "it waits at the pin");
    ioapic_write(&mut fabric, 0x10 + 2 * LINE.0, 0x51 | LEVEL);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
}

#[test]
fn the_register_of_the_io_apic_ends_it_too_and_so_does_a_moment_of_edges() {
    let end = |how: fn(&mut Interrupts)| {
        let mut fabric = routed();
        fabric.hold_line(LINE);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
        how(&mut fabric);
        fabric.take_ended()
    };
    assert_eq!(end(|fabric| fabric.ioapic_write(0x40, Width::Dword, 0x51)), BIT);
    assert_eq!(end(|fabric| fabric.ioapic_write(0x40, Width::Dword, 0x52)), 0);
    let edges = |fabric: &mut Interrupts| ioapic_write(fabric, 0x10 + 2 * LINE.0, 0x51 | MASKED);
    assert_eq!(end(edges), BIT);
}

#[test]
fn at_an_8259_the_command_ends_it_and_without_commands_the_acknowledgement() {
    const ISA: Gsi = Gsi(10);
    let mut fabric = fabric();
    fabric.enter_virtual_wire();
    pic_init(&mut fabric, 0xFB, !(1 << 2));
    fabric.pic_write(pic::Register::SlaveElcr, 1 << 2);
    fabric.hold_line(ISA);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x3A)));
    assert!(!fabric.has_ended());
    fabric.pic_write(MasterCommand, 0x20);
    assert!(!fabric.has_ended(), "that is the other chip");
    fabric.pic_write(SlaveCommand, 0x20);
    assert_eq!(fabric.take_ended(), 1 << ISA.0);
    assert_eq!(fabric.next_interrupt(), None);

    // Automatic end of interrupt, at both.
    for (command, words) in [
        (MasterCommand, [0x11, 0x30, 0x04, 0x03, 0xFB]),
        (SlaveCommand, [0x11, 0x38, 0x02, 0x03, !(1 << 2)]),
    ] {
        let data = if command == MasterCommand { MasterData } else { pic::Register::SlaveData };
        let [first, rest @ ..] = words;
        fabric.pic_write(command, first);
        rest.into_iter().for_each(|word| fabric.pic_write(data, word));
    }
    fabric.hold_line(ISA);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x3A)));
    assert_eq!(fabric.take_ended(), 1 << ISA.0);
}

#[test]
fn every_edge_reaches_the_guest_and_none_is_ended() {
    const ISA: Gsi = Gsi(3);
    let mut fabric = symmetric();
    route_pin(&mut fabric, ISA.0, 0x41);
    for _ in 0..3 {
        fabric.pulse_line(ISA);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x41)));
        eoi(&mut fabric);
        assert!(!fabric.has_ended());
        assert_eq!(fabric.next_interrupt(), None);
    }
    // At an 8259 as well, which forgets an edge that falls.
    let mut fabric = super::tests::fabric();
    fabric.enter_virtual_wire();
    pic_init(&mut fabric, !(1 << 3), 0xFF);
    for _ in 0..3 {
        fabric.pulse_line(ISA);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x33)));
        fabric.pic_write(MasterCommand, 0x20);
    }
}

#[test]
fn an_end_of_an_interrupt_that_exits_is_not_taken_for_a_silent_one() {
    let mut fabric = routed();
    fabric.hold_line(LINE);
    fabric.acknowledge();
    assert!(!fabric.end_is_silent(), "the machine's line waits for it");
}

/// What a guest and a device may do to a line.
#[derive(Clone, Copy, Debug)]
enum Step {
    Assert(bool),
    Mask(bool),
    Acknowledge,
    Eoi,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Assert),
        any::<bool>().prop_map(Step::Mask),
        Just(Step::Acknowledge),
        Just(Step::Eoi),
    ]
}

proptest! {
    /// However guest and device take turns: no storm, and nothing is lost. A guest that
    /// lets interrupts come and ends them gets one if the device asserts its line.
    #[test]
    fn no_order_of_events_loses_the_line_or_floods_the_vmm(
        steps in prop::collection::vec(step(), 0..100),
    ) {
        let (mut fabric, mut line) = (routed(), Line::default());
        let mut ends = 0;
        for step in steps {
            match step {
                Step::Assert(asserted) => line.asserted = asserted,
                Step::Mask(masked) => {
                    let mask = if masked { MASKED } else { 0 };
                    ioapic_write(&mut fabric, 0x10 + 2 * LINE.0, 0x51 | LEVEL | mask);
                }
                Step::Acknowledge => { fabric.acknowledge(); }
                Step::Eoi => { eoi(&mut fabric); ends += 1; }
            }
            line.settle(&mut fabric);
            prop_assert!(line.arrivals <= ends + 1);
        }
        line.asserted = true;
        line.settle(&mut fabric);
        ioapic_write(&mut fabric, 0x10 + 2 * LINE.0, 0x51 | LEVEL);
        // What is still in service ends; then the next one comes.
        eoi(&mut fabric);
        line.settle(&mut fabric);
        prop_assert_eq!(fabric.acknowledge(), Some(Vector(0x51)));
    }
}
