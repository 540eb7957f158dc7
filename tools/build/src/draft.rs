//! A system before and after the files that its description names are built.
//!
//! [`Draft::read`] holds description and configuration to every rule that needs
//! no file of ours; [`Draft::realise`] writes the files that come from the
//! configuration, and holds the system to the rest.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use bulkhead_host::replace;
use bulkhead_machine::{DEFAULT_MEMORY, MEMORY_MAX, Mebibytes};
use bulkhead_sdf::{
    Board, NotBuilt, Prefill, Problem, SearchPath, Source, System,
    configuration::{self, Configuration},
    parse,
};
use miette::{Context, Diagnostic, IntoDiagnostic, Result};
use thiserror::Error;

use crate::{
    Domains, Overrides, Platform, Workspace, fingerprint::fingerprint, guests::check_guests,
    lease::forget_oldest,
};

/// Memory besides what the description asks for: the boot loader and its
/// unpacked modules, the kernel, the initial task, page tables.
const OVERHEAD: u64 = 96 << 20;

/// Machines grow by whole steps of this.
const MEMORY_STEP: u64 = 256 << 20;

/// A description and configuration with the changes in them; files that they
/// name need not be built yet.
pub(crate) struct Draft {
    /// The description's file.
    file: PathBuf,
    text: String,
    name: String,
    configuration: Configuration,
    overrides: Overrides,
    /// Programs that the description names.
    pub programs: BTreeSet<String>,
    /// Other files that it names.
    pub files: BTreeSet<String>,
    /// How many virtual machines it has.
    pub machines: usize,
}

impl Draft {
    pub fn read(
        workspace: &Workspace,
        platform: &Platform,
        description: &Path,
        overrides: Overrides,
    ) -> Result<Draft> {
        let source = read_description(description)?;
        let board = platform.board();
        let system = parse(&source, &board, &NotBuilt)?.system;
        let mut configuration = configuration::beside(description, &system)?;
        let (text, name) = if overrides.is_empty() {
            (source.text().to_owned(), source.name().to_owned())
        } else {
            let text = overrides.apply(&system, &mut configuration)?;
            (text, format!("{} (as changed by options)", source.name()))
        };
        let derived = parse(&Source::new(&name, text.as_str()), &board, &NotBuilt)?.system;
        // Those that the options name are there already, and mostly those of
        // an earlier build.
        check_guests(&derived, &configuration, &SearchPath::new([workspace.out.clone()]))?;
        let files = derived.regions.iter().filter_map(|region| match &region.prefill {
            Some(Prefill::File { path, .. }) => Some(path.value.clone()),
            Some(Prefill::Bootinfo(_)) | None => None,
        });
        let programs = derived.domains.iter().map(|domain| domain.program.path.value.clone());
        let (programs, files) = (programs.collect(), files.collect());
        let machines = derived.domains.iter().filter(|domain| domain.machine.is_some()).count();
        let file = description.to_owned();
        Ok(Draft { file, text, name, configuration, overrides, programs, files, machines })
    }

    /// What the system is called: as its description's file, whatever options
    /// change in it.
    pub fn stem(&self) -> String {
        self.file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where it is built. A derived system has a folder of its own, so that
    /// what one run boots is not replaced by another.
    pub fn folder(&self, workspace: &Workspace, platform: &Platform) -> Result<PathBuf> {
        let systems = platform.folder(workspace).join("systems");
        let stem = self.stem();
        let folder = if self.overrides.is_empty() {
            systems.join(stem)
        } else {
            let derived = systems.join("derived");
            let mut made_of = self.text.clone();
            for section in self.configuration.sections.values() {
                made_of += &format!("{:?}", section.content);
            }
            let folder = derived.join(format!("{stem}-{:016x}", fingerprint(made_of.as_bytes())));
            forget_oldest(&derived, &folder);
            folder
        };
        fs::create_dir_all(&folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// Holds it to every rule, now with all the files that it names.
    pub fn realise(
        self,
        folder: &Path,
        platform: &Platform,
        domains: &Domains,
        workspace: &Workspace,
    ) -> Result<Realised> {
        for (name, section) in &self.configuration.sections {
            let bytes = section.encode().into_diagnostic()?;
            let path = folder.join(configuration::file_name(name));
            // Unchanged files keep their time: it is part of the image's key.
            if fs::read(&path).ok().as_ref() != Some(&bytes) {
                replace(&path, &bytes)?;
            }
        }
        let ours = [folder.to_owned(), domains.folder.clone(), workspace.out.clone()];
        // Programs and files of the user's own lie beside the description. The
        // SDK's tool is called from another folder.
        let beside = self.file.canonicalize().ok();
        let beside = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
        let files = SearchPath::new(ours.into_iter().chain(beside));
        let source = Source::new(&self.name, self.text.as_str());
        let mut board = Board { memory: None, ..platform.board() };
        let mut parsed = parse(&source, &board, &files)?;
        let memory = match platform {
            Platform::Bochs(_) => {
                let memory = machine_memory(&parsed.system, EMBEDDED_COPIES).min(MEMORY_MAX);
                board.memory = Some(u64::from(memory.0) << 20);
                parsed = parse(&source, &board, &files)?;
                memory
            }
            // Its machine is the user's; the emulated one may be too small.
            Platform::Sdk(_) => machine_memory(&parsed.system, SDK_COPIES),
        };
        check_guests(&parsed.system, &self.configuration, &files)?;
        Ok(Realised {
            file: self.overrides.is_empty().then_some(self.file),
            text: self.text,
            system: parsed.system,
            configuration: self.configuration,
            files,
            memory,
            warnings: parsed.warnings,
        })
    }
}

/// Reads a description.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read_description(path: &Path) -> Result<Source> {
    Ok(Source::read(path).map_err(|source| DescriptionError { path: path.to_owned(), source })?)
}

/// A description that cannot be read.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot read the system description {}", path.display())]
#[diagnostic(help("systems are XML files such as system.xml; systems/ has others"))]
struct DescriptionError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// A description whose files are all built.
pub(crate) struct Realised {
    /// The description's file, unless options changed what it says.
    pub file: Option<PathBuf>,
    /// What it says, with these changes.
    pub text: String,
    pub system: System,
    pub configuration: Configuration,
    pub files: SearchPath,
    pub memory: Mebibytes,
    pub warnings: Vec<Problem>,
}

/// How often a prefilled region is in memory while the system starts. Our
/// initial task hands on the frames of the unpacked boot image, beside which lies
/// the image; the Microkit's initialiser copies from one to new ones.
const EMBEDDED_COPIES: u64 = 2;
const SDK_COPIES: u64 = 3;

/// What the firmware keeps at the top of memory (SeaBIOS: its tables).
const FIRMWARE_TOP: u64 = 1 << 20;

/// How much memory the machine gets: room for all regions, and for the copies of
/// those that come from files. What needs more than there can be is refused when
/// the description is held to this.
fn machine_memory(system: &System, copies: u64) -> Mebibytes {
    let most = u64::from(MEMORY_MAX.0) << 20;
    let own = || system.regions.iter().filter(|region| region.is_ram(most));
    let ends = own().filter_map(|region| {
        Some(region.phys_addr.as_ref()?.value.saturating_add(region.least_bytes()))
    });
    let end = ends.max().unwrap_or(0).saturating_add(FIRMWARE_TOP);
    let needed: u64 = own()
        .map(|region| {
            let copies = if region.prefill.is_some() { copies } else { 1 };
            region.least_bytes().saturating_mul(copies)
        })
        .fold(OVERHEAD, u64::saturating_add)
        .max(end);
    let stepped = needed.div_ceil(MEMORY_STEP).saturating_mul(MEMORY_STEP >> 20);
    Mebibytes(u32::try_from(stepped).unwrap_or(u32::MAX)).max(DEFAULT_MEMORY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKOUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

    #[test]
    fn options_change_where_a_system_is_built_but_not_what_it_is_called() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Workspace { root: CHECKOUT.into(), out: out.path().into() };
        let platform = Platform::default();
        let read = |memory| {
            let mut overrides = Overrides::default();
            overrides.all.memory = memory;
            let description = workspace.root.join("system.xml");
            Draft::read(&workspace, &platform, &description, overrides).unwrap()
        };
        let (plain, larger) = (read(None), read(Some(512 << 20)));
        let folder = |draft: &Draft| draft.folder(&workspace, &platform).unwrap();
        assert_ne!(folder(&plain), folder(&larger));
        assert_eq!([plain.stem(), larger.stem()], ["system", "system"]);
    }
}
