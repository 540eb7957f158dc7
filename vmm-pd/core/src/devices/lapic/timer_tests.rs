//! The timer: rules by name, and a model that ticks.

use proptest::prelude::*;

use super::timer::TimerMode;
use super::*;

/// Slow, so that the model need not tick long: the fastest periodic timer has a
/// period of 100 ticks.
fn frequency() -> TscFrequency {
    TscFrequency::new(1_000_000).unwrap()
}

fn timer(mode: TimerMode) -> Timer {
    let mut timer = Timer::new(frequency());
    timer.set_mode(mode, Ticks(0));
    timer.set_divide(0b1011, Ticks(0));
    timer
}

#[test]
fn the_crystal_is_the_tsc_while_it_fits() {
    for (tsc, numerator, hz) in [
        (100_000_000, 1, 100_000_000),
        (4_294_967_295, 1, 4_294_967_295),
        (4_294_967_296, 2, 2_147_483_648),
        (5_000_000_000, 2, 2_500_000_000),
        (100_000_000_000, 24, 4_166_666_666),
    ] {
        let crystal = CoreCrystal::of(TscFrequency::new(tsc).unwrap());
        assert_eq!(crystal, CoreCrystal { denominator: 1, numerator, hz });
    }
}

#[test]
fn divide_codes() {
    for (code, divisor) in [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)] {
        let mut timer = timer(TimerMode::OneShot);
        timer.set_divide(code, Ticks(0));
        timer.set_initial(10, Ticks(0));
        assert_eq!(timer.due(), Some(Ticks(10 * divisor)), "code {code}");
        assert_eq!(timer.current(Ticks(3 * divisor)), 7);
    }
}

#[test]
fn the_crystals_ratio_stretches_a_count() {
    let mut timer = Timer::new(TscFrequency::new(5_000_000_000).unwrap());
    timer.set_divide(0b1011, Ticks(0));
    timer.set_initial(1000, Ticks(0));
    assert_eq!(timer.due(), Some(Ticks(2000)));
}

#[test]
fn one_shot_expires_once() {
    let mut timer = timer(TimerMode::OneShot);
    timer.set_initial(1000, Ticks(5));
    assert!(!timer.advance(Ticks(1004)));
    assert_eq!(timer.current(Ticks(1004)), 1);
    assert!(timer.advance(Ticks(1005)));
    assert_eq!(timer.due(), None);
    assert_eq!(timer.current(Ticks(9999)), 0);
    assert_eq!(timer.initial(), 1000);
}

#[test]
fn missed_periods_do_not_flood_and_keep_step() {
    let mut timer = timer(TimerMode::Periodic);
    timer.set_initial(1000, Ticks(0));
    assert!(timer.advance(Ticks(7_300)));
    assert!(!timer.advance(Ticks(7_300)));
    assert_eq!(timer.due(), Some(Ticks(8_000)));
    assert_eq!(timer.current(Ticks(7_300)), 700);
}

#[test]
fn a_period_too_short_to_live_with_is_slowed_down() {
    let mut timer = timer(TimerMode::Periodic);
    timer.set_initial(3, Ticks(0));
    let mut expiries = 0;
    while let Some(due) = timer.due().filter(|due| due.0 <= 1_000_000) {
        assert!(timer.advance(due));
        assert_eq!(due.0 % 3, 0, "in step all the same");
        expiries += 1;
    }
    assert!((9_700..=FASTEST_PERIODIC_HZ).contains(&expiries), "{expiries} in a second");
}

#[test]
fn an_initial_count_of_zero_stops() {
    let mut timer = timer(TimerMode::Periodic);
    timer.set_initial(1000, Ticks(0));
    timer.set_initial(0, Ticks(10));
    assert_eq!(timer.due(), None);
    assert_eq!(timer.current(Ticks(10)), 0);
}

#[test]
fn the_tsc_deadline_is_cleared_when_it_comes() {
    let mut timer = timer(TimerMode::TscDeadline);
    timer.set_tsc_deadline(500);
    assert_eq!(timer.tsc_deadline(), 500);
    timer.set_initial(10, Ticks(0));
    assert_eq!((timer.initial(), timer.due()), (0, Some(Ticks(500))), "ignored in this mode");
    assert!(timer.advance(Ticks(500)));
    assert_eq!((timer.tsc_deadline(), timer.due()), (0, None));
    timer.set_tsc_deadline(600);
    timer.set_tsc_deadline(0);
    assert_eq!(timer.due(), None);
}

#[test]
fn changing_to_or_from_tsc_deadline_mode_disarms() {
    let mut timer = timer(TimerMode::OneShot);
    timer.set_tsc_deadline(500);
    assert_eq!((timer.tsc_deadline(), timer.due()), (0, None), "ignored in this mode");
    timer.set_initial(1000, Ticks(0));
    timer.set_mode(TimerMode::TscDeadline, Ticks(1));
    assert_eq!((timer.due(), timer.initial()), (None, 0));
    timer.set_tsc_deadline(500);
    timer.set_mode(TimerMode::Periodic, Ticks(2));
    assert_eq!((timer.due(), timer.tsc_deadline()), (None, 0));
}

#[test]
fn the_reserved_mode_never_expires() {
    let mut timer = timer(TimerMode::Reserved);
    timer.set_initial(1, Ticks(0));
    timer.set_tsc_deadline(1);
    assert_eq!(timer.due(), None);
}

#[test]
fn the_longest_count_does_not_overflow() {
    let mut timer = Timer::new(TscFrequency::new(100_000_000_000).unwrap());
    timer.set_divide(0b1010, Ticks(0));
    timer.set_mode(TimerMode::Periodic, Ticks(0));
    timer.set_initial(u32::MAX, Ticks(u64::MAX - 5));
    assert_eq!(timer.due(), Some(Ticks(u64::MAX)));
    assert!(timer.advance(Ticks(u64::MAX)));
}

/// Counts by ones.
struct Model {
    mode: TimerMode,
    divisor: u64,
    initial: u32,
    current: u32,
    /// Ticks since the count last changed.
    phase: u64,
}

impl Model {
    fn tick(&mut self) -> bool {
        if self.current == 0 {
            return false;
        }
        self.phase += 1;
        if self.phase < self.divisor {
            return false;
        }
        self.phase = 0;
        self.current -= 1;
        if self.current > 0 {
            return false;
        }
        if self.mode == TimerMode::Periodic {
            self.current = self.initial;
        }
        true
    }
}

#[derive(Clone, Debug)]
enum Step {
    Initial(u32),
    Divide(u32),
    Periodic(bool),
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (100u32..400).prop_map(Step::Initial),
        1 => Just(Step::Initial(0)),
        2 => prop::sample::select(&[0b1011u32, 0, 1, 2]).prop_map(Step::Divide),
        2 => any::<bool>().prop_map(Step::Periodic),
        4 => Just(Step::Nothing),
    ]
}

proptest! {
    #[test]
    fn counts_and_expiries_are_those_of_a_ticking_timer(
        steps in prop::collection::vec((step(), 0u64..1500), 1..30),
    ) {
        let mut timer = timer(TimerMode::OneShot);
        let mut model =
            Model { mode: TimerMode::OneShot, divisor: 1, initial: 0, current: 0, phase: 0 };
        let mut now = 0;
        for (step, gap) in steps {
            match step {
                Step::Initial(initial) => {
                    timer.set_initial(initial, Ticks(now));
                    model.initial = initial;
                    model.current = initial;
                    model.phase = 0;
                }
                Step::Divide(code) => {
                    timer.set_divide(code, Ticks(now));
                    let divisor = if code == 0b1011 { 1 } else { 2 << code };
                    if divisor != model.divisor {
                        model.phase = 0;
                    }
                    model.divisor = divisor;
                }
                Step::Periodic(periodic) => {
                    let mode = if periodic { TimerMode::Periodic } else { TimerMode::OneShot };
                    timer.set_mode(mode, Ticks(now));
                    if mode != model.mode {
                        model.phase = 0;
                    }
                    model.mode = mode;
                }
                Step::Nothing => {}
            }
            let mut expired = false;
            for _ in 0..gap {
                now += 1;
                let due = timer.due() == Some(Ticks(now)) && !expired;
                let expires = model.tick();
                prop_assert!(!due || expires, "due at {} for nothing", now);
                expired |= expires;
            }
            prop_assert_eq!(timer.advance(Ticks(now)), expired);
            prop_assert_eq!(timer.current(Ticks(now)), model.current);
            prop_assert!(timer.due().is_none_or(|due| due.0 > now));
            let mut restored = Timer::new(frequency());
            restored.restore(&timer.save(Ticks(now)), model.mode, Ticks(now));
            prop_assert_eq!(restored.current(Ticks(now + 77)), timer.current(Ticks(now + 77)));
            prop_assert_eq!(restored.due(), timer.due());
        }
    }
}
