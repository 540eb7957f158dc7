//! What a system is built for.

use std::path::PathBuf;

use bulkhead_machine::MEMORY_MAX;
use bulkhead_sdf::Board;
use bulkhead_sdk::Selection;

use crate::{Profile, Workspace};

/// A board, and how what runs on it is built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Platform {
    /// The embedded kernel in Bochs.
    Bochs(Profile),
    /// A board of the user's Microkit SDK.
    Sdk(Box<Selection>),
}

impl Default for Platform {
    fn default() -> Self {
        Profile::default().into()
    }
}

impl From<Profile> for Platform {
    fn from(profile: Profile) -> Self {
        Platform::Bochs(profile)
    }
}

impl From<Selection> for Platform {
    fn from(selection: Selection) -> Self {
        Platform::Sdk(Box::new(selection))
    }
}

impl Platform {
    /// The board with the largest machine that there is: a machine grows with
    /// its system.
    pub fn board(&self) -> Board {
        match self {
            Platform::Bochs(_) => {
                Board { memory: Some(u64::from(MEMORY_MAX.0) << 20), ..Board::bochs() }
            }
            Platform::Sdk(selection) => {
                let facts = selection.facts();
                Board {
                    cores: facts.cores,
                    scheduling_domains: facts.domains,
                    schedule_length: facts.schedule,
                    ..Board::x86_64_generic_vtx()
                }
            }
        }
    }

    /// How protection domains are compiled: with their own assertions where the
    /// kernel has its own.
    pub fn profile(&self) -> Profile {
        match self {
            Platform::Bochs(profile) => *profile,
            Platform::Sdk(selection) if selection.facts().prints => Profile::Debug,
            Platform::Sdk(_) => Profile::Release,
        }
    }

    /// Whether faults of protection domains are reported on the kernel's console:
    /// by the Microkit's monitor, where its kernel prints.
    pub fn reports_on_kernel_console(&self) -> bool {
        match self {
            Platform::Bochs(_) => false,
            Platform::Sdk(selection) => selection.facts().prints,
        }
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Platform::Bochs(profile) => profile.name().into(),
            Platform::Sdk(selection) => format!("{}, SDK", selection.configuration()),
        }
    }

    /// Where everything is built that is for it alone.
    pub(crate) fn folder(&self, workspace: &Workspace) -> PathBuf {
        match self {
            Platform::Bochs(profile) => workspace.out.join(profile.name()),
            Platform::Sdk(selection) => {
                let sdk = workspace.out.join("sdk");
                sdk.join(selection.board()).join(selection.configuration())
            }
        }
    }
}
