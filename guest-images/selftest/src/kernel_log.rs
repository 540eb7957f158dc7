//! Nothing in the kernel's log that a bare machine would not show.

use std::{fs::OpenOptions, io::Read, os::unix::fs::OpenOptionsExt};

use crate::Outcome;

/// O_NONBLOCK: the log's end is an error, not a wait (linux/fcntl.h).
const O_NONBLOCK: i32 = 0o4000;

/// Highest priority that counts: 4 is a warning (linux/kern_levels.h).
const WARNING: u32 = 4;

/// Warnings that a bare machine shows too, and why.
const EXPECTED: &[(&str, &str)] = &[
    // A kernel without the matching microcode mitigations says so on any CPU.
    ("Vulnerable", "processor bug without a mitigation"),
    ("mitigation", "processor bug"),
    ("Mitigation", "processor bug"),
    // So says a PC of before PCI Express, which this is; QEMU's does too.
    ("fail to add MMCONFIG information", "no PCI Express"),
    // Debian's kernel loads modules signed with a key that expires with it.
    ("tainting kernel", "out-of-tree or unsigned module"),
];

/// Reads the whole log and looks at every warning and error.
pub fn quiet() -> Outcome {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open("/dev/kmsg")
        .map_err(|e| format!("/dev/kmsg: {e}"))?;
    let mut records = 0;
    let mut bad = Vec::new();
    // One read is one record; the longest is 8 KiB (kernel/printk/printk.c).
    let mut record = vec![0; 8192];
    // At the end the read would block, which is an error here.
    while let Ok(length) = log.read(&mut record) {
        records += 1;
        let text = String::from_utf8_lossy(&record[..length]);
        let Some((head, message)) = text.split_once(';') else { continue };
        let priority = head.split(',').next().and_then(|p| p.parse::<u32>().ok()).unwrap_or(0) & 7;
        // Facility 0 is the kernel; user space writes here too.
        let kernel = head.split(',').next().and_then(|p| p.parse::<u32>().ok()).unwrap_or(0) < 8;
        if kernel && priority <= WARNING && !EXPECTED.iter().any(|(t, _)| message.contains(t)) {
            bad.push(message.lines().next().unwrap_or_default().to_owned());
        }
    }
    if records == 0 {
        return Err("the log is empty, so nothing was tested".into());
    }
    if bad.is_empty() {
        Ok(format!("{records} records, no warning"))
    } else {
        Err(format!("{} of {records} records: {}", bad.len(), bad.join(" | ")))
    }
}
