//! The user's own Microkit SDK: found, held to what this project needs of it,
//! and its tool called.
//!
//! [`Sdk::open`] looks at the folder, its version and its tool;
//! [`Sdk::select`] at one board in one configuration, with another kernel if
//! one is given; [`Selection::admit`] at whether that kernel can run as many
//! virtual machines as a system has; [`Selection::call`] calls the tool. Each refusal names what
//! was found and what is needed.
//!
//! Not here: what is in a system, how its programs are compiled, boot images.
//!
//! Files of an SDK are nobody's that we know: reads are bounded, and nothing
//! that they say is believed beyond what is checked here. What runs is another
//! matter: the SDK's tool runs as the user, as it would without us.
//!
//! What surprises: the tool takes its SDK from the environment, not from where
//! it lies itself, so every call sets `MICROKIT_SDK`.
#![forbid(unsafe_code)]

mod error;
mod facts;
#[cfg(feature = "fake")]
pub mod fake;
mod files;
mod folder;
mod kernel;
mod selection;
mod tool;
mod version;

pub use error::SdkError;
pub use facts::Facts;
pub use folder::{Sdk, VARIABLE};
pub use kernel::{Kernel, SEVERAL_MACHINES};
pub use selection::{BOARD, Selection};
pub use tool::{Image, Job};
pub use version::Version;
