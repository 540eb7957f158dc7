//! Builds a kernel: `build debug|release FOLDER`. Prints the paths.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use bulkhead_kernel::{Configuration, Request, build};
use bulkhead_progress::Silent;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [configuration, out] = &arguments[..] else {
        eprintln!("usage: build debug|release FOLDER");
        return ExitCode::FAILURE;
    };
    let Some(configuration) = Configuration::ALL.into_iter().find(|c| c.name() == configuration)
    else {
        eprintln!("no such configuration: {configuration}");
        return ExitCode::FAILURE;
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let request =
        Request { workspace: &workspace, out: Path::new(out), configuration, progress: &Silent };
    match build(&request) {
        Ok(kernel) => {
            println!("{}\n{}", kernel.elf32.display(), kernel.elf.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
