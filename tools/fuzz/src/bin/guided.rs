//! The program that libFuzzer drives: the target that `BULKHEAD_FUZZ_TARGET`
//! names, with libFuzzer's own options. `bulkhead-fuzz --guided` builds it with
//! the coverage that libFuzzer needs, and starts it.
#![no_main]

use std::sync::OnceLock;

use bulkhead_fuzz::{Target, targets};
use libfuzzer_sys::fuzz_target;

fn target() -> &'static Target {
    static TARGET: OnceLock<&Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let name = std::env::var("BULKHEAD_FUZZ_TARGET").unwrap_or_default();
        targets::named(&name).unwrap_or_else(|| panic!("BULKHEAD_FUZZ_TARGET: no target `{name}`"))
    })
}

fuzz_target!(|bytes: &[u8]| (target().check)(bytes));
