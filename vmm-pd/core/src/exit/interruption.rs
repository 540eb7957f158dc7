//! Interruption-information fields.

use super::bit;
use crate::types::Vector;

/// What an interruption-information field says (vol. 3C, tables 25-18, 25-19):
/// the event that exited, or whose delivery an exit interrupted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterruptionInfo(pub u32);

/// Kinds of event (vol. 3C, table 25-17).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventKind {
    /// 0: an external interrupt.
    Interrupt,
    /// 2: an NMI.
    Nmi,
    /// 3: a hardware exception.
    HardwareException,
    /// 4: INT n.
    SoftwareInterrupt,
    /// 5: INT1.
    PrivilegedSoftwareException,
    /// 6: INT3 or INTO.
    SoftwareException,
    /// 1 and 7: never in a field that the processor wrote.
    Reserved,
}

impl InterruptionInfo {
    /// The event, unless the field holds none.
    pub fn valid(self) -> Option<Self> {
        bit(u64::from(self.0), 31).then_some(self)
    }

    /// Its vector.
    pub fn vector(self) -> Vector {
        Vector((self.0 & 0xff) as u8)
    }

    /// Its kind.
    pub fn kind(self) -> EventKind {
        match self.0 >> 8 & 7 {
            0 => EventKind::Interrupt,
            2 => EventKind::Nmi,
            3 => EventKind::HardwareException,
            4 => EventKind::SoftwareInterrupt,
            5 => EventKind::PrivilegedSoftwareException,
            6 => EventKind::SoftwareException,
            _ => EventKind::Reserved,
        }
    }

    /// Whether an error code goes with it.
    pub fn has_error_code(self) -> bool {
        bit(u64::from(self.0), 11)
    }

    /// In the exit-interruption field of a fault of IRET: NMI blocking had
    /// already ended (vol. 3C, 28.2.3).
    pub fn nmi_unblocked_by_iret(self) -> bool {
        bit(u64::from(self.0), 12)
    }
}
