//! Compiles the protection domains and the initial task: freestanding, static
//! programs for the seL4 host, each laid out by a linker script.

use std::{
    collections::BTreeSet,
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_cargo::{CargoError, Crates, TARGET, encode};
use bulkhead_host::{FileError, file, replace};
use bulkhead_kernel::KernelError;
use bulkhead_progress::Progress;
use bulkhead_sdk::Selection;
use miette::Diagnostic;
use thiserror::Error;

use crate::{Platform, Profile, Workspace, fingerprint::fingerprint};

/// The VMM's package. All others are named as their folders are.
const VMM: &str = "vmm";

/// The folders of devices' domains, and of those that only tests and
/// measurements run.
const DEVICES: &str = "device-pds";
const TESTS: [&str; 2] = ["tools/system-tests/domains", "tools/bench/domains"];

/// The folder of initial tasks that only tests run.
const TEST_TASKS: &str = "tools/system-tests/tasks";

/// The initial task's package.
const ROOT_TASK: &str = "root-task";

/// Where the linker scripts are, from the top of the checkout.
const DOMAIN_SCRIPT: &str = "lib/sel4-microkit/pd.ld";
const ROOT_TASK_SCRIPT: &str = "lib/sel4-root-task/root.ld";

/// Compiler flags besides the linker script. Frame pointers are kept because
/// the monitor walks them when a domain faults.
const FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Ccode-model=small",
    "-Crelro-level=off",
    "-Cforce-frame-pointers=yes",
    // Vector registers are switched lazily: one that a VMM touches at an exit
    // costs a trap and two copies of the floating-point state. The prebuilt
    // `core` needs them declared; these keep compiled code from using them.
    "-Ctarget-cpu=core2",
    "-Cno-vectorize-loops",
    "-Cno-vectorize-slp",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-no-pie",
    "-Clink-arg=-Wl,--build-id=none",
    "-Clink-arg=-Wl,-z,max-page-size=0x1000",
];

/// The compiler's flag by which programs are for an SDK's kernel.
pub const MCS: &str = "--cfg=sel4_mcs";

/// Which kernel's interface programs are compiled for.
enum Abi {
    /// The embedded kernel's.
    Embedded,
    /// That of an SDK's kernel, whose numbers are in this file.
    Mcs(PathBuf),
}

impl Abi {
    /// What `lib/sel4` chooses by.
    fn flags(&self) -> &'static [&'static str] {
        match self {
            Abi::Embedded => &[],
            Abi::Mcs(_) => &[MCS, "--cfg=sel4_numbers"],
        }
    }

    /// What it includes the numbers by.
    fn environment(&self) -> Option<(&'static str, &Path)> {
        match self {
            Abi::Embedded => None,
            Abi::Mcs(numbers) => Some(("SEL4_NUMBERS", numbers)),
        }
    }
}

/// Why the protection domains could not be built.
#[derive(Debug, Error, Diagnostic)]
pub enum DomainsError {
    /// Cargo cannot be called.
    #[error("cannot start {program:?}")]
    Start {
        /// What was called.
        program: OsString,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Cargo does not say where the crates are.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cargo(#[from] CargoError),
    /// The compiler found errors, and has printed them.
    #[error("the protection domains do not compile")]
    #[diagnostic(help("the compiler says:\n{messages}"))]
    Compile {
        /// What it printed.
        messages: String,
    },
    /// The SDK does not tell its kernel's numbers.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Numbers(#[from] KernelError),
    /// A file cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
}

/// The programs of a system.
#[derive(Clone, Debug)]
pub struct Domains {
    /// The folder that holds `NAME.elf` for each domain.
    pub folder: PathBuf,
    /// Whether nothing had changed.
    pub cached: bool,
}

impl Domains {
    /// The initial task, which only the embedded board has.
    pub fn root_task(&self) -> PathBuf {
        self.folder.join(elf_name(ROOT_TASK))
    }
}

/// Builds them all, and on the embedded board its initial task; of those for tests only what `named`, the programs that
/// a description names, has. Nothing of their target's operating system is
/// used.
///
/// # Errors
/// Cargo cannot be called, the compiler finds errors, or files cannot be
/// written.
pub fn build_domains(
    workspace: &Workspace,
    platform: &Platform,
    named: &BTreeSet<String>,
    crates: &Crates,
    progress: &dyn Progress,
) -> Result<Domains, DomainsError> {
    let folder = platform.folder(workspace);
    fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    let mut domains = domain_packages(workspace)?;
    let for_tests = packages_for_tests(workspace)?;
    domains.extend(for_tests.into_iter().filter(|package| named.contains(&elf_name(package))));
    progress.begin(&format!("protection domains ({})", platform.name()), None);
    let (abi, root_task) = match platform {
        Platform::Bochs(_) => (Abi::Embedded, &[ROOT_TASK.to_owned()][..]),
        Platform::Sdk(selection) => (Abi::Mcs(numbers(selection, &folder)?), &[][..]),
    };
    let profile = platform.profile();
    let mut changed = 0;
    let remapping = crates.remapping();
    for (packages, script) in [(&domains[..], DOMAIN_SCRIPT), (root_task, ROOT_TASK_SCRIPT)] {
        if packages.is_empty() {
            continue;
        }
        compile(workspace, profile, &abi, packages, script, &remapping, progress)?;
        for package in packages {
            let wanted = folder.join(elf_name(package));
            let built = program(workspace, profile, &abi, script, package);
            changed += usize::from(publish(&built, &wanted)?);
        }
    }
    let cached = changed == 0;
    progress.end(if cached { "cached" } else { "built" });
    Ok(Domains { folder, cached })
}

/// Writes the numbers of an SDK's kernel down, in a folder of the build.
fn numbers(selection: &Selection, folder: &Path) -> Result<PathBuf, DomainsError> {
    let text = bulkhead_kernel::sdk_numbers(selection.folder())?;
    let path = folder.join("numbers.rs");
    // An unchanged file keeps its time, which cargo goes by.
    if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
        replace(&path, text.as_bytes())?;
    }
    Ok(path)
}

/// Builds an initial task that only tests run; returns its program.
///
/// # Errors
/// As [`build_domains`].
pub fn build_test_task(
    workspace: &Workspace,
    profile: Profile,
    package: &str,
    progress: &dyn Progress,
) -> Result<PathBuf, DomainsError> {
    let folder = workspace.out.join(profile.name());
    fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    let remapping = Crates::of(&workspace.root)?.remapping();
    let (abi, packages) = (Abi::Embedded, [package.to_owned()]);
    compile(workspace, profile, &abi, &packages, ROOT_TASK_SCRIPT, &remapping, progress)?;
    let wanted = folder.join(elf_name(package));
    publish(&program(workspace, profile, &abi, ROOT_TASK_SCRIPT, package), &wanted)?;
    Ok(wanted)
}

/// Every package with a protection domain in it that is not for tests, in the
/// order of their names.
fn domain_packages(workspace: &Workspace) -> Result<Vec<String>, DomainsError> {
    let mut packages = packages_in(workspace, DEVICES)?;
    packages.push(VMM.to_owned());
    packages.sort();
    Ok(packages)
}

/// Every package with a protection domain in it that only tests and
/// measurements run.
fn packages_for_tests(workspace: &Workspace) -> Result<Vec<String>, DomainsError> {
    let mut packages = Vec::new();
    for folder in TESTS {
        packages.extend(packages_in(workspace, folder)?);
    }
    Ok(packages)
}

/// The packages in a folder of packages.
fn packages_in(workspace: &Workspace, folder: &str) -> Result<Vec<String>, DomainsError> {
    let folder = workspace.root.join(folder);
    let mut packages = Vec::new();
    for entry in fs::read_dir(&folder).map_err(file("list", &folder))? {
        let entry = entry.map_err(file("list", &folder))?;
        if entry.path().join("Cargo.toml").is_file() {
            packages.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    packages.sort();
    Ok(packages)
}

/// Every package that is a freestanding program: none has tests, and none can
/// be linked for the host.
///
/// # Errors
/// The checkout cannot be read.
pub fn freestanding_packages(workspace: &Workspace) -> Result<Vec<String>, DomainsError> {
    let mut packages = portable_packages(workspace)?;
    packages.extend(packages_in(workspace, TEST_TASKS)?);
    packages.push(ROOT_TASK.to_owned());
    Ok(packages)
}

/// Those of them that run on every board: all but initial tasks.
///
/// # Errors
/// The checkout cannot be read.
pub fn portable_packages(workspace: &Workspace) -> Result<Vec<String>, DomainsError> {
    let mut packages = domain_packages(workspace)?;
    packages.extend(packages_for_tests(workspace)?);
    Ok(packages)
}

/// The package that a program in the build's folder was compiled from.
pub(crate) fn package_of(
    workspace: &Workspace,
    program: &str,
) -> Result<Option<String>, DomainsError> {
    let packages = freestanding_packages(workspace)?;
    Ok(packages.into_iter().find(|package| elf_name(package) == program))
}

/// What a system description calls a package's program.
fn elf_name(package: &str) -> String {
    format!("{}.elf", package.replace('-', "_"))
}

/// Where cargo puts a package's program.
fn program(
    workspace: &Workspace,
    profile: Profile,
    abi: &Abi,
    script: &str,
    package: &str,
) -> PathBuf {
    target_folder(workspace, abi, script).join(TARGET).join(profile.cargo()).join(package)
}

/// One for each linker script and kernel interface: cargo does not tell builds
/// apart by flags once these rename places, and each would replace the other's
/// crates.
fn target_folder(workspace: &Workspace, abi: &Abi, script: &str) -> PathBuf {
    let name = Path::new(script).file_stem().unwrap_or(OsStr::new("other"));
    let mut name = name.to_owned();
    if let Abi::Mcs(_) = abi {
        name.push("-mcs");
    }
    workspace.root.join("target/pd").join(name)
}

fn compile(
    workspace: &Workspace,
    profile: Profile,
    abi: &Abi,
    packages: &[String],
    script: &str,
    remapping: &[OsString],
    progress: &dyn Progress,
) -> Result<(), DomainsError> {
    let mut script_flag = OsString::from("-Clink-arg=-Wl,-T,");
    script_flag.push(pin_script(workspace, script)?);
    let flags = FLAGS.iter().chain(abi.flags()).map(OsStr::new);
    let flags = flags.chain(remapping.iter().map(OsString::as_os_str)).chain([&*script_flag]);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .current_dir(&workspace.root)
        .args(["build", "--quiet", "--target", TARGET, "--profile", profile.cargo()])
        .arg("--target-dir")
        .arg(target_folder(workspace, abi, script))
        .args(packages.iter().flat_map(|package| ["-p", package]))
        // It goes before the user's RUSTFLAGS, which are for other programs.
        .env("CARGO_ENCODED_RUSTFLAGS", encode(flags))
        .env_remove("RUSTFLAGS")
        .envs(abi.environment());
    if io::stderr().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let output = bulkhead_host::output(&mut command)
        .map_err(|source| DomainsError::Start { program: cargo, source })?;
    let messages = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
    if !output.status.success() {
        return Err(DomainsError::Compile { messages });
    }
    if !messages.is_empty() {
        progress.note(&messages);
    }
    Ok(())
}

/// Copies a linker script to a name that depends on its text. Cargo does not
/// look into linker scripts; but it does see that a flag has changed.
fn pin_script(workspace: &Workspace, script: &str) -> Result<PathBuf, DomainsError> {
    let source = workspace.root.join(script);
    let text = fs::read(&source).map_err(file("read", &source))?;
    let folder = workspace.out.join("ld");
    fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    let stem = source.file_stem().unwrap_or(OsStr::new("script")).to_string_lossy();
    let pinned = folder.join(format!("{stem}-{:016x}.ld", fingerprint(&text)));
    if !pinned.exists() {
        replace(&pinned, &text)?;
    }
    Ok(pinned)
}

/// Puts a program under its final name, if it differs from what is there;
/// returns whether it did. An unchanged file keeps its time, so that what is
/// made from it stays valid.
fn publish(built: &Path, wanted: &Path) -> Result<bool, DomainsError> {
    let new = fs::read(built).map_err(file("read", built))?;
    if fs::read(wanted).is_ok_and(|old| old == new) {
        return Ok(false);
    }
    replace(wanted, &new)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_program_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let (built, wanted) = (folder.path().join("a"), folder.path().join("a.elf"));
        fs::write(&built, b"one").unwrap();
        assert!(publish(&built, &wanted).unwrap());
        assert!(!publish(&built, &wanted).unwrap());
        fs::write(&built, b"two").unwrap();
        assert!(publish(&built, &wanted).unwrap());
        assert_eq!(fs::read(&wanted).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left over");
    }

    #[test]
    fn a_script_with_another_text_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let workspace =
            Workspace { root: folder.path().into(), out: folder.path().join("target/bulkhead") };
        fs::write(folder.path().join("x.ld"), "a").unwrap();
        let first = pin_script(&workspace, "x.ld").unwrap();
        assert_eq!(pin_script(&workspace, "x.ld").unwrap(), first);
        fs::write(folder.path().join("x.ld"), "b").unwrap();
        assert_ne!(pin_script(&workspace, "x.ld").unwrap(), first);
    }

    #[test]
    fn programs_are_named_as_descriptions_name_them() {
        assert_eq!(elf_name("serial-driver"), "serial_driver.elf");
        assert_eq!(elf_name("vmm"), "vmm.elf");
    }
}
