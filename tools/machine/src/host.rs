//! What the host has.

use std::fs;

use crate::{config::Mebibytes, machine::MachineError};

/// Where Linux says how much memory the host has.
const MEMINFO: &str = "/proc/meminfo";

/// Refuses a machine that is larger than the host.
pub(crate) fn has_memory(wanted: Mebibytes) -> Result<(), MachineError> {
    // Where it cannot be read, the emulator will tell.
    match fs::read_to_string(MEMINFO).ok().and_then(|text| total(&text)) {
        Some(host) if host < wanted => Err(MachineError::HostMemory { wanted, host }),
        _ => Ok(()),
    }
}

/// What the host has in all.
fn total(meminfo: &str) -> Option<Mebibytes> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    u32::try_from(kibibytes >> 10).ok().map(Mebibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_memory_is_read() {
        assert_eq!(total("MemTotal:        2097152 kB\nMemFree: 1 kB\n"), Some(Mebibytes(2048)));
        assert_eq!(total("MemTotal: many\n"), None);
    }
}
