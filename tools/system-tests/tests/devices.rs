//! Real programs on a guest's devices: patterns and random requests on a disk, a disk
//! that may only be read and is slow by order, a second console, random numbers.
//!
//! One boot for all that is short: a boot costs more than most of it.

use std::time::Instant;

use system_tests::{COMMAND, Shells, System};

const GUEST: &str = "debian";

/// The disk that may only be read, on the guest's PCI bus.
const KEPT: &str = "0000:00:02.0";

fn booted(name: &str) -> Shells {
    let system = System::new("tools/system-tests/systems/devices.system").with_test_programs();
    Shells::booted(system, name)
}

#[test]
fn real_programs_find_the_devices_as_they_are_described() {
    let mut shell = booted("devices");
    second_console(&mut shell);
    patterns(&mut shell);
    random_requests(&mut shell, 15_000, 32);
    read_only(&mut shell);
    limits(&mut shell);
    random_numbers(&mut shell);
    shell.power_off();
}

#[test]
#[ignore = "takes half an hour"]
fn a_million_random_requests_are_verified() {
    let mut shell = booted("devices-million");
    // Short ones, which the requests' own paths are most of.
    random_requests(&mut shell, 1_000_000, 4);
    shell.power_off();
}

/// The virtio console has a shell of its own, and what is typed reaches the console that
/// was chosen.
fn second_console(shell: &mut Shells) {
    shell.type_to(GUEST, "echo shown on hvc0 >/dev/hvc0");
    shell.session().expect("shown on hvc0\r\n", COMMAND);
    shell.type_on(2, "");
    shell.session().expect("hvc0:/[^ ]*# ", COMMAND);
    shell.type_on(2, "echo $((6 * 7)) by $(tty)");
    shell.session().expect("42 by /dev/hvc0\r\n", COMMAND);
    assert_eq!(shell.succeeds(GUEST, "readlink /proc/$$/fd/0"), "/dev/ttyS0");
}

/// What is written in requests of one size is read in those of another.
fn patterns(shell: &mut Shells) {
    shell.succeeds(GUEST, "dd if=/dev/urandom of=/tmp/pattern bs=64k count=64");
    let sum = shell.succeeds(GUEST, "sha256sum </tmp/pattern");
    for (write, read) in [("1M", "4k"), ("4k", "128k"), ("512", "64k")] {
        let count = match read {
            "4k" => 1024,
            "128k" => 32,
            _ => 64,
        };
        shell.succeeds(GUEST, &format!("dd if=/tmp/pattern of=/dev/vda bs={write} oflag=direct"));
        let read = format!("dd if=/dev/vda bs={read} count={count} iflag=direct 2>/dev/null");
        assert_eq!(shell.succeeds(GUEST, &format!("sh -c '{read} | sha256sum'")), sum);
    }
}

/// Of so many blocks at most.
fn random_requests(shell: &mut Shells, count: u32, longest: u32) {
    let began = Instant::now();
    shell.type_to(GUEST, &format!("disktest /dev/vda 40 {count} 11 {longest}"));
    for told in (TOLD_EVERY..count).step_by(TOLD_EVERY as usize) {
        shell.session().expect(&format!("disktest: {told} of {count}\r\n"), COMMAND);
    }
    let end = "disktest: ((?:[0-9]+ requests|FAILED)[^\\r\\n]*)\\r\\n";
    let said = shell.session().expect(end, COMMAND);
    println!("{said}: {:.0?} of the host's time", began.elapsed());
    assert!(said.starts_with(&format!("{count} requests")), "{said}");
}

/// `disktest` says after so many requests that it goes on.
const TOLD_EVERY: u32 = 100_000;

/// A disk that may only be read says so to programs, and refuses a driver that writes
/// all the same.
fn read_only(shell: &mut Shells) {
    assert_eq!(shell.succeeds(GUEST, "cat /sys/block/vdb/serial /sys/block/vdb/ro"), "kept1");
    let sum = shell.succeeds(GUEST, "sha256sum </dev/vdb");
    for command in ["sh -c 'echo x >/dev/vdb'", "mke2fs -F /dev/vdb", "mount -t ext4 /dev/vdb /mnt"]
    {
        let (said, status) = shell.run(GUEST, command);
        assert_ne!(status, 0, "{command}: {said}");
    }
    let said = shell.succeeds(GUEST, &format!("intruder disk {KEPT}"));
    assert!(said.contains("and writes were refused"), "{said}");
    assert_eq!(shell.succeeds(GUEST, "sha256sum </dev/vdb"), sum);
}

/// A disk's limits are what the configuration says, by the guest's own clock: 500
/// operations and 4 MB a second, after 50 and 400 KB at once.
fn limits(shell: &mut Shells) {
    for (size, count, rate, burst) in [("4k", 550, 500, 50), ("64k", 64, 61, 6)] {
        // The bucket is full again after a pause.
        shell.succeeds(GUEST, "sleep 1");
        let dd = format!("dd if=/dev/vdb of=/dev/null bs={size} count={count} iflag=direct");
        let seconds = shell.seconds(GUEST, &dd);
        let expected = f64::from(count - burst) / f64::from(rate);
        println!("{count} reads of {size}: {seconds:.2} s, by the limit {expected:.2} s");
        assert!((seconds / expected - 1.0).abs() < 0.1, "{seconds} s, not {expected}");
    }
}

/// FIPS 140-2's tests, which one of 1,250 good blocks fails.
fn random_numbers(shell: &mut Shells) {
    let (said, _) = shell.run(GUEST, "rngtest -c 100 </dev/hwrng");
    let count = |what: &str| -> Option<u32> {
        let (_, rest) = said.split_once(&format!("FIPS 140-2 {what}: "))?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let (good, bad) = (count("successes"), count("failures"));
    assert!(matches!((good, bad), (Some(98..), Some(0..=2))), "{said}");
    println!("{said}");
}
