//! Hashes as SPDX writes them.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The two hashes of a file: SPDX 2.3 wants SHA-1 of each (clause 8.4), which
/// proves nothing any more; SHA-256 does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Digests {
    /// SHA-1, hexadecimal.
    pub sha1: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

impl Digests {
    pub fn of(bytes: &[u8]) -> Self {
        Digests { sha1: hex(&Sha1::digest(bytes)), sha256: hex(&Sha256::digest(bytes)) }
    }
}

/// SPDX 2.3, clause 7.9: SHA-1 of the files' sorted SHA-1.
pub(crate) fn verification_code<'a>(files: impl Iterator<Item = &'a Digests>) -> String {
    let mut digests: Vec<&str> = files.map(|digests| digests.sha1.as_str()).collect();
    digests.sort_unstable();
    hex(&Sha1::digest(digests.concat()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        // FIPS 180-2, appendices A.1 and B.1.
        let digests = Digests::of(b"abc");
        assert_eq!(digests.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(digests.sha256.starts_with("ba7816bf8f01cfea414140de5dae2223"));
    }

    #[test]
    fn the_verification_code_does_not_depend_on_the_files_order() {
        let [a, b] = [&b"a"[..], b"b"].map(Digests::of);
        assert_eq!(
            verification_code([&a, &b].into_iter()),
            verification_code([&b, &a].into_iter())
        );
    }
}
