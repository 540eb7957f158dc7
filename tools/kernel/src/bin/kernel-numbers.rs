//! Prints the numbers of a kernel's interface as Rust, or with `--write` puts
//! them where `lib/sel4` expects them: the embedded kernel's, or those of a
//! Microkit SDK's.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bulkhead_kernel::{KernelError, NUMBERS_FILE, SDK_NUMBERS_FILE};
use bulkhead_progress::Silent;
use miette::Diagnostic;

const USAGE: &str = "usage: kernel-numbers [--sdk DIR [--config CONFIGURATION]] [--write]";

/// The only board of the SDK whose kernel runs guests.
const BOARD: &str = "board/x86_64_generic_vtx";

struct Arguments {
    /// A configuration's folder in a SDK; none for the embedded kernel.
    sdk: Option<PathBuf>,
    write: bool,
}

fn arguments(mut given: impl Iterator<Item = String>) -> Option<Arguments> {
    let (mut sdk, mut configuration, mut write) = (None, None, false);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            "--sdk" => sdk = Some(PathBuf::from(given.next()?)),
            "--config" => configuration = Some(given.next()?),
            "--write" => write = true,
            _ => return None,
        }
    }
    if sdk.is_none() && configuration.is_some() {
        return None;
    }
    let configuration = configuration.as_deref().unwrap_or("release");
    Some(Arguments { sdk: sdk.map(|dir| dir.join(BOARD).join(configuration)), write })
}

fn numbers(workspace: &Path, sdk: Option<&Path>) -> Result<(String, &'static str), KernelError> {
    Ok(match sdk {
        Some(folder) => (bulkhead_kernel::sdk_numbers(folder)?, SDK_NUMBERS_FILE),
        None => (bulkhead_kernel::numbers(workspace, &Silent)?, NUMBERS_FILE),
    })
}

fn main() -> ExitCode {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(Arguments { sdk, write }) = arguments(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    let (text, file) = match numbers(&workspace, sdk.as_deref()) {
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("help: {help}");
            }
            return ExitCode::FAILURE;
        }
    };
    if !write {
        print!("{text}");
        return ExitCode::SUCCESS;
    }
    let path = workspace.join(file);
    if let Err(error) = std::fs::write(&path, text) {
        eprintln!("error: cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
