//! Drivers with their devices, and no guest: a part of the tests' own domain is the
//! client.

use std::{
    fs,
    time::{Duration, Instant},
};

use bulkhead_machine::{Accelerator, DISK_UNIT, Runner, Status};
use system_tests::{System, checkout};
use tempfile::NamedTempFile;

const LIMIT: Duration = Duration::from_secs(120);

/// What the tests' domain writes, and where.
const FIRST: usize = 16 * 4096;
const BYTES: usize = 256 * 4096;

fn word(offset: usize) -> u64 {
    (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5a5a
}

const IDE: &str = "tools/system-tests/systems/disk.system";
const VIRTIO_BLK: &str = "tools/system-tests/systems/virtio-disk.system";

fn a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched(
    name: &str,
    description: &str,
    runner: Runner,
) {
    let disk = NamedTempFile::new().expect("there is room for a file").into_temp_path();
    let mut before = vec![0xa5; 16 * DISK_UNIT as usize];
    before[..5].copy_from_slice(b"hello");
    fs::write(&disk, &before).expect("the disk can be written");
    let mut session = System::new(description).with_disk(&disk).in_machine(runner).start(name);
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
    a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched("drivers-disk-bochs", IDE, bochs);
}

/// QEMU has no VT-x here: the kernel starts without.
#[test]
fn the_ide_driver_drives_qemu_s_disk() {
    let qemu = Runner::Qemu(Accelerator::Tcg);
    a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched("drivers-disk-qemu", IDE, qemu);
}

#[test]
fn the_virtio_driver_drives_qemu_s_disk() {
    let (name, qemu) = ("drivers-virtio-disk", Runner::Qemu(Accelerator::Tcg));
    a_disk_is_written_and_read_by_dma_and_nothing_else_is_touched(name, VIRTIO_BLK, qemu);
}

/// The description's device is not there: the driver is told, and says so; nobody
/// waits for a device that is another's.
#[test]
fn a_device_that_is_not_the_expected_one_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let there = |name: &str| checkout("tools/system-tests/systems").join(name);
    let here = |name: &str| folder.path().join(name);
    fs::copy(there("disk.system"), here("disk.system")).expect("it can be copied");
    let text = fs::read_to_string(there("disk.toml")).expect("it can be read");
    let other = text.replace("device = 0x7010", "device = 0x7111");
    fs::write(here("disk.toml"), other).expect("it can be written");
    let description = here("disk.system");
    let description = description.to_str().expect("a temporary folder's name is text");
    let mut session = System::new(description).debug().start("drivers-other-device");
    session.expect_status("of the start", |status| *status == Status::Ready, LIMIT);
    let until = Instant::now() + LIMIT;
    let said = |line: &str| {
        let log = fs::read(&session.logs().kernel).expect("the kernel has a log");
        String::from_utf8_lossy(&log).contains(line)
    };
    while !said("pci: ide at 00:01.1: another device is at that place")
        || !said("ide: another device is at that place")
    {
        assert!(Instant::now() < until, "nobody says what is wrong");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(session.stop().is_empty(), "the client was told of a disk");
}

const E1000: &str = "tools/system-tests/systems/net.system";
const VIRTIO_NET: &str = "tools/system-tests/systems/virtio-net.system";

/// The hosts that Bochs and QEMU are in their networks.
const BOCHS_HOST: &str = r"192\.168\.10\.1";
const QEMU_HOST: &str = r"10\.0\.2\.2";

fn the_network_s_other_host_sends_back_what_it_is_sent(
    name: &str,
    description: &str,
    runner: Runner,
    host: &str,
) {
    let mut session = System::new(description).in_machine(runner).start(name);
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
    let (name, bochs) = ("drivers-net-bochs", Runner::default());
    the_network_s_other_host_sends_back_what_it_is_sent(name, E1000, bochs, BOCHS_HOST);
}

#[test]
fn the_e1000_driver_drives_qemu_s_card() {
    let (name, qemu) = ("drivers-net-qemu", Runner::Qemu(Accelerator::Tcg));
    the_network_s_other_host_sends_back_what_it_is_sent(name, E1000, qemu, QEMU_HOST);
}

#[test]
fn the_virtio_driver_drives_qemu_s_card() {
    let (name, qemu) = ("drivers-virtio-net", Runner::Qemu(Accelerator::Tcg));
    the_network_s_other_host_sends_back_what_it_is_sent(name, VIRTIO_NET, qemu, QEMU_HOST);
}
