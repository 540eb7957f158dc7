use std::string::String;

use super::*;
use crate::devices::lapic::Trigger;
use crate::dispatch::testing::Bench;
use crate::exit::Exit;
use crate::outcome::Unhandled;
use crate::types::Gsi;

fn report(bench: &mut Bench, reason: StopReason) -> String {
    let mut text = String::new();
    write(&mut text, reason, &bench.vm, &mut bench.cpu, &mut bench.memory).unwrap();
    text
}

#[test]
fn a_report_says_why_where_and_what_came_before() {
    let mut bench = Bench::long_mode();
    bench.cpu.gprs[Gpr::R13 as usize] = 0x1234_5678_9abc_def0;
    bench.memory.0[0x1000..0x1002].copy_from_slice(&[0x0f, 0xa2]);
    let _ = bench.exit(10, 0, 2);
    let _ = bench.exit(9, 0xc000_0028, 0);
    let reason = StopReason::Unhandled(Unhandled::Exit(Exit::Init));
    let text = report(&mut bench, reason);
    for part in [
        "TaskSwitch",
        "exit 9 rip 0000000000001002 qual c0000028",
        "r13 123456789abcdef0",
        "cs   0010 base 0000000000000000 limit ffffffff rights 0a09b",
        "exits 2: task switch 1, CPUID 1",
        "before 10 rip 0000000000001000",
        "restarts 0",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn code_is_shown_as_far_as_it_can_be_read() {
    let mut bench = Bench::protected_mode();
    bench.memory.0[0x1000..0x1003].copy_from_slice(&[0x0f, 0x01, 0xc1]);
    let text = report(&mut bench, StopReason::TripleFault);
    assert!(text.contains("code 0f 01 c1 00"), "{text}");
    let end = bench.memory.0.len() as u64;
    bench.cpu.rip = end - 2;
    let text = report(&mut bench, StopReason::TripleFault);
    assert!(text.contains("code 00 00 (no RAM at "), "{text}");
    // Paging without tables.
    let mut bench = Bench::long_mode();
    bench.cpu.rip = 0xffff_8000_0000_0000;
    let text = report(&mut bench, StopReason::TripleFault);
    assert!(text.contains("code (not mapped)"), "{text}");
}

#[test]
fn lines_fit_a_status_line_and_are_plain_ascii() {
    let mut bench = Bench::long_mode();
    for reason in 0..80 {
        let _ = bench.exit(reason, u64::MAX, 15);
    }
    bench.cpu.gprs = [u64::MAX; 16];
    let text = report(&mut bench, StopReason::HaltedForGood);
    for line in text.lines().filter(|line| !line.starts_with("exits")) {
        assert!(line.len() <= 160, "{} {line}", line.len());
    }
    assert!(text.bytes().all(|b| b == b'\n' || (0x20..0x7f).contains(&b)));
}

#[test]
fn interrupts_of_real_devices_are_told_where_there_were_any() {
    let mut bench = Bench::long_mode();
    let told = |bench: &mut Bench| {
        report(bench, StopReason::TripleFault).contains("interrupts of its own devices 2\n")
    };
    assert!(!told(&mut bench));
    for trigger in [Trigger::Edge, Trigger::Level] {
        bench.vm.line_arrived(Gsi(20), trigger);
    }
    assert!(told(&mut bench));
}
