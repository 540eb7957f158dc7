//! Signals that end the command: at any moment nothing of it may be left.
//!
//! Before a run and after it, a signal ends every program that was started,
//! removes what is unfinished, and exits; the main thread stays where it is.
//! During a run the run hears of it, and ends in its ordinary way.
//!
//! SIGTSTP stops the command as it stops any other, but first the terminal is
//! made what it was before; when the command goes on, the guest has it again.
//! (In raw mode the key sends none: somebody else did.)
//!
//! What surprises: SIGXFSZ, which a limit on file sizes sends, is caught in
//! order to be ignored: the write then fails with an error that names the file.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use bulkhead_build::Workspace;
use signal_hook::{
    consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGXFSZ},
    flag,
    iterator::Signals,
    low_level::emulate_default_handler,
};

use crate::{
    exit,
    run::terminal,
    steps::Steps,
    ui::{self, CAUTION},
};

/// Who hears of a signal instead.
type Listener = Box<dyn Fn(i32) + Send>;

static LISTENER: Mutex<Option<Listener>> = Mutex::new(None);

/// Set once a signal ends the command.
static ENDING: AtomicBool = AtomicBool::new(false);

/// Holding it means that signals go to the listener.
pub struct Listening(());

impl Drop for Listening {
    fn drop(&mut self) {
        *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Tells `listener` of signals, which do not end the command meanwhile.
pub fn listen(listener: impl Fn(i32) + Send + 'static) -> Listening {
    *LISTENER.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(listener));
    Listening(())
}

/// Looks after signals from now on.
///
/// # Errors
/// The system refuses.
pub fn watch(steps: &'static Steps) -> io::Result<()> {
    bulkhead_host::adopt_orphans();
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => {
                    terminal::lend();
                    // Stops all threads, until SIGCONT. That this number cannot be
                    // emulated is the only error, and it can.
                    let _ = emulate_default_handler(SIGTSTP);
                    continue;
                }
                // Also after SIGSTOP, of which nobody is told.
                SIGCONT => {
                    terminal::take_back();
                    continue;
                }
                _ => {}
            }
            match &*LISTENER.lock().unwrap_or_else(PoisonError::into_inner) {
                Some(listener) => listener(signal),
                None => end(signal, steps),
            }
        }
    })?;
    Ok(())
}

/// If a signal is ending the command, stays here until it has: what the main
/// thread would say now is only that its programs were ended.
pub fn yield_to_the_end() {
    if ENDING.load(Ordering::SeqCst) {
        loop {
            thread::park();
        }
    }
}

fn end(signal: i32, steps: &Steps) -> ! {
    ENDING.store(true, Ordering::SeqCst);
    bulkhead_host::end_programs(|| {
        steps.rename("waiting for apt-get, which must not be interrupted");
    });
    steps.stop();
    if let Ok(workspace) = Workspace::find() {
        workspace.remove_own_leftovers();
    }
    bulkhead_machine::remove_abandoned();
    ui::tell(&format!("{CAUTION}stopped{CAUTION:#} by signal {signal}"));
    std::process::exit(i32::from(exit::signal(signal)));
}
