//! The one thread that lives with the emulator: it starts it, moves bytes both
//! ways, and waits for its end.
//!
//! The thread must outlive the process it starts: the emulator asks the kernel
//! (through setpriv) to be killed with its parent, and the parent in that
//! sense is the thread, not the process.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::event::{PollFd, PollFlags, poll};

use crate::{
    config::{PROGRAM, names},
    console::Console,
    frames::FrameReader,
    status::Status,
};

/// What the machine does.
#[derive(Debug)]
pub enum Event {
    /// Bytes from the guests' consoles.
    Console(Vec<u8>),
    /// A line of the status channel.
    Status(Status),
    /// The emulator is gone; the last event.
    Ended(Ending),
}

/// How the emulator ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Its owner ended it.
    Killed,
    /// The machine switched itself off (ACPI soft-off).
    PoweredOff {
        /// Emulated instructions since power-on.
        ticks: Option<u64>,
    },
    /// It gave up, for example at a triple fault of the machine's own
    /// processor, or because its files are not as it expects.
    Failed {
        /// Why, in the emulator's words, or the last of what it said.
        why: String,
        /// Emulated instructions since power-on, if it came that far.
        ticks: Option<u64>,
    },
    /// The emulator cannot be served any longer and was ended: the host
    /// refused an operation on its channels.
    Lost(String),
}

/// What the owner wants next.
pub(crate) struct Inbox {
    state: Mutex<Wanted>,
    wake: PipeWriter,
}

#[derive(Default)]
struct Wanted {
    keys: Vec<u8>,
    requests: Vec<u8>,
    kill: bool,
}

impl Inbox {
    /// The inbox, and the pipe end that tells of news in it.
    pub fn new() -> io::Result<(Arc<Self>, PipeReader)> {
        let (reader, wake) = io::pipe()?;
        Ok((Arc::new(Inbox { state: Mutex::default(), wake }), reader))
    }

    fn state(&self) -> MutexGuard<'_, Wanted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues keys for the guests' consoles.
    pub fn send(&self, keys: &[u8]) {
        let first = {
            let mut state = self.state();
            let first = state.keys.is_empty();
            state.keys.extend_from_slice(keys);
            first
        };
        if first {
            self.notify();
        }
    }

    /// Queues a request for the status domain.
    pub fn ask(&self, request: u8) {
        self.state().requests.push(request);
        self.notify();
    }

    /// Asks for the emulator's end.
    pub fn kill(&self) {
        self.state().kill = true;
        self.notify();
    }

    fn notify(&self) {
        // Fails only when the supervisor is gone, and then nobody waits.
        let _ = (&self.wake).write_all(&[0]);
    }

    fn take(&self) -> Wanted {
        std::mem::take(&mut *self.state())
    }
}

/// Most of the emulator's own output that is kept, in bytes.
const OUTPUT_KEPT: usize = 4096;

/// Starts the emulator in `directory`; the pipe carries what it prints and
/// closes when it ends.
pub(crate) fn start(directory: &Path) -> io::Result<(Child, PipeReader)> {
    let (output, writer) = io::pipe()?;
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", PROGRAM, "-q"])
        .args(["-f", names::CONFIGURATION, "-rc", names::COMMANDS])
        .current_dir(directory)
        .process_group(0)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("TERM", "vt100")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let child = bulkhead_host::spawn(&mut command)?;
    // It holds ends of the pipe that belong to the child: they must go, or the
    // pipe would never end.
    drop(command);
    Ok((child, output))
}

pub(crate) struct Supervisor<F> {
    pub console: Console,
    pub status: Console,
    pub inbox: Arc<Inbox>,
    pub wake: PipeReader,
    pub on_event: F,
    pub frames: FrameReader,
}

impl<F: FnMut(Event)> Supervisor<F> {
    /// Serves the emulator until its end, then says how it ended.
    pub fn run(mut self, mut child: Child, mut output: PipeReader) {
        let mut said = VecDeque::new();
        let served = self.serve(&mut output, &mut said);
        if !matches!(served, Ok(Stop::Ended)) {
            // Its own process id; fails only if it is gone already.
            let _ = child.kill();
        }
        let status = child.wait();
        // What it wrote before its end may still lie in the channels.
        let _ = self.read_console();
        let _ = self.read_status();
        let ending = match (served, status) {
            (Ok(Stop::Killed), _) => Ending::Killed,
            (Ok(Stop::Ended), Ok(status)) => explain(status, said.make_contiguous()),
            (Ok(Stop::Ended), Err(error)) | (Err(error), _) => Ending::Lost(error.to_string()),
        };
        (self.on_event)(Event::Ended(ending));
    }

    fn serve(&mut self, output: &mut PipeReader, said: &mut VecDeque<u8>) -> io::Result<Stop> {
        let mut keys = VecDeque::new();
        let mut requests = VecDeque::new();
        let wants = |queue: &VecDeque<u8>| {
            if queue.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
        };
        loop {
            let (console, status, printed, woken) = {
                let mut fds = [
                    PollFd::new(&self.console.near, wants(&keys)),
                    PollFd::new(&self.status.near, wants(&requests)),
                    PollFd::new(output, PollFlags::IN),
                    PollFd::new(&self.wake, PollFlags::IN),
                ];
                match poll(&mut fds, None) {
                    Ok(_) | Err(rustix::io::Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                let [console, status, printed, woken] = fds;
                (console.revents(), status.revents(), printed.revents(), woken.revents())
            };
            if console.contains(PollFlags::IN) {
                self.read_console()?;
            }
            if status.contains(PollFlags::IN) {
                self.read_status()?;
            }
            if !woken.is_empty() {
                // The read only empties the pipe; one byte a wake-up.
                let _ = self.wake.read(&mut [0; 64])?;
                let wanted = self.inbox.take();
                if wanted.kill {
                    return Ok(Stop::Killed);
                }
                keys.extend(wanted.keys);
                requests.extend(wanted.requests);
            }
            if !keys.is_empty() {
                write(&self.console.near, &mut keys)?;
            }
            if !requests.is_empty() {
                write(&self.status.near, &mut requests)?;
            }
            if !printed.is_empty() {
                let mut buffer = [0; 1024];
                let count = output.read(&mut buffer)?;
                if count == 0 {
                    return Ok(Stop::Ended);
                }
                said.extend(&buffer[..count]);
                let surplus = said.len().saturating_sub(OUTPUT_KEPT);
                said.drain(..surplus);
            }
        }
    }

    fn read_console(&mut self) -> io::Result<()> {
        let on_event = &mut self.on_event;
        read_all(&self.console.near, |bytes| on_event(Event::Console(bytes.to_vec())))
    }

    fn read_status(&mut self) -> io::Result<()> {
        let (frames, on_event) = (&mut self.frames, &mut self.on_event);
        read_all(&self.status.near, |bytes| {
            for text in frames.push(bytes) {
                on_event(Event::Status(Status::parse(&text)));
            }
        })
    }
}

/// Writes what a non-blocking channel takes.
fn write(fd: impl AsFd, queue: &mut VecDeque<u8>) -> io::Result<()> {
    match rustix::io::write(fd, queue.make_contiguous()) {
        Ok(count) => {
            queue.drain(..count);
            Ok(())
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

enum Stop {
    Killed,
    Ended,
}

/// Reads what lies in a non-blocking channel.
fn read_all(fd: impl AsFd, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(&fd, &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Ok(count) => take(&buffer[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What Bochs prints before the line that says why it ends.
const FAREWELL: &str = "Bochs is exiting with the following message:\n";

/// How it puts that the machine was switched off.
const SOFT_OFF: &str = "ACPI control: soft power off";

/// Reads the emulator's last words. The exit status is 1 for every kind of
/// end, so only the words tell.
fn explain(status: ExitStatus, said: &[u8]) -> Ending {
    let said = String::from_utf8_lossy(said);
    if let Some(signal) = status.signal() {
        return Ending::Failed { why: format!("killed by signal {signal}"), ticks: None };
    }
    let Some((_, words)) = said.rsplit_once(FAREWELL) else {
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(4)..].join("\n");
        return Ending::Failed { why: last, ticks: None };
    };
    // After the message the debugger shows where it stopped: `(0).[TICKS] ...`.
    let ticks =
        words.lines().find_map(|line| line.strip_prefix("(0).[")?.split_once(']')?.0.parse().ok());
    let message = words.lines().next().unwrap_or_default().trim();
    if message.contains(SOFT_OFF) {
        Ending::PoweredOff { ticks }
    } else {
        Ending::Failed { why: message.to_owned(), ticks }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Killed => f.write_str("the emulator was ended"),
            Ending::PoweredOff { .. } => f.write_str("the machine switched itself off"),
            Ending::Failed { why, .. } => write!(f, "the emulator gave up: {why}"),
            Ending::Lost(why) => write!(f, "the emulator could not be served: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "========================================================================";

    fn ended(message: &str) -> Ending {
        let said = format!(
            "{RULE}\nNext at t=0\n(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b\n\
             {RULE}\nBochs is exiting with the following message:\n{message}\n{RULE}\n\
             (0).[1139875443] [0x00003ffd1681] 0008:000000003ffd1681 (unk. ctxt): out dx, ax\n"
        );
        explain(ExitStatus::from_raw(1 << 8), said.as_bytes())
    }

    #[test]
    fn switching_off_is_told_from_giving_up() {
        let ticks = Some(1_139_875_443);
        assert_eq!(ended("[ACPI  ] ACPI control: soft power off"), Ending::PoweredOff { ticks });
        let why = "[CPU0  ] 3rd (13) exception with no resolution".to_owned();
        assert_eq!(ended(&why), Ending::Failed { why, ticks });
    }

    #[test]
    fn an_emulator_that_does_not_come_up_is_quoted() {
        let said = b"\n\nbochs: cannot open shared object file\n";
        let Ending::Failed { why, ticks: None } = explain(ExitStatus::from_raw(1 << 8), said)
        else {
            panic!("not a failure");
        };
        assert_eq!(why, "bochs: cannot open shared object file");
    }
}
