//! Reads and writes of registers, whatever way leads to them. Reserved bits are
//! dropped here; where they are errors, [`super::x2apic`] has looked before.

use super::bits::{LvtEntry, Register, VERSION, icr, lvt, svr};
use super::state::Mode;
use super::timer::TimerMode;
use super::{Effect, ID, Lapic, X2APIC_LOGICAL_ID};
use crate::types::Ticks;

/// The entries of the local vector table, by number.
pub(super) const LVT: [LvtEntry; 6] = [
    LvtEntry::Timer,
    LvtEntry::Thermal,
    LvtEntry::Performance,
    LvtEntry::Lint0,
    LvtEntry::Lint1,
    LvtEntry::Error,
];

impl Lapic {
    /// Reads a register as 32 bits.
    pub(super) fn read_register(&mut self, register: Register, now: Ticks) -> u32 {
        let extended = self.mode == Mode::X2apic;
        match register {
            Register::Id if extended => ID,
            Register::Id => ID << 24,
            Register::Version => VERSION,
            Register::TaskPriority => u32::from(self.task_priority),
            Register::ProcessorPriority => u32::from(self.processor_priority()),
            Register::LogicalDestination if extended => X2APIC_LOGICAL_ID,
            Register::LogicalDestination => u32::from(self.logical_id) << 24,
            Register::DestinationFormat => u32::from(self.destination_format) << 28 | 0x0FFF_FFFF,
            Register::SpuriousVector => self.spurious,
            Register::InService(n) => self.in_service.register(n),
            Register::TriggerMode(n) => self.trigger_mode.register(n),
            Register::Request(n) => self.request.register(n),
            Register::ErrorStatus => u32::from(self.error_status),
            Register::Command => self.command as u32,
            Register::CommandHigh => (self.command >> 32) as u32,
            Register::Lvt(entry) => self.lvt[entry as usize],
            Register::InitialCount => self.timer.initial(),
            Register::CurrentCount => {
                self.advance(now);
                self.timer.current(now)
            }
            Register::Divide => self.timer.divide(),
            // The first two exist in old processors only; the last two are
            // write-only.
            Register::ArbitrationPriority
            | Register::RemoteRead
            | Register::Eoi
            | Register::SelfIpi => 0,
        }
    }

    /// Writes a register of 32 bits.
    pub(super) fn write_register(&mut self, register: Register, value: u32, now: Ticks) -> Effect {
        match register {
            Register::Eoi => return self.end_of_interrupt(),
            Register::TaskPriority => self.set_task_priority(value as u8),
            Register::LogicalDestination => {
                self.logical_id = (value >> 24) as u8;
                return Effect::Reachable;
            }
            Register::DestinationFormat => {
                self.destination_format = (value >> 28) as u8;
                return Effect::Reachable;
            }
            Register::SpuriousVector => return self.write_spurious(value, now),
            // Shows what was logged since the last write (11.5.3).
            Register::ErrorStatus => {
                self.error_status = self.errors;
                self.errors = 0;
            }
            Register::Command => {
                let low = value & icr::WRITABLE;
                self.command = self.command & !u64::from(u32::MAX) | u64::from(low);
                return self.send();
            }
            Register::CommandHigh => {
                let high = u64::from(value & 0xFF00_0000) << 32;
                self.command = high | self.command & u64::from(u32::MAX);
            }
            Register::Lvt(entry) => self.write_lvt(entry, value, now),
            Register::InitialCount => {
                self.advance(now);
                self.timer.set_initial(value, now);
            }
            Register::Divide => {
                self.advance(now);
                self.timer.set_divide(value, now);
            }
            Register::SelfIpi => self.send_self(value as u8),
            // Read-only.
            Register::Id
            | Register::Version
            | Register::ArbitrationPriority
            | Register::ProcessorPriority
            | Register::RemoteRead
            | Register::InService(_)
            | Register::TriggerMode(_)
            | Register::Request(_)
            | Register::CurrentCount => {}
        }
        Effect::None
    }

    /// Software enable and disable. Disabling masks the whole LVT (11.4.7.2).
    fn write_spurious(&mut self, value: u32, now: Ticks) -> Effect {
        self.spurious = value & svr::WRITABLE;
        if self.spurious & svr::ENABLE != 0 {
            return Effect::Reachable;
        }
        self.advance(now);
        for entry in &mut self.lvt {
            *entry |= lvt::MASKED;
        }
        Effect::None
    }

    fn write_lvt(&mut self, entry: LvtEntry, value: u32, now: Ticks) {
        let disabled = self.spurious & svr::ENABLE == 0;
        let forced = if disabled { lvt::MASKED } else { 0 };
        let value = value & entry.writable() | forced;
        if entry == LvtEntry::Timer {
            self.advance(now);
            self.timer.set_mode(TimerMode::from_bits(value >> lvt::TIMER_MODE_SHIFT), now);
        }
        let old = self.lvt[entry as usize];
        // Remote IRR has no meaning for edges: choosing them clears it.
        let kept = if value & lvt::LEVEL != 0 { old & lvt::REMOTE_IRR } else { 0 };
        self.lvt[entry as usize] = value | kept;
        if entry == LvtEntry::Lint0 {
            self.repeat_lint0();
        }
    }
}
