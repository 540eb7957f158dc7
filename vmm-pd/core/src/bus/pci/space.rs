//! A function's configuration space: 64 dwords, each with a mask of the bits
//! that software may change, and the capability list (PCI Local Bus 3.0, 6.1,
//! 6.2.5, 6.7).
//!
//! The surprising fact: base address registers need no code of their own. What
//! software learns by writing all ones is just the mask. Not here: what lies
//! behind the registers; whoever owns the space looks at what it became.

use bitflags::bitflags;

use super::Header;

/// Dwords of a configuration space.
const DWORDS: usize = 64;

bitflags! {
    /// Command register (PCI Local Bus 3.0, 6.2.2).
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Command: u16 {
        /// Answers accesses to its ports.
        const IO = 1 << 0;
        /// Answers accesses to its memory.
        const MEMORY = 1 << 1;
        /// Masters the bus: reads and writes memory, sends messages.
        const MASTER = 1 << 2;
        /// Drives no interrupt line.
        const NO_INTX = 1 << 10;
    }
}

/// Registers by dword.
mod at {
    pub const COMMAND: usize = 1;
    pub const FIRST_BAR: usize = 4;
    pub const CAPABILITIES: usize = 13;
    pub const INTERRUPT: usize = 15;
}

/// Status register: an interrupt is asserted (6.2.3).
const STATUS_INTX: u32 = 1 << (16 + 3);
/// Status register: there is a capability list.
const STATUS_CAPABILITIES: u32 = 1 << (16 + 4);

/// First byte behind the header.
const HEADER_END: u8 = 0x40;

/// What a base address register maps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bar {
    /// So many ports: a power of two from 4 to 256.
    Ports(u32),
    /// So many bytes of memory below 4 GiB: a power of two from 16.
    Memory(u32),
}

impl Bar {
    /// The bits of its register that are an address.
    pub const fn mask(self) -> u32 {
        let (Bar::Ports(size) | Bar::Memory(size)) = self;
        !(size - 1)
    }
}

/// A configuration space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigSpace {
    values: [u32; DWORDS],
    writable: [u32; DWORDS],
    /// Where the next capability goes.
    free: u8,
    /// Where the last one's pointer is.
    link: u8,
}

impl ConfigSpace {
    /// A type 0 header whose first interrupt pin is wired.
    pub fn new(header: &Header) -> Self {
        let mut values = [0; DWORDS];
        for (dword, value) in values.iter_mut().enumerate().take(usize::from(HEADER_END) / 4) {
            *value = header.read(dword as u8 * 4);
        }
        let mut space = ConfigSpace {
            values,
            writable: [0; DWORDS],
            free: HEADER_END,
            link: at::CAPABILITIES as u8 * 4,
        };
        let command = Command::IO | Command::MEMORY | Command::MASTER | Command::NO_INTX;
        space.values[at::COMMAND] = 0;
        space.writable[at::COMMAND] = command.bits().into();
        // Pin A; the line is software's to note.
        space.values[at::INTERRUPT] = 1 << 8;
        space.writable[at::INTERRUPT] = 0xFF;
        space
    }

    /// Gives a base address register its kind, size and first address, which
    /// is what firmware would have chosen.
    pub fn add_bar(&mut self, index: usize, bar: Bar, address: u32) {
        let mask = bar.mask();
        let kind = match bar {
            Bar::Ports(_) => 1,
            Bar::Memory(_) => 0,
        };
        let dword = at::FIRST_BAR + index.min(5);
        self.writable[dword] = mask;
        self.values[dword] = address & mask | kind;
    }

    /// Where a base address register points, whether or not it is decoded.
    pub fn bar(&self, index: usize) -> u32 {
        let dword = at::FIRST_BAR + index.min(5);
        self.values[dword] & self.writable[dword]
    }

    /// Appends a capability: `id`, then `body` behind the two bytes of the
    /// header, of which the bits in `writable` can be changed.
    ///
    /// # Returns
    /// Its offset.
    ///
    /// # Panics
    /// There is no room: devices are made of constants, so a test sees it.
    pub fn add_capability(&mut self, id: u8, body: &[u8], writable: &[u8]) -> u8 {
        let offset = self.free;
        self.set_byte(self.link, offset, 0);
        self.set_byte(offset, id, 0);
        self.link = offset + 1;
        for (i, byte) in body.iter().enumerate() {
            let mask = writable.get(i).copied().unwrap_or(0);
            self.set_byte(offset + 2 + i as u8, *byte, mask);
        }
        self.values[at::COMMAND] |= STATUS_CAPABILITIES;
        // Capabilities begin at dwords (6.7).
        self.free = (offset + 2 + body.len() as u8).next_multiple_of(4);
        offset
    }

    fn set_byte(&mut self, offset: u8, value: u8, writable: u8) {
        let (dword, shift) = (usize::from(offset / 4), offset % 4 * 8);
        self.values[dword] = self.values[dword] & !(0xFF << shift) | u32::from(value) << shift;
        self.writable[dword] =
            self.writable[dword] & !(0xFF << shift) | u32::from(writable) << shift;
    }

    /// The command register.
    pub fn command(&self) -> Command {
        Command::from_bits_retain(self.values[at::COMMAND] as u16)
    }

    /// Shows in the status register whether the interrupt is asserted.
    pub fn show_interrupt(&mut self, asserted: bool) {
        let status = &mut self.values[at::COMMAND];
        *status = if asserted { *status | STATUS_INTX } else { *status & !STATUS_INTX };
    }

    /// The dword at `register`, whose low two bits do not count.
    pub fn read(&self, register: u8) -> u32 {
        self.values[usize::from(register / 4)]
    }

    /// Writes those bits of a dword that are ones in `mask` and may change.
    pub fn write(&mut self, register: u8, value: u32, mask: u32) {
        let dword = usize::from(register / 4);
        let mask = mask & self.writable[dword];
        self.values[dword] = self.values[dword] & !mask | value & mask;
    }

    /// The two bytes at an even `offset`.
    pub fn word(&self, offset: u8) -> u16 {
        (self.read(offset) >> (offset % 4 * 8)) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const HEADER: Header = Header {
        vendor: 0x1AF4,
        device: 0x1042,
        class: 1,
        subclass: 0x80,
        interface: 0,
        revision: 1,
        subsystem: 0x1100,
    };

    fn space() -> ConfigSpace {
        let mut space = ConfigSpace::new(&HEADER);
        space.add_bar(0, Bar::Ports(4), 0xC000);
        space.add_bar(1, Bar::Memory(0x2000), 0xC000_0000);
        space
    }

    #[test]
    fn a_bar_tells_its_size_to_who_writes_ones() {
        let mut space = space();
        assert_eq!(space.read(0x10), 0xC001);
        space.write(0x10, u32::MAX, u32::MAX);
        assert_eq!(space.read(0x10), 0xFFFF_FFFD);
        space.write(0x14, u32::MAX, u32::MAX);
        assert_eq!(space.read(0x14), 0xFFFF_E000);
        space.write(0x14, 0xD000_1234, u32::MAX);
        assert_eq!(space.bar(1), 0xD000_0000);
        // One that is not there stays zero.
        space.write(0x18, u32::MAX, u32::MAX);
        assert_eq!(space.read(0x18), 0);
    }

    #[test]
    fn capabilities_are_a_list() {
        let mut space = space();
        assert_eq!(space.read(4) & STATUS_CAPABILITIES, 0);
        let first = space.add_capability(9, &[1, 2, 3], &[]);
        let second = space.add_capability(0x11, &[4, 5], &[0, 0x80]);
        assert_ne!(space.read(4) & STATUS_CAPABILITIES, 0);
        assert_eq!((space.read(0x34), first, second), (0x40, 0x40, 0x48));
        assert_eq!(space.read(first), 0x0201_4809);
        assert_eq!(space.read(second), 0x0504_0011);
        space.write(second, 0, u32::MAX);
        assert_eq!(space.read(second), 0x0504_0011, "the bit was not set");
        space.write(second, 0xFF00_0000, 0xFF00_0000);
        assert_eq!(space.read(second), 0x8504_0011);
    }

    proptest! {
        /// Whatever is written, identity and capabilities stay.
        #[test]
        fn what_is_fixed_stays(writes: Vec<(u8, u32, u32)>) {
            let mut space = space();
            space.add_capability(9, &[1, 2, 3], &[]);
            let fixed = [0, 8, 0x2C, 0x34, 0x40].map(|r| space.read(r));
            for (register, value, mask) in writes {
                space.write(register, value, mask);
            }
            prop_assert_eq!([0, 8, 0x2C, 0x34, 0x40].map(|r| space.read(r)), fixed);
            prop_assert_eq!(space.bar(1) % 0x2000, 0);
        }
    }
}
