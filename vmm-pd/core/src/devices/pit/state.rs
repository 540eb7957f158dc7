//! What a snapshot holds of the interval timer.

use serde::{Deserialize, Serialize};

/// Which bytes of a count software reads and writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Access {
    /// The low one; the high one is zero.
    Low,
    /// The high one; the low one is zero.
    High,
    /// Low, then high.
    Both,
}

/// What a counter does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// 0: interrupt on terminal count.
    TerminalCount,
    /// 1: hardware retriggerable one-shot.
    OneShot,
    /// 2: rate generator.
    Rate,
    /// 3: square wave.
    Square,
    /// 4: software triggered strobe.
    SoftwareStrobe,
    /// 5: hardware triggered strobe.
    HardwareStrobe,
}

/// Whether the counting element runs. Clocks are periods of the 8254's input
/// since the timer was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Run {
    /// No count has been loaded since the control word.
    Idle,
    /// Stopped by its gate so many clocks after loading.
    Paused(i64),
    /// Loaded at this clock.
    Since(i64),
}

/// A count that waits for the end of a period or for a trigger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Next {
    /// The count.
    pub count: u32,
    /// The clock at which it is taken; nothing if a trigger must come.
    pub at: Option<i64>,
}

/// One counter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CounterState {
    /// Mode.
    pub mode: Mode,
    /// Bytes.
    pub access: Access,
    /// Binary-coded decimals.
    pub bcd: bool,
    /// Level of the gate.
    pub gate: bool,
    /// What is being counted: 1 to 65,536.
    pub count: u32,
    /// What is to be counted next.
    pub next: Option<Next>,
    /// Counting element.
    pub run: Run,
    /// First byte of a count whose second is awaited.
    pub low_byte: Option<u8>,
    /// The next byte read of two is the high one.
    pub read_high: bool,
    /// Latched count.
    pub latched_count: Option<u16>,
    /// Latched status.
    pub latched_status: Option<u8>,
}

/// The whole timer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PitState {
    /// The counters.
    pub counters: [CounterState; 3],
    /// Ticks from the making of the timer to the moment of saving.
    pub elapsed: u64,
    /// Counter 0's output rose, and nobody was told yet.
    pub rose: bool,
}
