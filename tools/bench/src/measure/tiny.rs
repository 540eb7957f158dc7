//! Runs of tiny guests of our own, which print samples and then how they fared.

use bulkhead_machine::Config;
use miette::Result;

use super::Run;
use crate::{
    BenchError, Samples,
    watch::{Seen, Watch},
};

/// Boots it, and adds its samples to `results`.
pub fn measure(
    run: Run,
    watch: &Watch,
    config: Config,
    results: &mut Vec<(&'static str, Samples)>,
) -> Result<()> {
    let name = run.name();
    let said = |seen: &Seen, word: &str| seen.has_line(&format!("{word} {name}"));
    let seen =
        watch.until(config, |seen| ["ok", "skip", "FAIL"].iter().any(|word| said(seen, word)))?;
    if !said(&seen, "ok") {
        let console = seen.console();
        let line = console.lines().last().unwrap_or_default().trim_end();
        return Err(watch.failed(format!("the guest says `{line}`"), &seen).into());
    }
    for figure in run.figures() {
        let samples = Samples::find(&seen.console(), figure).ok_or_else(|| {
            BenchError::Samples { run: name, name: figure, log: watch.log.clone() }
        })?;
        results.push((figure, samples));
    }
    Ok(())
}
