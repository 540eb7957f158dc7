//! Reads the kernel's XML interface descriptions.
//!
//! Only what numbers depend on is kept: names, order, and the preprocessor
//! condition under which a name exists. Conditions are not evaluated here; the
//! C preprocessor does that, so that nothing can disagree with the kernel.

use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use crate::KernelError;
use crate::error::FileContext;

/// One name in an enumeration, with the condition under which it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub name: String,
    /// A C preprocessor expression.
    pub condition: Option<String>,
}

/// The whole interface, in the order that makes the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// System calls on the fast range check: -1, -2, ...
    pub api: Vec<Call>,
    /// System calls below them, numbered whether or not they are configured.
    pub others: Vec<Call>,
    /// Invocations of every architecture, from 1.
    pub generic: Vec<Call>,
    /// Invocations of x86-64, after those.
    pub sel4_arch: Vec<Call>,
    /// Invocations of every x86, after those.
    pub arch: Vec<Call>,
    /// The registers of a thread in the order of `seL4_UserContext`.
    pub registers: Vec<String>,
}

const SYSCALLS: &str = "include/api/syscall.xml";
const GENERIC: &str = "libsel4/include/interfaces/sel4.xml";
const SEL4_ARCH: &str = "libsel4/sel4_arch_include/x86_64/interfaces/sel4arch.xml";
const ARCH: &str = "libsel4/arch_include/x86/interfaces/sel4arch.xml";

impl Interface {
    /// Reads the four files out of the kernel's source tree.
    pub fn read(tree: &Path) -> Result<Self, KernelError> {
        let [syscalls, generic, sel4_arch, arch] =
            [SYSCALLS, GENERIC, SEL4_ARCH, ARCH].map(|file| XmlFile::read(tree.join(file)));
        let (syscalls, generic, sel4_arch, arch) = (syscalls?, generic?, sel4_arch?, arch?);
        Ok(Self {
            api: syscalls.syscalls("api")?,
            others: syscalls.syscalls("debug")?,
            generic: generic.methods()?,
            registers: sel4_arch.members("seL4_UserContext")?,
            sel4_arch: sel4_arch.methods()?,
            arch: arch.methods()?,
        })
    }

    /// Every system call with its number.
    pub fn syscalls(&self) -> impl Iterator<Item = (&Call, i64)> {
        self.api.iter().chain(&self.others).zip((1i64..).map(|n| -n))
    }

    /// Every invocation, in order.
    pub fn invocations(&self) -> impl Iterator<Item = &Call> {
        self.generic.iter().chain(&self.sel4_arch).chain(&self.arch)
    }
}

struct XmlFile {
    path: PathBuf,
    text: String,
}

impl XmlFile {
    fn read(path: PathBuf) -> Result<Self, KernelError> {
        let text = std::fs::read_to_string(&path).context("cannot read", &path)?;
        Ok(Self { path, text })
    }

    /// Parses, and hands the result to `read` together with a way to make errors.
    fn with<T>(
        &self,
        read: impl FnOnce(&Document, &dyn Fn(&Node, &str) -> KernelError) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        let interface = |why: String| KernelError::Interface { path: self.path.clone(), why };
        let document = Document::parse(&self.text).map_err(|e| interface(e.to_string()))?;
        read(&document, &|node, why| {
            let at = document.text_pos_at(node.range().start);
            interface(format!("{at}: {why}"))
        })
    }

    /// `<method id="..." condition="...">` wherever they stand.
    fn methods(&self) -> Result<Vec<Call>, KernelError> {
        self.with(|document, error| {
            let methods: Vec<Call> = elements(document.root(), "method")
                .map(|node| call(&node, "id", node.attribute("condition"), error))
                .collect::<Result<_, _>>()?;
            if methods.is_empty() {
                return Err(error(&document.root_element(), "no <method> in it"));
            }
            Ok(methods)
        })
    }

    /// `<syscall name="...">` in the `<config condition="...">` groups of one section.
    fn syscalls(&self, section: &str) -> Result<Vec<Call>, KernelError> {
        self.with(|document, error| {
            let section = elements(document.root(), section)
                .next()
                .ok_or_else(|| error(&document.root_element(), &format!("no <{section}> in it")))?;
            let mut calls = Vec::new();
            for config in elements(section, "config") {
                for node in elements(config, "syscall") {
                    calls.push(call(&node, "name", config.attribute("condition"), error)?);
                }
            }
            Ok(calls)
        })
    }

    /// The member names of `<struct name="...">`.
    fn members(&self, name: &str) -> Result<Vec<String>, KernelError> {
        self.with(|document, error| {
            let record = elements(document.root(), "struct")
                .find(|node| node.attribute("name") == Some(name))
                .ok_or_else(|| {
                    error(&document.root_element(), &format!("no struct {name} in it"))
                })?;
            elements(record, "member")
                .map(|node| Ok(call(&node, "name", None, error)?.name))
                .collect()
        })
    }
}

fn elements<'a, 'input: 'a>(
    under: Node<'a, 'input>,
    tag: &str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    under.descendants().filter(move |node| node.has_tag_name(tag))
}

fn call(
    node: &Node,
    attribute: &str,
    condition: Option<&str>,
    error: &dyn Fn(&Node, &str) -> KernelError,
) -> Result<Call, KernelError> {
    let name = node
        .attribute(attribute)
        .ok_or_else(|| error(node, &format!("the attribute `{attribute}` is missing")))?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') || name.is_empty() {
        return Err(error(node, &format!("`{name}` is no name in C")));
    }
    if condition.is_some_and(|c| c.contains('\n')) {
        return Err(error(node, "a condition must stand on one line"));
    }
    Ok(Call { name: name.to_owned(), condition: condition.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(text: &str) -> XmlFile {
        XmlFile { path: "test.xml".into(), text: text.to_owned() }
    }

    fn call(name: &str, condition: Option<&str>) -> Call {
        Call { name: name.into(), condition: condition.map(Into::into) }
    }

    #[test]
    fn methods_keep_order_and_condition() {
        let methods = xml(
            "<api><interface name='A'><method id='One'/></interface>\
             <interface name='B'><method id='Two' condition='defined(CONFIG_VTX)'/></interface></api>",
        )
        .methods()
        .unwrap();
        assert_eq!(methods, [call("One", None), call("Two", Some("defined(CONFIG_VTX)"))]);
    }

    #[test]
    fn syscalls_take_the_condition_of_their_group() {
        let file = xml("<s><api><config><syscall name='Call'/></config></api><debug>\
             <config condition='defined X'><syscall name='A'/><syscall name='B'/></config></debug></s>");
        assert_eq!(file.syscalls("api").unwrap(), [call("Call", None)]);
        assert_eq!(
            file.syscalls("debug").unwrap(),
            [call("A", Some("defined X")), call("B", Some("defined X"))]
        );
    }

    #[test]
    fn syscalls_count_down_through_both_sections() {
        let interface = Interface {
            api: vec![call("Call", None), call("Send", None)],
            others: vec![call("VMEnter", Some("defined X"))],
            generic: vec![],
            sel4_arch: vec![],
            arch: vec![],
            registers: vec![],
        };
        let numbers: Vec<i64> = interface.syscalls().map(|(_, n)| n).collect();
        assert_eq!(numbers, [-1, -2, -3]);
    }

    #[test]
    fn what_is_missing_is_named_with_its_position() {
        let text = |e: KernelError| e.to_string();
        assert_eq!(
            text(xml("<api>\n<method/></api>").methods().unwrap_err()),
            "test.xml: 2:1: the attribute `id` is missing"
        );
        assert_eq!(text(xml("<api/>").methods().unwrap_err()), "test.xml: 1:1: no <method> in it");
        assert_eq!(
            text(xml("<api/>").syscalls("debug").unwrap_err()),
            "test.xml: 1:1: no <debug> in it"
        );
        assert_eq!(
            text(xml("<api><method id='a b'/></api>").methods().unwrap_err()),
            "test.xml: 1:6: `a b` is no name in C"
        );
        assert!(text(xml("<api>").methods().unwrap_err()).contains("test.xml: "));
    }
}
