//! The user's terminal in raw mode, and back, whatever happens.
//!
//! Release builds abort on a panic, so destructors do not run then; a panic
//! hook restores the terminal as well. Signals are turned into events by
//! `signals` and end the run in the ordinary way. Only SIGKILL leaves the
//! terminal as it is.

use std::{
    io::{self, IsTerminal, Write},
    panic,
    sync::{Mutex, Once, PoisonError},
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

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

fn restore() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // Nothing is left to do if the terminal is gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        let mut stdout = io::stdout();
        if stdout.is_terminal() {
            let _ = stdout.write_all(RESET).and_then(|()| stdout.flush());
        }
    }
}
