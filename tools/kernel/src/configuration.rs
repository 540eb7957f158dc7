//! The kernel's configuration: every option, its value, and why.
//!
//! seL4 5.0.0 is configured through C macros that its Kconfig would write to
//! `autoconf.h`. The numbers of calls and the layouts that protection domains
//! see are the same in both configurations.

use std::fmt::Write;

/// Which of the two kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Configuration {
    /// Prints to the serial port, checks its assertions, has the debug calls.
    Debug,
    /// Silent and fast: what is measured and shipped.
    Release,
}

impl Configuration {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Debug, Self::Release];

    /// Name of the folder that holds this kernel.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Options of both configurations. Where a value is a choice, the comment above
/// it says why; the others select the only thing that this kernel offers here.
const COMMON: &[(&str, &str)] = &[
    ("ARCH_X86", "1"),
    ("ARCH_X86_64", "1"),
    ("PLAT_PC99", "1"),
    ("WORD_SIZE", "64"),
    ("KERNEL_MASTER", "1"),
    // 131,072 slots in 4 MiB. Each 4 KiB page of the boot image takes one, so
    // an image of 256 MiB leaves half of them for the system's own objects.
    ("ROOT_CNODE_SIZE_BITS", "17"),
    // A tick costs a running guest about 1,000 instructions: 0.5 % of the
    // 200,000 that 2 ms are on the reference machine.
    ("TIMER_TICK_MS", "2"),
    // In ticks. A thread that becomes ready waits behind each busy thread of
    // its own priority for one slice: with two guests at most 2 ms, below the
    // 4 ms between two timer interrupts of a Debian kernel (HZ=250).
    ("TIME_SLICE", "1"),
    // Objects made by one Retype; Kconfig's default and libsel4's constant.
    ("RETYPE_FAN_OUT_LIMIT", "256"),
    // Objects zeroed or capabilities revoked between two preemption points.
    ("MAX_NUM_WORK_UNITS_PER_PREEMPTION", "100"),
    // As many as fit into the one page of bootinfo, (4096 - 169) / 12 = 327,
    // rounded down. Untyped memory that is not listed is lost.
    ("MAX_NUM_BOOTINFO_UNTYPED_CAPS", "320"),
    ("FASTPATH", "1"),
    ("NUM_DOMAINS", "1"),
    ("NUM_PRIORITIES", "256"),
    // The patches keep per-CPU state of guests in single variables.
    ("MAX_NUM_NODES", "1"),
    ("CACHE_LN_SZ", "64"),
    ("KERNEL_STACK_BITS", "12"),
    ("HAVE_FPU", "1"),
    // Switches without FPU use until the kernel gives the unit up again.
    ("FPU_MAX_RESTORES_SINCE_SWITCH", "64"),
    ("FXSAVE", "1"),
    ("XSAVE_SIZE", "512"),
    ("OPTIMISATION_O2", "1"),
    ("NO_BENCHMARKS", "1"),
    ("MAX_NUM_TRACE_POINTS", "0"),
    ("IRQ_IOAPIC", "1"),
    ("MAX_NUM_IOAPIC", "1"),
    // The local APIC through memory: present on every machine in question.
    ("XAPIC", "1"),
    ("SYSCALL", "1"),
    // The oldest processors with everything else that is needed here lack the
    // FSGSBASE instructions.
    ("FSGSBASE_MSR", "1"),
    // With a graphics mode a boot loader hands over fields that the kernel misreads.
    ("MULTIBOOT_GRAPHICS_MODE_NONE", "1"),
    ("VTX", "1"),
    // VCPUs whose translations stay cached across switches; more VCPUs work,
    // and share.
    ("MAX_VPIDS", "64"),
];

/// Options that only the debug kernel has.
const DEBUG: &[(&str, &str)] = &[
    ("DEBUG_BUILD", "1"),
    ("PRINTING", "1"),
    // Words of stack printed when a thread without a fault handler faults.
    ("USER_STACK_TRACE_LENGTH", "16"),
];

impl Configuration {
    /// The options, without their prefix `CONFIG_`.
    fn options(self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        COMMON.iter().chain(match self {
            Self::Debug => DEBUG,
            Self::Release => &[],
        })
    }

    /// The text of `autoconf.h`.
    pub(crate) fn autoconf(self) -> String {
        let mut text = String::from("#ifndef AUTOCONF_H\n#define AUTOCONF_H\n");
        for (name, value) in self.options() {
            let _ = writeln!(text, "#define CONFIG_{name} {value}");
        }
        text.push_str("#endif\n");
        text
    }

    /// Macros that Kconfig's makefiles would put on the command line.
    pub(crate) fn definitions(self) -> Vec<&'static str> {
        let mut definitions = vec![
            "-DHAVE_AUTOCONF",
            "-D__KERNEL_64__",
            "-DARCH_X86",
            "-DX86_64",
            "-D__X86_64__=y",
            "-DKERNEL_64=y",
            "-DCONFIG_X86_64=y",
        ];
        if self == Self::Debug {
            definitions.push("-DDEBUG");
        }
        definitions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_option_is_given_twice() {
        for configuration in Configuration::ALL {
            let mut seen = HashSet::new();
            for (name, _) in configuration.options() {
                assert!(seen.insert(name), "{name}");
            }
        }
    }

    #[test]
    fn a_release_kernel_neither_prints_nor_has_debug_calls() {
        let text = Configuration::Release.autoconf();
        assert!(!text.contains("CONFIG_PRINTING") && !text.contains("CONFIG_DEBUG_BUILD"));
        assert!(Configuration::Debug.autoconf().contains("#define CONFIG_PRINTING 1\n"));
    }
}
