//! The interrupt command register: IPIs, which can only go to this processor
//! itself (Intel SDM vol. 3A, 11.6.1, 11.12.9).

use super::bits::{esr, icr};
use super::message::{Delivery, DeliveryMode, Destination, Message, Trigger};
use super::state::Mode;
use super::{Effect, FIRST_VECTOR, ID, Lapic};

/// Destination shorthands.
const TO_SELF: u32 = 1;
const TO_ALL: u32 = 2;
const TO_OTHERS: u32 = 3;

impl Lapic {
    /// Sends what the command register holds.
    pub(super) fn send(&mut self) -> Effect {
        let low = self.command as u32;
        let high = (self.command >> 32) as u32;
        let mode = DeliveryMode::from_bits(low >> icr::DELIVERY_MODE_SHIFT);
        let vector = low as u8;
        if mode.has_vector() && vector < FIRST_VECTOR {
            self.error(esr::SEND_ILLEGAL_VECTOR);
            return Effect::None;
        }
        // INIT level de-assert only resynchronised arbitration IDs on the
        // processors that had them.
        if mode == DeliveryMode::Init && low & icr::ASSERT == 0 && low & icr::LEVEL != 0 {
            return Effect::None;
        }
        let logical = low & icr::LOGICAL != 0;
        let destination = match (low >> icr::SHORTHAND_SHIFT & 3, self.mode) {
            (TO_SELF | TO_ALL, _) => Destination::Physical(ID),
            (TO_OTHERS, _) => return Effect::None,
            (_, Mode::X2apic) if logical => Destination::Logical(high),
            (_, Mode::X2apic) => Destination::Physical(high),
            (_, Mode::Xapic | Mode::Disabled) => {
                Destination::from_byte(logical, (high >> 24) as u8)
            }
        };
        // IPIs are edges whatever the trigger bit says (table 11-3).
        match self.deliver(Message { vector, mode, trigger: Trigger::Edge, destination }) {
            Delivery::Refused | Delivery::Taken => Effect::None,
            Delivery::Nmi => Effect::Nmi,
            Delivery::Init => Effect::Init,
        }
    }

    /// Sends a fixed interrupt to itself: the self-IPI register.
    pub(super) fn send_self(&mut self, vector: u8) {
        if vector < FIRST_VECTOR {
            self.error(esr::SEND_ILLEGAL_VECTOR);
            return;
        }
        let destination = Destination::Physical(ID);
        let mode = DeliveryMode::Fixed;
        let _delivery = self.deliver(Message { vector, mode, trigger: Trigger::Edge, destination });
    }
}
