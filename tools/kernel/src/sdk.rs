//! The numbers of a Microkit SDK's kernel, from one of its configurations'
//! folders (`board/BOARD/CONFIGURATION`).
//!
//! Not here: which SDK, board and configuration are meant.
//!
//! What surprises: the SDK has the numbers of invocations a second time, for
//! its own tool, which gives a protection domain its capabilities. Where the
//! two differ, files of two SDKs were mixed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::KernelError;
use crate::compile::SdkCompiler;
use crate::error::FileContext;
use crate::interface::calls::{Interface, Layout};
use crate::interface::names::constant_name;
use crate::interface::numbers;
use crate::interface::tables::Kernel;

/// No file of a SDK that is read here is larger; the largest has 80 KiB.
const MAX_FILE: u64 = 4 << 20;

/// Options without which the SDK's kernel cannot run a Bulkhead system.
const REQUIRED: [(&str, &str); 4] = [
    ("ARCH_X86_64", "it is not for x86-64"),
    ("KERNEL_MCS", "it has no scheduling contexts"),
    ("VTX", "it runs no guests"),
    ("X86_64_VTX_64BIT_GUESTS", "it runs no 64-bit guests"),
];

/// Makes the numbers of a SDK's kernel.
///
/// # Returns
/// Rust: modules of constants, to be included into a module of `lib/sel4`.
///
/// # Errors
/// A file is missing or not as this program knows it, the kernel lacks what
/// guests need, or there is no C compiler.
pub fn sdk_numbers(configuration: &Path) -> Result<String, KernelError> {
    let include = configuration.join("include");
    check_options(&include.join("kernel/gen_config.json"))?;
    let dir = tempfile::tempdir().context("cannot create a folder in", &std::env::temp_dir())?;
    let interface = Interface::read(&include, &Layout::SDK).map_err(of_sdk)?;
    let compiler = SdkCompiler { include: &include };
    let text =
        numbers::generate(&interface, Kernel::Sdk, &compiler, dir.path()).map_err(|error| {
            match error {
                KernelError::Program { output, .. } => {
                    wrong(&include, format!("its C headers are not understood\n{output}"))
                }
                // The probe is this program's own, what is in it is the SDK's.
                KernelError::Interface { why, .. } => wrong(&include, why),
                other => other,
            }
        })?;
    check_invocations(&configuration.join("invocations_all.json"), &text)?;
    Ok(text)
}

/// The kernel must have been built with what guests need.
fn check_options(path: &Path) -> Result<(), KernelError> {
    let options = read_object(path)?;
    for (option, without) in REQUIRED {
        if options.get(option) != Some(&Value::Bool(true)) {
            return Err(wrong(path, format!("this kernel is built without {option}: {without}")));
        }
    }
    Ok(())
}

/// The SDK's own list must agree with its headers.
fn check_invocations(path: &Path, text: &str) -> Result<(), KernelError> {
    let object = read_object(path)?;
    let listed: HashMap<String, &Value> =
        object.iter().map(|(name, label)| (constant_name(name), label)).collect();
    for (name, label) in invocations(text) {
        match listed.get(name).map(|listed| listed.as_u64()) {
            Some(Some(listed)) if listed.to_string() == label => {}
            Some(_) => {
                let why = format!("its label of {name} is not {label}, which the headers have");
                return Err(wrong(path, why));
            }
            None => {
                return Err(wrong(path, format!("{name} is missing, which the headers have")));
            }
        }
    }
    Ok(())
}

/// Name and label of every constant in the module of invocations.
fn invocations(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let module = text.split("\npub mod ").find(|module| module.starts_with("invocation "));
    module.unwrap_or_default().lines().filter_map(|line| {
        line.trim().strip_prefix("pub const ")?.strip_suffix(';')?.split_once(": usize = ")
    })
}

fn read_object(path: &Path) -> Result<serde_json::Map<String, Value>, KernelError> {
    let size = std::fs::metadata(path).context("cannot read", path).map_err(of_sdk)?.len();
    if size > MAX_FILE {
        return Err(wrong(path, format!("it has {size} bytes, more than any such file")));
    }
    let text = std::fs::read_to_string(path).context("cannot read", path).map_err(of_sdk)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(wrong(path, "it is no JSON object".into())),
        Err(error) => Err(wrong(path, format!("it is no JSON: {error}"))),
    }
}

fn wrong(path: &Path, why: String) -> KernelError {
    KernelError::Sdk { path: path.to_owned(), why }
}

/// Errors of files read as the project's own, when they are the SDK's.
fn of_sdk(error: KernelError) -> KernelError {
    let sdk = |path: PathBuf, why| KernelError::Sdk { path, why };
    match error {
        KernelError::File { action, path, source } => sdk(path, format!("{action}: {source}")),
        KernelError::Interface { path, why } => sdk(path, why),
        other => other,
    }
}

#[cfg(test)]
mod tests;
