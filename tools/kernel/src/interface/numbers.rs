//! Writes a kernel's numbers as Rust, for `lib/sel4`.
//!
//! The values are the C compiler's own: a probe, compiled against the very
//! headers that the kernel is compiled with, or that come with it, puts each
//! into its assembly output, from which they are read back. Nothing is
//! executed, and no preprocessor condition is judged by this program.
//!
//! A SDK's headers can hold anything. What they can put into the Rust file are
//! integers: its names are from `tables` or are checked identifiers.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use super::calls::{Call, Interface};
use super::names::constant_name;
use super::tables::{In, Kernel, TABLES};
use crate::KernelError;
use crate::compile::Probe;
use crate::error::FileContext;

/// Marks a value in the probe's assembly output.
const MARK: &str = "=>bulkhead ";

/// The file with the embedded kernel's numbers, from the root of the project.
pub const FILE: &str = "lib/sel4/src/numbers_v5.rs";

/// The same for a SDK's kernel.
pub const SDK_FILE: &str = "lib/sel4/src/numbers_v16.rs";

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
    kind: Kind,
    numbers: Vec<Number>,
}

/// The constants' type.
#[derive(Clone, Copy)]
enum Kind {
    Signed,
    Unsigned,
}

impl Kind {
    /// The type's name, if it can hold `value`.
    fn of(self, value: i64) -> Option<&'static str> {
        match self {
            Self::Signed => Some("isize"),
            Self::Unsigned => (value >= 0).then_some("usize"),
        }
    }
}

/// The calls' groups, which follow the kernel's XML.
fn groups(interface: &Interface, kernel: Kernel) -> Vec<Group> {
    let (syscall, register): (&str, fn(usize, &str) -> String) = match kernel {
        // Its source has no `seL4_UserContext`, only the order of the XML.
        Kernel::Embedded => ("Sys", |index, _| index.to_string()),
        Kernel::Sdk => ("seL4_Sys", |_, name| format!("WORD(seL4_UserContext, {name})")),
    };
    let mut groups = vec![
        Group {
            module: "syscall",
            doc: "System calls, for register rdx. The `DEBUG_*` calls exist in the debug kernel only.",
            kind: Kind::Signed,
            numbers: interface
                .syscalls()
                .map(|(call, _)| Number::of_call(call, format!("{syscall}{}", call.name)))
                .collect(),
        },
        Group {
            module: "invocation",
            doc: "Invocation labels, for the label of the message-info word.",
            kind: Kind::Unsigned,
            numbers: interface
                .invocations()
                .map(|call| Number::of_call(call, call.name.clone()))
                .collect(),
        },
        Group {
            module: "user_context",
            doc: "Registers in the order of `invocation::TCB_READ_REGISTERS` and `TCB_WRITE_REGISTERS`.",
            kind: Kind::Unsigned,
            numbers: interface
                .registers
                .iter()
                .enumerate()
                .map(|(i, name)| Number::new(&constant_name(name), &register(i, name)))
                .chain([Number::new("COUNT", &interface.registers.len().to_string())])
                .collect(),
        },
    ];
    groups.extend(TABLES.iter().filter_map(|&(module, doc, numbers)| {
        let number = |&(name, c): &(&str, In)| Some(Number::new(name, c.of(kernel)?));
        let numbers: Vec<Number> = numbers.iter().filter_map(number).collect();
        Some(Group { module, doc: doc.of(kernel)?, kind: Kind::Unsigned, numbers })
    }));
    groups
}

/// Makes the text of the file. `scratch` is a folder for the probe.
pub(crate) fn generate(
    interface: &Interface,
    kernel: Kernel,
    compiler: &dyn Probe,
    scratch: &Path,
) -> Result<String, KernelError> {
    let groups = groups(interface, kernel);
    let source = scratch.join("numbers.c");
    std::fs::write(&source, probe(&groups, kernel)).context("cannot write", &source)?;
    let assembly = compiler.probe(&source)?;
    let values = values(&assembly);
    values
        .and_then(|values| render(&groups, kernel, &values))
        .map_err(|why| KernelError::Interface { path: source, why })
}

/// What the headers of a kernel are, and what the expressions of `tables` need
/// besides them.
fn prelude(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Embedded => {
            "#include <config.h>\n#include <types.h>\n#include <object.h>\n#include <bootinfo.h>\n\
             #include <arch/api/invocation.h>\n#include <arch/api/syscall.h>\n\
             #include <arch/api/vmenter.h>\n#include <arch/api/constants.h>\n"
        }
        // FXSAVE keeps the state of the x87 and of SSE, bits 0 and 1 of XCR0.
        Kernel::Sdk => {
            "#include <sel4/sel4.h>\n#include <sel4/arch/vmenter.h>\n\
             #define WORD(type, field) (offsetof(type, field) / sizeof(seL4_Word))\n\
             #ifdef CONFIG_XSAVE\n#define XSAVE_FEATURES CONFIG_XSAVE_FEATURE_SET\n\
             #else\n#define XSAVE_FEATURES 3\n#endif\n"
        }
    }
}

/// The C program whose assembly has the values in it.
fn probe(groups: &[Group], kernel: Kernel) -> String {
    let mut c = format!(
        "{}#undef offsetof\n#define offsetof __builtin_offsetof\n\
         #define LOW(made) __builtin_ctzl((made).words[0])\n\
         #define WIDTH(type, get) __builtin_popcountl(type##_##get((type##_t){{{{~0ul}}}}))\n",
        prelude(kernel)
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

/// Values by module and name, from every marked line.
///
/// # Errors
/// A value is no integer, or is there twice.
fn values(assembly: &str) -> Result<HashMap<&str, i64>, String> {
    let mut values = HashMap::new();
    for line in assembly.lines().filter_map(|line| line.strip_prefix(MARK)) {
        let (key, value) = line.rsplit_once(' ').ok_or(format!("`{line}` has no value"))?;
        let value = value.parse().map_err(|_| format!("{key} is `{value}`, which is no number"))?;
        if values.insert(key, value).is_some() {
            return Err(format!("{key} is there twice"));
        }
    }
    Ok(values)
}

/// How the file begins.
fn head(kernel: Kernel) -> &'static str {
    match kernel {
        Kernel::Embedded => {
            "//! The numbers of seL4 5.0.0's interface on x86-64, as this project configures and\n\
             //! patches it.\n\
             //!\n\
             //! Generated by `cargo run -p bulkhead-kernel --bin kernel-numbers -- --write` from the\n\
             //! kernel's interface XML and its C headers. Not to be edited: a kernel build fails when\n\
             //! this file and the kernel differ.\n\
             #![allow(missing_docs)]\n"
        }
        // Without an inner attribute: the file is included where others have gone before.
        Kernel::Sdk => {
            "// The numbers of the interface of a Microkit SDK's kernel: seL4 16 on x86-64, MCS, VT-x.\n\
             //\n\
             // Generated from the SDK's interface XML and C headers. Not to be edited: a build for a\n\
             // SDK takes that SDK's own numbers, and the tests hold the committed ones against it.\n"
        }
    }
}

/// The Rust file. A number whose condition did not hold has no value and no
/// line; two calls that exclude each other may have one name.
///
/// # Errors
/// A value that cannot be.
fn render(groups: &[Group], kernel: Kernel, values: &HashMap<&str, i64>) -> Result<String, String> {
    let mut rust = head(kernel).to_owned();
    for group in groups {
        let _ = write!(rust, "\n/// {}\npub mod {} {{\n", group.doc, group.module);
        let mut seen = HashSet::new();
        for number in group.numbers.iter().filter(|number| seen.insert(&number.name)) {
            let key = format!("{} {}", group.module, number.name);
            let Some(&value) = values.get(key.as_str()) else { continue };
            let kind = group.kind.of(value).ok_or(format!("{key} is {value}, below zero"))?;
            let _ = writeln!(rust, "    pub const {}: {kind} = {value};", number.name);
        }
        rust.push_str("}\n");
    }
    Ok(rust)
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
        Group { module: "error", doc: "Results.", kind: Kind::Unsigned, numbers }
    }

    fn rendered(numbers: Vec<Number>, assembly: &str) -> Result<String, String> {
        render(&[group(numbers)], Kernel::Sdk, &values(assembly)?)
    }

    #[test]
    fn values_come_from_the_marked_lines_only() {
        let assembly = "\tmov $1, %eax\n=>bulkhead error A 7\n#NO_APP\n=>bulkhead error B -1\n";
        let values = values(assembly).unwrap();
        assert_eq!((values.len(), values["error A"], values["error B"]), (2, 7, -1));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let wrong = |assembly| rendered(vec![Number::new("A", "a")], assembly).unwrap_err();
        assert_eq!(wrong("=>bulkhead error A b\n"), "error A is `b`, which is no number");
        assert_eq!(wrong("=>bulkhead error\n"), "`error` has no value");
        assert_eq!(wrong("=>bulkhead error A 1\n=>bulkhead error A 1\n"), "error A is there twice");
        assert_eq!(wrong("=>bulkhead error A -1\n"), "error A is -1, below zero");
    }

    #[test]
    fn a_number_that_the_configuration_lacks_has_no_line() {
        let numbers = vec![Number::new("A", "a"), Number::new("B", "b")];
        let rust = rendered(numbers, "=>bulkhead error B 4\n").unwrap();
        assert!(rust.ends_with("/// Results.\npub mod error {\n    pub const B: usize = 4;\n}\n"));
    }

    #[test]
    fn calls_that_exclude_each_other_have_one_line() {
        let numbers = vec![Number::new("A", "a"), Number::new("A", "a")];
        let rust = rendered(numbers, "=>bulkhead error A 4\n").unwrap();
        assert_eq!(rust.matches("const A").count(), 1);
    }

    #[test]
    fn the_probe_keeps_conditions() {
        let mut number = Number::new("A", "a");
        number.condition = Some("X > 1".into());
        let c = probe(&[group(vec![number])], Kernel::Embedded);
        assert!(c.contains("#if X > 1\n    VALUE(\"error A\", a);\n#endif\n"), "{c}");
    }

    #[test]
    fn the_first_difference_is_shown() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\n  b\n", "a\n  c\n").unwrap(), "line 2 is `b`, and must be `c`");
        assert_eq!(difference("a\n", "a\nb\n").unwrap(), "it has 1 lines, and must have 2");
    }
}
