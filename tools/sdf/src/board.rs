//! What a board can do: the limits that a description is held to.
//!
//! A rule of the Microkit holds on every board. What a board *cannot do* is
//! listed here, so that a description meets a named error instead of being
//! half obeyed.

use std::ops::Range;

/// A range that nobody may be given, and who has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved<T> {
    /// First to one past the last.
    pub range: Range<T>,
    /// Who has it, as in "... belongs to {owner}".
    pub owner: &'static str,
}

/// Whether a board has something that a description may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Support {
    /// It has.
    Full,
    /// It accepts the request and does not act on it. Holds why.
    NotEnforced(&'static str),
    /// It has not. Holds why.
    Missing(&'static str),
}

/// A kernel, its configuration, and the machine below.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Board {
    /// As in `--board`.
    pub name: &'static str,
    /// Last byte of a protection domain's address space that the Microkit
    /// uses. The IPC buffer takes the page that holds it, then comes an
    /// unmapped page, then the stack downward.
    pub user_top: u64,
    /// First address that a guest-physical map may not reach.
    pub guest_top: u64,
    /// Most protection domains of a system; at most the Microkit's 63.
    pub domains_max: usize,
    /// Most memory regions of a system.
    pub regions_max: usize,
    /// Number of processors that the kernel runs on.
    pub cores: u8,
    /// Number of scheduling domains that the kernel knows.
    pub scheduling_domains: u16,
    /// Length of the kernel's domain schedule.
    pub schedule_length: u64,
    /// Number of I/O APICs that the kernel drives; `None` where that is known
    /// only to the running machine.
    pub ioapics: Option<u64>,
    /// Inputs of an I/O APIC; `None` as above.
    pub ioapic_pins: Option<u64>,
    /// Memory of the machine in bytes, where the description is for one
    /// machine.
    pub memory: Option<u64>,
    /// What kernel, firmware and initial task take of it.
    pub memory_overhead: u64,
    /// I/O ports that the kernel keeps.
    pub reserved_ports: Vec<Reserved<u32>>,
    /// Physical pages that the kernel keeps.
    pub reserved_memory: Vec<Reserved<u64>>,
    /// `budget` and `period`.
    pub budgets: Support,
    /// `passive`.
    pub passive: Support,
    /// `fpu="false"`.
    pub fpu_denial: Support,
    /// `domains`.
    pub domain_scheduling: Support,
    /// Message-signalled interrupts.
    pub msi: Support,
    /// `io_address_space`.
    pub iommu: Support,
    /// `cspace`.
    pub user_caps: Support,
    /// `prefill_bootinfo`.
    pub bootinfo: Support,
    /// Whether a prefilled region takes 2 MiB pages unasked where they fit.
    pub promote_prefilled: bool,
}

/// The Microkit's layout of an x86-64 address space ends here (inclusive), as
/// seL4 16 has it (`seL4_UserTop`: the topmost canonical page is left out).
/// seL4 5.0.0 allows one page more; a description must fit both kernels.
const MICROKIT_USER_TOP: u64 = 0x7fff_ffff_efff;

/// Guest-physical addresses: as the Microkit's tool limits them.
const MICROKIT_GUEST_TOP: u64 = MICROKIT_USER_TOP + 1;

const MIB: u64 = 1 << 20;

impl Board {
    /// seL4 5.0.0 with our patches, started by our initial task, in Bochs.
    pub fn bochs() -> Self {
        let no_mcs = Support::NotEnforced("its kernel has no MCS scheduling");
        Board {
            name: "bochs",
            user_top: MICROKIT_USER_TOP,
            guest_top: MICROKIT_GUEST_TOP,
            // What our initial task keeps account of.
            domains_max: 62,
            regions_max: 256,
            cores: 1,
            // As the SDK's board: an error in a schedule is one on every board.
            scheduling_domains: 16,
            schedule_length: 100,
            // CONFIG_MAX_NUM_IOAPIC and IOAPIC_IRQ_LINES of seL4 5.0.0.
            ioapics: Some(1),
            ioapic_pins: Some(24),
            memory: Some(1024 * MIB),
            // Kernel image, its heap and the firmware's holes stay below 16
            // MiB; the rest is the initial task and kernel objects.
            memory_overhead: 24 * MIB,
            reserved_ports: vec![Reserved {
                range: 0x3e8..0x3f0,
                owner: "the kernel's debug console (COM3)",
            }],
            reserved_memory: vec![
                Reserved { range: 0xfec0_0000..0xfec0_1000, owner: "the kernel (I/O APIC)" },
                Reserved { range: 0xfee0_0000..0xfee0_1000, owner: "the kernel (local APIC)" },
            ],
            budgets: no_mcs,
            passive: no_mcs,
            fpu_denial: Support::NotEnforced("its kernel lets every thread use the FPU"),
            domain_scheduling: Support::Missing("its kernel is built with one scheduling domain"),
            msi: Support::Missing("its initial task connects I/O APIC inputs only"),
            iommu: Support::Missing("its machine has no IOMMU"),
            user_caps: Support::Missing("its initial task copies no capabilities between domains"),
            bootinfo: Support::Missing("its initial task passes no boot information on"),
            // Its small pages are those of the boot image; large ones are copies.
            promote_prefilled: false,
        }
    }

    /// The Microkit SDK's board `x86_64_generic_vtx` (seL4 16, one core), as
    /// the Microkit's tool of 2.3 checks it: what is rejected here breaks a
    /// rule of the Microkit.
    pub fn x86_64_generic_vtx() -> Self {
        Board {
            name: "x86_64_generic_vtx",
            user_top: MICROKIT_USER_TOP,
            guest_top: MICROKIT_GUEST_TOP,
            domains_max: 63,
            // The Microkit has no limit; this one bounds our own work.
            regions_max: 4096,
            cores: 1,
            // KernelNumDomains and KernelNumDomainSchedules of the SDK's build.
            scheduling_domains: 16,
            schedule_length: 100,
            ioapics: None,
            ioapic_pins: None,
            memory: None,
            memory_overhead: 0,
            reserved_ports: Vec::new(),
            reserved_memory: Vec::new(),
            budgets: Support::Full,
            passive: Support::Full,
            fpu_denial: Support::Full,
            domain_scheduling: Support::Full,
            msi: Support::Full,
            iommu: Support::Full,
            user_caps: Support::Full,
            bootinfo: Support::Full,
            promote_prefilled: true,
        }
    }

    /// The same board in one of the SDK's configurations for several
    /// processors, `smp-release` or `smp-debug`.
    pub fn x86_64_generic_vtx_smp() -> Self {
        Board {
            name: "x86_64_generic_vtx-smp",
            // KernelMaxNumNodes of the SDK's build.
            cores: 16,
            // KernelNumDomains there, and one entry besides the kernel's own:
            // there is nothing to schedule.
            scheduling_domains: 1,
            schedule_length: 2,
            ..Board::x86_64_generic_vtx()
        }
    }

    /// Every board.
    pub fn all() -> [Board; 3] {
        [Board::bochs(), Board::x86_64_generic_vtx(), Board::x86_64_generic_vtx_smp()]
    }

    /// Address of a protection domain's IPC buffer.
    pub fn ipc_buffer(&self) -> u64 {
        self.user_top & !(system_spec::PAGE_SIZE - 1)
    }

    /// One past the top of a protection domain's stack; an unmapped page lies
    /// between it and the IPC buffer.
    pub fn stack_top(&self) -> u64 {
        self.ipc_buffer() - system_spec::PAGE_SIZE
    }

    /// First address that maps and program of a protection domain may not
    /// reach: the bottom of its stack.
    pub fn map_top(&self, stack_size: u64) -> u64 {
        self.stack_top().saturating_sub(stack_size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_lies_a_page_below_the_ipc_buffer() {
        let b = Board::bochs();
        assert_eq!(b.ipc_buffer(), 0x7fff_ffff_e000);
        assert_eq!(b.stack_top(), 0x7fff_ffff_d000);
        assert_eq!(b.map_top(0x2000), 0x7fff_ffff_b000);
    }
}
