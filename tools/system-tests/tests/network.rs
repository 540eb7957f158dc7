//! Two Linux guests on the virtual switch: they reach each other, and neither is
//! taken for the other.

use std::{fs, time::Duration};

use bulkhead_machine::Outcome;
use system_tests::{Session, System, pairs::SELECT};

const BOOT: Duration = Duration::from_secs(600);
/// A command of a guest's, on a machine that may be busy.
const COMMAND: Duration = Duration::from_secs(600);

/// Both guests at their shells.
struct Pair(Session);

impl Pair {
    fn booted(system: System, name: &str) -> Self {
        let mut session = system.start(name);
        for _ in 0..2 {
            session.expect("BusyBox", BOOT);
        }
        Pair(session)
    }

    /// Types a line to a guest.
    fn type_to(&mut self, guest: char, line: &str) {
        let number = if guest == 'a' { 1 } else { 2 };
        self.0.type_text(&format!("{SELECT}{number}"));
        self.0.type_line(line);
    }

    /// Runs a command in a guest: the last line that it printed, and its exit status.
    fn run(&mut self, guest: char, command: &str) -> (String, u8) {
        // Quotes, so that the line that was typed, which comes back, is not taken for it.
        self.type_to(guest, &format!("x=$({command} 2>&1); echo \"<\"$?\"\" $(echo $x)\">\""));
        let said = self.0.expect("<([0-9]+ [^\\r\\n]*)>", COMMAND);
        let (status, output) = said.split_once(' ').unwrap_or((&said, ""));
        (output.trim().into(), status.parse().expect("a status"))
    }

    fn succeeds(&mut self, guest: char, command: &str) -> String {
        let (output, status) = self.run(guest, command);
        assert_eq!(status, 0, "{guest}: {command}: {output}");
        output
    }

    fn power_off(mut self) {
        for guest in ['a', 'b'] {
            self.type_to(guest, "poweroff");
            let (outcome, _) = self.0.expect_stop(&guest.to_string(), COMMAND);
            assert_eq!(outcome, Outcome::POWER_OFF);
        }
    }
}

fn two_guests() -> System {
    System::new("systems/two-guests.system")
}

const A: &str = "10.9.0.1";
const B: &str = "10.9.0.2";

#[test]
fn two_guests_reach_each_other_and_neither_is_taken_for_the_other() {
    let mut pair = Pair::booted(two_guests(), "network");
    pair.succeeds('a', &format!("ip addr add {A}/24 dev eth0"));
    pair.succeeds('b', &format!("ip addr add {B}/24 dev eth0"));
    let said = pair.succeeds('a', &format!("ping -c 5 {B}"));
    assert!(said.contains("5 packets received"), "{said}");

    // 4 MiB each way, over TCP, by the sums at both ends.
    for (from, to, address) in [('a', 'b', B), ('b', 'a', A)] {
        pair.type_to(to, "nc -l -p 5000 >/tmp/got & sleep 1");
        let sum = pair.succeeds(
            from,
            &format!(
                "dd if=/dev/urandom of=/tmp/file bs=64k count=64 2>/dev/null && sleep 1 && \
                 nc {address} 5000 </tmp/file && sha256sum </tmp/file"
            ),
        );
        let got = pair.succeeds(to, "sleep 1; sha256sum </tmp/got");
        assert_eq!(sum, got, "{from} to {to}");
        pair.succeeds(to, "rm /tmp/got");
        pair.succeeds(from, "rm /tmp/file");
    }

    // A guest that pretends to be the other is not heard, nor hears what is for it.
    let other = pair.succeeds('b', "cat /sys/class/net/eth0/address");
    pair.succeeds('a', &format!("ip link set eth0 down && ip link set eth0 address {other}"));
    pair.succeeds('a', "ip link set eth0 up");
    let (said, status) = pair.run('a', &format!("ping -c 3 -W 2 {B}"));
    assert!(status != 0 && said.contains("0 packets received"), "{said}");
    pair.power_off();
}

/// The host of the network that Bochs plays.
const HOST: &str = "192.168.10.1";

#[test]
fn a_guest_reaches_the_outside_and_each_has_its_own_partition() {
    let files = tempfile::tempdir().unwrap();
    let text = "from the outside\n".repeat(500);
    fs::write(files.path().join("text"), &text).unwrap();
    let mut pair = Pair::booted(two_guests().with_files(files.path()), "outside");
    // DHCP has run at the start; the network card's interrupts bring the answers.
    let address = pair.succeeds(
        'a',
        "sh -c 'for i in $(seq 20); do ip -4 -o addr show dev eth0 | grep inet && break; sleep 1; done'",
    );
    assert!(address.contains("inet 192.168.10."), "{address}");
    let said = pair.succeeds('a', &format!("ping -c 3 -s 32 {HOST}"));
    assert!(said.contains("3 packets received"), "{said}");
    pair.succeeds('a', &format!("tftp -g -r text -l /tmp/text {HOST}"));
    assert_eq!(pair.succeeds('a', "wc -c </tmp/text"), text.len().to_string());
    assert_eq!(pair.succeeds('a', "sort -u /tmp/text"), "from the outside");
    // Guest b's port leads to guest a alone.
    pair.succeeds('b', "ip addr add 192.168.10.99/24 dev eth0");
    let (said, status) = pair.run('b', &format!("ping -c 2 -W 2 -s 32 {HOST}"));
    assert!(status != 0 && said.contains("0 packets received"), "{said}");

    partitions(&mut pair);
    pair.power_off();
}

/// Neither guest's disk reaches into the other's.
fn partitions(pair: &mut Pair) {
    for guest in ['a', 'b'] {
        pair.succeeds(guest, &format!("sh -c 'echo of {guest} >/disk/{guest}; sync'"));
    }
    for (guest, other) in [('a', 'b'), ('b', 'a')] {
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
