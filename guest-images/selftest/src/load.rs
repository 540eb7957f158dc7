//! Signals, fork and floating-point state under load: several processes
//! compute the same chaotic series in x87, SSE and integer registers while an
//! interval timer interrupts each of them with a signal every millisecond and
//! other processes come and go. A register lost in any switch changes the
//! result.

use std::{
    env,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use nix::sys::{
    signal::{SigEvent, SigevNotify, Signal},
    time::TimeSpec,
    timer::{Expiration, Timer, TimerSetTimeFlags},
};
use nix::time::ClockId;

use crate::Outcome;

/// Argument that makes this program a child of the test.
pub const CHILD: &str = "--load-child";

/// Children that compute at once; more than there are processors.
const CHILDREN: usize = 6;

/// Short-lived processes made meanwhile.
const FORKS: usize = 100;

/// Steps of one child's computation.
const STEPS: u32 = 1_000_000;

/// The series: two logistic maps in floating point, one of them through the
/// square root unit, and a linear congruential generator. Every step depends
/// on every bit of the one before.
fn series(mut each: impl FnMut()) -> (u64, u64, u64) {
    let (mut a, mut b, mut c) = (0.123_456_789_f64, 0.987_654_321_f64, 1u64);
    for step in 0..STEPS {
        a = 3.99 * a * (1.0 - a);
        b = (1.0 - (2.0 * b - 1.0).powi(2)).sqrt();
        b = if b < 1e-9 { a } else { b };
        c = c.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if step % 64 == 0 {
            each();
        }
    }
    (a.to_bits(), b.to_bits(), c)
}

/// One child: computes under signals and prints the result and their number.
pub fn child() -> ExitCode {
    let run = || -> Result<(u64, u64, u64, u32), Box<dyn std::error::Error>> {
        let rang = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGALRM, rang.clone())?;
        let event =
            SigEvent::new(SigevNotify::SigevSignal { signal: Signal::SIGALRM, si_value: 0 });
        let mut timer = Timer::new(ClockId::CLOCK_MONOTONIC, event)?;
        let every = TimeSpec::from_duration(Duration::from_millis(1));
        timer.set(Expiration::Interval(every), TimerSetTimeFlags::empty())?;
        let mut signals = 0;
        let (a, b, c) = series(|| signals += u32::from(rang.swap(false, Relaxed)));
        Ok((a, b, c, signals))
    };
    match run() {
        Ok((a, b, c, signals)) => {
            println!("{a:x} {b:x} {c:x} {signals}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the children and compares.
pub fn signals_fork_fpu() -> Outcome {
    let program = env::current_exe().map_err(|e| e.to_string())?;
    let spawn = |_| -> Result<Child, String> {
        Command::new(&program)
            .arg(CHILD)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("fork: {e}"))
    };
    let children = (0..CHILDREN).map(spawn).collect::<Result<Vec<_>, _>>()?;
    for n in 0..FORKS {
        let status = Command::new("/bin/true").status().map_err(|e| format!("fork {n}: {e}"))?;
        if !status.success() {
            return Err(format!("process {n} ended with {status}"));
        }
    }
    let (a, b, c) = series(|| {});
    let wanted = format!("{a:x} {b:x} {c:x}");
    let mut signals = 0;
    for child in children {
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some((result, count)) = text.trim().rsplit_once(' ') else {
            return Err(format!("a child said {text:?} and ended with {}", output.status));
        };
        if result != wanted {
            return Err(format!("a child computed {result}, not {wanted}"));
        }
        signals += count.parse::<u32>().map_err(|e| e.to_string())?;
    }
    if signals == 0 {
        return Err("no signal arrived, so nothing was tested".into());
    }
    Ok(format!("{CHILDREN} processes under {signals} signals, {FORKS} more came and went"))
}

#[cfg(test)]
mod tests {
    use super::series;

    #[test]
    fn the_series_repeats_itself_and_never_settles() {
        let mut seen = 0;
        let first = series(|| seen += 1);
        assert_eq!(first, series(|| {}));
        assert!(seen > 0);
        assert!(f64::from_bits(first.0) > 0.0 && f64::from_bits(first.0) < 1.0);
    }
}
