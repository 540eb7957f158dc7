//! The interrupt controllers together: both pages, the MSRs, the ports, lines.

mod rules;

use arbitrary::{Arbitrary, Unstructured};
use vmm_core::{
    devices::{
        lapic::{CoreCrystal, FASTEST_PERIODIC_HZ},
        pic::Register,
    },
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
    /// A pin's whole entry: vector, level-triggered or not, masked or not.
    Route(u8, u8, bool, bool),
    /// An interrupt of the guest's to itself.
    Ipi(u8),
    EndOfInterrupt,
    /// The pair's initialisation: vectors, and how the words' bits are set.
    Initialise(u8, u8),
    ReadMsr(u8),
    WriteMsr(u8, u64),
    Base(u16),
    Deadline(Pause),
    Cr8(u8),
    ReadPic(u8),
    WritePic(u8, u8),
    Line(u8, bool),
    /// A line rises, the processor takes what there is, the line falls.
    Pulse(u8),
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
    fn agrees(&self, other: &Self) -> bool {
        self.deadline() == other.deadline() || self.slowed().is_some()
    }
    fn lasting(&self, now: Ticks) -> InterruptsState {
        let mut state = self.interrupts.save(now);
        if let Some(period) = self.slowed() {
            state.lapic.timer.elapsed %= period;
            state.lapic.timer.due_in = None;
        }
        state
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

impl Device {
    /// The period of a local APIC's timer that runs too fast for a guest: it is
    /// slowed down from when it was looked at, and only its phase lasts.
    fn slowed(&self) -> Option<u64> {
        const PERIODIC: u32 = 1 << 17;
        const MODE: u32 = 3 << 17;
        let apic = self.interrupts.save(Ticks(0)).lapic;
        // Divide configuration: 0 is by 2, and so on to 7, by 1 (Intel SDM vol. 3A,
        // figure 11-10).
        let code = apic.timer.divide & 3 | (apic.timer.divide & 8) >> 1;
        let divisor = 1 << ((code + 1) & 7);
        let crystal = u64::from(CoreCrystal::of(self.tsc).numerator);
        let period = u64::from(apic.timer.initial) * divisor * crystal;
        let is_fast = (1..self.tsc.hz() / FASTEST_PERIODIC_HZ).contains(&period);
        (apic.lvt[0] & MODE == PERIODIC && is_fast).then_some(period)
    }
}

fn width(n: u8) -> Width {
    [Width::Byte, Width::Word, Width::Dword, Width::Qword][usize::from(n & 3)]
}

/// Mostly one of a few, so that steps meet: with a pin alone, with one at the pair.
fn line(n: u8) -> u8 {
    match n >> 6 {
        0 | 1 => 16 + (n & 3),
        2 => [1, 3, 4, 8][usize::from(n & 3)],
        _ => n & 31,
    }
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
        rules::at_rest(&device.interrupts.save(clock.now), device.interrupts.next_interrupt());
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
        Step::Route(pin, vector, level, masked) => {
            let pin = u64::from(line(pin) % 24);
            let low = u64::from(vector) | u64::from(level) << 15 | u64::from(masked) << 16;
            for (half, value) in [(1, 0), (0, low)] {
                i.ioapic_write(0, Width::Dword, 0x10 + 2 * pin + half);
                i.ioapic_write(0x10, Width::Dword, value);
            }
        }
        Step::Ipi(vector) => {
            // ICR with the shorthand "self", in whichever mode.
            let command = 1 << 18 | u64::from(vector);
            i.lapic_write(0x300, Width::Dword, command, now);
            let _faults = i.x2apic_write(Msr(0x830), command, now);
        }
        Step::EndOfInterrupt => {
            i.lapic_write(0xb0, Width::Dword, 0, now);
            let _faults = i.x2apic_write(Msr(0x80b), 0, now);
            i.pic_write(pic(2), 0x20);
            i.pic_write(pic(0), 0x20);
        }
        Step::Initialise(vectors, bits) => {
            // ICW1 to ICW4, then nothing is masked. Automatic ends and special
            // nesting where `bits` say so.
            for (command, data, cascade, add) in [(0, 1, 4, 0), (2, 3, 2, 8)] {
                i.pic_write(pic(command), 0x11);
                i.pic_write(pic(data), (vectors & 0xf0) + add);
                i.pic_write(pic(data), cascade);
                i.pic_write(pic(data), 1 | bits & 0x12);
                i.pic_write(pic(data), 0);
            }
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
        Step::Line(gsi, level) => set_line(i, line(gsi), level, now),
        Step::Pulse(gsi) => {
            set_line(i, line(gsi), true, now);
            acknowledge(i, now);
            set_line(i, line(gsi), false, now);
        }
        Step::NmiLine(level) => i.set_nmi_line(level),
        Step::RaiseNmi => {
            i.raise_nmi();
            assert!(i.nmi_pending());
        }
        Step::Acknowledge => acknowledge(i, now),
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

/// A pin that is the I/O APIC's alone requests what its entry says, or nothing.
fn set_line(i: &mut Interrupts, gsi: u8, level: bool, now: Ticks) {
    let before = i.save(now);
    i.set_line(Gsi(gsi), level);
    if let 16..24 = gsi {
        rules::after_line(&before, &i.save(now), gsi, level);
    }
}

/// What is offered is what is given, and it is given once.
fn acknowledge(i: &mut Interrupts, now: Ticks) {
    let before = i.save(now);
    match i.next_interrupt() {
        None => assert_eq!(i.acknowledge(), None),
        Some(Source::ExtInt) => {
            let taken = i.acknowledge();
            assert!(taken.is_some());
            if let Some(expected) = rules::of_pair(&before.pic) {
                assert_eq!(taken, Some(expected), "the pair's");
            }
        }
        Some(Source::Local(vector)) => {
            assert!(vector.0 >= 16, "vectors below 16 are the processor's");
            assert_eq!(i.acknowledge(), Some(vector));
            rules::after_local(&before.lapic, &i.save(now).lapic, vector);
            let next = i.next_interrupt();
            assert!(
                !matches!(next, Some(Source::Local(next)) if next.0 >> 4 <= vector.0 >> 4),
                "{next:?} is offered while {vector:?} is in service"
            );
        }
    }
}
