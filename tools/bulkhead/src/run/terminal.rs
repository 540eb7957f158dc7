//! The user's terminal in raw mode, and back, whatever happens.
//!
//! Release builds abort on a panic, so destructors do not run then; a panic
//! hook restores the terminal as well. Signals are turned into events by
//! `signals` and end the run in the ordinary way. A run that is stopped lends the
//! terminal to whoever stopped it. Only SIGKILL and SIGSTOP leave it as it is.

use std::{
    io::{self, IsTerminal, Write},
    panic,
    sync::{Mutex, Once, PoisonError},
};

use rustix::{
    process::getpgrp,
    termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};

/// Undoes what a guest that was stopped in mid-screen left behind: DECSTR (VT220
/// soft reset), plain colours, a visible cursor. It moves and clears nothing.
const RESET: &[u8] = b"\x1b[!p\x1b[0m\x1b[?25h";

/// What the terminal was like before.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Holding it means that standard input is a terminal in raw mode.
pub struct RawMode(());

impl RawMode {
    /// Enters raw mode; `None` if standard input is no terminal.
    pub fn enter() -> io::Result<Option<RawMode>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        HOOK.call_once(|| {
            let earlier = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                restore();
                earlier(info);
            }));
        });
        // `Drain` rather than `Flush`: keys typed ahead are for the guest.
        tcsetattr(&stdin, OptionalActions::Drain, &raw)?;
        Ok(Some(RawMode(())))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was before, if it is raw, while the run is stopped.
pub fn lend() {
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        give(before);
    }
}

/// Makes the terminal raw again, if the run has it and is in its foreground. A
/// background job that changed its settings would be stopped for that.
pub fn take_back() {
    let stdin = io::stdin();
    if let Some(before) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
        && tcgetpgrp(&stdin).is_ok_and(|foreground| foreground == getpgrp())
    {
        let mut raw = before.clone();
        raw.make_raw();
        // Nothing is left to do if the terminal is gone.
        let _ = tcsetattr(&stdin, OptionalActions::Drain, &raw);
    }
}

fn restore() {
    if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        give(&before);
    }
}

fn give(before: &Termios) {
    // Nothing is left to do if the terminal is gone.
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    let mut stdout = io::stdout();
    if stdout.is_terminal() {
        let _ = stdout.write_all(RESET).and_then(|()| stdout.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        process::{Command, Stdio},
    };

    use rustix::{
        fs::{Mode, OFlags},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
        termios::LocalModes,
    };

    use super::*;

    /// Set in the process that is to fail.
    const FAILS: &str = "BULKHEAD_TEST_PANIC_IN_RAW_MODE";

    /// The test runs itself on a terminal of its own, and panics there in raw mode
    /// as a program would whose panics abort: without running a destructor.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        if env::var_os(FAILS).is_some() {
            let raw = RawMode::enter().unwrap().unwrap();
            std::mem::forget(raw);
            let now = tcgetattr(io::stdin()).unwrap();
            assert!(!now.local_modes.contains(LocalModes::ICANON), "not yet raw");
            panic!("on purpose");
        }
        let side = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&side).unwrap();
        unlockpt(&side).unwrap();
        let name = ptsname(&side, Vec::new()).unwrap();
        let other = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        assert!(tcgetattr(&side).unwrap().local_modes.contains(LocalModes::ICANON));
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "run::terminal::tests::a_panic_gives_the_terminal_back",
            ])
            .env(FAILS, "1")
            .stdin(Stdio::from(other))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains("on purpose"), "{said}");
        assert!(tcgetattr(&side).unwrap().local_modes.contains(LocalModes::ICANON), "still raw");
    }
}
