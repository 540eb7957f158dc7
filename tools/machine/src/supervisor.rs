//! The one thread that lives with the emulator: it starts it, moves bytes both
//! ways, and waits for its end.
//!
//! The thread must outlive the process it starts: the emulator asks the kernel
//! (through setpriv) to be killed with its parent, and the parent in that
//! sense is the thread, not the process.

use std::{
    collections::VecDeque,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::Sender},
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
    /// It ended by itself: the machine was switched off, or a fatal condition
    /// such as a triple fault of the host kernel.
    Exited {
        /// Exit status or signal.
        status: ExitStatus,
        /// The last it said on its standard output and error.
        output: String,
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

pub(crate) struct Supervisor {
    pub console: Console,
    pub status: OwnedFd,
    pub inbox: Arc<Inbox>,
    pub wake: PipeReader,
    pub events: Sender<Event>,
    pub frames: FrameReader,
}

impl Supervisor {
    /// Starts the emulator in `directory`; the pipe carries what it prints and
    /// closes when it ends.
    pub fn spawn(directory: &Path) -> io::Result<(Child, PipeReader)> {
        let (output, writer) = io::pipe()?;
        let child = Command::new("setpriv")
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
            .stderr(writer)
            .spawn()?;
        Ok((child, output))
    }

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
            (Ok(Stop::Ended), Ok(status)) => Ending::Exited { status, output: tail(&mut said) },
            (Ok(Stop::Ended), Err(error)) | (Err(error), _) => Ending::Lost(error.to_string()),
        };
        self.send(Event::Ended(ending));
    }

    fn serve(&mut self, output: &mut PipeReader, said: &mut VecDeque<u8>) -> io::Result<Stop> {
        let mut keys = VecDeque::new();
        loop {
            let console_wants =
                if keys.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            let (console, status, printed, woken) = {
                let mut fds = [
                    PollFd::new(&self.console.near, console_wants),
                    PollFd::new(&self.status, PollFlags::IN),
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
            }
            if !keys.is_empty() {
                self.write_keys(&mut keys)?;
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

    fn read_console(&self) -> io::Result<()> {
        read_all(&self.console.near, |bytes| self.send(Event::Console(bytes.to_vec())))
    }

    fn read_status(&mut self) -> io::Result<()> {
        let (frames, events) = (&mut self.frames, &self.events);
        read_all(&self.status, |bytes| {
            for text in frames.push(bytes) {
                // See `send` for why a failure is no matter.
                let _ = events.send(Event::Status(Status::parse(&text)));
            }
        })
    }

    fn write_keys(&self, keys: &mut VecDeque<u8>) -> io::Result<()> {
        match rustix::io::write(&self.console.near, keys.make_contiguous()) {
            Ok(count) => {
                keys.drain(..count);
                Ok(())
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&self, event: Event) {
        // Fails only when the owner no longer listens; it will ask for the
        // end, and until then the channels must be emptied all the same.
        let _ = self.events.send(event);
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

fn tail(said: &mut VecDeque<u8>) -> String {
    String::from_utf8_lossy(said.make_contiguous()).into_owned()
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ending::Killed => f.write_str("the emulator was ended"),
            Ending::Exited { status, .. } => match (status.code(), status.signal()) {
                (_, Some(signal)) => write!(f, "the emulator was killed by signal {signal}"),
                (Some(code), None) => write!(f, "the emulator ended by itself (status {code})"),
                (None, None) => f.write_str("the emulator ended by itself"),
            },
            Ending::Lost(why) => write!(f, "the emulator could not be served: {why}"),
        }
    }
}
