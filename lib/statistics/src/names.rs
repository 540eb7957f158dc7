//! Exit reasons as people call them.

/// A few words for an exit reason (Intel SDM vol. 3D, appendix C), for those
/// that a guest of ours can cause in numbers.
pub const fn reason_name(reason: u32) -> Option<&'static str> {
    Some(match reason {
        0 => "exception or NMI",
        1 => "external interrupt",
        2 => "triple fault",
        7 => "interrupt window",
        8 => "NMI window",
        9 => "task switch",
        10 => "CPUID",
        12 => "HLT",
        13 => "INVD",
        15 => "RDPMC",
        18 => "VMCALL",
        28 => "control register",
        29 => "debug register",
        30 => "port",
        31 => "RDMSR",
        32 => "WRMSR",
        33 => "entry failure, state",
        34 => "entry failure, MSRs",
        40 => "PAUSE",
        48 => "EPT violation",
        49 => "EPT misconfiguration",
        52 => "preemption timer",
        54 => "WBINVD",
        55 => "XSETBV",
        _ => return None,
    })
}
