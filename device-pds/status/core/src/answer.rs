//! A client's counters as frames.
//!
//! | frame | holds |
//! | --- | --- |
//! | `guest NAME counts KEY=VALUE ...` | `cN`: the counter with number N; `rN`: exits with reason N (80: all others). What is zero is left out |
//! | `guest NAME exit number=N reason=R rip=A qual=Q gpa=P` | one of the last exits, the newest first |
//! | `guest NAME counted now=T torn=B` | the end of it; the time-stamp counter then; 1 if the newest exit may be a mixture |
//! | `guest NAME counted : WHY` | there are no counters |
//!
//! Values are hexadecimal without prefix; numbers in keys, and `number`,
//! `reason` and `torn`, decimal.

use core::fmt::Write;

use heapless::String;
use statistics::{Counter, REASONS, Snapshot};

use crate::frame::Frame;
use crate::line::LINE_MAX;

/// Exits that are told: half of those that a page holds, for each is 8 ms of
/// the port.
const EXITS: usize = 8;

/// Longest `KEY=VALUE` with the space before it: a letter, two digits, `=`,
/// sixteen digits.
const ITEM_MAX: usize = 21;

/// Gives all frames of one client to `send`.
pub(crate) fn frames(name: &str, snapshot: &Snapshot, now: u64, mut send: impl FnMut(&Frame)) {
    let counters = Counter::ALL
        .into_iter()
        .map(|counter| ('c', counter as u32, snapshot.get(counter)))
        .filter(|&(.., value)| value != 0);
    let exits =
        snapshot.by_reason().map(|(reason, count)| ('r', reason.unwrap_or(REASONS as u32), count));
    let mut items: String<LINE_MAX> = String::new();
    let mut flush = |items: &mut String<LINE_MAX>| {
        if !items.is_empty() {
            send(&Frame::new(format_args!("guest {name} counts{items}")));
            items.clear();
        }
    };
    for (kind, number, value) in counters.chain(exits) {
        if items.len() + ITEM_MAX > LINE_MAX - "counts".len() {
            flush(&mut items);
        }
        // There is room for it.
        let _ = write!(items, " {kind}{number}={value:x}");
    }
    flush(&mut items);
    let total = snapshot.total();
    for (back, exit) in (1..).zip(snapshot.last().take(EXITS)) {
        send(&Frame::new(format_args!(
            "guest {name} exit number={} reason={} rip={:x} qual={:x} gpa={:x}",
            total.wrapping_sub(back),
            exit.reason,
            exit.rip,
            exit.qualification,
            exit.guest_physical,
        )));
    }
    let torn = u8::from(snapshot.torn());
    send(&Frame::new(format_args!("guest {name} counted now={now:x} torn={torn}")));
}
