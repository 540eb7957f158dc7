//! What a guest can ask of its whole machine through a device register. A
//! device returns it; what becomes of it is the policy of whoever runs the VM.

use core::fmt;

/// A request to the machine. The register access that made it is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// ACPI sleep state S5 was entered: the guest switched itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset(ResetSource),
    /// The guest ended itself with this value through the debug-exit port.
    Exit(u32),
    /// The guest's kernel panicked and gave up.
    Panicked,
    /// The guest's kernel panicked and starts its crash kernel: it goes on.
    CrashLoaded,
}

/// Through which register a reset was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetSource {
    /// The reset control register at port 0xCF9, which is also the ACPI reset
    /// register.
    ResetControl,
    /// Bit 0 of system control port A (0x92).
    FastReset,
    /// The keyboard controller's pulse or output port.
    KeyboardController,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::PowerOff => f.write_str("power-off by ACPI S5"),
            Request::Reset(source) => write!(f, "reset by {source}"),
            Request::Exit(value) => write!(f, "debug exit with value {value}"),
            Request::Panicked => f.write_str("the guest's kernel panicked"),
            Request::CrashLoaded => {
                f.write_str("the guest's kernel panicked and starts its crash kernel")
            }
        }
    }
}

impl fmt::Display for ResetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResetSource::ResetControl => "the reset control register (port 0xcf9)",
            ResetSource::FastReset => "system control port A (port 0x92)",
            ResetSource::KeyboardController => "the keyboard controller (port 0x64)",
        })
    }
}
