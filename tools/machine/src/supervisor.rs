//! The one thread that lives with the emulator: it starts it, moves bytes both
//! ways, and waits for its end.
//!
//! The thread must outlive the process it starts: the emulator asks the kernel
//! (through setpriv) to be killed with its parent, and the parent in that
//! sense is the thread, not the process.

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::{fd::AsFd, unix::process::ExitStatusExt},
    path::Path,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    console::Console,
    emulator::{Emulator, Heard, Words},
    frames::FrameReader,
    monitor::MonitorReader,
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

pub(crate) struct Supervisor<F> {
    pub console: Console,
    pub status: Console,
    pub inbox: Arc<Inbox>,
    pub wake: PipeReader,
    pub on_event: F,
    pub frames: FrameReader,
    /// The kernel's console, if a Microkit's monitor reports there.
    pub kernel: Option<KernelLog>,
}

impl<F: FnMut(Event)> Supervisor<F> {
    /// Serves the emulator until its end, then says how it ended.
    pub fn run(mut self, emulator: Emulator) {
        let Emulator { mut child, mut output, mut words, input } = emulator;
        let served = self.serve(&mut output, &mut words);
        if !matches!(served, Ok(Stop::Ended)) {
            // Its own process id; fails only if it is gone already.
            let _ = child.kill();
        }
        let status = child.wait();
        drop(input);
        // What it wrote before its end may still lie in the channels.
        let _ = self.read_console();
        let _ = self.read_status();
        let _ = self.read_kernel();
        let ending = match (served, status) {
            (Ok(Stop::Killed), _) => Ending::Killed,
            (Ok(Stop::Stuck), _) => words.stuck(),
            (Ok(Stop::Ended), Ok(status)) => signalled(status).unwrap_or_else(|| words.ending()),
            (Ok(Stop::Ended), Err(error)) | (Err(error), _) => Ending::Lost(error.to_string()),
        };
        (self.on_event)(Event::Ended(ending));
    }

    fn serve(&mut self, output: &mut PipeReader, words: &mut Words) -> io::Result<Stop> {
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
                // A file does not wake anybody: it is looked at now and then.
                let patience = self.kernel.as_ref().map(|_| &LOOK);
                match poll(&mut fds, patience) {
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
            self.read_kernel()?;
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
                if words.hear(&buffer[..count]) == Heard::Stuck {
                    return Ok(Stop::Stuck);
                }
            }
        }
    }

    fn read_console(&mut self) -> io::Result<()> {
        let on_event = &mut self.on_event;
        read_all(&self.console.near, |bytes| on_event(Event::Console(bytes.to_vec())))
    }

    fn read_kernel(&mut self) -> io::Result<()> {
        let Some(KernelLog { file, reader }) = &mut self.kernel else { return Ok(()) };
        let mut buffer = [0; 4096];
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(());
            }
            for status in reader.push(&buffer[..count]) {
                (self.on_event)(Event::Status(status));
            }
        }
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

/// How often the kernel's console is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// The kernel's console, as far as it is read.
pub(crate) struct KernelLog {
    file: File,
    reader: MonitorReader,
}

impl KernelLog {
    /// From its beginning.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(KernelLog { file: File::open(path)?, reader: MonitorReader::default() })
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
    Stuck,
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

/// How a process ended that a signal ended.
fn signalled(status: ExitStatus) -> Option<Ending> {
    let signal = status.signal()?;
    Some(Ending::Failed { why: format!("killed by signal {signal}"), ticks: None })
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
