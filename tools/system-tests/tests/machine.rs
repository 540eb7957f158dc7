//! The machine itself, without seL4: its channels and its end, whoever provides
//! it, and that Bochs's is the same every time.
//!
//! QEMU runs here without KVM, so that every host can: who executes the
//! instructions is all that differs.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bulkhead_machine::{
    Accelerator, Config, Ending, Event, Lack, Machine, MachineError, Runner, Status,
};
use system_tests::{BareImage, Session};

const LIMIT: Duration = Duration::from_secs(60);

const BOCHS: Runner = Runner::Bochs { watch: None };

const QEMU: Runner = Runner::Qemu(Accelerator::Tcg);

/// Makes a test for each machine of each of these.
macro_rules! on_every_machine {
    ($($name:ident,)*) => {
        mod bochs {
            $(#[test] fn $name() { super::$name(super::BOCHS) })*
        }
        mod qemu {
            $(#[test] fn $name() { super::$name(super::QEMU) })*
        }
    };
}

on_every_machine! {
    the_console_carries_text_both_ways_and_a_soft_off_ends_it,
    the_second_port_carries_status_lines,
    the_third_port_goes_to_the_kernels_log,
    a_triple_fault_of_the_machine_is_reported_and_ends_it,
    nothing_is_lost_when_the_listener_is_slow,
    the_hpet_replaces_the_8254_at_pin_2_and_the_ide_controller_is_a_piix,
    a_dropped_machine_leaves_no_emulator_behind,
    an_owner_that_is_killed_takes_the_emulator_along,
    a_killed_machine_says_so_at_once,
    a_missing_image_is_named,
}

/// A machine; `Session` sets the folder of logs.
fn config(runner: Runner, image: &BareImage) -> Config {
    Config { runner, ..Config::new(image.path(), "") }
}

/// A name for logs.
fn named(runner: Runner, name: &str) -> String {
    match runner {
        Runner::Bochs { .. } => format!("{name}-bochs"),
        Runner::Qemu(_) => format!("{name}-qemu"),
    }
}

/// Whether a process is there. One that is dead but not waited for counts as
/// gone.
fn running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn the_console_carries_text_both_ways_and_a_soft_off_ends_it(runner: Runner) {
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
    let mut session = Session::start(&named(runner, "console"), config(runner, &image));
    session.expect("!", LIMIT);
    session.type_text("GDKKN.");
    session.expect("HELLO", LIMIT);
    assert!(matches!(session.expect_end(LIMIT), Ending::PoweredOff { .. }));
}

fn the_second_port_carries_status_lines(runner: Runner) {
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
    let mut session = Session::start(&named(runner, "status"), config(runner, &image));
    session.expect_status("of the guest", |status| matches!(status, Status::Guest { .. }), LIMIT);
    let lines: Vec<String> = session.statuses().iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["system: ready", "a: stopped with result 7: done"]);
}

fn the_third_port_goes_to_the_kernels_log(runner: Runner) {
    let image = BareImage::new(
        "       .set    COM3, 0x3e8
                serial_start COM3
                movb    $'k', %al
                serial_put COM3
                movb    $'!', %al
                serial_put COM3
                serial_drain COM3
                power_off
        1:      jmp     1b",
    );
    let mut session = Session::start(&named(runner, "kernel-log"), config(runner, &image));
    session.expect_end(LIMIT);
    let log = fs::read_to_string(&session.logs().kernel).expect("there is a log");
    assert_eq!(log, "k!");
}

fn a_triple_fault_of_the_machine_is_reported_and_ends_it(runner: Runner) {
    let image = BareImage::new("lidt none\nint3\nnone: .word 0, 0, 0");
    let mut session = Session::start(&named(runner, "triple-fault"), config(runner, &image));
    let Ending::Failed { why, .. } = session.expect_end(LIMIT) else {
        panic!("not taken for a failure");
    };
    let sign = if runner == BOCHS { "exception" } else { "triple fault" };
    assert!(why.contains(sign), "{why}");
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
        let mut session = Session::start(name, config(BOCHS, &image));
        match session.expect_end(LIMIT) {
            Ending::PoweredOff { ticks } => ticks.expect("the emulator counts them"),
            ending => panic!("{ending}"),
        }
    };
    assert_eq!(ticks("same-ticks-1"), ticks("same-ticks-2"));
}

fn nothing_is_lost_when_the_listener_is_slow(runner: Runner) {
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
    let mut session = Session::start(&named(runner, "slow-listener"), config(runner, &image));
    session.expect("^", LIMIT);
    std::thread::sleep(Duration::from_secs(3));
    session.expect("(?-u)^(?s:.){98304}", LIMIT);
    let expected = (1..=COUNT).rev().map(|n| (n % 256) as u8 & 0x3f).map(|b| b + 0x20);
    let got = session.stop();
    assert!(got.iter().copied().eq(expected), "{} bytes arrived", got.len());
}

/// What drivers of the default system rely on: `system.xml` describes one PC.
///
/// Says `q` if 100 ms pass without an interrupt at pin 2 of the I/O APIC, where
/// the 8254 sends one each 55 ms unless it is replaced; then `t` when the HPET's
/// comparator causes one; then the IDE controller's vendor, device and class.
fn the_hpet_replaces_the_8254_at_pin_2_and_the_ide_controller_is_a_piix(runner: Runner) {
    let image = BareImage::new(
        "       .set    HPET, 0xfed00000
                .set    IOAPIC, 0xfec00000
                .set    LAPIC, 0xfee00000
                .set    VECTOR, 0x42
                .set    IRR, LAPIC + 0x200 + (VECTOR / 32) * 0x10
                .set    IRR_BIT, 1 << (VECTOR % 32)
                # The counter's value after `milliseconds`, from now, in %esi.
                .macro  later milliseconds
                movl    $(\\milliseconds * 1000000000000) >> 32, %edx
                movl    $(\\milliseconds * 1000000000000) & 0xffffffff, %eax
                divl    HPET + 4
                addl    HPET + 0xf0, %eax
                movl    %eax, %esi
                .endm
                # Sends %ebx as eight hexadecimal digits.
                .macro  hexadecimal
                movl    $8, %ecx
        66:     roll    $4, %ebx
                movl    %ebx, %eax
                andl    $15, %eax
                movb    digits(%eax), %al
                serial_put COM1
                loop    66b
                .endm
                .macro  configuration address
                movl    $\\address, %eax
                movw    $0xcf8, %dx
                outl    %eax, %dx
                movw    $0xcfc, %dx
                inl     %dx, %eax
                movl    %eax, %ebx
                .endm

                serial_start COM1
                # Legacy replacement, counting, no interrupt of a timer's yet.
                movl    $0, HPET + 0x10
                movl    $0, HPET + 0xf0
                movl    $0, HPET + 0xf4
                movl    $0, HPET + 0x100
                movl    $3, HPET + 0x10
                # Local APIC on; pin 2: fixed, edge, to processor 0, not masked.
                movl    $0x1ff, LAPIC + 0xf0
                movl    $0x15, IOAPIC
                movl    $0, IOAPIC + 0x10
                movl    $0x14, IOAPIC
                movl    $VECTOR, IOAPIC + 0x10
                later   100
        1:      movl    HPET + 0xf0, %eax
                subl    %esi, %eax
                js      1b
                testl   $IRR_BIT, IRR
                jnz     4f
                movb    $'q', %al
                serial_put COM1
                # 32 bits, interrupt, one shot.
                later   20
                movl    $0x104, HPET + 0x100
                movl    %esi, HPET + 0x108
                later   1000
        2:      testl   $IRR_BIT, IRR
                jnz     3f
                movl    HPET + 0xf0, %eax
                subl    %esi, %eax
                js      2b
                jmp     4f
        3:      movb    $'t', %al
                serial_put COM1
                configuration 0x80000900
                hexadecimal
                configuration 0x80000908
                hexadecimal
        4:      movb    $'.', %al
                serial_put COM1
                serial_drain COM1
                power_off
        5:      jmp     5b
        digits: .ascii  \"0123456789abcdef\"",
    );
    let mut session = Session::start(&named(runner, "hpet"), config(runner, &image));
    let said = session.expect("([^.]*)\\.", LIMIT);
    // Intel's 82371SB, and 01.01: IDE, which can be a bus master.
    assert_eq!(said.get(..10), Some("qt70108086"), "{said}");
    assert_eq!(said.get(10..16), Some("010180"), "{said}");
}

#[test]
fn a_system_for_several_processors_is_not_started_on_one() {
    let image = BareImage::new("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let config = Config { processors: 2, ..Config::new(image.path(), logs.path()) };
    let error = Machine::start(config, |_| {}).map(|machine| machine.process_id());
    assert!(matches!(error, Err(MachineError::Processors { wanted: 2 })), "{error:?}");
}

/// QEMU's tables tell firmware and kernel of each processor.
#[test]
fn qemu_has_as_many_processors_as_are_asked_for() {
    // The firmware leaves the number in the CMOS byte 0x5f, less one.
    let image = BareImage::new(
        "       serial_start COM1
                movb    $0x5f, %al
                outb    %al, $0x70
                inb     $0x71, %al
                addb    $'1', %al
                serial_put COM1
                serial_drain COM1
                power_off
        1:      jmp     1b",
    );
    let config = Config { processors: 3, ..config(QEMU, &image) };
    let mut session = Session::start("processors-qemu", config);
    session.expect("^3", LIMIT);
}

/// Whatever this host is, the machine starts or every reason is told: there is
/// no third way.
#[test]
fn qemu_with_kvm_starts_or_says_what_is_missing() {
    let image = BareImage::new("serial_start COM1\nmovb $'!', %al\nserial_put COM1\n1: jmp 1b");
    let runner = Runner::Qemu(Accelerator::Kvm);
    let logs = tempfile::tempdir().expect("a temporary folder");
    let config = Config { runner, ..Config::new(image.path(), logs.path()) };
    match Machine::start(config, |_| {}) {
        Ok(machine) => assert!(running(machine.process_id())),
        Err(MachineError::Kvm(lacks)) => {
            assert!(!lacks.is_empty() && lacks.iter().map(Lack::cure).all(|cure| !cure.is_empty()));
        }
        Err(other) => panic!("{other}"),
    }
}

fn a_dropped_machine_leaves_no_emulator_behind(runner: Runner) {
    let image = BareImage::new("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let config = Config { runner, ..Config::new(image.path(), logs.path()) };
    let machine = Machine::start(config, |_| {}).expect("the machine starts");
    let process = machine.process_id();
    assert!(running(process));
    drop(machine);
    assert!(!running(process));
}

/// Set for the process that `helper_that_holds_a_machine` runs in.
const HOLD: &str = "BULKHEAD_TEST_HOLD";

/// And which machine it holds: QEMU's if this is not empty.
const HOLD_QEMU: &str = "BULKHEAD_TEST_HOLD_QEMU";

fn an_owner_that_is_killed_takes_the_emulator_along(runner: Runner) {
    let image = BareImage::new("1: jmp 1b");
    // What the killed owner cannot remove goes with this folder.
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let mut owner = Command::new(std::env::current_exe().expect("this program has a file"))
        .args(["--exact", "helper_that_holds_a_machine", "--nocapture"])
        .env(HOLD, image.path())
        .env(HOLD_QEMU, if runner == QEMU { "yes" } else { "" })
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
    let qemu = std::env::var_os(HOLD_QEMU).is_some_and(|value| !value.is_empty());
    let runner = if qemu { QEMU } else { BOCHS };
    let config = Config { runner, ..Config::new(image, logs.path()) };
    let machine = Machine::start(config, |_| {}).expect("the machine starts");
    println!("\nemulator: {}", machine.process_id());
    std::thread::sleep(LIMIT);
}

fn a_killed_machine_says_so_at_once(runner: Runner) {
    let image = BareImage::new("1: jmp 1b");
    let logs = tempfile::tempdir().expect("a temporary folder");
    let (sender, events) = std::sync::mpsc::channel();
    let config = Config { runner, ..Config::new(image.path(), logs.path()) };
    let mut machine = Machine::start(config, move |event| {
        let _ = sender.send(event);
    })
    .expect("the machine starts");
    let since = Instant::now();
    machine.stop();
    assert!(since.elapsed() < Duration::from_secs(5));
    let last = events.iter().last().expect("at least the end is told");
    assert!(matches!(last, Event::Ended(Ending::Killed)), "{last:?}");
}

fn a_missing_image_is_named(runner: Runner) {
    let logs = tempfile::tempdir().expect("a temporary folder");
    let config = Config { runner, ..Config::new("/no/such.iso", logs.path()) };
    let error = Machine::start(config, |_| {});
    let Err(MachineError::Image { path, .. }) = error else { panic!("no image was found missing") };
    assert_eq!(path.to_string_lossy(), "/no/such.iso");
}
