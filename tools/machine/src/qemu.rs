//! The machine in QEMU's words: whether this QEMU can be it, its command line,
//! and what its monitor says of its end.
//!
//! Not here: whether the host has KVM, which is `kvm.rs`.
//!
//! QEMU's `pc` is the same PC as Bochs's: 16550s, HPET (whose LegacyReplacement
//! arrives at pin 2 of the I/O APIC), PIIX with IDE and ACPI. It has no VT-d and
//! here no display.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::{
    config::{Accelerator, Config, DeviceKind, Network, names},
    emulator::Heard,
    kvm::FEATURES,
    machine::MachineError,
    supervisor::Ending,
};

/// The emulator, where Debian has it.
const PROGRAM: &str = "/usr/bin/qemu-system-x86_64";

/// Debian's package.
const PACKAGE: &str = "qemu-system-x86";

/// Debian 12's; none before it was tried. Major and minor.
const OLDEST: (u32, u32) = (7, 2);

/// [`POWER_ON_TIME`](crate::config::POWER_ON_TIME) as QEMU wants it.
const POWER_ON_DATE: &str = "2025-01-01T00:00:00";

/// What the monitor must hear before it tells of events (QEMU's
/// docs/interop/qmp-spec.txt, 4).
pub(crate) const GREETING: &[u8] = b"{\"execute\":\"qmp_capabilities\"}\n";

/// Longest line of the monitor's that is read: its own are a few hundred bytes.
const LINE_MAX: usize = 16 << 10;

/// How much of the end of its complaints is looked at, in bytes.
const COMPLAINTS: u64 = 4096;

/// Checks that QEMU is there and can be the machine.
pub(crate) fn check() -> Result<(), MachineError> {
    if !Path::new(PROGRAM).exists() {
        return Err(MachineError::NotInstalled { path: PROGRAM, package: PACKAGE });
    }
    let output = bulkhead_host::output(Command::new(PROGRAM).arg("--version"))
        .map_err(|why| unsuited(format!("it cannot be started: {why}")))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    suits(&said)
}

fn unsuited(why: String) -> MachineError {
    MachineError::Unsuited { program: PROGRAM, package: PACKAGE, why }
}

/// Reads what QEMU says of itself to `--version`.
fn suits(said: &str) -> Result<(), MachineError> {
    let Some(version) = said.lines().find_map(|line| line.split_once(" version ")) else {
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(unsuited(format!("it does not say its version, but: {first}")));
    };
    let version = version.1.trim();
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok(()),
        _ => {
            let (major, minor) = OLDEST;
            Err(unsuited(format!("it is version {version}, {major}.{minor} is the oldest")))
        }
    }
}

/// How it is called. `console` and `status` are the terminals that become COM1
/// and COM2.
///
/// A reset ends it, for the machine of a seL4 system is never reset: what looks
/// like one is a triple fault.
pub(crate) fn command_line(
    config: &Config,
    accelerator: Accelerator,
    console: &Path,
    status: &Path,
) -> Vec<String> {
    let (accelerator, processor) = match accelerator {
        // All that KVM has, the invariant TSC too; an error where it lacks what
        // is named, instead of a warning and a kernel that halts.
        Accelerator::Kvm => {
            ("kvm", format!("host,migratable=off,enforce,+{}", FEATURES.join(",+")))
        }
        Accelerator::Tcg => ("tcg", "max".to_owned()),
    };
    let mut line: Vec<String> =
        [PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
            .map(str::to_owned)
            .into();
    let mut option = |name: &str, value: String| line.extend([name.to_owned(), value]);
    option("-machine", "pc,hpet=on".into());
    option("-accel", accelerator.into());
    option("-cpu", processor);
    option("-smp", config.processors.to_string());
    option("-m", format!("{}M", config.memory.0));
    option("-rtc", format!("base={POWER_ON_DATE},clock=vm"));
    for (id, port) in [("console", console), ("status", status)] {
        option("-chardev", format!("serial,id={id},path={}", port.display()));
        option("-serial", format!("chardev:{id}"));
    }
    option("-serial", format!("file:{}", names::KERNEL_LOG));
    if config.fourth_serial {
        option("-serial", format!("file:{}", names::SERIAL_LOG));
    }
    let image = names::IMAGE;
    option("-drive", format!("if=ide,media=cdrom,format=raw,readonly=on,file={image}"));
    if config.disk.is_some() {
        option("-drive", format!("if=none,id=disk,format=raw,file={}", names::DISK));
        let disk = match config.disk_kind {
            DeviceKind::Plain => "ide-hd,drive=disk,bus=ide.1,unit=0",
            DeviceKind::Virtio => "virtio-blk-pci,drive=disk,addr=4,disable-legacy=on",
        };
        option("-device", disk.into());
    }
    if let Some(Network { kind, address, files: _ }) = &config.network {
        let address = address.map(|byte| format!("{byte:02x}")).join(":");
        option("-netdev", format!("user,id=net,restrict=on,tftp={}", names::FILES));
        let card = match kind {
            DeviceKind::Plain => "e1000,addr=2",
            DeviceKind::Virtio => "virtio-net-pci,addr=5,disable-legacy=on",
        };
        option("-device", format!("{card},netdev=net,romfile=,mac={address}"));
    }
    if let Some(Network { address, kind: _, files: _ }) = &config.ne2000 {
        let address = address.map(|byte| format!("{byte:02x}")).join(":");
        option("-netdev", format!("user,id=ne,restrict=on,tftp={}", names::FILES));
        option("-device", format!("ne2k_pci,netdev=ne,addr=3,romfile=,mac={address}"));
    }
    option("-boot", "d".into());
    option("-chardev", "stdio,id=monitor,signal=off".into());
    option("-mon", "chardev=monitor,mode=control".into());
    line
}

/// What the monitor tells of.
#[derive(Deserialize)]
struct News {
    event: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    reason: Option<String>,
}

/// What it said so far.
pub(crate) struct Words {
    /// Where its complaints are.
    errors: PathBuf,
    /// The beginning of a line.
    line: Vec<u8>,
    /// Why it is about to end.
    reason: Option<String>,
}

impl Words {
    /// Nothing yet.
    pub fn new(errors: PathBuf) -> Self {
        Words { errors, line: Vec::new(), reason: None }
    }

    /// Takes what the monitor says.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        for &byte in bytes {
            if byte != b'\n' {
                if self.line.len() < LINE_MAX {
                    self.line.push(byte);
                }
                continue;
            }
            let news = serde_json::from_slice::<News>(&self.line);
            self.line.clear();
            // What is no event is an answer to the greeting.
            let Ok(News { event: Some(event), data }) = news else { continue };
            match event.as_str() {
                "SHUTDOWN" => self.reason = data.and_then(|data| data.reason),
                // Of its own accord it stops only when KVM or the CD fails.
                "STOP" if self.reason.is_none() => return Heard::Stuck,
                _ => {}
            }
        }
        Heard::Fine
    }

    /// How it ended.
    pub fn ending(self) -> Ending {
        let failed = |why| Ending::Failed { why, ticks: None };
        match self.reason.as_deref() {
            Some("guest-shutdown") => Ending::PoweredOff { ticks: None },
            Some("guest-reset") => failed(
                "the machine's processor had a triple fault, or its \
                                           program reset the machine"
                    .into(),
            ),
            Some(reason) => failed(format!("QEMU was shut down ({reason})")),
            None => failed(
                self.complaints()
                    .unwrap_or_else(|why| format!("QEMU ended, and its log cannot be read: {why}")),
            ),
        }
    }

    /// The end of a machine that stopped, and was ended for that.
    pub fn stuck(self) -> Ending {
        let why = match self.complaints() {
            Ok(text) if !text.is_empty() => format!("QEMU stopped the machine: {text}"),
            _ => "QEMU stopped the machine and gave no reason".into(),
        };
        Ending::Failed { why, ticks: None }
    }

    /// The last lines of its log.
    fn complaints(&self) -> io::Result<String> {
        let mut log = File::open(&self.errors)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(COMPLAINTS)))?;
        let mut said = Vec::new();
        log.take(COMPLAINTS).read_to_end(&mut said)?;
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        Ok(lines[lines.len().saturating_sub(4)..].join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(said: &[&str], log: &str) -> (Heard, Ending) {
        let folder = tempfile::tempdir().unwrap();
        let errors = folder.path().join("log");
        std::fs::write(&errors, log).unwrap();
        let mut words = Words::new(errors);
        let mut heard = Heard::Fine;
        for line in said {
            // In two pieces, as a pipe may give them.
            let (a, b) = line.split_at(line.len() / 2);
            assert_eq!(words.hear(a.as_bytes()), Heard::Fine);
            heard = words.hear(format!("{b}\r\n").as_bytes());
            if heard == Heard::Stuck {
                break;
            }
        }
        let ending = if heard == Heard::Stuck { words.stuck() } else { words.ending() };
        (heard, ending)
    }

    const HELLO: &str = r#"{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}}}"#;

    fn shutdown(reason: &str) -> String {
        format!(
            r#"{{"timestamp": {{"seconds": 1, "microseconds": 2}}, "event": "SHUTDOWN", "data": {{"guest": true, "reason": "{reason}"}}}}"#
        )
    }

    #[test]
    fn switching_off_is_told_from_giving_up() {
        let off = shutdown("guest-shutdown");
        let said = [HELLO, r#"{"return": {}}"#, &off, r#"{"event": "STOP"}"#];
        assert_eq!(heard(&said, "").1, Ending::PoweredOff { ticks: None });
        let (_, Ending::Failed { why, .. }) = heard(&[HELLO, &shutdown("guest-reset")], "") else {
            panic!("a triple fault is no failure");
        };
        assert!(why.contains("triple fault"), "{why}");
        let (_, Ending::Failed { why, .. }) = heard(&[HELLO, &shutdown("host-signal")], "") else {
            panic!("a signal is no failure");
        };
        assert!(why.contains("host-signal"), "{why}");
    }

    #[test]
    fn a_machine_that_kvm_gave_up_is_ended_and_kvm_is_quoted() {
        let said = "KVM internal error. Suberror: 1\nextra data[0]: 0x0\n";
        let (heard, ending) = heard(&[HELLO, r#"{"event": "STOP"}"#], said);
        assert_eq!(heard, Heard::Stuck);
        let Ending::Failed { why, .. } = ending else { panic!("not a failure") };
        assert!(why.contains("Suberror: 1"), "{why}");
    }

    #[test]
    fn an_emulator_that_does_not_come_up_is_quoted() {
        let said = "qemu-system-x86_64: failed to initialize kvm: Permission denied\n";
        let Ending::Failed { why, .. } = heard(&[], said).1 else { panic!("not a failure") };
        assert_eq!(why, said.trim());
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let mut words = Words::new(PathBuf::new());
        for _ in 0..100 {
            words.hear(&[b'x'; 4096]);
        }
        assert!(words.line.len() <= LINE_MAX);
    }

    #[test]
    fn an_emulator_is_known_by_its_version() {
        for version in ["7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)", "8.0.0", "10.1.2", "7.2"] {
            assert!(suits(&format!("QEMU emulator version {version}\nCopyright")).is_ok());
        }
        for version in ["7.1.90", "6.2.0 (Debian 1:6.2)", "2", ""] {
            let said = suits(&format!("QEMU emulator version {version}\n")).unwrap_err();
            assert!(said.to_string().contains("7.2 is the oldest"), "{said}");
        }
        assert!(suits("no such library\n").unwrap_err().to_string().ends_with("no such library"));
    }

    #[test]
    fn only_the_accelerator_and_its_processor_differ() {
        let line = |accelerator| {
            let (console, status) = (Path::new("/dev/pts/7"), Path::new("/dev/pts/8"));
            let config = Config { processors: 3, ..Config::new("a.iso", "logs") };
            command_line(&config, accelerator, console, status)
        };
        let (kvm, tcg) = (line(Accelerator::Kvm), line(Accelerator::Tcg));
        let differ: Vec<_> = kvm.iter().zip(&tcg).filter(|(a, b)| a != b).collect();
        let [(kvm, tcg), (host, max)] = differ[..] else { panic!("{differ:?}") };
        assert_eq!([kvm.as_str(), tcg, max], ["kvm", "tcg", "max"]);
        let value = |of: &str, option: &str| {
            let line = line(if of == "kvm" { Accelerator::Kvm } else { Accelerator::Tcg });
            let at = line.iter().position(|word| word == option).unwrap();
            line[at + 1].clone()
        };
        assert_eq!([value(tcg, "-smp"), value(tcg, "-m")], ["3", "1024M"]);
        assert!(host.starts_with("host,") && host.contains("+vmx") && host.contains("enforce"));
    }

    #[test]
    fn disks_and_cards_are_what_the_system_drives() {
        let line = |kind| {
            let network = Network { kind, ..Network::default() };
            let config = Config {
                disk: Some("disk".into()),
                disk_kind: kind,
                network: Some(network),
                ..Config::new("a.iso", "logs")
            };
            let port = Path::new("/dev/pts/7");
            let line = command_line(&config, Accelerator::Tcg, port, port);
            let devices = line.windows(2).filter(|pair| pair[0] == "-device");
            devices.map(|pair| pair[1].clone()).collect::<Vec<_>>()
        };
        let rest = "netdev=net,romfile=,mac=02:00:00:00:00:01";
        assert_eq!(
            line(DeviceKind::Plain),
            ["ide-hd,drive=disk,bus=ide.1,unit=0".to_owned(), format!("e1000,addr=2,{rest}")]
        );
        assert_eq!(
            line(DeviceKind::Virtio),
            [
                "virtio-blk-pci,drive=disk,addr=4,disable-legacy=on".to_owned(),
                format!("virtio-net-pci,addr=5,disable-legacy=on,{rest}")
            ]
        );
    }
}
