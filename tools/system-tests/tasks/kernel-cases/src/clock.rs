//! An alarm from the 8254, channel 0, which interrupts whatever runs.

use sel4::{
    Word,
    cap::{IoApicLine, IrqHandler, Notification},
};
use sel4_root_task::{Slots, init_caps};

use crate::verdict::Verdict;

/// Input of the I/O APIC that the 8254 drives on a PC (its interrupt 0 is
/// redirected there).
const PIN: Word = 2;
/// Any vector of the user's.
const VECTOR: Word = 10;

// Intel 8254: ports, and the control word for channel 0, both bytes, mode 0
// (interrupt on terminal count).
const CHANNEL_0: u16 = 0x40;
const CONTROL: u16 = 0x43;
const ONE_SHOT: u8 = 0x30;

/// Ticks of the time-stamp counter in one of the 8254's, about: 100 MHz
/// (`tools/machine`, `IPS`) by 1.193182 MHz.
const TICKS: u64 = 84;

/// The alarm.
#[derive(Debug)]
pub struct Clock {
    handler: IrqHandler,
}

impl Clock {
    /// Connects it to a notification; `slot` takes its handler.
    pub fn new(slot: Word, notification: Notification) -> Verdict<Self> {
        let line =
            IoApicLine { ioapic: 0, pin: PIN, level: false, active_low: false, vector: VECTOR };
        let handler = init_caps::IRQ_CONTROL.io_apic(line, init_caps::CNODE, Slots::slot(slot))?;
        handler.set_notification(notification)?;
        handler.ack()?;
        Ok(Clock { handler })
    }

    /// Lets it ring once, after so many ticks or the most that it can.
    ///
    /// An edge is lost while an earlier one is not acknowledged, so that comes
    /// first.
    pub fn arm(&self, ticks: u64) -> Verdict {
        self.handler.ack()?;
        let count = u16::try_from(ticks / TICKS).unwrap_or(u16::MAX).max(1);
        let [low, high] = count.to_le_bytes();
        init_caps::IO_PORTS.write_8(CONTROL, ONE_SHOT)?;
        init_caps::IO_PORTS.write_8(CHANNEL_0, low)?;
        init_caps::IO_PORTS.write_8(CHANNEL_0, high)?;
        Ok(())
    }
}
