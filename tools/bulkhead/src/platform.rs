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
pub const KERNEL_VARIABLE: &str = "MICROKIT_KERNEL";

/// The SDK that tests are to use besides the embedded board, if any; it is one
/// that can be used.
///
/// # Errors
/// It cannot be used.
pub fn for_tests(board: &BoardArgs) -> Result<Option<PathBuf>> {
    match chosen(board, &ProfileArgs::default())? {
        Platform::Bochs(_) => Ok(None),
        Platform::Sdk(selection) => Ok(Some(selection.sdk().root().to_owned())),
    }
}

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
    let kernel = board.override_kernel.clone().or_else(|| kernel_from_environment(configuration));
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

/// As `--override-kernel`; a folder has one for each configuration.
fn kernel_from_environment(configuration: &str) -> Option<PathBuf> {
    let named = std::env::var_os(KERNEL_VARIABLE).filter(|name| !name.is_empty());
    let named = PathBuf::from(named?);
    Some(if named.is_dir() { named.join(configuration).join("sel4.elf") } else { named })
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
