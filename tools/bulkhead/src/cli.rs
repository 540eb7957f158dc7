//! The command line.

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use bulkhead_build::Profile;
use bulkhead_machine::{Accelerator, MEMORY_MAX, Mebibytes, Runner};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint, builder::Styles};
use clap_complete::Shell;

use crate::{exit, ui};

const STYLES: Styles = Styles::styled()
    .header(ui::HEADING)
    .usage(ui::HEADING)
    .literal(ui::NAME)
    .error(ui::BAD)
    .invalid(ui::CAUTION)
    .valid(ui::GOOD);

const EXAMPLES: &str = "\
Examples:
  cargo bulkhead run                              boot the default system to a shell
  cargo bulkhead run --memory 512M                with more memory for its guest
  cargo bulkhead run --append 'loglevel=7'        with more on the kernel's command line
  cargo bulkhead run --system systems/two-guests.system
  cargo bulkhead run --machine qemu-kvm           on this host's own VT-x
  cargo bulkhead run --sdk ~/microkit-sdk-2.3.0   on the kernel of your Microkit SDK
  cargo bulkhead run --timeout 300 --log run.log < commands.txt
  cargo bulkhead test                             every test
  cargo bulkhead test timer                       the tests with `timer` in their names
  cargo bulkhead check system.xml                 explain what is wrong in a description";

/// A virtual machine monitor for seL4 on x86-64: set-up, build, run and test.
#[derive(Parser, Debug)]
#[command(name = "bulkhead", bin_name = "cargo bulkhead", version, styles = STYLES)]
#[command(after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Boot the system on an emulated PC, with the guest's console in this terminal
    ///
    /// Installs what is missing, builds what changed, boots. Keys go to the guest; Ctrl-A x leaves,
    /// Ctrl-A ? shows the other commands. When standard input is no terminal, its bytes go to the
    /// guest as they are, once the system is ready; its end does not end the run. Linux forgets up to
    /// 16 bytes that came before it opened its serial port, so begin with a line of 16 spaces.
    #[command(after_long_help = exit::HELP)]
    Run(RunArgs),
    /// Run every test: host tests, lints, generated files, whole systems
    Test(TestArgs),
    /// Measure what exits, interrupts and a boot cost, against budgets and floors
    ///
    /// Boots several systems on the emulated PC, where a tick is an emulated instruction: two runs
    /// of the same sources give the same figures, whatever the host does meanwhile. Only a boot of
    /// Linux, which uses random numbers, differs by about one part in 10,000.
    Bench(BenchArgs),
    /// Feed hostile input to everything that reads any; `fuzz --help` shows how
    #[command(disable_help_flag = true)]
    Fuzz {
        /// Targets and options of the fuzzer
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Explain what is wrong in a system description
    ///
    /// Exit status 1 if anything is. Programs and images that are not built yet are not needed.
    Check {
        /// The description, in the Microkit's format
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        profile: ProfileArgs,
        #[command(flatten)]
        board: BoardArgs,
    },
    /// Build the kernel, the protection domains and the boot image, and say where they are
    Build(SystemArgs),
    /// Boot any CD image on the same emulated PC, without seL4
    ///
    /// The first serial port is in this terminal. For comparison with the same guest on seL4.
    Boot {
        /// The image
        #[arg(value_hint = ValueHint::FilePath)]
        image: PathBuf,
        /// Memory of the machine
        #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = machine_memory)]
        memory: Mebibytes,
        #[command(flatten)]
        console: ConsoleArgs,
        /// Install nothing: say what is missing instead
        #[arg(long)]
        no_install: bool,
    },
    /// Regenerate the files that are made from the system description and the kernel
    Docs {
        /// Change nothing; exit status 1 if a file is out of date
        #[arg(long)]
        check: bool,
    },
    /// Remove everything that was built for running (not cargo's own files)
    Clean,
    /// Print a completion script for a shell
    ///
    /// It completes a command of the name `bulkhead`, which an alias makes:
    /// alias bulkhead='cargo bulkhead'
    #[command(after_help = "Bash:  cargo bulkhead completions bash > \
        ~/.local/share/bash-completion/completions/bulkhead")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which system, and how it is built.
#[derive(Args, Debug, Clone)]
pub struct SystemArgs {
    /// The system description
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub system: Option<PathBuf>,
    /// Another kernel for the guest: bzImage or vmlinux
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kernel: Option<PathBuf>,
    /// Another initial RAM disk for the guest
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub initrd: Option<PathBuf>,
    /// Text to append to the guest's kernel command line
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Memory of the guest, such as 512M or 1G
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<MemorySize>,
    #[command(flatten)]
    pub profile: ProfileArgs,
    #[command(flatten)]
    pub board: BoardArgs,
    /// Install nothing: say what is missing instead
    #[arg(long)]
    pub no_install: bool,
}

/// How a system is built.
#[derive(Args, Debug, Clone, Default)]
pub struct ProfileArgs {
    /// Build kernel and protection domains with checks and debug output
    #[arg(long, overrides_with = "release")]
    pub debug: bool,
    /// Build for speed (the default)
    #[arg(long, overrides_with = "debug")]
    pub release: bool,
    /// The board's configuration: release, debug; with an SDK what it has, such as benchmark
    #[arg(long, value_name = "NAME", conflicts_with_all = ["debug", "release"])]
    pub config: Option<String>,
}

impl ProfileArgs {
    /// Of the two that every board has.
    pub fn plain(&self) -> Profile {
        if self.debug { Profile::Debug } else { Profile::Release }
    }
}

/// What a system is built for.
#[derive(Args, Debug, Clone, Default)]
pub struct BoardArgs {
    /// The Microkit SDK (2.3.x) to build with; default: the environment's MICROKIT_SDK
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sdk: Option<PathBuf>,
    /// The board: with an SDK x86_64_generic_vtx unless this says bochs, else bochs
    #[arg(long, value_name = "NAME")]
    pub board: Option<String>,
    /// Another kernel than the SDK's, with the same ABI: the kernel.elf of a build of seL4
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub override_kernel: Option<PathBuf>,
}

/// Who is the machine.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineName {
    /// An emulated PC, on every host
    Bochs,
    /// QEMU with KVM, on an Intel host that gives its virtual machines VT-x
    QemuKvm,
}

impl MachineName {
    /// The same for those who start it.
    pub fn runner(self) -> Runner {
        match self {
            MachineName::Bochs => Runner::default(),
            MachineName::QemuKvm => Runner::Qemu(Accelerator::Kvm),
        }
    }
}

/// On which machine, and how that is shown and bounded.
#[derive(Args, Debug, Clone)]
pub struct ConsoleArgs {
    /// End the run after this many seconds (exit status 124)
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// Who is the machine
    #[arg(long, value_name = "NAME", value_enum, default_value_t = MachineName::Bochs)]
    pub machine: MachineName,
    /// Write what the console shows, and status lines, to this file as well
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub log: Option<PathBuf>,
}

/// Options of `run`.
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    #[command(flatten)]
    pub system: SystemArgs,
    #[command(flatten)]
    pub console: ConsoleArgs,
    /// When it ends, show what each guest did and what that cost (Ctrl-A i shows it any time)
    #[arg(long)]
    pub statistics: bool,
    /// The machine's disk, an image of whole 256 KiB; else one of the system's own, in
    /// target/disks
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub disk: Option<PathBuf>,
    /// A folder whose files the machine's network gives out by TFTP
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub tftp: Option<PathBuf>,
}

/// Options of `test`.
#[derive(Args, Debug, Clone)]
pub struct TestArgs {
    /// Run only tests whose names contain this; lints and generated files are left out then
    pub filter: Option<String>,
    #[command(flatten)]
    pub board: BoardArgs,
    /// Install nothing: say what is missing instead
    #[arg(long)]
    pub no_install: bool,
}

/// Options of `bench`.
#[derive(Args, Debug, Clone)]
pub struct BenchArgs {
    /// Measure only figures whose names contain this, such as cpuid or latency
    pub filter: Option<String>,
    #[command(flatten)]
    pub profile: ProfileArgs,
    #[command(flatten)]
    pub board: BoardArgs,
    /// Write the figures to this file, one JSON object a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Draw the figures into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,
    /// Show what changed since the run that wrote this file by --json
    #[arg(long, value_name = "OLD.json", value_hint = ValueHint::FilePath)]
    pub compare: Option<PathBuf>,
    /// Install nothing: say what is missing instead
    #[arg(long)]
    pub no_install: bool,
}

/// Memory of a machine rather than of a guest.
fn machine_memory(text: &str) -> Result<Mebibytes, String> {
    let memory = text.parse::<MemorySize>()?.mebibytes();
    if memory <= MEMORY_MAX { Ok(memory) } else { Err(format!("it can have {MEMORY_MAX} at most")) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a whole number of seconds is needed, at least 1".into()),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// An amount of memory, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MemorySize(pub u64);

impl MemorySize {
    /// Rounded up to whole MiB.
    fn mebibytes(self) -> Mebibytes {
        // Beyond 4 PiB any number is as wrong as any other.
        Mebibytes(u32::try_from(self.0.div_ceil(1 << 20)).unwrap_or(u32::MAX))
    }
}

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = || {
            format!(
                "`{text}` is no amount of memory; write a number with a unit: 512M, 1G, 524288K"
            )
        };
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text[digits.len()..].to_ascii_lowercase().as_str() {
            "k" | "kib" => 10,
            "m" | "mib" => 20,
            "g" | "gib" => 30,
            _ => return Err(help()),
        };
        let count: u64 = digits.parse().map_err(|_| help())?;
        match count.checked_mul(1 << shift) {
            Some(bytes) if bytes > 0 => Ok(MemorySize(bytes)),
            _ => Err(help()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn memory_needs_a_number_and_a_unit() {
        assert_eq!("512M".parse(), Ok(MemorySize(512 << 20)));
        assert_eq!("1g".parse(), Ok(MemorySize(1 << 30)));
        assert_eq!("524288KiB".parse(), Ok(MemorySize(512 << 20)));
        for wrong in ["", "M", "512", "0M", "-1M", "1.5G", "1T", "99999999999G", "5Mé", "é"] {
            assert!(wrong.parse::<MemorySize>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_timeout_of_nothing_is_refused() {
        assert!(seconds("0").is_err());
        assert!(seconds("1h").is_err());
        assert_eq!(seconds("90"), Ok(Duration::from_secs(90)));
    }
}
