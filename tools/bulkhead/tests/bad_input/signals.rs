//! Ctrl-C, SIGTERM, a closed terminal and SIGKILL at many moments: nothing of
//! ours is left running or half-written, and the next command works.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    call::{Call, PATIENCE, status_of},
    checkout::Checkout,
};

/// When signals come, in milliseconds after the start: the steps of a build,
/// the boot, the run.
const MOMENTS: [u64; 10] = [0, 20, 60, 150, 400, 900, 1600, 2600, 4000, 7000];

/// Processes whose environment has the checkout's TMPDIR: all of its commands'
/// descendants, whatever became of their parents.
pub fn running(checkout: &Checkout) -> Vec<String> {
    let mark = format!("TMPDIR={}", checkout.tmp().display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let its = |file: &str| fs::read(entry.path().join(file)).unwrap_or_default();
        let is_ours = |environment: &[u8]| {
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        // The emulator's environment is emptied; it works in a folder of TMPDIR.
        let works_there = fs::read_link(entry.path().join("cwd"))
            .is_ok_and(|folder| folder.starts_with(checkout.tmp()));
        if is_ours(&its("environ")) || works_there {
            found.push(String::from_utf8_lossy(&its("cmdline")).replace('\0', " "));
        }
    }
    found
}

/// Waits until nothing of a checkout's commands runs any more.
pub fn gone(checkout: &Checkout, name: &str) {
    let until = Instant::now() + PATIENCE;
    while !running(checkout).is_empty() {
        assert!(Instant::now() < until, "{name}: still running: {:?}", running(checkout));
        thread::sleep(Duration::from_millis(20));
    }
}

fn start(checkout: &Checkout, command: &str) -> Child {
    Call::new(checkout, [command])
        .command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts")
}

fn signal(child: &Child, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill_process(process.expect("not 0"), signal).expect("it has not been waited for");
}

pub fn a_signal_at_any_moment_leaves_nothing_and_the_next_run_works() {
    let checkout = Checkout::new();
    for (index, moment) in MOMENTS.into_iter().enumerate() {
        // In turn, so that the sweep stays short.
        let kind = [Signal::INT, Signal::TERM, Signal::HUP][index % 3];
        let name = format!("signal {} after {moment} ms", kind.as_raw());
        if index % 4 == 0 {
            // A kernel build has the most programs.
            fs::remove_dir_all(checkout.out().join("kernel")).expect("it was built");
        }
        let mut child = start(&checkout, "run");
        thread::sleep(Duration::from_millis(moment));
        signal(&child, kind);
        let status = child.wait().expect("it ends");
        // Before it looks after signals, it dies of them.
        assert_eq!(status_of(status), 128 + kind.as_raw(), "{name}");
        assert!(running(&checkout).is_empty(), "{name}: {:?}", running(&checkout));
        assert!(checkout.leftovers().is_empty(), "{name}: {:?}", checkout.leftovers());
        fs::create_dir_all(checkout.out().join("kernel")).expect("a folder");
    }
    let again = Call::new(&checkout, ["build"]).run();
    assert_eq!(again.status, 0, "afterwards a build works: {}", again.err);
}

pub fn a_killed_command_takes_its_emulator_along_and_the_next_one_cleans_up() {
    let checkout = Checkout::new();
    assert_eq!(Call::new(&checkout, ["build"]).run().status, 0);
    let mut child = start(&checkout, "run");
    let until = Instant::now() + PATIENCE;
    let emulator = |line: &String| line.contains("bochs-bin -q");
    while !running(&checkout).iter().any(emulator) {
        assert!(Instant::now() < until, "no emulator: {:?}", running(&checkout));
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    gone(&checkout, "SIGKILL");
    assert_eq!(checkout.leftovers().len(), 1, "the emulator's directory");
    fs::write(checkout.out().join("half.new"), "half").expect("a file");
    let again = Call::new(&checkout, ["run", "--timeout", "1"]).run();
    assert_eq!(again.status, 124, "{}", again.err);
    assert!(checkout.leftovers().is_empty(), "{:?}", checkout.leftovers());
}

/// `script` gives the command a terminal; when it is killed, that is closed.
pub fn a_closed_terminal_ends_the_run() {
    let checkout = Checkout::new();
    assert_eq!(Call::new(&checkout, ["build"]).run().status, 0);
    for moment in [300, 3000] {
        let inner = Call::new(&checkout, ["run"]).command();
        let line = format!("exec {} run", inner.get_program().to_string_lossy());
        let mut script = Command::new("script");
        script.args(["--quiet", "--command", &line, "/dev/null"]).current_dir(checkout.root());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut script = script.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("script");
        thread::sleep(Duration::from_millis(moment));
        script.kill().expect("it runs");
        script.wait().expect("it ends");
        gone(&checkout, "a closed terminal");
        assert!(checkout.leftovers().is_empty(), "{moment}: {:?}", checkout.leftovers());
    }
}
