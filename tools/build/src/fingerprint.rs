//! Names for contents.

use std::{
    hash::{DefaultHasher, Hasher},
    io,
};

/// A name for contents: enough to see a change, no protection against anybody,
/// and another one with another Rust release.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// Takes bytes and keeps only their [`fingerprint`]; it does not depend on how
/// they are cut into writes.
#[derive(Default)]
pub struct Hashing(DefaultHasher);

impl Hashing {
    /// Of everything so far.
    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_fingerprint_does_not_depend_on_the_writes() {
        let mut hashing = Hashing::default();
        for part in [&b"abc"[..], b"", b"defghijkl"] {
            hashing.write_all(part).unwrap();
        }
        assert_eq!(hashing.finish(), fingerprint(b"abcdefghijkl"));
        assert_ne!(hashing.finish(), fingerprint(b"abcdefghijkm"));
    }
}
