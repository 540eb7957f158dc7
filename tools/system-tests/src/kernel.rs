//! The kernel under test: images whose initial task runs cases
//! (`tasks/kernel-cases`), and what becomes of each.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use bulkhead_build::{KERNEL_COMMAND_LINE, Profile, Workspace, build_test_task};
use bulkhead_image::{Payload, iso, system_elf};
use bulkhead_kernel::{Kernel, Request, build, build_without};
use bulkhead_machine::{Accelerator, Config, Event, HALTED, Machine, Runner, Status, Watch};
use bulkhead_progress::Silent;
use object::{Object, ObjectSymbol};
use tempfile::TempDir;

use crate::{low_module::loader, session::logs_folder};

/// The package of the initial task.
const TASK: &str = "kernel-cases";

/// Ticks after which a machine is ended: to run all cases takes a fraction.
const TICKS: u64 = 1_500_000_000;

/// How long of the host's time a run may take at most; it bounds a hang of the
/// emulator itself.
const LIMIT: Duration = Duration::from_secs(1200);

/// How long a machine that does not tell of a halt may take: it is up in two
/// seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// The machine that cases are for.
const WATCHED: Runner = Runner::Bochs { watch: Some(Watch { ticks: TICKS }) };

/// How often a silent machine's log is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// What became of a case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It passed.
    Passed,
    /// It failed, and said why.
    Failed(String),
    /// It took the kernel with it, which halted, hung or crashed.
    Fatal(String),
}

/// A kernel, and the initial task for it.
pub struct KernelUnderTest {
    /// The kernel.
    pub kernel: Kernel,
    /// The initial task, without the names of cases.
    pub task: PathBuf,
}

impl KernelUnderTest {
    /// Builds both; `without` names what is left out of the kernel.
    pub fn new(profile: Profile, without: Option<&str>) -> Self {
        let workspace = Workspace::find().expect("tests run in the checkout");
        let task = {
            let _lock = workspace.lock(&Silent).expect("the build folder can be locked");
            build_test_task(&workspace, profile, TASK, &Silent)
                .unwrap_or_else(|error| panic!("{error}"))
        };
        let request = Request {
            workspace: &workspace.root,
            out: &workspace.out.join("kernel"),
            configuration: profile.kernel(),
            progress: &Silent,
        };
        let kernel = match without {
            None => build(&request),
            Some(what) => build_without(&request, what),
        };
        KernelUnderTest { kernel: kernel.unwrap_or_else(|error| panic!("{error}")), task }
    }

    /// What tells it from other kernels.
    pub fn name(&self) -> String {
        let folder = self.kernel.elf32.parent().and_then(Path::file_name);
        folder.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Size of a variable of the kernel's in bytes.
    pub fn variable_size(&self, name: &str) -> Option<u64> {
        let file = std::fs::read(&self.kernel.elf).expect("the kernel was just built");
        let file = object::File::parse(&*file).expect("the kernel is an ELF file");
        let mut symbols = file.symbols();
        symbols.find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.size())
    }

    /// Writes the initial task with the names of cases in it.
    pub fn system(&self, cases: &[&str], out: &Path) {
        let task = std::fs::read(&self.task).expect("the task was just built");
        let mut file = BufWriter::new(File::create(out).expect("a new file"));
        let payload = Payload { size: 0, source: &mut std::io::empty() };
        let spec = cases.join("\n");
        system_elf(&task, spec.as_bytes(), payload, &mut file).expect("the task takes the names");
    }

    /// Runs cases; `*` stands for all others. What comes back ends with the
    /// first that was fatal.
    pub fn run(&self, name: &str, cases: &[&str]) -> Vec<(String, Verdict)> {
        self.run_on(WATCHED, name, cases)
    }

    /// The same on a machine whose processor has no VT-x.
    pub fn run_without_vtx(&self, name: &str, cases: &[&str]) -> Vec<(String, Verdict)> {
        self.run_on(Runner::Qemu(Accelerator::Tcg), name, cases)
    }

    fn run_on(&self, runner: Runner, name: &str, cases: &[&str]) -> Vec<(String, Verdict)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let system = folder.path().join("system.elf");
        self.system(cases, &system);
        let image = folder.path().join("image.iso");
        iso(&self.kernel.elf32, &system, KERNEL_COMMAND_LINE, &image).expect("an image");
        run_image(runner, name, &image, folder)
    }

    /// How often the emulator refuses the operand of an INVEPT while a case
    /// runs. It forgets all translations at every VM entry, so that no guest can
    /// tell whether the kernel invalidated; but what it refuses it reports.
    pub fn refused_invalidations(&self, name: &str, case: &str) -> usize {
        self.run(name, &[case]);
        let log = logs(name).join("emulator.log");
        let log = std::fs::read(log).expect("the emulator has a log");
        String::from_utf8_lossy(&log).matches("INVEPT: invalid").count()
    }
}

impl KernelUnderTest {
    /// Runs a case on a machine whose boot module lies below the kernel.
    pub fn run_from_below(&self, name: &str, case: &str) -> Vec<(String, Verdict)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let system = folder.path().join("system.elf");
        self.system(&[case], &system);
        let loader = loader(&self.kernel.elf32, &system, folder.path());
        let image = folder.path().join("image.iso");
        // The loader wants no module, but the image has one.
        let nothing = folder.path().join("nothing");
        std::fs::write(&nothing, [0; 4096]).expect("a file can be written");
        iso(&loader, &nothing, "", &image).expect("an image");
        run_image(WATCHED, name, &image, folder)
    }
}

fn logs(name: &str) -> PathBuf {
    logs_folder().join("kernel").join(name)
}

/// Boots an image with cases in it, and listens.
fn run_image(runner: Runner, name: &str, image: &Path, _folder: TempDir) -> Vec<(String, Verdict)> {
    let (sender, events) = mpsc::channel();
    let mut config = Config::new(image, logs(name));
    config.runner = runner;
    let machine = Machine::start(config, move |event| drop(sender.send(event)))
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    // Neither firmware nor loader does that.
    let halted = || {
        let log = std::fs::read(&machine.logs().emulator).unwrap_or_default();
        String::from_utf8_lossy(&log).contains(HALTED)
    };
    let begun = Instant::now();
    let mut verdicts = Vec::new();
    let mut running: Option<String> = None;
    let end = loop {
        match events.recv_timeout(LOOK) {
            Ok(Event::Status(Status::Unknown(line))) => {
                let words: Vec<&str> = line.splitn(3, ' ').collect();
                let ["case" | "cases", case, rest] = words[..] else {
                    panic!("{name}: the task says {line:?}");
                };
                let verdict = match rest.split_once(" : ") {
                    Some(("failed", why)) => Verdict::Failed(why.into()),
                    _ => match rest {
                        "begins" => {
                            running = Some(case.into());
                            continue;
                        }
                        "passed" => Verdict::Passed,
                        "done" => return verdicts,
                        _ => panic!("{name}: the task says {line:?}"),
                    },
                };
                running = None;
                verdicts.push((case.into(), verdict));
            }
            Ok(Event::Status(status)) => panic!("{name}: {status}"),
            Ok(Event::Console(_)) => {}
            Ok(Event::Ended(ending)) => break ending.to_string(),
            Err(RecvTimeoutError::Disconnected) => break "the emulator is gone".into(),
            Err(RecvTimeoutError::Timeout) => {
                if halted() {
                    break "the kernel halted".into();
                }
                // Only Bochs tells of a halt.
                if runner != WATCHED && begun.elapsed() > SILENCE {
                    break "nothing more comes".into();
                }
                assert!(begun.elapsed() < LIMIT, "{name}: the emulator hangs in {running:?}");
            }
        }
    };
    let case = running.unwrap_or_else(|| "(start)".into());
    verdicts.push((case, Verdict::Fatal(end)));
    verdicts
}
