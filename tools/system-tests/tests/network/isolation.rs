//! One guest's attempts on what is the other's. The attacker is root in guest a, with
//! `guest-images/intruder`; guest b has something of its own in memory, on disk and on
//! the wire.

use system_tests::Shells;

use crate::{HOST, fetch};

/// The addresses on the wire (systems/two-guests.toml), and that of Bochs's own host.
const A_MAC: &str = "02:00:00:00:00:01";
const B_MAC: &str = "02:00:00:00:00:10";
const HOST_MAC: &str = "02:00:00:00:00:02";

/// Seconds of the guests' time that one listens.
const LISTENED: u32 = 8;

/// Guest a's disk on its PCI bus.
const DISK: &str = "0000:00:01.0";

pub fn holds(pair: &mut Shells) {
    partitions(pair);
    memory_and_disk(pair);
    frames(pair);
}

/// Neither guest's disk reaches into the other's.
fn partitions(pair: &mut Shells) {
    for guest in ["a", "b"] {
        pair.succeeds(guest, &format!("sh -c 'echo of {guest} >/disk/{guest}; sync'"));
    }
    for (guest, other) in [("a", "b"), ("b", "a")] {
        assert_eq!(pair.succeeds(guest, &format!("cat /disk/{guest}")), format!("of {guest}"));
        assert_ne!(pair.run(guest, &format!("ls /disk/{other}")).1, 0);
        // What lies behind a partition's end is no part of the disk.
        let sectors: u64 = pair.succeeds(guest, "cat /sys/block/vda/size").parse().unwrap();
        assert_eq!(sectors * 512, 16 << 20);
        let (said, status) =
            pair.run(guest, &format!("dd if=/dev/vda of=/dev/null bs=512 count=1 skip={sectors}"));
        assert!(said.contains("0+0 records in"), "{status}: {said}");
    }
}

/// By the processor and by a device of its own, guest a reaches its own memory and disk
/// only; guest b keeps what it had, and guest a's disk works on.
fn memory_and_disk(pair: &mut Shells) {
    pair.succeeds("b", "dd if=/dev/urandom of=/tmp/secret bs=1M count=16");
    pair.succeeds("b", "dd if=/dev/urandom of=/disk/secret bs=64k count=32 conv=fsync");
    // From the disk, not from memory.
    const SUMS: &str =
        "sh -c 'echo 3 >/proc/sys/vm/drop_caches; cat /tmp/secret /disk/secret | sha256sum'";
    let before = pair.succeeds("b", SUMS);

    let said = pair.succeeds("a", "intruder memory");
    assert!(said.contains("pages hold nothing"), "{said}");
    println!("{said}");
    pair.succeeds("a", "umount /disk");
    let said = pair.succeeds("a", &format!("intruder disk {DISK}"));
    assert!(said.contains("were refused"), "{said}");
    println!("{said}");
    pair.succeeds("a", "mount -t ext4 /dev/vda /disk");
    assert_eq!(pair.succeeds("a", "cat /disk/a"), "of a");

    assert_eq!(pair.succeeds("b", SUMS), before);
}

/// Guest b hears nothing that is guest a's; guest a hears of guest b's frames those that
/// say who sent them.
fn frames(pair: &mut Shells) {
    for guest in ["a", "b"] {
        pair.succeeds(guest, "ip link set eth0 promisc on");
    }
    pair.type_to("b", &format!("intruder listen {LISTENED} {B_MAC} >/tmp/heard &"));
    pair.succeeds("a", &format!("ping -c 3 -s 32 {HOST}"));
    fetch(pair, "a");
    // A frame that it may hear, of the kind by which the others are told.
    pair.succeeds("a", &format!("intruder send eth0 {A_MAC} {B_MAC} 2"));
    pair.succeeds("a", &format!("intruder send eth0 {A_MAC} {HOST_MAC} 5"));
    let heard = pair.succeeds("b", &format!("sleep {LISTENED}; cat /tmp/heard"));
    assert!(
        heard.contains(&format!("not for us 0, of the experiment [2 from {A_MAC}]")),
        "{heard}"
    );

    pair.type_to("a", &format!("intruder listen {LISTENED} {A_MAC} >/tmp/heard &"));
    for (from, to, count) in [
        (A_MAC, A_MAC, 3),
        (HOST_MAC, A_MAC, 3),
        (HOST_MAC, "ff:ff:ff:ff:ff:ff", 3),
        (B_MAC, A_MAC, 2),
    ] {
        pair.succeeds("b", &format!("intruder send eth0 {from} {to} {count}"));
    }
    let heard = pair.succeeds("a", &format!("sleep {LISTENED}; cat /tmp/heard"));
    assert!(heard.contains(&format!("of the experiment [2 from {B_MAC}]")), "{heard}");
}
