//! Programs that the tools start, and their end when a signal ends the command.
//!
//! Ctrl-C reaches every process of the terminal's job, but SIGTERM and SIGHUP
//! reach one, and a compiler whose cargo was killed goes on. So all descendants
//! are found and ended, those included whose parent is gone: the kernel hands
//! these to us, after [`adopt_orphans`].

use std::{
    collections::BTreeMap,
    fs, io, mem,
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, PoisonError, RwLock},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

/// Held for reading while a program is started, for writing from when they are
/// ended.
static GATE: RwLock<()> = RwLock::new(());

/// Held while a program runs that must not be interrupted.
static TO_ITS_END: Mutex<()> = Mutex::new(());

/// How long processes that were killed may take to go: they can hang in a
/// system call on a slow disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long they have to tidy up before they are killed: gcc removes its
/// temporary files. The emulator ignores the request and has nothing to tidy.
const GRACE: Duration = Duration::from_millis(200);

/// Makes this process the parent of every program of its programs whose own
/// parent ends.
pub fn adopt_orphans() {
    // Fails on kernels before 3.4 only; then orphans end by themselves.
    let _ = set_child_subreaper(Some(getpid()));
}

/// Starts a program. Once the command is being ended, this does not return.
///
/// # Errors
/// The program cannot be started.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let _gate = GATE.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn()
}

/// Runs a program to its end, without input, and returns what it printed.
///
/// # Errors
/// The program cannot be started.
pub fn output(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    spawn(command)?.wait_with_output()
}

/// As [`output`], for a program that would leave a mess behind if it were
/// interrupted: it is out of the terminal's reach, and [`end_programs`] waits
/// for it.
///
/// # Errors
/// The program cannot be started.
pub fn to_its_end(command: &mut Command) -> io::Result<Output> {
    use std::os::unix::process::CommandExt;
    let _held = TO_ITS_END.lock().unwrap_or_else(PoisonError::into_inner);
    command.process_group(0);
    output(command)
}

/// Ends every program that was started, and every program of theirs; from now
/// on none can be started. `waiting` is called if one must be waited for.
pub fn end_programs(waiting: impl FnOnce()) {
    let held = match TO_ITS_END.try_lock() {
        Ok(held) => held,
        Err(_) => {
            waiting();
            TO_ITS_END.lock().unwrap_or_else(PoisonError::into_inner)
        }
    };
    // Both are never given back: this process is about to exit.
    mem::forget(held);
    mem::forget(GATE.write().unwrap_or_else(PoisonError::into_inner));
    let begun = Instant::now();
    loop {
        let descendants = descendants(getpid().as_raw_nonzero().get());
        if descendants.is_empty() || begun.elapsed() >= PATIENCE {
            return;
        }
        let signal = if begun.elapsed() < GRACE { Signal::TERM } else { Signal::KILL };
        for process in descendants.into_iter().filter_map(Pid::from_raw) {
            // Gone already, or not ours to end (sudo's): both are fine.
            let _ = kill_process(process, signal);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Children, their children and so on, of those that still run.
fn descendants(of: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has gone meanwhile is none.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(parent) = running_parent(&stat) {
            children.entry(parent).or_default().push(process);
        }
    }
    let mut found = Vec::new();
    let mut pending = vec![of];
    while let Some(process) = pending.pop() {
        let its = children.remove(&process).unwrap_or_default();
        found.extend(&its);
        pending.extend(its);
    }
    found
}

/// The parent of a process, out of its `/proc/PID/stat` (proc(5)); `None` if it
/// has ended and only waits to be noticed.
fn running_parent(stat: &str) -> Option<i32> {
    // The second field is the program's name, which may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.next()?.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_whatever_the_program_is_called() {
        assert_eq!(running_parent("17 (a) b) (c) S 4 17 17 0 -1"), Some(4));
        assert_eq!(running_parent("17 (a) Z 4 17 17 0 -1"), None, "it has ended");
        assert_eq!(running_parent("17 (a"), None);
    }

    #[test]
    fn grandchildren_are_descendants() {
        let mut child = Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let own = i32::try_from(child.id()).unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let below = loop {
            let below = descendants(own);
            if !below.is_empty() {
                break below;
            }
            assert!(Instant::now() < until, "the shell starts its program");
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(below.len(), 1);
        let mine = descendants(getpid().as_raw_nonzero().get());
        assert!(mine.contains(&own) && mine.contains(&below[0]));
        child.kill().unwrap();
        child.wait().unwrap();
        kill_process(Pid::from_raw(below[0]).unwrap(), Signal::KILL).unwrap();
    }
}
