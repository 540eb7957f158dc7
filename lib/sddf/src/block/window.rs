//! The ranges in which buffers may lie.

use core::fmt;

use heapless::Vec;
use shmem::{ReadWrite, Region};

use super::wire::{Request, TRANSFER_SIZE};

/// A data region as an end is granted it: a virtualiser's client has one that
/// begins at offset 0, a driver one at the I/O address of each client's region.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The address or offset of its first byte.
    pub base: u64,
    /// Its size in bytes.
    pub size: u64,
}

impl Window {
    /// Where a request's buffer begins within the window, if all of it lies
    /// there, aligned to a block (as sDDF's virtualiser demands, so that no
    /// buffer of a device crosses a page without need).
    pub fn offset_of(&self, request: &Request) -> Option<u64> {
        let offset = request.buffer.checked_sub(self.base)?;
        let end = offset.checked_add(request.bytes())?;
        (end <= self.size && offset.is_multiple_of(TRANSFER_SIZE)).then_some(offset)
    }

    /// The window of several in which a request's buffer lies, and where.
    pub fn find(windows: &[Window], request: &Request) -> Option<(usize, u64)> {
        windows.iter().enumerate().find_map(|(i, window)| Some((i, window.offset_of(request)?)))
    }
}

/// A data region of a driver that copies: how requests address it, and where it is
/// mapped.
#[derive(Debug)]
pub struct Data {
    /// How requests address it.
    pub window: Window,
    /// Where it is mapped.
    pub region: Region<ReadWrite>,
}

/// A description that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataError {
    /// A data region is mapped with another size than the configuration says.
    Size {
        /// Its number.
        number: usize,
        /// Bytes mapped.
        mapped: usize,
        /// Bytes that the configuration says.
        says: u64,
    },
    /// There are more than so many.
    TooMany(usize),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataError::Size { number, mapped, says } => write!(
                f,
                "data region {number} has {mapped:#x} bytes here and {says:#x} in the configuration: map the regions in the configuration's order"
            ),
            DataError::TooMany(most) => write!(f, "there are more than {most} data regions"),
        }
    }
}

/// The data regions of a driver that copies.
#[derive(Debug)]
pub struct DataRegions<const N: usize> {
    windows: Vec<Window, N>,
    regions: Vec<Region<ReadWrite>, N>,
}

impl<const N: usize> DataRegions<N> {
    /// All of them, in the configuration's order.
    ///
    /// # Errors
    /// The description cannot be.
    pub fn new(data: impl IntoIterator<Item = Data>) -> Result<Self, DataError> {
        let (mut windows, mut regions) = (Vec::new(), Vec::new());
        for (number, Data { window, region }) in data.into_iter().enumerate() {
            if region.len() as u64 != window.size {
                let (mapped, says) = (region.len(), window.size);
                return Err(DataError::Size { number, mapped, says });
            }
            windows.push(window).map_err(|_| DataError::TooMany(N))?;
            regions.push(region).map_err(|_| DataError::TooMany(N))?;
        }
        Ok(DataRegions { windows, regions })
    }

    /// The region in which a request's buffer lies, and at which offset.
    pub fn find(&self, request: &Request) -> Option<(&Region<ReadWrite>, usize)> {
        let (number, offset) = Window::find(&self.windows, request)?;
        // It lies in a region that is mapped here, so it fits.
        Some((self.regions.get(number)?, offset as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::Operation;

    fn at(buffer: u64, count: u16) -> Request {
        Request { operation: Operation::Read, buffer, block: 0, count }
    }

    #[test]
    fn a_buffer_lies_in_the_window_with_all_its_blocks() {
        let window = Window { base: 0x10000, size: 0x4000 };
        assert_eq!(window.offset_of(&at(0x10000, 4)), Some(0));
        assert_eq!(window.offset_of(&at(0x13000, 1)), Some(0x3000));
        for outside in [at(0xF000, 1), at(0x10000, 5), at(0x13000, 2), at(0x14000, 1)] {
            assert_eq!(window.offset_of(&outside), None, "{outside:x?}");
        }
    }

    #[test]
    fn a_buffer_is_aligned_to_a_block() {
        let window = Window { base: 0x10000, size: 0x4000 };
        assert_eq!(window.offset_of(&at(0x10800, 1)), None);
    }

    #[test]
    fn an_address_near_the_end_of_the_numbers_does_not_wrap_into_the_window() {
        let window = Window { base: 0, size: 0x4000 };
        assert_eq!(window.offset_of(&at(u64::MAX - 0xFFF, 2)), None);
        let high = Window { base: u64::MAX - 0x1FFF, size: 0x1000 };
        assert_eq!(high.offset_of(&at(u64::MAX - 0x1FFF, 1)), Some(0));
        assert_eq!(high.offset_of(&at(u64::MAX - 0x1FFF, 2)), None);
    }

    #[test]
    fn the_window_of_several_is_the_one_that_holds_it_all() {
        let windows = [Window { base: 0, size: 0x2000 }, Window { base: 0x2000, size: 0x2000 }];
        assert_eq!(Window::find(&windows, &at(0x3000, 1)), Some((1, 0x1000)));
        assert_eq!(
            Window::find(&windows, &at(0x1000, 2)),
            None,
            "it crosses from one to the other"
        );
    }
}
