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

/// Where the four files are, and which section has the system calls that the
/// kernel dispatches by a range check.
pub(crate) struct Layout {
    syscalls: &'static str,
    generic: &'static str,
    sel4_arch: &'static str,
    arch: &'static str,
    api: &'static str,
}

impl Layout {
    /// The source tree of the embedded kernel.
    pub const SOURCE: Self = Self {
        syscalls: "include/api/syscall.xml",
        generic: "libsel4/include/interfaces/sel4.xml",
        sel4_arch: "libsel4/sel4_arch_include/x86_64/interfaces/sel4arch.xml",
        arch: "libsel4/arch_include/x86/interfaces/sel4arch.xml",
        api: "api",
    };

    /// The folder `include` of a SDK, whose kernel has the MCS calls.
    pub const SDK: Self = Self {
        syscalls: "api/syscall.xml",
        generic: "interfaces/object-api.xml",
        sel4_arch: "interfaces/object-api-sel4-arch.xml",
        arch: "interfaces/object-api-arch.xml",
        api: "api-mcs",
    };
}

impl Interface {
    /// Reads the four files under `tree`.
    pub fn read(tree: &Path, layout: &Layout) -> Result<Self, KernelError> {
        let [syscalls, generic, sel4_arch, arch] =
            [layout.syscalls, layout.generic, layout.sel4_arch, layout.arch]
                .map(|file| XmlFile::read(tree.join(file)));
        let (syscalls, generic, sel4_arch, arch) = (syscalls?, generic?, sel4_arch?, arch?);
        Ok(Self {
            api: syscalls.syscalls(layout.api)?,
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
        read: impl FnOnce(&Document, At) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        let interface = |why: String| KernelError::Interface { path: self.path.clone(), why };
        let document = Document::parse(&self.text).map_err(|e| interface(e.to_string()))?;
        read(&document, &|node, why| {
            let at = document.text_pos_at(node.range().start);
            interface(format!("{at}: {why}"))
        })
    }

    /// `<method id="...">` wherever they stand, with their conditions.
    fn methods(&self) -> Result<Vec<Call>, KernelError> {
        self.with(|document, error| {
            let methods: Vec<Call> = elements(document.root(), "method")
                .map(|node| call(&node, "id", condition(&node, error)?, error))
                .collect::<Result<_, _>>()?;
            if methods.is_empty() {
                return Err(error(&document.root_element(), "no <method> in it"));
            }
            Ok(methods)
        })
    }

    /// `<syscall name="...">` in the `<config>` groups of one section, whose
    /// conditions they share.
    fn syscalls(&self, section: &str) -> Result<Vec<Call>, KernelError> {
        self.with(|document, error| {
            let section = elements(document.root(), section)
                .next()
                .ok_or_else(|| error(&document.root_element(), &format!("no <{section}> in it")))?;
            let mut calls = Vec::new();
            // A condition has elements of the same name, but no calls in them.
            for config in elements(section, "config") {
                let condition = condition(&config, error)?;
                for node in config.children().filter(|node| node.has_tag_name("syscall")) {
                    calls.push(call(&node, "name", condition.clone(), error)?);
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

/// What makes an error that points at a node.
type At<'a> = &'a dyn Fn(&Node, &str) -> KernelError;

fn call(
    node: &Node,
    attribute: &str,
    condition: Option<String>,
    error: At,
) -> Result<Call, KernelError> {
    Ok(Call { name: c_name(node, attribute, error)?.to_owned(), condition })
}

/// An attribute that must be an identifier of C.
fn c_name<'a>(node: &Node<'a, '_>, attribute: &str, error: At) -> Result<&'a str, KernelError> {
    let name = node
        .attribute(attribute)
        .ok_or_else(|| error(node, &format!("the attribute `{attribute}` is missing")))?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return Err(error(node, &format!("`{name}` is no name in C")));
    }
    Ok(name)
}

/// The condition of a method or a group: an attribute in the older form of the
/// files, the first child in the newer one.
fn condition(node: &Node, error: At) -> Result<Option<String>, KernelError> {
    if let Some(text) = node.attribute("condition") {
        if text.contains('\n') {
            return Err(error(node, "a condition must stand on one line"));
        }
        return Ok(Some(text.to_owned()));
    }
    let Some(condition) = node.children().find(|child| child.has_tag_name("condition")) else {
        return Ok(None);
    };
    let terms = terms(&condition, NESTING, error)?;
    match terms.as_slice() {
        [term] => Ok(Some(term.clone())),
        _ => Err(error(&condition, "a condition must have one element")),
    }
}

/// How deep a condition may nest; the kernel's own nest twice.
const NESTING: usize = 8;

/// The elements of a condition as expressions of the preprocessor.
fn terms(of: &Node, depth: usize, error: At) -> Result<Vec<String>, KernelError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(error(of, "a condition nested too deep"));
    };
    let term = |node: Node| {
        let joined = |operator: &str| {
            let terms = terms(&node, depth, error)?;
            if terms.is_empty() {
                return Err(error(&node, "nothing to combine in it"));
            }
            Ok(format!("({})", terms.join(operator)))
        };
        match node.tag_name().name() {
            "config" => Ok(format!("defined({})", c_name(&node, "var", error)?)),
            "not" => Ok(format!("!{}", joined(" && ")?)),
            "and" => joined(" && "),
            "or" => joined(" || "),
            other => Err(error(&node, &format!("<{other}> is not known in a condition"))),
        }
    };
    of.children().filter(Node::is_element).map(term).collect()
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
    fn a_condition_of_elements_becomes_one_of_the_preprocessor() {
        let condition = |inside: &str| {
            let text =
                format!("<api><method id='A'><condition>{inside}</condition></method></api>");
            xml(&text).methods().map(|methods| methods[0].condition.clone().unwrap())
        };
        assert_eq!(condition("<config var='X'/>").unwrap(), "defined(X)");
        assert_eq!(
            condition("<and><not><config var='X'/></not><config var='Y'/></and>").unwrap(),
            "(!(defined(X)) && defined(Y))"
        );
        assert_eq!(
            condition("<or><config var='X'/><config var='Y'/></or>").unwrap(),
            "(defined(X) || defined(Y))"
        );
        for (wrong, why) in [
            ("", "one element"),
            ("<config var='X'/><config var='Y'/>", "one element"),
            ("<config var='X) || (1'/>", "no name in C"),
            ("<nor/>", "<nor> is not known"),
            ("<and/>", "nothing to combine"),
        ] {
            let error = condition(wrong).unwrap_err().to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
        let deep = "<not>".repeat(100) + "<config var='X'/>" + &"</not>".repeat(100);
        assert!(condition(&deep).unwrap_err().to_string().contains("too deep"));
    }

    #[test]
    fn syscalls_take_a_condition_of_elements_too() {
        let file = xml("<s><debug><config><condition><config var='X'/></condition>\
             <syscall name='A'/></config></debug></s>");
        assert_eq!(file.syscalls("debug").unwrap(), [call("A", Some("defined(X)"))]);
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
