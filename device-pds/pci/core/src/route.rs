//! Which line a device's pin leads to.

use pci_bus::{Place, Refusal};

use crate::{ConfigSpace, bits};

/// The PIIX3's function 0, on every machine that this is for.
const PIIX3: Place = Place::new(1, 0);

/// Lines that a wire may lead to (82371SB data sheet, 2.3.6, PIRQRC): not those
/// of the timer, keyboard, cascade, clock and coprocessor.
const ROUTABLE: u16 = 0xdef8;

/// Wires that were led somewhere on a driver's behalf.
#[derive(Default, Debug)]
pub(crate) struct Router {
    lines: [Option<u8>; 4],
}

impl Router {
    /// Leads a device's pin to a line.
    pub fn route<C: ConfigSpace>(
        &mut self,
        space: &mut C,
        at: Place,
        line: u8,
    ) -> Result<(), Refusal> {
        let routable = line < 16 && ROUTABLE >> line & 1 != 0;
        let pin = (space.read(at, bits::INTERRUPT) >> 8) as u8;
        let piix3 = space.read(PIIX3, bits::IDENTITY) == bits::PIIX3_IDENTITY;
        if !routable || !(1..=4).contains(&pin) || !piix3 {
            return Err(Refusal::Interrupt);
        }
        let wire = wire(at, pin);
        let taken = &mut self.lines[usize::from(wire)];
        if taken.is_some_and(|other| other != line) {
            return Err(Refusal::Interrupt);
        }
        let shift = 8 * u32::from(wire);
        let routes = |space: &mut C| space.read(PIIX3, bits::PIIX3_PIRQ);
        let now = |word: u32| (word >> shift) as u8 & (bits::PIRQ_DISABLED | 0xf);
        let word = routes(space);
        if now(word) != line {
            let word = word & !(0xff << shift) | u32::from(line) << shift;
            space.write(PIIX3, bits::PIIX3_PIRQ, word);
        }
        if now(routes(space)) != line {
            return Err(Refusal::Interrupt);
        }
        *taken = Some(line);
        Ok(())
    }
}

/// The wire of a device's pin, 0 for A: each slot is wired one further, and
/// device 1, the PIIX3 itself, comes first.
fn wire(at: Place, pin: u8) -> u8 {
    (pin - 1).wrapping_add(at.device()).wrapping_sub(1) & 3
}
