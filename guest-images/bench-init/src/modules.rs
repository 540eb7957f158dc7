//! Loads the kernel's modules that the initial RAM disk brings.

use std::{fs, fs::File};

use nix::kmod::{ModuleInitFlags, finit_module};

/// The folder of the modules, and the file that names them in order.
const FOLDER: &str = "/lib/modules";

/// Loads all of them.
///
/// # Errors
/// Which was not loaded, and why.
pub fn load() -> Result<(), String> {
    let order = format!("{FOLDER}/order");
    let order = fs::read_to_string(&order).map_err(|e| format!("{order}: {e}"))?;
    for name in order.lines() {
        let path = format!("{FOLDER}/{name}");
        let file = File::open(&path).map_err(|e| format!("{path}: {e}"))?;
        finit_module(&file, c"", ModuleInitFlags::empty()).map_err(|e| format!("{path}: {e}"))?;
    }
    Ok(())
}
