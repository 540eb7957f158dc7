//! The build: from patched source to a kernel, kept until an input changes.
//!
//! A kernel is kept in `OUT/CONFIGURATION-KEY/`, where KEY is a hash of
//! everything that it depends on. It is built in a temporary folder beside that
//! and renamed into place, so what is there is whole.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bulkhead_progress::Progress;
use sha2::{Digest, Sha256};

use crate::error::FileContext;
use crate::interface::numbers;
use crate::interface::tables::Kernel as Headers;
use crate::omission::Omission;
use crate::patches::Series;
use crate::program::Program;
use crate::source::{Source, hex};
use crate::stage::Stage;
use crate::{Configuration, KernelError};

/// Raised when this program changes what it makes of the same inputs.
const RECIPE: &str = "2";

/// What is wanted.
pub struct Request<'a> {
    /// The root of the project.
    pub workspace: &'a Path,
    /// The folder under which kernels are kept.
    pub out: &'a Path,
    /// Which kernel.
    pub configuration: Configuration,
    /// Hears what is being done.
    pub progress: &'a dyn Progress,
}

/// A kernel, ready to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What a Multiboot loader takes: the kernel as a 32-bit ELF file.
    pub elf32: PathBuf,
    /// The same kernel as the 64-bit ELF file that debuggers take.
    pub elf: PathBuf,
    /// Whether it was there already.
    pub cached: bool,
}

impl Kernel {
    fn in_folder(folder: &Path, cached: bool) -> Self {
        Self { elf32: folder.join("kernel32.elf"), elf: folder.join("kernel.elf"), cached }
    }
}

/// Builds the kernel, or finds that it is there.
///
/// # Errors
/// Says what is missing or wrong, and the cure; nothing half-built stays.
pub fn build(request: &Request) -> Result<Kernel, KernelError> {
    build_variant(request, None)
}

/// Builds a kernel with something left out: a patch by its number, or what a
/// file in `patches/undo` takes out, by that file's name. For tests only.
///
/// # Errors
/// As [`build`]; or what is left out does not come out cleanly.
pub fn build_without(request: &Request, what: &str) -> Result<Kernel, KernelError> {
    let omission = Omission::find(request.workspace, what)?;
    build_variant(request, Some(&omission))
}

fn build_variant(request: &Request, omission: Option<&Omission>) -> Result<Kernel, KernelError> {
    let Request { workspace, out, configuration, progress } = *request;
    // The tools run in folders of their own.
    let out = &std::path::absolute(out).context("cannot find", out)?;
    let source = Source::obtain(workspace, progress)?;
    let series = Series::read(workspace)?;
    check_numbers_are_there(workspace)?;
    let inputs = Inputs { workspace, source, series, omission, configuration };
    let name = match omission {
        None => configuration.name().to_owned(),
        Some(omission) => format!("{}-without-{}", configuration.name(), omission.name()),
    };
    let folder = out.join(format!("{name}-{}", inputs.key()?));
    if folder.is_dir() {
        return Ok(Kernel::in_folder(&folder, true));
    }

    progress.begin(&format!("building the seL4 kernel ({name})"), None);
    let result = build_into(&inputs, out, &folder);
    progress.end(if result.is_ok() { "built" } else { "failed" });
    result?;
    remove_others(out, &folder, &name)?;
    Ok(Kernel::in_folder(&folder, false))
}

/// Everything that a kernel is made from.
struct Inputs<'a> {
    workspace: &'a Path,
    source: Source,
    series: Series,
    omission: Option<&'a Omission>,
    configuration: Configuration,
}

fn build_into(inputs: &Inputs, out: &Path, folder: &Path) -> Result<(), KernelError> {
    std::fs::create_dir_all(out).context("cannot create", out)?;
    remove_abandoned(out)?;
    let temporary = tempfile::Builder::new()
        .prefix(BUILDING)
        .tempdir_in(out)
        .context("cannot create a folder in", out)?;
    // Held until this function or its process ends.
    let lock = File::open(temporary.path()).context("cannot open", temporary.path())?;
    lock.lock().context("cannot lock", temporary.path())?;
    let Inputs { source, series, omission, configuration, .. } = inputs;
    let stage = Stage::prepare(source, series, *omission, *configuration, temporary.path())?;

    let result = temporary.path().join("result");
    std::fs::create_dir(&result).context("cannot create", &result)?;
    let kernel = Kernel::in_folder(&result, false);
    // Without a patch the interface may be another; nobody builds against it.
    let numbers = omission.is_none().then_some(inputs.workspace);
    compile(&stage, &kernel, numbers)?;
    match std::fs::rename(&result, folder) {
        // Another build of the same kernel was faster: its result is as good.
        Err(_) if folder.is_dir() => Ok(()),
        renamed => renamed.context("cannot create", folder),
    }
}

/// How the name of a folder in which a kernel is being built begins.
const BUILDING: &str = ".building-";

/// A folder younger than this may be about to be locked.
const FRESH: Duration = Duration::from_secs(10);

/// Removes what builds left that were killed: folders that nobody has locked.
fn remove_abandoned(out: &Path) -> Result<(), KernelError> {
    for entry in std::fs::read_dir(out).context("cannot read", out)? {
        let entry = entry.context("cannot read", out)?;
        if !entry.file_name().to_string_lossy().starts_with(BUILDING) {
            continue;
        }
        let path = entry.path();
        let age = entry.metadata().and_then(|m| m.modified()).map(|time| time.elapsed());
        // One that vanishes meanwhile was not abandoned.
        let Ok(lock) = File::open(&path) else { continue };
        if matches!(age, Ok(Ok(age)) if age > FRESH) && lock.try_lock().is_ok() {
            std::fs::remove_dir_all(&path).context("cannot remove", &path)?;
        }
    }
    Ok(())
}

/// Files that are assembled.
const ASSEMBLY: [&str; 4] = [
    "src/arch/x86/multiboot.S",
    "src/arch/x86/64/machine_asm.S",
    "src/arch/x86/64/traps.S",
    "src/arch/x86/64/head.S",
];

/// The linker script, before preprocessing.
const LINKER_SCRIPT: &str = "src/plat/pc99/linker.lds";

/// Folders whose every C file belongs to the kernel for x86-64 on a PC.
const C_FOLDERS: [&str; 17] = [
    "src",
    "src/api",
    "src/benchmark",
    "src/config",
    "src/fastpath",
    "src/kernel",
    "src/machine",
    "src/model",
    "src/object",
    "src/smp",
    "src/arch/x86",
    "src/arch/x86/api",
    "src/arch/x86/benchmark",
    "src/arch/x86/kernel",
    "src/arch/x86/machine",
    "src/arch/x86/model",
    "src/arch/x86/object",
];

/// The same, below the folders that exist twice: for 32 and for 64 bits.
const C_FOLDERS_64: [&str; 6] = [
    "src/arch/x86/64",
    "src/arch/x86/64/kernel",
    "src/arch/x86/64/machine",
    "src/arch/x86/64/model",
    "src/arch/x86/64/object",
    "src/plat/pc99/machine",
];

/// The kernel's C files in the order in which its makefile would join them.
fn c_files(tree: &Path) -> Result<Vec<String>, KernelError> {
    let mut files = Vec::new();
    for folder in C_FOLDERS.iter().chain(&C_FOLDERS_64) {
        let path = tree.join(folder);
        for entry in std::fs::read_dir(&path).context("cannot read", &path)? {
            let name = entry.context("cannot read", &path)?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.ends_with(".c")) {
                files.push(format!("{folder}/{name}"));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The kernel is one translation unit: its functions are mostly `static inline`
/// and its speed depends on the compiler seeing all of them.
fn join(tree: &Path, file: &Path) -> Result<(), KernelError> {
    let mut text = Vec::new();
    for name in c_files(tree)? {
        let path = tree.join(&name);
        text.extend_from_slice(format!("#line 1 \"{name}\"\n").as_bytes());
        text.extend(std::fs::read(&path).context("cannot read", &path)?);
        text.push(b'\n');
    }
    std::fs::write(file, text).context("cannot write", file)
}

/// Compiles and links. `numbers` is the project whose committed numbers must be
/// this kernel's.
fn compile(stage: &Stage, kernel: &Kernel, numbers: Option<&Path>) -> Result<(), KernelError> {
    let compiler = stage.compiler();
    let scratch = stage.scratch();
    let source = scratch.join("kernel_all.c");
    let all = scratch.join("kernel_all.o");
    join(stage.tree(), &source)?;

    let mut objects = std::thread::scope(|scope| {
        let c = scope.spawn(|| compiler.c(&source, &all));
        let rest = assemble(stage).and_then(|objects| {
            if let Some(workspace) = numbers {
                let generated =
                    numbers::generate(stage.interface(), Headers::Embedded, compiler, scratch)?;
                check_numbers(workspace, &generated)?;
            }
            Ok(objects)
        });
        match c.join() {
            Ok(result) => result.and(rest),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    objects.push(all);

    let script = scratch.join("linker.lds");
    std::fs::write(&script, compiler.preprocess(LINKER_SCRIPT)?)
        .context("cannot write", &script)?;
    compiler.link(&objects, &script, &kernel.elf)?;
    // A Multiboot loader takes only 32-bit ELF files, and no use of symbols.
    Program::objcopy()
        .args(["--strip-all", "-O", "elf32-i386"])
        .args([&kernel.elf, &kernel.elf32])
        .run("converting the kernel for the boot loader")
        .map(drop)
}

/// The first object decides what stands at the start of the image: the
/// Multiboot header, which must be in the first 8 KiB.
fn assemble(stage: &Stage) -> Result<Vec<PathBuf>, KernelError> {
    ASSEMBLY
        .iter()
        .map(|file| {
            let object = stage.scratch().join(file.replace('/', "-")).with_extension("o");
            stage.compiler().assembly(file, &object).map(|()| object)
        })
        .collect()
}

impl Inputs<'_> {
    /// A hash of everything that the kernel depends on.
    fn key(&self) -> Result<String, KernelError> {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(RECIPE.as_bytes());
        add(self.source.hash().as_bytes());
        for text in self.series.texts() {
            add(text.as_bytes());
        }
        if let Some(omission) = self.omission {
            add(omission.name().as_bytes());
            add(omission.text().as_bytes());
        }
        add(self.configuration.autoconf().as_bytes());
        add(&Program::gcc().arg("--version").run("asking for the compiler's version")?);
        add(&Program::objcopy().arg("--version").run("asking for the linker's version")?);
        // A committed file that was changed must be checked again.
        let committed = self.workspace.join(numbers::FILE);
        add(&std::fs::read(&committed).context("cannot read", &committed)?);
        let digest = hex(&hash.finalize());
        Ok(digest.chars().take(KEY_DIGITS).collect())
    }
}

/// Digits of a key: 64 bits, enough to tell any number of builds apart.
const KEY_DIGITS: usize = 16;

/// Makes the committed numbers' absence an error of its own.
fn check_numbers_are_there(workspace: &Path) -> Result<(), KernelError> {
    let path = workspace.join(numbers::FILE);
    if path.is_file() {
        return Ok(());
    }
    Err(KernelError::StaleNumbers { path, difference: "the file is missing".into() })
}

fn check_numbers(workspace: &Path, generated: &str) -> Result<(), KernelError> {
    let path = workspace.join(numbers::FILE);
    let committed = std::fs::read_to_string(&path).context("cannot read", &path)?;
    match numbers::difference(&committed, generated) {
        None => Ok(()),
        Some(difference) => Err(KernelError::StaleNumbers { path, difference }),
    }
}

/// Removes kernels of this name that other inputs made.
fn remove_others(out: &Path, keep: &Path, name: &str) -> Result<(), KernelError> {
    let is_key = |rest: &str| rest.len() == KEY_DIGITS && !rest.contains('-');
    for entry in std::fs::read_dir(out).context("cannot read", out)? {
        let entry = entry.context("cannot read", out)?;
        let path = entry.path();
        let other = entry.file_name();
        let key = other.to_str().and_then(|other| other.strip_prefix(name)?.strip_prefix('-'));
        if path != keep && key.is_some_and(is_key) {
            std::fs::remove_dir_all(&path).context("cannot remove", &path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::FileTimes;
    use std::time::SystemTime;

    #[test]
    fn what_a_killed_build_left_goes_and_a_running_one_stays() {
        let out = tempfile::tempdir().unwrap();
        let names = [".building-killed", ".building-running", ".building-new"];
        let [killed, running, new] = names.map(|name| out.path().join(name));
        let a_while_ago = SystemTime::now() - 2 * FRESH;
        for folder in [&killed, &running] {
            std::fs::create_dir_all(folder.join("seL4")).unwrap();
            let times = FileTimes::new().set_modified(a_while_ago);
            File::open(folder).unwrap().set_times(times).unwrap();
        }
        std::fs::create_dir(&new).unwrap();
        let lock = File::open(&running).unwrap();
        lock.lock().unwrap();
        remove_abandoned(out.path()).unwrap();
        assert!(!killed.exists() && running.exists() && new.exists());
    }

    #[test]
    fn kernels_of_other_inputs_go_and_the_other_configuration_stays() {
        let out = tempfile::tempdir().unwrap();
        let key = "0123456789abcde";
        let names = ["debug-1", "debug-2", "release-1", "debug-without-0008-1"];
        let folders = names.map(|name| out.path().join(format!("{name}{key}")));
        for folder in &folders {
            std::fs::create_dir(folder).unwrap();
        }
        let [old, new, release, without] = &folders;
        remove_others(out.path(), new, "debug").unwrap();
        assert!(!old.exists() && new.exists() && release.exists() && without.exists());
    }

    #[test]
    fn stale_numbers_are_refused_with_the_place() {
        let workspace = tempfile::tempdir().unwrap();
        let path = workspace.path().join(numbers::FILE);
        let missing = check_numbers_are_there(workspace.path()).unwrap_err();
        assert!(missing.to_string().ends_with("does not match the kernel: the file is missing"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "a\nb\n").unwrap();
        check_numbers(workspace.path(), "a\nb\n").unwrap();
        let stale = check_numbers(workspace.path(), "a\nc\n").unwrap_err();
        assert!(stale.to_string().contains("line 2 is `b`, and must be `c`"), "{stale}");
    }
}
