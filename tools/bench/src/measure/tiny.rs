//! Runs of tiny guests of our own, which print samples and then how they fared.

use std::path::PathBuf;

use bulkhead_machine::Config;
use miette::Result;

use crate::{
    BenchError, Samples,
    watch::{Seen, Watch},
};

/// What a tiny guest printed.
#[derive(Debug)]
pub struct Tiny {
    run: &'static str,
    log: PathBuf,
    console: String,
}

/// Boots it, and waits for its verdict on itself.
///
/// # Errors
/// It failed, or the machine is not one that it can measure on.
pub fn measure(watch: &Watch, config: Config) -> Result<Tiny> {
    let run = watch.run;
    let said = |seen: &Seen, word: &str| seen.has_line(&format!("{word} {run}"));
    let seen =
        watch.until(config, |seen| ["ok", "skip", "FAIL"].iter().any(|word| said(seen, word)))?;
    let console = seen.console();
    if !said(&seen, "ok") {
        let line = console.lines().last().unwrap_or_default().trim_end();
        return Err(watch.failed(format!("the guest says `{line}`"), &seen).into());
    }
    Ok(Tiny { run, log: watch.log.clone(), console })
}

impl Tiny {
    /// Samples that it printed.
    ///
    /// # Errors
    /// There are none.
    pub fn samples(&self, name: &'static str) -> Result<Samples, BenchError> {
        Samples::find(&self.console, name).ok_or_else(|| BenchError::Samples {
            run: self.run,
            name,
            log: self.log.clone(),
        })
    }
}
