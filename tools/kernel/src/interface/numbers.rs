//! Writes the kernel's numbers as Rust, for `lib/sel4`.
//!
//! The values are the C compiler's own: a probe, compiled against the very
//! headers that the kernel is compiled with, puts each into its assembly
//! output, from which they are read back. Nothing is executed, and no
//! preprocessor condition is judged by this program.

use std::fmt::Write;
use std::path::Path;

use super::calls::{Call, Interface};
use super::names::constant_name;
use crate::KernelError;
use crate::compile::Compiler;
use crate::error::FileContext;

/// Marks a value in the probe's assembly output.
const MARK: &str = "=>bulkhead ";

/// The file that [`generate`] writes, from the root of the project.
pub const FILE: &str = "lib/sel4/src/numbers_v5.rs";

/// One constant to be.
struct Number {
    name: String,
    /// The C expression with its value.
    expression: String,
    condition: Option<String>,
}

impl Number {
    fn new(name: &str, expression: &str) -> Self {
        Self { name: name.into(), expression: expression.into(), condition: None }
    }

    fn of_call(call: &Call, expression: String) -> Self {
        Self { name: constant_name(&call.name), expression, condition: call.condition.clone() }
    }
}

/// A module of constants to be.
struct Group {
    module: &'static str,
    doc: &'static str,
    kind: &'static str,
    numbers: Vec<Number>,
}

/// Constants whose C names follow no rule: (module, documentation, (Rust, C)).
type Table = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const TABLES: &[Table] = &[
    (
        "object",
        "Object types, for `invocation::UNTYPED_RETYPE`.",
        &[
            ("UNTYPED", "seL4_UntypedObject"),
            ("TCB", "seL4_TCBObject"),
            ("ENDPOINT", "seL4_EndpointObject"),
            ("NOTIFICATION", "seL4_NotificationObject"),
            ("CAP_TABLE", "seL4_CapTableObject"),
            ("X86_PDPT", "seL4_X86_PDPTObject"),
            ("X64_PML4", "seL4_X64_PML4Object"),
            ("X86_4K", "seL4_X86_4K"),
            ("X86_LARGE_PAGE", "seL4_X86_LargePageObject"),
            ("X86_PAGE_TABLE", "seL4_X86_PageTableObject"),
            ("X86_PAGE_DIRECTORY", "seL4_X86_PageDirectoryObject"),
            ("X86_VCPU", "seL4_X86_VCPUObject"),
            ("X86_EPT_PML4", "seL4_X86_EPTPML4Object"),
            ("X86_EPT_PDPT", "seL4_X86_EPTPDPTObject"),
            ("X86_EPT_PD", "seL4_X86_EPTPDObject"),
            ("X86_EPT_PT", "seL4_X86_EPTPTObject"),
        ],
    ),
    (
        "size_bits",
        "Binary logarithms of object sizes in bytes (`SLOT`: of one slot of a CNode).",
        &[
            ("MIN_UNTYPED", "seL4_MinUntypedBits"),
            ("MAX_UNTYPED", "seL4_MaxUntypedBits"),
            ("SLOT", "seL4_SlotBits"),
            ("TCB", "seL4_TCBBits"),
            ("ENDPOINT", "seL4_EndpointBits"),
            ("NOTIFICATION", "seL4_NotificationBits"),
            ("PAGE", "seL4_PageBits"),
            ("LARGE_PAGE", "seL4_LargePageBits"),
            ("PAGE_TABLE", "seL4_PageTableBits"),
            ("PAGE_DIRECTORY", "seL4_PageDirBits"),
            ("PDPT", "seL4_PDPTBits"),
            ("PML4", "seL4_PML4Bits"),
            ("ASID_POOL", "seL4_ASIDPoolBits"),
            ("VCPU", "seL4_X86_VCPUBits"),
            ("EPT_PML4", "seL4_X86_EPTPML4Bits"),
            ("EPT_PDPT", "seL4_X86_EPTPDPTBits"),
            ("EPT_PD", "seL4_X86_EPTPDBits"),
            ("EPT_PT", "seL4_X86_EPTPTBits"),
        ],
    ),
    (
        "error",
        "Results of an invocation, the label of its reply.",
        &[
            ("NO_ERROR", "seL4_NoError"),
            ("INVALID_ARGUMENT", "seL4_InvalidArgument"),
            ("INVALID_CAPABILITY", "seL4_InvalidCapability"),
            ("ILLEGAL_OPERATION", "seL4_IllegalOperation"),
            ("RANGE_ERROR", "seL4_RangeError"),
            ("ALIGNMENT_ERROR", "seL4_AlignmentError"),
            ("FAILED_LOOKUP", "seL4_FailedLookup"),
            ("TRUNCATED_MESSAGE", "seL4_TruncatedMessage"),
            ("DELETE_FIRST", "seL4_DeleteFirst"),
            ("REVOKE_FIRST", "seL4_RevokeFirst"),
            ("NOT_ENOUGH_MEMORY", "seL4_NotEnoughMemory"),
        ],
    ),
    (
        "lookup_failure",
        "Why a capability address led nowhere.",
        &[
            ("NO_FAILURE", "seL4_NoFailure"),
            ("INVALID_ROOT", "seL4_InvalidRoot"),
            ("MISSING_CAPABILITY", "seL4_MissingCapability"),
            ("DEPTH_MISMATCH", "seL4_DepthMismatch"),
            ("GUARD_MISMATCH", "seL4_GuardMismatch"),
        ],
    ),
    (
        "fault",
        "Kinds of fault, the label of a fault message.",
        &[
            ("NULL", "seL4_Fault_NullFault"),
            ("CAP", "seL4_Fault_CapFault"),
            ("UNKNOWN_SYSCALL", "seL4_Fault_UnknownSyscall"),
            ("USER_EXCEPTION", "seL4_Fault_UserException"),
            ("VM", "seL4_Fault_VMFault"),
        ],
    ),
    (
        "cap_fault",
        "Message registers of `fault::CAP`.",
        &[
            ("IP", "seL4_CapFault_IP"),
            ("ADDRESS", "seL4_CapFault_Addr"),
            ("IN_RECV_PHASE", "seL4_CapFault_InRecvPhase"),
            ("LOOKUP_FAILURE", "seL4_CapFault_LookupFailureType"),
            ("BITS_LEFT", "seL4_CapFault_BitsLeft"),
            ("DEPTH_MISMATCH_BITS_FOUND", "seL4_CapFault_DepthMismatch_BitsFound"),
            ("GUARD_MISMATCH_GUARD_FOUND", "seL4_CapFault_GuardMismatch_GuardFound"),
            ("GUARD_MISMATCH_BITS_FOUND", "seL4_CapFault_GuardMismatch_BitsFound"),
        ],
    ),
    (
        "unknown_syscall",
        "Message registers of `fault::UNKNOWN_SYSCALL`.",
        &[
            ("RAX", "seL4_UnknownSyscall_RAX"),
            ("RBX", "seL4_UnknownSyscall_RBX"),
            ("RCX", "seL4_UnknownSyscall_RCX"),
            ("RDX", "seL4_UnknownSyscall_RDX"),
            ("RSI", "seL4_UnknownSyscall_RSI"),
            ("RDI", "seL4_UnknownSyscall_RDI"),
            ("RBP", "seL4_UnknownSyscall_RBP"),
            ("R8", "seL4_UnknownSyscall_R8"),
            ("R9", "seL4_UnknownSyscall_R9"),
            ("R10", "seL4_UnknownSyscall_R10"),
            ("R11", "seL4_UnknownSyscall_R11"),
            ("R12", "seL4_UnknownSyscall_R12"),
            ("R13", "seL4_UnknownSyscall_R13"),
            ("R14", "seL4_UnknownSyscall_R14"),
            ("R15", "seL4_UnknownSyscall_R15"),
            ("IP", "seL4_UnknownSyscall_FaultIP"),
            ("SP", "seL4_UnknownSyscall_SP"),
            ("FLAGS", "seL4_UnknownSyscall_FLAGS"),
            ("SYSCALL", "seL4_UnknownSyscall_Syscall"),
            ("LENGTH", "seL4_UnknownSyscall_Length"),
        ],
    ),
    (
        "user_exception",
        "Message registers of `fault::USER_EXCEPTION`.",
        &[
            ("IP", "seL4_UserException_FaultIP"),
            ("SP", "seL4_UserException_SP"),
            ("FLAGS", "seL4_UserException_FLAGS"),
            ("NUMBER", "seL4_UserException_Number"),
            ("CODE", "seL4_UserException_Code"),
            ("LENGTH", "seL4_UserException_Length"),
        ],
    ),
    (
        "vm_fault",
        "Message registers of `fault::VM`.",
        &[
            ("IP", "seL4_VMFault_IP"),
            ("ADDRESS", "seL4_VMFault_Addr"),
            ("PREFETCH_FAULT", "seL4_VMFault_PrefetchFault"),
            ("FSR", "seL4_VMFault_FSR"),
            ("LENGTH", "seL4_VMFault_Length"),
        ],
    ),
    (
        "init_cap",
        "Where the initial task finds its capabilities.",
        &[
            ("NULL", "seL4_CapNull"),
            ("TCB", "seL4_CapInitThreadTCB"),
            ("CNODE", "seL4_CapInitThreadCNode"),
            ("VSPACE", "seL4_CapInitThreadVSpace"),
            ("IRQ_CONTROL", "seL4_CapIRQControl"),
            ("ASID_CONTROL", "seL4_CapASIDControl"),
            ("ASID_POOL", "seL4_CapInitThreadASIDPool"),
            ("IO_PORT", "seL4_CapIOPort"),
            ("IO_SPACE", "seL4_CapIOSpace"),
            ("BOOTINFO_FRAME", "seL4_CapBootInfoFrame"),
            ("IPC_BUFFER", "seL4_CapInitThreadIPCBuffer"),
            ("DOMAIN", "seL4_CapDomain"),
            ("COUNT", "seL4_NumInitialCaps"),
        ],
    ),
    (
        "bootinfo",
        "Byte offsets in the bootinfo page, and sizes. A region is two words: first slot, first slot after.",
        &[
            ("EXTRA_LEN", "offsetof(seL4_BootInfo, extraLen)"),
            ("NODE_ID", "offsetof(seL4_BootInfo, nodeID)"),
            ("NUM_NODES", "offsetof(seL4_BootInfo, numNodes)"),
            ("NUM_IOPT_LEVELS", "offsetof(seL4_BootInfo, numIOPTLevels)"),
            ("IPC_BUFFER", "offsetof(seL4_BootInfo, ipcBuffer)"),
            ("EMPTY", "offsetof(seL4_BootInfo, empty)"),
            ("SHARED_FRAMES", "offsetof(seL4_BootInfo, sharedFrames)"),
            ("USER_IMAGE_FRAMES", "offsetof(seL4_BootInfo, userImageFrames)"),
            ("USER_IMAGE_PAGING", "offsetof(seL4_BootInfo, userImagePaging)"),
            ("IO_SPACE_CAPS", "offsetof(seL4_BootInfo, ioSpaceCaps)"),
            ("EXTRA_BOOTINFO_PAGES", "offsetof(seL4_BootInfo, extraBIPages)"),
            ("CNODE_SIZE_BITS", "offsetof(seL4_BootInfo, initThreadCNodeSizeBits)"),
            ("INIT_THREAD_DOMAIN", "offsetof(seL4_BootInfo, initThreadDomain)"),
            ("ARCH_INFO", "offsetof(seL4_BootInfo, archInfo)"),
            ("UNTYPED", "offsetof(seL4_BootInfo, untyped)"),
            ("UNTYPED_LIST", "offsetof(seL4_BootInfo, untypedList)"),
            ("SIZE", "sizeof(seL4_BootInfo)"),
            ("MAX_UNTYPED_CAPS", "CONFIG_MAX_NUM_BOOTINFO_UNTYPED_CAPS"),
            ("UNTYPED_DESC_PADDR", "offsetof(seL4_UntypedDesc, paddr)"),
            ("UNTYPED_DESC_SIZE_BITS", "offsetof(seL4_UntypedDesc, sizeBits)"),
            ("UNTYPED_DESC_IS_DEVICE", "offsetof(seL4_UntypedDesc, isDevice)"),
            ("UNTYPED_DESC_SIZE", "sizeof(seL4_UntypedDesc)"),
            ("ROOT_CNODE_SIZE_BITS", "CONFIG_ROOT_CNODE_SIZE_BITS"),
        ],
    ),
    (
        "ipc_buffer",
        "Byte offsets in the IPC buffer, and its size, to which it is aligned.",
        &[
            ("TAG", "offsetof(seL4_IPCBuffer, tag)"),
            ("MSG", "offsetof(seL4_IPCBuffer, msg)"),
            ("USER_DATA", "offsetof(seL4_IPCBuffer, userData)"),
            ("CAPS_OR_BADGES", "offsetof(seL4_IPCBuffer, caps_or_badges)"),
            ("RECEIVE_CNODE", "offsetof(seL4_IPCBuffer, receiveCNode)"),
            ("RECEIVE_INDEX", "offsetof(seL4_IPCBuffer, receiveIndex)"),
            ("RECEIVE_DEPTH", "offsetof(seL4_IPCBuffer, receiveDepth)"),
            ("SIZE", "sizeof(seL4_IPCBuffer)"),
        ],
    ),
    (
        "message",
        "Limits of a message, and the layout of the message-info word.",
        &[
            ("REGISTERS", "n_msgRegisters"),
            ("MAX_LENGTH", "seL4_MsgMaxLength"),
            ("MAX_EXTRA_CAPS", "seL4_MsgMaxExtraCaps"),
            ("LENGTH_SHIFT", "LOW(seL4_MessageInfo_new(0, 0, 0, 1))"),
            ("LENGTH_BITS", "WIDTH(seL4_MessageInfo, get_length)"),
            ("EXTRA_CAPS_SHIFT", "LOW(seL4_MessageInfo_new(0, 0, 1, 0))"),
            ("EXTRA_CAPS_BITS", "WIDTH(seL4_MessageInfo, get_extraCaps)"),
            ("CAPS_UNWRAPPED_SHIFT", "LOW(seL4_MessageInfo_new(0, 1, 0, 0))"),
            ("CAPS_UNWRAPPED_BITS", "WIDTH(seL4_MessageInfo, get_capsUnwrapped)"),
            ("LABEL_SHIFT", "LOW(seL4_MessageInfo_new(1, 0, 0, 0))"),
            ("LABEL_BITS", "WIDTH(seL4_MessageInfo, get_label)"),
        ],
    ),
    (
        "cap_rights",
        "Bits of a rights word.",
        &[
            ("WRITE", "seL4_CanWrite.words[0]"),
            ("READ", "seL4_CanRead.words[0]"),
            ("GRANT", "seL4_CanGrant.words[0]"),
        ],
    ),
    (
        "cnode_guard",
        "The word that gives a CNode capability its guard (Mint, Mutate, `invocation::TCB_SET_SPACE`).",
        &[
            ("SIZE_SHIFT", "LOW(cnode_capdata_new(0, 1))"),
            ("SIZE_BITS", "WIDTH(cnode_capdata, get_guardSize)"),
            ("GUARD_SHIFT", "LOW(cnode_capdata_new(1, 0))"),
            ("GUARD_BITS", "WIDTH(cnode_capdata, get_guard)"),
        ],
    ),
    (
        "tcb_priority",
        "The priority word of `invocation::TCB_CONFIGURE`, and the range of priorities.",
        &[
            ("PRIORITY_SHIFT", "LOW(seL4_PrioProps_new(0, 1))"),
            ("MAX_CONTROLLED_SHIFT", "LOW(seL4_PrioProps_new(1, 0))"),
            ("MIN", "seL4_MinPrio"),
            ("MAX", "seL4_MaxPrio"),
        ],
    ),
    (
        "vm_attributes",
        "Cache attributes of a mapping.",
        &[
            ("WRITE_BACK", "vm_attributes_new(0, 0, 0).words[0]"),
            ("WRITE_THROUGH", "vm_attributes_new(0, 0, 1).words[0]"),
            ("CACHE_DISABLED", "vm_attributes_new(0, 1, 0).words[0]"),
            ("WRITE_COMBINING", "vm_attributes_new(1, 0, 0).words[0]"),
        ],
    ),
    (
        "vmenter",
        "Message registers of `syscall::VM_ENTER` and of what it returns.",
        &[
            ("CALL_RIP", "SEL4_VMENTER_CALL_EIP_MR"),
            ("CALL_PRIMARY_CONTROLS", "SEL4_VMENTER_CALL_CONTROL_PPC_MR"),
            ("CALL_ENTRY_INTERRUPTION", "SEL4_VMENTER_CALL_CONTROL_ENTRY_MR"),
            ("FAULT_REASON", "SEL4_VMENTER_FAULT_REASON_MR"),
            ("FAULT_QUALIFICATION", "SEL4_VMENTER_FAULT_QUALIFICATION_MR"),
            ("FAULT_INSTRUCTION_LENGTH", "SEL4_VMENTER_FAULT_INSTRUCTION_LEN_MR"),
            ("FAULT_GUEST_PHYSICAL", "SEL4_VMENTER_FAULT_GUEST_PHYSICAL_MR"),
            ("FAULT_RFLAGS", "SEL4_VMENTER_FAULT_RFLAGS_MR"),
            ("FAULT_INTERRUPTIBILITY", "SEL4_VMENTER_FAULT_GUEST_INT_MR"),
            ("FAULT_CR3", "SEL4_VMENTER_FAULT_CR3_MR"),
            ("FAULT_RAX", "SEL4_VMENTER_FAULT_EAX"),
            ("FAULT_RBX", "SEL4_VMENTER_FAULT_EBX"),
            ("FAULT_RCX", "SEL4_VMENTER_FAULT_ECX"),
            ("FAULT_RDX", "SEL4_VMENTER_FAULT_EDX"),
            ("FAULT_RSI", "SEL4_VMENTER_FAULT_ESI"),
            ("FAULT_RDI", "SEL4_VMENTER_FAULT_EDI"),
            ("FAULT_RBP", "SEL4_VMENTER_FAULT_EBP"),
            ("FAULT_R8", "SEL4_VMENTER_FAULT_R8"),
            ("FAULT_R9", "SEL4_VMENTER_FAULT_R9"),
            ("FAULT_R10", "SEL4_VMENTER_FAULT_R10"),
            ("FAULT_R11", "SEL4_VMENTER_FAULT_R11"),
            ("FAULT_R12", "SEL4_VMENTER_FAULT_R12"),
            ("FAULT_R13", "SEL4_VMENTER_FAULT_R13"),
            ("FAULT_R14", "SEL4_VMENTER_FAULT_R14"),
            ("FAULT_R15", "SEL4_VMENTER_FAULT_R15"),
            ("RESULT_FAULT", "SEL4_VMENTER_RESULT_FAULT"),
            ("RESULT_NOTIFICATION", "SEL4_VMENTER_RESULT_NOTIF"),
        ],
    ),
    (
        "vcpu_registers",
        "Message registers of `invocation::X86_VCPU_WRITE_REGISTERS`. `CR2` is optional: a message of `COUNT` words leaves it alone.",
        &[
            ("RAX", "VCPU_EAX"),
            ("RBX", "VCPU_EBX"),
            ("RCX", "VCPU_ECX"),
            ("RDX", "VCPU_EDX"),
            ("RSI", "VCPU_ESI"),
            ("RDI", "VCPU_EDI"),
            ("RBP", "VCPU_EBP"),
            ("R8", "VCPU_R8"),
            ("R9", "VCPU_R9"),
            ("R10", "VCPU_R10"),
            ("R11", "VCPU_R11"),
            ("R12", "VCPU_R12"),
            ("R13", "VCPU_R13"),
            ("R14", "VCPU_R14"),
            ("R15", "VCPU_R15"),
            ("COUNT", "n_vcpu_gp_register"),
            ("CR2", "SEL4_VCPU_WRITE_REGISTERS_CR2_MR"),
        ],
    ),
    (
        "interrupt",
        "Vectors that a handler for an IOAPIC pin or an MSI may ask for, and what an MSI's data word adds.",
        &[
            ("VECTOR_MIN", "0"),
            ("VECTOR_MAX", "irq_user_max - irq_user_min"),
            ("MSI_OFFSET", "int_irq_user_min"),
        ],
    ),
    (
        "limits",
        "What one invocation may ask for.",
        &[("RETYPE_FAN_OUT", "CONFIG_RETYPE_FAN_OUT_LIMIT")],
    ),
];

fn groups(interface: &Interface) -> Vec<Group> {
    let mut groups = vec![
        Group {
            module: "syscall",
            doc: "System calls, for register rdx. The `DEBUG_*` calls exist in the debug kernel only.",
            kind: "isize",
            numbers: interface
                .syscalls()
                .map(|(call, _)| Number::of_call(call, format!("Sys{}", call.name)))
                .collect(),
        },
        Group {
            module: "invocation",
            doc: "Invocation labels, for the label of the message-info word.",
            kind: "usize",
            numbers: interface
                .invocations()
                .map(|call| Number::of_call(call, call.name.clone()))
                .collect(),
        },
        Group {
            module: "user_context",
            doc: "Registers in the order of `invocation::TCB_READ_REGISTERS` and `TCB_WRITE_REGISTERS`.",
            kind: "usize",
            numbers: (0..)
                .zip(&interface.registers)
                .map(|(i, name): (usize, _)| Number::new(&constant_name(name), &i.to_string()))
                .chain([Number::new("COUNT", &interface.registers.len().to_string())])
                .collect(),
        },
    ];
    groups.extend(TABLES.iter().map(|&(module, doc, numbers)| Group {
        module,
        doc,
        kind: "usize",
        numbers: numbers.iter().map(|(name, c)| Number::new(name, c)).collect(),
    }));
    groups
}

/// Makes the text of `numbers_v5.rs`. `scratch` is a folder for the probe.
pub(crate) fn generate(
    interface: &Interface,
    compiler: &Compiler,
    scratch: &Path,
) -> Result<String, KernelError> {
    let groups = groups(interface);
    let source = scratch.join("numbers.c");
    std::fs::write(&source, probe(&groups)).context("cannot write", &source)?;
    let assembly = compiler.probe(&source)?;
    Ok(render(&groups, &values(&assembly)))
}

/// The C program whose assembly has the values in it.
fn probe(groups: &[Group]) -> String {
    let mut c = String::from(
        "#include <config.h>\n#include <types.h>\n#include <object.h>\n#include <bootinfo.h>\n\
         #include <arch/api/invocation.h>\n#include <arch/api/syscall.h>\n\
         #include <arch/api/vmenter.h>\n#include <arch/api/constants.h>\n\
         #define offsetof __builtin_offsetof\n\
         #define LOW(made) __builtin_ctzl((made).words[0])\n\
         #define WIDTH(type, get) __builtin_popcountl(type##_##get((type##_t){{~0ul}}))\n",
    );
    let _ = writeln!(
        c,
        "#define VALUE(name, value) asm volatile(\"\\n{MARK}\" name \" %c0\" :: \"i\"((long)(value)))\n\
         void probe(void)\n{{"
    );
    for group in groups {
        for number in &group.numbers {
            let line = format!(
                "    VALUE(\"{} {}\", {});\n",
                group.module, number.name, number.expression
            );
            match &number.condition {
                Some(condition) => {
                    let _ = write!(c, "#if {condition}\n{line}#endif\n");
                }
                None => c.push_str(&line),
            }
        }
    }
    c.push_str("}\n");
    c
}

/// (module and name, value) of every marked line.
fn values(assembly: &str) -> Vec<(&str, &str)> {
    assembly.lines().filter_map(|line| line.strip_prefix(MARK)?.rsplit_once(' ')).collect()
}

/// The Rust file. A number whose condition did not hold has no value and no line.
fn render(groups: &[Group], values: &[(&str, &str)]) -> String {
    let mut rust = String::from(
        "//! The numbers of seL4 5.0.0's interface on x86-64, as this project configures and\n\
         //! patches it.\n\
         //!\n\
         //! Generated by `cargo run -p bulkhead-kernel --bin kernel-numbers -- --write` from the\n\
         //! kernel's interface XML and its C headers. Not to be edited: a kernel build fails when\n\
         //! this file and the kernel differ.\n\
         #![allow(missing_docs)]\n",
    );
    for group in groups {
        let _ = write!(rust, "\n/// {}\npub mod {} {{\n", group.doc, group.module);
        for number in &group.numbers {
            let key = format!("{} {}", group.module, number.name);
            let Some((_, value)) = values.iter().find(|(found, _)| *found == key) else { continue };
            let _ = writeln!(rust, "    pub const {}: {} = {value};", number.name, group.kind);
        }
        rust.push_str("}\n");
    }
    rust
}

/// Says where the committed file differs from what the kernel has.
///
/// # Returns
/// Nothing if they are the same.
pub(crate) fn difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let pairs = committed.lines().zip(generated.lines());
    Some(match (1..).zip(pairs).find(|(_, (a, b))| a != b) {
        Some((line, (a, b))) => {
            format!("line {line} is `{}`, and must be `{}`", a.trim(), b.trim())
        }
        None => format!(
            "it has {} lines, and must have {}",
            committed.lines().count(),
            generated.lines().count()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(numbers: Vec<Number>) -> Group {
        Group { module: "error", doc: "Results.", kind: "usize", numbers }
    }

    #[test]
    fn values_come_from_the_marked_lines_only() {
        let assembly = "\tmov $1, %eax\n=>bulkhead error A 7\n#NO_APP\n=>bulkhead error B -1\n";
        assert_eq!(values(assembly), [("error A", "7"), ("error B", "-1")]);
    }

    #[test]
    fn a_number_that_the_configuration_lacks_has_no_line() {
        let groups = [group(vec![Number::new("A", "a"), Number::new("B", "b")])];
        let rust = render(&groups, &[("error B", "4")]);
        assert!(rust.ends_with("/// Results.\npub mod error {\n    pub const B: usize = 4;\n}\n"));
    }

    #[test]
    fn the_probe_keeps_conditions() {
        let mut number = Number::new("A", "a");
        number.condition = Some("X > 1".into());
        let c = probe(&[group(vec![number])]);
        assert!(c.contains("#if X > 1\n    VALUE(\"error A\", a);\n#endif\n"), "{c}");
    }

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\n  b\n", "a\n  c\n").unwrap(), "line 2 is `b`, and must be `c`");
        assert_eq!(difference("a\n", "a\nb\n").unwrap(), "it has 1 lines, and must have 2");
    }
}
