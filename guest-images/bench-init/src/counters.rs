//! What the VMM counts of this guest, as CPUID tells it (`vmm-pd/core/src/bus/
//! cpuid.rs`: the leaves of the hypervisor "Bulkhead").
//!
//! The surprising fact: asking is an exit too, and counted. So what CPUID's own
//! count says is asked first at the end of a phase and last at its beginning, and
//! the exits by which the rest was asked fall between two phases.

use statistics::{Counter, REASONS};

use crate::clock;

/// Highest leaf, and the hypervisor's name.
const BULKHEAD: u32 = 0x4000_0100;
const NAME: [u8; 12] = *b"Bulkhead\0\0\0\0";
/// Exits by reason.
const EXITS: u32 = 0x4000_0102;
/// Other counters.
const COUNTERS: u32 = 0x4000_0103;

/// Basic exit reason of CPUID (Intel SDM vol. 3D, appendix C).
const CPUID: u32 = 10;

/// All counts at a moment.
#[derive(Clone, Debug)]
pub struct Counts {
    by_reason: Vec<u64>,
    vmm: u64,
    asleep: u64,
    calls: u64,
    at: u64,
}

/// Whether there is anybody to ask.
///
/// # Errors
/// Why not.
pub fn check() -> Result<(), String> {
    let leaf = clock::cpuid(BULKHEAD, 0);
    let mut name = [0; 12];
    for (into, register) in name.chunks_exact_mut(4).zip([leaf.ebx, leaf.ecx, leaf.edx]) {
        into.copy_from_slice(&register.to_le_bytes());
    }
    if name != NAME || leaf.eax < COUNTERS {
        return Err("its VMM does not count exits".into());
    }
    Ok(())
}

/// A counter.
pub fn counter(counter: Counter) -> u64 {
    ask(COUNTERS, counter as u32)
}

fn ask(leaf: u32, subleaf: u32) -> u64 {
    let answer = clock::cpuid(leaf, subleaf);
    u64::from(answer.ebx) << 32 | u64::from(answer.eax)
}

impl Counts {
    /// At the end of a phase: CPUID's own count comes first, less the one exit
    /// that asked for it.
    pub fn ending() -> Counts {
        let at = clock::now();
        let cpuid = ask(EXITS, CPUID).saturating_sub(1);
        let mut counts = Counts::rest(at);
        counts.by_reason[CPUID as usize] = cpuid;
        counts
    }

    /// At its beginning: it comes last.
    pub fn beginning() -> Counts {
        let mut counts = Counts::rest(0);
        counts.by_reason[CPUID as usize] = ask(EXITS, CPUID);
        counts.at = clock::now();
        counts
    }

    /// What the guest began with.
    pub fn of_start() -> Counts {
        let at = counter(Counter::StartedAt);
        // Until then the VMM had the processor to itself.
        let vmm = at.saturating_sub(counter(Counter::Since));
        Counts { by_reason: vec![0; REASONS + 1], vmm, asleep: 0, calls: 0, at }
    }

    fn rest(at: u64) -> Counts {
        let vmm = counter(Counter::Vmm);
        let asleep = counter(Counter::Asleep);
        let calls = counter(Counter::KernelCalls);
        let by_reason = (0..=REASONS as u32).map(|reason| ask(EXITS, reason)).collect();
        Counts { by_reason, vmm, asleep, calls, at }
    }

    /// Exits from `self` to `end`.
    pub fn exits_until(&self, end: &Counts) -> u64 {
        let sum = |counts: &Counts| counts.by_reason.iter().sum::<u64>();
        sum(end).saturating_sub(sum(self))
    }

    /// The lines of a phase from `self` to `end`.
    pub fn lines(&self, phase: &str, end: &Counts) -> String {
        let mut text = String::new();
        for (name, from, to) in [
            ("ticks", self.at, end.at),
            ("vmm", self.vmm, end.vmm),
            ("asleep", self.asleep, end.asleep),
            ("calls", self.calls, end.calls),
        ] {
            text += &format!("value {phase}_{name} {}\n", to.saturating_sub(from));
        }
        for (reason, (from, to)) in self.by_reason.iter().zip(&end.by_reason).enumerate() {
            if to > from {
                text += &format!("exits {phase} {reason} {}\n", to - from);
            }
        }
        text
    }
}
