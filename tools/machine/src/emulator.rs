//! Whether the emulator and the host can be the machine: asked before each
//! start, because afterwards the only answer is a kernel that does not come up.

use std::{fs, path::Path, process::Command};

use crate::{
    config::{Mebibytes, PROGRAM, REQUIRED},
    machine::MachineError,
};

/// The first Bochs whose VT-x the kernel starts on. Major and minor.
const OLDEST: (u32, u32) = (2, 7);

/// The processor of the machine.
pub(crate) const MODEL: &str = "corei7_skylake_x";

/// Where Linux says how much memory the host has.
const MEMINFO: &str = "/proc/meminfo";

/// Checks everything that can be known before a start.
pub(crate) fn check(memory: Mebibytes) -> Result<(), MachineError> {
    for (path, package) in REQUIRED {
        if !Path::new(path).exists() {
            return Err(MachineError::NotInstalled { path, package });
        }
    }
    // Where it cannot be read, the emulator will tell.
    if let Some(host) = fs::read_to_string(MEMINFO).ok().and_then(|text| total(&text))
        && host < memory
    {
        return Err(MachineError::HostMemory { wanted: memory, host });
    }
    let output =
        bulkhead_host::output(Command::new(PROGRAM).args(["--help", "cpu"])).map_err(|why| {
            MachineError::Unsuited { program: PROGRAM, why: format!("it cannot be started: {why}") }
        })?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    suits(&said)
}

/// What the host has in all.
fn total(meminfo: &str) -> Option<Mebibytes> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    u32::try_from(kibibytes >> 10).ok().map(Mebibytes)
}

/// Reads what Bochs says of itself to `--help cpu`.
fn suits(said: &str) -> Result<(), MachineError> {
    let unsuited = |why: String| Err(MachineError::Unsuited { program: PROGRAM, why });
    let Some(version) =
        said.lines().find_map(|line| line.split_once("Emulator ").map(|(_, v)| v.trim()))
    else {
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return unsuited(format!("it does not say its version, but: {first}"));
    };
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => {}
        _ => {
            let (major, minor) = OLDEST;
            return unsuited(format!("it is version {version}, {major}.{minor} is the oldest"));
        }
    }
    if said.lines().any(|line| line.trim() == MODEL) {
        Ok(())
    } else {
        unsuited(format!("it was built without the processor {MODEL}, which has VT-x"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(version: &str, model: &str) -> String {
        format!(
            "00000000000i[      ] LTDL_LIBRARY_PATH not set\nSupported CPU models:\n\nbx_generic\n\
             {model}\n\n===\n                        Bochs x86 Emulator {version}\n\
             \x20             Built from SVN snapshot on August  1, 2021\n"
        )
    }

    fn refused(said: &str) -> String {
        suits(said).unwrap_err().to_string()
    }

    #[test]
    fn an_emulator_is_known_by_version_and_processor() {
        for version in ["2.7", "2.7.1", "2.8", "3.0", "2.10.pre"] {
            assert!(suits(&said(version, MODEL)).is_ok(), "{version}");
        }
        for version in ["2.6.11", "2.6", "1.9", "2", "", "devel"] {
            assert!(refused(&said(version, MODEL)).contains("2.7 is the oldest"), "{version}");
        }
        assert!(refused(&said("2.7", "core2_penryn_t9600")).contains("without the processor"));
        assert!(refused("error while loading shared libraries: x.so").ends_with("x.so"));
        assert!(refused("").ends_with("nothing"));
    }

    #[test]
    fn the_hosts_memory_is_read() {
        assert_eq!(total("MemTotal:        2097152 kB\nMemFree: 1 kB\n"), Some(Mebibytes(2048)));
        assert_eq!(total("MemTotal: many\n"), None);
    }
}
