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
use super::tables::TABLES;
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
