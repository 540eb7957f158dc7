//! The interrupt fabric: lines into the 8259 pair and the I/O APIC, messages
//! into the local APIC, and what the processor should take next.
//!
//! Wired as in a PC: ISA interrupt n is pin n of both, but for the timer, which
//! is line 0 of the pair and pin 2 of the I/O APIC; the pair's output is LINT0
//! and pin 0; NMI is LINT1. One owner drives each GSI: devices that share one
//! must be put together before. The surprising fact: a line here is asserted or
//! not, never high or low, so polarity bits are kept and ignored.
//!
//! A real device's level-triggered interrupt, of a device that the guest drives itself,
//! is handed on like this: when it arrives, the kernel has masked it, and its line is
//! asserted here. When the guest ends the interrupt the line falls, and the machine's
//! may arrive again ([`Interrupts::take_ended`]): if the device still asserts it, it
//! does so at once. So a device that never stops costs one interrupt for each that the
//! guest ends, and none while the guest masks it.
//!
//! Whether the processor is willing (RFLAGS.IF, interrupt shadow, NMI blocking)
//! is the caller's business.

#[cfg(test)]
mod handed_on;
pub mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod walks;

use crate::bus::pci::msix::MsiMessage;
use crate::devices::ioapic::IoApic;
use crate::devices::lapic::{self, ApicFault, Delivery, DeliveryMode, Effect, Lapic, Pin};
use crate::devices::{pic, pit};
use crate::time::TscFrequency;
use crate::types::{Gpa, Gsi, Msr, Ticks, Vector, Width};
use pic::Pic;
use state::InterruptsState;

/// The interval timer's GSI (its interrupt source override in the MADT).
pub const TIMER_GSI: Gsi = Gsi(2);

/// The I/O APIC's pin that the 8259 pair's output reaches.
const PIC_PIN: u8 = 0;

/// Where the next interrupt comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The 8259 pair; the vector is known when it is acknowledged.
    ExtInt,
    /// The local APIC.
    Local(Vector),
}

/// All interrupt controllers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interrupts {
    lapic: Lapic,
    nmi: bool,
    init: bool,
    /// The pair's output as LINT0 and pin 0 were told.
    pic_output: bool,
    /// Asserted GSIs.
    lines: u32,
    pic: Pic,
    ioapic: IoApic,
    /// Lines that level-triggered interrupts of the machine assert until the guest ends
    /// them.
    held: u32,
    /// Those that it has ended since they were last asked for.
    ended: u32,
}

impl Interrupts {
    /// After power-up. `physical_bits` is the width of physical addresses that
    /// CPUID states.
    pub fn new(tsc: TscFrequency, physical_bits: u32) -> Self {
        let mut interrupts = Interrupts {
            lapic: Lapic::new(tsc, physical_bits),
            nmi: false,
            init: false,
            pic_output: false,
            lines: 0,
            pic: Pic::new(),
            ioapic: IoApic::new(),
            held: 0,
            ended: 0,
        };
        interrupts.raise_timer();
        interrupts
    }

    /// The idle timer's output is high. Nobody hears that edge: everything is
    /// masked, and the pair's initialisation forgets it.
    fn raise_timer(&mut self) {
        self.set_line(TIMER_GSI, true);
    }

    /// Makes the virtual wire that firmware leaves, for guests that start
    /// without: see [`Lapic::enter_virtual_wire`].
    pub fn enter_virtual_wire(&mut self) {
        self.lapic.enter_virtual_wire();
    }

    /// Whether a line is asserted.
    #[inline]
    pub fn line(&self, gsi: Gsi) -> bool {
        self.lines & 1u32.checked_shl(u32::from(gsi.0)).unwrap_or(0) != 0
    }

    /// Asserts a line, or stops asserting it. Cheap if nothing changes.
    #[inline]
    pub fn set_line(&mut self, gsi: Gsi, level: bool) {
        if self.line(gsi) != level {
            self.change_line(gsi, level);
        }
    }

    fn change_line(&mut self, gsi: Gsi, level: bool) {
        let bit = match gsi.0 {
            // Pin 0 is the pair's.
            1..crate::devices::ioapic::PINS => 1 << gsi.0,
            _ => return,
        };
        if level {
            self.lines |= bit;
        } else {
            self.lines &= !bit;
        }
        if gsi == TIMER_GSI {
            self.pic.set_line(0, level);
        } else if gsi.0 < 16 {
            self.pic.set_line(gsi.0, level);
        }
        self.ioapic.set_line(gsi.0, level);
        self.follow_pic();
        self.route();
    }

    /// A real device's interrupt arrived, which is level-triggered: its line is asserted
    /// until the guest ends it.
    pub fn hold_line(&mut self, gsi: Gsi) {
        self.held |= 1u32.checked_shl(gsi.0.into()).unwrap_or(0);
        self.set_line(gsi, true);
    }

    /// A real device's interrupt arrived, which is an edge. The line stays up until
    /// the next: an 8259 forgets an edge that falls.
    pub fn pulse_line(&mut self, gsi: Gsi) {
        self.set_line(gsi, false);
        self.set_line(gsi, true);
    }

    /// Whether the guest has ended interrupts that [`Interrupts::hold_line`] asserted.
    #[inline(always)]
    pub const fn has_ended(&self) -> bool {
        self.ended != 0
    }

    /// Their lines, a bit each: those of the machine may interrupt again.
    pub fn take_ended(&mut self) -> u32 {
        core::mem::take(&mut self.ended)
    }

    /// The guest ended interrupts of these lines.
    fn end_lines(&mut self, lines: u32) {
        let mut ending = lines & self.held;
        self.held &= !ending;
        self.ended |= ending;
        while ending != 0 {
            let gsi = ending.trailing_zeros() as u8;
            ending &= ending - 1;
            self.set_line(Gsi(gsi), false);
        }
    }

    /// Takes over the interval timer's output.
    pub fn set_timer_output(&mut self, output: pit::Output) {
        match output {
            pit::Output::Low => self.set_line(TIMER_GSI, false),
            pit::Output::High => self.set_line(TIMER_GSI, true),
            pit::Output::Rose => {
                self.set_line(TIMER_GSI, false);
                self.set_line(TIMER_GSI, true);
            }
        }
    }

    /// Asserts the NMI pin of the processor, or stops asserting it.
    pub fn set_nmi_line(&mut self, level: bool) {
        let effect = self.lapic.set_pin(Pin::Lint1, level);
        self.apply(effect);
    }

    /// A device sends an interrupt message: a write to memory that the local APIC
    /// takes (Intel SDM vol. 3A, 11.11). One to any other address is lost: it would
    /// be a device's write to guest memory, which is no interrupt.
    pub fn send(&mut self, message: MsiMessage) {
        if let Some(message) = lapic::from_msi(message.address, message.data) {
            match self.lapic.deliver(message) {
                Delivery::Refused | Delivery::Taken => {}
                Delivery::Nmi => self.nmi = true,
                Delivery::Init => self.init = true,
            }
        }
    }

    /// Raises an NMI past every controller.
    pub fn raise_nmi(&mut self) {
        self.nmi = true;
    }

    /// Whether an interrupt, an NMI or an INIT waits.
    #[inline]
    pub fn has_pending(&self) -> bool {
        self.lapic.pending_vector().is_some() || self.ext_int() || self.nmi || self.init
    }

    /// The interrupt that [`Interrupts::acknowledge`] would take. The pair goes
    /// before the local APIC, whose priorities do not bind it.
    #[inline]
    pub fn next_interrupt(&self) -> Option<Source> {
        if self.ext_int() {
            return Some(Source::ExtInt);
        }
        self.lapic.pending_vector().map(Source::Local)
    }

    #[inline]
    fn ext_int(&self) -> bool {
        self.lapic.ext_int() || (self.pic_output && self.pic_reaches_processor())
    }

    fn pic_reaches_processor(&self) -> bool {
        self.lapic.passes_ext_int()
            || self.ioapic.ext_int(PIC_PIN).is_some_and(|d| self.lapic.takes_ext_int(d))
    }

    /// The processor takes the next interrupt.
    ///
    /// # Returns
    /// Its vector, now in service; of the pair possibly a spurious one.
    pub fn acknowledge(&mut self) -> Option<Vector> {
        if !self.ext_int() {
            return self.lapic.acknowledge();
        }
        self.lapic.take_ext_int();
        let vector = self.pic.acknowledge();
        if self.held != 0 {
            // Which of them it was does not matter: what was not heard is asserted anew.
            self.end_lines(self.pic.auto_eoi().into());
        }
        // INT falls with each acknowledgement, if only for a moment.
        self.drive_pic_output(false);
        self.follow_pic();
        self.route();
        Some(vector)
    }

    /// Whether an NMI waits.
    #[inline]
    pub fn nmi_pending(&self) -> bool {
        self.nmi
    }

    /// Takes the waiting NMI. However often it was raised, there is one.
    pub fn take_nmi(&mut self) -> bool {
        core::mem::take(&mut self.nmi)
    }

    /// Whether an NMI could still come from a device as the controllers stand.
    /// (LINT1 has no device; who drives it knows better.)
    pub fn nmi_possible(&self) -> bool {
        self.nmi || self.lapic.lint0_is_nmi() || self.ioapic.has_nmi()
    }

    /// Whether an INIT waits: the guest sent it to itself.
    #[inline]
    pub fn init_pending(&self) -> bool {
        self.init
    }

    /// Takes the waiting INIT: the local APIC is as after one; the rest of the
    /// processor is the caller's.
    pub fn take_init(&mut self) -> bool {
        if self.init {
            self.lapic.init();
        }
        core::mem::take(&mut self.init)
    }

    /// When [`Interrupts::advance`] is due: for the local APIC's timer.
    #[inline]
    pub fn deadline(&self) -> Option<Ticks> {
        self.lapic.deadline()
    }

    /// Brings the local APIC's timer to `now`.
    pub fn advance(&mut self, now: Ticks) {
        self.lapic.advance(now);
    }

    /// Where the local APIC's page is, if it has one.
    #[inline]
    pub fn lapic_base(&self) -> Option<Gpa> {
        self.lapic.page()
    }

    /// Reads the local APIC's page.
    pub fn lapic_read(&mut self, offset: u32, width: Width, now: Ticks) -> u64 {
        self.lapic.read_page(offset, width, now)
    }

    /// Writes the local APIC's page.
    pub fn lapic_write(&mut self, offset: u32, width: Width, value: u64, now: Ticks) {
        let effect = self.lapic.write_page(offset, width, value, now);
        self.apply(effect);
    }

    /// Reads the I/O APIC's page.
    pub fn ioapic_read(&self, offset: u32, width: Width) -> u64 {
        self.ioapic.read(offset, width)
    }

    /// Writes the I/O APIC's page.
    pub fn ioapic_write(&mut self, offset: u32, width: Width, value: u64) {
        let ended = self.ioapic.write(offset, width, value);
        self.end_lines(ended);
        self.route();
    }

    /// Reads IA32_APIC_BASE.
    pub fn apic_base(&self) -> u64 {
        self.lapic.base()
    }

    /// Writes IA32_APIC_BASE.
    ///
    /// # Errors
    /// Why the guest gets #GP(0).
    pub fn set_apic_base(&mut self, value: u64, now: Ticks) -> Result<(), ApicFault> {
        let effect = self.lapic.set_base(value, now)?;
        self.apply(effect);
        Ok(())
    }

    /// Reads IA32_TSC_DEADLINE.
    pub fn tsc_deadline(&mut self, now: Ticks) -> u64 {
        self.lapic.tsc_deadline(now)
    }

    /// Writes IA32_TSC_DEADLINE.
    pub fn set_tsc_deadline(&mut self, value: u64, now: Ticks) {
        self.lapic.set_tsc_deadline(value, now);
    }

    /// RDMSR of 800h to 8FFh.
    ///
    /// # Errors
    /// Why the guest gets #GP(0).
    pub fn x2apic_read(&mut self, msr: Msr, now: Ticks) -> Result<u64, ApicFault> {
        self.lapic.read_msr(msr, now)
    }

    /// WRMSR of 800h to 8FFh.
    ///
    /// # Errors
    /// Why the guest gets #GP(0).
    pub fn x2apic_write(&mut self, msr: Msr, value: u64, now: Ticks) -> Result<(), ApicFault> {
        let effect = self.lapic.write_msr(msr, value, now)?;
        self.apply(effect);
        Ok(())
    }

    /// The interrupt of highest priority ends, as by a write to the EOI register.
    pub fn end_of_interrupt(&mut self) {
        let effect = self.lapic.end_of_interrupt();
        self.apply(effect);
    }

    /// Whether there is an interrupt in service whose end nobody waits for.
    #[inline]
    pub fn end_is_silent(&self) -> bool {
        self.lapic.end_is_silent()
    }

    /// Reads CR8.
    #[inline]
    pub fn cr8(&self) -> u64 {
        self.lapic.cr8()
    }

    /// Writes CR8: bits 3:0; the rest is the caller's to refuse.
    pub fn set_cr8(&mut self, value: u64) {
        self.lapic.set_cr8(value);
    }

    /// Reads a register of the 8259 pair.
    pub fn pic_read(&mut self, register: pic::Register) -> u8 {
        let value = self.pic.read(register);
        self.after_pic();
        value
    }

    /// Writes a register of the 8259 pair.
    pub fn pic_write(&mut self, register: pic::Register, value: u8) {
        let before = self.pic.in_service();
        self.pic.write(register, value);
        self.end_lines((before & !self.pic.in_service()).into());
        self.after_pic();
    }

    fn after_pic(&mut self) {
        self.follow_pic();
        self.route();
    }

    /// Hands on the pair's output if it changed.
    fn follow_pic(&mut self) {
        self.drive_pic_output(self.pic.output());
    }

    fn drive_pic_output(&mut self, level: bool) {
        if self.pic_output == level {
            return;
        }
        self.pic_output = level;
        self.ioapic.set_line(PIC_PIN, level);
        let effect = self.lapic.set_pin(Pin::Lint0, level);
        self.apply(effect);
    }

    /// Carries the I/O APIC's messages to the local APIC. What is refused waits
    /// for the next call, so each pin is tried once.
    fn route(&mut self) {
        let mut waiting = self.ioapic.waiting();
        while waiting != 0 {
            let pin = waiting.trailing_zeros() as u8;
            waiting &= waiting - 1;
            let Some(message) = self.ioapic.message(pin) else { continue };
            // The pair's ExtINT is no message: `pic_reaches_processor` asks.
            let delivery = if pin == PIC_PIN && message.mode == DeliveryMode::ExtInt {
                Delivery::Taken
            } else {
                self.lapic.deliver(message)
            };
            self.ioapic.sent(pin, delivery);
            match delivery {
                Delivery::Refused | Delivery::Taken => {}
                Delivery::Nmi => self.nmi = true,
                Delivery::Init => self.init = true,
            }
        }
    }

    fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::None => {}
            Effect::EndOfInterrupt(vector) => {
                let ended = self.ioapic.end_of_interrupt(vector);
                self.end_lines(ended);
                self.route();
            }
            Effect::Nmi => self.nmi = true,
            Effect::Init => self.init = true,
            Effect::Reachable => self.route(),
        }
    }

    /// For a snapshot.
    pub fn save(&self, now: Ticks) -> InterruptsState {
        InterruptsState {
            lapic: self.lapic.save(now),
            ioapic: self.ioapic.state().clone(),
            pic: self.pic.state().clone(),
            lines: self.lines,
            nmi: self.nmi,
            init: self.init,
        }
    }

    /// From a snapshot.
    pub fn restore(&mut self, state: &InterruptsState, now: Ticks) {
        self.lapic.restore(&state.lapic, now);
        self.ioapic = IoApic::from_state(state.ioapic.clone());
        self.pic = Pic::from_state(state.pic.clone());
        self.lines = state.lines;
        self.nmi = state.nmi;
        self.init = state.init;
        self.pic_output = self.pic.output();
        // Real devices are in no snapshot.
        self.held = 0;
        self.ended = 0;
    }
}
