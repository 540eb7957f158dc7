//! The emulated machine itself, without seL4: its channels, its end, and that
//! it is the same every time.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bulkhead_machine::{Config, Ending, Event, Machine, MachineError, Status};
use system_tests::{BareImage, Session};

const LIMIT: Duration = Duration::from_secs(60);

fn config(image: &BareImage) -> Config {
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
    // Answers each character with the next one of the alphabet.
    let image = BareImage::new(
        "       serial_start COM1
                movb    $'!', %al
                serial_put COM1
        1:      serial_get COM1
                cmpb    $'.', %al
                je      2f
                incb    %al
                serial_put COM1
                jmp     1b
        2:      serial_drain COM1
                power_off
        3:      jmp     3b",
    );
    let mut session = Session::start("console", config(&image));
    session.expect("!", LIMIT);
    session.type_text("GDKKN.");
    session.expect("HELLO", LIMIT);
    assert!(matches!(session.expect_end(LIMIT), Ending::PoweredOff { ticks: Some(_) }));
}

#[test]
fn the_second_port_carries_status_lines() {
    let image = BareImage::new(
        "       serial_start COM2
                movl    $text, %esi
        1:      lodsb
                testb   %al, %al
                jz      2f
                serial_put COM2
                jmp     1b
        2:      hlt
                jmp     2b
        text:   .ascii  \"noise\\x02\"
                .ascii  \"guest a sto\\x02\"
                .ascii  \"system - ready\\x03\\npped result=7 : done\\x03\\n\"
                .byte   0",
    );
    let mut session = Session::start("status", config(&image));
    session.expect_status("of the guest", |status| matches!(status, Status::Guest { .. }), LIMIT);
    let lines: Vec<String> = session.statuses().iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["system: ready", "a: stopped with result 7: done"]);
}

#[test]
fn a_triple_fault_of_the_machine_is_reported_and_ends_it() {
    let image = BareImage::new("lidt none\nint3\nnone: .word 0, 0, 0");
    let mut session = Session::start("triple-fault", config(&image));
    let Ending::Failed { why, .. } = session.expect_end(LIMIT) else {
        panic!("not taken for a failure");
    };
    assert!(why.contains("exception"), "{why}");
}

#[test]
fn the_same_image_takes_the_same_ticks() {
    // Long enough for the firmware's and the serial port's timers to matter.
    let image = BareImage::new(
        "       serial_start COM1
                movl    $4096, %ecx
        1:      movb    $'x', %al
                serial_put COM1
                loop    1b
                power_off
        2:      jmp     2b",
    );
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
    let image = BareImage::new(&format!(
        "       serial_start COM1
                movl    ${COUNT}, %ecx
        1:      movb    %cl, %al
                andb    $0x3f, %al
                addb    $0x20, %al
                serial_put COM1
                loop    1b
        2:      hlt
                jmp     2b"
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
    let image = BareImage::new("1: jmp 1b");
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
    let image = BareImage::new("1: jmp 1b");
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
    let image = BareImage::new("1: jmp 1b");
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
