//! Builds a kernel: `build debug|release FOLDER [WITHOUT]`. Prints the paths.
//! WITHOUT is the number of a patch, or the name of a file in `patches/undo`.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use bulkhead_kernel::{Configuration, Request, build, build_without};
use bulkhead_progress::Silent;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (configuration, out, without) = match &arguments[..] {
        [configuration, out] => (configuration, out, None),
        [configuration, out, without] => (configuration, out, Some(without)),
        _ => {
            eprintln!("usage: build debug|release FOLDER [WITHOUT]");
            return ExitCode::FAILURE;
        }
    };
    let Some(configuration) = Configuration::ALL.into_iter().find(|c| c.name() == configuration)
    else {
        eprintln!("no such configuration: {configuration}");
        return ExitCode::FAILURE;
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let request =
        Request { workspace: &workspace, out: Path::new(out), configuration, progress: &Silent };
    let built = match without {
        None => build(&request),
        Some(what) => build_without(&request, what),
    };
    match built {
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
