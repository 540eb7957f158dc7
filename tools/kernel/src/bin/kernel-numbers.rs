//! Prints the numbers of the kernel's interface as Rust, or with `--write`
//! puts them where `lib/sel4` expects them.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use bulkhead_progress::Silent;
use miette::Diagnostic;

fn main() -> ExitCode {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers = match bulkhead_kernel::numbers(&workspace, &Silent) {
        Ok(numbers) => numbers,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(help) = error.help() {
                eprintln!("help: {help}");
            }
            return ExitCode::FAILURE;
        }
    };
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => print!("{numbers}"),
        ["--write"] => {
            let path = workspace.join(bulkhead_kernel::NUMBERS_FILE);
            if let Err(error) = std::fs::write(&path, numbers) {
                eprintln!("error: cannot write {}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
        _ => {
            eprintln!("usage: kernel-numbers [--write]");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
