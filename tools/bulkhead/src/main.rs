//! The `bulkhead` command: from a fresh checkout to a guest's shell, or to
//! tested, in one step.
//!
//! It is glue: the kernel, the system description, guest images, boot images
//! and the emulated machine each have a library of their own. Standard output
//! carries what a guest prints (or what a command was asked to print),
//! standard error everything else.
#![forbid(unsafe_code)]

mod bench;
mod cli;
mod commands;
mod devices;
mod docs;
mod exit;
mod fuzz;
mod platform;
mod run;
mod setup;
mod signals;
mod space;
mod steps;
mod test;
mod ui;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use miette::{IntoDiagnostic, Result, WrapErr};

use crate::{
    cli::{Cli, Command},
    steps::Steps,
};

fn main() -> ExitCode {
    ui::lay_out_reports();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // To standard output if it is what was asked for.
            let _ = refused.print();
            return if refused.use_stderr() { exit::FAILED.into() } else { ExitCode::SUCCESS };
        }
    };
    // For as long as the process, because signals come at any time.
    let steps: &'static Steps = Box::leak(Box::default());
    let outcome = signals::watch(steps)
        .into_diagnostic()
        .wrap_err("cannot watch for signals")
        .and_then(|()| dispatch(cli.command, steps));
    signals::yield_to_the_end();
    match outcome {
        Ok(code) => code.into(),
        Err(report) => {
            steps.abandon();
            let shown = format!("{report:?}");
            ui::tell(shown.trim_end());
            for line in space::explanation(&shown) {
                ui::tell(&line);
            }
            exit::FAILED.into()
        }
    }
}

fn dispatch(command: Command, steps: &Steps) -> Result<u8> {
    match command {
        Command::Run(args) => commands::run(args, steps),
        Command::Test(args) => test::test(&args, steps),
        Command::Bench(args) => bench::bench(&args, steps),
        Command::Fuzz { arguments } => fuzz::fuzz(&arguments, steps),
        Command::Check { file, profile, board } => commands::check(&file, &board, &profile),
        Command::Build(args) => commands::build(args, steps),
        Command::Boot { image, memory, console, no_install } => {
            commands::boot(&image, memory, console, no_install, steps)
        }
        Command::Docs { check } => docs::docs(check, steps),
        Command::Clean => commands::clean(steps),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bulkhead", &mut script);
            ui::say(String::from_utf8_lossy(&script).trim_end());
            Ok(0)
        }
    }
}
