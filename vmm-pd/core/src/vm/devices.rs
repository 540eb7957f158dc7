//! Everything that a bus can lead to, and when each of it next has something to do.
//!
//! Non-goals: what an access means (`bus/`), and who waits for a deadline
//! (`vmm-pd/src/vtx/timer.rs`). The surprising fact: nobody asks a device for its
//! deadline at an exit; whoever touched it takes the new one over ([`Devices::touched`]).

use crate::bus::cpuid::Cpuid;
use crate::bus::pci::Pci;
use crate::devices::acpi_pm::{AcpiPm, TimerWidth};
use crate::devices::i8042::I8042;
use crate::devices::passed::Passed;
use crate::devices::pit::{Pit, SystemControlB};
use crate::devices::rtc::Rtc;
use crate::devices::uart::Uart;
use crate::devices::virtio::Virtio;
use crate::interrupts::Interrupts;
use crate::layout::numbers;
use crate::time::TscFrequency;
use crate::types::{Gsi, Ticks};
use crate::watched::Watched;

/// Devices that wait for moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timed {
    Interrupts,
    Pit,
    Uart,
    Rtc,
    Pm,
    Virtio,
}

impl Timed {
    pub(super) const ALL: [Timed; 6] =
        [Timed::Interrupts, Timed::Pit, Timed::Uart, Timed::Rtc, Timed::Pm, Timed::Virtio];
}

/// A deadline that never comes.
pub const NEVER: Ticks = Ticks(u64::MAX);

/// When each device has something to do, as it said when it was last touched.
#[derive(Clone, Debug)]
pub(crate) struct Deadlines {
    each: [Ticks; Timed::ALL.len()],
    pub(super) earliest: Ticks,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { each: [NEVER; Timed::ALL.len()], earliest: NEVER }
    }
}

/// Everything that a bus can lead to. Whoever changes a device says so
/// ([`Devices::touched`]), because its deadline may then be another.
pub struct Devices {
    /// All interrupt controllers.
    pub interrupts: Watched<Interrupts>,
    /// COM1.
    pub uart: Uart,
    /// 8254.
    pub pit: Pit,
    /// Port 61h.
    pub system_control_b: SystemControlB,
    /// Clock and CMOS memory.
    pub rtc: Rtc,
    /// ACPI fixed hardware.
    pub pm: AcpiPm,
    /// Keyboard controller.
    pub keyboard: I8042,
    /// PCI configuration mechanism.
    pub pci: Pci,
    /// Virtio devices.
    pub virtio: Virtio,
    /// Real devices on the PCI bus.
    pub passed: Passed,
    /// Accesses to ports that nobody claimed.
    pub unclaimed_ports: u64,
    /// Accesses to guest-physical addresses that nobody claimed.
    pub unclaimed_addresses: u64,
    pub(crate) deadlines: Deadlines,
}

impl Devices {
    pub(super) fn new(
        tsc: TscFrequency,
        cpuid: &Cpuid,
        rtc: Rtc,
        virtio: Virtio,
        now: Ticks,
    ) -> Self {
        let mut interrupts = Interrupts::new(tsc, u32::from(cpuid.physical_bits()));
        interrupts.enter_virtual_wire();
        let mut devices = Devices {
            interrupts: Watched::new(interrupts),
            uart: Uart::new(tsc),
            pit: Pit::new(tsc),
            system_control_b: SystemControlB::new(),
            rtc,
            pm: AcpiPm::new(tsc, TimerWidth::Bits32, now),
            keyboard: I8042::new(),
            pci: Pci::new(),
            virtio,
            passed: Passed::default(),
            unclaimed_ports: 0,
            unclaimed_addresses: 0,
            deadlines: Deadlines::default(),
        };
        devices.all_touched();
        devices
    }

    /// What a device says of its next moment.
    #[inline]
    pub(super) fn deadline_of(&self, device: Timed) -> Ticks {
        match device {
            Timed::Interrupts => self.interrupts.deadline(),
            Timed::Pit => self.pit.deadline(),
            Timed::Uart => self.uart.deadline(),
            Timed::Rtc => self.rtc.deadline(),
            Timed::Pm => self.pm.deadline(),
            Timed::Virtio => self.virtio.deadline(),
        }
        .unwrap_or(NEVER)
    }

    /// A device was touched, so its deadline may be another.
    #[inline]
    pub(crate) fn touched(&mut self, device: Timed) {
        let deadline = self.deadline_of(device);
        let Deadlines { each, earliest } = &mut self.deadlines;
        if each[device as usize] != deadline {
            each[device as usize] = deadline;
            *earliest = each.iter().copied().fold(NEVER, Ticks::min);
        }
    }

    pub(super) fn all_touched(&mut self) {
        for device in Timed::ALL {
            self.touched(device);
        }
    }

    /// Lets time pass for every device.
    pub(super) fn advance(&mut self, now: Ticks) {
        self.interrupts.advance(now);
        let output = self.pit.advance(now);
        self.interrupts.set_timer_output(output);
        self.uart.advance(now);
        self.rtc.advance(now);
        self.pm.advance(now);
        self.virtio.advance(now);
        self.carry(Gsi(numbers::COM1_IRQ), self.uart.irq());
        self.carry_rtc_line();
        self.carry(Gsi(numbers::SCI_IRQ), self.pm.sci());
        self.all_touched();
    }

    /// A device's output goes to its line; nothing is touched if that is so already.
    #[inline(always)]
    pub(crate) fn carry(&mut self, gsi: Gsi, level: bool) {
        if self.interrupts.line(gsi) != level {
            self.interrupts.set_line(gsi, level);
        }
    }

    /// The clock's interrupt goes to its line and is an ACPI event besides.
    pub(crate) fn carry_rtc_line(&mut self) {
        let level = self.rtc.irq();
        self.carry(Gsi(numbers::RTC_IRQ), level);
        self.pm.rtc_line(level);
    }
}
