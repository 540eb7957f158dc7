//! ACPI fixed hardware against ACPI 6.5, 4.8.

use super::*;
use crate::layout::numbers::RESET_VALUE;
use proptest::prelude::*;

const HZ: u64 = 1_000_000_000;

fn pm(width: TimerWidth) -> AcpiPm {
    AcpiPm::new(TscFrequency::new(HZ).unwrap(), width, Ticks(0))
}

fn word(pm: &mut AcpiPm, register: fn(u8) -> Register, byte: u8, now: u64) -> u16 {
    u16::from_le_bytes([
        pm.read(register(byte), Ticks(now)),
        pm.read(register(byte + 1), Ticks(now)),
    ])
}

/// Writes a word as the bus does: low byte first.
fn write_word(
    pm: &mut AcpiPm,
    register: fn(u8) -> Register,
    byte: u8,
    value: u16,
    now: u64,
) -> Option<Request> {
    let [low, high] = value.to_le_bytes();
    let first = pm.write(register(byte), low, Ticks(now));
    first.or(pm.write(register(byte + 1), high, Ticks(now)))
}

#[test]
fn the_timer_counts_at_its_frequency() {
    for width in [TimerWidth::Bits24, TimerWidth::Bits32] {
        let pm = pm(width);
        assert_eq!(pm.timer(Ticks(0)), 0);
        assert_eq!(pm.timer(Ticks(HZ)), PM_TIMER_HZ as u32);
    }
}

#[test]
fn the_timer_wraps_at_its_width() {
    let tsc = TscFrequency::new(HZ).unwrap();
    for (width, top) in [(TimerWidth::Bits24, 1u64 << 24), (TimerWidth::Bits32, 1 << 32)] {
        let pm = pm(width);
        let wrap = tsc.span(top, PM_TIMER_HZ);
        assert_eq!(u64::from(pm.timer(Ticks(wrap.0 - 1))), top - 1);
        assert_eq!(pm.timer(wrap), 0);
    }
}

#[test]
fn bytes_of_the_timer_at_one_moment_are_one_reading() {
    let mut pm = pm(TimerWidth::Bits32);
    let now = Ticks(123_456_789_012);
    let bytes = [0, 1, 2, 3].map(|i| pm.read(Register::Timer(i), now));
    assert_eq!(u32::from_le_bytes(bytes), pm.timer(now));
}

#[test]
fn it_is_in_acpi_mode_for_good() {
    let mut pm = pm(TimerWidth::Bits32);
    assert_eq!(word(&mut pm, Register::Control, 0, 0), 1);
    assert_eq!(write_word(&mut pm, Register::Control, 0, 0, 0), None);
    assert_eq!(word(&mut pm, Register::Control, 0, 0), 1);
}

#[test]
fn s5_powers_off_and_no_other_sleep_type_does() {
    for sleep_type in 0..8u16 {
        let mut pm = pm(TimerWidth::Bits32);
        let value = sleep_type << SLP_TYP_SHIFT;
        // Linux writes the type first, then type and enable.
        assert_eq!(write_word(&mut pm, Register::Control, 0, value, 0), None);
        let value = value | Pm1Control::SLP_EN.bits();
        let expected = (sleep_type == u16::from(SLEEP_TYPE_S5)).then_some(Request::PowerOff);
        assert_eq!(write_word(&mut pm, Register::Control, 0, value, 0), expected);
        assert_eq!(word(&mut pm, Register::Control, 0, 0) & Pm1Control::SLP_EN.bits(), 0);
    }
}

#[test]
fn the_power_button_interrupts_if_enabled_and_is_cleared_by_writing_one() {
    let mut pm = pm(TimerWidth::Bits32);
    pm.press_power_button();
    assert!(!pm.sci());
    write_word(&mut pm, Register::Event, 2, Pm1Enable::PWRBTN.bits(), 0);
    assert!(pm.sci());
    write_word(&mut pm, Register::Event, 0, 0, 0);
    assert!(pm.sci(), "writing zero clears nothing");
    write_word(&mut pm, Register::Event, 0, Pm1Status::PWRBTN.bits(), 0);
    assert!(!pm.sci());
}

#[test]
fn enable_keeps_only_events_that_exist() {
    let mut pm = pm(TimerWidth::Bits32);
    write_word(&mut pm, Register::Event, 2, 0xFFFF, 0);
    assert_eq!(word(&mut pm, Register::Event, 2, 0), Pm1Enable::all().bits());
}

#[test]
fn the_timers_carry_interrupts_at_each_change_of_its_top_bit() {
    let tsc = TscFrequency::new(HZ).unwrap();
    let mut pm = pm(TimerWidth::Bits24);
    assert_eq!(pm.deadline(), None, "costs nothing while nobody asked");
    write_word(&mut pm, Register::Event, 2, Pm1Enable::TMR.bits(), 0);
    for change in 1..5 {
        let at = tsc.span(change << 23, PM_TIMER_HZ);
        assert_eq!(pm.deadline(), Some(at));
        pm.advance(Ticks(at.0 - 1));
        assert!(!pm.sci());
        pm.advance(at);
        assert!(pm.sci());
        assert_eq!(pm.deadline(), None);
        write_word(&mut pm, Register::Event, 0, Pm1Status::TMR.bits(), at.0);
        assert!(!pm.sci());
    }
}

#[test]
fn the_carry_is_seen_without_its_interrupt() {
    let mut pm = pm(TimerWidth::Bits24);
    assert_eq!(word(&mut pm, Register::Event, 0, 0), 0);
    assert_eq!(word(&mut pm, Register::Event, 0, 3 * HZ), Pm1Status::TMR.bits());
}

#[test]
fn both_values_of_the_acpi_reset_register_reset() {
    for value in [RESET_VALUE, 0x0E, 0x04] {
        let mut pm = pm(TimerWidth::Bits32);
        let reset = pm.write(Register::ResetControl, value, Ticks(0));
        assert_eq!(reset, Some(Request::Reset(ResetSource::ResetControl)));
    }
}

#[test]
fn reset_wants_its_bit_to_rise() {
    let mut pm = pm(TimerWidth::Bits32);
    // What Linux does by hand (arch/x86/kernel/reboot.c, BOOT_CF9).
    assert_eq!(pm.write(Register::ResetControl, 0x02, Ticks(0)), None);
    assert_eq!(pm.read(Register::ResetControl, Ticks(0)), 0x02);
    assert!(pm.write(Register::ResetControl, 0x06, Ticks(0)).is_some());
    assert_eq!(pm.write(Register::ResetControl, 0x06, Ticks(0)), None);
}

#[test]
fn fast_reset_wants_its_bit_to_rise_and_a20_is_kept() {
    let mut pm = pm(TimerWidth::Bits32);
    assert_eq!(pm.read(Register::SystemControlA, Ticks(0)), 2);
    assert_eq!(pm.write(Register::SystemControlA, 0, Ticks(0)), None);
    assert_eq!(pm.read(Register::SystemControlA, Ticks(0)), 0);
    let reset = pm.write(Register::SystemControlA, 3, Ticks(0));
    assert_eq!(reset, Some(Request::Reset(ResetSource::FastReset)));
    assert_eq!(pm.write(Register::SystemControlA, 1, Ticks(0)), None);
}

#[test]
fn an_event_of_the_clock_ends_the_wait_for_the_timer() {
    let mut pm = pm(TimerWidth::Bits24);
    let enable = (Pm1Enable::TMR | Pm1Enable::RTC).bits();
    write_word(&mut pm, Register::Event, 2, enable, 0);
    assert!(pm.deadline().is_some());
    pm.rtc_line(true);
    assert!(pm.sci());
    assert_eq!(pm.deadline(), None, "the line is high already");
}

#[test]
fn no_general_purpose_event_exists() {
    let mut pm = pm(TimerWidth::Bits32);
    for byte in 0..4 {
        pm.write(Register::Gpe(byte), 0xFF, Ticks(0));
        assert_eq!(pm.read(Register::Gpe(byte), Ticks(0)), 0);
    }
    assert!(!pm.sci());
}

fn register() -> impl Strategy<Value = Register> {
    prop_oneof![
        any::<u8>().prop_map(Register::Event),
        any::<u8>().prop_map(Register::Control),
        any::<u8>().prop_map(Register::Timer),
        any::<u8>().prop_map(Register::Gpe),
        Just(Register::ResetControl),
        Just(Register::SystemControlA),
    ]
}

proptest! {
    /// Whatever is done to it, it does not panic and asks for nothing in the
    /// past.
    #[test]
    fn any_sequence_keeps_the_rules(
        steps in prop::collection::vec((any::<bool>(), register(), any::<u8>(), 0u64..1 << 40), 0..200),
    ) {
        let mut pm = pm(TimerWidth::Bits24);
        let mut now = 0;
        for (is_write, register, value, wait) in steps {
            now += wait;
            pm.advance(Ticks(now));
            if is_write {
                let _ = pm.write(register, value, Ticks(now));
            } else {
                pm.read(register, Ticks(now));
            }
            prop_assert!(pm.deadline().is_none_or(|at| at.0 > now));
            let copy = AcpiPm::restore(
                TscFrequency::new(HZ).unwrap(), TimerWidth::Bits24, pm.state().clone());
            prop_assert_eq!(copy.deadline(), pm.deadline());
        }
    }
}
