//! What Linux's own timer costs: exits while nothing happens, while a process
//! sleeps again and again, and while it computes.

use std::{fs, thread, time::Duration};

use crate::{clock, counters::Counts};

/// How long nothing happens: Linux's tick is off then, and its timers are few.
const IDLE: Duration = Duration::from_secs(4);
/// Sleeps of a process, each a way to idle and back.
const SLEEPS: u32 = 100;
/// How long each is; more than a period of the tick (Debian: 250 Hz).
const SLEEP: Duration = Duration::from_millis(10);
/// Ticks of the busy phase's computing: a second of the guest's time at 100 MHz.
const BUSY: u64 = 100_000_000;

/// Timer interrupts so far: of the local APIC, and of the 8254 before that is up.
///
/// # Errors
/// Linux does not say.
pub fn interrupts() -> Result<u64, String> {
    let path = "/proc/interrupts";
    let text = fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    let count = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let local = count("LOC:").ok_or_else(|| format!("{path} has no row LOC"))?;
    Ok(local + count("0:").unwrap_or(0))
}

/// Does something, and says what exits and timer interrupts came meanwhile.
fn phase(name: &str, work: impl FnOnce()) -> Result<String, String> {
    let before = interrupts()?;
    let begin = Counts::beginning();
    work();
    let end = Counts::ending();
    let count = interrupts()? - before;
    Ok(begin.lines(name, &end) + &format!("value {name}_interrupts {count}\n"))
}

/// All phases.
///
/// # Errors
/// Linux does not say how many interrupts there were.
pub fn measure() -> Result<String, String> {
    let idle = phase("idle", || thread::sleep(IDLE))?;
    let sleeps = phase("sleeps", || {
        for _ in 0..SLEEPS {
            thread::sleep(SLEEP);
        }
    })?;
    let busy = phase("busy", || {
        let until = clock::now() + BUSY;
        while clock::now() < until {
            std::hint::spin_loop();
        }
    })?;
    Ok(idle + &sleeps + &busy)
}
