//! Where a function is.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A function on bus 0, the only one of a PC without bridges; written `00:02.0`,
/// as `lspci` does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    device: u8,
    function: u8,
}

impl Place {
    /// A function of a device.
    ///
    /// # Panics
    /// A device of 32 or more, or a function of 8 or more.
    pub const fn new(device: u8, function: u8) -> Place {
        assert!(device < 32 && function < 8, "no such place on a PCI bus");
        Place { device, function }
    }

    /// The device's number, below 32.
    pub const fn device(self) -> u8 {
        self.device
    }

    /// The function's number, below 8.
    pub const fn function(self) -> u8 {
        self.function
    }

    fn parse(text: &str) -> Option<Place> {
        let (device, function) = text.strip_prefix("00:")?.split_once('.')?;
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        if device.len() != 2 || function.len() != 1 || !digits(device) || !digits(function) {
            return None;
        }
        let device = u8::from_str_radix(device, 16).ok().filter(|&n| n < 32)?;
        let function = u8::from_str_radix(function, 16).ok().filter(|&n| n < 8)?;
        Some(Place { device, function })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00:{:02x}.{}", self.device, self.function)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u8(self.device << 3 | self.function)
        }
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = <&str>::deserialize(deserializer)?;
            Place::parse(text).ok_or_else(|| {
                de::Error::custom(format_args!("`{text}` is no place on bus 0, such as 00:02.0"))
            })
        } else {
            let byte = u8::deserialize(deserializer)?;
            Ok(Place { device: byte >> 3, function: byte & 7 })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_place_is_written_as_lspci_does() {
        for (text, device, function) in [("00:02.0", 2, 0), ("00:01.1", 1, 1), ("00:1f.7", 31, 7)] {
            let place = Place::new(device, function);
            assert_eq!(Place::parse(text), Some(place));
            assert_eq!(place.to_string(), text);
        }
        let others =
            ["", "00:02", "01:02.0", "00:20.0", "00:02.8", "00:2.0", "00:+2.0", "00:002.0"];
        for text in others {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
