//! What is measured, and what it may cost.

use std::fmt;

use crate::Samples;

/// What a figure counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Emulated instructions.
    Ticks,
    /// Exits of the guest to its VMM.
    Exits,
    /// Bytes of memory.
    Bytes,
    /// A quotient of two of the above.
    Times,
}

impl Unit {
    /// As in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Ticks => "ticks",
            Unit::Exits => "exits",
            Unit::Bytes => "bytes",
            Unit::Times => "times",
        }
    }

    /// A value as a person reads it: groups of three digits, or two decimals.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Times => format!("{value:.3}"),
            // A quotient: nobody wants its hundredths.
            Unit::Ticks if value >= 1000.0 => grouped(value.round()),
            Unit::Ticks | Unit::Exits | Unit::Bytes if value.fract() == 0.0 => grouped(value),
            Unit::Ticks | Unit::Exits | Unit::Bytes => format!("{value:.2}"),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// What is measured, under which name, and what it may cost.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spec {
    /// In the JSON.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// The most that it should be; `None` is reported only.
    pub budget: Option<f64>,
    /// Whether the budget was reached: a test then holds it there.
    pub reached: bool,
    /// What libvmm 0.2.0 takes on the same kernel, emulator and guest.
    pub libvmm: Option<f64>,
}

impl Spec {
    /// Whether it is of a guest's disk or network.
    pub fn of_a_device(&self) -> bool {
        self.name.starts_with("blk_") || self.name.starts_with("net_")
    }
}

const fn spec(name: &'static str, what: &'static str, unit: Unit, budget: Option<f64>) -> Spec {
    Spec { name, what, unit, budget, reached: budget.is_some(), libvmm: None }
}

/// A figure whose budget was never reached yet: shown, not held.
const fn not_reached(name: &'static str, what: &'static str, unit: Unit, budget: f64) -> Spec {
    Spec { name, what, unit, budget: Some(budget), reached: false, libvmm: None }
}

/// Every figure, in the order in which they are shown; budgets are the embedded
/// board's.
pub const CATALOGUE: &[Spec] = &[
    spec("cpuid_exit", "CPUID exit", Unit::Ticks, Some(1550.0)),
    spec("port_read_exit", "port read, emulated (COM1 scratch)", Unit::Ticks, Some(1600.0)),
    spec("port_write_exit", "port write, emulated (COM1 scratch)", Unit::Ticks, Some(900.0)),
    spec("x2apic_read_exit", "x2APIC register read (ID)", Unit::Ticks, Some(1600.0)),
    spec("mmio_read_exit", "MMIO read, emulated (local APIC)", Unit::Ticks, Some(2300.0)),
    spec("mmio_read_exit_low", "the same by code below 4 GiB", Unit::Ticks, None),
    spec("cpuid_exit_bare", "CPUID exit of a tiny guest", Unit::Ticks, None),
    spec("port_read_exit_bare", "port read of a tiny guest", Unit::Ticks, None),
    spec("port_write_exit_bare", "port write of a tiny guest", Unit::Ticks, None),
    spec("timer_latency", "timer interrupt, beyond its deadline", Unit::Ticks, Some(3000.0)),
    spec("timer_latency_halted", "the same, guest in HLT", Unit::Ticks, None),
    spec("wake_latency", "wake from HLT by a notification", Unit::Ticks, None),
    spec("boot_to_init_ticks", "Linux's start to its first process", Unit::Ticks, Some(2.0e9)),
    not_reached("boot_to_init_exits", "exits until then, timer ticks apart", Unit::Exits, 1200.0),
    spec("boot_to_init_exits_all", "exits until then, all", Unit::Exits, None),
    not_reached("exits_per_timer_tick", "exits a timer tick, worse of both", Unit::Exits, 3.0),
    spec("exits_per_timer_tick_idle", "exits a timer tick, idle", Unit::Exits, None),
    spec("exits_per_timer_tick_busy", "exits a timer tick, busy", Unit::Exits, Some(2.0)),
    spec("exits_per_sleep", "exits a sleep of 10 ms", Unit::Exits, None),
    spec("boot_vs_native_ratio", "boot, against without seL4", Unit::Times, Some(1.10)),
    spec("native_boot_ticks", "boot without seL4", Unit::Ticks, None),
    spec("blk_read_4k", "read of 4 KiB, past the page cache", Unit::Ticks, Some(40_000.0)),
    spec("blk_write_4k", "write of 4 KiB, to the medium", Unit::Ticks, Some(90_000.0)),
    spec("blk_read_64k", "read of 64 KiB", Unit::Ticks, Some(140_000.0)),
    spec("blk_exits_per_request_qd1", "exits a read, one at a time", Unit::Exits, Some(2.0)),
    spec("blk_exits_per_request_qd32", "exits a read, 32 at once", Unit::Exits, Some(0.3)),
    spec("blk_ticks_per_request_qd32", "read of 4 KiB, 32 at once", Unit::Ticks, None),
    spec("blk_notifications_per_request_qd32", "notifications, likewise", Unit::Times, None),
    spec("blk_copies_per_byte", "copies a byte by the VMM", Unit::Times, Some(1.0)),
    spec("net_rtt_64", "ICMP echo of 64 bytes and its answer", Unit::Ticks, Some(40_000.0)),
    spec("vmm_memory_bytes", "VMM's own memory", Unit::Bytes, Some(1_048_576.0)),
];

/// What is said of a figure on a SDK's board.
struct OnSdk {
    name: &'static str,
    budget: Option<f64>,
    reached: bool,
    libvmm: Option<f64>,
}

/// Budgets on a SDK's board. There every value that an exit returns is a second
/// kernel call, so that they are other budgets; figures that are not here have
/// none. libvmm's: release 0.2.0 on the Microkit 2.3.0, Debian 6.1 as its guest.
const ON_SDK: &[OnSdk] = &[
    OnSdk { name: "cpuid_exit", budget: Some(1680.0), reached: false, libvmm: Some(1766.0) },
    // Of a port that nobody claims.
    OnSdk { name: "port_read_exit", budget: Some(1720.0), reached: true, libvmm: Some(1873.0) },
    OnSdk { name: "port_write_exit", budget: Some(1000.0), reached: true, libvmm: Some(1862.0) },
    OnSdk { name: "mmio_read_exit", budget: Some(2450.0), reached: true, libvmm: Some(3007.0) },
    OnSdk { name: "boot_to_init_ticks", budget: Some(2.0e9), reached: true, libvmm: Some(6.36e9) },
    OnSdk { name: "boot_to_init_exits", budget: Some(1200.0), reached: false, libvmm: None },
    OnSdk { name: "boot_to_init_exits_all", budget: None, reached: false, libvmm: Some(4242.0) },
];

/// The memory of a VMM, whose objects the SDK's tool makes by rules of its own.
const NOT_ON_SDK: &str = "vmm_memory_bytes";

/// Every figure of a SDK's board.
pub fn of_sdk() -> Vec<Spec> {
    let specs = CATALOGUE.iter().filter(|spec| spec.name != NOT_ON_SDK);
    let of = |spec: &Spec| {
        let its = ON_SDK.iter().find(|its| its.name == spec.name);
        let (budget, libvmm) = its.map_or((None, None), |its| (its.budget, its.libvmm));
        Spec { budget, libvmm, reached: its.is_some_and(|its| its.reached), ..*spec }
    };
    specs.map(of).collect()
}

/// A measured figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Figure {
    /// What it is.
    pub spec: Spec,
    /// Measured: the median, where there are samples.
    pub value: f64,
    /// The least that it could be here, measured too.
    pub floor: Option<f64>,
    /// What it is the median of.
    pub samples: Option<Samples>,
}

impl Figure {
    /// Whether it is within its budget, if it has one.
    pub fn within(&self, slack: f64) -> Option<bool> {
        self.spec.budget.map(|budget| self.value <= budget * (1.0 + slack))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (value, text) in
            [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (1234567.0, "1,234,567")]
        {
            assert_eq!(Unit::Ticks.show(value), text);
        }
        assert_eq!(Unit::Ticks.show(13046.34), "13,046");
        assert_eq!(Unit::Exits.show(2.5), "2.50");
        assert_eq!(Unit::Times.show(1.0), "1.000");
    }

    #[test]
    fn a_sdks_board_has_its_own_budgets_and_no_other() {
        let specs = of_sdk();
        for its in ON_SDK {
            let spec = specs.iter().find(|spec| spec.name == its.name);
            let spec = spec.unwrap_or_else(|| panic!("{} is in no catalogue", its.name));
            assert_eq!((spec.budget, spec.libvmm), (its.budget, its.libvmm));
            assert!(!its.reached || its.budget.is_some(), "{}: what was reached?", its.name);
        }
        assert_eq!(specs.iter().filter(|spec| spec.budget.is_some()).count(), 6);
        assert!(specs.len() + 1 == CATALOGUE.len());
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = CATALOGUE.iter().map(|spec| spec.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}
