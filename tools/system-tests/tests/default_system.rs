//! The default system on the embedded board, as a user meets it: a Debian guest
//! at a shell prompt. On the SDK's board: `sdk.rs`.

use std::{fs, time::Duration};

use bulkhead_machine::Status;
use system_tests::{System, checkout, debian, fresh_disk};

#[test]
fn a_typed_command_answers_and_poweroff_ends_with_0() {
    debian::answers_and_powers_off(System::default(), "shell");
}

#[test]
fn a_reboot_starts_again_from_the_pristine_images() {
    debian::reboots(System::default(), "reboot");
}

#[test]
fn a_kernel_panic_ends_the_guest_with_101() {
    debian::panics(System::default(), "panic");
}

#[test]
fn a_triple_fault_ends_the_guest_with_102() {
    debian::triple_faults(System::default(), "triple-fault-guest");
}

#[test]
fn a_guest_that_halts_with_interrupts_off_ends_with_100() {
    debian::halts(System::default(), "halt");
}

#[test]
fn the_guests_own_self_test_passes() {
    debian::tests_itself(System::default(), "selftest");
}

#[test]
fn a_build_with_checks_runs_too() {
    debian::answers_and_powers_off(System::default().debug(), "shell-debug");
}

#[test]
fn a_disk_without_the_guests_partition_is_told_by_the_virtualiser() {
    let disk = fresh_disk(&["other".to_owned()]);
    let mut session = System::default().with_disk(&disk).start("no-partition");
    let said = |status: &Status| matches!(status, Status::PdReport { pd, text } if pd == "blk_virt" && text.contains("debian"));
    session.expect_status(
        "of blk_virt that nothing is named debian",
        said,
        Duration::from_secs(120),
    );
}

/// The timer's words are not mapped; the VMM calls it instead, as sDDF's timers are
/// called.
#[test]
fn a_guest_sleeps_by_a_timer_that_is_called() {
    let mut description = fs::read_to_string(checkout("system.xml")).unwrap();
    for (words, calls) in [
        (
            r#"<map mr="deadline" vaddr="0x10020000" perms="r" setvar_vaddr="client0_deadline_vaddr" setvar_size="client0_deadline_size" />"#,
            "",
        ),
        (
            r#"<map mr="deadline" vaddr="0x10070000" perms="rw" setvar_vaddr="deadline_vaddr" setvar_size="deadline_size" />"#,
            "",
        ),
        (
            r#"<map mr="clock" vaddr="0x10080000" perms="r" setvar_vaddr="clock_vaddr" setvar_size="clock_size" />"#,
            "",
        ),
        (r#"<memory_region name="deadline" size="0x1000" />"#, ""),
        (r#"<end pd="vmm" id="2" />"#, r#"<end pd="vmm" id="2" pp="true" notify="false" />"#),
    ] {
        assert_eq!(description.matches(words).count(), 1, "{words}");
        description = description.replace(words, calls);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("called.system");
    fs::write(&path, description).unwrap();
    fs::copy(checkout("system.toml"), path.with_extension("toml")).unwrap();
    debian::sleeps(System::new(&path.to_string_lossy()), "called-timer");
}
