//! The emulated machine itself, without seL4: its channels, its end, and that
//! it is the same every time.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bulkhead_machine::{Config, Ending, Event, Machine, MachineError, Status};
use system_tests::{GrubImage, Session};

const LIMIT: Duration = Duration::from_secs(120);

fn config(image: &GrubImage) -> Config {
    // `Session` sets the folder of logs.
    Config::new(image.path(), "")
}

/// Whether a process is there. One that is dead but not waited for counts as
/// gone.
fn running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

#[test]
fn the_console_carries_text_both_ways_and_a_soft_off_ends_it() {
    let image = GrubImage::script("echo ready\nread line\necho \"got $line\"\nhalt");
    let mut session = Session::start("console", config(&image));
    session.expect("ready", LIMIT);
    session.type_line("some words");
    assert_eq!(session.expect("got ([^\r\n]*)[\r\n]", LIMIT), "some words");
    assert!(matches!(session.expect_end(LIMIT), Ending::PoweredOff { ticks: Some(_) }));
}

#[test]
fn the_second_port_carries_status_lines() {
    // Eight bits a byte, then: 0x2F8 is COM2's data register; bit 5 of the line
    // status says that it is free for the next byte.
    let image = GrubImage::code(
        "        movb $3, %al
                movw $0x2fb, %dx
                outb %al, %dx
                movl $text, %esi
        1:      movw $0x2fd, %dx
        2:      inb %dx, %al
                testb $0x20, %al
                jz 2b
                lodsb
                testb %al, %al
                jz 3f
                movw $0x2f8, %dx
                outb %al, %dx
                jmp 1b
        3:      hlt
                jmp 3b
        text:   .ascii \"noise\\x02\"
                .ascii \"guest a sto\\x02\"
                .ascii \"system - ready\\x03\\npped result=7 : done\\x03\\n\"
                .byte 0",
    );
    let mut session = Session::start("status", config(&image));
    session.expect_status("of the guest", |status| matches!(status, Status::Guest { .. }), LIMIT);
    let lines: Vec<String> = session.statuses().iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["system: ready", "a: stopped with result 7: done"]);
}

#[test]
fn a_triple_fault_of_the_machine_is_reported_and_ends_it() {
    let image = GrubImage::code("lidt none\nint3\nnone: .word 0\n.long 0");
    let mut session = Session::start("triple-fault", config(&image));
    let Ending::Failed { why, .. } = session.expect_end(LIMIT) else {
        panic!("not taken for a failure");
    };
    assert!(why.contains("exception"), "{why}");
}

#[test]
fn the_same_image_takes_the_same_ticks() {
    let image = GrubImage::script("echo one\necho two\nhalt");
    let ticks = |name: &str| {
        let mut session = Session::start(name, config(&image));
        match session.expect_end(LIMIT) {
            Ending::PoweredOff { ticks } => ticks.expect("the emulator counts them"),
            ending => panic!("{ending}"),
        }
    };
    assert_eq!(ticks("same-ticks-1"), ticks("same-ticks-2"));
}

#[test]
fn nothing_is_lost_when_the_listener_is_slow() {
    // 96 KiB, more than any buffer of the host's on the way.
    const COUNT: usize = 96 * 1024;
    let image = GrubImage::code(&format!(
        "        movb $3, %al
                movw $0x3fb, %dx
                outb %al, %dx
                movl ${COUNT}, %ecx
        1:      movw $0x3fd, %dx
        2:      inb %dx, %al
                testb $0x20, %al
                jz 2b
                movb %cl, %al
                andb $0x3f, %al
                addb $0x20, %al
                movw $0x3f8, %dx
                outb %al, %dx
                loop 1b
        3:      hlt
                jmp 3b"
    ));
    let mut session = Session::start("slow-listener", config(&image));
    session.expect("^", LIMIT);
    std::thread::sleep(Duration::from_secs(3));
    session.expect("(?-u)^(?s:.){98304}", LIMIT);
    let expected = (1..=COUNT).rev().map(|n| (n % 256) as u8 & 0x3f).map(|b| b + 0x20);
    let got = session.stop();
    assert!(got.iter().copied().eq(expected), "{} bytes arrived", got.len());
}

#[test]
fn a_dropped_machine_leaves_no_emulator_behind() {
    let image = GrubImage::code("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let machine =
        Machine::start(Config::new(image.path(), logs.path()), |_| {}).expect("the machine starts");
    let process = machine.process_id();
    assert!(running(process));
    drop(machine);
    assert!(!running(process));
}

/// Set for the process that `helper_that_holds_a_machine` runs in.
const HOLD: &str = "BULKHEAD_TEST_HOLD";

#[test]
fn an_owner_that_is_killed_takes_the_emulator_along() {
    let image = GrubImage::code("1: jmp 1b");
    // What the killed owner cannot remove goes with this folder.
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let mut owner = Command::new(std::env::current_exe().expect("this program has a file"))
        .args(["--exact", "helper_that_holds_a_machine", "--nocapture"])
        .env(HOLD, image.path())
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program starts once more");
    let output = BufReader::new(owner.stdout.take().expect("it is piped"));
    let process = output
        .lines()
        .find_map(|line| line.ok()?.strip_prefix("emulator: ")?.parse().ok())
        .expect("the helper names the emulator");
    assert!(running(process));
    owner.kill().expect("it can be killed");
    owner.wait().expect("it can be waited for");
    let until = Instant::now() + Duration::from_secs(10);
    while running(process) {
        assert!(Instant::now() < until, "the emulator outlives its owner");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Does nothing by itself; see the test above.
#[test]
fn helper_that_holds_a_machine() {
    let Some(image) = std::env::var_os(HOLD) else { return };
    let logs = tempfile::tempdir().expect("a temporary folder");
    let machine =
        Machine::start(Config::new(image, logs.path()), |_| {}).expect("the machine starts");
    println!("\nemulator: {}", machine.process_id());
    std::thread::sleep(LIMIT);
}

#[test]
fn a_killed_machine_says_so_at_once() {
    let image = GrubImage::code("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let (sender, events) = std::sync::mpsc::channel();
    let mut machine = Machine::start(Config::new(image.path(), logs.path()), move |event| {
        let _ = sender.send(event);
    })
    .expect("the machine starts");
    let since = Instant::now();
    machine.stop();
    assert!(since.elapsed() < Duration::from_secs(5));
    let last = events.iter().last().expect("at least the end is told");
    assert!(matches!(last, Event::Ended(Ending::Killed)), "{last:?}");
}

#[test]
fn a_missing_image_is_named() {
    let logs = tempfile::tempdir().expect("a temporary folder");
    let error = Machine::start(Config::new("/no/such.iso", logs.path()), |_| {});
    let Err(MachineError::Image { path, .. }) = error else { panic!("no image was found missing") };
    assert_eq!(path.to_string_lossy(), "/no/such.iso");
}
