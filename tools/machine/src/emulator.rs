//! The emulators behind one face: whether one can be the machine, its start,
//! and what its words mean.
//!
//! What surprises: QEMU ends with status 0 however the machine ended, and does
//! not end at all when KVM gives up. Its monitor tells, so that is listened to.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    bochs,
    config::{Config, DeviceKind, Runner, names},
    console::Console,
    host,
    machine::MachineError,
    qemu,
    supervisor::Ending,
};

/// Checks everything that can be known before a start, because afterwards the
/// only answer is a kernel that does not come up.
pub(crate) fn check(config: &Config) -> Result<(), MachineError> {
    config.runner.check_host()?;
    match config.runner {
        Runner::Bochs { .. } => {
            if config.processors > 1 {
                return Err(MachineError::Processors { wanted: config.processors });
            }
            let is_virtio = |kind: DeviceKind| kind == DeviceKind::Virtio;
            if config.disk.is_some() && is_virtio(config.disk_kind)
                || config.network.as_ref().is_some_and(|network| is_virtio(network.kind))
            {
                return Err(MachineError::Virtio);
            }
            bochs::check()?;
        }
        Runner::Qemu(_) => qemu::check()?,
    }
    host::has_memory(config.memory)
}

/// Writes an emulator's own files into its directory.
pub(crate) fn lay_out(
    directory: &Path,
    config: &Config,
    console: &Console,
    status: &Console,
) -> io::Result<()> {
    match config.runner {
        Runner::Bochs { watch } => bochs::lay_out(directory, config, watch, console, status),
        Runner::Qemu(_) => Ok(()),
    }
}

/// What is read from what an emulator printed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    /// It runs, or ends by itself.
    Fine,
    /// The machine has stopped, and its emulator waits for somebody to look.
    Stuck,
}

/// What an emulator says.
pub(crate) enum Words {
    Bochs(bochs::Words),
    Qemu(qemu::Words),
}

impl Words {
    fn new(runner: Runner, directory: &Path) -> Words {
        match runner {
            Runner::Bochs { .. } => Words::Bochs(bochs::Words::default()),
            Runner::Qemu(_) => Words::Qemu(qemu::Words::new(errors(directory))),
        }
    }

    /// Takes what it printed.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        match self {
            Words::Bochs(words) => words.hear(bytes),
            Words::Qemu(words) => words.hear(bytes),
        }
    }

    /// The end of a machine that got stuck.
    pub fn stuck(self) -> Ending {
        match self {
            // Never stuck: its debugger is told to leave.
            Words::Bochs(words) => words.ending(),
            Words::Qemu(words) => words.stuck(),
        }
    }

    /// How it ended, when its process has.
    pub fn ending(self) -> Ending {
        match self {
            Words::Bochs(words) => words.ending(),
            Words::Qemu(words) => words.ending(),
        }
    }
}

/// Where QEMU's complaints go, which Bochs writes itself.
fn errors(directory: &Path) -> PathBuf {
    directory.join(names::EMULATOR_LOG)
}

/// A started emulator.
pub(crate) struct Emulator {
    pub child: Child,
    /// What it prints; closes when it ends.
    pub output: PipeReader,
    /// Its standard input, which must not end before it.
    pub input: PipeWriter,
    pub words: Words,
}

impl Emulator {
    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts it in `directory`, where its files are; `console` and `status`
    /// are the terminals that become COM1 and COM2.
    pub fn start(
        config: &Config,
        directory: &Path,
        console: &Path,
        status: &Path,
    ) -> io::Result<Emulator> {
        let (output, writer) = io::pipe()?;
        let (input, mut teller) = io::pipe()?;
        let (line, errors) = match config.runner {
            Runner::Bochs { .. } => (bochs::command_line(), Stdio::from(writer.try_clone()?)),
            Runner::Qemu(accelerator) => {
                // Shorter than the pipe, so nobody waits.
                teller.write_all(qemu::GREETING)?;
                let line = qemu::command_line(config, accelerator, console, status);
                (line, File::options().append(true).open(errors(directory))?.into())
            }
        };
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .args(line)
            .current_dir(directory)
            .process_group(0)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("TERM", "vt100")
            .env("LC_ALL", "C")
            .stdin(input)
            .stdout(writer)
            .stderr(errors);
        let child = bulkhead_host::spawn(&mut command)?;
        // It holds ends of the pipes that belong to the child: they must go, or
        // the output would never end.
        drop(command);
        Ok(Emulator { child, output, input: teller, words: Words::new(config.runner, directory) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Network;

    #[test]
    fn bochs_is_asked_for_no_virtio_device() {
        let plain = || Config::new("a.iso", "logs");
        let kind = DeviceKind::Virtio;
        let disk = Config { disk: Some("disk".into()), disk_kind: kind, ..plain() };
        let network = Some(Network { kind, ..Network::default() });
        for config in [disk, Config { network, ..plain() }] {
            assert!(matches!(check(&config), Err(MachineError::Virtio)));
        }
    }
}
