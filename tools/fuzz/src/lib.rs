//! Fuzzing: everything that reads what somebody else wrote, fed with anything.
//!
//! A [`Target`] is a pure function over bytes that asserts what must hold
//! whatever they are. All of them stand in one list, [`targets::ALL`]; two
//! programs run them: `bulkhead-fuzz`, which needs nothing but stable Rust and
//! makes the same inputs from the same seed (in CI a fixed number of them), and
//! `bulkhead-fuzz-guided`, in which libFuzzer looks for inputs that reach new
//! code and so grows the corpora that the first one starts from.
//!
//! The surprising fact: most targets do not hand their bytes to the code under
//! test but read *steps* from them (accesses, exits, advances of time), with the
//! crate `arbitrary`; so a changed byte is a changed step.
#![deny(unsafe_code)]

pub mod corpus;
pub mod engine;
pub mod guided;
mod mutate;
pub mod pool;
mod target;
pub mod targets;

pub use target::Target;
