//! A frame on its way.

use bulkhead_config::Mac;
use sddf::net::BUFFER_SIZE;
use shmem::{OutOfBounds, Read, ReadWrite, Region};

/// Bytes of an Ethernet header (IEEE 802.3-2018, 3.1.1): destination, source,
/// type.
pub const HEADER: usize = 14;

/// Longest frame: 1,500 bytes behind a header with one tag (IEEE 802.3-2018,
/// 3.2.7; without the checksum, which hardware adds).
pub const FRAME_MAX: u16 = 1518;

const _: () = assert!(FRAME_MAX as usize <= BUFFER_SIZE);

/// Where a frame is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// One station.
    Station(Mac),
    /// Several, perhaps all.
    Group,
}

/// A header, copied out once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header([u8; HEADER]);

impl Header {
    /// Where the frame is to go; none if that is no address.
    pub fn destination(&self) -> Option<Destination> {
        let [a, b, c, d, e, f, ..] = self.0;
        if a & 1 != 0 {
            return Some(Destination::Group);
        }
        Mac::new([a, b, c, d, e, f]).map(Destination::Station)
    }

    /// Who it says it is from; none if that is no station's address.
    pub fn source(&self) -> Option<Mac> {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = self.0;
        Mac::new([a, b, c, d, e, f])
    }
}

/// A frame in its sender's data region, its header in ours.
#[derive(Clone, Debug)]
pub struct Frame {
    pub header: Header,
    pub length: u16,
    bytes: Region<Read>,
}

impl Frame {
    /// The frame of so many bytes at an offset of a region; none if it is shorter
    /// than a header, or longer than a frame.
    pub fn read(region: &Region<Read>, offset: usize, length: u16) -> Option<Frame> {
        if length > FRAME_MAX {
            return None;
        }
        let bytes = region.sub(offset, usize::from(length)).ok()?;
        let mut header = [0; HEADER];
        bytes.read(0, &mut header).ok()?;
        Some(Frame { header: Header(header), length, bytes })
    }

    /// Copies it: the header as it was checked, the rest as it is now.
    pub fn write(&self, region: &Region<ReadWrite>, offset: usize) -> Result<(), OutOfBounds> {
        region.write(offset, &self.header.0)?;
        // It is as long as a header, or it would not have been read.
        let rest = usize::from(self.length).saturating_sub(HEADER);
        region.copy_from(offset.saturating_add(HEADER), &self.bytes, HEADER, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_changes_after_the_check_does_not_arrive() {
        let (from, to) = (Region::host(BUFFER_SIZE), Region::host(BUFFER_SIZE));
        from.fill(0, 100, 0x22).unwrap();
        let frame = Frame::read(&from.read_only(), 0, 100).unwrap();
        let checked = frame.header.source();
        from.fill(0, 100, 0x44).unwrap();
        frame.write(&to, 0).unwrap();
        let arrived = Frame::read(&to.read_only(), 0, 100).unwrap();
        assert_eq!(arrived.header.source(), checked);
        assert_eq!(to.read_u8(HEADER), Ok(0x44), "the rest is as it is now");
        assert_eq!(to.read_u8(100), Ok(0), "and no byte more");
    }

    #[test]
    fn a_frame_lies_in_its_region() {
        let region = Region::host(100).read_only();
        assert!(Frame::read(&region, 1, 99).is_some());
        assert!(Frame::read(&region, 1, 100).is_none());
        assert!(Frame::read(&region, usize::MAX, 20).is_none());
        assert!(Frame::read(&region, 0, 13).is_none());
    }
}
