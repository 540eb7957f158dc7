//! Which releases of the SDK there are, and which one is needed.

use std::{fmt, str::FromStr};

/// A release of the SDK, as its file `VERSION` has it. What follows the numbers,
/// such as `-dev.12+g0123abc` of a build from the repository, is kept as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    rest: String,
}

/// No version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoVersion;

impl Version {
    /// Whether programs built for 2.3 run on it. The Microkit promises nothing
    /// between minor releases, and the ABI did change at each.
    pub fn fits(&self) -> bool {
        (self.major, self.minor) == (2, 3)
    }

    /// What is missing in one that does not fit, or is not known of it.
    pub(crate) fn lack(&self) -> &'static str {
        match (self.major, self.minor) {
            (0 | 1, _) => {
                "releases before 2.0 have other entry points, and none for x86-64: no system of \
                 this project can be built with one"
            }
            (2, 0) => "2.0 has no board for x86-64",
            (2, 1 | 2) => {
                "releases before 2.3 run the kernel seL4 15 or older, place the IPC buffer \
                 elsewhere, and cannot switch a virtual processor on and off"
            }
            _ => {
                "a later release may place the IPC buffer elsewhere, number kernel calls in \
                 another way, or take other descriptions: nothing of that was tried"
            }
        }
    }
}

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-+._".contains(c);
        if rest.len() > 64 || !rest.chars().all(plain) {
            return Err(NoVersion);
        }
        let mut parts = numbers.split('.').map(str::parse);
        let mut next = || parts.next().and_then(Result::ok).ok_or(NoVersion);
        let (major, minor, patch) = (next()?, next()?, next()?);
        match parts.next() {
            None => Ok(Version { major, minor, patch, rest: rest.into() }),
            Some(_) => Err(NoVersion),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}{}", self.major, self.minor, self.patch, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_2_3_fits_and_nothing_else() {
        for fits in ["2.3.0", "2.3.0\n", "2.3.17", "2.3.0-dev.12+g0123abc"] {
            assert!(version(fits).fits(), "{fits}");
            assert_eq!(version(fits).to_string(), fits.trim());
        }
        for other in ["1.4.1", "2.0.0", "2.2.9", "2.4.0", "3.3.0", "2.30.0"] {
            assert!(!version(other).fits(), "{other}");
        }
    }

    #[test]
    fn what_is_no_version_is_not_taken_for_one() {
        for wrong in [
            "",
            "2",
            "2.3",
            "2.3.",
            "2..3",
            "v2.3.0",
            "2.3.0.1",
            "2.3.99999999999",
            "2.3.0 x",
            "\u{1b}[2J",
        ] {
            assert_eq!(wrong.parse::<Version>(), Err(NoVersion), "{wrong:?}");
        }
    }

    #[test]
    fn older_and_newer_ones_lack_different_things() {
        assert_ne!(version("2.2.0").lack(), version("2.4.0").lack());
        assert_ne!(version("1.4.1").lack(), version("2.0.1").lack());
        assert_eq!(version("2.4.0").lack(), version("3.0.0").lack());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_failing(text in ".{0,80}") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert!(version.to_string().is_ascii());
            }
        }
    }
}
