//! Where a virtio device's structures are (virtio 1.2, 4.1.4): found by the domain
//! `pci` in the device's capability list, which nobody else can read, and handed to
//! its driver behind the status word.

use core::fmt;

use shmem::{OutOfBounds, Read, ReadWrite, Region};

/// Maker of every virtio device (virtio 1.2, 4.1.2).
pub const VENDOR: u16 = 0x1af4;

/// First and last number of a virtio device (virtio 1.2, 4.1.2).
pub const DEVICES: core::ops::RangeInclusive<u16> = 0x1000..=0x107f;

/// A structure in the device's registers.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Span {
    /// Physical address of its first byte; nowhere near the end of the numbers.
    pub address: u32,
    /// Its size in bytes; 0 where there is none.
    pub size: u32,
}

/// All of them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Structures {
    /// Common configuration (4.1.4.3).
    pub common: Span,
    /// Notification area (4.1.4.4).
    pub notify: Span,
    /// What a queue's offset there is multiplied by.
    pub notify_multiplier: u32,
    /// Interrupt status (4.1.4.5).
    pub isr: Span,
    /// The device's own configuration (4.1.4.6); empty where it has none.
    pub device: Span,
}

/// Where they begin in the page; the status word is at 0.
const BEGIN: usize = 64;

/// Words of the encoding.
const WORDS: usize = 9;

impl Structures {
    fn words(&self) -> [u32; WORDS] {
        let Structures { common, notify, notify_multiplier, isr, device } = self;
        [
            common.address,
            common.size,
            notify.address,
            notify.size,
            *notify_multiplier,
            isr.address,
            isr.size,
            device.address,
            device.size,
        ]
    }

    fn from_words(words: [u32; WORDS]) -> Structures {
        let [a, b, c, d, notify_multiplier, e, f, g, h] = words;
        let span = |address, size| Span { address, size };
        Structures {
            common: span(a, b),
            notify: span(c, d),
            notify_multiplier,
            isr: span(e, f),
            device: span(g, h),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} bytes at {:#x}", self.size, self.address)
    }
}

/// The writer's end. To be written before the status word says that the device is
/// ready.
#[derive(Clone, Debug)]
pub struct StructuresSink(Region<ReadWrite>);

impl StructuresSink {
    /// In a driver's page.
    ///
    /// # Errors
    /// The region is too small.
    pub fn new(region: &Region<ReadWrite>) -> Result<Self, OutOfBounds> {
        region.sub(BEGIN, 4 * WORDS).map(StructuresSink)
    }

    /// Says where they are.
    pub fn publish(&self, structures: &Structures) {
        for (place, word) in structures.words().into_iter().enumerate() {
            let written = self.0.write_u32(4 * place, word);
            debug_assert!(written.is_ok(), "the region was measured");
        }
    }
}

/// The reader's end. To be read once the status word says that the device is ready.
#[derive(Clone, Debug)]
pub struct StructuresSource(Region<Read>);

impl StructuresSource {
    /// In the driver's page.
    ///
    /// # Errors
    /// The region is too small.
    pub fn new(region: &Region<Read>) -> Result<Self, OutOfBounds> {
        region.sub(BEGIN, 4 * WORDS).map(StructuresSource)
    }

    /// Where they are, as `pci` says: the driver holds it to the region that it
    /// was granted. All zeroes for a device that is no virtio device.
    pub fn read(&self) -> Structures {
        let mut words = [0; WORDS];
        for (place, word) in words.iter_mut().enumerate() {
            *word = self.0.read_u32(4 * place).unwrap_or_default();
        }
        Structures::from_words(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_and_does_not_touch_the_status() {
        let region = Region::host(4096);
        let structures = Structures::from_words([1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let source = StructuresSource::new(&region.read_only()).unwrap();
        assert_eq!(source.read(), Structures::default());
        StructuresSink::new(&region).unwrap().publish(&structures);
        assert_eq!(source.read(), structures);
        assert_eq!(region.read_u64(0), Ok(0));
    }

    #[test]
    fn a_page_holds_them_and_less_than_their_size_does_not() {
        assert!(StructuresSink::new(&Region::host(BEGIN + 4 * WORDS - 1)).is_err());
        assert!(StructuresSource::new(&Region::host(BEGIN).read_only()).is_err());
    }
}
