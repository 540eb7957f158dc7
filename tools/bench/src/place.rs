//! Where figures come from. They are compared only with figures from the same
//! place: a tick of one kernel says nothing of another.

use std::fmt;

use bulkhead_build::Platform;

use crate::{Spec, figure};

/// A board that can be measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Board {
    /// The embedded kernel.
    Bochs,
    /// The user's Microkit SDK.
    Sdk,
}

impl Board {
    /// As figures name it.
    pub const fn name(self) -> &'static str {
        match self {
            Board::Bochs => "bochs",
            Board::Sdk => "x86_64_generic_vtx",
        }
    }

    /// Every figure that can be had of it, in the order in which they are shown.
    pub fn catalogue(self) -> Vec<Spec> {
        match self {
            Board::Bochs => figure::CATALOGUE.to_vec(),
            Board::Sdk => figure::of_sdk(),
        }
    }
}

/// A board, how its kernel is configured, and what ran it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The board.
    pub board: Board,
    /// The kernel's configuration, such as `release`.
    pub configuration: String,
    /// The kernel, in words.
    pub kernel: String,
    /// The machine.
    pub machine: &'static str,
}

impl Place {
    /// The only machine whose ticks are instructions.
    pub const MACHINE: &'static str = "bochs";

    /// Where systems for this platform are measured.
    pub fn of(platform: &Platform) -> Self {
        let machine = Self::MACHINE;
        match platform {
            Platform::Bochs(profile) => Place {
                board: Board::Bochs,
                configuration: profile.name().into(),
                kernel: "seL4 5.0.0, patched".into(),
                machine,
            },
            Platform::Sdk(selection) => {
                let version = selection.sdk().version();
                let given = selection.kernel().is_given();
                let whose = if given { "with a kernel of the user's" } else { "its own kernel" };
                Place {
                    board: Board::Sdk,
                    configuration: selection.configuration().into(),
                    kernel: format!("Microkit SDK {version}, {whose}"),
                    machine,
                }
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { board, configuration, machine, .. } = self;
        write!(f, "{} ({configuration}) in {machine}", board.name())
    }
}
