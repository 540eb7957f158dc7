//! Which constants of the kernels' C headers the protection domains get, and
//! under which names.
//!
//! What both kernels have has one Rust name, even where the headers spell it
//! differently: the embedded kernel's are its own source, a SDK's are libsel4.

/// What a kernel's headers call something, or what is said of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum In<'a> {
    /// In both kernels alike.
    Both(&'a str),
    /// In the embedded one, in a SDK's.
    Each(&'a str, &'a str),
    /// Only the embedded kernel has it.
    Embedded(&'a str),
    /// Only a SDK's kernel has it.
    Sdk(&'a str),
}

use In::{Both, Each, Embedded, Sdk};

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Version 5.0.0 with this project's patches, read from its source.
    Embedded,
    /// A Microkit SDK's, read from its folder `include`.
    Sdk,
}

impl<'a> In<'a> {
    /// How it is in `kernel`, if at all.
    pub fn of(self, kernel: Kernel) -> Option<&'a str> {
        match (self, kernel) {
            (Both(it), _) => Some(it),
            (Each(it, _) | Embedded(it), Kernel::Embedded) => Some(it),
            (Each(_, it) | Sdk(it), Kernel::Sdk) => Some(it),
            (Embedded(_), Kernel::Sdk) | (Sdk(_), Kernel::Embedded) => None,
        }
    }
}

/// A module of constants whose C names follow no rule: (module, documentation,
/// (Rust, C)). A module without a constant is left out.
pub(crate) type Table = (&'static str, In<'static>, &'static [(&'static str, In<'static>)]);

/// All of them, in the order of the generated file.
pub(crate) const TABLES: &[Table] = &[
    (
        "object",
        Both("Object types, for `invocation::UNTYPED_RETYPE`."),
        &[
            ("UNTYPED", Both("seL4_UntypedObject")),
            ("TCB", Both("seL4_TCBObject")),
            ("ENDPOINT", Both("seL4_EndpointObject")),
            ("NOTIFICATION", Both("seL4_NotificationObject")),
            ("CAP_TABLE", Both("seL4_CapTableObject")),
            ("SCHED_CONTEXT", Sdk("seL4_SchedContextObject")),
            ("REPLY", Sdk("seL4_ReplyObject")),
            ("X86_PDPT", Both("seL4_X86_PDPTObject")),
            ("X64_PML4", Both("seL4_X64_PML4Object")),
            ("X64_HUGE_PAGE", Sdk("seL4_X64_HugePageObject")),
            ("X86_4K", Both("seL4_X86_4K")),
            ("X86_LARGE_PAGE", Both("seL4_X86_LargePageObject")),
            ("X86_PAGE_TABLE", Both("seL4_X86_PageTableObject")),
            ("X86_PAGE_DIRECTORY", Both("seL4_X86_PageDirectoryObject")),
            ("X86_IO_PAGE_TABLE", Sdk("seL4_X86_IOPageTableObject")),
            ("X86_VCPU", Both("seL4_X86_VCPUObject")),
            ("X86_EPT_PML4", Both("seL4_X86_EPTPML4Object")),
            ("X86_EPT_PDPT", Both("seL4_X86_EPTPDPTObject")),
            ("X86_EPT_PD", Both("seL4_X86_EPTPDObject")),
            ("X86_EPT_PT", Both("seL4_X86_EPTPTObject")),
        ],
    ),
    (
        "size_bits",
        Both("Binary logarithms of object sizes in bytes (`SLOT`: of one slot of a CNode)."),
        &[
            ("MIN_UNTYPED", Both("seL4_MinUntypedBits")),
            ("MAX_UNTYPED", Both("seL4_MaxUntypedBits")),
            ("SLOT", Both("seL4_SlotBits")),
            ("TCB", Both("seL4_TCBBits")),
            ("ENDPOINT", Both("seL4_EndpointBits")),
            ("NOTIFICATION", Both("seL4_NotificationBits")),
            ("REPLY", Sdk("seL4_ReplyBits")),
            ("MIN_SCHED_CONTEXT", Sdk("seL4_MinSchedContextBits")),
            ("PAGE", Both("seL4_PageBits")),
            ("LARGE_PAGE", Both("seL4_LargePageBits")),
            ("HUGE_PAGE", Sdk("seL4_HugePageBits")),
            ("PAGE_TABLE", Both("seL4_PageTableBits")),
            ("PAGE_DIRECTORY", Both("seL4_PageDirBits")),
            ("PDPT", Both("seL4_PDPTBits")),
            ("PML4", Both("seL4_PML4Bits")),
            ("ASID_POOL", Both("seL4_ASIDPoolBits")),
            ("IO_PAGE_TABLE", Sdk("seL4_IOPageTableBits")),
            ("VCPU", Both("seL4_X86_VCPUBits")),
            ("EPT_PML4", Both("seL4_X86_EPTPML4Bits")),
            ("EPT_PDPT", Both("seL4_X86_EPTPDPTBits")),
            ("EPT_PD", Both("seL4_X86_EPTPDBits")),
            ("EPT_PT", Both("seL4_X86_EPTPTBits")),
        ],
    ),
    (
        "error",
        Both("Results of an invocation, the label of its reply."),
        &[
            ("NO_ERROR", Both("seL4_NoError")),
            ("INVALID_ARGUMENT", Both("seL4_InvalidArgument")),
            ("INVALID_CAPABILITY", Both("seL4_InvalidCapability")),
            ("ILLEGAL_OPERATION", Both("seL4_IllegalOperation")),
            ("RANGE_ERROR", Both("seL4_RangeError")),
            ("ALIGNMENT_ERROR", Both("seL4_AlignmentError")),
            ("FAILED_LOOKUP", Both("seL4_FailedLookup")),
            ("TRUNCATED_MESSAGE", Both("seL4_TruncatedMessage")),
            ("DELETE_FIRST", Both("seL4_DeleteFirst")),
            ("REVOKE_FIRST", Both("seL4_RevokeFirst")),
            ("NOT_ENOUGH_MEMORY", Both("seL4_NotEnoughMemory")),
        ],
    ),
    (
        "lookup_failure",
        Both("Why a capability address led nowhere."),
        &[
            ("NO_FAILURE", Both("seL4_NoFailure")),
            ("INVALID_ROOT", Both("seL4_InvalidRoot")),
            ("MISSING_CAPABILITY", Both("seL4_MissingCapability")),
            ("DEPTH_MISMATCH", Both("seL4_DepthMismatch")),
            ("GUARD_MISMATCH", Both("seL4_GuardMismatch")),
        ],
    ),
    (
        "fault",
        Both("Kinds of fault, the label of a fault message."),
        &[
            ("NULL", Both("seL4_Fault_NullFault")),
            ("CAP", Both("seL4_Fault_CapFault")),
            ("UNKNOWN_SYSCALL", Both("seL4_Fault_UnknownSyscall")),
            ("USER_EXCEPTION", Both("seL4_Fault_UserException")),
            ("TIMEOUT", Sdk("seL4_Fault_Timeout")),
            ("VM", Both("seL4_Fault_VMFault")),
        ],
    ),
    (
        "cap_fault",
        Both("Message registers of `fault::CAP`."),
        &[
            ("IP", Both("seL4_CapFault_IP")),
            ("ADDRESS", Both("seL4_CapFault_Addr")),
            ("IN_RECV_PHASE", Both("seL4_CapFault_InRecvPhase")),
            ("LOOKUP_FAILURE", Both("seL4_CapFault_LookupFailureType")),
            ("BITS_LEFT", Both("seL4_CapFault_BitsLeft")),
            ("DEPTH_MISMATCH_BITS_FOUND", Both("seL4_CapFault_DepthMismatch_BitsFound")),
            ("GUARD_MISMATCH_GUARD_FOUND", Both("seL4_CapFault_GuardMismatch_GuardFound")),
            ("GUARD_MISMATCH_BITS_FOUND", Both("seL4_CapFault_GuardMismatch_BitsFound")),
        ],
    ),
    (
        "unknown_syscall",
        Both("Message registers of `fault::UNKNOWN_SYSCALL`."),
        &[
            ("RAX", Both("seL4_UnknownSyscall_RAX")),
            ("RBX", Both("seL4_UnknownSyscall_RBX")),
            ("RCX", Both("seL4_UnknownSyscall_RCX")),
            ("RDX", Both("seL4_UnknownSyscall_RDX")),
            ("RSI", Both("seL4_UnknownSyscall_RSI")),
            ("RDI", Both("seL4_UnknownSyscall_RDI")),
            ("RBP", Both("seL4_UnknownSyscall_RBP")),
            ("R8", Both("seL4_UnknownSyscall_R8")),
            ("R9", Both("seL4_UnknownSyscall_R9")),
            ("R10", Both("seL4_UnknownSyscall_R10")),
            ("R11", Both("seL4_UnknownSyscall_R11")),
            ("R12", Both("seL4_UnknownSyscall_R12")),
            ("R13", Both("seL4_UnknownSyscall_R13")),
            ("R14", Both("seL4_UnknownSyscall_R14")),
            ("R15", Both("seL4_UnknownSyscall_R15")),
            ("IP", Both("seL4_UnknownSyscall_FaultIP")),
            ("SP", Both("seL4_UnknownSyscall_SP")),
            ("FLAGS", Both("seL4_UnknownSyscall_FLAGS")),
            ("SYSCALL", Both("seL4_UnknownSyscall_Syscall")),
            ("LENGTH", Both("seL4_UnknownSyscall_Length")),
        ],
    ),
    (
        "user_exception",
        Both("Message registers of `fault::USER_EXCEPTION`."),
        &[
            ("IP", Both("seL4_UserException_FaultIP")),
            ("SP", Both("seL4_UserException_SP")),
            ("FLAGS", Both("seL4_UserException_FLAGS")),
            ("NUMBER", Both("seL4_UserException_Number")),
            ("CODE", Both("seL4_UserException_Code")),
            ("LENGTH", Both("seL4_UserException_Length")),
        ],
    ),
    (
        "vm_fault",
        Both("Message registers of `fault::VM`."),
        &[
            ("IP", Both("seL4_VMFault_IP")),
            ("ADDRESS", Both("seL4_VMFault_Addr")),
            ("PREFETCH_FAULT", Both("seL4_VMFault_PrefetchFault")),
            ("FSR", Both("seL4_VMFault_FSR")),
            ("LENGTH", Both("seL4_VMFault_Length")),
        ],
    ),
    (
        "init_cap",
        Both("Where the initial task finds its capabilities."),
        &[
            ("NULL", Both("seL4_CapNull")),
            ("TCB", Both("seL4_CapInitThreadTCB")),
            ("CNODE", Both("seL4_CapInitThreadCNode")),
            ("VSPACE", Both("seL4_CapInitThreadVSpace")),
            ("IRQ_CONTROL", Both("seL4_CapIRQControl")),
            ("ASID_CONTROL", Both("seL4_CapASIDControl")),
            ("ASID_POOL", Both("seL4_CapInitThreadASIDPool")),
            ("IO_PORT", Embedded("seL4_CapIOPort")),
            ("IO_PORT_CONTROL", Sdk("seL4_CapIOPortControl")),
            ("IO_SPACE", Both("seL4_CapIOSpace")),
            ("BOOTINFO_FRAME", Both("seL4_CapBootInfoFrame")),
            ("IPC_BUFFER", Both("seL4_CapInitThreadIPCBuffer")),
            ("DOMAIN", Both("seL4_CapDomain")),
            ("SCHED_CONTEXT", Sdk("seL4_CapInitThreadSC")),
            ("COUNT", Both("seL4_NumInitialCaps")),
        ],
    ),
    (
        "bootinfo",
        Both(
            "Byte offsets in the bootinfo page, and sizes. A region is two words: first slot, first slot after.",
        ),
        &[
            ("EXTRA_LEN", Both("offsetof(seL4_BootInfo, extraLen)")),
            ("NODE_ID", Both("offsetof(seL4_BootInfo, nodeID)")),
            ("NUM_NODES", Both("offsetof(seL4_BootInfo, numNodes)")),
            ("NUM_IOPT_LEVELS", Both("offsetof(seL4_BootInfo, numIOPTLevels)")),
            ("IPC_BUFFER", Both("offsetof(seL4_BootInfo, ipcBuffer)")),
            ("EMPTY", Both("offsetof(seL4_BootInfo, empty)")),
            ("SHARED_FRAMES", Both("offsetof(seL4_BootInfo, sharedFrames)")),
            ("USER_IMAGE_FRAMES", Both("offsetof(seL4_BootInfo, userImageFrames)")),
            ("USER_IMAGE_PAGING", Both("offsetof(seL4_BootInfo, userImagePaging)")),
            ("IO_SPACE_CAPS", Both("offsetof(seL4_BootInfo, ioSpaceCaps)")),
            ("EXTRA_BOOTINFO_PAGES", Both("offsetof(seL4_BootInfo, extraBIPages)")),
            ("CNODE_SIZE_BITS", Both("offsetof(seL4_BootInfo, initThreadCNodeSizeBits)")),
            ("INIT_THREAD_DOMAIN", Both("offsetof(seL4_BootInfo, initThreadDomain)")),
            ("ARCH_INFO", Embedded("offsetof(seL4_BootInfo, archInfo)")),
            ("SCHED_CONTROL", Sdk("offsetof(seL4_BootInfo, schedcontrol)")),
            ("UNTYPED", Both("offsetof(seL4_BootInfo, untyped)")),
            ("UNTYPED_LIST", Both("offsetof(seL4_BootInfo, untypedList)")),
            ("SIZE", Both("sizeof(seL4_BootInfo)")),
            ("MAX_UNTYPED_CAPS", Both("CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS")),
            ("UNTYPED_DESC_PADDR", Both("offsetof(seL4_UntypedDesc, paddr)")),
            ("UNTYPED_DESC_SIZE_BITS", Both("offsetof(seL4_UntypedDesc, sizeBits)")),
            ("UNTYPED_DESC_IS_DEVICE", Both("offsetof(seL4_UntypedDesc, isDevice)")),
            ("UNTYPED_DESC_SIZE", Both("sizeof(seL4_UntypedDesc)")),
            ("ROOT_CNODE_SIZE_BITS", Both("CONFIG_ROOT_CNODE_SIZE_BITS")),
        ],
    ),
    (
        "ipc_buffer",
        Both("Byte offsets in the IPC buffer, and its size, to which it is aligned."),
        &[
            ("TAG", Both("offsetof(seL4_IPCBuffer, tag)")),
            ("MSG", Both("offsetof(seL4_IPCBuffer, msg)")),
            ("USER_DATA", Both("offsetof(seL4_IPCBuffer, userData)")),
            ("CAPS_OR_BADGES", Both("offsetof(seL4_IPCBuffer, caps_or_badges)")),
            ("RECEIVE_CNODE", Both("offsetof(seL4_IPCBuffer, receiveCNode)")),
            ("RECEIVE_INDEX", Both("offsetof(seL4_IPCBuffer, receiveIndex)")),
            ("RECEIVE_DEPTH", Both("offsetof(seL4_IPCBuffer, receiveDepth)")),
            ("SIZE", Both("sizeof(seL4_IPCBuffer)")),
        ],
    ),
    (
        "message",
        Both("Limits of a message, and the layout of the message-info word."),
        &[
            ("REGISTERS", Each("n_msgRegisters", "seL4_FastMessageRegisters")),
            ("MAX_LENGTH", Both("seL4_MsgMaxLength")),
            ("MAX_EXTRA_CAPS", Both("seL4_MsgMaxExtraCaps")),
            ("LENGTH_SHIFT", Both("LOW(seL4_MessageInfo_new(0, 0, 0, 1))")),
            ("LENGTH_BITS", Both("WIDTH(seL4_MessageInfo, get_length)")),
            ("EXTRA_CAPS_SHIFT", Both("LOW(seL4_MessageInfo_new(0, 0, 1, 0))")),
            ("EXTRA_CAPS_BITS", Both("WIDTH(seL4_MessageInfo, get_extraCaps)")),
            ("CAPS_UNWRAPPED_SHIFT", Both("LOW(seL4_MessageInfo_new(0, 1, 0, 0))")),
            ("CAPS_UNWRAPPED_BITS", Both("WIDTH(seL4_MessageInfo, get_capsUnwrapped)")),
            ("LABEL_SHIFT", Both("LOW(seL4_MessageInfo_new(1, 0, 0, 0))")),
            ("LABEL_BITS", Both("WIDTH(seL4_MessageInfo, get_label)")),
        ],
    ),
    (
        "cap_rights",
        Both("Bits of a rights word."),
        &[
            ("WRITE", Both("seL4_CanWrite.words[0]")),
            ("READ", Both("seL4_CanRead.words[0]")),
            ("GRANT", Both("seL4_CanGrant.words[0]")),
            ("GRANT_REPLY", Sdk("seL4_CanGrantReply.words[0]")),
        ],
    ),
    (
        "cnode_guard",
        Both(
            "The word that gives a CNode capability its guard (Mint, Mutate, `invocation::TCB_SET_SPACE`).",
        ),
        &[
            (
                "SIZE_SHIFT",
                Each("LOW(cnode_capdata_new(0, 1))", "LOW(seL4_CNode_CapData_new(0, 1))"),
            ),
            (
                "SIZE_BITS",
                Each(
                    "WIDTH(cnode_capdata, get_guardSize)",
                    "WIDTH(seL4_CNode_CapData, get_guardSize)",
                ),
            ),
            (
                "GUARD_SHIFT",
                Each("LOW(cnode_capdata_new(1, 0))", "LOW(seL4_CNode_CapData_new(1, 0))"),
            ),
            (
                "GUARD_BITS",
                Each("WIDTH(cnode_capdata, get_guard)", "WIDTH(seL4_CNode_CapData, get_guard)"),
            ),
        ],
    ),
    (
        "tcb_priority",
        Each(
            "The priority word of `invocation::TCB_CONFIGURE`, and the range of priorities.",
            "The range of priorities.",
        ),
        &[
            ("PRIORITY_SHIFT", Embedded("LOW(seL4_PrioProps_new(0, 1))")),
            ("MAX_CONTROLLED_SHIFT", Embedded("LOW(seL4_PrioProps_new(1, 0))")),
            ("MIN", Both("seL4_MinPrio")),
            ("MAX", Both("seL4_MaxPrio")),
        ],
    ),
    (
        "vm_attributes",
        Both("Cache attributes of a mapping."),
        &[
            ("WRITE_BACK", Each("vm_attributes_new(0, 0, 0).words[0]", "seL4_X86_WriteBack")),
            ("WRITE_THROUGH", Each("vm_attributes_new(0, 0, 1).words[0]", "seL4_X86_WriteThrough")),
            (
                "CACHE_DISABLED",
                Each("vm_attributes_new(0, 1, 0).words[0]", "seL4_X86_CacheDisabled"),
            ),
            (
                "WRITE_COMBINING",
                Each("vm_attributes_new(1, 0, 0).words[0]", "seL4_X86_WriteCombining"),
            ),
        ],
    ),
    (
        "vmenter",
        Each(
            "Message registers of `syscall::VM_ENTER` and of what it returns. A message of `CALL_REGISTERS_LENGTH` words sets the guest's registers, from `FAULT_RAX` on; one word more sets its CR2.",
            "Message registers of `syscall::VM_ENTER` and of what it returns.",
        ),
        &[
            ("CALL_RIP", Both("SEL4_VMENTER_CALL_EIP_MR")),
            ("CALL_PRIMARY_CONTROLS", Both("SEL4_VMENTER_CALL_CONTROL_PPC_MR")),
            (
                "CALL_ENTRY_INTERRUPTION",
                Each("SEL4_VMENTER_CALL_CONTROL_ENTRY_MR", "SEL4_VMENTER_CALL_INTERRUPT_INFO_MR"),
            ),
            ("CALL_REGISTERS_LENGTH", Embedded("SEL4_VMENTER_CALL_REGISTERS_LEN")),
            ("CALL_CR2", Embedded("SEL4_VMENTER_CALL_CR2_MR")),
            ("FAULT_REASON", Both("SEL4_VMENTER_FAULT_REASON_MR")),
            ("FAULT_QUALIFICATION", Both("SEL4_VMENTER_FAULT_QUALIFICATION_MR")),
            ("FAULT_INSTRUCTION_LENGTH", Both("SEL4_VMENTER_FAULT_INSTRUCTION_LEN_MR")),
            ("FAULT_GUEST_PHYSICAL", Both("SEL4_VMENTER_FAULT_GUEST_PHYSICAL_MR")),
            ("FAULT_RFLAGS", Both("SEL4_VMENTER_FAULT_RFLAGS_MR")),
            ("FAULT_INTERRUPTIBILITY", Both("SEL4_VMENTER_FAULT_GUEST_INT_MR")),
            ("FAULT_CR3", Both("SEL4_VMENTER_FAULT_CR3_MR")),
            ("FAULT_RAX", Both("SEL4_VMENTER_FAULT_EAX")),
            ("FAULT_RBX", Both("SEL4_VMENTER_FAULT_EBX")),
            ("FAULT_RCX", Both("SEL4_VMENTER_FAULT_ECX")),
            ("FAULT_RDX", Both("SEL4_VMENTER_FAULT_EDX")),
            ("FAULT_RSI", Both("SEL4_VMENTER_FAULT_ESI")),
            ("FAULT_RDI", Both("SEL4_VMENTER_FAULT_EDI")),
            ("FAULT_RBP", Both("SEL4_VMENTER_FAULT_EBP")),
            ("FAULT_R8", Both("SEL4_VMENTER_FAULT_R8")),
            ("FAULT_R9", Both("SEL4_VMENTER_FAULT_R9")),
            ("FAULT_R10", Both("SEL4_VMENTER_FAULT_R10")),
            ("FAULT_R11", Both("SEL4_VMENTER_FAULT_R11")),
            ("FAULT_R12", Both("SEL4_VMENTER_FAULT_R12")),
            ("FAULT_R13", Both("SEL4_VMENTER_FAULT_R13")),
            ("FAULT_R14", Both("SEL4_VMENTER_FAULT_R14")),
            ("FAULT_R15", Both("SEL4_VMENTER_FAULT_R15")),
            ("RESULT_FAULT", Both("SEL4_VMENTER_RESULT_FAULT")),
            ("RESULT_NOTIFICATION", Both("SEL4_VMENTER_RESULT_NOTIF")),
            ("FAULT_LENGTH", Sdk("SEL4_VMENTER_RESULT_FAULT_LEN")),
            ("NOTIFICATION_LENGTH", Sdk("SEL4_VMENTER_RESULT_NOTIF_LEN")),
        ],
    ),
    (
        "vcpu_registers",
        Each(
            "Message registers of `invocation::X86_VCPU_WRITE_REGISTERS`. `CR2` is optional: a message of `COUNT` words leaves it alone.",
            "Message registers of `invocation::X86_VCPU_WRITE_REGISTERS`.",
        ),
        &[
            ("RAX", Each("VCPU_EAX", "WORD(seL4_VCPUContext, eax)")),
            ("RBX", Each("VCPU_EBX", "WORD(seL4_VCPUContext, ebx)")),
            ("RCX", Each("VCPU_ECX", "WORD(seL4_VCPUContext, ecx)")),
            ("RDX", Each("VCPU_EDX", "WORD(seL4_VCPUContext, edx)")),
            ("RSI", Each("VCPU_ESI", "WORD(seL4_VCPUContext, esi)")),
            ("RDI", Each("VCPU_EDI", "WORD(seL4_VCPUContext, edi)")),
            ("RBP", Each("VCPU_EBP", "WORD(seL4_VCPUContext, ebp)")),
            ("R8", Each("VCPU_R8", "WORD(seL4_VCPUContext, r8)")),
            ("R9", Each("VCPU_R9", "WORD(seL4_VCPUContext, r9)")),
            ("R10", Each("VCPU_R10", "WORD(seL4_VCPUContext, r10)")),
            ("R11", Each("VCPU_R11", "WORD(seL4_VCPUContext, r11)")),
            ("R12", Each("VCPU_R12", "WORD(seL4_VCPUContext, r12)")),
            ("R13", Each("VCPU_R13", "WORD(seL4_VCPUContext, r13)")),
            ("R14", Each("VCPU_R14", "WORD(seL4_VCPUContext, r14)")),
            ("R15", Each("VCPU_R15", "WORD(seL4_VCPUContext, r15)")),
            ("COUNT", Each("n_vcpu_gp_register", "sizeof(seL4_VCPUContext) / sizeof(seL4_Word)")),
            ("CR2", Embedded("SEL4_VCPU_WRITE_REGISTERS_CR2_MR")),
        ],
    ),
    (
        "interrupt",
        Both(
            "Vectors that a handler for an IOAPIC pin or an MSI may ask for, and what an MSI's data word adds.",
        ),
        &[
            ("VECTOR_MIN", Each("0", "VECTOR_MIN")),
            ("VECTOR_MAX", Each("irq_user_max - irq_user_min", "VECTOR_MAX")),
            ("MSI_OFFSET", Each("int_irq_user_min", "IRQ_OFFSET")),
        ],
    ),
    (
        "limits",
        Both("What one invocation may ask for."),
        &[("RETYPE_FAN_OUT", Both("CONFIG_RETYPE_FAN_OUT_LIMIT"))],
    ),
    (
        "timeout",
        Sdk("Message registers of `fault::TIMEOUT`."),
        &[
            ("DATA", Sdk("seL4_Timeout_Data")),
            ("CONSUMED", Sdk("seL4_Timeout_Consumed")),
            ("LENGTH", Sdk("seL4_Timeout_Length")),
        ],
    ),
    (
        "tcb_flag",
        Sdk("Bits of the words of `invocation::TCB_SET_FLAGS`."),
        &[("FPU_DISABLED", Sdk("seL4_TCBFlag_fpuDisabled"))],
    ),
    (
        "sched_flag",
        Sdk("Bits of the flags word of `invocation::SCHED_CONTROL_CONFIGURE_FLAGS`."),
        &[("SPORADIC", Sdk("seL4_SchedContext_Sporadic"))],
    ),
    (
        "ept_attributes",
        Sdk("Memory type of a mapping in an EPT."),
        &[
            ("UNCACHEABLE", Sdk("seL4_X86_EPT_Uncacheable")),
            ("WRITE_COMBINING", Sdk("seL4_X86_EPT_WriteCombining")),
            ("WRITE_THROUGH", Sdk("seL4_X86_EPT_WriteThrough")),
            ("WRITE_PROTECTED", Sdk("seL4_X86_EPT_WriteProtected")),
            ("WRITE_BACK", Sdk("seL4_X86_EPT_WriteBack")),
        ],
    ),
    (
        "bootinfo_chunk",
        Sdk("Kinds of chunks behind the bootinfo page: each begins with its kind and its length."),
        &[
            ("PADDING", Sdk("SEL4_BOOTINFO_HEADER_PADDING")),
            ("X86_VBE", Sdk("SEL4_BOOTINFO_HEADER_X86_VBE")),
            ("X86_MULTIBOOT_MAP", Sdk("SEL4_BOOTINFO_HEADER_X86_MBMMAP")),
            ("X86_ACPI_RSDP", Sdk("SEL4_BOOTINFO_HEADER_X86_ACPI_RSDP")),
            ("X86_FRAMEBUFFER", Sdk("SEL4_BOOTINFO_HEADER_X86_FRAMEBUFFER")),
            ("X86_TSC_FREQUENCY", Sdk("SEL4_BOOTINFO_HEADER_X86_TSC_FREQ")),
        ],
    ),
    (
        "options",
        Sdk(
            "How the kernel is configured. `XSAVE_FEATURES`: the components of XCR0 that it switches between threads.",
        ),
        &[
            ("XSAVE_FEATURES", Sdk("XSAVE_FEATURES")),
            ("XSAVE_SIZE", Sdk("CONFIG_XSAVE_SIZE")),
            ("MAX_NODES", Sdk("CONFIG_MAX_NUM_NODES")),
            ("DOMAINS", Sdk("CONFIG_NUM_DOMAINS")),
        ],
    ),
];
