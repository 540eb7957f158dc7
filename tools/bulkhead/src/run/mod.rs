//! A system on the emulated machine, with the guests' consoles live in the
//! user's terminal, until the guests end or the user leaves.

mod console;
mod guests;
mod keys;
mod statistics;
mod symbols;
pub mod terminal;
mod transcript;

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::PathBuf,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use bulkhead_disk::Disk;
use bulkhead_machine::{Ending, Event, GuestEvent, Keyboard, Machine, Outcome, Status};
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use self::{
    console::{Console, ShowError},
    guests::Guests,
    keys::{Action, Keys},
    statistics::Statistics,
    symbols::Symbols,
    terminal::RawMode,
};
pub use self::{guests::Named, transcript::Transcript};
use crate::{
    exit, signals,
    ui::{BAD, CAUTION, FAINT, GOOD, NAME},
};

/// What to run, and how.
pub struct Session {
    /// The machine.
    pub machine: bulkhead_machine::Config,
    /// Its disk, which nobody else may use meanwhile.
    pub disk: Option<Disk>,
    /// Its guests; none when what boots is no system of ours.
    pub guests: Vec<Named>,
    /// Hold keys back until the system is ready. Not for images that say nothing.
    pub wait_for_ready: bool,
    /// End it after this time.
    pub timeout: Option<Duration>,
    /// Write a transcript here.
    pub transcript: Option<Transcript>,
    /// Show the guests' counters when it ends.
    pub statistics: bool,
    /// Programs by protection domain, for the names of their functions.
    pub programs: BTreeMap<String, PathBuf>,
}

/// Everything that can happen.
enum Input {
    Machine(Event),
    Keys(Vec<u8>),
    Signal(i32),
}

/// Why the run is over.
enum End {
    /// Every guest ended.
    Guests,
    /// The user left.
    Left,
    /// The time is up.
    Timeout(Duration),
    /// A signal arrived.
    Signal(i32),
    /// Nobody reads standard output any more.
    Closed,
    /// The system could not be started.
    SystemFailed,
    /// The emulator is gone.
    Emulator(Ending),
}

/// In-band prefix by which a serial virtualiser with several clients takes the
/// number of the client that keys go to.
const SELECT_CLIENT: u8 = 0x1c;

/// When the last guest has ended, its last output may still be on its way
/// through the serial driver: wait for this much silence...
const SETTLE_QUIET: Duration = Duration::from_millis(400);
/// ...but no longer than this in all.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// How long the status domain has to answer at the end of a run. It takes a
/// second of the machine's time for eight guests.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// Runs it; returns the command's exit status.
pub fn run(mut session: Session) -> Result<u8> {
    session.machine.disk = session.disk.as_ref().map(|disk| disk.path().into());
    let (sender, inputs) = mpsc::channel();
    let forward = sender.clone();
    // Before the machine: from here on a signal must end that too. In raw mode
    // no key sends one.
    let _listening = signals::listen(move |signal| {
        let _ = forward.send(Input::Signal(signal));
    });
    let forward = sender.clone();
    let statistics = Statistics::new(session.machine.runner.ticks_a_second());
    let mut machine = Machine::start(session.machine, move |event| {
        // The receiver goes first only when the run is over.
        let _ = forward.send(Input::Machine(event));
    })?;
    if let Some(transcript) = &mut session.transcript {
        transcript.begin()?;
    }
    let raw = RawMode::enter().into_diagnostic().wrap_err("cannot set the terminal's mode")?;
    watch_keys(sender);

    let mut live = Live {
        console: Console::new(raw.is_some(), session.transcript),
        guests: Guests::new(session.guests),
        keyboard: machine.keyboard(),
        keys: raw.is_some().then(Keys::default),
        held: session.wait_for_ready.then(Vec::new),
        statistics,
        symbols: Symbols::new(session.programs),
        answered: 0,
    };
    let outcome = live.greet().and_then(|()| {
        let end = live.serve(&inputs, session.timeout)?;
        if session.statistics && matches!(end, End::Guests | End::Left | End::Timeout(_)) {
            live.last_statistics(&inputs)?;
        }
        Ok(end)
    });
    let end = match outcome {
        Ok(end) => end,
        Err(ShowError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => End::Closed,
        Err(error) => {
            machine.stop();
            drop(raw);
            return Err(match error {
                ShowError::Output(error) => miette!("cannot show the console: {error}"),
                ShowError::Transcript(error) => error.into(),
            });
        }
    };
    machine.stop();
    drop(raw);
    live.console.leave_raw();
    let code = live.close(end, machine.logs());
    Ok(code)
}

/// Reads standard input to its end, which is not the end of the run.
fn watch_keys(sender: Sender<Input>) {
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = [0; 1024];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    if sender.send(Input::Keys(buffer[..count].to_vec())).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A terminal that was closed: SIGHUP tells of it.
                Err(_) => return,
            }
        }
    });
}

/// What became of something that was to be shown.
type Shown<T> = Result<T, ShowError>;

/// The state of a run.
struct Live {
    console: Console,
    guests: Guests,
    keyboard: Keyboard,
    /// How typed keys are read; `None` when they come from no terminal.
    keys: Option<Keys>,
    /// Keys from before the system was ready.
    held: Option<Vec<u8>>,
    statistics: Statistics,
    symbols: Symbols,
    /// Guests whose counters were shown.
    answered: usize,
}

impl Live {
    fn greet(&mut self) -> Shown<()> {
        if self.keys.is_some() {
            let text = "Ctrl-A x leaves, Ctrl-A ? shows all commands.";
            self.console.message(&format!("{FAINT}{text}{FAINT:#}"))?;
        }
        Ok(())
    }

    fn serve(&mut self, inputs: &Receiver<Input>, timeout: Option<Duration>) -> Shown<End> {
        let started = Instant::now();
        // Set once every guest has ended: when to stop waiting for output.
        let mut settle: Option<Instant> = None;
        loop {
            if let Some(timeout) = timeout
                && started.elapsed() >= timeout
                && settle.is_none()
            {
                return Ok(End::Timeout(timeout));
            }
            if let Some(until) = settle
                && (self.console.quiet_for() >= SETTLE_QUIET || Instant::now() >= until)
            {
                return Ok(End::Guests);
            }
            let wait = match (settle, timeout) {
                (Some(_), _) => Duration::from_millis(50),
                (None, Some(timeout)) => timeout.saturating_sub(started.elapsed()),
                (None, None) => Duration::from_secs(3600),
            };
            let end = match inputs.recv_timeout(wait) {
                Ok(Input::Machine(event)) => self.machine(event)?,
                Ok(Input::Keys(bytes)) => self.typed(&bytes)?,
                Ok(Input::Signal(signal)) => Some(End::Signal(signal)),
                Err(RecvTimeoutError::Timeout) => None,
                // The machine's thread says `Ended` before it goes.
                Err(RecvTimeoutError::Disconnected) => Some(End::Emulator(Ending::Killed)),
            };
            if let Some(end) = end {
                return Ok(end);
            }
            if settle.is_none() && self.guests.all_ended() {
                settle = Some(Instant::now() + SETTLE_MAX);
            }
        }
    }

    /// Asks once more and waits until each guest's counters are shown.
    fn last_statistics(&mut self, inputs: &Receiver<Input>) -> Shown<()> {
        let until = Instant::now() + ANSWER_MAX;
        let guests = self.guests.names().count();
        self.answered = 0;
        self.keyboard.ask_counts();
        while self.answered < guests {
            match inputs.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Input::Machine(event)) => {
                    if self.machine(event)?.is_some() {
                        return Ok(());
                    }
                }
                Ok(Input::Keys(_)) => {}
                Ok(Input::Signal(_)) => return Ok(()),
                Err(_) => {
                    let text = "the status domain did not answer: no statistics";
                    return self.console.message(&format!("{CAUTION}{text}{CAUTION:#}"));
                }
            }
        }
        Ok(())
    }

    fn machine(&mut self, event: Event) -> Shown<Option<End>> {
        match event {
            Event::Console(bytes) => {
                self.console.guest(&bytes)?;
                Ok(None)
            }
            Event::Status(Status::Guest { guest, event: GuestEvent::Counts(line) }) => {
                if let Some(table) = self.statistics.take(&guest, &line) {
                    self.answered += 1;
                    self.console.message(&table)?;
                }
                Ok(None)
            }
            Event::Status(status) => {
                self.guests.observe(&status);
                self.console.message(&describe(&status))?;
                if let Status::PdReport { pd, text } = &status {
                    for place in self.symbols.explain(pd, text) {
                        self.console.message(&format!("      {FAINT}{place}{FAINT:#}"))?;
                    }
                }
                if let Status::Failed(_) = status {
                    return Ok(Some(End::SystemFailed));
                }
                // The SDK's board has nobody to say that the system is ready: it
                // is when every guest has started.
                if (status == Status::Ready || self.guests.all_started())
                    && let Some(held) = self.held.take()
                {
                    self.keyboard.send(&held);
                }
                Ok(None)
            }
            Event::Ended(ending) => Ok(Some(End::Emulator(ending))),
        }
    }

    fn typed(&mut self, bytes: &[u8]) -> Shown<Option<End>> {
        let Some(keys) = &mut self.keys else {
            self.send(bytes);
            return Ok(None);
        };
        for action in keys.push(bytes) {
            match action {
                Action::Send(bytes) => self.type_through(&bytes),
                Action::Leave => return Ok(Some(End::Left)),
                Action::Statistics => self.keyboard.ask_counts(),
                Action::Help => self.help()?,
                Action::Select(client) => self.select(client)?,
                Action::Links(guest, up) => match self.guests.status(guest) {
                    Some(number) => self.keyboard.set_links(number, up),
                    None => self.help()?,
                },
            }
        }
        Ok(None)
    }

    /// Sends typed keys so that the selected guest gets each of them.
    fn type_through(&mut self, bytes: &[u8]) {
        if self.guests.several() {
            self.send(&doubled(bytes));
        } else {
            self.send(bytes);
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        match &mut self.held {
            Some(held) => held.extend_from_slice(bytes),
            None => self.keyboard.send(bytes),
        }
    }

    /// Chooses who gets the keys; the virtualiser announces it.
    fn select(&mut self, client: u8) -> Shown<()> {
        if self.guests.several() && self.guests.name(client).is_some() {
            self.send(&[SELECT_CLIENT, b'1' + client]);
            Ok(())
        } else {
            self.help()
        }
    }

    fn help(&mut self) -> Shown<()> {
        let mut text = String::from(
            "Ctrl-A x       leave; the machine stops at once\n\
             Ctrl-A i       show what guests did and what it cost\n\
             Ctrl-A d N     pull the network cables of guest N; Ctrl-A u N plugs them in\n\
             Ctrl-A Ctrl-A  send Ctrl-A to the guest\n\
             Ctrl-A ?       show this",
        );
        if self.guests.several() {
            for (index, name) in self.guests.names().enumerate() {
                text += &format!("\nCtrl-A {}       send keys to {name}", index + 1);
            }
        }
        self.console.message(&text)
    }

    /// Says why the run is over and what became of the guests.
    fn close(&mut self, end: End, logs: &bulkhead_machine::Logs) -> u8 {
        let guests_known = self.guests.names().next().is_some();
        let (text, code) = match end {
            End::Guests => (String::new(), self.guests.result()),
            End::Left => (format!("{CAUTION}left{CAUTION:#}: the machine was stopped"), exit::LEFT),
            End::Timeout(limit) => (
                format!("{BAD}timeout{BAD:#}: not ended after {} s", limit.as_secs()),
                exit::TIMEOUT,
            ),
            End::Signal(signal) => {
                (format!("{CAUTION}stopped{CAUTION:#} by signal {signal}"), exit::signal(signal))
            }
            End::Closed => (String::new(), exit::CLOSED),
            End::SystemFailed => (
                format!("{BAD}the system did not start{BAD:#}; what was tried is above"),
                exit::FAILED,
            ),
            End::Emulator(Ending::PoweredOff { .. }) if !guests_known => {
                (format!("{GOOD}switched off{GOOD:#}"), 0)
            }
            End::Emulator(ending) => (explain(&ending, logs), exit::FAILED),
        };
        let mut parts = Vec::new();
        if !text.is_empty() {
            parts.push(text);
        }
        if guests_known {
            parts.push(self.guests.summary());
        }
        if !parts.is_empty() {
            // The exit status says it too, should the terminal be gone.
            let _ = self.console.message(&parts.join("\n"));
        }
        code
    }
}

/// Doubles the virtualiser's prefix, which makes it an ordinary key.
fn doubled(bytes: &[u8]) -> Vec<u8> {
    let copies = |byte| if byte == SELECT_CLIENT { 2 } else { 1 };
    bytes.iter().flat_map(|&byte| std::iter::repeat_n(byte, copies(byte))).collect()
}

fn explain(ending: &Ending, logs: &bulkhead_machine::Logs) -> String {
    format!(
        "{BAD}machine stopped{BAD:#}: {ending}\n\
         The emulator's messages are in {}\n\
         The kernel's own are in {} (debug builds only)",
        logs.emulator.display(),
        logs.kernel.display()
    )
}

/// A status line as the user reads it.
fn describe(status: &Status) -> String {
    match status {
        Status::Ready => format!("{FAINT}system ready{FAINT:#}"),
        Status::Failed(why) => format!("{BAD}system failed{BAD:#}: {why}"),
        Status::PdFault { pd, detail } => {
            format!("{BAD}fault{BAD:#} in {NAME}{pd}{NAME:#}: {detail}")
        }
        Status::PdReport { pd, text } => format!("  {NAME}{pd}{NAME:#} {text}"),
        Status::Guest { guest, event } => {
            let name = format!("{NAME}{guest}{NAME:#}");
            match event {
                GuestEvent::Started => format!("{name} {FAINT}started{FAINT:#}"),
                GuestEvent::Restarted { count, reason } => {
                    format!("{name} {CAUTION}restarted{CAUTION:#} (number {count}): {reason}")
                }
                GuestEvent::Stopped { outcome, reason } => {
                    let style = if *outcome == Outcome::POWER_OFF { GOOD } else { BAD };
                    format!("{name} {style}stopped{style:#} with result {}: {reason}", outcome.0)
                }
                GuestEvent::Report(text) => format!("  {name} {text}"),
                GuestEvent::Debug(text) => format!("  {FAINT}{name} debug: {text}{FAINT:#}"),
                // Shown as a table when they are complete.
                GuestEvent::Counts(_) => String::new(),
            }
        }
        Status::Unknown(line) => format!("{CAUTION}unknown status line{CAUTION:#}: {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_virtualisers_prefix_can_be_typed_for_a_guest() {
        assert_eq!(doubled(b"a\x1cb\x03"), b"a\x1c\x1cb\x03");
    }
}
