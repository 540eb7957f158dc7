//! `/proc/interrupts` says what it should.

use std::{fs, thread, time::Duration};

use crate::Outcome;

/// Sum over the processors of one line, by its label.
fn count(table: &str, label: &str) -> Option<u64> {
    let line = table.lines().find(|l| l.trim_start().starts_with(&format!("{label}:")))?;
    let numbers = line.split_whitespace().skip(1).map_while(|w| w.parse::<u64>().ok());
    Some(numbers.sum())
}

/// The serial port interrupts through the I/O APIC, the local timer ticks,
/// nothing is spurious, lost or unexpected.
pub fn sensible() -> Outcome {
    let read = || fs::read_to_string("/proc/interrupts").map_err(|e| format!("{e}"));
    let before = read()?;
    thread::sleep(Duration::from_secs(1));
    let after = read()?;
    let serial = after
        .lines()
        .find(|l| l.contains("ttyS0"))
        .ok_or("no interrupt line belongs to ttyS0: nobody has opened it")?;
    if !serial.contains("IO-APIC") {
        return Err(format!("ttyS0 is not on the I/O APIC: {serial}"));
    }
    let ticks = |t: &str| count(t, "LOC").ok_or("no line LOC");
    let ticked = ticks(&after)? - ticks(&before)?;
    // An idle kernel at 250 Hz may sleep through most of them; a broken timer
    // gives none, a storm many thousands.
    if !(1..=1000).contains(&ticked) {
        return Err(format!("{ticked} local timer interrupts in a second"));
    }
    for (label, what) in [
        ("ERR", "I/O APIC errors"),
        ("MIS", "missed level interrupts"),
        ("SPU", "spurious interrupts"),
        ("MCE", "machine checks"),
    ] {
        match count(&after, label) {
            None | Some(0) => {}
            Some(n) => return Err(format!("{n} {what}")),
        }
    }
    Ok(format!("{ticked} timer interrupts in a second, {} in all", ticks(&after)?))
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn a_line_is_summed_over_processors_and_stops_at_its_name() {
        let table = "           CPU0       CPU1\n  4:         10          2   IO-APIC   4-edge      ttyS0\nLOC:        100        200   Local timer interrupts\nERR:          0\n";
        assert_eq!(count(table, "4"), Some(12));
        assert_eq!(count(table, "LOC"), Some(300));
        assert_eq!(count(table, "ERR"), Some(0));
        assert_eq!(count(table, "NMI"), None);
    }
}
