//! The two ways to build a system.

use bulkhead_kernel::Configuration;

/// How kernel and protection domains are built.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Profile {
    /// For speed; what is measured.
    #[default]
    Release,
    /// With assertions, and with the kernel's own output.
    Debug,
}

impl Profile {
    /// Both.
    pub const ALL: [Profile; 2] = [Profile::Release, Profile::Debug];

    /// Names the folder of what is built.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Release => "release",
            Profile::Debug => "debug",
        }
    }

    /// Cargo's profile for protection domains.
    pub(crate) fn cargo(self) -> &'static str {
        match self {
            Profile::Release => "pd-release",
            Profile::Debug => "pd-debug",
        }
    }

    /// The kernel that goes with it.
    pub fn kernel(self) -> Configuration {
        match self {
            Profile::Release => Configuration::Release,
            Profile::Debug => Configuration::Debug,
        }
    }
}
