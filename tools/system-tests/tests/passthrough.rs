//! Real devices that a guest drives itself, with its own drivers: what it sees of them,
//! what they do, and how many interrupts that takes.

use std::{
    fs,
    time::{Duration, Instant},
};

use bulkhead_machine::Outcome;
use system_tests::{Session, System, hardware_linux};

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

fn power_off(mut session: Session) {
    session.type_line("poweroff");
    assert_eq!(session.expect_stop("debian", COMMAND).0, Outcome::POWER_OFF);
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
    power_off(session);
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
    power_off(session);
}
