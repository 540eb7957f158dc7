//! What the machine is made of, whoever provides it.
//!
//! Not here: the same in a provider's words, which is `bochs.rs` and `qemu.rs`.

use std::{fmt, path::PathBuf};

use crate::{kvm, machine::MachineError};

/// Emulated instructions, and so time-stamp counter ticks, a second of Bochs's
/// device time. Guests are told this frequency; figures compare only at this
/// value.
pub const IPS: u64 = 100_000_000;

/// Memory of the machine unless a system needs more.
pub const DEFAULT_MEMORY: Mebibytes = Mebibytes(1024);

/// Most memory that a machine can have: Bochs 2.7 refuses more.
pub const MEMORY_MAX: Mebibytes = Mebibytes(2048);

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
    /// How many processors it has. Bochs has one: of its two firmwares, the one
    /// that shows more leaves caches off, which no guest's Linux survives.
    pub processors: u8,
    /// Who provides it.
    pub runner: Runner,
    /// Whether what a Microkit's monitor says on the kernel's console counts as
    /// status lines: its debug configurations report faults there and nowhere else.
    pub monitor: bool,
    /// The image of its disk: written to as the machine writes. Its size is a
    /// multiple of [`DISK_UNIT`].
    pub disk: Option<PathBuf>,
    /// What kind of disk that is.
    pub disk_kind: DeviceKind,
    /// Its network card, if it has one.
    pub network: Option<Network>,
    /// Whether it has a fourth serial port (0x2e8, interrupt 3): what that sends goes to
    /// a log of its own.
    pub fourth_serial: bool,
    /// Its second network card, a PCI NE2000 (RTL8029), in a network of its own.
    pub ne2000: Option<Network>,
}

/// What a disk or a network card is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum DeviceKind {
    /// A real PC's: the master of the second IDE channel; an 82540EM in slot 2.
    #[default]
    Plain,
    /// A virtio device (1.0 and later only): a disk in slot 4, a network card in
    /// slot 5. Bochs has none.
    Virtio,
}

/// What the size of a disk is a multiple of, in bytes: a cylinder of 16 heads
/// and 32 sectors, for Bochs counts in cylinders.
pub const DISK_UNIT: u64 = 16 * 32 * 512;

/// A network card, and a network in which the emulator is the only other host. That
/// answers ARP, ping, DHCP and TFTP, and reaches nothing outside.
///
/// Bochs is 192.168.10.1 and gives out 192.168.10.15 and up; QEMU is 10.0.2.2 and
/// gives out 10.0.2.15 and up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Network {
    /// What the card is.
    pub kind: DeviceKind,
    /// The card's address.
    pub address: [u8; 6],
    /// The folder whose files TFTP gives out. Without one it finds none.
    pub files: Option<PathBuf>,
}

impl Default for Network {
    /// An address of those that nobody is given by the IEEE (locally
    /// administered), and no files.
    fn default() -> Self {
        Network { kind: DeviceKind::default(), address: [0x02, 0, 0, 0, 0, 0x01], files: None }
    }
}

impl Network {
    /// A second card's: Bochs's own host has the card's address with two bits changed,
    /// so that the next ones are taken.
    pub fn second() -> Self {
        Network { address: [0x02, 0, 0, 0, 0, 0x11], ..Network::default() }
    }
}

impl Config {
    /// A machine of the default size, in Bochs.
    pub fn new(image: impl Into<PathBuf>, logs: impl Into<PathBuf>) -> Self {
        Config {
            image: image.into(),
            logs: logs.into(),
            memory: DEFAULT_MEMORY,
            processors: 1,
            runner: Runner::default(),
            monitor: false,
            disk: None,
            disk_kind: DeviceKind::default(),
            network: None,
            fourth_serial: false,
            ne2000: None,
        }
    }
}

/// Who provides the machine. All of them give the same plain PC: three 16550s,
/// HPET, I/O APIC, PIIX.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Runner {
    /// Bochs, which emulates VT-x too: the same everywhere, to the tick.
    Bochs {
        /// For tests of the kernel.
        watch: Option<Watch>,
    },
    /// QEMU.
    Qemu(Accelerator),
}

impl Default for Runner {
    fn default() -> Self {
        Runner::Bochs { watch: None }
    }
}

/// Who executes a machine's instructions under QEMU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accelerator {
    /// The processor, through KVM. VT-x in the machine is the host's, nested.
    Kvm,
    /// QEMU itself. It has no VT-x, so no kernel that wants it starts: for what
    /// has to do with the machine and nothing with guests.
    Tcg,
}

impl Runner {
    /// Checks that this host's processor can run its machines, which no package
    /// can change. A start checks that too; this is for asking before long work.
    ///
    /// # Errors
    /// [`MachineError::Kvm`] with everything that is missing.
    pub fn check_host(self) -> Result<(), MachineError> {
        match self {
            Runner::Bochs { .. } | Runner::Qemu(Accelerator::Tcg) => Ok(()),
            Runner::Qemu(Accelerator::Kvm) => kvm::check(),
        }
    }

    /// Ticks of the time-stamp counter in a second of the machine, where that
    /// does not depend on the host.
    pub fn ticks_a_second(self) -> Option<u64> {
        matches!(self, Runner::Bochs { .. }).then_some(IPS)
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Runner::Bochs { .. } => "Bochs",
            Runner::Qemu(Accelerator::Kvm) => "QEMU with KVM",
            Runner::Qemu(Accelerator::Tcg) => "QEMU without KVM",
        })
    }
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

/// What the real-time clock shows at power-on, in seconds since 1970 (UTC):
/// 2025-01-01. Fixed, because the host's date would reach tick counts.
pub(crate) const POWER_ON_TIME: u64 = 1_735_689_600;

/// Names of the emulator's files in its own directory. Paths never enter its
/// configuration or command line: a comma or a space would mean something there.
pub(crate) mod names {
    pub const IMAGE: &str = "boot.iso";
    pub const DISK: &str = "disk.img";
    /// What TFTP gives out; a folder.
    pub const FILES: &str = "files";
    pub const KERNEL_LOG: &str = "kernel.log";
    pub const SERIAL_LOG: &str = "serial.log";
    pub const EMULATOR_LOG: &str = "emulator.log";
}
