//! Attempts of one guest on what is another's: its memory, its disk, its frames. Root
//! in a Linux guest can do all that a hostile kernel could, so this is a program: it
//! maps addresses that are no memory, drives a virtio device itself with addresses and
//! sectors that are not the guest's, and listens to the whole wire.
//!
//! Each attempt first does something that is allowed, in the same way, so that one that
//! could never have succeeded is told from one that was refused.
//!
//! Not here: what else a guest may do to its own VMM (`guest-images/hostile`), and
//! whether the other guest took harm, which only that one can say.

mod device;
mod disk;
mod frames;
mod mapping;
mod memory;

use std::{env, process::ExitCode};

const USAGE: &str = "usage: intruder memory
       intruder disk PLACE            a virtio disk by its place on the PCI bus
       intruder listen SECONDS OWN    counts frames; OWN is the interface's address
       intruder send INTERFACE FROM TO COUNT";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["memory"] => memory::attack(),
        ["disk", place] => disk::attack(place),
        ["listen", seconds, own] => frames::listen(seconds, own),
        ["send", interface, from, to, count] => frames::send(interface, from, to, count),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(said) => {
            println!("intruder: {said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("intruder: FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}
