//! The local APIC (Intel SDM vol. 3A, chapter 11) of the only processor: xAPIC
//! and x2APIC.
//!
//! Not here: who sends messages (the I/O APIC), where the page is decoded, what
//! an NMI does. No thermal sensor and no counters stand behind the LVT entries
//! that have them. The surprising fact: while the APIC is globally disabled
//! LINT0 and LINT1 are the processor's INTR and NMI pins; after reset it is
//! enabled, with both masked, so the 8259 pair reaches nobody until firmware
//! has made the virtual wire ([`Lapic::enter_virtual_wire`]).
//!
//! [`Lapic::pending_vector`] is on the path of every exit: IRR's and ISR's
//! highest members and the answer itself are kept, not searched for.

mod base;
pub mod bits;
mod ipi;
mod message;
#[cfg(test)]
mod mode_tests;
mod page;
mod pins;
mod registers;
pub mod state;
#[cfg(test)]
mod tests;
mod timer;
#[cfg(test)]
mod timer_tests;
mod vectors;
mod x2apic;

pub use base::ApicFault;
pub use message::{Delivery, DeliveryMode, Destination, Message, Trigger, from_msi};
pub use pins::Pin;
pub use timer::{CoreCrystal, FASTEST_PERIODIC_HZ};

use crate::time::TscFrequency;
use crate::types::{Ticks, Vector};
use bits::{LvtEntry, base as base_bits, dfr, esr, lvt, svr};
use state::{LapicState, Mode};
use timer::{Timer, TimerMode};
use vectors::VectorSet;

/// The APIC's ID. There is one processor, so logical IDs follow from it too.
pub const ID: u32 = 0;

/// The logical ID in x2APIC mode: cluster in 31:16, one bit of sixteen (Intel
/// SDM vol. 3A, 11.12.10.2).
const X2APIC_LOGICAL_ID: u32 = (ID >> 4) << 16 | 1 << (ID & 0xF);

/// Vectors below are reserved: no APIC sends or accepts them.
const FIRST_VECTOR: u8 = 16;

/// What an access or a line does beyond the APIC itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// A level-triggered interrupt ended: tell the I/O APIC.
    EndOfInterrupt(Vector),
    /// The processor gets an NMI.
    Nmi,
    /// The processor gets an INIT.
    Init,
    /// Messages that were refused may now be taken.
    Reachable,
}

/// The local APIC.
///
/// # Invariants
/// `request_top` and `service_top` are the highest members of their sets;
/// `pending` is `request_top` if its class exceeds the processor priority, else
/// 0. Every change of a set or of the task priority re-establishes them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lapic {
    pending: u8,
    request_top: u8,
    service_top: u8,
    task_priority: u8,
    ext_int: bool,
    mode: Mode,
    request: VectorSet,
    in_service: VectorSet,
    trigger_mode: VectorSet,
    timer: Timer,
    lvt: [u32; 6],
    lint: [bool; 2],
    spurious: u32,
    logical_id: u8,
    destination_format: u8,
    error_status: u8,
    errors: u8,
    bsp: bool,
    command: u64,
    page: u64,
    /// Bits of IA32_APIC_BASE that may hold an address.
    page_bits: u64,
}

impl Lapic {
    /// After power-up: xAPIC mode, software-disabled, the boot processor's.
    /// `physical_bits` is the width of physical addresses that CPUID states.
    pub fn new(tsc: TscFrequency, physical_bits: u32) -> Self {
        let width = physical_bits.clamp(32, 52);
        Lapic {
            pending: 0,
            request_top: 0,
            service_top: 0,
            task_priority: 0,
            ext_int: false,
            mode: Mode::Xapic,
            request: VectorSet::default(),
            in_service: VectorSet::default(),
            trigger_mode: VectorSet::default(),
            timer: Timer::new(tsc),
            lvt: [lvt::MASKED; 6],
            lint: [false; 2],
            spurious: svr::RESET,
            logical_id: 0,
            destination_format: dfr::FLAT,
            error_status: 0,
            errors: 0,
            bsp: true,
            command: 0,
            page: base_bits::DEFAULT_PAGE,
            page_bits: (1 << width) - (1 << base_bits::PAGE_SHIFT),
        }
    }

    /// An INIT: everything but IA32_APIC_BASE (Intel SDM vol. 3A, 11.4.7.3).
    pub fn init(&mut self) {
        self.task_priority = 0;
        self.ext_int = false;
        self.request = VectorSet::default();
        self.in_service = VectorSet::default();
        self.trigger_mode = VectorSet::default();
        self.timer.reset();
        self.lvt = [lvt::MASKED; 6];
        self.spurious = svr::RESET;
        self.logical_id = 0;
        self.destination_format = dfr::FLAT;
        self.error_status = 0;
        self.errors = 0;
        self.command = 0;
        self.settle_all();
    }

    /// Puts the APIC as firmware leaves it: enabled, LINT0 passing the 8259
    /// pair's interrupts, LINT1 NMI ("virtual wire mode", Intel MultiProcessor
    /// Specification 1.4, 3.6.2.2). For guests that start without firmware.
    pub fn enter_virtual_wire(&mut self) {
        self.spurious = svr::RESET | svr::ENABLE;
        self.lvt[LvtEntry::Lint0 as usize] = 0b111 << lvt::DELIVERY_MODE_SHIFT;
        self.lvt[LvtEntry::Lint1 as usize] = 0b100 << lvt::DELIVERY_MODE_SHIFT;
    }

    /// The interrupt that the processor should take now, leaving aside the 8259
    /// pair's and whether the processor is willing.
    #[inline]
    pub fn pending_vector(&self) -> Option<Vector> {
        (self.pending != 0).then_some(Vector(self.pending))
    }

    /// Whether an ExtINT message waits for the processor's acknowledgement.
    #[inline]
    pub fn ext_int(&self) -> bool {
        self.ext_int
    }

    /// The processor took the ExtINT message's interrupt.
    pub fn take_ext_int(&mut self) {
        self.ext_int = false;
    }

    /// The processor takes [`Lapic::pending_vector`]: it is in service now.
    pub fn acknowledge(&mut self) -> Option<Vector> {
        let vector = self.pending;
        if vector == 0 {
            return None;
        }
        self.request.remove(vector);
        self.request_top = self.request.highest();
        self.in_service.insert(vector);
        self.service_top = vector;
        self.settle();
        Some(Vector(vector))
    }

    /// End of the interrupt of highest priority.
    pub fn end_of_interrupt(&mut self) -> Effect {
        let vector = self.service_top;
        if vector == 0 {
            return Effect::None;
        }
        self.in_service.remove(vector);
        self.service_top = self.in_service.highest();
        self.settle();
        if !self.trigger_mode.contains(vector) {
            return Effect::None;
        }
        self.end_of_lint0(vector);
        if self.spurious & svr::SUPPRESS_EOI_BROADCAST != 0 {
            return Effect::None;
        }
        Effect::EndOfInterrupt(Vector(vector))
    }

    /// Whether an interrupt is in service whose end has no consequence: none waits
    /// behind it, and no line is to be looked at again.
    #[inline]
    pub fn end_is_silent(&self) -> bool {
        self.service_top != 0
            && self.request_top == 0
            && !self.trigger_mode.contains(self.service_top)
    }

    /// Offers an interrupt message.
    pub fn deliver(&mut self, message: Message) -> Delivery {
        if !self.matches(message.destination) {
            return Delivery::Refused;
        }
        let enabled = self.spurious & svr::ENABLE != 0;
        match message.mode {
            DeliveryMode::Fixed | DeliveryMode::LowestPriority if enabled => {
                self.accept(message.vector, message.trigger)
            }
            DeliveryMode::ExtInt if enabled => {
                self.ext_int = true;
                Delivery::Taken
            }
            DeliveryMode::Fixed
            | DeliveryMode::LowestPriority
            | DeliveryMode::ExtInt
            | DeliveryMode::Reserved => Delivery::Refused,
            DeliveryMode::Nmi => Delivery::Nmi,
            DeliveryMode::Init => Delivery::Init,
            // There is no system management mode, and nobody waits for a
            // start-up message while the processor runs.
            DeliveryMode::Smi | DeliveryMode::StartUp => Delivery::Taken,
        }
    }

    /// Whether a destination names this APIC (vol. 3A, 11.6.2, 11.12.10).
    pub fn matches(&self, destination: Destination) -> bool {
        match (self.mode, destination) {
            (Mode::Disabled, _) => false,
            (_, Destination::Physical(id)) => id == ID || id == u32::MAX,
            (Mode::X2apic, Destination::Logical(id)) => {
                id == u32::MAX
                    || (id >> 16 == X2APIC_LOGICAL_ID >> 16 && id & X2APIC_LOGICAL_ID & 0xFFFF != 0)
            }
            (Mode::Xapic, Destination::Logical(id)) => match (self.destination_format, id & 0xFF) {
                (_, 0xFF) => true,
                (dfr::FLAT, id) => id & u32::from(self.logical_id) != 0,
                (dfr::CLUSTER, id) => {
                    let own = u32::from(self.logical_id);
                    (id >> 4 == 0xF || id >> 4 == own >> 4) && id & own & 0xF != 0
                }
                // No other model is defined.
                (_, _) => false,
            },
        }
    }

    /// Takes a vector into IRR. One that is there already merges.
    fn accept(&mut self, vector: u8, trigger: Trigger) -> Delivery {
        if vector < FIRST_VECTOR {
            self.error(esr::RECEIVE_ILLEGAL_VECTOR);
            return Delivery::Refused;
        }
        match trigger {
            Trigger::Edge => self.trigger_mode.remove(vector),
            Trigger::Level => self.trigger_mode.insert(vector),
        }
        self.request.insert(vector);
        if vector > self.request_top {
            self.request_top = vector;
            self.settle();
        }
        Delivery::Taken
    }

    /// Logs an error, and interrupts for the first since the register was last
    /// written (vol. 3A, 11.5.3).
    fn error(&mut self, bit: u8) {
        let first = self.errors == 0;
        self.errors |= bit;
        let entry = self.lvt[LvtEntry::Error as usize];
        let vector = (entry & lvt::VECTOR) as u8;
        if first && entry & lvt::MASKED == 0 {
            if vector < FIRST_VECTOR {
                self.errors |= esr::RECEIVE_ILLEGAL_VECTOR;
            } else {
                let _taken = self.accept(vector, Trigger::Edge);
            }
        }
    }

    /// When the timer needs [`Lapic::advance`] next.
    #[inline]
    pub fn deadline(&self) -> Option<Ticks> {
        let masked = self.lvt[LvtEntry::Timer as usize] & lvt::MASKED != 0;
        if masked { None } else { self.timer.due() }
    }

    /// Brings the timer to `now`; it interrupts at most once however much time
    /// has passed.
    pub fn advance(&mut self, now: Ticks) {
        if self.timer.advance(now) {
            let entry = self.lvt[LvtEntry::Timer as usize];
            if entry & lvt::MASKED == 0 {
                let _taken = self.accept((entry & lvt::VECTOR) as u8, Trigger::Edge);
            }
        }
    }

    /// IA32_TSC_DEADLINE: 0 if disarmed or not in that mode.
    pub fn tsc_deadline(&mut self, now: Ticks) -> u64 {
        self.advance(now);
        self.timer.tsc_deadline()
    }

    /// Writes IA32_TSC_DEADLINE. A time that has passed interrupts at once.
    pub fn set_tsc_deadline(&mut self, deadline: u64, now: Ticks) {
        self.advance(now);
        self.timer.set_tsc_deadline(deadline);
        self.advance(now);
    }

    /// The task priority's class, as CR8 shows it.
    pub fn cr8(&self) -> u64 {
        u64::from(self.task_priority >> 4)
    }

    /// Writes the task priority through CR8: bits 3:0 of `value`; the rest is
    /// the caller's to refuse.
    pub fn set_cr8(&mut self, value: u64) {
        self.set_task_priority(((value & 0xF) << 4) as u8);
    }

    fn set_task_priority(&mut self, priority: u8) {
        self.task_priority = priority;
        self.settle();
    }

    /// PPR (vol. 3A, 11.8.3.1).
    fn processor_priority(&self) -> u8 {
        let serving = self.service_top & 0xF0;
        if self.task_priority & 0xF0 >= serving { self.task_priority } else { serving }
    }

    /// Computes `pending` anew.
    fn settle(&mut self) {
        let above = self.request_top & 0xF0 > self.processor_priority() & 0xF0;
        self.pending = if above { self.request_top } else { 0 };
    }

    fn settle_all(&mut self) {
        self.request_top = self.request.highest();
        self.service_top = self.in_service.highest();
        self.settle();
    }

    /// For a snapshot.
    pub fn save(&self, now: Ticks) -> LapicState {
        LapicState {
            mode: self.mode,
            page: self.page,
            bsp: self.bsp,
            task_priority: self.task_priority,
            logical_id: self.logical_id,
            destination_format: self.destination_format,
            spurious: self.spurious,
            error_status: self.error_status,
            errors: self.errors,
            request: self.request.words(),
            in_service: self.in_service.words(),
            trigger_mode: self.trigger_mode.words(),
            lvt: self.lvt,
            command: self.command,
            ext_int: self.ext_int,
            lint: self.lint,
            timer: self.timer.save(now),
        }
    }

    /// From a snapshot; bits that no register has are dropped.
    pub fn restore(&mut self, state: &LapicState, now: Ticks) {
        self.mode = state.mode;
        self.page = state.page & self.page_bits;
        self.bsp = state.bsp;
        self.task_priority = state.task_priority;
        self.logical_id = state.logical_id;
        self.destination_format = state.destination_format & 0xF;
        self.spurious = state.spurious & svr::WRITABLE;
        self.error_status = state.error_status;
        self.errors = state.errors;
        self.request = VectorSet::new(state.request).checked();
        self.in_service = VectorSet::new(state.in_service).checked();
        self.trigger_mode = VectorSet::new(state.trigger_mode).checked();
        for (entry, (own, saved)) in
            registers::LVT.into_iter().zip(self.lvt.iter_mut().zip(state.lvt))
        {
            *own = saved & (entry.writable() | entry.read_only() & lvt::REMOTE_IRR);
        }
        self.command = state.command;
        self.ext_int = state.ext_int;
        self.lint = state.lint;
        let mode = self.lvt[LvtEntry::Timer as usize] >> lvt::TIMER_MODE_SHIFT;
        self.timer.restore(&state.timer, TimerMode::from_bits(mode), now);
        self.settle_all();
    }
}
