//! Makes the guest's ACPI tables while the VMM is built. They are constant: the
//! numbers in them are those the devices are reached by.

mod build {
    pub mod dsdt;
    pub mod tables;
}

/// The same numbers that the VMM uses.
#[allow(dead_code)]
#[path = "src/layout/numbers.rs"]
mod numbers;

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src/layout/numbers.rs");
    let out = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    let tables = build::tables::all();
    let room = (numbers::ACPI_END - numbers::ACPI) as usize;
    assert!(tables.len() <= room, "the ACPI tables take {} bytes of {room}", tables.len());
    fs::write(Path::new(&out).join("acpi.bin"), tables).expect("cargo's output folder is writable");
}
