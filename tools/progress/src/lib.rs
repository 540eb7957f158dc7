//! How long work is shown while it runs. The libraries report through
//! [`Progress`]; only the `bulkhead` command decides how that looks.
#![forbid(unsafe_code)]

/// Receives what a long step does. Steps do not nest.
pub trait Progress: Sync {
    /// A step begins. `total` is in the step's own unit, if it is known.
    fn begin(&self, what: &str, total: Option<u64>);

    /// The step has done `done` units so far.
    fn advance(&self, done: u64);

    /// The step is over; `outcome` says in a few words what came of it
    /// ("built", "cached", "12 packages").
    fn end(&self, outcome: &str);

    /// Something that the user should read, whatever the step.
    fn note(&self, text: &str);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self, _: &str) {}
    fn note(&self, _: &str) {}
}
