//! Rules of the 8259A data sheet, one test each, and a random walk against a
//! model that knows only lines, masks and priorities.

use std::vec::Vec;

use proptest::prelude::*;

use super::Register::{MasterCommand, MasterData, MasterElcr, SlaveCommand, SlaveData, SlaveElcr};
use super::*;

/// Initialised as Linux does it: vectors 0x30 and 0x38, everything unmasked.
fn linux() -> Pic {
    let mut pic = Pic::new();
    pic.write(MasterData, 0xFF);
    for (register, value) in [
        (MasterCommand, 0x11),
        (MasterData, 0x30),
        (MasterData, 0x04),
        (MasterData, 0x01),
        (SlaveCommand, 0x11),
        (SlaveData, 0x38),
        (SlaveData, 0x02),
        (SlaveData, 0x01),
    ] {
        pic.write(register, value);
    }
    pic.write(MasterData, 0);
    pic.write(SlaveData, 0);
    pic
}

/// The same with other bits in the master's and slave's ICW4.
fn with_icw4(icw4: u8) -> Pic {
    let mut pic = linux();
    for (register, value) in [
        (MasterCommand, 0x11),
        (MasterData, 0x30),
        (MasterData, 0x04),
        (MasterData, 0x01 | icw4),
        (SlaveCommand, 0x11),
        (SlaveData, 0x38),
        (SlaveData, 0x02),
        (SlaveData, 0x01 | icw4),
    ] {
        pic.write(register, value);
    }
    pic
}

fn take(pic: &mut Pic) -> Option<u8> {
    pic.output().then(|| pic.acknowledge().0)
}

#[test]
fn nothing_interrupts_before_initialisation() {
    let mut pic = Pic::new();
    for line in 0..16 {
        pic.set_line(line, true);
    }
    assert!(!pic.output());
}

#[test]
fn an_edge_interrupts_once() {
    let mut pic = linux();
    pic.set_line(4, true);
    assert_eq!(take(&mut pic), Some(0x34));
    pic.write(MasterCommand, 0x20);
    assert_eq!(take(&mut pic), None, "still high, but no new edge");
    pic.set_line(4, false);
    pic.set_line(4, true);
    assert_eq!(take(&mut pic), Some(0x34));
}

#[test]
fn a_level_interrupts_until_it_falls() {
    let mut pic = linux();
    pic.write(SlaveElcr, 0x02);
    pic.set_line(9, true);
    for _ in 0..3 {
        assert_eq!(take(&mut pic), Some(0x39));
        assert_eq!(take(&mut pic), None);
        pic.write(SlaveCommand, 0x20);
        pic.write(MasterCommand, 0x20);
    }
    pic.set_line(9, false);
    assert_eq!(take(&mut pic), None);
}

#[test]
fn a_masked_edge_is_remembered() {
    let mut pic = linux();
    pic.write(MasterData, 0x10);
    pic.set_line(4, true);
    assert!(!pic.output());
    pic.write(MasterData, 0x00);
    assert_eq!(take(&mut pic), Some(0x34));
}

#[test]
fn a_request_that_falls_too_early_is_spurious() {
    let mut pic = linux();
    pic.set_line(3, true);
    pic.set_line(3, false);
    assert!(!pic.output());
    assert_eq!(pic.acknowledge(), Vector(0x37));
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(MasterCommand), 0, "a spurious interrupt is not in service");
}

#[test]
fn a_spurious_interrupt_of_the_slave_occupies_the_master() {
    let mut pic = linux();
    pic.set_line(8, true);
    // The slave masks its line between INT and INTA: seen by the master only.
    let request = pic.slave_request;
    pic.state.slave.mask = 0xFF;
    pic.slave_request = request;
    assert_eq!(pic.acknowledge(), Vector(0x3F));
    pic.write(SlaveCommand, 0x0B);
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(SlaveCommand), 0);
    assert_eq!(pic.read(MasterCommand), 1 << CASCADE);
}

#[test]
fn a_lower_line_wins_and_a_higher_waits() {
    let mut pic = linux();
    pic.set_line(5, true);
    assert_eq!(take(&mut pic), Some(0x35));
    pic.set_line(6, true);
    assert_eq!(take(&mut pic), None, "6 waits for 5");
    pic.set_line(1, true);
    assert_eq!(take(&mut pic), Some(0x31), "1 interrupts 5");
    pic.write(MasterCommand, 0x20);
    assert_eq!(take(&mut pic), None);
    pic.write(MasterCommand, 0x20);
    assert_eq!(take(&mut pic), Some(0x36));
}

#[test]
fn slave_lines_rank_between_1_and_3() {
    let mut pic = linux();
    for line in [3, 15, 8, 1] {
        pic.set_line(line, true);
    }
    let mut order = Vec::new();
    while let Some(vector) = take(&mut pic) {
        order.push(vector);
        pic.write(SlaveCommand, 0x20);
        pic.write(MasterCommand, 0x20);
    }
    assert_eq!(order, [0x31, 0x38, 0x3F, 0x33]);
}

#[test]
fn a_specific_eoi_ends_its_line_only() {
    let mut pic = linux();
    pic.set_line(5, true);
    take(&mut pic);
    pic.set_line(1, true);
    take(&mut pic);
    pic.write(MasterCommand, 0x60 | 5);
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(MasterCommand), 1 << 1);
    pic.write(MasterCommand, 0x0A);
    assert_eq!(pic.read(MasterCommand), 0, "no requests left");
}

#[test]
fn rotation_makes_the_ended_line_the_lowest() {
    let mut pic = linux();
    pic.set_line(3, true);
    take(&mut pic);
    pic.write(MasterCommand, 0xA0);
    for line in [3, 4, 5] {
        pic.set_line(line, false);
        pic.set_line(line, true);
    }
    assert_eq!(take(&mut pic), Some(0x34));
    pic.write(MasterCommand, 0xE0 | 4);
    assert_eq!(take(&mut pic), Some(0x35));
}

#[test]
fn set_priority_names_the_lowest_line() {
    let mut pic = linux();
    pic.write(MasterCommand, 0xC0 | 4);
    for line in [0, 5] {
        pic.set_line(line, true);
    }
    assert_eq!(take(&mut pic), Some(0x35));
}

#[test]
fn auto_eoi_leaves_nothing_in_service_and_can_rotate() {
    let mut pic = with_icw4(0x02);
    pic.write(MasterCommand, 0x80);
    pic.set_line(0, true);
    assert_eq!(take(&mut pic), Some(0x30));
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(MasterCommand), 0);
    for line in [0, 7] {
        pic.set_line(line, false);
        pic.set_line(line, true);
    }
    assert_eq!(take(&mut pic), Some(0x37), "0 is now the lowest");
    pic.write(MasterCommand, 0x00);
    assert_eq!(take(&mut pic), Some(0x30));
    for line in [0, 7] {
        pic.set_line(line, false);
        pic.set_line(line, true);
    }
    assert_eq!(take(&mut pic), Some(0x30), "rotation is off; 7 is still the lowest");
}

#[test]
fn special_mask_mode_lets_lower_lines_through() {
    let mut pic = linux();
    pic.set_line(1, true);
    take(&mut pic);
    pic.set_line(6, true);
    assert_eq!(take(&mut pic), None);
    pic.write(MasterData, 0x02);
    assert_eq!(take(&mut pic), None);
    pic.write(MasterCommand, 0x68);
    assert_eq!(take(&mut pic), Some(0x36));
    // A non-specific EOI ends 6, not the masked 1.
    pic.write(MasterCommand, 0x20);
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(MasterCommand), 0x02);
    pic.write(MasterCommand, 0x48);
    pic.write(MasterCommand, 0x20);
    assert_eq!(pic.read(MasterCommand), 0);
}

#[test]
fn special_fully_nested_mode_lets_the_slave_nest_but_not_the_rest() {
    for (icw4, nested) in [(0x00, None), (0x10, Some(0x38))] {
        let mut pic = with_icw4(icw4);
        pic.set_line(12, true);
        assert_eq!(take(&mut pic), Some(0x3C));
        pic.set_line(5, true);
        assert_eq!(take(&mut pic), None);
        pic.set_line(8, true);
        assert_eq!(take(&mut pic), nested);
    }
}

#[test]
fn a_poll_takes_the_interrupt() {
    let mut pic = linux();
    pic.set_line(6, true);
    pic.write(MasterCommand, 0x0C);
    assert_eq!(pic.read(MasterCommand), 0x86);
    assert!(!pic.output());
    pic.write(MasterCommand, 0x0B);
    assert_eq!(pic.read(MasterCommand), 1 << 6, "only one read is a poll");
    pic.write(MasterCommand, 0x0C);
    assert_eq!(pic.read(MasterCommand), 0, "nothing pending");
}

#[test]
fn a_poll_of_both_chips_finds_a_slave_line() {
    let mut pic = linux();
    pic.set_line(10, true);
    pic.write(MasterCommand, 0x0C);
    assert_eq!(pic.read(MasterData), 0x82);
    pic.write(SlaveCommand, 0x0C);
    assert_eq!(pic.read(SlaveCommand), 0x82);
}

#[test]
fn initialisation_forgets_edges_and_masks() {
    let mut pic = linux();
    pic.set_line(4, true);
    pic.write(MasterData, 0xAA);
    pic.write(MasterCommand, 0x11);
    assert_eq!(pic.read(MasterData), 0);
    for word in [0x30, 0x04, 0x01] {
        pic.write(MasterData, word);
    }
    assert_eq!(take(&mut pic), None, "the line must rise again");
    pic.set_line(4, false);
    pic.set_line(4, true);
    assert_eq!(take(&mut pic), Some(0x34));
}

#[test]
fn a_single_chip_takes_no_icw3_and_icw4_is_optional() {
    let mut pic = linux();
    pic.write(MasterCommand, 0x12);
    pic.write(MasterData, 0x50);
    pic.write(MasterData, 0xF0);
    assert_eq!(pic.read(MasterData), 0xF0, "already the mask");
    pic.set_line(2, true);
    pic.set_line(1, true);
    assert_eq!(take(&mut pic), Some(0x51));
}

#[test]
fn the_cascade_follows_icw3() {
    let mut pic = linux();
    for (register, value) in
        [(SlaveCommand, 0x11), (SlaveData, 0x38), (SlaveData, 0x05), (SlaveData, 0x01)]
    {
        pic.write(register, value);
    }
    pic.set_line(8, true);
    assert_eq!(pic.acknowledge(), Vector(FLOATING), "the slave does not know its name");
    let mut pic = linux();
    for (register, value) in
        [(MasterCommand, 0x11), (MasterData, 0x30), (MasterData, 0x00), (MasterData, 0x01)]
    {
        pic.write(register, value);
    }
    pic.set_line(8, true);
    assert_eq!(pic.acknowledge(), Vector(0x32), "the master answers itself");
}

#[test]
fn edge_or_level_is_fixed_for_the_machines_own_lines() {
    let mut pic = Pic::new();
    pic.write(MasterElcr, 0xFF);
    pic.write(SlaveElcr, 0xFF);
    assert_eq!(pic.read(MasterElcr), 0xF8);
    assert_eq!(pic.read(SlaveElcr), 0xDE);
}

/// What a test may do to the pair.
#[derive(Clone, Copy, Debug)]
enum Step {
    Line(u8, bool),
    Mask(u8, u8),
    Take,
    Eoi,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..16, any::<bool>()).prop_map(|(line, level)| Step::Line(line, level)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Mask(a, b)),
        3 => Just(Step::Take),
        3 => Just(Step::Eoi),
    ]
}

/// Lines as one word of sixteen; rank is position in `ORDER`.
#[derive(Default)]
struct Model {
    lines: u16,
    edges: u16,
    level: u16,
    mask: u16,
    stack: Vec<u8>,
}

const ORDER: [u8; 15] = [0, 1, 8, 9, 10, 11, 12, 13, 14, 15, 3, 4, 5, 6, 7];

fn rank(line: u8) -> usize {
    ORDER.iter().position(|&l| l == line).unwrap()
}

impl Model {
    fn pending(&self) -> Option<u8> {
        let cascade_masked = self.mask & 4 != 0;
        let ready = self.lines & (self.edges | self.level) & !self.mask;
        let next = ORDER
            .into_iter()
            .find(|&line| ready & (1 << line) != 0 && !(cascade_masked && line >= 8))?;
        match self.stack.last() {
            None => Some(next),
            // Without special fully nested mode the slave blocks itself.
            Some(&top) if top >= 8 && next >= 8 => None,
            Some(&top) => (rank(next) < rank(top)).then_some(next),
        }
    }
}

proptest! {
    #[test]
    fn no_interrupt_is_lost_or_doubled(
        level in any::<[u8; 2]>(),
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let mut pic = linux();
        let level = [level[0] & MASTER_ELCR, level[1] & SLAVE_ELCR];
        pic.write(MasterElcr, level[0]);
        pic.write(SlaveElcr, level[1]);
        let mut model = Model { level: u16::from_le_bytes(level), ..Model::default() };
        for step in steps {
            match step {
                Step::Line(2, _) => {}
                Step::Line(line, high) => {
                    pic.set_line(line, high);
                    let bit = 1 << line;
                    if !high {
                        model.lines &= !bit;
                        model.edges &= !bit;
                    } else if model.lines & bit == 0 {
                        model.lines |= bit;
                        model.edges |= bit;
                    }
                }
                Step::Mask(master, slave) => {
                    pic.write(MasterData, master);
                    pic.write(SlaveData, slave);
                    model.mask = u16::from_le_bytes([master, slave]);
                }
                Step::Take => {
                    let expected = model.pending();
                    prop_assert_eq!(take(&mut pic), expected.map(|line| 0x30 + line));
                    if let Some(line) = expected {
                        model.edges &= !(1 << line);
                        model.stack.push(line);
                    }
                }
                Step::Eoi => {
                    if let Some(line) = model.stack.pop() {
                        if line >= 8 {
                            pic.write(SlaveCommand, 0x20);
                        }
                        pic.write(MasterCommand, 0x20);
                    }
                }
            }
            prop_assert_eq!(pic.output(), model.pending().is_some());
        }
    }

    #[test]
    fn no_access_sequence_panics_and_a_snapshot_changes_nothing(
        accesses in prop::collection::vec((0usize..8, any::<u8>(), 0u8..20), 0..300),
    ) {
        let registers =
            [MasterCommand, MasterData, SlaveCommand, SlaveData, MasterElcr, SlaveElcr];
        let mut pic = Pic::new();
        for (target, value, line) in accesses {
            match registers.get(target) {
                Some(&register) if value & 1 == 0 => pic.write(register, value | line),
                Some(&register) => { pic.read(register); }
                None if target == 6 => pic.set_line(line, value & 1 != 0),
                None => { pic.acknowledge(); }
            }
            prop_assert_eq!(&Pic::from_state(pic.state().clone()), &pic);
        }
    }
}
