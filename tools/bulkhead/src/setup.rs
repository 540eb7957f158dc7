//! Debian packages that a step needs: which are missing, and their
//! installation.
//!
//! A package is known by one file of it, not by dpkg's database, so that
//! programs from elsewhere count too, and that a look costs no process.
//!
//! Nothing is asked of the network or of root when nothing is missing.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use bulkhead_build::Workspace;
use bulkhead_host::{output, to_its_end};
use bulkhead_machine::Runner;
use bulkhead_progress::Progress;
use miette::{IntoDiagnostic, Result, WrapErr, miette};

use crate::{
    steps::Steps,
    ui::{CAUTION, NAME},
};

/// A file that must be there, and the package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// A program's name, looked for on PATH, or an absolute path.
    file: &'static str,
    /// Debian's package.
    package: &'static str,
    /// What it is good for.
    purpose: &'static str,
}

const fn need(file: &'static str, package: &'static str, purpose: &'static str) -> Need {
    Need { file, package, purpose }
}

/// What the emulated machine needs: Bochs.
const BOCHS: &[Need] = &[
    need("/usr/bin/bochs-bin", "bochs", "the emulated PC with VT-x"),
    need(
        "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so",
        "bochs-term",
        "its display, unseen",
    ),
    need("/usr/share/seabios/bios.bin", "seabios", "its firmware"),
    need("/usr/share/vgabios/vgabios.bin", "vgabios", "its video firmware"),
    SETPRIV,
];

/// What QEMU as the machine needs.
const QEMU: &[Need] =
    &[need("/usr/bin/qemu-system-x86_64", "qemu-system-x86", "the PC, for KVM"), SETPRIV];

const SETPRIV: Need = need("setpriv", "util-linux", "ties the emulator to this command");

/// What building a system needs.
const BUILD: &[Need] = &[
    need("gcc", "gcc", "compiles the kernel"),
    need("cpp", "cpp", "compiles the kernel"),
    need("objcopy", "binutils", "links the kernel"),
    need("python3", "python3", "runs the kernel's generators"),
    need("xorriso", "xorriso", "makes the boot image"),
    need("/usr/lib/ISOLINUX/isolinux.bin", "isolinux", "boots the image"),
    need("/usr/lib/syslinux/modules/bios/mboot.c32", "syslinux-common", "boots the kernel"),
    need("dpkg-deb", "dpkg", "unpacks the guest's packages"),
    need("/sbin/mke2fs", "e2fsprogs", "makes the guest's disk"),
];

/// Sees to it that a machine can run.
pub fn machine(runner: Runner, steps: &Steps, no_install: bool) -> Result<()> {
    provide(needs(runner), steps, no_install)
}

fn needs(runner: Runner) -> &'static [Need] {
    match runner {
        Runner::Bochs { .. } => BOCHS,
        Runner::Qemu(_) => QEMU,
    }
}

/// Sees to it that systems can be built, and run on these machines.
pub fn system(
    workspace: &Workspace,
    machines: &[Runner],
    steps: &Steps,
    no_install: bool,
) -> Result<()> {
    let machines = machines.iter().flat_map(|runner| needs(*runner));
    let all: Vec<Need> = machines.chain(BUILD).copied().collect();
    provide(&all, steps, no_install)?;
    package_lists(workspace, steps, no_install)
}

/// Sees to it that apt can find the guests' packages, unless they are here
/// already. They are not installed, so this is all that they need of root.
fn package_lists(workspace: &Workspace, steps: &Steps, no_install: bool) -> Result<()> {
    let fetched = workspace.out.join("guest/packages");
    if has_lists() || fetched.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Ok(());
    }
    if !is_debian() {
        return Err(miette!(
            help = "build on Debian or a derivative",
            "the guest is made from Debian's packages, which only apt can fetch"
        ));
    }
    const UPDATE: &str = "apt-get update";
    let why = "apt has no package lists, so it cannot find the guest's packages";
    if no_install {
        return Err(by_hand(why, UPDATE, steps));
    }
    steps.note("apt has no package lists yet; they are needed to fetch the guest's packages.");
    Apt::new(UPDATE, steps)?.update(steps)
}

/// Refuses a host for whose processor nothing here is built.
fn host_suits(architecture: &str, system: &str) -> Result<()> {
    if (architecture, system) == ("x86_64", "linux") {
        return Ok(());
    }
    Err(miette!(
        help = "use Debian 12 for amd64, for example in a virtual machine",
        "this host is {architecture} {system}, and kernel, domains and emulator are built for and \
         by x86_64 linux only"
    ))
}

fn provide(needs: &[Need], steps: &Steps, no_install: bool) -> Result<()> {
    host_suits(env::consts::ARCH, env::consts::OS)?;
    let missing: Vec<&Need> = needs.iter().filter(|need| !present(need.file)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: BTreeSet<&str> = missing.iter().map(|need| need.package).collect();
    let packages: Vec<&str> = packages.into_iter().collect();
    let list = list(&missing);
    if !is_debian() {
        let files: Vec<&str> = missing.iter().map(|need| need.file).collect();
        return Err(miette!(
            help = "install them by this system's own means; Bulkhead installs packages itself \
                    on Debian and its derivatives only",
            "these are missing: {}",
            files.join(", ")
        ));
    }
    let plain = format!("apt-get install --no-install-recommends {}", packages.join(" "));
    steps.note(&format!("Packages from Debian are needed:\n{list}"));
    if no_install {
        return Err(by_hand("packages are missing", &plain, steps));
    }
    let apt = Apt::new(&plain, steps)?;
    apt.install(&packages, steps)?;
    let still: Vec<&str> = missing.iter().map(|n| n.file).filter(|file| !present(file)).collect();
    if still.is_empty() {
        Ok(())
    } else {
        Err(miette!(
            help = "this version of Debian may keep them elsewhere; Debian 12 is what is tested",
            "installed {}, but these are still missing: {}",
            packages.join(" "),
            still.join(", ")
        ))
    }
}

/// An error whose cure is a command, which is shown on a line of its own, to be
/// copied.
fn by_hand(why: &'static str, plain: &str, steps: &Steps) -> miette::Report {
    let sudo = if is_root() || !present("sudo") { "" } else { "sudo " };
    steps.note(&format!("The command is:\n  {sudo}{plain}"));
    let help =
        if sudo.is_empty() && !is_root() { "run that command as root" } else { "run that command" };
    miette!(help = help, "{why}")
}

fn list(missing: &[&Need]) -> String {
    let mut seen = BTreeSet::new();
    let lines: Vec<String> = missing
        .iter()
        .filter(|need| seen.insert(need.package))
        .map(|need| format!("  {NAME}{:15}{NAME:#} {}", need.package, need.purpose))
        .collect();
    lines.join("\n")
}

/// Whether a program is on PATH, or a file is there.
fn present(file: &str) -> bool {
    if file.starts_with('/') {
        return Path::new(file).exists();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian's users have no sbin on their PATH, root has.
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path).chain(extra).any(|folder| folder.join(file).is_file())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    debian_release(&release) && present("apt-get")
}

/// Whether an os-release file is Debian's or a derivative's.
fn debian_release(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches(['"', '\'']).split_ascii_whitespace())
        .any(|id| id == "debian")
}

/// How apt-get is called.
struct Apt {
    sudo: bool,
}

impl Apt {
    /// Directly as root, else by sudo, which asks for the password itself.
    fn new(plain: &str, steps: &Steps) -> Result<Apt> {
        if is_root() {
            return Ok(Apt { sudo: false });
        }
        if !present("sudo") {
            let why = "only root may install packages, and there is no sudo here";
            return Err(by_hand(why, plain, steps));
        }
        let asks_nothing = Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !asks_nothing && !io::stdin().is_terminal() {
            let why = "sudo would ask for a password, and standard input is no terminal";
            return Err(by_hand(why, plain, steps));
        }
        steps.note(&format!("{CAUTION}Runs as root{CAUTION:#}: {plain}"));
        if !asks_nothing {
            steps.note("sudo asks for your password; Ctrl-C leaves without any change.");
            let asked = Command::new("sudo").arg("-v").status().into_diagnostic()?;
            if !asked.success() {
                return Err(by_hand("sudo gave no permission", plain, steps));
            }
        }
        Ok(Apt { sudo: true })
    }

    fn call(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = if self.sudo {
            let mut command = Command::new("sudo");
            command.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            command
        } else {
            let mut command = Command::new("apt-get");
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        // Another apt may be at work (unattended upgrades): wait for it.
        command.args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
        // An installation that is interrupted leaves a mess; a download does not.
        let run = if arguments.contains(&"install") { to_its_end } else { output };
        run(&mut command).into_diagnostic().wrap_err("cannot start apt-get")
    }

    /// Installs; fetches the package lists when there are none, or when they
    /// turn out to be too old.
    fn install(&self, packages: &[&str], steps: &Steps) -> Result<()> {
        let mut arguments = vec!["install", "--no-install-recommends"];
        arguments.extend(packages);
        let mut updated = false;
        if !has_lists() {
            self.update(steps)?;
            updated = true;
        }
        loop {
            steps.begin("installing packages", None);
            let output = self.call(&arguments)?;
            if output.status.success() {
                steps.end(&packages.join(" "));
                return Ok(());
            }
            if updated {
                return Err(failed("apt-get install", &output));
            }
            steps.end("not with the package lists at hand");
            self.update(steps)?;
            updated = true;
        }
    }

    fn update(&self, steps: &Steps) -> Result<()> {
        steps.begin("fetching package lists", None);
        let output = self.call(&["update"])?;
        // Without a network apt warns, and says that all is well.
        if output.status.success() && has_lists() {
            steps.end("done");
            Ok(())
        } else {
            Err(failed("apt-get update", &output))
        }
    }
}

fn has_lists() -> bool {
    let Ok(entries) = fs::read_dir("/var/lib/apt/lists") else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

fn failed(what: &str, output: &Output) -> miette::Report {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.iter().rev().take(12).rev().map(|line| format!("  {line}"));
    let how = if output.status.success() {
        "fetched nothing".to_owned()
    } else {
        format!("failed ({})", output.status)
    };
    miette!(
        help = "is there a network, and does /etc/apt/sources.list name Debian's `main`?",
        "{what} {how}:\n{}",
        last.collect::<Vec<_>>().join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_derivatives_are_recognised() {
        assert!(debian_release("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(debian_release("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(debian_release("ID=mint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!debian_release("ID=fedora\nVERSION_ID=40\nNAME=\"not debian\"\n"));
        assert!(!debian_release(""));
    }

    #[test]
    fn a_host_of_another_architecture_is_refused_by_name() {
        assert!(host_suits("x86_64", "linux").is_ok());
        for (architecture, system) in [("aarch64", "linux"), ("x86", "linux"), ("x86_64", "macos")]
        {
            let said = host_suits(architecture, system).unwrap_err().to_string();
            assert!(said.starts_with(&format!("this host is {architecture} {system}")), "{said}");
        }
    }

    #[test]
    fn programs_are_found_on_the_path_and_files_by_name() {
        assert!(present("sh"));
        assert!(present("/etc/passwd"));
        assert!(!present("no-such-program-anywhere"));
        assert!(!present("/no/such/file"));
    }
}
