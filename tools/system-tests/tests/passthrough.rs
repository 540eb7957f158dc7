//! Real devices that a guest drives itself, with its own drivers: what it sees of them,
//! what they do, and how many interrupts that takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use bulkhead_machine::Outcome;
use system_tests::{Session, System, checkout, hardware_linux};
use tempfile::TempDir;

const BOOT: Duration = Duration::from_secs(400);
/// A command of the guest's, on a machine that may be busy.
const COMMAND: Duration = Duration::from_secs(400);
const PROMPT: &str = "guest:[^ ]*# ";

fn booted(system: System, name: &str) -> Session {
    let mut session = system.start(name);
    session.expect_ready(BOOT);
    session.expect(PROMPT, BOOT);
    session
}

fn system() -> System {
    System::new("systems/passthrough.system")
}

/// What a command printed that must succeed.
fn run(session: &mut Session, command: &str) -> String {
    // Quotes, so that the line that was typed, which comes back, has no marks.
    session.type_line(&format!("echo \"<\"begin\">\"; {command}; echo \"<\"$?\">\""));
    session.expect("<begin>\r\n", COMMAND);
    let said = session.expect("((?s).*?<[0-9]+>)", COMMAND);
    let (output, status) = said.rsplit_once('<').unwrap_or_default();
    assert_eq!(status, "0>", "{command}: {output}");
    output.replace('\r', "")
}

/// How often the guest's driver was interrupted, as the guest counts.
fn interrupts(session: &mut Session, driver: &str) -> u64 {
    let lines = run(session, &format!("cat /proc/interrupts | grep {driver} || true"));
    let count = lines.split_whitespace().nth(1).map(str::parse);
    count.map_or(0, |count| count.unwrap_or_else(|_| panic!("{lines}")))
}

/// Powers the guest off.
///
/// # Returns
/// How many interrupts of the guest's devices reached its VMM, as that counts.
fn power_off(mut session: Session) -> u64 {
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("debian", COMMAND).0, Outcome::POWER_OFF);
    let report = session.report("debian");
    let told = report.iter().find_map(|line| line.strip_prefix("interrupts of its own devices "));
    told.map_or(0, |count| count.parse().expect("a number"))
}

/// The system with something changed in the description and its configuration.
fn changed(folder: &TempDir, description: &[(&str, &str)], toml: &[(&str, &str)]) -> System {
    for (file, with) in [("passthrough.system", description), ("passthrough.toml", toml)] {
        let there = checkout("systems").join(file);
        let mut text = fs::read_to_string(there).expect("it can be read");
        for (from, to) in with {
            assert!(text.contains(from), "{file} has no {from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(folder.path().join(file), text).expect("it can be written");
    }
    let path = folder.path().join("passthrough.system");
    System::new(path.to_str().expect("a temporary folder's name is text"))
}

/// Linux finds the port, its driver sends by interrupts, and the machine's port has sent
/// just that.
#[test]
fn a_guest_s_own_driver_drives_a_serial_port() {
    let mut session = booted(system(), "passthrough-serial");
    let found = run(&mut session, "cat /proc/tty/driver/serial | grep ^3:");
    assert!(found.contains("16550A port:000002E8 irq:3"), "{found}");
    // Its driver has the interrupt as long as somebody has the port.
    run(&mut session, "exec 3>/dev/ttyS3; stty -F /dev/ttyS3 115200 raw -echo");
    let lines = 400;
    run(&mut session, &format!("seq 1 {lines} >&3"));
    let expected: String = (1..=lines).map(|n| format!("{n}\n")).collect();
    let until = Instant::now() + COMMAND;
    let sent = || fs::read_to_string(&session.logs().serial).expect("the port has a log");
    while sent().len() < expected.len() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(sent(), expected);
    let count = interrupts(&mut session, "ttyS3");
    // A FIFO holds 16 bytes.
    let least = expected.len() as u64 / 16;
    println!("{} bytes by {count} interrupts", expected.len());
    assert!((least..4 * least).contains(&count), "{count} interrupts for {} bytes", expected.len());
    assert!(power_off(session) >= count, "the guest had more than its VMM");
}

/// Linux's ne2k-pci finds the card where the VMM shows it, and by it an address and
/// another host; its interrupts are levels, which come once each.
#[test]
fn a_guest_s_own_driver_drives_a_network_card() {
    let images = hardware_linux();
    let system = system().with(|guest| {
        guest.kernel = Some(images.kernel);
        guest.initrd = Some(images.initramfs);
    });
    let mut session = booted(system, "passthrough-card");
    run(
        &mut session,
        "for i in $(seq 60); do ip addr show eth0 | grep -q 'inet 192.168.10' && break; sleep 1; done",
    );
    let card = run(&mut session, "ip addr show eth0");
    assert!(card.contains("02:00:00:00:00:11") && card.contains("inet 192.168.10."), "{card}");
    let before = interrupts(&mut session, "eth0");
    let said = run(&mut session, "ping -c 20 -i 0.2 192.168.10.1");
    assert!(said.contains("20 packets received"), "{said}");
    let routed = run(&mut session, "grep eth0 /proc/interrupts");
    assert!(routed.contains("fasteoi"), "it is taken for a level: {routed}");
    let count = interrupts(&mut session, "eth0") - before;
    println!("20 echoes by {count} interrupts");
    // One for what is sent and one for what comes, or one for both.
    assert!((20..=60).contains(&count), "{count} interrupts for 20 echoes");
    let all = interrupts(&mut session, "eth0");
    let arrived = power_off(session);
    println!("of {all} interrupts that the guest counts {arrived} reached the VMM");
    // One more may come while the guest goes down, and one before it looked first.
    assert!((all..=all + all / 10 + 5).contains(&arrived), "{arrived} for {all}");
}

/// Registers of the 82540EM (8254x manual, 13.4): its state, one that keeps what it is
/// told (a part of its address), and to cause an interrupt, to let it through, to stop all.
const STATE: &str = "devmem 0xd0000008 32";
const ADDRESS: &str = "devmem 0xd0005400 32";
const CAUSE: &str = "devmem 0xd00000c8 32 4";
const ALLOW: &str = "devmem 0xd00000d0 32 4";
const CEASE: &str = "devmem 0xd00000d8 32 0xffffffff";

/// Registers in memory are the guest's by its own page tables; and a device that asserts
/// its line for ever, for which the guest has no driver, costs one interrupt.
#[test]
fn registers_in_memory_are_the_guest_s_and_a_line_that_never_falls_is_no_storm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let system = changed(
        &folder,
        &[
            ("        <ioport id=\"1\" addr=\"0xd100\" size=\"32\" />\n", ""),
            ("pin=\"11\"", "pin=\"10\""),
            (
                "perms=\"rwx\" />\n",
                "perms=\"rwx\" />\n<map mr=\"registers\" vaddr=\"0xd0000000\" cached=\"false\" />\n",
            ),
            (
                "<memory_region name=\"hpet\"",
                "<memory_region name=\"registers\" size=\"0x20000\" phys_addr=\"0xfebe0000\" />\n\
                 <memory_region name=\"hpet\"",
            ),
        ],
        &[
            ("ports = [{ id = 1, bar = 0 }]", "memory = [{ region = \"registers\", bar = 0 }]"),
            ("pci = { place = \"00:03.0\"", "pci = { place = \"00:02.0\""),
            ("place = \"00:03.0\"\nvendor", "place = \"00:02.0\"\nvendor"),
            ("0x10ec", "0x8086"),
            ("0x8029", "0x100e"),
            ("space = \"io\", address = 0xd100", "space = \"memory\", address = 0xfebe0000"),
            ("interrupt = 11", "interrupt = 10"),
        ],
    );
    let mut session = booted(system, "passthrough-memory");
    let state = run(&mut session, STATE);
    let state = u32::from_str_radix(state.trim().trim_start_matches("0x"), 16).expect(&state);
    assert_eq!(state & 3, 3, "a line that is up, both ways: {state:#x}");
    let kept = run(&mut session, &format!("{ADDRESS} 0x12345678; {ADDRESS}"));
    assert_eq!(kept, "0x12345678\n");
    assert_eq!(run(&mut session, &format!("{ALLOW}; {CAUSE}; sleep 2; echo alive")), "alive\n");
    run(&mut session, CEASE);
    assert_eq!(power_off(session), 1);
}

/// Nothing of a device that could not be set up is the guest's, and somebody says so.
#[test]
fn a_device_that_is_not_there_is_not_handed_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let system = changed(&folder, &[], &[("device = 0x8029", "device = 0x8139")]);
    let mut session = system.start("passthrough-absent");
    session.expect_ready(BOOT);
    session.expect(PROMPT, BOOT);
    let said = session.report("debian");
    let why = "ne2000 is not handed on: there is no device at that place";
    assert!(said.contains(&why), "{said:?}");
    let functions = run(&mut session, "ls /sys/bus/pci/devices");
    assert_eq!(functions, "0000:00:00.0\n", "a function of nothing");
    power_off(session);
}
