//! The pins LINT0 and LINT1 (Intel SDM vol. 3A, 11.1, 11.5.1).
//!
//! LINT0 as ExtINT is not an event but a way through: while the 8259 pair asks,
//! and the way is open, the processor sees INTR ([`Lapic::passes_ext_int`]).

use super::bits::{LvtEntry, lvt, svr};
use super::state::Mode;
use super::{DeliveryMode, Destination, Effect, FIRST_VECTOR, Lapic, Trigger};

/// One of the two local interrupt pins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pin {
    /// The 8259 pair's output.
    Lint0,
    /// NMI.
    Lint1,
}

impl Pin {
    const fn entry(self) -> LvtEntry {
        match self {
            Pin::Lint0 => LvtEntry::Lint0,
            Pin::Lint1 => LvtEntry::Lint1,
        }
    }
}

impl Lapic {
    /// Whether LINT0 is the processor's INTR pin as things stand: the APIC is
    /// globally disabled, or passes ExtINT.
    pub fn passes_ext_int(&self) -> bool {
        self.mode == Mode::Disabled || self.pin_mode(Pin::Lint0) == Some(DeliveryMode::ExtInt)
    }

    /// Whether an ExtINT message to this destination would be taken.
    pub fn takes_ext_int(&self, destination: Destination) -> bool {
        self.spurious & svr::ENABLE != 0 && self.matches(destination)
    }

    /// Whether LINT0 turns what the 8259 pair asks for into an NMI.
    pub fn lint0_is_nmi(&self) -> bool {
        self.mode != Mode::Disabled && self.pin_mode(Pin::Lint0) == Some(DeliveryMode::Nmi)
    }

    /// What a pin delivers, unless it is masked.
    fn pin_mode(&self, pin: Pin) -> Option<DeliveryMode> {
        let entry = self.lvt[pin.entry() as usize];
        (entry & lvt::MASKED == 0)
            .then(|| DeliveryMode::from_bits(entry >> lvt::DELIVERY_MODE_SHIFT))
    }

    /// Sets the level of a pin.
    pub fn set_pin(&mut self, pin: Pin, level: bool) -> Effect {
        let rose = level && !self.lint[pin as usize];
        self.lint[pin as usize] = level;
        if !rose {
            return Effect::None;
        }
        if self.mode == Mode::Disabled {
            // LINT0 is INTR: see `passes_ext_int`.
            return if pin == Pin::Lint1 { Effect::Nmi } else { Effect::None };
        }
        match self.pin_mode(pin) {
            Some(DeliveryMode::Fixed) => {
                self.pin_fixed(pin);
                Effect::None
            }
            Some(DeliveryMode::Nmi) => Effect::Nmi,
            Some(DeliveryMode::Init) => Effect::Init,
            // ExtINT is asked for by `passes_ext_int`; there is no SMM; the
            // rest is not for pins.
            Some(
                DeliveryMode::ExtInt
                | DeliveryMode::Smi
                | DeliveryMode::LowestPriority
                | DeliveryMode::Reserved
                | DeliveryMode::StartUp,
            )
            | None => Effect::None,
        }
    }

    /// Delivers a pin's fixed interrupt. Only LINT0 can be level-triggered.
    fn pin_fixed(&mut self, pin: Pin) {
        let entry = &mut self.lvt[pin.entry() as usize];
        let vector = (*entry & lvt::VECTOR) as u8;
        if pin == Pin::Lint1 || *entry & lvt::LEVEL == 0 {
            let _taken = self.accept(vector, Trigger::Edge);
        } else if *entry & lvt::REMOTE_IRR == 0 && vector >= FIRST_VECTOR {
            *entry |= lvt::REMOTE_IRR;
            let _taken = self.accept(vector, Trigger::Level);
        }
    }

    /// LINT0 is level-triggered and high: delivers unless that was done.
    pub(super) fn repeat_lint0(&mut self) {
        let entry = self.lvt[LvtEntry::Lint0 as usize];
        if self.lint[Pin::Lint0 as usize]
            && entry & lvt::LEVEL != 0
            && self.mode != Mode::Disabled
            && self.pin_mode(Pin::Lint0) == Some(DeliveryMode::Fixed)
        {
            self.pin_fixed(Pin::Lint0);
        }
    }

    /// A level-triggered interrupt ended; it may have been LINT0's.
    pub(super) fn end_of_lint0(&mut self, vector: u8) {
        let entry = &mut self.lvt[LvtEntry::Lint0 as usize];
        if *entry & lvt::REMOTE_IRR != 0 && *entry & lvt::VECTOR == u32::from(vector) {
            *entry &= !lvt::REMOTE_IRR;
            self.repeat_lint0();
        }
    }
}
