//! The default system's disk as its guest sees it, over every part of the way: the
//! VMM's virtio device, the virtualiser with the partition table, the IDE driver and
//! its controller, and an image on the host.

use std::{fs, path::Path, process::Command, time::Duration};

use bulkhead_machine::Outcome;
use system_tests::{Session, System, fresh_disk};
use tempfile::NamedTempFile;

/// A boot takes about a minute alone on a quiet processor.
const BOOT: Duration = Duration::from_secs(400);
/// A command of the guest's, on a machine that may be busy.
const COMMAND: Duration = Duration::from_secs(400);
const PROMPT: &str = "guest:[^ ]*# ";
/// The guest's partition.
const PARTITION: &str = "debian";

fn booted(disk: &Path, name: &str) -> Session {
    let mut session = System::default().with_disk(disk).start(name);
    session.expect_ready(BOOT);
    session.expect(PROMPT, BOOT);
    session
}

/// Runs a command in the guest's shell: what it printed, and its exit status.
fn run(session: &mut Session, command: &str) -> (String, String) {
    // Quotes, so that the line that was typed, which comes back, has no marks.
    session.type_line(&format!("echo \"<\"begin\">\"; {command}; echo \"<\"$?\">\""));
    session.expect("<begin>\r\n", COMMAND);
    let said = session.expect("((?s).*?<[0-9]+>)", COMMAND);
    let (output, status) = said.rsplit_once('<').unwrap_or_default();
    (output.replace('\r', ""), status.trim_end_matches('>').into())
}

/// The same for one that must succeed.
fn succeeds(session: &mut Session, command: &str) -> String {
    let (output, status) = run(session, command);
    assert_eq!(status, "0", "{command}: {output}");
    output
}

fn power_off(mut session: Session) {
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("debian", COMMAND).0, Outcome::POWER_OFF);
}

/// A copy of the guest's partition, for programs of the host's.
fn partition(disk: &Path) -> NamedTempFile {
    let found = bulkhead_disk::find(disk, PARTITION).unwrap().expect("it is still there");
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
    let disk = fresh_disk(&[PARTITION.into()]);
    let mut session = booted(&disk, "disk-first");
    succeeds(&mut session, "dd if=/dev/urandom of=/disk/file bs=64k count=48 2>/dev/null");
    let sum = succeeds(&mut session, "sync; sha256sum /disk/file");
    let verified = succeeds(&mut session, "disktest /disk/area 4 3000 7");
    assert!(verified.contains("3000 requests"), "{verified}");
    // A full disk says so, and takes no harm.
    let (said, status) = run(&mut session, "dd if=/dev/zero of=/disk/rest bs=64k");
    assert!(status != "0" && said.contains("No space left on device"), "{said}");
    succeeds(&mut session, "rm /disk/rest /disk/area");
    power_off(session);
    let copy = partition(&disk);
    let (status, said) = fsck(copy.path(), "-n");
    assert_eq!(status, 0, "{said}");

    let mut session = booted(&disk, "disk-second");
    assert_eq!(succeeds(&mut session, "sha256sum /disk/file"), sum);
    power_off(session);
}

#[test]
fn a_machine_that_is_killed_in_the_middle_of_writes_keeps_what_was_synced() {
    let disk = fresh_disk(&[PARTITION.into()]);
    let mut session = booted(&disk, "disk-killed");
    succeeds(&mut session, "seq 1 20000 >/disk/synced; sync");
    session.type_line(
        "while dd if=/dev/urandom of=/disk/torn bs=16k count=64 conv=fsync 2>/dev/null; \
         do echo round; done",
    );
    // Two rounds are whole; the third is being written.
    session.expect("\nround\r\nround\r\n", COMMAND);
    session.stop();

    let copy = partition(&disk);
    let (status, said) = fsck(copy.path(), "-p");
    assert!(status == 0 || status == 1, "the journal is enough: {status}: {said}");
    let (status, said) = fsck(copy.path(), "-n");
    assert_eq!(status, 0, "{said}");
    let read = Command::new("/sbin/debugfs").args(["-R", "cat /synced"]).arg(copy.path()).output();
    let expected: String = (1..=20000).map(|n| format!("{n}\n")).collect();
    assert!(String::from_utf8_lossy(&read.unwrap().stdout) == expected);
}
