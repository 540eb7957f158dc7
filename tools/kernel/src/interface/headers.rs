//! Writes the four C headers that hold the interface's numbers, in place of the
//! kernel's own Python 2 generators.

use std::fmt::Write;
use std::path::Path;

use super::calls::{Call, Interface};
use super::names::constant_name;
use crate::KernelError;
use crate::error::FileContext;

/// One header: its path under the include folder, and its text.
pub(crate) struct Header {
    pub path: &'static str,
    pub text: String,
}

/// Writes all headers under `dir`.
pub(crate) fn write(interface: &Interface, dir: &Path) -> Result<(), KernelError> {
    for header in all(interface) {
        let path = dir.join(header.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).context("cannot create", parent)?;
        }
        std::fs::write(&path, header.text).context("cannot write", &path)?;
    }
    Ok(())
}

fn all(interface: &Interface) -> [Header; 4] {
    [
        Header {
            path: "api/invocation.h",
            text: labels(&Labels {
                guard: "__API_INVOCATION_H",
                include: None,
                name: "invocation_label",
                before: "InvalidInvocation",
                calls: &interface.generic,
                count: "nInvocationLabels",
            }),
        },
        Header {
            path: "arch/api/sel4_invocation.h",
            text: labels(&Labels {
                guard: "__API_SEL4_ARCH_INVOCATION_H",
                include: Some("api/invocation.h"),
                name: "sel4_arch_invocation_label",
                before: "lastGenericInvocation = nInvocationLabels - 1",
                calls: &interface.sel4_arch,
                count: "nSeL4ArchInvocationLabels",
            }),
        },
        Header {
            path: "arch/api/invocation.h",
            text: labels(&Labels {
                guard: "__ARCH_API_INVOCATION_H",
                include: Some("arch/api/sel4_invocation.h"),
                name: "arch_invocation_label",
                before: "lastSeL4ArchInvocation = nSeL4ArchInvocationLabels - 1",
                calls: &interface.arch,
                count: "nArchInvocationLabels",
            }),
        },
        Header { path: "arch/api/syscall.h", text: syscalls(interface) },
    ]
}

/// An enumeration of invocation labels.
struct Labels<'a> {
    guard: &'a str,
    include: Option<&'a str>,
    name: &'a str,
    /// The enumerator before the first label: gives the first its number even
    /// where a condition removes it.
    before: &'a str,
    calls: &'a [Call],
    /// The enumerator after the last label.
    count: &'a str,
}

fn labels(labels: &Labels) -> String {
    let mut body = format!("    {},\n", labels.before);
    for call in labels.calls {
        conditional(&mut body, call, &format!("    {},\n", call.name));
    }
    let include = labels.include.map(|file| format!("#include <{file}>\n")).unwrap_or_default();
    let text = format!("{include}enum {} {{\n{body}    {}\n}};\n", labels.name, labels.count);
    guarded(labels.guard, &text)
}

fn syscalls(interface: &Interface) -> String {
    // Assembly compares with constants, C wants an enumeration.
    let mut defines = String::new();
    let mut enumerators = String::new();
    let mut names = String::new();
    for (call, number) in interface.syscalls() {
        conditional(&mut enumerators, call, &format!("    Sys{} = {number},\n", call.name));
    }
    for (call, number) in interface.syscalls().take(interface.api.len()) {
        defines.push_str(&format!("#define SYSCALL_{} ({number})\n", constant_name(&call.name)));
        names.push_str(&format!("    [{}] = \"{}\",\n", -number, call.name));
    }
    let last = interface.api.len();
    guarded(
        "__ARCH_API_SYSCALL_H",
        &format!(
            "#define SYSCALL_MAX (-1)\n#define SYSCALL_MIN (-{last})\n\
             #ifdef __ASSEMBLER__\n{defines}#else\n\
             enum syscall {{\n{enumerators}}};\ntypedef word_t syscall_t;\n\
             #ifdef CONFIG_DEBUG_BUILD\n\
             static char *syscall_names[] UNUSED = {{\n{names}}};\n#endif\n#endif\n"
        ),
    )
}

fn conditional(out: &mut String, call: &Call, line: &str) {
    match &call.condition {
        Some(condition) => {
            let _ = write!(out, "#if {condition}\n{line}#endif\n");
        }
        None => out.push_str(line),
    }
}

fn guarded(guard: &str, text: &str) -> String {
    format!("#ifndef {guard}\n#define {guard}\n{text}#endif\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, condition: Option<&str>) -> Call {
        Call { name: name.into(), condition: condition.map(Into::into) }
    }

    fn example() -> Interface {
        Interface {
            api: vec![call("Call", None), call("NBSend", None)],
            others: vec![
                call("DebugHalt", Some("defined CONFIG_DEBUG_BUILD")),
                call("VMEnter", None),
            ],
            generic: vec![call("UntypedRetype", None), call("TCBSetAffinity", Some("NODES > 1"))],
            sel4_arch: vec![call("X86PDPTMap", None)],
            arch: vec![call("X86PageMap", None)],
            registers: vec!["rip".into()],
        }
    }

    fn text(path: &str) -> String {
        let headers = all(&example());
        headers.into_iter().find(|h| h.path == path).unwrap().text
    }

    #[test]
    fn labels_start_after_the_invalid_one() {
        assert_eq!(
            text("api/invocation.h"),
            "#ifndef __API_INVOCATION_H\n#define __API_INVOCATION_H\nenum invocation_label {\n    \
             InvalidInvocation,\n    UntypedRetype,\n#if NODES > 1\n    TCBSetAffinity,\n#endif\n    \
             nInvocationLabels\n};\n#endif\n"
        );
    }

    #[test]
    fn each_enumeration_goes_on_where_the_one_before_ended() {
        let sel4_arch = text("arch/api/sel4_invocation.h");
        assert!(sel4_arch.contains("#include <api/invocation.h>"));
        assert!(sel4_arch.contains("= nInvocationLabels - 1,\n    X86PDPTMap,"));
        let arch = text("arch/api/invocation.h");
        assert!(arch.contains("#include <arch/api/sel4_invocation.h>"));
        assert!(arch.contains("= nSeL4ArchInvocationLabels - 1,\n    X86PageMap,"));
    }

    #[test]
    fn syscall_numbers_do_not_depend_on_the_configuration() {
        let text = text("arch/api/syscall.h");
        assert!(text.contains("#if defined CONFIG_DEBUG_BUILD\n    SysDebugHalt = -3,\n#endif\n"));
        assert!(text.contains("    SysVMEnter = -4,\n"));
        assert!(text.contains("#define SYSCALL_MIN (-2)\n"));
        assert!(text.contains("#define SYSCALL_NB_SEND (-2)\n"));
        assert!(!text.contains("SYSCALL_VM_ENTER"));
    }
}
