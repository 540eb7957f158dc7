//! The interrupt controllers together: both pages, the MSRs, the ports, lines.

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::{
    devices::pic::Register,
    interrupts::{Interrupts, Source, state::InterruptsState},
    time::TscFrequency,
    types::{Gsi, Msr, Ticks, Width},
};

use super::{Timed, pass, twin};
use crate::{
    Target,
    targets::input::{Clock, Pause, frequency, steps},
};

pub(in super::super) const TARGET: Target = Target {
    runs: 15_000,
    ..Target::new("interrupts", "what the controllers offer is what they give", check)
};

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    ReadLapic(u16, u8),
    WriteLapic(u16, u8, u64),
    /// Aligned, in a dword: what a guest would do.
    WriteRegister(u8, u32),
    ReadIoapic(u8, u8),
    WriteIoapic(u8, u8, u64),
    /// Selector and window.
    WritePin(u8, u32),
    ReadMsr(u8),
    WriteMsr(u8, u64),
    Base(u16),
    Deadline(Pause),
    Cr8(u8),
    ReadPic(u8),
    WritePic(u8, u8),
    Line(u8, bool),
    NmiLine(bool),
    RaiseNmi,
    Acknowledge,
    TakeNmi,
    TakeInit,
    Reset,
    Pass(Pause),
}

struct Device {
    interrupts: Interrupts,
    tsc: TscFrequency,
}

impl Timed for Device {
    type State = InterruptsState;

    fn state(&self, now: Ticks) -> InterruptsState {
        self.interrupts.save(now)
    }
    fn restored(&self, state: InterruptsState, now: Ticks) -> Self {
        let mut interrupts = Interrupts::new(self.tsc, 46);
        interrupts.restore(&state, now);
        Device { interrupts, tsc: self.tsc }
    }
    fn deadline(&self) -> Option<Ticks> {
        self.interrupts.deadline()
    }
    fn advance(&mut self, now: Ticks) {
        self.interrupts.advance(now);
    }
    fn lines(&self) -> u64 {
        let i = &self.interrupts;
        let next = match i.next_interrupt() {
            None => 0,
            Some(Source::ExtInt) => 1,
            Some(Source::Local(vector)) => 2 | u64::from(vector.0) << 8,
        };
        next | u64::from(i.nmi_pending()) << 16
            | u64::from(i.init_pending()) << 17
            | u64::from(i.has_pending()) << 18
            | u64::from(i.nmi_possible()) << 19
    }
}

fn width(n: u8) -> Width {
    [Width::Byte, Width::Word, Width::Dword, Width::Qword][usize::from(n & 3)]
}

fn pic(n: u8) -> Register {
    use Register::{MasterCommand, MasterData, SlaveCommand, SlaveData};
    [MasterCommand, MasterData, SlaveCommand, SlaveData][usize::from(n & 3)]
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let tsc = frequency(&mut bytes);
    let mut clock = Clock::new(tsc, &mut bytes);
    let mut device = Device { interrupts: Interrupts::new(tsc, 46), tsc };
    device.interrupts.enter_virtual_wire();
    for step in steps(bytes) {
        take(&mut device, &mut clock, step);
        let i = &device.interrupts;
        assert_eq!(
            i.has_pending(),
            i.next_interrupt().is_some() || i.nmi_pending() || i.init_pending(),
        );
        assert!(!i.nmi_pending() || i.nmi_possible());
        twin(&device, clock.now);
    }
}

fn take(device: &mut Device, clock: &mut Clock, step: Step) {
    let now = clock.now;
    let i = &mut device.interrupts;
    match step {
        Step::ReadLapic(offset, n) => {
            i.lapic_read(u32::from(offset & 0xfff), width(n), now);
        }
        Step::WriteLapic(offset, n, value) => {
            i.lapic_write(u32::from(offset & 0xfff), width(n), value & width(n).mask(), now);
        }
        Step::WriteRegister(register, value) => {
            i.lapic_write(u32::from(register) << 4, Width::Dword, value.into(), now);
        }
        Step::ReadIoapic(offset, n) => {
            i.ioapic_read(offset.into(), width(n));
        }
        Step::WriteIoapic(offset, n, value) => {
            i.ioapic_write(offset.into(), width(n), value & width(n).mask());
        }
        Step::WritePin(register, value) => {
            i.ioapic_write(0, Width::Dword, u64::from(register & 0x3f));
            i.ioapic_write(0x10, Width::Dword, value.into());
        }
        Step::ReadMsr(n) => {
            let _faults = i.x2apic_read(Msr(0x800 + u32::from(n)), now);
        }
        Step::WriteMsr(n, value) => {
            let _faults = i.x2apic_write(Msr(0x800 + u32::from(n)), value, now);
        }
        Step::Base(low) => {
            let _faults = i.set_apic_base(0xfee0_0000 | u64::from(low), now);
        }
        Step::Deadline(pause) => i.set_tsc_deadline(clock.after(pause).0, now),
        Step::Cr8(value) => {
            i.set_cr8(u64::from(value & 15));
            assert_eq!(i.cr8(), u64::from(value & 15));
        }
        Step::ReadPic(n) => {
            i.pic_read(pic(n));
        }
        Step::WritePic(n, value) => i.pic_write(pic(n), value),
        Step::Line(gsi, level) => i.set_line(Gsi(gsi & 31), level),
        Step::NmiLine(level) => i.set_nmi_line(level),
        Step::RaiseNmi => {
            i.raise_nmi();
            assert!(i.nmi_pending());
        }
        Step::Acknowledge => acknowledge(i),
        Step::TakeNmi => {
            let pending = i.nmi_pending();
            assert_eq!(i.take_nmi(), pending);
            assert!(!i.nmi_pending());
        }
        Step::TakeInit => {
            let pending = i.init_pending();
            assert_eq!(i.take_init(), pending);
            assert!(!i.init_pending());
        }
        Step::Reset => *i = Interrupts::new(device.tsc, 46),
        Step::Pass(pause) => pass(device, clock, pause),
    }
}

/// What is offered is what is given, and it is given once.
fn acknowledge(i: &mut Interrupts) {
    match i.next_interrupt() {
        None => assert_eq!(i.acknowledge(), None),
        Some(Source::ExtInt) => assert!(i.acknowledge().is_some()),
        Some(Source::Local(vector)) => {
            assert!(vector.0 >= 16, "vectors below 16 are the processor's");
            assert_eq!(i.acknowledge(), Some(vector));
            let next = i.next_interrupt();
            assert!(
                !matches!(next, Some(Source::Local(next)) if next.0 >> 4 <= vector.0 >> 4),
                "{next:?} is offered while {vector:?} is in service"
            );
        }
    }
}
