//! A running machine, and its start.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, symlink},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
};

use bulkhead_host::cure;

use crate::{
    config::{Config, DISK_UNIT, Mebibytes, names},
    console::Console,
    counts,
    directory::Directory,
    emulator::{self, Emulator},
    frames::FrameReader,
    kvm::Lack,
    supervisor::{Event, Inbox, KernelLog, Supervisor},
};

/// Why a machine could not be started.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MachineError {
    /// A file of the emulator is missing.
    #[error("{path} is missing")]
    #[diagnostic(help("on Debian the package {package} has it: apt-get install {package}"))]
    NotInstalled {
        /// The file.
        path: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The emulator is not one that has what the machine needs.
    #[error("the emulator {program} cannot be used: {why}")]
    #[diagnostic(help(
        "install the package {package} of Debian 12: apt-get install --reinstall {package}"
    ))]
    Unsuited {
        /// The emulator.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
        /// What it lacks.
        why: String,
    },
    /// This host's processor cannot run the machine.
    #[error("QEMU with KVM cannot be the machine on this host:{}", list(.0))]
    #[diagnostic(help("Bochs, the default machine, emulates VT-x and needs none of this"))]
    Kvm(Vec<Lack>),
    /// Bochs is asked for several processors.
    #[error("this system is for {wanted} processors, and the machine that Bochs provides has one")]
    #[diagnostic(help(
        "run it by --machine qemu-kvm or on your own PC; `cargo bulkhead build` says what to boot"
    ))]
    Processors {
        /// How many it needs.
        wanted: u8,
    },
    /// Bochs is asked for virtio devices.
    #[error(
        "this system's drivers are for virtio devices, and the machine that Bochs provides has none"
    )]
    #[diagnostic(help(
        "run it by --machine qemu-kvm, or take drivers of what Bochs has: `ide` and `e1000`"
    ))]
    Virtio,
    /// The host is smaller than the machine.
    #[error("the emulated PC has {wanted} of memory, more than this host, which has {host}")]
    #[diagnostic(help("give the guests less: --memory, or smaller regions in the description"))]
    HostMemory {
        /// What the machine needs.
        wanted: Mebibytes,
        /// What there is.
        host: Mebibytes,
    },
    /// The emulator's directory cannot be made.
    #[error("cannot make a temporary directory in {}: {why}", folder.display())]
    #[diagnostic(help("{}", cure(why).unwrap_or("TMPDIR names where it goes; else it is /tmp")))]
    Directory {
        /// Where it should be.
        folder: PathBuf,
        /// Why it cannot.
        why: io::Error,
    },
    /// There is no image to boot.
    #[error("the boot image {} cannot be used: {why}", path.display())]
    #[diagnostic(help("a CD image is wanted, such as `cargo bulkhead build` makes"))]
    Image {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// The disk cannot be used.
    #[error("the disk image {} cannot be used: {why}", path.display())]
    #[diagnostic(help("{}", cure(why).unwrap_or(
        "a file of so many times 256 KiB is wanted, such as `truncate --size 64M FILE` makes"
    )))]
    Disk {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// What TFTP should give out cannot be used.
    #[error("the folder {} cannot be given out by TFTP: {why}", path.display())]
    #[diagnostic(help("{}", cure(why).unwrap_or("a folder that you can read is wanted")))]
    Files {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// The host refused something.
    #[error("cannot {what}: {why}")]
    #[diagnostic(help("{}", cure(why).unwrap_or("the operating system gave the reason above")))]
    Host {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        why: io::Error,
    },
}

/// One below the other, each with its cure.
fn list(lacks: &[Lack]) -> String {
    lacks.iter().map(|lack| format!("\n- {lack}: {}", lack.cure())).collect()
}

/// Says what was being done when the host refused it.
fn host<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> MachineError {
    move |why| MachineError::Host { what, why: why.into() }
}

/// Where a machine's logs are.
#[derive(Clone, Debug)]
pub struct Logs {
    /// What the emulator has to say: warnings, and why it gave up.
    pub emulator: PathBuf,
    /// The third serial port: the kernel's own output, in debug builds.
    pub kernel: PathBuf,
    /// The fourth, where the machine has one: what a guest sends that has it.
    pub serial: PathBuf,
}

/// Sends keys to the guests' consoles, and requests to the status domain.
#[derive(Clone)]
pub struct Keyboard(Arc<Inbox>);

impl Keyboard {
    /// Queues keys; returns at once.
    pub fn send(&self, keys: &[u8]) {
        self.0.send(keys);
    }

    /// Asks the status domain for every guest's counters, which come as
    /// [`GuestEvent::Counts`](crate::GuestEvent::Counts); returns at once.
    pub fn ask_counts(&self) {
        self.0.ask(counts::REQUEST);
    }

    /// Pulls the cables of a guest's network interfaces, or plugs them in; returns at
    /// once. The guest is the status domain's client of this number, from 0 to 7;
    /// nothing happens if there is none.
    pub fn set_links(&self, guest: u8, up: bool) {
        if guest < 8 {
            self.0.ask(counts::LINKS + 2 * guest + u8::from(up));
        }
    }
}

/// A CD image, if that is what it could be.
fn image(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    let is_drive = metadata.file_type().is_block_device();
    if !metadata.is_file() && !is_drive {
        return Err(io::Error::other("it is neither a regular file nor a drive"));
    }
    // An ISO 9660 volume begins at the sixteenth sector of 2,048 bytes.
    if !is_drive && metadata.len() <= 16 * 2048 {
        return Err(io::Error::other(format!("it has only {} bytes", metadata.len())));
    }
    fs::File::open(&path)?;
    Ok(path)
}

/// A disk image, if that is what it could be.
fn disk(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let size = metadata.len();
    if size == 0 || size % DISK_UNIT != 0 {
        return Err(io::Error::other(format!(
            "its {size} bytes are not a multiple of {DISK_UNIT} bytes"
        )));
    }
    fs::File::options().read(true).write(true).open(&path)?;
    Ok(path)
}

/// A folder of files.
fn folder(path: &Path) -> io::Result<PathBuf> {
    let path = path.canonicalize()?;
    fs::read_dir(&path)?;
    Ok(path)
}

/// What the machine's files lead to.
struct Files {
    image: PathBuf,
    disk: Option<PathBuf>,
    network: Option<PathBuf>,
}

impl Files {
    fn find(config: &Config) -> Result<Files, MachineError> {
        let image = image(&config.image)
            .map_err(|why| MachineError::Image { path: config.image.clone(), why })?;
        let no_disk = |path: &PathBuf| {
            disk(path).map_err(|why| MachineError::Disk { path: path.clone(), why })
        };
        let no_folder = |path: &PathBuf| {
            folder(path).map_err(|why| MachineError::Files { path: path.clone(), why })
        };
        let files = config.network.as_ref().and_then(|network| network.files.as_ref());
        Ok(Files {
            image,
            disk: config.disk.as_ref().map(no_disk).transpose()?,
            network: files.map(no_folder).transpose()?,
        })
    }
}

fn no_directory(why: io::Error) -> MachineError {
    MachineError::Directory { folder: std::env::temp_dir(), why }
}

/// A running machine. Dropping it ends the emulator.
pub struct Machine {
    inbox: Arc<Inbox>,
    supervisor: Option<JoinHandle<()>>,
    process: u32,
    logs: Logs,
    // The supervisor must be gone before its directory: fields drop in order,
    // and `drop` joins it first.
    _directory: Directory,
}

impl Machine {
    /// Starts a machine. `on_event` is called with what happens, as it happens,
    /// on a thread of the machine's own; [`Event::Ended`] is the last. It must
    /// not block: while it does, nobody reads the serial ports.
    ///
    /// # Errors
    /// The emulator or the image is missing, or the host refuses a terminal, a
    /// pipe, a file or a process.
    pub fn start(
        config: Config,
        on_event: impl FnMut(Event) + Send + 'static,
    ) -> Result<Machine, MachineError> {
        emulator::check(&config)?;
        let files = Files::find(&config)?;
        fs::create_dir_all(&config.logs).map_err(host("create the directory for logs"))?;
        let logs = config.logs.canonicalize().map_err(host("find the directory for logs"))?;
        let logs = Logs {
            emulator: logs.join(names::EMULATOR_LOG),
            kernel: logs.join(names::KERNEL_LOG),
            serial: logs.join(names::SERIAL_LOG),
        };
        let console = Console::open().map_err(host("open a pseudo-terminal"))?;
        let directory = Directory::new().map_err(no_directory)?;
        let status = Console::open().map_err(host("open a second pseudo-terminal"))?;
        lay_out(directory.path(), &files, &logs)
            .and_then(|()| {
                if config.fourth_serial {
                    log(directory.path(), &logs.serial, names::SERIAL_LOG)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| emulator::lay_out(directory.path(), &config, &console, &status))
            .map_err(no_directory)?;
        let kernel = config
            .monitor
            .then(|| KernelLog::open(&logs.kernel))
            .transpose()
            .map_err(host("read the kernel's console"))?;
        let (inbox, wake) = Inbox::new().map_err(host("create a pipe"))?;
        let supervisor = Supervisor {
            console,
            status,
            inbox: Arc::clone(&inbox),
            wake,
            on_event,
            frames: FrameReader::new(),
            kernel,
        };
        let (thread, process) = spawn(supervisor, config, directory.path().to_owned())?;
        Ok(Machine { inbox, supervisor: Some(thread), process, logs, _directory: directory })
    }

    /// Where keys go in.
    pub fn keyboard(&self) -> Keyboard {
        Keyboard(Arc::clone(&self.inbox))
    }

    /// The emulator's process, for people: to signal it would be wrong.
    pub fn process_id(&self) -> u32 {
        self.process
    }

    /// Where the logs are.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// Ends the emulator and waits for its end.
    pub fn stop(&mut self) {
        if let Some(supervisor) = self.supervisor.take() {
            self.inbox.kill();
            // A panic there was reported when it happened.
            let _ = supervisor.join();
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Puts into the emulator's directory what every emulator wants there.
fn lay_out(directory: &Path, files: &Files, logs: &Logs) -> io::Result<()> {
    symlink(&files.image, directory.join(names::IMAGE))?;
    if let Some(disk) = &files.disk {
        symlink(disk, directory.join(names::DISK))?;
    }
    match &files.network {
        Some(folder) => symlink(folder, directory.join(names::FILES))?,
        None => fs::create_dir(directory.join(names::FILES))?,
    }
    log(directory, &logs.emulator, names::EMULATOR_LOG)?;
    log(directory, &logs.kernel, names::KERNEL_LOG)
}

/// Puts a log there: a fresh one, so that an old run's lines are never taken for this
/// one's.
fn log(directory: &Path, file: &Path, name: &str) -> io::Result<()> {
    fs::write(file, "")?;
    symlink(file, directory.join(name))
}

/// Starts the supervisor's thread and, in it, the emulator.
fn spawn(
    supervisor: Supervisor<impl FnMut(Event) + Send + 'static>,
    config: Config,
    directory: PathBuf,
) -> Result<(JoinHandle<()>, u32), MachineError> {
    let (started, outcome) = mpsc::channel();
    let thread = thread::Builder::new()
        .name("machine".into())
        .spawn(move || {
            let (console, status) = (&supervisor.console.path, &supervisor.status.path);
            match Emulator::start(&config, &directory, console, status) {
                Ok(emulator) => {
                    // The starter waits for this message.
                    let _ = started.send(Ok(emulator.id()));
                    supervisor.run(emulator);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        })
        .map_err(host("start a thread"))?;
    match outcome.recv() {
        Ok(Ok(process)) => Ok((thread, process)),
        Ok(Err(error)) => Err(host("start setpriv, which starts the emulator")(error)),
        Err(_) => Err(host("start the emulator")(io::Error::other(
            "the thread that starts the emulator panicked",
        ))),
    }
}
