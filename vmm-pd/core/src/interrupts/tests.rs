//! The fabric as a whole: a driver that initialises the controllers in Linux's
//! order, the wires between them, and a random walk that counts interrupts.

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use pic::Register::{MasterCommand, MasterData, SlaveCommand, SlaveData};

const NOW: Ticks = Ticks(1_000);

fn fabric() -> Interrupts {
    Interrupts::new(TscFrequency::new(100_000_000).unwrap(), 39)
}

fn pic_init(fabric: &mut Interrupts, master: u8, slave: u8) {
    for (register, value) in [
        (MasterData, 0xFF),
        (MasterCommand, 0x11),
        (MasterData, 0x30),
        (MasterData, 0x04),
        (MasterData, 0x01),
        (SlaveCommand, 0x11),
        (SlaveData, 0x38),
        (SlaveData, 0x02),
        (SlaveData, 0x01),
        (MasterData, master),
        (SlaveData, slave),
    ] {
        fabric.pic_write(register, value);
    }
}

fn lapic_write(fabric: &mut Interrupts, offset: u32, value: u32) {
    fabric.lapic_write(offset, Width::Dword, u64::from(value), NOW);
}

fn lapic_read(fabric: &mut Interrupts, offset: u32) -> u32 {
    fabric.lapic_read(offset, Width::Dword, NOW) as u32
}

fn ioapic_write(fabric: &mut Interrupts, index: u8, value: u32) {
    fabric.ioapic_write(0x00, Width::Dword, u64::from(index));
    fabric.ioapic_write(0x10, Width::Dword, u64::from(value));
}

fn ioapic_read(fabric: &mut Interrupts, index: u8) -> u32 {
    fabric.ioapic_write(0x00, Width::Dword, u64::from(index));
    fabric.ioapic_read(0x10, Width::Dword) as u32
}

fn route_pin(fabric: &mut Interrupts, pin: u8, low: u32) {
    ioapic_write(fabric, 0x11 + 2 * pin, 0);
    ioapic_write(fabric, 0x10 + 2 * pin, low);
}

const LEVEL: u32 = 1 << 15;
const MASKED: u32 = 1 << 16;

/// APIC enabled, LINT0 masked, flat logical ID 1, PIC masked.
fn symmetric() -> Interrupts {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0xFF, 0xFF);
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    lapic_write(&mut fabric, 0xD0, 1 << 24);
    fabric
}

fn eoi(fabric: &mut Interrupts) {
    lapic_write(fabric, 0xB0, 0);
}

#[test]
fn linux_brings_up_the_controllers_and_takes_a_timer_and_a_level_interrupt() {
    let mut fabric = fabric();
    fabric.enter_virtual_wire();

    // init_8259A, then the timer on the virtual wire.
    pic_init(&mut fabric, 0xFB, 0xFF);
    fabric.pic_write(MasterData, 0xFA);
    fabric.set_timer_output(pit::Output::Rose);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x30)));
    fabric.pic_write(MasterCommand, 0x60);
    assert!(!fabric.has_pending());

    // clear_local_APIC and setup_local_APIC.
    assert_eq!(lapic_read(&mut fabric, 0x30) & 0xFF, 0x14);
    for offset in [0x320, 0x330, 0x340, 0x350, 0x360, 0x370] {
        let value = lapic_read(&mut fabric, offset);
        lapic_write(&mut fabric, offset, value | MASKED);
    }
    lapic_write(&mut fabric, 0xE0, 0xFFFF_FFFF);
    lapic_write(&mut fabric, 0xD0, 1 << 24);
    lapic_write(&mut fabric, 0x80, 0x10);
    for n in 0..8 {
        assert_eq!(lapic_read(&mut fabric, 0x100 + n * 0x10), 0, "nothing in service");
    }
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    lapic_write(&mut fabric, 0x350, 0x10700);
    lapic_write(&mut fabric, 0x360, 0x400);
    lapic_write(&mut fabric, 0x280, 0);
    lapic_write(&mut fabric, 0x370, 0xFE);
    lapic_write(&mut fabric, 0x280, 0);
    assert_eq!(lapic_read(&mut fabric, 0x280), 0, "no errors so far");

    // setup_IO_APIC: 24 pins; the timer on pin 2, the SCI on 9 by level.
    assert_eq!(ioapic_read(&mut fabric, 1) >> 16 & 0xFF, 23);
    for pin in 0..24 {
        assert_eq!(ioapic_read(&mut fabric, 0x10 + 2 * pin) & MASKED, MASKED);
    }
    fabric.pic_write(MasterData, 0xFF);
    route_pin(&mut fabric, 2, 0x0830);
    route_pin(&mut fabric, 9, 0x0839 | LEVEL | 1 << 13);
    ioapic_write(&mut fabric, 0x11 + 4, 1 << 24);
    ioapic_write(&mut fabric, 0x11 + 18, 1 << 24);

    // timer_irq_works.
    for _ in 0..5 {
        fabric.set_timer_output(pit::Output::Rose);
        assert_eq!(fabric.acknowledge(), Some(Vector(0x30)));
        eoi(&mut fabric);
        assert_eq!(fabric.acknowledge(), None);
    }

    fabric.set_line(Gsi(9), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)));
    assert_eq!(fabric.acknowledge(), None, "one at a time");
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)), "still asserted");
    fabric.set_line(Gsi(9), false);
    eoi(&mut fabric);
    assert!(!fabric.has_pending());

    // x2APIC, and the same again by MSR.
    let base = fabric.apic_base();
    fabric.set_apic_base(base | 1 << 10, NOW).unwrap();
    assert_eq!(fabric.lapic_base(), None);
    assert_eq!(fabric.x2apic_read(Msr(0x802), NOW), Ok(0));
    fabric.set_line(Gsi(9), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x39)));
    fabric.set_line(Gsi(9), false);
    fabric.x2apic_write(Msr(0x80B), 0, NOW).unwrap();
    assert!(!fabric.has_pending());
    assert_eq!(ioapic_read(&mut fabric, 0x10 + 18) & 1 << 14, 0, "the EOI reached it");
}

#[test]
fn after_reset_the_8259_pair_reaches_nobody() {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0, 0);
    fabric.set_line(Gsi(4), true);
    assert!(!fabric.has_pending());
    fabric.enter_virtual_wire();
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
}

#[test]
fn without_an_apic_lint0_is_intr_and_lint1_nmi() {
    let mut fabric = fabric();
    pic_init(&mut fabric, 0, 0);
    let base = fabric.apic_base();
    fabric.set_apic_base(base & !(1 << 11), NOW).unwrap();
    fabric.set_line(Gsi(4), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    fabric.set_nmi_line(true);
    assert!(fabric.take_nmi());
    assert!(!fabric.take_nmi());
}

#[test]
fn ext_int_goes_before_the_apic_and_ignores_its_priorities() {
    let mut fabric = symmetric();
    fabric.pic_write(MasterData, 0xEF);
    lapic_write(&mut fabric, 0x350, 0x700);
    lapic_write(&mut fabric, 0x300, 0x4_00F0);
    fabric.set_cr8(15);
    assert_eq!(fabric.next_interrupt(), None, "class 15 is masked");
    fabric.set_line(Gsi(4), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    fabric.set_cr8(0);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    assert_eq!(fabric.acknowledge(), Some(Vector(0xF0)));
}

#[test]
fn an_ext_int_entry_of_the_io_apic_lets_the_pair_through() {
    let mut fabric = symmetric();
    fabric.pic_write(MasterData, 0x00);
    fabric.set_line(Gsi(4), true);
    assert!(!fabric.has_pending());
    route_pin(&mut fabric, 0, 0x700);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x34)));
    fabric.pic_write(MasterCommand, 0x20);
    assert!(!fabric.has_pending());
    route_pin(&mut fabric, 0, 0x700 | MASKED);
    fabric.set_line(Gsi(5), true);
    assert!(!fabric.has_pending());
}

#[test]
fn an_ext_int_message_of_another_pin_runs_an_acknowledge_cycle() {
    // What Linux does to free a pair that waits for one (unlock_ExtINT_logic).
    let mut fabric = symmetric();
    route_pin(&mut fabric, 8, 0x700);
    fabric.set_line(Gsi(8), true);
    assert_eq!(fabric.next_interrupt(), Some(Source::ExtInt));
    assert_eq!(fabric.acknowledge(), Some(Vector(0x37)), "spurious: nothing is unmasked");
    assert!(!fabric.has_pending());
}

#[test]
fn lint0_as_fixed_interrupt_takes_the_pairs_edges() {
    // Linux's fallback "Virtual Wire IRQ".
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0x350, 0x31);
    fabric.pic_write(MasterData, 0xFE);
    fabric.set_timer_output(pit::Output::Rose);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x31)));
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), None);
}

#[test]
fn a_level_refused_by_a_disabled_apic_comes_when_it_is_enabled() {
    let mut fabric = fabric();
    route_pin(&mut fabric, 10, 0x45 | LEVEL);
    fabric.set_line(Gsi(10), true);
    assert!(!fabric.has_pending());
    assert_ne!(ioapic_read(&mut fabric, 0x10 + 20) & 1 << 12, 0, "send pending");
    lapic_write(&mut fabric, 0xF0, 0x1FF);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
    assert_eq!(ioapic_read(&mut fabric, 0x10 + 20) & 1 << 12, 0);
}

#[test]
fn suppressed_eoi_broadcasts_leave_the_end_to_the_io_apics_register() {
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0xF0, 0x1FF | 1 << 12);
    route_pin(&mut fabric, 10, 0x45 | LEVEL);
    fabric.set_line(Gsi(10), true);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
    eoi(&mut fabric);
    assert_eq!(fabric.acknowledge(), None);
    fabric.ioapic_write(0x40, Width::Dword, 0x45);
    assert_eq!(fabric.acknowledge(), Some(Vector(0x45)));
}

#[test]
fn nmi_by_line_pin_entry_and_ipi() {
    let mut fabric = symmetric();
    assert!(!fabric.nmi_possible());
    fabric.set_nmi_line(true);
    assert!(!fabric.nmi_pending(), "LINT1 is masked");
    fabric.set_nmi_line(false);
    lapic_write(&mut fabric, 0x360, 0x400);
    fabric.set_nmi_line(true);
    fabric.set_nmi_line(true);
    assert!(fabric.has_pending() && fabric.take_nmi() && !fabric.take_nmi());
    lapic_write(&mut fabric, 0x300, 0x400);
    assert!(fabric.take_nmi());
    route_pin(&mut fabric, 7, 0x400);
    assert!(fabric.nmi_possible());
    fabric.set_line(Gsi(7), true);
    assert!(fabric.take_nmi());
}

#[test]
fn an_init_to_itself_resets_the_apic_but_not_its_base() {
    let mut fabric = symmetric();
    lapic_write(&mut fabric, 0x300, 0x4_00F0);
    lapic_write(&mut fabric, 0x300, 0x500);
    assert!(fabric.init_pending() && fabric.has_pending());
    assert!(fabric.take_init());
    assert!(!fabric.has_pending());
    assert_eq!(lapic_read(&mut fabric, 0xF0), 0xFF);
    assert_eq!(fabric.apic_base(), 0xFEE0_0900);
}

#[test]
fn lines_that_no_pin_has_are_ignored() {
    let mut fabric = symmetric();
    let before = fabric.clone();
    for gsi in [0, 24, 31, 32, 255] {
        fabric.set_line(Gsi(gsi), true);
        fabric.set_line(Gsi(gsi), false);
    }
    assert_eq!(fabric, before);
}

#[test]
fn reset_is_power_up() {
    let mut fabric = symmetric();
    route_pin(&mut fabric, 10, 0x45 | LEVEL);
    fabric.set_line(Gsi(10), true);
    fabric.set_nmi_line(true);
    fabric.raise_nmi();
    fabric.reset();
    assert_eq!(fabric, self::fabric());
}

/// What a guest and its devices may do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Line(u8, bool),
    Mask(u8, bool),
    Priority(u8),
    Ipi(u8),
    Acknowledge,
    Eoi,
}

/// Pins 16 to 23 have vectors of their own, the even ones by level.
fn vector_of(pin: u8) -> u8 {
    0x30 + 0x10 * (pin - 16)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (16u8..24, any::<bool>()).prop_map(|(pin, level)| Step::Line(pin, level)),
        2 => (16u8..24, any::<bool>()).prop_map(|(pin, masked)| Step::Mask(pin, masked)),
        1 => (0u8..16).prop_map(Step::Priority),
        1 => (0x20u8..=0xFF).prop_map(Step::Ipi),
        4 => Just(Step::Acknowledge),
        4 => Just(Step::Eoi),
    ]
}

/// The same by sets and rules, with no caches and no registers.
struct Model {
    line: [bool; 8],
    masked: [bool; 8],
    remote_irr: [bool; 8],
    requested: Vec<u8>,
    served: Vec<u8>,
    priority: u8,
}

impl Model {
    fn is_level(n: usize) -> bool {
        n.is_multiple_of(2)
    }

    fn request(&mut self, vector: u8) {
        if !self.requested.contains(&vector) {
            self.requested.push(vector);
        }
    }

    fn settle(&mut self) {
        for n in 0..8 {
            if Self::is_level(n) && self.line[n] && !self.masked[n] && !self.remote_irr[n] {
                self.remote_irr[n] = true;
                self.request(vector_of(n as u8 + 16));
            }
        }
    }

    fn next(&self) -> Option<u8> {
        let vector = *self.requested.iter().max()?;
        let serving = self.served.iter().max().map_or(0, |v| v >> 4);
        (vector >> 4 > serving.max(self.priority)).then_some(vector)
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Line(pin, level) => {
                let n = usize::from(pin - 16);
                let rose = level && !self.line[n];
                self.line[n] = level;
                if rose && !Self::is_level(n) && !self.masked[n] {
                    self.request(vector_of(pin));
                }
            }
            Step::Mask(pin, masked) => self.masked[usize::from(pin - 16)] = masked,
            Step::Priority(class) => self.priority = class,
            Step::Ipi(vector) => self.request(vector),
            Step::Acknowledge => {
                if let Some(vector) = self.next() {
                    self.requested.retain(|&v| v != vector);
                    self.served.push(vector);
                }
            }
            Step::Eoi => {
                if let Some(&vector) = self.served.iter().max() {
                    self.served.retain(|&v| v != vector);
                    for n in 0..8 {
                        if vector_of(n as u8 + 16) == vector {
                            self.remote_irr[n] = false;
                        }
                    }
                }
            }
        }
        self.settle();
    }
}

proptest! {
    #[test]
    fn interrupts_are_neither_lost_nor_doubled(
        extended in any::<bool>(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut fabric = symmetric();
        if extended {
            let base = fabric.apic_base();
            fabric.set_apic_base(base | 1 << 10, NOW).unwrap();
        }
        let write = |fabric: &mut Interrupts, register: u32, value: u32| {
            if extended {
                fabric.x2apic_write(Msr(0x800 + register), u64::from(value), NOW).unwrap();
            } else {
                lapic_write(fabric, register << 4, value);
            }
        };
        let low = |pin: u8, masked: bool| {
            u32::from(vector_of(pin))
                | if pin.is_multiple_of(2) { LEVEL } else { 0 }
                | if masked { MASKED } else { 0 }
        };
        for pin in 16..24 {
            route_pin(&mut fabric, pin, low(pin, false));
        }
        let mut model = Model {
            line: [false; 8],
            masked: [false; 8],
            remote_irr: [false; 8],
            requested: Vec::new(),
            served: Vec::new(),
            priority: 0,
        };
        for step in steps {
            // An IPI with a level pin's vector shares IRR and TMR with it: what
            // comes of that is for the guest to avoid.
            if let Step::Ipi(vector) = step
                && vector & 0xF == 0
            {
                continue;
            }
            let expected = model.next();
            prop_assert_eq!(
                fabric.next_interrupt(),
                expected.map(|vector| Source::Local(Vector(vector)))
            );
            prop_assert_eq!(fabric.has_pending(), expected.is_some());
            match step {
                Step::Line(pin, level) => fabric.set_line(Gsi(pin), level),
                Step::Mask(pin, masked) => {
                    ioapic_write(&mut fabric, 0x10 + 2 * pin, low(pin, masked));
                }
                Step::Priority(class) => fabric.set_cr8(u64::from(class)),
                Step::Ipi(vector) => {
                    if extended {
                        write(&mut fabric, 0x3F, u32::from(vector));
                    } else {
                        write(&mut fabric, 0x30, 0x4_0000 | u32::from(vector));
                    }
                }
                Step::Acknowledge => {
                    prop_assert_eq!(fabric.acknowledge(), expected.map(Vector));
                }
                Step::Eoi => write(&mut fabric, 0x0B, 0),
            }
            model.apply(step);
        }
    }

    #[test]
    fn no_access_sequence_panics_and_a_snapshot_changes_nothing(
        accesses in prop::collection::vec((0u8..14, any::<u64>(), any::<u16>()), 0..200),
    ) {
        let mut fabric = fabric();
        let mut now = Ticks(0);
        for (what, value, n) in accesses {
            now = now.saturating_add(Ticks(value >> (n & 63)));
            let width = [Width::Byte, Width::Word, Width::Dword, Width::Qword]
                [usize::from(n >> 8) & 3];
            let offset = u32::from(n & 0x3FF);
            match what {
                0 => { fabric.lapic_read(offset, width, now); }
                1 | 2 => fabric.lapic_write(offset & !0xF, Width::Dword, value, now),
                3 => fabric.lapic_write(offset, width, value, now),
                4 => { fabric.ioapic_read(offset, width); }
                5 => ioapic_write(&mut fabric, n as u8 & 0x3F, value as u32),
                6 => { let _refused = fabric.set_apic_base(value & 0xFEE0_0FFF, now); }
                7 => { let _refused = fabric.x2apic_read(Msr(0x800 + offset), now); }
                8 => {
                    let msr = Msr(0x800 + (offset & 0x3F));
                    let _refused = fabric.x2apic_write(msr, value >> (n >> 10), now);
                }
                9 => fabric.set_line(Gsi(n as u8), value & 1 != 0),
                10 => { fabric.acknowledge(); }
                11 => fabric.set_tsc_deadline(value, now),
                12 => fabric.pic_write([MasterCommand, MasterData][usize::from(n & 1)], value as u8),
                _ => fabric.advance(now),
            }
            prop_assert_eq!(fabric.has_pending(), fabric.next_interrupt().is_some()
                || fabric.nmi_pending() || fabric.init_pending());
            let mut restored = self::fabric();
            restored.restore(&fabric.save(now), now);
            prop_assert_eq!(&restored.save(now), &fabric.save(now));
            prop_assert_eq!(restored.next_interrupt(), fabric.next_interrupt());
            prop_assert_eq!(restored.deadline(), fabric.deadline());
        }
    }
}
