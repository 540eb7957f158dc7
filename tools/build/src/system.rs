//! From a system description to a boot image.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use bulkhead_cargo::Crates;
use bulkhead_guest::LinuxImages;
use bulkhead_host::{file, replace};
use bulkhead_image::Payload;
use bulkhead_machine::{DEFAULT_MEMORY, MEMORY_MAX, Mebibytes};
use bulkhead_progress::Progress;
use bulkhead_sdf::{
    Board, NotBuilt, Prefill, Problem, SearchPath, Source, System, compile,
    configuration::{self, Configuration, Content},
    parse,
};
use miette::{Context, Diagnostic, IntoDiagnostic, Result};
use thiserror::Error;

use crate::{
    Bill, Domains, Overrides, Profile, Workspace,
    bill::{self, Parts},
    build_domains,
    fingerprint::{Hashing, fingerprint},
    guests::check_guests,
};

/// Where the kernel prints: its debug console is COM3, so that guests and
/// status lines have the first two ports for themselves.
pub const KERNEL_COMMAND_LINE: &str = "console_port=0x3e8 debug_port=0x3e8";

/// Memory besides what the description asks for: the boot loader and its
/// unpacked modules, the kernel, the initial task, page tables.
const OVERHEAD: u64 = 96 << 20;

/// Machines grow by whole steps of this.
const MEMORY_STEP: u64 = 256 << 20;

/// Derived systems (other memory, other kernel, ...) that are kept.
const DERIVED_KEPT: usize = 8;

/// What is wanted.
pub struct Request<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// The description; `None` is the default system.
    pub description: Option<&'a Path>,
    /// How to build.
    pub profile: Profile,
    /// Changes to its guests.
    pub overrides: Overrides,
    /// Whether a bill of materials is made for the image: for those that leave
    /// this machine. It takes longer than all else that is not cached.
    pub bill: bool,
    /// Hears what is being done.
    pub progress: &'a dyn Progress,
}

/// A guest of a system, under the names that status lines use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guest {
    /// The guest.
    pub name: String,
    /// Its VMM's protection domain.
    pub pd: String,
}

/// Holding it means that no later build removes the system's folder, in this
/// process or another.
#[derive(Debug)]
pub struct Lease {
    /// The folder; the lock goes with it.
    _folder: File,
}

impl Lease {
    fn of(folder: &Path) -> io::Result<Lease> {
        let open = File::open(folder)?;
        open.lock_shared()?;
        Ok(Lease { _folder: open })
    }

    /// Whether somebody has one.
    fn is_held(folder: &Path) -> bool {
        // One that cannot be asked is left alone.
        !File::open(folder).is_ok_and(|folder| folder.try_lock().is_ok())
    }
}

/// A system, ready to boot.
#[derive(Debug)]
pub struct Built {
    /// The boot image.
    pub image: PathBuf,
    /// What it is made of, and under which licences, if that was asked for.
    pub bill: Option<Bill>,
    /// Keeps the image where it is.
    pub lease: Lease,
    /// The kernel, for a debugger.
    pub kernel: PathBuf,
    /// The protection domains' programs, for a debugger.
    pub domains: PathBuf,
    /// The program of each protection domain.
    pub programs: BTreeMap<String, PathBuf>,
    /// Its guests, in the order in which the console selects them.
    pub guests: Vec<Guest>,
    /// What the machine needs.
    pub memory: Mebibytes,
    /// What was noted about the description.
    pub warnings: Vec<Problem>,
}

/// Builds a system, or finds it built. Takes the build lock meanwhile.
///
/// # Errors
/// Any step's, with its cause and cure.
pub fn build_system(request: Request<'_>) -> Result<Built> {
    let Request { workspace, description, profile, overrides, bill, progress } = request;
    let overrides = overrides.resolve()?;
    let default = workspace.root.join("system.xml");
    let description = description.unwrap_or(&default);
    // Wrong descriptions are told before anything long begins.
    let draft = Draft::read(workspace, description, overrides)?;

    let _lock = workspace.lock(progress)?;
    let kernel = bulkhead_kernel::build(&bulkhead_kernel::Request {
        workspace: &workspace.root,
        out: &workspace.out.join("kernel"),
        configuration: profile.kernel(),
        progress,
    })?;
    if kernel.cached {
        progress.begin(&format!("seL4 kernel ({})", profile.name()), None);
        progress.end("cached");
    }
    let crates = Crates::of(&workspace.root)?;
    let domains = build_domains(workspace, profile, &draft.programs, &crates, progress)?;
    let guest = prepare_guests(workspace, &draft, progress)?;

    let folder = draft.folder(workspace, profile)?;
    let lease = Lease::of(&folder).map_err(file("lock", &folder))?;
    let system = draft.realise(&folder, &domains, workspace)?;
    let parts = Parts { workspace, crates: &crates, domains: &domains, guest: guest.as_ref() };
    let image = make_image(&system, &folder, &kernel, &parts, progress)?;
    let bill = bill.then(|| make_bill(&system, &image, &kernel, &parts, progress)).transpose()?;
    Ok(Built {
        bill,
        lease,
        image,
        kernel: kernel.elf,
        programs: programs(&system),
        domains: domains.folder,
        guests: guests(&system.system, &system.configuration),
        memory: system.memory,
        warnings: system.warnings,
    })
}

/// A description and configuration with the changes in them; files that they
/// name need not be built yet.
struct Draft {
    /// Name of the description's file, without its ending.
    stem: String,
    text: String,
    name: String,
    configuration: Configuration,
    overrides: Overrides,
    /// Programs that the description names.
    programs: BTreeSet<String>,
    /// Other files that it names.
    files: BTreeSet<String>,
}

impl Draft {
    fn read(workspace: &Workspace, description: &Path, overrides: Overrides) -> Result<Draft> {
        let source = read_description(description)?;
        let board = board();
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
        let programs = programs.collect();
        let stem = description.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let files = files.collect();
        Ok(Draft { stem, text, name, configuration, overrides, programs, files })
    }

    /// Where it is built. A derived system has a folder of its own, so that
    /// what one run boots is not replaced by another.
    fn folder(&self, workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
        let systems = workspace.out.join(profile.name()).join("systems");
        let folder = if self.overrides.is_empty() {
            systems.join(&self.stem)
        } else {
            let derived = systems.join("derived");
            let mut made_of = self.text.clone();
            for section in self.configuration.sections.values() {
                made_of += &format!("{:?}", section.content);
            }
            let folder =
                derived.join(format!("{}-{:016x}", self.stem, fingerprint(made_of.as_bytes())));
            forget_oldest(&derived, &folder);
            folder
        };
        fs::create_dir_all(&folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// Holds it to every rule, now with all the files that it names.
    fn realise(
        mut self,
        folder: &Path,
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
        let files =
            SearchPath::new([folder.to_owned(), domains.folder.clone(), workspace.out.clone()]);
        let source = Source::new(&self.name, std::mem::take(&mut self.text));
        let mut board = Board { memory: None, ..Board::bochs() };
        let memory = machine_memory(&parse(&source, &board, &files)?.system);
        board.memory = Some(u64::from(memory.0) << 20);
        let parsed = parse(&source, &board, &files)?;
        check_guests(&parsed.system, &self.configuration, &files)?;
        Ok(Realised {
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

/// The board with the largest machine that there is: a machine grows with its
/// system.
pub fn board() -> Board {
    Board { memory: Some(u64::from(MEMORY_MAX.0) << 20), ..Board::bochs() }
}

/// A description whose files are all built.
struct Realised {
    system: System,
    configuration: Configuration,
    files: SearchPath,
    memory: Mebibytes,
    warnings: Vec<Problem>,
}

/// Makes the guests' images that the description names.
fn prepare_guests(
    workspace: &Workspace,
    draft: &Draft,
    progress: &dyn Progress,
) -> Result<Option<LinuxImages>> {
    let request =
        bulkhead_guest::Request { workspace: &workspace.root, out: &workspace.out, progress };
    if draft.files.contains("linux.elf") || draft.files.contains("initramfs.cpio") {
        return Ok(Some(bulkhead_guest::linux(&request)?));
    }
    Ok(None)
}

/// How much memory the machine gets: room for all regions, and for the boot
/// image once more while it is unpacked. What needs more than there can be is
/// refused when the description is held to this.
fn machine_memory(system: &System) -> Mebibytes {
    let own = system.regions.iter().filter(|region| region.phys_addr.is_none());
    let needed: u64 = own
        .map(|region| {
            let copies = if region.prefill.is_some() { 2 } else { 1 };
            region.least_bytes().saturating_mul(copies)
        })
        .fold(OVERHEAD, u64::saturating_add);
    let stepped = needed.div_ceil(MEMORY_STEP).saturating_mul(MEMORY_STEP >> 20);
    Mebibytes(u32::try_from(stepped).unwrap_or(u32::MAX)).clamp(DEFAULT_MEMORY, MEMORY_MAX)
}

/// Where the program of each protection domain is.
fn programs(realised: &Realised) -> BTreeMap<String, PathBuf> {
    let domains = realised.system.domains.iter();
    let found = domains.filter_map(|domain| {
        let path = realised.files.find(&domain.program.path.value)?;
        Some((domain.name.value.clone(), path))
    });
    found.collect()
}

/// Guests in the order of the serial virtualiser's clients, which is what the
/// console selects by.
fn guests(system: &System, configuration: &Configuration) -> Vec<Guest> {
    let mut guests: Vec<Guest> = system
        .domains
        .iter()
        .filter_map(|domain| {
            let machine = domain.machine.as_ref()?;
            Some(Guest { name: machine.name.value.clone(), pd: domain.name.value.clone() })
        })
        .collect();
    let clients = configuration.sections.values().find_map(|section| match &section.content {
        Content::SerialVirt(virt) => Some(&virt.clients),
        Content::Vmm(_) | Content::Status(_) => None,
    });
    if let Some(clients) = clients {
        guests.sort_by_key(|guest| clients.iter().position(|client| *client == *guest.name));
    }
    guests
}

/// Compiles the description and makes the image, unless it would be the same
/// as the one that is there.
///
/// What decides is contents, not times: compiling reads everything once, which
/// takes a fraction of a second, and it is making the image that takes long.
fn make_image(
    realised: &Realised,
    folder: &Path,
    kernel: &bulkhead_kernel::Kernel,
    parts: &Parts<'_>,
    progress: &dyn Progress,
) -> Result<PathBuf> {
    let Parts { domains, workspace, .. } = *parts;
    let image = folder.join("system.iso");
    let key_file = folder.join("system.key");
    progress.begin("boot image", None);
    let key = key(realised, kernel, domains, workspace)?;
    if image.exists() && fs::read_to_string(&key_file).is_ok_and(|old| old == key) {
        progress.end("cached");
        return Ok(image);
    }
    // An old image is no longer what its key says from here on, nor what its bill
    // does. One that cannot be removed is of a folder that cannot be written.
    let _ = fs::remove_file(&key_file);
    Bill::beside(&image).remove();
    let payload = folder.join("payload.tmp");
    let elf = folder.join("system.elf.tmp");
    let result = write_image(realised, kernel, domains, &payload, &elf, &image);
    // Large, and of no use any more; gone already if an early step failed.
    let _ = fs::remove_file(&payload);
    let _ = fs::remove_file(&elf);
    let size = result?;
    replace(&key_file, key.as_bytes())?;
    progress.end(&format!("{} MiB", size.div_ceil(1 << 20)));
    Ok(image)
}

/// Makes the bill of an image, unless it is there: it goes when the image does.
fn make_bill(
    realised: &Realised,
    image: &Path,
    kernel: &bulkhead_kernel::Kernel,
    parts: &Parts<'_>,
    progress: &dyn Progress,
) -> Result<Bill> {
    progress.begin("bill of materials", None);
    let there = Bill::beside(image);
    if there.exists() {
        progress.end("cached");
        return Ok(there);
    }
    let bill = bill::write(parts, &realised.system, &realised.files, &kernel.elf32, image)?;
    progress.end("made");
    Ok(bill)
}

fn write_image(
    realised: &Realised,
    kernel: &bulkhead_kernel::Kernel,
    domains: &Domains,
    payload: &Path,
    elf: &Path,
    image: &Path,
) -> Result<u64> {
    let compiled = {
        let mut out = BufWriter::new(File::create(payload).map_err(file("create", payload))?);
        let compiled = compile(&realised.system, &realised.files, &mut out)?;
        out.flush().map_err(file("write", payload))?;
        compiled
    };
    let root_task = fs::read(&domains.root_task).map_err(file("read", &domains.root_task))?;
    let system = {
        let mut out = BufWriter::new(File::create(elf).map_err(file("create", elf))?);
        let mut source = File::open(payload).map_err(file("open", payload))?;
        let payload = Payload { size: compiled.payload_size, source: &mut source };
        let system = bulkhead_image::system_elf(&root_task, &compiled.spec, payload, &mut out)?;
        out.flush().map_err(file("write", elf))?;
        system
    };
    system.fits(u64::from(realised.memory.0) << 20)?;
    bulkhead_image::iso(&kernel.elf32, elf, KERNEL_COMMAND_LINE, image)?;
    Ok(system.file)
}

/// Everything that the image is made of, and the code that makes it.
fn key(
    realised: &Realised,
    kernel: &bulkhead_kernel::Kernel,
    domains: &Domains,
    workspace: &Workspace,
) -> Result<String> {
    let mut payload = Hashing::default();
    let compiled = compile(&realised.system, &realised.files, &mut payload)?;
    let mut key = format!(
        "{KERNEL_COMMAND_LINE}\n{:016x} {:016x}\n",
        fingerprint(&compiled.spec),
        payload.finish()
    );
    let mut files = vec![kernel.elf32.clone(), domains.root_task.clone()];
    files.extend(maker(workspace)?);
    for path in files {
        let bytes = fs::read(&path).map_err(file("read", &path))?;
        key += &format!("{:016x}\n", fingerprint(&bytes));
    }
    Ok(key)
}

/// The sources of the code that makes images and their bills, so that both are
/// made anew when that changes; and the versions of all crates.
fn maker(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut folders =
        ["tools/image/src", "tools/sbom/src"].map(|f| workspace.root.join(f)).to_vec();
    let mut files = vec![workspace.root.join("Cargo.lock")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(file("list", &folder))? {
            let path = entry.map_err(file("list", &folder))?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    Ok(files)
}

/// Removes the derived systems that were not used for longest, but none that
/// somebody runs.
fn forget_oldest(derived: &Path, keep: &Path) {
    let Ok(entries) = fs::read_dir(derived) else { return };
    let mut folders: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != keep && !Lease::is_held(path))
        .map(|path| (path.metadata().and_then(|m| m.modified()).ok(), path))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(DERIVED_KEPT - 1);
    for (_, path) in &folders[..surplus] {
        // It is only disk space; the next run tries again.
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_system_that_somebody_runs_stays_however_old_it_is() {
        let derived = tempfile::tempdir().unwrap();
        let folder = |n: usize| derived.path().join(format!("system-{n}"));
        for n in 0..=DERIVED_KEPT {
            fs::create_dir(folder(n)).unwrap();
            let times = fs::FileTimes::new()
                .set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(n as u64));
            File::open(folder(n)).unwrap().set_times(times).unwrap();
        }
        let runs = Lease::of(&folder(0)).unwrap();
        let newest = folder(DERIVED_KEPT);
        forget_oldest(derived.path(), &newest);
        assert!(folder(0).exists() && newest.exists(), "one is in use, one is wanted");
        forget_oldest(derived.path(), &derived.path().join("another"));
        assert!(folder(0).exists() && !folder(1).exists(), "the oldest that nobody runs");
        drop(runs);
        fs::create_dir(derived.path().join("one-more")).unwrap();
        forget_oldest(derived.path(), &newest);
        assert!(!folder(0).exists(), "nobody runs it any more");
    }
}
