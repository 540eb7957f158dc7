//! The user's terminal: raw while a guest has it, and as it was before whenever
//! the run ends or is stopped, whatever the reason.
//!
//! The terminal is a pseudo-terminal of the test's. What surprises: its settings
//! can be asked at the test's end, also when nobody has the other one open.

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Termios, tcgetattr},
};

use crate::{
    call::{Call, PATIENCE, status_of},
    checkout::Checkout,
    signals::{gone, running},
};

/// A command on a terminal of its own.
pub struct Terminal {
    side: File,
    before: Termios,
    child: Child,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a command as the leader of a session on a new terminal.
    pub fn start(command: &mut Command) -> Self {
        let side = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pseudo-terminal");
        grantpt(&side).expect("it is ours");
        unlockpt(&side).expect("it is ours");
        let name = ptsname(&side, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let other: OwnedFd = rustix::fs::open(&name, flags, Mode::empty()).expect("its other end");
        let before = tcgetattr(&side).expect("a terminal");
        let stdio = || Stdio::from(other.try_clone().expect("a descriptor"));
        // It replaces itself: signals go to the command.
        let mut session = Command::new("setsid");
        session.args(["--ctty"]).arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => session.env(name, value),
                None => session.env_remove(name),
            };
        }
        let child = session
            .env("TERM", "xterm")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("setsid starts");
        let side = File::from(side);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (side.try_clone().expect("a descriptor"), Arc::clone(&shown));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // An error is the end of everybody at the other side.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                to.lock().expect("nobody fails").extend(&buffer[..count]);
            }
        });
        Terminal { side, before, child, shown }
    }

    /// What was shown.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().expect("nobody fails")).into_owned()
    }

    pub fn wait_for(&mut self, text: &str) {
        self.until(&format!("{text:?}"), |terminal| terminal.shown().contains(text));
    }

    fn until(&mut self, what: &str, come: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !come(self) {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                // It may have come with the end, and is on its way.
                thread::sleep(Duration::from_secs(1));
                assert!(come(self), "no {what} before the end ({status}): {}", self.shown());
                return;
            }
            assert!(Instant::now() < until, "{what} did not come: {}", self.shown());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Types.
    pub fn press(&mut self, keys: &[u8]) {
        self.side.write_all(keys).expect("somebody has the terminal");
    }

    pub fn signal(&self, signal: Signal) {
        let process = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill_process(process.expect("not 0"), signal).expect("it has not been waited for");
    }

    /// Waits for its end; returns its exit status as a shell has it.
    pub fn end(&mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                // Its last words are on their way.
                thread::sleep(Duration::from_millis(200));
                return status_of(status);
            }
            assert!(Instant::now() < until, "it does not end: {}", self.shown());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The process's state, out of proc(5).
    fn state(&self) -> char {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it has not been waited for");
        let after = stat.rsplit_once(") ").expect("a name in brackets").1;
        after.chars().next().expect("a state")
    }

    fn is_raw(&self) -> bool {
        let now = tcgetattr(&self.side).expect("a terminal");
        !now.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
    }

    pub fn is_as_before(&self) -> bool {
        let now = tcgetattr(&self.side).expect("a terminal");
        let all = |t: &Termios| {
            let keys = format!("{:?}", t.special_codes);
            (t.input_modes, t.output_modes, t.control_modes, t.local_modes, keys)
        };
        all(&now) == all(&self.before)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // After a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An image from which nothing starts: the emulated PC then waits for ever.
fn boot(checkout: &Checkout) -> Terminal {
    let image = checkout.scratch().join("image.iso");
    fs::write(&image, vec![0; 1 << 20]).expect("a file");
    let call = Call::new(checkout, ["boot".as_ref(), image.as_os_str()]);
    let mut terminal = Terminal::start(&mut call.command());
    terminal.until("raw mode", Terminal::is_raw);
    terminal
}

fn emulator(checkout: &Checkout) -> Pid {
    let works_there = |entry: &Path| {
        let named = fs::read_link(entry.join("exe")).is_ok_and(|exe| exe.ends_with("bochs-bin"));
        let folder = fs::read_link(entry.join("cwd"));
        named && folder.is_ok_and(|folder| folder.starts_with(checkout.tmp()))
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let processes = fs::read_dir("/proc").expect("/proc").flatten();
        let mut found = processes.filter(|entry| works_there(&entry.path()));
        if let Some(entry) = found.next() {
            let number = entry.file_name().to_string_lossy().parse().expect("a process id");
            return Pid::from_raw(number).expect("not 0");
        }
        assert!(Instant::now() < until, "no emulator: {:?}", running(checkout));
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn every_end_of_a_run_gives_the_terminal_back_as_it_was() {
    let checkout = Checkout::fresh();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let mut terminal = boot(&checkout);
        terminal.signal(signal);
        assert_eq!(terminal.end(), 128 + signal.as_raw(), "{}", terminal.shown());
        assert!(terminal.is_as_before(), "after signal {}", signal.as_raw());
    }
    let mut terminal = boot(&checkout);
    kill_process(emulator(&checkout), Signal::KILL).expect("it runs");
    assert_eq!(terminal.end(), 125, "{}", terminal.shown());
    assert!(terminal.is_as_before(), "after the emulator was killed");
    assert!(terminal.shown().contains("machine stopped"), "{}", terminal.shown());

    // These keys are the guest's, and Ctrl-A x leaves.
    let mut terminal = boot(&checkout);
    terminal.press(b"\x03\x1a\x1c");
    terminal.press(b"\x01?");
    terminal.wait_for("Ctrl-A x");
    assert!(!['T', 'Z'].contains(&terminal.state()), "a key stopped or ended it");
    terminal.press(b"\x01x");
    assert_eq!(terminal.end(), 130, "{}", terminal.shown());
    assert!(terminal.is_as_before(), "after Ctrl-A x");
    gone(&checkout, "all runs");
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}

pub fn a_stopped_run_lends_the_terminal_to_the_shell() {
    let checkout = Checkout::fresh();
    let mut terminal = boot(&checkout);
    for _ in 0..2 {
        terminal.signal(Signal::TSTP);
        terminal.until("the stop", |terminal| terminal.state() == 'T');
        assert!(terminal.is_as_before(), "while it is stopped");
        terminal.signal(Signal::CONT);
        terminal.until("raw mode again", Terminal::is_raw);
    }
    // Nobody is asked about this one; but a shell resets its terminal afterwards.
    terminal.signal(Signal::STOP);
    terminal.until("the stop", |terminal| terminal.state() == 'T');
    let sane =
        Command::new("stty").arg("sane").stdin(terminal.side.try_clone().expect("it")).status();
    assert!(sane.expect("stty starts").success());
    assert!(!terminal.is_raw());
    terminal.signal(Signal::CONT);
    terminal.until("raw mode again", Terminal::is_raw);
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.end(), 128 + Signal::TERM.as_raw(), "{}", terminal.shown());
    assert!(terminal.is_as_before(), "what was there first, not what the shell had meanwhile");
    gone(&checkout, "a stopped run");
}
