//! Runs one input, and makes a failing one small.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::RefCell,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

use fastrand::Rng;

use crate::{Target, mutate::mutated};

/// How a property failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// File, line and column of the panic.
    pub place: String,
    /// What it said.
    pub message: String,
    /// How the program got there, if `RUST_BACKTRACE` asked for it.
    pub trace: Option<String>,
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Most inputs that are tried to make one smaller.
const ATTEMPTS: usize = 2000;

/// Keeps panics of this process from the screen; [`run`] returns them.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(remember)));
}

fn remember(info: &PanicHookInfo<'_>) {
    let trace = Backtrace::capture();
    let failure = Failure {
        place: info.location().map_or_else(|| "unknown place".into(), ToString::to_string),
        message: info.payload_as_str().unwrap_or("no message").into(),
        trace: (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string()),
    };
    LAST.with(|last| *last.borrow_mut() = Some(failure));
}

/// Checks one input.
///
/// # Errors
/// The property does not hold for it.
pub fn run(target: &Target, input: &[u8]) -> Result<(), Failure> {
    listen();
    // What the property worked on goes with it, so nothing broken is seen again.
    match panic::catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        Ok(()) => Ok(()),
        Err(_) => Err(LAST.with(|last| last.borrow_mut().take()).unwrap_or(Failure {
            place: "unknown place".into(),
            message: "panicked".into(),
            trace: None,
        })),
    }
}

/// The `index`-th input that `seed` makes for a target. Depends on nothing else,
/// so any thread may make it.
pub fn make(target: &Target, inputs: &[Vec<u8>], seed: u64, index: u64) -> Vec<u8> {
    // Any mixing will do that keeps neighbours apart: FNV-1a's.
    let mut mixed = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in target.name.bytes().chain(index.to_le_bytes()) {
        mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    }
    mutated(inputs, target.words, target.longest, &mut Rng::with_seed(mixed))
}

/// A smaller input that fails at the same place.
pub fn minimised(target: &Target, input: &[u8], failure: &Failure) -> Vec<u8> {
    let same = |bytes: &[u8]| run(target, bytes).is_err_and(|f| f.place == failure.place);
    let mut best = input.to_vec();
    let mut attempts = ATTEMPTS;
    let mut size = (best.len() / 2).max(1);
    loop {
        let mut at = 0;
        let mut smaller = false;
        while at < best.len() {
            if attempts == 0 {
                return best;
            }
            attempts -= 1;
            let mut shorter = best.clone();
            shorter.drain(at..(at + size).min(best.len()));
            if same(&shorter) {
                best = shorter;
                smaller = true;
            } else {
                at += size;
            }
        }
        if size == 1 && !smaller {
            break;
        }
        size = (size / 2).max(1);
    }
    for at in 0..best.len() {
        if attempts == 0 {
            break;
        }
        attempts -= 1;
        let mut plainer = best.clone();
        plainer[at] = 0;
        if plainer != best && same(&plainer) {
            best = plainer;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICKY: Target = Target::new("picky", "no two sevens", |bytes| {
        assert!(bytes.iter().filter(|b| **b == 7).count() < 2, "two sevens");
    });

    #[test]
    fn a_failure_says_where_and_what() {
        let failure = run(&PICKY, &[7, 7]).unwrap_err();
        assert!(failure.place.contains("engine.rs"), "{failure:?}");
        assert_eq!(failure.message, "two sevens");
        assert_eq!(run(&PICKY, &[7]), Ok(()));
    }

    #[test]
    fn a_failing_input_is_made_as_small_as_it_can_be() {
        let mut input = vec![3; 300];
        input[50] = 7;
        input[250] = 7;
        let failure = run(&PICKY, &input).unwrap_err();
        assert_eq!(minimised(&PICKY, &input, &failure), [7, 7]);
    }

    #[test]
    fn an_input_is_decided_by_target_seed_and_index() {
        let inputs = [vec![1, 2, 3]];
        assert_eq!(make(&PICKY, &inputs, 1, 5), make(&PICKY, &inputs, 1, 5));
        let made: std::collections::BTreeSet<_> =
            (0..200).map(|index| make(&PICKY, &inputs, 1, index)).collect();
        assert!(made.len() > 150, "{}", made.len());
    }
}
