//! Names for addresses: what a domain that faulted reports are numbers, and the
//! program on this side knows which functions and lines these are.
//!
//! What is booted has no names in it; the ELF files in the build folder have.

use std::{collections::BTreeMap, path::PathBuf};

use addr2line::Loader;
use bulkhead_build::CHECKOUT;

/// The programs of protection domains.
#[derive(Default)]
pub struct Symbols {
    programs: BTreeMap<String, PathBuf>,
    /// Those that a fault has made us read; `None` if they could not be.
    read: BTreeMap<String, Option<Loader>>,
}

impl Symbols {
    /// For these programs, by domain. None is read before it is asked for.
    pub fn new(programs: BTreeMap<String, PathBuf>) -> Self {
        Symbols { programs, read: BTreeMap::new() }
    }

    /// What is at the code address in a line of a domain's report, innermost
    /// function first; nothing if it has none, or if it is not known.
    pub fn explain(&mut self, domain: &str, line: &str) -> Vec<String> {
        let Some(address) = code_address(line) else { return Vec::new() };
        let loader = match self.read.get(domain) {
            Some(known) => known,
            None => {
                // A rebuilt or removed program gives no names; the numbers stay.
                let loader = self.programs.get(domain).and_then(|path| Loader::new(path).ok());
                self.read.entry(domain.to_owned()).or_insert(loader)
            }
        };
        loader.as_ref().map(|loader| at(loader, address)).unwrap_or_default()
    }
}

/// The address to look up for a line of a report (root-task/src/monitor.rs):
/// `rip=ADDRESS ...` is where the domain stopped, `called from N: ADDRESS` is
/// where it would have returned to, which is behind the call.
fn code_address(line: &str) -> Option<u64> {
    let hexadecimal = |text: &str| u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok();
    if let Some(rest) = line.strip_prefix("rip=") {
        return hexadecimal(rest.split(' ').next()?);
    }
    let (_, address) = line.strip_prefix("called from ")?.split_once(": ")?;
    hexadecimal(address)?.checked_sub(1)
}

/// Function and place of an address, with those that are inlined there.
fn at(loader: &Loader, address: u64) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(mut frames) = loader.find_frames(address) {
        while let Ok(Some(frame)) = frames.next() {
            let name = frame.function.as_ref().and_then(|name| name.demangle().ok());
            // Line tables name inlined functions, and not all others.
            let name = name.map(String::from).or_else(|| symbol(loader, address));
            let mut text = name.unwrap_or_else(|| "?".to_owned());
            if let Some((file, line)) = frame.location.and_then(|at| Some((at.file?, at.line?))) {
                let file = file.strip_prefix(CHECKOUT).map_or(file, |rest| &rest[1..]);
                text += &format!(" at {file}:{line}");
            }
            found.push(text);
        }
    }
    if found.is_empty() {
        found.extend(symbol(loader, address));
    }
    found
}

/// The function in whose code an address lies.
fn symbol(loader: &Loader, address: u64) -> Option<String> {
    let name = loader.find_symbol(address)?;
    Some(addr2line::demangle_auto(name.into(), None).into_owned())
}

#[cfg(test)]
mod tests {
    use object::{Object, ObjectSymbol};

    use super::*;

    #[test]
    fn the_address_of_a_call_is_before_the_place_it_returns_to() {
        assert_eq!(code_address("rip=0x201234 rsp=0x1000 rflags=0x202"), Some(0x20_1234));
        assert_eq!(code_address("called from 0: 0x201235"), Some(0x20_1234));
        for other in ["rax=0x1 rbx=0x2", "called from 0: ?", "rip=", "called from 1: 0x0", ""] {
            assert_eq!(code_address(other), None, "{other}");
        }
    }

    #[inline(never)]
    fn a_function_to_be_found(x: &mut u64) {
        *x = std::hint::black_box(*x) + 1;
    }

    #[test]
    fn an_address_is_named_by_function_file_and_line() {
        let mut x = 1;
        a_function_to_be_found(std::hint::black_box(&mut x));
        let this = std::env::current_exe().unwrap();
        let bytes = std::fs::read(&this).unwrap();
        let elf = object::File::parse(&*bytes).unwrap();
        let symbol =
            elf.symbols().find(|s| s.name().is_ok_and(|n| n.contains("a_function_to_be_found")));
        let address = symbol.unwrap().address();
        let mut symbols = Symbols::new([("pd".to_owned(), this)].into());
        let found = symbols.explain("pd", &format!("rip={address:#x} rsp=0x0 rflags=0x0"));
        let [found] = &found[..] else { panic!("{found:?}") };
        assert!(found.contains("::a_function_to_be_found at "), "{found}");
        assert!(found.contains("src/run/symbols.rs:"), "{found}");
    }

    #[test]
    fn a_domain_without_a_program_has_numbers_only() {
        let mut symbols = Symbols::new([("gone".to_owned(), "/nowhere/x.elf".into())].into());
        for domain in ["gone", "unknown"] {
            assert!(symbols.explain(domain, "called from 0: 0x201235").is_empty());
        }
    }
}
