//! Shows long work while it runs: a spinner or bar on a terminal, one line a
//! step in a log.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bulkhead_progress::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ui::{self, FAINT, GOOD, HEADING, cell};

/// Width that step names are padded to, so that outcomes line up.
const NAME_WIDTH: usize = 44;

/// A step that is not over yet.
struct Current {
    what: String,
    since: Instant,
    bar: ProgressBar,
}

/// Shows steps on standard error.
#[derive(Default)]
pub struct Steps {
    current: Mutex<Option<Current>>,
}

impl Steps {
    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the current step is doing.
    pub fn rename(&self, what: &str) {
        if let Some(current) = &*self.current() {
            current.bar.set_message(what.to_owned());
        }
    }

    /// Takes an unfinished step off the screen; what follows says the rest.
    pub fn abandon(&self) {
        self.leave("failed");
    }

    /// The same for one that a signal has stopped.
    pub fn stop(&self) {
        self.leave("stopped");
    }

    fn leave(&self, outcome: &str) {
        if let Some(current) = self.current().take() {
            current.bar.finish_and_clear();
            ui::tell(&line(&current.what, outcome, ui::BAD, current.since.elapsed()));
        }
    }
}

fn line(what: &str, outcome: &str, style: anstyle::Style, elapsed: Duration) -> String {
    let mut cells = vec![cell(format!("{what:NAME_WIDTH$}"), HEADING), cell(outcome, style)];
    // Short steps say nothing about time: the eye should find the long ones.
    if elapsed >= Duration::from_secs(1) {
        cells.push(cell(ui::duration(elapsed), FAINT));
    }
    ui::table(&[cells]).concat()
}

impl Progress for Steps {
    fn begin(&self, what: &str, total: Option<u64>) {
        let bar = match total {
            Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
                .with_style(style("{msg:44} {bar:24} {percent:>3} %")),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(style("{msg:44} {spinner} {elapsed}")),
        };
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        *self.current() = Some(Current { what: what.to_owned(), since: Instant::now(), bar });
    }

    fn advance(&self, done: u64) {
        if let Some(current) = &*self.current() {
            current.bar.set_position(done);
        }
    }

    fn end(&self, outcome: &str) {
        if let Some(current) = self.current().take() {
            current.bar.finish_and_clear();
            ui::tell(&line(&current.what, outcome, GOOD, current.since.elapsed()));
        }
    }

    fn note(&self, text: &str) {
        let print = || ui::tell(text);
        match &*self.current() {
            Some(current) => current.bar.suspend(print),
            None => print(),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this file; a wrong one would show as the
    // default style, which is no reason to fail.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
