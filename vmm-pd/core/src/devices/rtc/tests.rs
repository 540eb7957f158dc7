//! The clock against the MC146818A's data sheet and what Linux expects of it.

use super::bits::*;
use super::*;
use crate::layout::numbers::{MIB, RTC_CENTURY};
use proptest::prelude::*;

const HZ: u64 = 1_000_000_000;
/// 2026-03-04 05:06:07, a Wednesday.
const START: u64 = 1_772_600_767;

fn rtc_at(epoch: u64) -> Rtc {
    let ram = RamSize::new(512 * MIB).unwrap();
    Rtc::new(TscFrequency::new(HZ).unwrap(), epoch, Ticks(0), ram)
}

fn read(rtc: &mut Rtc, index: u8, now: u64) -> u8 {
    rtc.write_index(index);
    rtc.read(Ticks(now))
}

fn write(rtc: &mut Rtc, index: u8, value: u8, now: u64) {
    rtc.write_index(index);
    rtc.write(value, Ticks(now));
}

/// Century, year, month, day, hours, minutes, seconds, as the registers say.
fn time(rtc: &mut Rtc, now: u64) -> [u8; 7] {
    [RTC_CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS].map(|i| read(rtc, i, now))
}

#[test]
fn it_shows_the_epoch_in_bcd_and_24_hours() {
    let mut rtc = rtc_at(START);
    assert_eq!(time(&mut rtc, 0), [0x20, 0x26, 0x03, 0x04, 0x05, 0x06, 0x07]);
    assert_eq!(read(&mut rtc, WEEKDAY, 0), 4);
    assert_eq!(read(&mut rtc, REGISTER_B, 0), B::H24.bits());
    assert_eq!(read(&mut rtc, REGISTER_D, 0), D_VALID);
}

#[test]
fn it_advances_by_whole_seconds_of_guest_time() {
    let mut rtc = rtc_at(START);
    assert_eq!(time(&mut rtc, HZ - 1)[6], 0x07);
    assert_eq!(time(&mut rtc, HZ)[6], 0x08);
    assert_eq!(time(&mut rtc, 53 * HZ)[5..], [0x07, 0x00]);
    // A year later, in one step.
    assert_eq!(time(&mut rtc, 365 * 86_400 * HZ)[..4], [0x20, 0x27, 0x03, 0x04]);
}

#[test]
fn the_century_turns() {
    let mut rtc = rtc_at(4_102_444_799);
    assert_eq!(time(&mut rtc, 0), [0x20, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59]);
    assert_eq!(time(&mut rtc, HZ), [0x21, 0x00, 0x01, 0x01, 0, 0, 0]);
}

#[test]
fn binary_and_12_hour_modes_spell_the_same_time() {
    for (mode, hour, spelt) in [
        (B::H24 | B::DM, 13, 13),
        (B::DM, 0, 12),
        (B::DM, 1, 1),
        (B::DM, 12, 12 | HOURS_PM),
        (B::DM, 13, 1 | HOURS_PM),
        (B::empty(), 0, 0x12),
        (B::empty(), 22, 0x10 | HOURS_PM),
        (B::H24, 22, 0x22),
    ] {
        let mut rtc = rtc_at(START / 86_400 * 86_400);
        // The registers mean something else in another mode, so they are set
        // anew, as the data sheet asks.
        write(&mut rtc, REGISTER_B, (mode | B::SET).bits(), 0);
        write(&mut rtc, HOURS, spelt, 0);
        write(&mut rtc, REGISTER_B, mode.bits(), 0);
        assert_eq!(read(&mut rtc, HOURS, 0), spelt);
        assert_eq!(rtc.epoch() / 3600 % 24, hour, "{mode:?} {spelt:#x}");
        rtc.set_epoch(hour * 3600);
        assert_eq!(read(&mut rtc, HOURS, 0), spelt, "{mode:?}");
    }
}

#[test]
fn a_time_that_is_set_is_kept_and_goes_on() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, REGISTER_B, (B::H24 | B::SET).bits(), HZ / 2);
    let set = [0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58];
    for (index, value) in
        [RTC_CENTURY, YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS].into_iter().zip(set)
    {
        write(&mut rtc, index, value, HZ);
    }
    // As long as SET stands, nothing moves, whatever is there.
    assert_eq!(time(&mut rtc, 100 * HZ), set);
    write(&mut rtc, REGISTER_B, B::H24.bits(), 100 * HZ + HZ / 4);
    assert_eq!(time(&mut rtc, 100 * HZ + HZ / 4), set);
    assert_eq!(time(&mut rtc, 101 * HZ)[6], 0x59, "the phase was kept");
    assert_eq!(time(&mut rtc, 102 * HZ), [0x20, 0x00, 0x01, 0x01, 0, 0, 0]);
}

#[test]
fn after_a_divider_reset_the_first_second_takes_half() {
    // How Linux sets the clock (drivers/rtc/rtc-mc146818-lib.c).
    let mut rtc = rtc_at(START);
    let held = DV_RESET | 0x10 | 0x06;
    write(&mut rtc, REGISTER_A, held, 0);
    write(&mut rtc, SECONDS, 0x30, 0);
    assert_eq!(time(&mut rtc, 10 * HZ)[6], 0x30);
    write(&mut rtc, REGISTER_A, DV_RUNNING | 0x06, 10 * HZ);
    assert_eq!(time(&mut rtc, 10 * HZ + HZ / 2 - 1)[6], 0x30);
    assert_eq!(time(&mut rtc, 10 * HZ + HZ / 2)[6], 0x31);
}

#[test]
fn update_in_progress_announces_the_next_second() {
    let mut rtc = rtc_at(START);
    let uip = |rtc: &mut Rtc, now| read(rtc, REGISTER_A, now) & A::UIP.bits() != 0;
    assert!(!uip(&mut rtc, 0));
    assert!(!uip(&mut rtc, HZ - 244_001));
    assert!(uip(&mut rtc, HZ - 244_000));
    assert!(uip(&mut rtc, HZ - 1));
    assert!(!uip(&mut rtc, HZ));
    write(&mut rtc, REGISTER_B, B::SET.bits(), HZ);
    assert!(!uip(&mut rtc, 2 * HZ - 1));
}

#[test]
fn update_in_progress_cannot_be_written() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, REGISTER_A, 0xA6, 0);
    assert_eq!(read(&mut rtc, REGISTER_A, 0), 0x26);
}

#[test]
fn the_update_interrupt_comes_each_second() {
    let mut rtc = rtc_at(START);
    assert_eq!(rtc.deadline(), None);
    write(&mut rtc, REGISTER_B, (B::H24 | B::UIE).bits(), HZ / 3);
    for second in 1..4 {
        assert_eq!(rtc.deadline(), Some(Ticks(second * HZ)));
        rtc.advance(Ticks(second * HZ - 1));
        assert!(!rtc.irq());
        rtc.advance(Ticks(second * HZ));
        assert!(rtc.irq());
        assert_eq!(rtc.deadline(), None, "it stands until it is read");
        let c = read(&mut rtc, REGISTER_C, second * HZ);
        assert_eq!(c & (C::IRQF | C::UF).bits(), (C::IRQF | C::UF).bits());
        assert!(!rtc.irq());
    }
}

#[test]
fn setting_the_time_turns_the_update_interrupt_off() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, REGISTER_B, (B::UIE | B::SET).bits(), 0);
    assert_eq!(read(&mut rtc, REGISTER_B, 0), B::SET.bits());
}

#[test]
fn periodic_interrupts_come_at_the_selected_rate() {
    for (select, rate) in [(1, 256), (2, 128), (3, 8192), (6, 1024), (15, 2)] {
        let mut rtc = rtc_at(START);
        write(&mut rtc, REGISTER_A, DV_RUNNING | select, 0);
        write(&mut rtc, REGISTER_B, (B::H24 | B::PIE).bits(), 0);
        let mut count = 0;
        while let Some(at) = rtc.deadline().filter(|at| *at <= Ticks(HZ)) {
            rtc.advance(at);
            assert!(rtc.irq(), "woken for nothing");
            assert_ne!(read(&mut rtc, REGISTER_C, at.0) & C::PF.bits(), 0);
            count += 1;
        }
        assert_eq!(count, rate, "selection {select}");
    }
}

#[test]
fn periodic_interrupts_that_nobody_took_are_one() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, REGISTER_B, (B::H24 | B::PIE).bits(), 0);
    rtc.advance(Ticks(HZ));
    assert!(rtc.irq());
    read(&mut rtc, REGISTER_C, HZ);
    assert!(!rtc.irq());
    assert_eq!(rtc.deadline(), Some(Ticks((1025 * HZ).div_ceil(1024))));
}

#[test]
fn rate_zero_and_a_held_divider_give_no_periods() {
    for a in [DV_RUNNING, DV_RESET | 6] {
        let mut rtc = rtc_at(START);
        write(&mut rtc, REGISTER_A, a, 0);
        write(&mut rtc, REGISTER_B, B::PIE.bits(), 0);
        assert_eq!(rtc.deadline(), None);
    }
}

fn set_alarm(rtc: &mut Rtc, hms: [u8; 3]) {
    for (index, value) in [HOURS_ALARM, MINUTES_ALARM, SECONDS_ALARM].into_iter().zip(hms) {
        write(rtc, index, value, 0);
    }
    write(rtc, REGISTER_B, (B::H24 | B::AIE).bits(), 0);
}

#[test]
fn the_alarm_comes_when_all_three_match() {
    // From 05:06:07.
    for (alarm, wait) in [
        ([0x05, 0x06, 0x08], 1),
        ([0x05, 0x07, 0x00], 53),
        ([0x05, 0x06, 0x07], 86_400),
        ([0x04, 0x59, 0x59], 86_400 - 6 * 60 - 8),
        ([0xFF, 0xFF, 0xFF], 1),
        ([0xC0, 0xC0, 0x07], 60),
        ([0xFF, 0x06, 0x06], 3_599),
        ([0x23, 0xFF, 0xFF], 17 * 3600 + 53 * 60 + 53),
    ] {
        let mut rtc = rtc_at(START);
        set_alarm(&mut rtc, alarm);
        assert_eq!(rtc.deadline(), Some(Ticks(wait * HZ)), "{alarm:x?}");
        rtc.advance(Ticks(wait * HZ));
        assert!(rtc.irq());
        assert_ne!(read(&mut rtc, REGISTER_C, wait * HZ) & C::AF.bits(), 0);
    }
}

#[test]
fn an_alarm_that_is_no_time_never_comes() {
    for alarm in [[0x24, 0, 0], [0, 0x60, 0], [0, 0, 0x99]] {
        let mut rtc = rtc_at(START);
        set_alarm(&mut rtc, alarm);
        assert_eq!(rtc.deadline(), None);
        let mut later = rtc_at(START);
        set_alarm(&mut later, alarm);
        assert_eq!(read(&mut later, REGISTER_C, 100_000 * HZ) & C::AF.bits(), 0);
    }
}

#[test]
fn the_sanity_check_of_linux_finds_a_good_battery_and_a_sane_time() {
    // mc146818_does_rtc_work and rtc_cmos: register D without its low bits,
    // and UIP that goes away.
    let mut rtc = rtc_at(START);
    assert_eq!(read(&mut rtc, REGISTER_D, 0) & 0x7F, 0);
    assert_eq!(read(&mut rtc, REGISTER_A, 0) & A::UIP.bits(), 0);
}

#[test]
fn memory_sizes_are_where_firmware_puts_them() {
    let word = |rtc: &mut Rtc, index: u8| {
        u16::from_le_bytes([read(rtc, index, 0), read(rtc, index + 1, 0)])
    };
    for (mib, extended, high) in
        [(2, 1024, 0), (16, 15 * 1024, 0), (64, 63 * 1024, 768), (3072, 63 * 1024, 48_896)]
    {
        let ram = RamSize::new(mib * MIB).unwrap();
        let mut rtc = Rtc::new(TscFrequency::new(HZ).unwrap(), 0, Ticks(0), ram);
        assert_eq!(word(&mut rtc, BASE_MEMORY), 640);
        assert_eq!(word(&mut rtc, EXTENDED_MEMORY), extended);
        assert_eq!(word(&mut rtc, EXTENDED_MEMORY_ACTUAL), extended);
        assert_eq!(word(&mut rtc, HIGH_MEMORY), high);
        let sum: u16 =
            (CHECKSUM_FIRST..=CHECKSUM_LAST).map(|i| u16::from(read(&mut rtc, i, 0))).sum();
        assert_eq!(word(&mut rtc, CHECKSUM).swap_bytes(), sum);
    }
}

#[test]
fn the_index_port_masks_nmis_and_is_seven_bits() {
    let mut rtc = rtc_at(START);
    rtc.write_index(INDEX_NMI_MASK | SHUTDOWN);
    assert!(rtc.nmi_masked());
    rtc.write(0x0A, Ticks(0));
    rtc.write_index(SHUTDOWN);
    assert!(!rtc.nmi_masked());
    assert_eq!(rtc.read(Ticks(0)), 0x0A);
}

#[test]
fn a_reset_ends_interrupts_and_keeps_time_and_memory() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, SHUTDOWN, 5, 0);
    write(&mut rtc, REGISTER_B, (B::H24 | B::PIE | B::UIE | B::AIE).bits(), 0);
    rtc.advance(Ticks(3 * HZ));
    assert!(rtc.irq());
    rtc.reset(Ticks(3 * HZ));
    assert!(!rtc.irq());
    assert_eq!(rtc.deadline(), None);
    assert_eq!(read(&mut rtc, REGISTER_B, 3 * HZ), B::H24.bits());
    assert_eq!(read(&mut rtc, SHUTDOWN, 3 * HZ), 5);
    assert_eq!(time(&mut rtc, 3 * HZ)[6], 0x10);
}

#[test]
fn a_snapshot_goes_on_where_it_was_taken() {
    let mut rtc = rtc_at(START);
    write(&mut rtc, REGISTER_B, (B::H24 | B::PIE).bits(), 0);
    let copy = Rtc::restore(TscFrequency::new(HZ).unwrap(), rtc.state().clone());
    assert_eq!(copy.deadline(), rtc.deadline());
    assert_eq!(copy.state(), rtc.state());
}

proptest! {
    /// Whatever is done to it, it does not panic, wakes nobody for nothing, and
    /// asks for nothing in the past.
    #[test]
    fn any_sequence_keeps_the_rules(
        steps in prop::collection::vec((any::<bool>(), 0u8..16, any::<u8>(), 0u64..3_000_000_000), 0..200),
        epoch: u64,
    ) {
        let mut rtc = rtc_at(epoch);
        let mut now = 0;
        for (is_write, index, value, wait) in steps {
            now += wait;
            while let Some(at) = rtc.deadline().filter(|at| at.0 <= now) {
                rtc.advance(at);
                prop_assert!(rtc.irq(), "woken for nothing");
            }
            if is_write {
                write(&mut rtc, index, value, now);
            } else {
                read(&mut rtc, index, now);
            }
            if let Some(at) = rtc.deadline() {
                prop_assert!(at.0 > now);
            }
        }
    }

    /// Left alone, a good time stays the true time.
    #[test]
    fn looking_never_changes_the_time(looks in prop::collection::vec(0u64..100_000_000_000, 1..50)) {
        let mut rtc = rtc_at(START);
        let mut now = 0;
        for wait in looks {
            now += wait;
            read(&mut rtc, SECONDS, now);
            prop_assert_eq!(rtc.epoch(), START + now / HZ);
        }
    }
}
