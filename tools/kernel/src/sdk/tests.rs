//! A made-up SDK: only what the probe asks for, with values that no kernel has.

use std::fmt::Write;

use super::*;
use crate::interface::tables::TABLES;

const SYSCALLS: &str = r#"<syscalls>
<api-master><config><syscall name="Reply"/></config></api-master>
<api-mcs><config><syscall name="Call"/><syscall name="NBSendWait"/></config></api-mcs>
<debug>
  <config><condition><config var="CONFIG_PRINTING"/></condition><syscall name="DebugPutChar"/></config>
  <config><condition><config var="CONFIG_BENCHMARK"/></condition><syscall name="Flush"/></config>
  <config><condition><config var="CONFIG_VTX"/></condition><syscall name="VMEnter"/></config>
</debug></syscalls>"#;

const GENERIC: &str = r#"<api>
<method id="TCBConfigure"><condition><not><config var="CONFIG_KERNEL_MCS"/></not></condition></method>
<method id="TCBConfigure"><condition><config var="CONFIG_KERNEL_MCS"/></condition></method>
<method id="TCBSetBreakpoint"><condition><config var="CONFIG_DEBUG_API"/></condition></method>
<method id="CNodeCopy"/></api>"#;

const SEL4_ARCH: &str = r#"<api><struct name="seL4_UserContext"><member name="rip"/><member name="gs_base"/>
</struct><method id="X86VCPUReadMSR"/></api>"#;

const ARCH: &str = r#"<api><method id="X86PageMap"/></api>"#;

const OPTIONS: &str =
    r#"{"ARCH_X86_64": true, "KERNEL_MCS": true, "VTX": true, "X86_64_VTX_64BIT_GUESTS": true}"#;

const INVOCATIONS: &str =
    r#"{"TCBConfigure": 1, "CNodeCopy": 2, "X86VCPUReadMSR": 3, "X86PageMap": 4}"#;

/// Types and functions whose use in the tables is no plain name.
const TYPES: &str = "
typedef unsigned long seL4_Word;
#define CONFIG_KERNEL_MCS 1
#define CONFIG_VTX 1
#define CONFIG_XSAVE 1
#define CONFIG_XSAVE_FEATURE_SET 7
typedef enum { seL4_SysCall = -1, seL4_SysNBSendWait = -2, seL4_SysDebugPutChar = -3,
    seL4_SysVMEnter = -5 } seL4_Syscall_ID;
enum { Invalid, TCBConfigure, CNodeCopy, X86VCPUReadMSR, X86PageMap };
typedef struct { seL4_Word rip, other, gs_base; } seL4_UserContext;
typedef struct { seL4_Word eax, ebx, ecx, edx, esi, edi, ebp, r8, r9, r10, r11, r12, r13, r14,
    r15; } seL4_VCPUContext;
typedef struct { seL4_Word extraLen, nodeID, numNodes, numIOPTLevels, ipcBuffer, empty,
    sharedFrames, userImageFrames, userImagePaging, ioSpaceCaps, extraBIPages,
    initThreadCNodeSizeBits, initThreadDomain, schedcontrol, untyped, untypedList; } seL4_BootInfo;
typedef struct { seL4_Word paddr, sizeBits, isDevice; } seL4_UntypedDesc;
typedef struct { seL4_Word tag, msg, userData, caps_or_badges, receiveCNode, receiveIndex,
    receiveDepth; } seL4_IPCBuffer;
typedef struct { seL4_Word words[1]; } seL4_MessageInfo_t, seL4_CNode_CapData_t, rights;
static const rights seL4_CanRead = {{2}}, seL4_CanWrite = {{1}}, seL4_CanGrant = {{4}},
    seL4_CanGrantReply = {{8}};
static inline seL4_MessageInfo_t seL4_MessageInfo_new(seL4_Word l, seL4_Word u, seL4_Word e,
    seL4_Word n) { return (seL4_MessageInfo_t){{l << 12 | u << 9 | e << 7 | n}}; }
#define GET(name, bits) static inline seL4_Word seL4_##name { return t.words[0] & ((1ul << bits) - 1); }
GET(MessageInfo_get_length(seL4_MessageInfo_t t), 7)
GET(MessageInfo_get_extraCaps(seL4_MessageInfo_t t), 2)
GET(MessageInfo_get_capsUnwrapped(seL4_MessageInfo_t t), 3)
GET(MessageInfo_get_label(seL4_MessageInfo_t t), 52)
static inline seL4_CNode_CapData_t seL4_CNode_CapData_new(seL4_Word g, seL4_Word s)
{ return (seL4_CNode_CapData_t){{g << 6 | s}}; }
GET(CNode_CapData_get_guardSize(seL4_CNode_CapData_t t), 6)
GET(CNode_CapData_get_guard(seL4_CNode_CapData_t t), 58)
";

/// Every plain name in the tables as a constant with a value of its own.
fn plain_names() -> String {
    let is_plain = |c: &str| c.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut text = String::new();
    let names = TABLES.iter().flat_map(|(_, _, numbers)| *numbers);
    let names = names.filter_map(|(_, c)| c.of(Kernel::Sdk)).filter(|c| is_plain(c));
    for (value, name) in (100..).zip(names.filter(|name| *name != "XSAVE_FEATURES")) {
        let _ = writeln!(text, "#define {name} {value}");
    }
    text
}

struct Made {
    dir: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let made = Self { dir: tempfile::tempdir().unwrap() };
        made.file("include/kernel/gen_config.json", OPTIONS);
        made.file("include/api/syscall.xml", SYSCALLS);
        made.file("include/interfaces/object-api.xml", GENERIC);
        made.file("include/interfaces/object-api-sel4-arch.xml", SEL4_ARCH);
        made.file("include/interfaces/object-api-arch.xml", ARCH);
        made.file("include/sel4/sel4.h", &format!("#pragma once\n{TYPES}{}", plain_names()));
        made.file("include/sel4/arch/vmenter.h", "#include <sel4/sel4.h>\n");
        made.file("invocations_all.json", INVOCATIONS);
        made
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// What the error says when `name` is `text` instead.
    fn refused(name: &str, text: &str) -> String {
        let made = Self::new();
        made.file(name, text);
        let error = sdk_numbers(made.dir.path()).unwrap_err();
        assert!(matches!(error, KernelError::Sdk { .. }), "{error}");
        error.to_string()
    }
}

/// The compiler may be missing where only the other tests are wanted.
fn no_compiler() -> bool {
    let missing = std::process::Command::new("gcc").arg("--version").output().is_err();
    if missing {
        eprintln!("skipped: gcc is not installed");
    }
    missing
}

#[test]
fn every_number_comes_from_the_sdk() {
    if no_compiler() {
        return;
    }
    let text = sdk_numbers(Made::new().dir.path()).unwrap_or_else(|error| panic!("{error}"));
    let module = |name: &str| {
        let text = text.split("\npub mod ").find(|m| m.starts_with(&format!("{name} {{")));
        text.unwrap_or_else(|| panic!("no {name}")).split("}\n").next().unwrap().to_owned()
    };
    assert_eq!(
        module("syscall"),
        "syscall {\n    pub const CALL: isize = -1;\n    pub const NB_SEND_WAIT: isize = -2;\n    \
         pub const DEBUG_PUT_CHAR: isize = -3;\n    pub const VM_ENTER: isize = -5;\n"
    );
    assert_eq!(
        module("invocation"),
        "invocation {\n    pub const TCB_CONFIGURE: usize = 1;\n    pub const CNODE_COPY: usize = 2;\n    \
         pub const X86_VCPU_READ_MSR: usize = 3;\n    pub const X86_PAGE_MAP: usize = 4;\n"
    );
    // The C structure decides, not the order in the XML.
    assert!(module("user_context").contains("GS_BASE: usize = 2;"));
    assert!(module("vcpu_registers").contains("R15: usize = 14;"));
    assert!(module("vcpu_registers").contains("COUNT: usize = 15;"));
    assert!(module("message").contains("LABEL_SHIFT: usize = 12;"));
    assert!(module("message").contains("LABEL_BITS: usize = 52;"));
    assert!(module("cap_rights").contains("GRANT_REPLY: usize = 8;"));
    assert!(module("options").contains("XSAVE_FEATURES: usize = 7;"));
    // What only the embedded kernel has is not there.
    assert!(!text.contains("CALL_CR2") && !text.contains("ARCH_INFO"));
    let made = module("object");
    let values: Vec<&str> =
        made.lines().filter_map(|line| line.split_once(" = ")).map(|(_, v)| v).collect();
    assert!(values.len() > 15 && values.is_sorted(), "{made}");
}

#[test]
fn a_kernel_that_runs_no_guests_is_refused() {
    let options = OPTIONS.replace("\"VTX\": true", "\"VTX\": false");
    let error = Made::refused("include/kernel/gen_config.json", &options);
    assert!(error.contains("kernel/gen_config.json: this kernel is built without VTX"), "{error}");
    let error = Made::refused("include/kernel/gen_config.json", "{}");
    assert!(error.contains("built without ARCH_X86_64: it is not for x86-64"), "{error}");
}

#[test]
fn a_file_that_is_missing_or_damaged_is_named() {
    let made = Made::new();
    std::fs::remove_file(made.dir.path().join("include/api/syscall.xml")).unwrap();
    let error = sdk_numbers(made.dir.path()).unwrap_err().to_string();
    assert!(error.contains("include/api/syscall.xml: cannot read"), "{error}");

    let error = Made::refused("include/kernel/gen_config.json", "[1]");
    assert!(error.contains("gen_config.json: it is no JSON object"), "{error}");
    let error = Made::refused("include/kernel/gen_config.json", "{");
    assert!(error.contains("gen_config.json: it is no JSON: "), "{error}");
    let error = Made::refused("include/interfaces/object-api.xml", "<api><method id='a-b'/></api>");
    assert!(error.contains("object-api.xml: 1:6: `a-b` is no name in C"), "{error}");
}

#[test]
fn headers_that_are_another_kernels_are_named_with_what_they_lack() {
    if no_compiler() {
        return;
    }
    let text = TYPES.replace("X86VCPUReadMSR", "X86VCPUWriteMSR") + &plain_names();
    let error = Made::refused("include/sel4/sel4.h", &text);
    assert!(error.contains("its C headers are not understood"), "{error}");
    assert!(error.contains("X86VCPUReadMSR"), "{error}");
}

#[test]
fn headers_cannot_put_other_than_numbers_into_rust() {
    if no_compiler() {
        return;
    }
    let injected = r#"asm("\n=>bulkhead limits RETYPE_FAN_OUT 1; } mod x {");"#;
    let text = format!("#pragma once\n{TYPES}{}{injected}\n", plain_names());
    let error = Made::refused("include/sel4/sel4.h", &text);
    assert!(error.contains("which is no number"), "{error}");
}

#[test]
fn files_of_two_sdks_are_told_apart() {
    if no_compiler() {
        return;
    }
    let shifted = INVOCATIONS.replace('4', "5");
    let error = Made::refused("invocations_all.json", &shifted);
    assert!(error.contains("invocations_all.json: its label of X86_PAGE_MAP is not 4"), "{error}");
    let fewer = INVOCATIONS.replace(r#", "X86PageMap": 4"#, "");
    let error = Made::refused("invocations_all.json", &fewer);
    assert!(error.contains("X86_PAGE_MAP is missing"), "{error}");
}
