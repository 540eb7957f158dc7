//! What must hold of the interrupt controllers after each step, told from their
//! snapshots alone: nothing here asks the controllers what they think.

use vmm_core::{
    devices::{
        lapic::state::{LapicState, Mode},
        pic::state::{ChipState, PicState, Stage},
    },
    interrupts::{Source, state::InterruptsState},
    types::Vector,
};

/// Bits of a redirection entry (82093AA, 3.2.4).
const LOGICAL: u64 = 1 << 11;
const REMOTE_IRR: u64 = 1 << 14;
const LEVEL: u64 = 1 << 15;
const MASKED: u64 = 1 << 16;

/// Bits of the local APIC's registers (Intel SDM vol. 3A, 11.5 and 11.9).
const SOFTWARE_ENABLED: u32 = 1 << 8;
const LVT_MASKED: u32 = 1 << 16;
/// Where LINT0 is in a snapshot's table; its delivery mode, and ExtINT.
const LINT0: usize = 3;
const DELIVERY_MODE: u32 = 7 << 8;
const EXT_INT: u32 = 7 << 8;

/// The master's input with the slave.
const CASCADE: u8 = 2;

pub(super) fn holds(set: &[u64; 4], vector: u8) -> bool {
    set[usize::from(vector / 64)] >> (vector % 64) & 1 == 1
}

fn highest(set: &[u64; 4]) -> u8 {
    (16..=255).rev().find(|vector| holds(set, *vector)).unwrap_or(0)
}

/// The vector that the local APIC has for the processor (vol. 3A, 11.8.3 and
/// 11.8.4).
fn local(apic: &LapicState) -> Option<Vector> {
    let wants = highest(&apic.request);
    let class = (highest(&apic.in_service) >> 4).max(apic.task_priority >> 4);
    (wants >> 4 > class).then_some(Vector(wants))
}

/// Whether a pin's entry, in a local APIC as this one is, makes an interrupt with a
/// vector: fixed or lowest priority, to all or to the only processor.
fn arrives(entry: u64, apic: &LapicState) -> bool {
    entry & (MASKED | LOGICAL) == 0
        && (entry >> 8 & 7) < 2
        && matches!(entry >> 56, 0 | 0xff)
        && entry & 0xff >= 16
        && apic.mode != Mode::Disabled
        && apic.spurious & SOFTWARE_ENABLED != 0
}

/// The line that a chip interrupts for: down from the highest priority until one is
/// in service (8259A, "fully nested mode" and what departs from it).
fn served_next(chip: &ChipState, slave: u8) -> Option<u8> {
    let requests = chip.lines & (chip.edges | chip.level_triggered) | slave;
    for n in 1..=8 {
        let line = (chip.lowest + n) & 7;
        let has = |set: u8| set >> line & 1 == 1;
        let serves = has(chip.in_service) && !(chip.special_mask && has(chip.mask));
        let wants = has(requests) && !has(chip.mask);
        if serves && !(wants && chip.special_fully_nested && has(chip.cascade)) {
            return None;
        }
        if wants {
            return Some(line);
        }
    }
    None
}

/// Whether both are initialised, and as a PC wires them.
fn is_wired(pic: &PicState) -> bool {
    let PicState { master, slave } = pic;
    let ready = |chip: &ChipState| chip.stage == Stage::Ready && !chip.single;
    ready(master) && ready(slave) && master.cascade == 1 << CASCADE && slave.cascade & 7 == CASCADE
}

fn slave_asks(pic: &PicState) -> u8 {
    u8::from(served_next(&pic.slave, 0).is_some()) << CASCADE
}

/// The vector that the pair gives now; none where it is not wired as in a PC.
pub(super) fn of_pair(pic: &PicState) -> Option<Vector> {
    const SPURIOUS: u8 = 7;
    let (chip, line) = match served_next(&pic.master, slave_asks(pic)) {
        Some(CASCADE) => (&pic.slave, served_next(&pic.slave, 0)),
        line => (&pic.master, line),
    };
    is_wired(pic).then(|| Vector(chip.vector_base | line.unwrap_or(SPURIOUS)))
}

/// What holds whenever a step is over. `offered` is what the processor would take.
pub(super) fn at_rest(state: &InterruptsState, offered: Option<Source>) {
    let InterruptsState { lapic, ioapic, pic, .. } = state;
    if offered != Some(Source::ExtInt) {
        assert_eq!(offered, local(lapic).map(Source::Local), "the local APIC offers");
    }
    assert_eq!(ioapic.edges, 0, "an edge was not offered");
    for (pin, entry) in ioapic.entries.iter().enumerate() {
        let wants = ioapic.lines >> pin & 1 == 1 && entry & LEVEL != 0 && entry & REMOTE_IRR == 0;
        assert!(!(wants && arrives(*entry, lapic)), "pin {pin} waits for nothing: {entry:#x}");
    }
    let lint0 = lapic.lvt[LINT0];
    let is_wire = lint0 & LVT_MASKED == 0 && lint0 & DELIVERY_MODE == EXT_INT;
    if is_wired(pic) && (is_wire || lapic.mode == Mode::Disabled) && !lapic.ext_int {
        let asks = served_next(&pic.master, slave_asks(pic)).is_some();
        assert_eq!(offered == Some(Source::ExtInt), asks, "the pair asks: {pic:?}");
    }
}

/// What a line of a device with a pin of its own, 16 to 23, does to the set of
/// requests.
pub(super) fn after_line(before: &InterruptsState, after: &InterruptsState, pin: u8, level: bool) {
    let entry = before.ioapic.entries[usize::from(pin)];
    let rose = level && before.ioapic.lines >> pin & 1 == 0;
    let sends = rose && arrives(entry, &before.lapic) && entry & REMOTE_IRR == 0;
    let mut expected = before.lapic.request;
    if sends {
        let vector = (entry & 0xff) as u8;
        expected[usize::from(vector / 64)] |= 1 << (vector % 64);
    }
    // Logical destinations and messages without a vector are others' business, and
    // so is the error that an illegal vector raises.
    if sends || entry & MASKED != 0 || !rose {
        assert_eq!(after.lapic.request, expected, "pin {pin}, {entry:#x}, rose: {rose}");
    }
}

/// An interrupt of the local APIC goes from one set to the other, and no other does.
pub(super) fn after_local(before: &LapicState, after: &LapicState, Vector(vector): Vector) {
    let (word, bit) = (usize::from(vector / 64), 1_u64 << (vector % 64));
    let (mut requested, mut served) = (before.request, before.in_service);
    requested[word] &= !bit;
    served[word] |= bit;
    assert_eq!((after.request, after.in_service), (requested, served), "vector {vector:#x}");
}
