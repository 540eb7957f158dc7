//! Random walks through the whole fabric: one that counts interrupts against a
//! model of sets and rules, and one of any accesses at all.

use std::vec::Vec;

use proptest::prelude::*;

use super::tests::{LEVEL, MASKED, NOW, fabric, ioapic_write, lapic_write, route_pin, symmetric};
use super::*;
use pic::Register::{MasterCommand, MasterData};

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
            let mut restored = super::tests::fabric();
            restored.restore(&fabric.save(now), now);
            prop_assert_eq!(&restored.save(now), &fabric.save(now));
            prop_assert_eq!(restored.next_interrupt(), fabric.next_interrupt());
            // A moment that has passed, and that nobody has advanced to yet, is kept as
            // now: both are due.
            let due = |fabric: &Interrupts| fabric.deadline().map(|at| at.max(now));
            prop_assert_eq!(due(&restored), due(&fabric));
        }
    }
}
