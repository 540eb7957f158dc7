//! Names of the virtual-machine control structure: fields (Intel SDM vol. 3D,
//! appendix B) and control bits (vol. 3C, 25.6 to 25.8) that a VMM uses through
//! [`Vcpu`](crate::cap::Vcpu).

/// Field encodings.
pub mod field {
    #![allow(missing_docs, reason = "the names are the SDM's")]
    // 16-bit guest state; the segment registers follow each other in encoding
    // order (ES, CS, SS, DS, FS, GS, LDTR, TR), two apart.
    pub const GUEST_ES_SELECTOR: u32 = 0x0800;
    // 64-bit control and guest state
    pub const GUEST_DEBUGCTL: u32 = 0x2802;
    pub const GUEST_PAT: u32 = 0x2804;
    pub const GUEST_EFER: u32 = 0x2806;
    pub const GUEST_PDPTE0: u32 = 0x280a;
    // 32-bit control
    pub const PIN_BASED_CONTROLS: u32 = 0x4000;
    pub const PRIMARY_CONTROLS: u32 = 0x4002;
    pub const EXCEPTION_BITMAP: u32 = 0x4004;
    pub const EXIT_CONTROLS: u32 = 0x400c;
    pub const ENTRY_CONTROLS: u32 = 0x4012;
    pub const ENTRY_EXCEPTION_ERROR_CODE: u32 = 0x4018;
    pub const ENTRY_INSTRUCTION_LENGTH: u32 = 0x401a;
    pub const SECONDARY_CONTROLS: u32 = 0x401e;
    // 32-bit read-only data
    pub const EXIT_INTERRUPTION_INFO: u32 = 0x4404;
    pub const EXIT_INTERRUPTION_ERROR_CODE: u32 = 0x4406;
    pub const IDT_VECTORING_INFO: u32 = 0x4408;
    pub const IDT_VECTORING_ERROR_CODE: u32 = 0x440a;
    // 32-bit guest state
    pub const GUEST_ES_LIMIT: u32 = 0x4800;
    pub const GUEST_GDTR_LIMIT: u32 = 0x4810;
    pub const GUEST_IDTR_LIMIT: u32 = 0x4812;
    pub const GUEST_ES_ACCESS_RIGHTS: u32 = 0x4814;
    pub const GUEST_INTERRUPTIBILITY: u32 = 0x4824;
    pub const GUEST_ACTIVITY: u32 = 0x4826;
    pub const GUEST_SYSENTER_CS: u32 = 0x482a;
    pub const PREEMPTION_TIMER_VALUE: u32 = 0x482e;
    // natural-width control, read-only data and guest state
    pub const CR0_MASK: u32 = 0x6000;
    pub const CR4_MASK: u32 = 0x6002;
    pub const CR0_READ_SHADOW: u32 = 0x6004;
    pub const CR4_READ_SHADOW: u32 = 0x6006;
    pub const GUEST_LINEAR_ADDRESS: u32 = 0x640a;
    pub const GUEST_CR0: u32 = 0x6800;
    pub const GUEST_CR3: u32 = 0x6802;
    pub const GUEST_CR4: u32 = 0x6804;
    pub const GUEST_ES_BASE: u32 = 0x6806;
    pub const GUEST_GDTR_BASE: u32 = 0x6816;
    pub const GUEST_IDTR_BASE: u32 = 0x6818;
    pub const GUEST_DR7: u32 = 0x681a;
    pub const GUEST_RSP: u32 = 0x681c;
    pub const GUEST_RFLAGS: u32 = 0x6820;
    pub const GUEST_PENDING_DEBUG: u32 = 0x6822;
    pub const GUEST_SYSENTER_ESP: u32 = 0x6824;
    pub const GUEST_SYSENTER_EIP: u32 = 0x6826;
}

/// Pin-based controls.
pub mod pin {
    /// NMI blocking is virtual.
    pub const VIRTUAL_NMIS: u32 = 1 << 5;
    /// The preemption timer counts.
    pub const PREEMPTION_TIMER: u32 = 1 << 6;
}

/// Primary processor-based controls.
pub mod primary {
    /// Exit when the guest can take an interrupt.
    pub const INTERRUPT_WINDOW: u32 = 1 << 2;
    /// HLT exits.
    pub const HLT_EXITING: u32 = 1 << 7;
    /// Exit when the guest can take an NMI.
    pub const NMI_WINDOW: u32 = 1 << 22;
}

/// Secondary processor-based controls.
pub mod secondary {
    /// Extended page tables.
    pub const EPT: u32 = 1 << 1;
    /// RDTSCP works.
    pub const RDTSCP: u32 = 1 << 3;
    /// Real mode and unpaged protected mode run natively.
    pub const UNRESTRICTED_GUEST: u32 = 1 << 7;
    /// INVPCID works.
    pub const INVPCID: u32 = 1 << 12;
}

/// VM-exit controls.
pub mod exit {
    /// The preemption timer's value is saved, so that it counts on over exits.
    pub const SAVE_PREEMPTION_TIMER: u32 = 1 << 22;
}

/// VM-entry controls.
pub mod entry {
    /// The guest is in IA-32e mode after entry.
    pub const IA32E_MODE: u32 = 1 << 9;
}
