//! Buses: static matches from an address to a device.
//!
//! A bus routes and nothing more: a device knows neither its address nor its
//! interrupt line, and a bus does not know what a register means. Reads that
//! nobody claims are all ones and writes are ignored, as on a PC; both are
//! counted. What an access asks of the machine as a whole travels back as a
//! [`Request`].

pub mod cpuid;
pub mod mmio;
pub mod msr;
pub mod pci;
pub mod pio;

use core::fmt;

/// Where a guest asked for a reset.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResetSource {
    /// The ACPI reset register of the FADT.
    Acpi,
    /// Port 0xCF9.
    ResetControl,
    /// Port 0x92, bit 0.
    SystemControlPortA,
    /// The keyboard controller's pulse command.
    KeyboardController,
}

impl fmt::Display for ResetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResetSource::Acpi => "the ACPI reset register",
            ResetSource::ResetControl => "port 0xcf9",
            ResetSource::SystemControlPortA => "port 0x92",
            ResetSource::KeyboardController => "the keyboard controller",
        })
    }
}

/// What an access to a device asks of the whole machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use]
pub enum Request {
    /// Soft-off: ACPI state S5.
    PowerOff,
    /// A reset.
    Reset(ResetSource),
    /// The debug-exit port was written.
    DebugExit(u32),
    /// The guest says that its kernel panicked (pvpanic).
    GuestPanic,
}
