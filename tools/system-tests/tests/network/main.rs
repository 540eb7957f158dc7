//! Two Linux guests on the virtual switch: they reach each other, and neither is
//! taken for the other, nor reaches what is the other's.

mod isolation;

use std::{fs, time::Instant};

use bulkhead_machine::{GuestEvent, Status};
use system_tests::{COMMAND, Shells, System};

fn two_guests() -> System {
    System::new("systems/two-guests.system")
}

const A: &str = "10.9.0.1";
const B: &str = "10.9.0.2";

#[test]
fn two_guests_reach_each_other_and_neither_is_taken_for_the_other() {
    let system = two_guests().with_test_programs();
    let mut pair = Shells::booted(system, "network");
    consoles(&mut pair);
    pair.succeeds("a", &format!("ip addr add {A}/24 dev eth0"));
    pair.succeeds("b", &format!("ip addr add {B}/24 dev eth0"));
    let said = pair.succeeds("a", &format!("ping -c 5 {B}"));
    assert!(said.contains("5 packets received"), "{said}");

    link(&mut pair);
    cable(&mut pair);
    files(&mut pair);
    streams(&mut pair);

    // A guest that pretends to be the other is not heard, nor hears what is for it.
    let other = pair.succeeds("b", "cat /sys/class/net/eth0/address");
    pair.succeeds("a", &format!("ip link set eth0 down && ip link set eth0 address {other}"));
    pair.succeeds("a", "ip link set eth0 up");
    let (said, status) = pair.run("a", &format!("ping -c 3 -W 2 {B}"));
    assert!(status != 0 && said.contains("0 packets received"), "{said}");
    pair.power_off();
}

/// Each guest's virtio console has a shell of its own; they come behind all of the
/// guests' first ones.
fn consoles(pair: &mut Shells) {
    for (console, guest) in [(3, "a"), (4, "b")] {
        pair.type_on(console, "");
        pair.session().expect("hvc0:/[^ ]*# ", COMMAND);
        pair.type_on(console, &format!("echo of {guest} >/tmp/by-hvc0; echo $((6 * 7)) done"));
        pair.session().expect("42 done\r\n", COMMAND);
        assert_eq!(pair.succeeds(guest, "cat /tmp/by-hvc0"), format!("of {guest}"));
    }
}

/// An interface that is switched off says so; switched on, it goes on.
fn link(pair: &mut Shells) {
    pair.succeeds("a", "ip link set eth0 down");
    let (said, status) = pair.run("a", &format!("ping -c 1 -W 1 {B}"));
    assert!(status != 0 && said.contains("Network is unreachable"), "{said}");
    let (said, status) = pair.run("b", &format!("ping -c 1 -W 1 {A}"));
    assert!(status != 0 && said.contains("100% packet loss"), "{said}");
    pair.succeeds("a", "ip link set eth0 up");
    let said = pair.succeeds("b", &format!("ping -c 3 {A}"));
    assert!(said.contains("3 packets received"), "{said}");
}

/// An administrator pulls a guest's cable: it sees that, and nothing passes until the
/// cable is plugged in again.
fn cable(pair: &mut Shells) {
    let report = |text: &'static str| {
        move |status: &Status| {
            matches!(status, Status::Guest { guest, event: GuestEvent::Report(said) }
                if guest == "a" && said == text)
        }
    };
    for (up, is, carrier, replies) in
        [(false, "its network is down", "0", "0"), (true, "its network is up", "1", "3")]
    {
        pair.session().set_links(0, up);
        pair.session().expect_status(is, report(is), COMMAND);
        assert_eq!(pair.succeeds("a", "cat /sys/class/net/eth0/carrier"), carrier);
        let (said, _) = pair.run("b", &format!("ping -c 3 -W 1 {A}"));
        assert!(said.contains(&format!("{replies} packets received")), "{said}");
    }
    assert_eq!(pair.succeeds("b", "cat /sys/class/net/eth0/carrier"), "1");
}

/// 16 MiB each way, over HTTP, by the sums at both ends.
fn files(pair: &mut Shells) {
    for (from, address, to) in [("a", A, "b"), ("b", B, "a")] {
        pair.succeeds(from, "dd if=/dev/urandom of=/tmp/file bs=64k count=256");
        let sum = pair.succeeds(from, "sha256sum </tmp/file");
        pair.succeeds(from, "httpd -p 5000 -h /tmp");
        let began = Instant::now();
        pair.succeeds(to, &format!("wget -q -O /tmp/got http://{address}:5000/file"));
        println!("16 MiB from {from} to {to}: {:.0?} of the host's time", began.elapsed());
        assert_eq!(pair.succeeds(to, "sha256sum </tmp/got"), sum, "{from} to {to}");
        pair.succeeds(to, "rm /tmp/got");
        pair.succeeds(from, "rm /tmp/file; killall httpd");
    }
}

/// As much as goes, for two seconds.
fn streams(pair: &mut Shells) {
    pair.type_to("b", "iperf -s >/tmp/server & sleep 1");
    let said = pair.succeeds("a", &format!("iperf -c {B} -t 2 -f m"));
    println!("iperf: {said}");
    assert!(said.contains("Mbits/sec"), "{said}");
    pair.succeeds("b", "killall iperf");
}

/// The host of the network that Bochs plays.
const HOST: &str = "192.168.10.1";

#[test]
fn a_guest_reaches_the_outside_and_neither_reaches_what_is_the_others() {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("text"), LINE.repeat(LINES)).unwrap();
    let system = two_guests().with_test_programs().with_files(files.path());
    let mut pair = Shells::booted(system, "outside");
    // DHCP has run at the start; the network card's interrupts bring the answers.
    let address = pair.succeeds(
        "a",
        "sh -c 'for i in $(seq 20); do ip -4 -o addr show dev eth0 | grep inet && break; sleep 1; done'",
    );
    assert!(address.contains("inet 192.168.10."), "{address}");
    let said = pair.succeeds("a", &format!("ping -c 3 -s 32 {HOST}"));
    assert!(said.contains("3 packets received"), "{said}");
    fetch(&mut pair, "a");
    // Guest b's port leads to guest a alone.
    pair.succeeds("b", "ip addr add 192.168.10.99/24 dev eth0");
    let (said, status) = pair.run("b", &format!("ping -c 2 -W 2 -s 32 {HOST}"));
    assert!(status != 0 && said.contains("0 packets received"), "{said}");

    isolation::holds(&mut pair);
    pair.power_off();
}

/// What the outside gives out.
const LINE: &str = "from the outside\n";
const LINES: usize = 500;

/// Gets it over the network.
fn fetch(pair: &mut Shells, guest: &str) {
    pair.succeeds(guest, &format!("tftp -g -r text -l /tmp/text {HOST}"));
    assert_eq!(pair.succeeds(guest, "wc -c </tmp/text"), (LINE.len() * LINES).to_string());
    assert_eq!(pair.succeeds(guest, "sort -u /tmp/text"), LINE.trim());
}
