//! First process of the Linux guest that `cargo bulkhead bench` measures, and of
//! the same Linux on the same machine without seL4. It says when it began, what
//! exits cost seen from user space, or what its devices do, and ends by power-off.
//!
//! Lines that it prints, in the forms that `tools/bench` reads:
//!
//! ```text
//! value NAME NUMBER                  decimal
//! bench NAME VALUE*COUNT ...         samples, hexadecimal (bench/measure.inc)
//! exits PHASE REASON COUNT           decimal; the reason is the SDM's number
//! kernel VERSION
//! ok linux                           everything was measured
//! FAIL linux REASON
//! ```
//!
//! Not here: judging the figures. The surprising fact: nothing is printed before
//! everything is measured, because printing is itself full of exits.

mod aio;
mod clock;
mod counters;
mod disk;
mod exits;
mod modules;
mod network;
mod ticks;

use std::{fs, io::Write, process::ExitCode};

use nix::{
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        termios::tcdrain,
    },
};

use counters::Counts;

/// On the command line: devices are measured, and nothing else.
const DEVICES: &str = "bulkhead.bench=devices";

fn main() -> ExitCode {
    // The first thing of the first process.
    let began = clock::now();
    let booted = clock::is_guest().then(Counts::ending);
    let text = match measure(began, booted) {
        Ok(text) => format!("{text}ok linux\n"),
        Err(reason) => format!("FAIL linux {reason}\n"),
    };
    let mut out = std::io::stdout();
    // Nobody is left to tell that the console is gone. What has not left the port
    // by power-off is lost.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let _ = tcdrain(&out);
    // Returns only if it fails, and then the kernel panics at this process's end,
    // which is heard.
    let _ = reboot(RebootMode::RB_POWER_OFF);
    ExitCode::FAILURE
}

/// Measures everything; `booted` is what a guest's VMM had counted by then.
fn measure(began: u64, booted: Option<Counts>) -> Result<String, String> {
    let none: Option<&str> = None;
    for (place, kind) in [("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "devtmpfs")] {
        mount(none, place, Some(kind), MsFlags::empty(), none)
            .map_err(|e| format!("{place} cannot be mounted: {e}"))?;
    }
    let mut text = format!("value first_process {began}\n");
    let command_line = fs::read_to_string("/proc/cmdline")
        .map_err(|e| format!("the command line is unknown: {e}"))?;
    if command_line.split_whitespace().any(|word| word == DEVICES) {
        counters::check()?;
        modules::load()?;
        text += &disk::measure()?;
        if network::is_there() {
            text += &network::measure()?;
        }
    } else if let Some(booted) = booted {
        text += &format!("value boot_interrupts {}\n", ticks::interrupts()?);
        counters::check()?;
        text += &Counts::of_start().lines("boot", &booted);
        for (name, samples) in exits::measure()? {
            text += &line(name, &samples);
        }
        text += &ticks::measure()?;
    }
    let version = fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_err(|e| format!("the kernel's version is unknown: {e}"))?;
    text += &format!("kernel {}\n", version.trim());
    Ok(text)
}

/// Samples, value by value, with how often each came in a row.
fn line(name: &str, samples: &[u32]) -> String {
    let mut text = format!("bench {name}");
    for run in samples.chunk_by(|a, b| a == b) {
        text += &format!(" {:08x}*{:08x}", run[0], run.len());
    }
    text.push('\n');
    text
}
