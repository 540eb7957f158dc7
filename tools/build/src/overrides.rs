//! What the command line changes about a system's guests: a derived
//! description and configuration, checked like any other.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_config::COMMAND_LINE_MAX;
use bulkhead_sdf::{
    ProtectionDomain, System, configuration::Configuration, configuration::Content, edit::Edits,
};
use miette::{Diagnostic, IntoDiagnostic};
use thiserror::Error;

use crate::guests::{INITRD_SIZE, KERNEL_SIZE, guest_name, image_region, memory_region};

/// Changes to one guest.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct GuestOverrides {
    /// Another kernel.
    pub kernel: Option<PathBuf>,
    /// Another initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Text for the end of its command line.
    pub append: Option<String>,
    /// Another amount of memory, in bytes.
    pub memory: Option<u64>,
}

/// Changes to a system.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Overrides {
    /// For every guest.
    pub all: GuestOverrides,
    /// For a guest of this name; what it leaves out is as in `all`.
    pub guests: BTreeMap<String, GuestOverrides>,
}

/// Why the changes cannot be made.
#[derive(Debug, Error, Diagnostic)]
pub enum OverrideError {
    /// The description has no place for this.
    #[error("guest `{guest}` takes no {what}: its VMM has no variable `{variable}`")]
    #[diagnostic(help("add a region with setvar_prefill_size=\"{variable}\" to its VMM"))]
    NoPlace {
        /// The guest.
        guest: String,
        /// What was to be changed.
        what: &'static str,
        /// What a VMM with such a region would have.
        variable: &'static str,
    },
    /// The guest has no memory to change.
    #[error("guest `{0}` has no memory at guest-physical address 0")]
    NoMemory(String),
    /// The memory does not consist of whole pages.
    #[error("{bytes} bytes are not whole pages of {page} bytes, which guest `{guest}` has")]
    #[diagnostic(help("give its memory in units of {}M", page >> 20))]
    PartialPage {
        /// The guest.
        guest: String,
        /// What was asked for.
        bytes: u64,
        /// The page size.
        page: u64,
    },
    /// The command line becomes too long.
    #[error("guest `{guest}`: its command line would have {length} bytes")]
    #[diagnostic(help("Linux takes {COMMAND_LINE_MAX} on x86"))]
    CommandLine {
        /// The guest.
        guest: String,
        /// How long it would be.
        length: usize,
    },
    /// A guest that is not there.
    #[error("there is no guest `{0}` in the description")]
    NoGuest(String),
    /// A command line with characters that a kernel cannot read.
    #[error("guest `{guest}`: its command line would have the character {character:?}")]
    #[diagnostic(help("use printable ASCII only: a kernel's command line is one line of it"))]
    Character {
        /// The guest.
        guest: String,
        /// The first such character.
        character: char,
    },
    /// A file whose name no description can hold.
    #[error("cannot use {} as {what}: its name is {why}", path.display())]
    #[diagnostic(help("give it a plain name, by `ln -s` for example"))]
    Name {
        /// The file.
        path: PathBuf,
        /// As what.
        what: &'static str,
        /// What is wrong with its name.
        why: &'static str,
    },
    /// A file that is to be used is not there.
    #[error("cannot use {} as {what}", path.display())]
    #[diagnostic(help("give the {what}'s own file, and a name from where you are or from /"))]
    File {
        /// The file.
        path: PathBuf,
        /// As what.
        what: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Overrides {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }

    /// Finds the files that are named, before anything long begins.
    ///
    /// # Errors
    /// A file is missing or is no regular file.
    pub fn resolve(mut self) -> Result<Self, OverrideError> {
        for guest in std::iter::once(&mut self.all).chain(self.guests.values_mut()) {
            for (path, what) in
                [(&mut guest.kernel, "kernel"), (&mut guest.initrd, "initial RAM disk")]
            {
                if let Some(path) = path {
                    *path = regular_file(path).map_err(|source| OverrideError::File {
                        path: path.clone(),
                        what,
                        source,
                    })?;
                    let why = match path.to_str() {
                        None => "not UTF-8",
                        // XML has no place for most of them (XML 1.0, 2.2).
                        Some(name) if name.contains(char::is_control) => "not printable",
                        Some(_) => continue,
                    };
                    return Err(OverrideError::Name { path: path.clone(), what, why });
                }
            }
        }
        Ok(self)
    }

    /// The changed description's text, and the configuration changed in place.
    ///
    /// # Errors
    /// The description has no place for a change, or a change is out of bounds.
    pub fn apply(
        &self,
        system: &System,
        configuration: &mut Configuration,
    ) -> miette::Result<String> {
        for name in self.guests.keys() {
            if !system.domains.iter().any(|domain| guest_name(domain) == Some(name)) {
                return Err(OverrideError::NoGuest(name.clone()).into());
            }
        }
        let mut edits = Edits::new(system);
        for domain in &system.domains {
            let Some(guest) = guest_name(domain) else { continue };
            let changes = self.of(guest);
            if let Some(kernel) = &changes.kernel {
                let region = prefilled(system, domain, guest, "kernel", KERNEL_SIZE)?;
                edits.set_prefill(region, &kernel.to_string_lossy()).into_diagnostic()?;
            }
            if let Some(initrd) = &changes.initrd {
                let region = prefilled(system, domain, guest, "initial RAM disk", INITRD_SIZE)?;
                edits.set_prefill(region, &initrd.to_string_lossy()).into_diagnostic()?;
            }
            if let Some(bytes) = changes.memory {
                edits
                    .set_region_size(memory(system, domain, guest, bytes)?, bytes)
                    .into_diagnostic()?;
            }
            if let Some(text) = &changes.append {
                append(configuration, guest, text)?;
            }
        }
        Ok(edits.apply())
    }

    fn of(&self, guest: &str) -> GuestOverrides {
        let own = self.guests.get(guest).cloned().unwrap_or_default();
        GuestOverrides {
            kernel: own.kernel.or_else(|| self.all.kernel.clone()),
            initrd: own.initrd.or_else(|| self.all.initrd.clone()),
            append: own.append.or_else(|| self.all.append.clone()),
            memory: own.memory.or(self.all.memory),
        }
    }
}

fn regular_file(path: &Path) -> std::io::Result<PathBuf> {
    let path = path.canonicalize()?;
    let metadata = path.metadata()?;
    if metadata.is_dir() {
        Err(std::io::Error::other("it is a folder"))
    } else if metadata.is_file() {
        // One that may not be read would fail later, and less clearly.
        std::fs::File::open(&path)?;
        Ok(path)
    } else {
        Err(std::io::Error::other("it is not a regular file"))
    }
}

/// The region of an image that can be exchanged.
fn prefilled<'a>(
    system: &'a System,
    domain: &ProtectionDomain,
    guest: &str,
    what: &'static str,
    variable: &'static str,
) -> Result<&'a str, OverrideError> {
    image_region(system, domain, variable)
        .map(|region| region.name.value.as_str())
        .ok_or_else(|| OverrideError::NoPlace { guest: guest.into(), what, variable })
}

/// The region that is the guest's memory, if it can have this size.
fn memory<'a>(
    system: &'a System,
    domain: &ProtectionDomain,
    guest: &str,
    bytes: u64,
) -> Result<&'a str, OverrideError> {
    let region =
        memory_region(system, domain).ok_or_else(|| OverrideError::NoMemory(guest.into()))?;
    let page = region.page_size.bytes();
    if bytes.is_multiple_of(page) {
        Ok(&region.name.value)
    } else {
        Err(OverrideError::PartialPage { guest: guest.into(), bytes, page })
    }
}

fn append(configuration: &mut Configuration, guest: &str, text: &str) -> Result<(), OverrideError> {
    for section in configuration.sections.values_mut() {
        let Content::Vmm(vmm) = &mut section.content else { continue };
        if vmm.name != guest {
            continue;
        }
        let line = format!("{} {text}", vmm.command_line);
        let line = line.trim();
        if let Some(character) = line.chars().find(|c| !c.is_ascii_graphic() && *c != ' ') {
            return Err(OverrideError::Character { guest: guest.into(), character });
        }
        vmm.command_line = line
            .try_into()
            .map_err(|_| OverrideError::CommandLine { guest: guest.into(), length: line.len() })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bulkhead_sdf::{Board, NotBuilt, Source, configuration, parse};

    use super::*;

    const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    fn system(file: &str) -> (System, Configuration) {
        let path = Path::new(CHECKOUT).join(file);
        let source = Source::read(&path).unwrap();
        let system = parse(&source, &Board::bochs(), &NotBuilt).unwrap().system;
        (system, configuration::load(&configuration::path_beside(&path)).unwrap())
    }

    fn command_line(configuration: &Configuration, section: &str) -> String {
        let Content::Vmm(vmm) = &configuration.sections[section].content else {
            panic!("not a VMM's section");
        };
        vmm.command_line.to_string()
    }

    #[test]
    fn the_default_system_takes_every_change() {
        let (system, mut configuration) = system("system.xml");
        let before = command_line(&configuration, "vmm");
        let all = GuestOverrides {
            kernel: Some("/k".into()),
            initrd: Some("/i".into()),
            append: Some("quiet".into()),
            memory: Some(512 << 20),
        };
        let overrides = Overrides { all, guests: BTreeMap::new() };
        let text = overrides.apply(&system, &mut configuration).unwrap();
        let derived = parse(&Source::new("derived", text.as_str()), &Board::bochs(), &NotBuilt);
        assert!(derived.is_ok());
        for part in ["prefill_path=\"/k\"", "prefill_path=\"/i\"", "size=\"0x20000000\""] {
            assert_eq!(text.matches(part).count(), 1, "{part}");
        }
        assert_eq!(command_line(&configuration, "vmm"), format!("{before} quiet"));
    }

    #[test]
    fn a_change_to_one_guest_leaves_the_other_alone() {
        let (system, mut configuration) = system("systems/two-guests.system");
        let before = command_line(&configuration, "vmm_a");
        let mut overrides = Overrides::default();
        let b = GuestOverrides {
            append: Some("quiet".into()),
            memory: Some(64 << 20),
            ..GuestOverrides::default()
        };
        overrides.guests.insert("b".into(), b);
        let text = overrides.apply(&system, &mut configuration).unwrap();
        assert_eq!(text.matches("size=\"0x4000000\"").count(), 1);
        assert_eq!(command_line(&configuration, "vmm_a"), before);
        assert_eq!(command_line(&configuration, "vmm_b"), format!("{before} quiet"));
    }

    #[test]
    fn what_the_description_has_no_place_for_is_refused() {
        let (system, mut configuration) = system("system.xml");
        let mut refuse = |overrides: Overrides| {
            overrides.apply(&system, &mut configuration).unwrap_err().to_string()
        };
        let all = |all| Overrides { all, guests: BTreeMap::new() };
        let memory = GuestOverrides { memory: Some(3 << 20), ..GuestOverrides::default() };
        assert!(refuse(all(memory)).contains("whole pages"));
        let long = "x".repeat(COMMAND_LINE_MAX);
        let append = GuestOverrides { append: Some(long), ..GuestOverrides::default() };
        assert!(refuse(all(append)).contains("command line would have"));
        let mut nobody = Overrides::default();
        nobody.guests.insert("nobody".into(), GuestOverrides::default());
        assert!(refuse(nobody).contains("no guest `nobody`"));
    }

    #[test]
    fn files_are_looked_for_at_once() {
        let with = |path: &str| Overrides {
            all: GuestOverrides { kernel: Some(path.into()), ..GuestOverrides::default() },
            guests: BTreeMap::new(),
        };
        assert!(matches!(with("/no/such/file").resolve(), Err(OverrideError::File { .. })));
        assert!(matches!(with("/").resolve(), Err(OverrideError::File { .. })));
        assert!(with(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).resolve().is_ok());
    }
}
