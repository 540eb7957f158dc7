//! The default system's disk as its guest sees it, over every part of the way: the
//! VMM's virtio device, the virtualiser with the partition table, the IDE driver and
//! its controller, and an image on the host.

use std::{fs, path::Path, process::Command};

use system_tests::{COMMAND, Shells, System, fresh_disk};
use tempfile::NamedTempFile;

/// The guest, and its partition.
const GUEST: &str = "debian";

fn booted(disk: &Path, name: &str) -> Shells {
    Shells::booted(System::default().with_disk(disk), name)
}

/// A copy of the guest's partition, for programs of the host's.
fn partition(disk: &Path) -> NamedTempFile {
    let found = bulkhead_disk::find(disk, GUEST).unwrap().expect("it is still there");
    let copy = NamedTempFile::new().unwrap();
    fs::write(copy.path(), bulkhead_disk::contents(disk, &found).unwrap()).unwrap();
    copy
}

/// e2fsck's exit status and words.
fn fsck(partition: &Path, how: &str) -> (i32, String) {
    let output = Command::new("/sbin/e2fsck").args(["-f", how]).arg(partition).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

#[test]
fn what_was_written_is_there_after_the_next_start_and_the_file_system_is_clean() {
    let disk = fresh_disk(&[GUEST.into()]);
    let mut shell = booted(&disk, "disk-first");
    shell.succeeds(GUEST, "dd if=/dev/urandom of=/disk/file bs=64k count=48 2>/dev/null");
    let sum = shell.succeeds(GUEST, "sync; sha256sum /disk/file");
    let verified = shell.succeeds(GUEST, "disktest /disk/area 4 3000 7");
    assert!(verified.contains("3000 requests"), "{verified}");
    // A full disk says so, and takes no harm.
    let (said, status) = shell.run(GUEST, "dd if=/dev/zero of=/disk/rest bs=64k");
    assert!(status != 0 && said.contains("No space left on device"), "{said}");
    shell.succeeds(GUEST, "rm /disk/rest /disk/area");
    shell.power_off();
    let copy = partition(&disk);
    let (status, said) = fsck(copy.path(), "-n");
    assert_eq!(status, 0, "{said}");

    let mut shell = booted(&disk, "disk-second");
    assert_eq!(shell.succeeds(GUEST, "sha256sum /disk/file"), sum);
    shell.power_off();
}

#[test]
fn a_machine_that_is_killed_in_the_middle_of_writes_keeps_what_was_synced() {
    let disk = fresh_disk(&[GUEST.into()]);
    let mut shell = booted(&disk, "disk-killed");
    shell.succeeds(GUEST, "seq 1 20000 >/disk/synced; sync");
    shell.type_to(
        GUEST,
        "while dd if=/dev/urandom of=/disk/torn bs=16k count=64 conv=fsync 2>/dev/null; \
         do echo round; done",
    );
    // Two rounds are whole; the third is being written.
    shell.session().expect("\nround\r\nround\r\n", COMMAND);
    shell.stop();

    let copy = partition(&disk);
    let (status, said) = fsck(copy.path(), "-p");
    assert!(status == 0 || status == 1, "the journal is enough: {status}: {said}");
    let (status, said) = fsck(copy.path(), "-n");
    assert_eq!(status, 0, "{said}");
    let read = Command::new("/sbin/debugfs").args(["-R", "cat /synced"]).arg(copy.path()).output();
    let expected: String = (1..=20000).map(|n| format!("{n}\n")).collect();
    assert!(String::from_utf8_lossy(&read.unwrap().stdout) == expected);
}
