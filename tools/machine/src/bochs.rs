//! The machine in Bochs's words: whether this Bochs can be it, its
//! configuration, and what its last words mean.
//!
//! Every value that could change a tick count is fixed here, so that the same
//! image gives the same ticks on every host.

use std::{collections::VecDeque, fs, io, path::Path, process::Command};

use crate::{
    config::{
        Config, DISK_UNIT, IPS, Network, POWER_ON_TIME, Watch,
        names::{self, DISK, FILES, SERIAL_LOG},
    },
    console::Console,
    emulator::Heard,
    machine::MachineError,
    supervisor::Ending,
};

/// The emulator. Debian's package `bochs` also has `/usr/bin/bochs`, a shell
/// script that looks for a display.
const PROGRAM: &str = "/usr/bin/bochs-bin";

/// SeaBIOS. Bochs's own ROM leaves CR0.CD and CR0.NW set in the host, which
/// reaches guests through VM entry: Linux then takes #GP when it writes CR0.
const SYSTEM_ROM: &str = "/usr/share/seabios/bios.bin";

/// A VGA ROM without VESA modes, to match `vga: extension=none`.
const VIDEO_ROM: &str = "/usr/share/vgabios/vgabios.bin";

/// What must be there, and which of Debian's packages has it.
const REQUIRED: [(&str, &str); 4] = [
    (PROGRAM, "bochs"),
    (TEXT_DISPLAY, "bochs-term"),
    (SYSTEM_ROM, "seabios"),
    (VIDEO_ROM, "vgabios"),
];

/// The text display. The VNC display (`rfb`), which needs no package of its
/// own, listens on all network interfaces for anybody's keys.
const TEXT_DISPLAY: &str = "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so";

/// The first Bochs whose VT-x the kernel starts on. Major and minor.
const OLDEST: (u32, u32) = (2, 7);

/// The processor of the machine.
const MODEL: &str = "corei7_skylake_x";

/// Names of Bochs's own files in the emulator's directory.
const CONFIGURATION: &str = "bochsrc";
const COMMANDS: &str = "commands";

/// Checks everything that can be known before a start.
pub(crate) fn check() -> Result<(), MachineError> {
    for (path, package) in REQUIRED {
        if !Path::new(path).exists() {
            return Err(MachineError::NotInstalled { path, package });
        }
    }
    let output = bulkhead_host::output(Command::new(PROGRAM).args(["--help", "cpu"]))
        .map_err(|why| unsuited(format!("it cannot be started: {why}")))?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    suits(&said)
}

fn unsuited(why: String) -> MachineError {
    MachineError::Unsuited { program: PROGRAM, package: "bochs", why }
}

/// Reads what Bochs says of itself to `--help cpu`.
fn suits(said: &str) -> Result<(), MachineError> {
    let Some(version) =
        said.lines().find_map(|line| line.split_once("Emulator ").map(|(_, v)| v.trim()))
    else {
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(unsuited(format!("it does not say its version, but: {first}")));
    };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => {}
        _ => {
            let (major, minor) = OLDEST;
            return Err(unsuited(format!(
                "it is version {version}, {major}.{minor} is the oldest"
            )));
        }
    }
    if said.lines().any(|line| line.trim() == MODEL) {
        Ok(())
    } else {
        Err(unsuited(format!("it was built without the processor {MODEL}, which has VT-x")))
    }
}

/// Writes its files into its directory.
pub(crate) fn lay_out(
    directory: &Path,
    config: &Config,
    watch: Option<Watch>,
    console: &Console,
    status: &Console,
) -> io::Result<()> {
    let description = bochsrc(config, watch, &console.path, &status.path);
    fs::write(directory.join(CONFIGURATION), description)?;
    fs::write(directory.join(COMMANDS), debugger_commands(watch))
}

/// How it is called.
pub(crate) fn command_line() -> Vec<String> {
    [PROGRAM, "-q", "-f", CONFIGURATION, "-rc", COMMANDS].map(str::to_owned).into()
}

/// Bochs's debugger, which Debian builds in, reads this: run, and leave when
/// the run is over instead of waiting for a command.
fn debugger_commands(watch: Option<Watch>) -> String {
    match watch {
        None => "c\nq\n".into(),
        // The second limit is for a machine that reaches the first one before
        // it asks for an NMI.
        Some(Watch { ticks }) => {
            format!("sba {ticks}\nsba {}\nc\ntake nmi\nc\nq\n", ticks.saturating_add(1))
        }
    }
}

/// The configuration in Bochs's words; `console` and `status` are the terminals
/// that become COM1 and COM2. What they carry is invisible to emulated time.
///
/// The processor's own messages stay out of the log: it calls each EPT violation
/// an error, a guest can cause thousands a second, and the log has no limit. Why
/// a machine ends is a panic, not an error.
fn bochsrc(config: &Config, watch: Option<Watch>, console: &Path, status: &Path) -> String {
    let memory = config.memory.0;
    let (console, status) = (console.display(), status.display());
    let (errors, info, magic_break) = match watch {
        None => ("action=report, cpu0=ignore", "action=ignore", 0),
        Some(_) => ("action=report", "action=ignore, cpu0=report", 1),
    };
    format!(
        "config_interface: textconfig
display_library: term
romimage: file={SYSTEM_ROM}
vgaromimage: file={VIDEO_ROM}
vga: extension=none, update_freq=1
cpu: model={MODEL}, count=1, ips={IPS}, reset_on_triple_fault=0, ignore_bad_msrs=1
memory: guest={memory}, host={memory}
clock: sync=none, time0={POWER_ON_TIME}
ata0-master: type=cdrom, path={image}, status=inserted
boot: cdrom
com1: enabled=1, mode=term, dev={console}
com2: enabled=1, mode=term, dev={status}
com3: enabled=1, mode=file, dev={kernel_log}
sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
speaker: enabled=0
log: {emulator_log}
panic: action=fatal
error: {errors}
info: {info}
magic_break: enabled={magic_break}
{devices}",
        devices = devices(config),
        image = names::IMAGE,
        kernel_log = names::KERNEL_LOG,
        emulator_log = names::EMULATOR_LOG,
    )
}

/// What only some machines have. With none of it the text is as if there were no
/// such thing, for each line could change tick counts.
fn devices(config: &Config) -> String {
    let mut text = String::new();
    if let Some(disk) = &config.disk {
        // The host's own size: `Machine::start` held that it is a whole number.
        let cylinders = fs::metadata(disk).map_or(0, |data| data.len() / DISK_UNIT);
        text += &format!(
            "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata1-master: type=disk, mode=flat, path={DISK}, cylinders={cylinders}, heads=16, spt=32
"
        );
    }
    let address = |network: &Network| network.address.map(|byte| format!("{byte:02x}")).join(":");
    let cards = [("e1000", &config.network), ("ne2k", &config.ne2000)];
    let slots: Vec<String> = (1..)
        .zip(cards)
        .filter(|(_, (_, network))| network.is_some())
        .map(|(slot, (card, _))| format!(", slot{slot}={card}"))
        .collect();
    if !slots.is_empty() {
        text += &format!("pci: enabled=1, chipset=i440fx{}\n", slots.concat());
    }
    if let Some(network) = &config.network {
        let address = address(network);
        text += &format!("e1000: enabled=1, mac={address}, ethmod=vnet, ethdev={FILES}\n");
    }
    if let Some(network) = &config.ne2000 {
        let address = address(network);
        text += &format!("ne2k: enabled=1, mac={address}, ethmod=vnet, ethdev={FILES}\n");
    }
    if config.fourth_serial {
        text += &format!("com4: enabled=1, mode=file, dev={SERIAL_LOG}\n");
    }
    text
}

/// Most of Bochs's own output that is kept, in bytes.
const OUTPUT_KEPT: usize = 4096;

/// The last of what it printed.
#[derive(Default)]
pub(crate) struct Words(VecDeque<u8>);

impl Words {
    /// Takes note of what it prints.
    pub fn hear(&mut self, bytes: &[u8]) -> Heard {
        self.0.extend(bytes);
        let surplus = self.0.len().saturating_sub(OUTPUT_KEPT);
        self.0.drain(..surplus);
        Heard::Fine
    }

    /// How it ended.
    pub fn ending(mut self) -> Ending {
        explain(self.0.make_contiguous())
    }
}

/// What Bochs prints before the line that says why it ends.
const FAREWELL: &str = "Bochs is exiting with the following message:\n";

/// How it puts that the machine was switched off.
const SOFT_OFF: &str = "ACPI control: soft power off";

/// Reads the emulator's last words. The exit status is 1 for every kind of
/// end, so only the words tell.
fn explain(said: &[u8]) -> Ending {
    let said = String::from_utf8_lossy(said);
    let Some((_, words)) = said.rsplit_once(FAREWELL) else {
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(4)..].join("\n");
        return Ending::Failed { why: last, ticks: None };
    };
    // After the message the debugger shows where it stopped: `(0).[TICKS] ...`.
    let ticks =
        words.lines().find_map(|line| line.strip_prefix("(0).[")?.split_once(']')?.0.parse().ok());
    let message = words.lines().next().unwrap_or_default().trim();
    if message.contains(SOFT_OFF) {
        Ending::PoweredOff { ticks }
    } else {
        Ending::Failed { why: message.to_owned(), ticks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mebibytes;

    #[test]
    fn the_text_depends_on_nothing_but_memory_and_console() {
        let mut a = Config::new("/one place/with, a comma.iso", "/x");
        let b = Config::new("/another", "/y");
        let (console, status) = (Path::new("/dev/pts/7"), Path::new("/dev/pts/8"));
        assert_eq!(bochsrc(&a, None, console, status), bochsrc(&b, None, console, status));
        let watch = Some(Watch { ticks: 5 });
        assert_ne!(bochsrc(&a, watch, console, status), bochsrc(&b, None, console, status));
        assert_eq!(debugger_commands(watch), "sba 5\nsba 6\nc\ntake nmi\nc\nq\n");
        assert_eq!(debugger_commands(None), "c\nq\n");
        a.memory = Mebibytes(2048);
        assert!(bochsrc(&a, None, console, status).contains("memory: guest=2048, host=2048\n"));
    }

    #[test]
    fn a_disk_and_a_card_add_lines_and_change_none() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("a, b.img");
        fs::write(&disk, [0; 3 * DISK_UNIT as usize]).unwrap();
        let (console, status) = (Path::new("/dev/pts/7"), Path::new("/dev/pts/8"));
        let plain = Config::new("/x.iso", "/x");
        let network = Some(Network::default());
        let with = Config { disk: Some(disk), network, ..plain.clone() };
        let [plain, with] = [plain, with].map(|config| bochsrc(&config, None, console, status));
        let added = with.strip_prefix(&plain).unwrap();
        assert_eq!(
            added,
            "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n\
             ata1-master: type=disk, mode=flat, path=disk.img, cylinders=3, heads=16, spt=32\n\
             pci: enabled=1, chipset=i440fx, slot1=e1000\n\
             e1000: enabled=1, mac=02:00:00:00:00:01, ethmod=vnet, ethdev=files\n"
        );
    }

    #[test]
    fn a_second_card_has_a_slot_of_its_own_and_a_serial_port_a_log() {
        let (console, status) = (Path::new("/dev/pts/7"), Path::new("/dev/pts/8"));
        let plain = Config::new("/x.iso", "/x");
        let ne2000 = Some(Network::second());
        let with = Config { ne2000, fourth_serial: true, ..plain.clone() };
        let [plain, with] = [plain, with].map(|config| bochsrc(&config, None, console, status));
        assert_eq!(
            with.strip_prefix(&plain),
            Some(
                "pci: enabled=1, chipset=i440fx, slot2=ne2k\n\
                 ne2k: enabled=1, mac=02:00:00:00:00:11, ethmod=vnet, ethdev=files\n\
                 com4: enabled=1, mode=file, dev=serial.log\n"
            )
        );
    }

    fn said(version: &str, model: &str) -> String {
        format!(
            "00000000000i[      ] LTDL_LIBRARY_PATH not set\nSupported CPU models:\n\nbx_generic\n\
             {model}\n\n===\n                        Bochs x86 Emulator {version}\n\
             \x20             Built from SVN snapshot on August  1, 2021\n"
        )
    }

    fn refused(said: &str) -> String {
        suits(said).unwrap_err().to_string()
    }

    #[test]
    fn an_emulator_is_known_by_version_and_processor() {
        for version in ["2.7", "2.7.1", "2.8", "3.0", "2.10.pre"] {
            assert!(suits(&said(version, MODEL)).is_ok(), "{version}");
        }
        for version in ["2.6.11", "2.6", "1.9", "2", "", "devel"] {
            assert!(refused(&said(version, MODEL)).contains("2.7 is the oldest"), "{version}");
        }
        assert!(refused(&said("2.7", "core2_penryn_t9600")).contains("without the processor"));
        assert!(refused("error while loading shared libraries: x.so").ends_with("x.so"));
        assert!(refused("").ends_with("nothing"));
    }

    const RULE: &str = "========================================================================";

    fn ended(message: &str) -> Ending {
        let said = format!(
            "{RULE}\nNext at t=0\n(0) [0x0000fffffff0] f000:fff0 (unk. ctxt): jmpf 0xf000:e05b\n\
             {RULE}\nBochs is exiting with the following message:\n{message}\n{RULE}\n\
             (0).[1139875443] [0x00003ffd1681] 0008:000000003ffd1681 (unk. ctxt): out dx, ax\n"
        );
        explain(said.as_bytes())
    }

    #[test]
    fn switching_off_is_told_from_giving_up() {
        let ticks = Some(1_139_875_443);
        assert_eq!(ended("[ACPI  ] ACPI control: soft power off"), Ending::PoweredOff { ticks });
        let why = "[CPU0  ] 3rd (13) exception with no resolution".to_owned();
        assert_eq!(ended(&why), Ending::Failed { why, ticks });
    }

    #[test]
    fn an_emulator_that_does_not_come_up_is_quoted() {
        let said = b"\n\nbochs: cannot open shared object file\n";
        let Ending::Failed { why, ticks: None } = explain(said) else {
            panic!("not a failure");
        };
        assert_eq!(why, "bochs: cannot open shared object file");
    }
}
