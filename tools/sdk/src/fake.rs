//! An SDK that a test makes: every file that is looked at, and a tool that notes
//! how it was called. Nothing of it could run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What a kernel's configuration has, as far as anybody here looks.
pub const CONFIGURATION: &str = r#"{"SEL4_ARCH": "x86_64", "VTX": true,
 "X86_64_VTX_64BIT_GUESTS": true, "KERNEL_MCS": true, "PRINTING": false,
 "ENABLE_SMP_SUPPORT": false, "MAX_NUM_NODES": "1", "NUM_DOMAINS": "16",
 "NUM_DOMAIN_SCHEDULES": "100"}"#;

/// Notes its arguments and its SDK beside its output, and writes that.
const TOOL: &str = r#"#!/bin/sh
set -e
config=
board=
out=
kernel=
while [ $# -gt 0 ]; do
    echo "argument $1" >> arguments
    case "$1" in
        --board) board=$2 ;;
        --config) config=$2 ;;
        --override-kernel) kernel=$2 ;;
        -o) out=$2 ;;
    esac
    shift
done
elf="$MICROKIT_SDK/board/$board/$config/elf"
echo "from $MICROKIT_SDK" >> arguments
[ -n "$kernel" ] || kernel="$elf/sel4.elf"
cp "$kernel" "$(dirname "$kernel")/sel4_32.elf" .
echo loader > "$out"
"#;

/// A fake SDK.
pub struct Fake {
    root: PathBuf,
}

impl Fake {
    /// Makes one, of release 2.3.0, with the board `x86_64_generic_vtx` in the
    /// configurations `release` and `debug`.
    ///
    /// # Panics
    /// The folder cannot be written.
    pub fn make(root: &Path) -> Fake {
        let fake = Fake { root: root.to_owned() };
        fake.write("VERSION", b"2.3.0\n");
        fake.write_tool(TOOL);
        for configuration in ["release", "debug"] {
            fake.add("x86_64_generic_vtx", configuration, CONFIGURATION);
        }
        fake
    }

    /// Adds a board's configuration.
    ///
    /// # Panics
    /// As [`Fake::make`].
    pub fn add(&self, board: &str, configuration: &str, settings: &str) {
        let at = |name: &str| format!("board/{board}/{configuration}/{name}");
        for name in ["initialiser.elf", "monitor.elf", "sel4.elf"] {
            self.write(&at(&format!("elf/{name}")), &elf(2, 62));
        }
        self.write(&at("elf/sel4_32.elf"), &elf(1, 3));
        for name in ["invocations_all.json", "object_sizes.json", "address_space_constants.json"] {
            self.write(&at(name), b"{}");
        }
        self.write(&at("include/kernel/gen_config.json"), settings.as_bytes());
    }

    /// Replaces the tool by a script.
    ///
    /// Another process writes it: a file that this one has open for writing stays
    /// open for a moment in every program that another thread starts meanwhile, and
    /// cannot be executed then (ETXTBSY).
    ///
    /// # Panics
    /// As [`Fake::make`].
    pub fn write_tool(&self, script: &str) {
        self.write("bin/text", script.as_bytes());
        let (text, tool) = (self.path("bin/text"), self.path("bin/microkit"));
        let copied = Command::new("install").args(["-m", "755"]).args([&text, &tool]).status();
        assert!(copied.expect("install starts").success(), "{}", tool.display());
    }

    /// Writes a file of it.
    ///
    /// # Panics
    /// As [`Fake::make`].
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the SDK")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }

    /// Removes a file or folder of it.
    ///
    /// # Panics
    /// It is not there.
    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// The header of an ELF file of a class (1 for 32 bits, 2 for 64) for a processor
/// (`e_machine`).
pub fn elf(class: u8, machine: u16) -> Vec<u8> {
    let mut bytes = vec![0; 64];
    bytes[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1, 1]);
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes
}
