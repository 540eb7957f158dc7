//! What the emulated machine is made of, and the same in Bochs's own words.
//!
//! Every value that could change a tick count is fixed here, so that the same
//! image gives the same ticks on every host. Paths never enter the text: the
//! emulator runs in a directory where all its files have plain names.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::emulator::MODEL;

/// The emulator. Debian's package `bochs` also has `/usr/bin/bochs`, a shell
/// script that looks for a display.
pub const PROGRAM: &str = "/usr/bin/bochs-bin";

/// Emulated instructions, and so time-stamp counter ticks, a second of device
/// time. Guests are told this frequency; figures compare only at this value.
pub const IPS: u64 = 100_000_000;

/// Memory of the machine unless a system needs more.
pub const DEFAULT_MEMORY: Mebibytes = Mebibytes(1024);

/// Most memory that a machine can have: Bochs 2.7 refuses more.
pub const MEMORY_MAX: Mebibytes = Mebibytes(2048);

/// SeaBIOS. Bochs's own ROM leaves CR0.CD and CR0.NW set in the host, which
/// reaches guests through VM entry: Linux then takes #GP when it writes CR0.
const SYSTEM_ROM: &str = "/usr/share/seabios/bios.bin";

/// A VGA ROM without VESA modes, to match `vga: extension=none`.
const VIDEO_ROM: &str = "/usr/share/vgabios/vgabios.bin";

/// What must be there, and which of Debian's packages has it.
pub(crate) const REQUIRED: [(&str, &str); 4] = [
    (PROGRAM, "bochs"),
    (TEXT_DISPLAY, "bochs-term"),
    (SYSTEM_ROM, "seabios"),
    (VIDEO_ROM, "vgabios"),
];

/// The text display. The VNC display (`rfb`), which needs no package of its
/// own, listens on all network interfaces for anybody's keys.
const TEXT_DISPLAY: &str = "/usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so";

/// What the real-time clock shows at power-on, in seconds since 1970 (UTC):
/// 2025-01-01. Fixed, because the host's date would reach tick counts.
const POWER_ON_TIME: u64 = 1_735_689_600;

/// An amount of memory in MiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mebibytes(pub u32);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB", self.0)
    }
}

/// A machine to be started.
#[derive(Clone, Debug)]
pub struct Config {
    /// The CD-ROM image it boots.
    pub image: PathBuf,
    /// Where `emulator.log` and `kernel.log` go; created if absent.
    pub logs: PathBuf,
    /// Its memory.
    pub memory: Mebibytes,
    /// For tests of the kernel.
    pub watch: Option<Watch>,
}

/// How a kernel is watched that may halt or hang.
///
/// The emulator's log then says what its processor says, in particular
/// ([`HALTED`]) that it halted with interrupts off. And where the program on the
/// machine executes `xchg bx, bx` for the first time, an NMI comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The machine ends when it has run for so many ticks. A halted processor
    /// is not noticed by this.
    pub ticks: u64,
}

/// In the emulator's log: a processor that only an NMI can wake.
pub const HALTED: &str = "HLT instruction with IF=0";

impl Config {
    /// A machine of the default size.
    pub fn new(image: impl Into<PathBuf>, logs: impl Into<PathBuf>) -> Self {
        Config { image: image.into(), logs: logs.into(), memory: DEFAULT_MEMORY, watch: None }
    }
}

/// Names of the emulator's files in its own directory.
pub(crate) mod names {
    pub const CONFIGURATION: &str = "bochsrc";
    pub const COMMANDS: &str = "commands";
    pub const IMAGE: &str = "boot.iso";
    pub const KERNEL_LOG: &str = "kernel.log";
    pub const EMULATOR_LOG: &str = "emulator.log";
}

/// Bochs's debugger, which Debian builds in, reads this: run, and leave when
/// the run is over instead of waiting for a command.
pub(crate) fn debugger_commands(config: &Config) -> String {
    match config.watch {
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
pub(crate) fn bochsrc(config: &Config, console: &Path, status: &Path) -> String {
    let memory = config.memory.0;
    let (console, status) = (console.display(), status.display());
    let (errors, info, magic_break) = match config.watch {
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
",
        image = names::IMAGE,
        kernel_log = names::KERNEL_LOG,
        emulator_log = names::EMULATOR_LOG,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_depends_on_nothing_but_memory_and_console() {
        let mut a = Config::new("/one place/with, a comma.iso", "/x");
        let b = Config::new("/another", "/y");
        let (console, status) = (Path::new("/dev/pts/7"), Path::new("/dev/pts/8"));
        assert_eq!(bochsrc(&a, console, status), bochsrc(&b, console, status));
        a.watch = Some(Watch { ticks: 5 });
        assert_ne!(bochsrc(&a, console, status), bochsrc(&b, console, status));
        assert_eq!(debugger_commands(&a), "sba 5\nsba 6\nc\ntake nmi\nc\nq\n");
        assert_eq!(debugger_commands(&b), "c\nq\n");
        a.memory = Mebibytes(2048);
        assert!(bochsrc(&a, console, status).contains("memory: guest=2048, host=2048\n"));
    }
}
