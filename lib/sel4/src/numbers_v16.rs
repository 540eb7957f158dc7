// The numbers of the interface of a Microkit SDK's kernel: seL4 16 on x86-64, MCS, VT-x.
//
// Generated from the SDK's interface XML and C headers. Not to be edited: a build for a
// SDK takes that SDK's own numbers, and the tests hold the committed ones against it.

/// System calls, for register rdx. The `DEBUG_*` calls exist in the debug kernel only.
pub mod syscall {
    pub const CALL: isize = -1;
    pub const REPLY_RECV: isize = -2;
    pub const NB_SEND_RECV: isize = -3;
    pub const NB_SEND_WAIT: isize = -4;
    pub const SEND: isize = -5;
    pub const NB_SEND: isize = -6;
    pub const RECV: isize = -7;
    pub const NB_RECV: isize = -8;
    pub const WAIT: isize = -9;
    pub const NB_WAIT: isize = -10;
    pub const YIELD: isize = -11;
    pub const DEBUG_PUT_CHAR: isize = -12;
    pub const DEBUG_DUMP_SCHEDULER: isize = -13;
    pub const DEBUG_HALT: isize = -14;
    pub const DEBUG_CAP_IDENTIFY: isize = -15;
    pub const DEBUG_SNAPSHOT: isize = -16;
    pub const DEBUG_NAME_THREAD: isize = -17;
    pub const VM_ENTER: isize = -32;
}

/// Invocation labels, for the label of the message-info word.
pub mod invocation {
    pub const UNTYPED_RETYPE: usize = 1;
    pub const TCB_READ_REGISTERS: usize = 2;
    pub const TCB_WRITE_REGISTERS: usize = 3;
    pub const TCB_COPY_REGISTERS: usize = 4;
    pub const TCB_CONFIGURE: usize = 5;
    pub const TCB_SET_PRIORITY: usize = 6;
    pub const TCB_SET_MC_PRIORITY: usize = 7;
    pub const TCB_SET_SCHED_PARAMS: usize = 8;
    pub const TCB_SET_TIMEOUT_ENDPOINT: usize = 9;
    pub const TCB_SET_IPC_BUFFER: usize = 10;
    pub const TCB_SET_SPACE: usize = 11;
    pub const TCB_SUSPEND: usize = 12;
    pub const TCB_RESUME: usize = 13;
    pub const TCB_BIND_NOTIFICATION: usize = 14;
    pub const TCB_UNBIND_NOTIFICATION: usize = 15;
    pub const TCB_SET_TLS_BASE: usize = 16;
    pub const TCB_SET_FLAGS: usize = 17;
    pub const CNODE_REVOKE: usize = 18;
    pub const CNODE_DELETE: usize = 19;
    pub const CNODE_CANCEL_BADGED_SENDS: usize = 20;
    pub const CNODE_COPY: usize = 21;
    pub const CNODE_MINT: usize = 22;
    pub const CNODE_MOVE: usize = 23;
    pub const CNODE_MUTATE: usize = 24;
    pub const CNODE_ROTATE: usize = 25;
    pub const IRQ_ISSUE_IRQ_HANDLER: usize = 26;
    pub const IRQ_ACK_IRQ: usize = 27;
    pub const IRQ_SET_IRQ_HANDLER: usize = 28;
    pub const IRQ_CLEAR_IRQ_HANDLER: usize = 29;
    pub const DOMAIN_SET_SET: usize = 30;
    pub const DOMAIN_SCHEDULE_CONFIGURE: usize = 31;
    pub const DOMAIN_SCHEDULE_SET_START: usize = 32;
    pub const SCHED_CONTROL_CONFIGURE_FLAGS: usize = 33;
    pub const SCHED_CONTEXT_BIND: usize = 34;
    pub const SCHED_CONTEXT_UNBIND: usize = 35;
    pub const SCHED_CONTEXT_UNBIND_OBJECT: usize = 36;
    pub const SCHED_CONTEXT_CONSUMED: usize = 37;
    pub const SCHED_CONTEXT_YIELD_TO: usize = 38;
    pub const X86_PDPT_MAP: usize = 39;
    pub const X86_PDPT_UNMAP: usize = 40;
    pub const X86_VCPU_READ_MSR: usize = 41;
    pub const X86_VCPU_WRITE_MSR: usize = 42;
    pub const X86_PAGE_DIRECTORY_MAP: usize = 43;
    pub const X86_PAGE_DIRECTORY_UNMAP: usize = 44;
    pub const X86_PAGE_TABLE_MAP: usize = 45;
    pub const X86_PAGE_TABLE_UNMAP: usize = 46;
    pub const X86_IO_PAGE_TABLE_MAP: usize = 47;
    pub const X86_IO_PAGE_TABLE_UNMAP: usize = 48;
    pub const X86_PAGE_MAP: usize = 49;
    pub const X86_PAGE_UNMAP: usize = 50;
    pub const X86_PAGE_MAP_IO: usize = 51;
    pub const X86_PAGE_GET_ADDRESS: usize = 52;
    pub const X86_PAGE_MAP_EPT: usize = 53;
    pub const X86_ASID_CONTROL_MAKE_POOL: usize = 54;
    pub const X86_ASID_POOL_ASSIGN: usize = 55;
    pub const X86_IO_PORT_CONTROL_ISSUE: usize = 56;
    pub const X86_IO_PORT_IN8: usize = 57;
    pub const X86_IO_PORT_IN16: usize = 58;
    pub const X86_IO_PORT_IN32: usize = 59;
    pub const X86_IO_PORT_OUT8: usize = 60;
    pub const X86_IO_PORT_OUT16: usize = 61;
    pub const X86_IO_PORT_OUT32: usize = 62;
    pub const X86_IRQ_ISSUE_IRQ_HANDLER_IOAPIC: usize = 63;
    pub const X86_IRQ_ISSUE_IRQ_HANDLER_MSI: usize = 64;
    pub const TCB_SET_EPT_ROOT: usize = 65;
    pub const X86_VCPU_SET_TCB: usize = 66;
    pub const X86_VCPU_READ_VMCS: usize = 67;
    pub const X86_VCPU_WRITE_VMCS: usize = 68;
    pub const X86_VCPU_ENABLE_IO_PORT: usize = 69;
    pub const X86_VCPU_DISABLE_IO_PORT: usize = 70;
    pub const X86_VCPU_WRITE_REGISTERS: usize = 71;
    pub const X86_EPTPDPT_MAP: usize = 72;
    pub const X86_EPTPDPT_UNMAP: usize = 73;
    pub const X86_EPTPD_MAP: usize = 74;
    pub const X86_EPTPD_UNMAP: usize = 75;
    pub const X86_EPTPT_MAP: usize = 76;
    pub const X86_EPTPT_UNMAP: usize = 77;
}

/// Registers in the order of `invocation::TCB_READ_REGISTERS` and `TCB_WRITE_REGISTERS`.
pub mod user_context {
    pub const RIP: usize = 0;
    pub const RSP: usize = 1;
    pub const RFLAGS: usize = 2;
    pub const RAX: usize = 3;
    pub const RBX: usize = 4;
    pub const RCX: usize = 5;
    pub const RDX: usize = 6;
    pub const RSI: usize = 7;
    pub const RDI: usize = 8;
    pub const RBP: usize = 9;
    pub const R8: usize = 10;
    pub const R9: usize = 11;
    pub const R10: usize = 12;
    pub const R11: usize = 13;
    pub const R12: usize = 14;
    pub const R13: usize = 15;
    pub const R14: usize = 16;
    pub const R15: usize = 17;
    pub const FS_BASE: usize = 18;
    pub const GS_BASE: usize = 19;
    pub const COUNT: usize = 20;
}

/// Object types, for `invocation::UNTYPED_RETYPE`.
pub mod object {
    pub const UNTYPED: usize = 0;
    pub const TCB: usize = 1;
    pub const ENDPOINT: usize = 2;
    pub const NOTIFICATION: usize = 3;
    pub const CAP_TABLE: usize = 4;
    pub const SCHED_CONTEXT: usize = 5;
    pub const REPLY: usize = 6;
    pub const X86_PDPT: usize = 7;
    pub const X64_PML4: usize = 8;
    pub const X64_HUGE_PAGE: usize = 9;
    pub const X86_4K: usize = 10;
    pub const X86_LARGE_PAGE: usize = 11;
    pub const X86_PAGE_TABLE: usize = 12;
    pub const X86_PAGE_DIRECTORY: usize = 13;
    pub const X86_IO_PAGE_TABLE: usize = 14;
    pub const X86_VCPU: usize = 15;
    pub const X86_EPT_PML4: usize = 16;
    pub const X86_EPT_PDPT: usize = 17;
    pub const X86_EPT_PD: usize = 18;
    pub const X86_EPT_PT: usize = 19;
}

/// Binary logarithms of object sizes in bytes (`SLOT`: of one slot of a CNode).
pub mod size_bits {
    pub const MIN_UNTYPED: usize = 4;
    pub const MAX_UNTYPED: usize = 47;
    pub const SLOT: usize = 5;
    pub const TCB: usize = 11;
    pub const ENDPOINT: usize = 4;
    pub const NOTIFICATION: usize = 6;
    pub const REPLY: usize = 5;
    pub const MIN_SCHED_CONTEXT: usize = 7;
    pub const PAGE: usize = 12;
    pub const LARGE_PAGE: usize = 21;
    pub const HUGE_PAGE: usize = 30;
    pub const PAGE_TABLE: usize = 12;
    pub const PAGE_DIRECTORY: usize = 12;
    pub const PDPT: usize = 12;
    pub const PML4: usize = 12;
    pub const ASID_POOL: usize = 12;
    pub const IO_PAGE_TABLE: usize = 12;
    pub const VCPU: usize = 14;
    pub const EPT_PML4: usize = 12;
    pub const EPT_PDPT: usize = 12;
    pub const EPT_PD: usize = 12;
    pub const EPT_PT: usize = 12;
}

/// Results of an invocation, the label of its reply.
pub mod error {
    pub const NO_ERROR: usize = 0;
    pub const INVALID_ARGUMENT: usize = 1;
    pub const INVALID_CAPABILITY: usize = 2;
    pub const ILLEGAL_OPERATION: usize = 3;
    pub const RANGE_ERROR: usize = 4;
    pub const ALIGNMENT_ERROR: usize = 5;
    pub const FAILED_LOOKUP: usize = 6;
    pub const TRUNCATED_MESSAGE: usize = 7;
    pub const DELETE_FIRST: usize = 8;
    pub const REVOKE_FIRST: usize = 9;
    pub const NOT_ENOUGH_MEMORY: usize = 10;
}

/// Why a capability address led nowhere.
pub mod lookup_failure {
    pub const NO_FAILURE: usize = 0;
    pub const INVALID_ROOT: usize = 1;
    pub const MISSING_CAPABILITY: usize = 2;
    pub const DEPTH_MISMATCH: usize = 3;
    pub const GUARD_MISMATCH: usize = 4;
}

/// Kinds of fault, the label of a fault message.
pub mod fault {
    pub const NULL: usize = 0;
    pub const CAP: usize = 1;
    pub const UNKNOWN_SYSCALL: usize = 2;
    pub const USER_EXCEPTION: usize = 3;
    pub const TIMEOUT: usize = 5;
    pub const VM: usize = 6;
}

/// Message registers of `fault::CAP`.
pub mod cap_fault {
    pub const IP: usize = 0;
    pub const ADDRESS: usize = 1;
    pub const IN_RECV_PHASE: usize = 2;
    pub const LOOKUP_FAILURE: usize = 3;
    pub const BITS_LEFT: usize = 4;
    pub const DEPTH_MISMATCH_BITS_FOUND: usize = 5;
    pub const GUARD_MISMATCH_GUARD_FOUND: usize = 5;
    pub const GUARD_MISMATCH_BITS_FOUND: usize = 6;
}

/// Message registers of `fault::UNKNOWN_SYSCALL`.
pub mod unknown_syscall {
    pub const RAX: usize = 0;
    pub const RBX: usize = 1;
    pub const RCX: usize = 2;
    pub const RDX: usize = 3;
    pub const RSI: usize = 4;
    pub const RDI: usize = 5;
    pub const RBP: usize = 6;
    pub const R8: usize = 7;
    pub const R9: usize = 8;
    pub const R10: usize = 9;
    pub const R11: usize = 10;
    pub const R12: usize = 11;
    pub const R13: usize = 12;
    pub const R14: usize = 13;
    pub const R15: usize = 14;
    pub const IP: usize = 15;
    pub const SP: usize = 16;
    pub const FLAGS: usize = 17;
    pub const SYSCALL: usize = 18;
    pub const LENGTH: usize = 19;
}

/// Message registers of `fault::USER_EXCEPTION`.
pub mod user_exception {
    pub const IP: usize = 0;
    pub const SP: usize = 1;
    pub const FLAGS: usize = 2;
    pub const NUMBER: usize = 3;
    pub const CODE: usize = 4;
    pub const LENGTH: usize = 5;
}

/// Message registers of `fault::VM`.
pub mod vm_fault {
    pub const IP: usize = 0;
    pub const ADDRESS: usize = 1;
    pub const PREFETCH_FAULT: usize = 2;
    pub const FSR: usize = 3;
    pub const LENGTH: usize = 4;
}

/// Where the initial task finds its capabilities.
pub mod init_cap {
    pub const NULL: usize = 0;
    pub const TCB: usize = 1;
    pub const CNODE: usize = 2;
    pub const VSPACE: usize = 3;
    pub const IRQ_CONTROL: usize = 4;
    pub const ASID_CONTROL: usize = 5;
    pub const ASID_POOL: usize = 6;
    pub const IO_PORT_CONTROL: usize = 7;
    pub const IO_SPACE: usize = 8;
    pub const BOOTINFO_FRAME: usize = 9;
    pub const IPC_BUFFER: usize = 10;
    pub const DOMAIN: usize = 11;
    pub const SCHED_CONTEXT: usize = 14;
    pub const COUNT: usize = 16;
}

/// Byte offsets in the bootinfo page, and sizes. A region is two words: first slot, first slot after.
pub mod bootinfo {
    pub const EXTRA_LEN: usize = 0;
    pub const NODE_ID: usize = 8;
    pub const NUM_NODES: usize = 16;
    pub const NUM_IOPT_LEVELS: usize = 24;
    pub const IPC_BUFFER: usize = 32;
    pub const EMPTY: usize = 40;
    pub const SHARED_FRAMES: usize = 56;
    pub const USER_IMAGE_FRAMES: usize = 72;
    pub const USER_IMAGE_PAGING: usize = 88;
    pub const IO_SPACE_CAPS: usize = 104;
    pub const EXTRA_BOOTINFO_PAGES: usize = 120;
    pub const CNODE_SIZE_BITS: usize = 136;
    pub const INIT_THREAD_DOMAIN: usize = 144;
    pub const SCHED_CONTROL: usize = 152;
    pub const UNTYPED: usize = 168;
    pub const UNTYPED_LIST: usize = 184;
    pub const SIZE: usize = 3864;
    pub const MAX_UNTYPED_CAPS: usize = 230;
    pub const UNTYPED_DESC_PADDR: usize = 0;
    pub const UNTYPED_DESC_SIZE_BITS: usize = 8;
    pub const UNTYPED_DESC_IS_DEVICE: usize = 9;
    pub const UNTYPED_DESC_SIZE: usize = 16;
    pub const ROOT_CNODE_SIZE_BITS: usize = 17;
}

/// Byte offsets in the IPC buffer, and its size, to which it is aligned.
pub mod ipc_buffer {
    pub const TAG: usize = 0;
    pub const MSG: usize = 8;
    pub const USER_DATA: usize = 968;
    pub const CAPS_OR_BADGES: usize = 976;
    pub const RECEIVE_CNODE: usize = 1000;
    pub const RECEIVE_INDEX: usize = 1008;
    pub const RECEIVE_DEPTH: usize = 1016;
    pub const SIZE: usize = 1024;
}

/// Limits of a message, and the layout of the message-info word.
pub mod message {
    pub const REGISTERS: usize = 4;
    pub const MAX_LENGTH: usize = 120;
    pub const MAX_EXTRA_CAPS: usize = 3;
    pub const LENGTH_SHIFT: usize = 0;
    pub const LENGTH_BITS: usize = 7;
    pub const EXTRA_CAPS_SHIFT: usize = 7;
    pub const EXTRA_CAPS_BITS: usize = 2;
    pub const CAPS_UNWRAPPED_SHIFT: usize = 9;
    pub const CAPS_UNWRAPPED_BITS: usize = 3;
    pub const LABEL_SHIFT: usize = 12;
    pub const LABEL_BITS: usize = 52;
}

/// Bits of a rights word.
pub mod cap_rights {
    pub const WRITE: usize = 1;
    pub const READ: usize = 2;
    pub const GRANT: usize = 4;
    pub const GRANT_REPLY: usize = 8;
}

/// The word that gives a CNode capability its guard (Mint, Mutate, `invocation::TCB_SET_SPACE`).
pub mod cnode_guard {
    pub const SIZE_SHIFT: usize = 0;
    pub const SIZE_BITS: usize = 6;
    pub const GUARD_SHIFT: usize = 6;
    pub const GUARD_BITS: usize = 58;
}

/// The range of priorities.
pub mod tcb_priority {
    pub const MIN: usize = 0;
    pub const MAX: usize = 255;
}

/// Cache attributes of a mapping.
pub mod vm_attributes {
    pub const WRITE_BACK: usize = 0;
    pub const WRITE_THROUGH: usize = 1;
    pub const CACHE_DISABLED: usize = 2;
    pub const WRITE_COMBINING: usize = 4;
}

/// Message registers of `syscall::VM_ENTER` and of what it returns.
pub mod vmenter {
    pub const CALL_RIP: usize = 0;
    pub const CALL_PRIMARY_CONTROLS: usize = 1;
    pub const CALL_ENTRY_INTERRUPTION: usize = 2;
    pub const FAULT_REASON: usize = 3;
    pub const FAULT_QUALIFICATION: usize = 4;
    pub const FAULT_INSTRUCTION_LENGTH: usize = 5;
    pub const FAULT_GUEST_PHYSICAL: usize = 6;
    pub const FAULT_RFLAGS: usize = 7;
    pub const FAULT_INTERRUPTIBILITY: usize = 8;
    pub const FAULT_CR3: usize = 9;
    pub const FAULT_RAX: usize = 10;
    pub const FAULT_RBX: usize = 11;
    pub const FAULT_RCX: usize = 12;
    pub const FAULT_RDX: usize = 13;
    pub const FAULT_RSI: usize = 14;
    pub const FAULT_RDI: usize = 15;
    pub const FAULT_RBP: usize = 16;
    pub const FAULT_R8: usize = 17;
    pub const FAULT_R9: usize = 18;
    pub const FAULT_R10: usize = 19;
    pub const FAULT_R11: usize = 20;
    pub const FAULT_R12: usize = 21;
    pub const FAULT_R13: usize = 22;
    pub const FAULT_R14: usize = 23;
    pub const FAULT_R15: usize = 24;
    pub const RESULT_FAULT: usize = 1;
    pub const RESULT_NOTIFICATION: usize = 0;
    pub const FAULT_LENGTH: usize = 25;
    pub const NOTIFICATION_LENGTH: usize = 3;
}

/// Message registers of `invocation::X86_VCPU_WRITE_REGISTERS`.
pub mod vcpu_registers {
    pub const RAX: usize = 0;
    pub const RBX: usize = 1;
    pub const RCX: usize = 2;
    pub const RDX: usize = 3;
    pub const RSI: usize = 4;
    pub const RDI: usize = 5;
    pub const RBP: usize = 6;
    pub const R8: usize = 7;
    pub const R9: usize = 8;
    pub const R10: usize = 9;
    pub const R11: usize = 10;
    pub const R12: usize = 11;
    pub const R13: usize = 12;
    pub const R14: usize = 13;
    pub const R15: usize = 14;
    pub const COUNT: usize = 15;
}

/// Vectors that a handler for an IOAPIC pin or an MSI may ask for, and what an MSI's data word adds.
pub mod interrupt {
    pub const VECTOR_MIN: usize = 0;
    pub const VECTOR_MAX: usize = 109;
    pub const MSI_OFFSET: usize = 48;
}

/// What one invocation may ask for.
pub mod limits {
    pub const RETYPE_FAN_OUT: usize = 256;
}

/// Message registers of `fault::TIMEOUT`.
pub mod timeout {
    pub const DATA: usize = 0;
    pub const CONSUMED: usize = 1;
    pub const LENGTH: usize = 2;
}

/// Bits of the words of `invocation::TCB_SET_FLAGS`.
pub mod tcb_flag {
    pub const FPU_DISABLED: usize = 1;
}

/// Bits of the flags word of `invocation::SCHED_CONTROL_CONFIGURE_FLAGS`.
pub mod sched_flag {
    pub const SPORADIC: usize = 1;
}

/// Memory type of a mapping in an EPT.
pub mod ept_attributes {
    pub const UNCACHEABLE: usize = 0;
    pub const WRITE_COMBINING: usize = 1;
    pub const WRITE_THROUGH: usize = 4;
    pub const WRITE_PROTECTED: usize = 5;
    pub const WRITE_BACK: usize = 6;
}

/// Kinds of chunks behind the bootinfo page: each begins with its kind and its length.
pub mod bootinfo_chunk {
    pub const PADDING: usize = 0;
    pub const X86_VBE: usize = 1;
    pub const X86_MULTIBOOT_MAP: usize = 2;
    pub const X86_ACPI_RSDP: usize = 3;
    pub const X86_FRAMEBUFFER: usize = 4;
    pub const X86_TSC_FREQUENCY: usize = 5;
}

/// How the kernel is configured. `XSAVE_FEATURES`: the components of XCR0 that it switches between threads.
pub mod options {
    pub const XSAVE_FEATURES: usize = 3;
    pub const XSAVE_SIZE: usize = 576;
    pub const MAX_NODES: usize = 1;
    pub const DOMAINS: usize = 16;
}
