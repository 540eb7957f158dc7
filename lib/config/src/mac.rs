//! Addresses on an Ethernet.

use core::fmt;

use heapless::String;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The address of one station: never a group's, never all zeroes. In the file
/// `"52:54:00:12:34:56"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// From its bytes.
    ///
    /// # Returns
    /// Nothing for a group (IEEE 802-2014, 8.2.2: the first byte is odd) or zeroes.
    pub const fn new(bytes: [u8; 6]) -> Option<Self> {
        let [first, ..] = bytes;
        let zero =
            u64::from_be_bytes([0, 0, first, bytes[1], bytes[2], bytes[3], bytes[4], bytes[5]])
                == 0;
        if first & 1 != 0 || zero { None } else { Some(Mac(bytes)) }
    }

    /// Its bytes, in the order of a frame.
    pub const fn bytes(self) -> [u8; 6] {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next()?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(part, 16).ok()?;
        }
        if parts.next().is_some() {
            return None;
        }
        Mac::new(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({self})")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

/// Characters of an address in the file, and some more, so that what is too long is
/// refused as no address.
const TEXT_MAX: usize = 64;

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mac = if deserializer.is_human_readable() {
            Mac::parse(&String::<TEXT_MAX>::deserialize(deserializer)?)
        } else {
            Mac::new(Deserialize::deserialize(deserializer)?)
        };
        mac.ok_or_else(|| {
            de::Error::custom(
                "an address of one station is six bytes such as \"52:54:00:12:34:56\", the first even, not all zero",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_six_bytes_of_one_station() {
        let mac = Mac::parse("52:54:00:12:aB:56").unwrap();
        assert_eq!(mac.bytes(), [0x52, 0x54, 0, 0x12, 0xab, 0x56]);
        for bad in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:56:78",
            "52-54-00-12-34-56",
            "5:54:00:12:34:56",
            "52:54:00:12:34:+6",
            "01:00:5e:00:00:01",
            "ff:ff:ff:ff:ff:ff",
            "00:00:00:00:00:00",
        ] {
            assert_eq!(Mac::parse(bad), None, "{bad}");
        }
        assert!(Mac::new([0, 0, 0, 0, 0, 1]).is_some());
    }

    #[test]
    fn what_is_compiled_is_read_again() {
        let mac = Mac::new([2, 0, 0, 0, 0, 7]).unwrap();
        let mut buffer = [0; 16];
        let bytes = postcard::to_slice(&mac, &mut buffer).unwrap();
        assert_eq!(postcard::from_bytes::<Mac>(bytes), Ok(mac));
        assert!(postcard::from_bytes::<Mac>(&[1, 0, 0, 0, 0, 7]).is_err());
    }
}
