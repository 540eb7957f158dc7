//! The I/O APIC (Intel 82093AA data sheet, 290566-001), 24 pins, version 20h
//! with its EOI register.
//!
//! It does not send messages: it says which pins want to
//! ([`IoApic::waiting`]), gives each one's [`Message`] and is told what became
//! of it. Polarity is kept without effect. The surprising fact: an edge on a
//! masked pin is gone for good, unlike at an 8259; a level is not, because it is
//! still there when the mask goes.

pub mod bits;
pub mod state;
#[cfg(test)]
mod tests;

use super::lapic::{Delivery, DeliveryMode, Destination, Message, Trigger};
use crate::types::{Vector, Width};
use bits::{ID, ID_SHIFT, VERSION, entry, index, page};
use state::IoApicState;

/// How many pins there are.
pub const PINS: u8 = 24;

const ALL_PINS: u32 = (1 << PINS) - 1;

/// The I/O APIC.
///
/// # Invariants
/// `edges` and `levels` hold the pins that want to send; every change of a line
/// or an entry keeps them so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IoApic {
    state: IoApicState,
    /// Pins that are level-triggered, high, not masked and not in service.
    levels: u32,
}

impl Default for IoApic {
    fn default() -> Self {
        IoApic::new()
    }
}

impl IoApic {
    /// After reset: every pin masked.
    pub const fn new() -> Self {
        let entries = [entry::MASKED; PINS as usize];
        IoApic { state: IoApicState { select: 0, id: 0, entries, lines: 0, edges: 0 }, levels: 0 }
    }

    /// For a snapshot.
    pub fn state(&self) -> &IoApicState {
        &self.state
    }

    /// From a snapshot; bits that no register has are dropped.
    pub fn from_state(state: IoApicState) -> Self {
        let mut this = IoApic { state, levels: 0 };
        this.state.id &= ID as u8;
        this.state.lines &= ALL_PINS;
        this.state.edges &= ALL_PINS;
        let known = entry::WRITABLE_LOW | entry::WRITABLE_HIGH | entry::REMOTE_IRR;
        for pin in 0..PINS {
            this.state.entries[usize::from(pin)] &= known;
            this.settle(pin);
        }
        this
    }

    /// The pins that want to send a message, a bit each.
    #[inline]
    pub fn waiting(&self) -> u32 {
        self.state.edges | self.levels
    }

    /// What a pin would send; nothing for a pin that is not there.
    pub fn message(&self, pin: u8) -> Option<Message> {
        let entry = *self.state.entries.get(usize::from(pin))?;
        Some(Message {
            vector: (entry & entry::VECTOR) as u8,
            mode: mode(entry),
            trigger: if is_level(entry) { Trigger::Level } else { Trigger::Edge },
            destination: destination(entry),
        })
    }

    /// Whom a pin passes the 8259 pair's interrupts to: that of an unmasked
    /// ExtINT entry.
    pub fn ext_int(&self, pin: u8) -> Option<Destination> {
        let entry = *self.state.entries.get(usize::from(pin))?;
        (entry & entry::MASKED == 0 && mode(entry) == DeliveryMode::ExtInt)
            .then(|| destination(entry))
    }

    /// Whether some pin could send an NMI.
    pub fn has_nmi(&self) -> bool {
        let is_nmi = |e: &u64| e & entry::MASKED == 0 && mode(*e) == DeliveryMode::Nmi;
        self.state.entries.iter().any(is_nmi)
    }

    /// Tells what became of a pin's message. A refused edge is gone; a refused
    /// level waits on.
    pub fn sent(&mut self, pin: u8, delivery: Delivery) {
        let Some(entry) = self.state.entries.get_mut(usize::from(pin)) else { return };
        self.state.edges &= !(1 << pin);
        match delivery {
            Delivery::Refused => {}
            Delivery::Taken | Delivery::Nmi | Delivery::Init => {
                if is_level(*entry) {
                    *entry |= entry::REMOTE_IRR;
                }
                self.settle(pin);
            }
        }
    }

    /// Sets whether a pin is asserted.
    pub fn set_line(&mut self, pin: u8, level: bool) {
        let Some(&entry) = self.state.entries.get(usize::from(pin)) else { return };
        let bit = 1 << pin;
        if !level {
            self.state.lines &= !bit;
        } else if self.state.lines & bit == 0 {
            self.state.lines |= bit;
            if entry & entry::MASKED == 0 && !is_level(entry) {
                self.state.edges |= bit;
            }
        }
        self.settle(pin);
    }

    /// An interrupt of this vector ended: its pins may send again.
    ///
    /// # Returns
    /// Those pins, a bit each.
    pub fn end_of_interrupt(&mut self, vector: Vector) -> u32 {
        let mut ended = 0;
        for pin in 0..PINS {
            let entry = &mut self.state.entries[usize::from(pin)];
            if *entry & entry::REMOTE_IRR != 0 && *entry & entry::VECTOR == u64::from(vector.0) {
                *entry &= !entry::REMOTE_IRR;
                ended |= 1 << pin;
                self.settle(pin);
            }
        }
        ended
    }

    /// Reads at `offset` in the page. As in the local APIC's, a register is in
    /// the first four bytes of its 16, and the rest is zero.
    pub fn read(&self, offset: u32, width: Width) -> u64 {
        let value = match offset & !0xF {
            page::SELECT => u32::from(self.state.select),
            page::WINDOW => self.read_window(),
            _ => 0,
        };
        (u64::from(value) >> ((offset & 0xF) * 8).min(63)) & width.mask()
    }

    /// Writes at `offset` in the page. The index takes any width, as its upper
    /// bits do not exist; the window and the EOI register want 32 bits, and
    /// ignore the rest. Then see [`IoApic::waiting`].
    ///
    /// # Returns
    /// The pins whose interrupt that ended, a bit each.
    pub fn write(&mut self, offset: u32, width: Width, value: u64) -> u32 {
        match (offset, width) {
            (page::SELECT, _) => self.state.select = value as u8,
            (page::WINDOW, Width::Dword) => return self.write_window(value & 0xFFFF_FFFF),
            (page::EOI, Width::Dword) => return self.end_of_interrupt(Vector(value as u8)),
            _ => {}
        }
        0
    }

    /// The pin behind the index, and whether it is the entry's high half.
    fn selected(&self) -> Option<(u8, bool)> {
        let n = self.state.select.checked_sub(index::REDIRECTION)?;
        (n < 2 * PINS).then_some((n / 2, n & 1 != 0))
    }

    fn read_window(&self) -> u32 {
        match self.state.select {
            index::ID | index::ARBITRATION => u32::from(self.state.id) << ID_SHIFT,
            index::VERSION => VERSION,
            _ => match self.selected() {
                Some((pin, true)) => (self.state.entries[usize::from(pin)] >> 32) as u32,
                Some((pin, false)) => {
                    let waits = self.waiting() & (1 << pin) != 0;
                    let status = if waits { entry::SEND_PENDING } else { 0 };
                    (self.state.entries[usize::from(pin)] | status) as u32
                }
                None => 0,
            },
        }
    }

    fn write_window(&mut self, value: u64) -> u32 {
        if self.state.select == index::ID {
            self.state.id = (value as u32 >> ID_SHIFT & ID) as u8;
            return 0;
        }
        let Some((pin, high)) = self.selected() else { return 0 };
        let own = &mut self.state.entries[usize::from(pin)];
        let mut ended = 0;
        if high {
            *own = *own & !entry::WRITABLE_HIGH | (value << 32) & entry::WRITABLE_HIGH;
        } else {
            *own = *own & !entry::WRITABLE_LOW | value & entry::WRITABLE_LOW;
            // Remote IRR has no meaning for edges: software that knows no EOI
            // register clears it by choosing them for a moment.
            if !is_level(*own) && *own & entry::REMOTE_IRR != 0 {
                *own &= !entry::REMOTE_IRR;
                ended = 1 << pin;
            }
        }
        self.settle(pin);
        ended
    }

    /// Computes a pin's bit of `levels` anew.
    fn settle(&mut self, pin: u8) {
        let entry = self.state.entries[usize::from(pin)];
        let bit = 1 << pin;
        let wants = is_level(entry)
            && self.state.lines & bit != 0
            && entry & (entry::MASKED | entry::REMOTE_IRR) == 0;
        if wants {
            self.levels |= bit;
        } else {
            self.levels &= !bit;
        }
    }
}

fn mode(entry: u64) -> DeliveryMode {
    DeliveryMode::from_bits((entry >> entry::DELIVERY_MODE_SHIFT) as u32)
}

/// Level-triggered: only interrupts with a vector can be; the others are edges
/// whatever the trigger bit says (82093AA, 3.2.4, "Delivery Mode").
fn is_level(entry: u64) -> bool {
    entry & entry::LEVEL != 0 && mode(entry).has_vector()
}

fn destination(entry: u64) -> Destination {
    let logical = entry & entry::LOGICAL != 0;
    Destination::from_byte(logical, (entry >> entry::DESTINATION_SHIFT) as u8)
}
