//! The Microkit SDK that the tests are given, if any: its folder in MICROKIT_SDK,
//! and in MICROKIT_KERNEL a folder with `CONFIGURATION/sel4.elf` for systems with
//! several guests, or one such file for the configuration `release`.

use std::{env, path::PathBuf};

use bulkhead_build::Platform;
use bulkhead_sdk::{BOARD, Sdk};

/// Names the kernel, or the folder of kernels, with which several guests run.
pub const KERNEL: &str = "MICROKIT_KERNEL";

/// Whether one is given.
pub fn is_given() -> bool {
    Sdk::from_environment().is_some()
}

/// Its board in a configuration.
///
/// # Panics
/// None is given, or it cannot be used.
pub fn platform(configuration: &str) -> Platform {
    select(configuration, None)
}

/// The same with the kernel for several guests.
///
/// # Panics
/// As [`platform`]; and there is no such kernel.
pub fn for_several(configuration: &str) -> Platform {
    let kernel = kernel(configuration).expect("the test is left out without one");
    select(configuration, Some(kernel))
}

/// The kernel for several guests, if one is given.
pub fn kernel(configuration: &str) -> Option<PathBuf> {
    let given = env::var_os(KERNEL).filter(|name| !name.is_empty()).map(PathBuf::from)?;
    if given.is_dir() {
        Some(given.join(configuration).join("sel4.elf")).filter(|file| file.exists())
    } else {
        Some(given).filter(|_| configuration == "release")
    }
}

fn select(configuration: &str, kernel: Option<PathBuf>) -> Platform {
    let folder = Sdk::from_environment().expect("the test is left out without one");
    let sdk = Sdk::open(&folder).unwrap_or_else(|error| panic!("{error}"));
    let selection = sdk.select(BOARD, configuration, kernel.as_deref());
    selection.unwrap_or_else(|error| panic!("{error}")).into()
}
