//! Clocks and timers.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use crate::Outcome;

/// How long the clocks are compared.
const SPAN: Duration = Duration::from_secs(10);

/// The time-stamp counter is the clocksource.
pub fn clocksource() -> Outcome {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let name = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    match name.trim() {
        "tsc" => Ok("tsc".into()),
        other => Err(format!("{other}, not tsc")),
    }
}

/// The kernel's random number generator is seeded already.
pub fn entropy() -> Outcome {
    let start = Instant::now();
    let mut bytes = [0; 32];
    fs::File::open("/dev/random")
        .and_then(|mut f| std::io::Read::read_exact(&mut f, &mut bytes))
        .map_err(|e| format!("/dev/random: {e}"))?;
    let took = start.elapsed();
    if took > Duration::from_secs(1) {
        return Err(format!("32 bytes took {took:?}"));
    }
    if bytes == [0; 32] {
        return Err("32 zero bytes".into());
    }
    Ok(format!("32 bytes in {} us", took.as_micros()))
}

/// Seconds of the battery-backed clock.
fn rtc() -> Result<u64, String> {
    let path = "/sys/class/rtc/rtc0/since_epoch";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    text.trim().parse().map_err(|e| format!("{path}: {e}"))
}

/// Waits for the next second of the battery-backed clock.
fn rtc_tick() -> Result<u64, String> {
    let start = rtc()?;
    for _ in 0..2_000 {
        let now = rtc()?;
        if now != start {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err("the real-time clock stands still".into())
}

/// Ten seconds by the local APIC's timer (sleeping), by the time-stamp counter
/// (the clocksource), and by the battery-backed clock, agree to 1 %.
pub fn timers() -> Outcome {
    let first = rtc_tick()?;
    let start = Instant::now();
    let step = Duration::from_millis(100);
    let mut worst = Duration::ZERO;
    while start.elapsed() < SPAN {
        let before = Instant::now();
        thread::sleep(step);
        worst = worst.max(before.elapsed().saturating_sub(step));
    }
    let last = rtc_tick()?;
    let measured = start.elapsed();
    let by_rtc = Duration::from_secs(last - first);
    let error = measured.abs_diff(by_rtc).as_secs_f64() / by_rtc.as_secs_f64();
    if error > 0.01 {
        return Err(format!("{measured:?} by the clocksource, {by_rtc:?} by the real-time clock"));
    }
    if worst > step / 10 {
        return Err(format!("a sleep of {step:?} took {worst:?} longer"));
    }
    Ok(format!("{by_rtc:?} to {:.3} %, sleeps late by {worst:?} at most", error * 100.0))
}
