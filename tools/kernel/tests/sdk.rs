//! Holds the committed numbers against a real Microkit SDK, where there is one.

use std::path::{Path, PathBuf};

use bulkhead_kernel::{SDK_NUMBERS_FILE, sdk_numbers};

/// The SDK that `MICROKIT_SDK` names, its board with guests.
fn board() -> Option<PathBuf> {
    let Some(sdk) = std::env::var_os("MICROKIT_SDK") else {
        eprintln!("not run: it needs a Microkit SDK, whose folder MICROKIT_SDK names");
        return None;
    };
    Some(Path::new(&sdk).join("board/x86_64_generic_vtx"))
}

#[test]
fn the_committed_numbers_are_those_of_the_release_configuration() {
    let Some(board) = board() else { return };
    let made = sdk_numbers(&board.join("release")).unwrap_or_else(|error| panic!("{error}"));
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let committed = std::fs::read_to_string(workspace.join(SDK_NUMBERS_FILE)).unwrap();
    assert_eq!(committed, made, "{SDK_NUMBERS_FILE} is not this SDK's: kernel-numbers --sdk");
}

#[test]
fn every_configuration_has_its_own_numbers() {
    let Some(board) = board() else { return };
    let numbers = |configuration| {
        sdk_numbers(&board.join(configuration)).unwrap_or_else(|error| panic!("{error}"))
    };
    // The debug kernel's breakpoints come before most other invocations.
    assert!(numbers("debug").contains("TCB_SET_BREAKPOINT"));
    assert!(!numbers("release").contains("TCB_SET_BREAKPOINT"));
}
