//! Drivers with their devices, and no guest: a part of the tests' own domain is the
//! client.

use std::{fs, time::Duration};

use bulkhead_machine::{Accelerator, DISK_UNIT, Runner};
use system_tests::System;
use tempfile::NamedTempFile;

const LIMIT: Duration = Duration::from_secs(120);

/// What `systems/disk.system` writes, and where.
const FIRST: usize = 16 * 4096;
const BYTES: usize = 256 * 4096;

fn word(offset: usize) -> u64 {
    (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5a5a
}

fn a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched(name: &str, runner: Runner) {
    let disk = NamedTempFile::new().expect("there is room for a file").into_temp_path();
    let mut before = vec![0xa5; 16 * DISK_UNIT as usize];
    before[..5].copy_from_slice(b"hello");
    fs::write(&disk, &before).expect("the disk can be written");
    let mut session = System::new("tools/system-tests/systems/disk.system")
        .with_disk(&disk)
        .in_machine(runner)
        .start(name);
    let lines = [
        "disk has 1024 blocks",
        r"disk says hello in \d+ ticks",
        r"disk wrote 256 blocks in \d+ ticks",
        r"disk read 256 blocks as they were written in \d+ ticks",
        "disk is done with 0 failures",
    ];
    for line in lines {
        println!("{}", session.expect(&format!("{line}\r?\n"), LIMIT).trim());
    }
    session.stop();
    let after = fs::read(&disk).expect("the disk is there");
    let written = &after[FIRST..FIRST + BYTES];
    let expected = (0..BYTES).step_by(8).flat_map(|offset| word(offset).to_le_bytes());
    assert!(written.iter().copied().eq(expected), "another pattern is on the disk");
    assert!(after[..FIRST] == before[..FIRST], "blocks before it have changed");
    assert!(after[FIRST + BYTES..] == before[FIRST + BYTES..], "blocks behind it have changed");
}

#[test]
fn the_ide_driver_drives_bochs_s_disk() {
    let bochs = Runner::default();
    a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched("drivers-disk-bochs", bochs);
}

/// QEMU has no VT-x here: the kernel starts without.
#[test]
fn the_ide_driver_drives_qemu_s_disk() {
    let qemu = Runner::Qemu(Accelerator::Tcg);
    a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched("drivers-disk-qemu", qemu);
}

fn the_network_s_other_host_sends_back_what_it_is_sent(name: &str, runner: Runner, host: &str) {
    let system = System::new("tools/system-tests/systems/net.system");
    let mut session = system.in_machine(runner).start(name);
    let lines = [
        format!(r"net found {host} at \[.*\]"),
        r"net had 28 echoes as they were sent in \d+ ticks".to_owned(),
    ];
    for line in lines {
        println!("{}", session.expect(&format!("{line}\r?\n"), LIMIT).trim());
    }
}

#[test]
fn the_e1000_driver_drives_bochs_s_card() {
    let (bochs, host) = (Runner::default(), r"192\.168\.10\.1");
    the_network_s_other_host_sends_back_what_it_is_sent("drivers-net-bochs", bochs, host);
}

#[test]
fn the_e1000_driver_drives_qemu_s_card() {
    let (qemu, host) = (Runner::Qemu(Accelerator::Tcg), r"10\.0\.2\.2");
    the_network_s_other_host_sends_back_what_it_is_sent("drivers-net-qemu", qemu, host);
}
