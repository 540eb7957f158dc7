//! The default system on the embedded board, as a user meets it: a Debian guest
//! at a shell prompt. On the SDK's board: `sdk.rs`.

use system_tests::{System, debian};

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
