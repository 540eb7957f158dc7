//! The kept inputs hold, and so does the first handful of made ones. The long
//! run is `bulkhead-fuzz`'s.

use bulkhead_fuzz::{corpus, engine, targets};

/// Made inputs for each target here.
const RUNS: u64 = 50;

#[test]
fn every_kept_input_holds() {
    let mut failures = Vec::new();
    for target in targets::ALL {
        let inputs = corpus::start(target).unwrap();
        let made = (0..RUNS).map(|index| engine::make(target, &inputs, 1, index));
        for input in inputs.iter().cloned().chain(made) {
            if let Err(failure) = engine::run(target, &input) {
                failures.push(format!("{}: {failure:?}\n{input:02x?}", target.name));
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
