//! Which board a command is for, from its options and the environment.

use std::path::{Path, PathBuf};

use bulkhead_build::{Platform, Profile};
use bulkhead_sdk::{BOARD, Sdk, VARIABLE};
use miette::{Result, miette};

use crate::cli::{BoardArgs, ProfileArgs};

/// The board whose kernel is built here.
pub const EMBEDDED: &str = "bochs";

/// The environment variable that names a kernel, as `--override-kernel` does: for
/// tests, which have no options of their own.
const KERNEL_VARIABLE: &str = "MICROKIT_KERNEL";

/// What is built for.
///
/// # Errors
/// Options that do not go together, or an SDK that cannot be used.
pub fn chosen(board: &BoardArgs, profile: &ProfileArgs) -> Result<Platform> {
    let named = board.sdk.clone().or_else(Sdk::from_environment);
    let embedded = match (&board.board, &named) {
        (Some(name), _) => name == EMBEDDED,
        (None, sdk) => sdk.is_none(),
    };
    if embedded { of_bochs(board, profile) } else { of_sdk(board, profile, named) }
}

fn of_bochs(board: &BoardArgs, profile: &ProfileArgs) -> Result<Platform> {
    if board.board.is_none() && board.override_kernel.is_some() {
        return Err(no_sdk("--override-kernel"));
    }
    if board.override_kernel.is_some() {
        return Err(miette!(
            help = "leave one of them out; the guest's kernel is --kernel",
            "--override-kernel is for the SDK's board, and --board {EMBEDDED} has a kernel of its own"
        ));
    }
    let known = Profile::ALL.into_iter();
    let profile = match profile.config.as_deref() {
        None => profile.plain(),
        Some(name) => known.clone().find(|known| known.name() == name).ok_or_else(|| {
            let known: Vec<&str> = known.map(Profile::name).collect();
            miette!(
                help =
                    format!("--sdk DIR or {VARIABLE} names a Microkit SDK, whose board has more"),
                "the board `{EMBEDDED}` has no configuration `{name}`: it has {}",
                known.join(", ")
            )
        })?,
    };
    Ok(profile.into())
}

fn of_sdk(board: &BoardArgs, profile: &ProfileArgs, sdk: Option<PathBuf>) -> Result<Platform> {
    let name = board.board.as_deref().unwrap_or(BOARD);
    let Some(sdk) = sdk else { return Err(no_sdk(&format!("--board {name}"))) };
    let configuration = profile.config.as_deref().unwrap_or_else(|| profile.plain().name());
    let kernel = board.override_kernel.clone().or_else(kernel_from_environment);
    Ok(select(&sdk, name, configuration, kernel.as_deref())?.into())
}

fn select(
    sdk: &Path,
    board: &str,
    configuration: &str,
    kernel: Option<&Path>,
) -> Result<bulkhead_sdk::Selection> {
    Ok(Sdk::open(sdk)?.select(board, configuration, kernel)?)
}

fn kernel_from_environment() -> Option<PathBuf> {
    std::env::var_os(KERNEL_VARIABLE).filter(|name| !name.is_empty()).map(PathBuf::from)
}

fn no_sdk(option: &str) -> miette::Report {
    miette!(
        help = format!(
            "give its folder by --sdk DIR, or in the environment as {VARIABLE}; releases are at \
             https://github.com/seL4/microkit/releases (2.3.x, for linux-x86-64)"
        ),
        "{option} needs a Microkit SDK, and none is named"
    )
}
