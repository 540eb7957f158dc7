//! What the command does with bad input: for each case the whole message that
//! its user gets to read (`snapshots/`), the exit status, that nothing is left
//! half-written, and that a second run works.
//!
//! One module a family of cases. The command under test is the real one; it
//! works in copies of this checkout, so that no case harms the original. What
//! surprises: cargo is replaced by a script there which hands out what was
//! compiled in this checkout, because a copy would compile all of it again. And
//! a test that this user may not make (most need a mount namespace) counts as
//! ignored, which the usual harness cannot do; hence a list of tests here.

mod access;
mod call;
mod checkout;
mod descriptions;
mod emulator;
mod files;
mod locks;
mod namespace;
mod network;
mod packages;
mod sdk;
mod signals;
mod space;
mod terminal;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::namespace::Need::{self, Mounts, Nothing, Root};

/// Each with what it cannot do without.
macro_rules! tests {
    ($($need:ident: $module:ident::$name:ident,)*) => {
        [$((concat!(stringify!($module), "::", stringify!($name)), $need, $module::$name as fn())),*]
    };
}

fn main() -> ExitCode {
    let tests: &[(&str, Need, fn())] = &tests![
        Mounts: access::a_checkout_that_cannot_be_written_is_named_and_can_be_asked,
        Nothing: access::odd_environments_and_closed_streams_do_no_harm,
        Nothing: access::a_checkout_may_have_an_odd_name,
        Nothing: descriptions::each_mistake_is_shown_with_its_place_and_nothing_is_built,
        Nothing: descriptions::what_is_no_description_is_refused_by_name,
        Mounts: emulator::an_emulator_that_cannot_be_the_machine_is_named_with_the_cure,
        Mounts: emulator::a_temporary_folder_that_cannot_be_used_is_named,
        Nothing: files::what_no_guest_can_start_from_is_refused_before_anything_is_built,
        Nothing: locks::two_runs_have_logs_of_their_own_and_clean_waits_for_neither,
        Nothing: locks::builds_at_once_wait_for_each_other,
        Root: network::each_step_of_a_first_run_says_that_it_needs_the_network,
        Root: network::without_any_network_each_step_fails_by_name_and_a_later_run_works,
        Nothing: network::a_package_that_was_damaged_is_fetched_again_or_named,
        Root: packages::on_a_bare_debian_a_user_gets_the_packages_and_the_command,
        Root: packages::sudo_asks_at_a_terminal_only_and_what_it_runs_was_shown,
        Nothing: sdk::an_sdk_that_cannot_be_used_is_refused_with_what_was_found_and_what_is_needed,
        Nothing: signals::a_signal_at_any_moment_leaves_nothing_and_the_next_run_works,
        Nothing: signals::a_killed_command_takes_its_emulator_along_and_the_next_one_cleans_up,
        Nothing: signals::a_closed_terminal_ends_the_run,
        Root: space::a_full_disk_is_named_at_each_step_leaves_nothing_and_is_got_over,
        Root: space::too_little_room_is_told_before_long_work,
        Nothing: space::a_limit_on_file_sizes_is_an_error_and_not_a_death,
        Nothing: space::a_transcript_that_finds_no_room_ends_the_run_with_its_name,
        Nothing: terminal::every_end_of_a_run_gives_the_terminal_back_as_it_was,
        Nothing: terminal::a_stopped_run_lends_the_terminal_to_the_shell,
    ];
    let trials = tests.iter().map(|&(name, need, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(!need.is_met(name))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
