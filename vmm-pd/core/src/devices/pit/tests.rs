//! The timer through its registers.

use std::vec::Vec;

use proptest::prelude::*;

use super::Register::{Control, Counter0, Counter2};
use super::*;
use bits::CLOCK_HZ;

fn frequency() -> TscFrequency {
    TscFrequency::new(100_000_000).unwrap()
}

/// The moment at which a clock has come.
fn at(clock: u64) -> Ticks {
    frequency().span(clock, CLOCK_HZ)
}

fn program(pit: &mut Pit, control: u8, count: u16, now: Ticks) {
    pit.write(Control, control, now);
    let counter = [Counter0, Register::Counter1, Counter2][usize::from(control >> 6)];
    for byte in count.to_le_bytes() {
        pit.write(counter, byte, now);
    }
}

fn latched(pit: &mut Pit, now: Ticks) -> u16 {
    pit.write(Control, 0x00, now);
    u16::from_le_bytes([pit.read(Counter0, now), pit.read(Counter0, now)])
}

/// Follows deadlines up to `until`; the moments of the rises.
fn rises(pit: &mut Pit, until: Ticks) -> Vec<Ticks> {
    let mut found = Vec::new();
    while let Some(deadline) = pit.deadline().filter(|deadline| *deadline <= until) {
        assert_eq!(pit.advance(deadline), Output::Rose);
        found.push(deadline);
    }
    found
}

#[test]
fn nothing_is_due_before_it_is_programmed() {
    let mut pit = Pit::new(frequency());
    assert_eq!(pit.deadline(), None);
    assert_eq!(pit.advance(at(1_000_000)), Output::High);
}

#[test]
fn linux_hz_250_interrupts_250_times_a_second() {
    let mut pit = Pit::new(frequency());
    // 1193182 / 250, mode 2 as Linux and mode 3 as old systems.
    for control in [0x34, 0x36] {
        program(&mut pit, control, 4773, Ticks(0));
        let count = rises(&mut pit, Ticks(1_000_000_000)).len();
        assert!((2499..=2500).contains(&count), "{count} in ten seconds");
        pit = Pit::new(frequency());
    }
}

#[test]
fn deadlines_do_not_drift() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x34, 1193, Ticks(0));
    let found = rises(&mut pit, Ticks(10_000_000_000));
    for (n, when) in found.iter().enumerate() {
        assert_eq!(*when, at(1 + (n as u64 + 1) * 1193));
    }
    assert!(found.len() > 100_000);
}

#[test]
fn one_shot_mode_0_rises_once() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x30, 1000, Ticks(0));
    assert_eq!(pit.advance(at(500)), Output::Low);
    assert_eq!(latched(&mut pit, at(501)), 500);
    assert_eq!(rises(&mut pit, at(1_000_000)), [at(1001)]);
    assert_eq!(pit.advance(at(2000)), Output::High);
    assert_eq!(pit.deadline(), None);
}

#[test]
fn mode_4_rises_after_its_strobe() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x38, 1000, Ticks(0));
    assert_eq!(rises(&mut pit, at(1_000_000)), [at(1002)]);
}

#[test]
fn modes_that_want_a_trigger_never_interrupt() {
    for control in [0x32, 0x3A] {
        let mut pit = Pit::new(frequency());
        program(&mut pit, control, 1000, Ticks(0));
        assert_eq!(pit.deadline(), None);
    }
}

#[test]
fn missed_periods_become_one_interrupt() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x34, 1193, Ticks(0));
    let late = at(1 + 100 * 1193 + 600);
    assert_eq!(pit.advance(late), Output::Rose);
    assert_eq!(pit.advance(late), Output::High);
    assert_eq!(pit.deadline(), Some(at(1 + 101 * 1193)), "still in step");
}

#[test]
fn a_period_too_short_to_live_with_is_slowed_down() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x34, 2, Ticks(0));
    let count = rises(&mut pit, Ticks(100_000_000)).len() as u64;
    let most = FASTEST_PERIODIC_HZ + FASTEST_PERIODIC_HZ / 100;
    assert!((FASTEST_PERIODIC_HZ..=most).contains(&count), "{count} in a second");
}

#[test]
fn leaving_mode_0_before_its_end_raises_the_output() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x30, 1000, Ticks(0));
    pit.write(Control, 0x34, at(10));
    assert_eq!(pit.advance(at(10)), Output::Rose);
    pit.write(Control, 0x30, at(11));
    assert_eq!(pit.advance(at(11)), Output::Low);
}

#[test]
fn a_rise_before_a_write_is_not_lost() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x30, 1000, Ticks(0));
    program(&mut pit, 0x30, 1000, at(5000));
    assert_eq!(pit.advance(at(5000)), Output::Rose);
    assert_eq!(pit.advance(at(5000)), Output::Low);
}

#[test]
fn a_latched_count_stands_until_it_is_read() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x34, 0, Ticks(0));
    pit.write(Control, 0x00, at(101));
    pit.write(Control, 0x00, at(201));
    let bytes = [pit.read(Counter0, at(301)), pit.read(Counter0, at(401))];
    assert_eq!(u16::from_le_bytes(bytes), 0u16.wrapping_sub(100));
    assert_eq!(latched(&mut pit, at(501)), 0u16.wrapping_sub(500));
}

#[test]
fn single_byte_access_reads_and_writes_one_byte() {
    let mut pit = Pit::new(frequency());
    pit.write(Control, 0x10, Ticks(0));
    pit.write(Counter0, 200, Ticks(0));
    assert_eq!(pit.read(Counter0, at(51)), 150);
    assert_eq!(pit.read(Counter0, at(52)), 149);
    pit.write(Control, 0x20, at(100));
    pit.write(Counter0, 2, at(100));
    assert_eq!(pit.read(Counter0, at(102)), 1, "0x1FF");
}

#[test]
fn read_back_gives_status_then_count() {
    let mut pit = Pit::new(frequency());
    pit.write(Control, 0x36, Ticks(0));
    pit.write(Control, 0xE2, Ticks(0));
    assert_eq!(pit.read(Counter0, Ticks(0)), 0x80 | 0x40 | 0x36, "no count yet");
    program(&mut pit, 0x36, 1000, Ticks(0));
    pit.write(Control, 0xC2, at(601));
    assert_eq!(pit.read(Counter0, at(700)), 0x36, "low half");
    let count = [pit.read(Counter0, at(700)), pit.read(Counter0, at(700))];
    assert_eq!(u16::from_le_bytes(count), 1000 - 2 * 100);
    // A new count waits for the end of the half.
    for byte in 500u16.to_le_bytes() {
        pit.write(Counter0, byte, at(800));
    }
    pit.write(Control, 0xE2, at(801));
    assert_eq!(pit.read(Counter0, at(801)), 0x40 | 0x36);
    pit.write(Control, 0xE2, at(1001));
    assert_eq!(pit.read(Counter0, at(1001)), 0x80 | 0x36);
}

#[test]
fn read_back_reaches_several_counters_at_once() {
    let mut pit = Pit::new(frequency());
    program(&mut pit, 0x34, 1000, Ticks(0));
    program(&mut pit, 0x74, 2000, Ticks(0));
    pit.write(Control, 0xD6, at(101));
    let first = [pit.read(Counter0, at(500)), pit.read(Counter0, at(500))];
    let second = [Register::Counter1; 2].map(|counter| pit.read(counter, at(500)));
    assert_eq!(u16::from_le_bytes(first), 900);
    assert_eq!(u16::from_le_bytes(second), 1900);
}

#[test]
fn linux_calibrates_through_counter_2_and_port_b() {
    // pit_calibrate_tsc: gate up, speaker off, mode 0, wait for the output.
    let mut pit = Pit::new(frequency());
    let mut port = SystemControlB::new();
    let value = port.read(&mut pit, Ticks(0));
    port.write(&mut pit, value & !0x02 | 0x01, Ticks(0));
    let latch = (CLOCK_HZ / 100) as u16;
    program(&mut pit, 0xB0, latch, Ticks(0));
    assert_eq!(port.read(&mut pit, Ticks(0)) & 0x20, 0);
    let before = at(u64::from(latch));
    assert_eq!(port.read(&mut pit, before) & 0x21, 0x01);
    assert_eq!(port.read(&mut pit, at(u64::from(latch) + 1)) & 0x21, 0x21);
    assert!(before.0.abs_diff(1_000_000) < 100, "ten milliseconds: {before:?}");
}

#[test]
fn gate_2_stops_counter_2() {
    let mut pit = Pit::new(frequency());
    let mut port = SystemControlB::new();
    port.write(&mut pit, 1, Ticks(0));
    program(&mut pit, 0xB0, 1000, Ticks(0));
    port.write(&mut pit, 0, at(501));
    assert_eq!(port.read(&mut pit, at(5000)) & 0x20, 0);
    port.write(&mut pit, 1, at(5000));
    assert_eq!(port.read(&mut pit, at(5499)) & 0x20, 0);
    assert_eq!(port.read(&mut pit, at(5500)) & 0x20, 0x20);
}

#[test]
fn the_refresh_bit_toggles_every_15_us() {
    let mut pit = Pit::new(frequency());
    let port = SystemControlB::new();
    let mut toggles = 0;
    let mut last = 0;
    for us in 0..1500 {
        let bit = port.read(&mut pit, Ticks(us * 100)) & 0x10;
        toggles += u32::from(bit != last);
        last = bit;
    }
    assert!((99..=100).contains(&toggles), "{toggles}");
}

proptest! {
    #[test]
    fn no_access_sequence_panics_and_a_snapshot_changes_nothing(
        accesses in prop::collection::vec((0usize..8, any::<u8>(), any::<u64>(), 0u32..64), 0..200),
    ) {
        let mut pit = Pit::new(frequency());
        let mut port = SystemControlB::new();
        let mut now = Ticks(0);
        for (target, value, step, shift) in accesses {
            now = now.saturating_add(Ticks(step >> shift));
            let registers = [Counter0, Register::Counter1, Counter2, Control, Control];
            match registers.get(target) {
                Some(&register) if value & 1 == 0 => pit.write(register, value ^ step as u8, now),
                Some(&register) => { pit.read(register, now); }
                None if target == 5 => port.write(&mut pit, value, now),
                None if target == 6 => { port.read(&mut pit, now); }
                None => {
                    let _output = pit.advance(now);
                    prop_assert!(pit.deadline().is_none_or(|due| due > now || now.0 == u64::MAX
                        || pit.clock(now) == counter::LAST_CLOCK));
                }
            }
            let mut restored = Pit::restore(frequency(), pit.save(now), now);
            let mut original = pit.clone();
            for ahead in [0, 1, 1000, 100_000_000] {
                let then = now.saturating_add(Ticks(ahead));
                for counter in [Counter0, Register::Counter1, Counter2] {
                    prop_assert_eq!(original.read(counter, then), restored.read(counter, then));
                }
                prop_assert_eq!(original.advance(then), restored.advance(then));
            }
        }
    }
}

/// Found by fuzzing: the count whose time had come was lost if nobody had looked at
/// the counter since.
#[test]
fn a_control_word_keeps_the_count_that_is_due_whether_or_not_it_was_looked_at() {
    let mut port = SystemControlB::new();
    let mut pit = Pit::new(frequency());
    // Counter 2: low byte only, mode 2, which begins to count with its gate.
    port.write(&mut pit, 1, at(0));
    pit.write(Control, 0x94, at(0));
    pit.write(Counter2, 200, at(0));
    pit.write(Counter2, 110, at(10));
    let mut seen = pit.clone();
    let later = at(1_000_000);
    seen.read(Counter2, later);
    for pit in [&mut pit, &mut seen] {
        // Mode 5 waits for its trigger, and shows the count that was there.
        pit.write(Control, 0x9a, later);
    }
    assert_eq!(pit.read(Counter2, later), 110);
    assert_eq!(seen.read(Counter2, later), 110);
}

/// Found by fuzzing: whether a write raises the output was told by the count before
/// the one that was due.
#[test]
fn a_write_raises_an_output_that_a_new_count_keeps_low() {
    let mut pit = Pit::new(frequency());
    // A square wave, and the next one's count: it takes over when this one falls.
    program(&mut pit, 0x36, 336, Ticks(0));
    for byte in 20_000u16.to_le_bytes() {
        pit.write(Counter0, byte, Ticks(0));
    }
    // Mode 5's output is high.
    pit.write(Control, 0x3a, at(1448));
    assert_eq!(pit.advance(at(1448)), Output::Rose);
}
