//! From a system description to a boot image.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bulkhead_cargo::Crates;
use bulkhead_guest::LinuxImages;
use bulkhead_host::file;
use bulkhead_machine::Mebibytes;
use bulkhead_progress::Progress;
use bulkhead_sdf::{
    Problem, System,
    configuration::{Configuration, Content},
};
use bulkhead_sdk::Selection;
use miette::Result;

use crate::{
    Bill, Hardware, Overrides, Platform, Workspace,
    bill::{self, Parts},
    build_domains,
    draft::{Draft, Realised},
    embedded,
    lease::Lease,
    sdk,
};

/// Where the kernel prints: its debug console is COM3, so that guests and
/// status lines have the first two ports for themselves.
pub const KERNEL_COMMAND_LINE: &str = "console_port=0x3e8 debug_port=0x3e8";

/// What is wanted.
pub struct Request<'a> {
    /// The checkout.
    pub workspace: &'a Workspace,
    /// The description; `None` is the default system.
    pub description: Option<&'a Path>,
    /// What it is built for.
    pub platform: Platform,
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
    /// Its number among the status domain's clients.
    pub status: Option<u8>,
}

/// A system, ready to boot.
#[derive(Debug)]
pub struct Built {
    /// What the system is called: as its description's file.
    pub name: String,
    /// The boot image.
    pub image: PathBuf,
    /// What a user boots on hardware, in one folder; not of the embedded board.
    pub boot: Option<PathBuf>,
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
    /// Devices that it needs beyond those of every machine.
    pub hardware: Hardware,
    /// Whether faults of its domains are reported on the kernel's console, for
    /// lack of an initial task of ours ([`bulkhead_machine::Config::monitor`]).
    pub monitor: bool,
    /// How many processors its domains are spread over.
    pub processors: u8,
    /// What was noted about the description.
    pub warnings: Vec<Problem>,
}

/// Builds a system, or finds it built. Takes the build lock meanwhile.
///
/// # Errors
/// Any step's, with its cause and cure.
pub fn build_system(request: Request<'_>) -> Result<Built> {
    let Request { workspace, description, platform, overrides, bill, progress } = request;
    let overrides = overrides.resolve()?;
    let default = workspace.root.join("system.xml");
    let description = description.unwrap_or(&default);
    // Wrong descriptions are told before anything long begins.
    let draft = Draft::read(workspace, &platform, description, overrides)?;
    if let Platform::Sdk(selection) = &platform {
        selection.admit(draft.machines)?;
    }

    let _lock = workspace.lock(progress)?;
    let ground = Ground::of(&platform, workspace, progress)?;
    let crates = Crates::of(&workspace.root)?;
    let domains = build_domains(workspace, &platform, &draft.programs, &crates, progress)?;
    let guest = prepare_guests(workspace, &draft, progress)?;

    let folder = draft.folder(workspace, &platform)?;
    let lease = Lease::of(&folder).map_err(file("lock", &folder))?;
    let name = draft.stem();
    let system = draft.realise(&folder, &platform, &domains, workspace)?;
    let made = match &ground {
        Ground::Embedded(kernel) => {
            embedded::make(&system, &folder, kernel, &domains, workspace, progress)?
        }
        Ground::Sdk(selection) => sdk::make(&system, &folder, selection, workspace, progress)?,
    };
    let parts =
        Parts { workspace, crates: &crates, domains: &domains, guest: guest.as_ref(), ground };
    let bill = bill.then(|| make_bill(&system, &made, &parts, progress)).transpose()?;
    let guests = guests(&system.system, &system.configuration);
    Ok(Built {
        name,
        hardware: Hardware::of(&system.configuration, &guests),
        bill,
        lease,
        image: made.image,
        boot: made.boot,
        kernel: made.kernel,
        programs: programs(&system),
        domains: domains.folder,
        guests,
        memory: system.memory,
        monitor: platform.reports_on_kernel_console(),
        processors: processors(&system.system),
        warnings: system.warnings,
    })
}

/// One more than the highest that a domain is put on.
fn processors(system: &System) -> u8 {
    system.domains.iter().map(|domain| domain.cpu).max().unwrap_or(0).saturating_add(1)
}

/// What a system stands on.
pub(crate) enum Ground<'a> {
    /// A kernel of ours.
    Embedded(bulkhead_kernel::Kernel),
    /// The user's SDK.
    Sdk(&'a Selection),
}

impl<'a> Ground<'a> {
    fn of(
        platform: &'a Platform,
        workspace: &Workspace,
        progress: &dyn Progress,
    ) -> Result<Ground<'a>> {
        let profile = match platform {
            Platform::Bochs(profile) => profile,
            Platform::Sdk(selection) => return Ok(Ground::Sdk(selection)),
        };
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
        Ok(Ground::Embedded(kernel))
    }
}

/// What became of a system's parts.
pub(crate) struct Made {
    /// The system's own folder.
    pub folder: PathBuf,
    /// The boot image.
    pub image: PathBuf,
    /// Its kernel, for a debugger.
    pub kernel: PathBuf,
    /// The same as the image has it.
    pub kernel32: PathBuf,
    /// What a user boots on hardware, in one folder.
    pub boot: Option<PathBuf>,
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
    let reported = configuration.sections.values().find_map(|section| {
        let Content::Status(status) = &section.content else { return None };
        Some(&status.clients)
    });
    let number = |name: &str| reported?.iter().position(|client| client == name)?.try_into().ok();
    let mut guests: Vec<Guest> = system
        .domains
        .iter()
        .filter_map(|domain| {
            let machine = domain.machine.as_ref()?;
            let (name, pd) = (machine.name.value.clone(), domain.name.value.clone());
            let status = number(&name);
            Some(Guest { name, pd, status })
        })
        .collect();
    let clients = configuration.sections.values().find_map(|section| {
        let Content::SerialVirt(virt) = &section.content else { return None };
        Some(&virt.clients)
    });
    if let Some(clients) = clients {
        guests.sort_by_key(|guest| clients.iter().position(|client| *client == *guest.name));
    }
    guests
}

/// Makes the bill of an image, unless it is there: it goes when the image does.
fn make_bill(
    realised: &Realised,
    made: &Made,
    parts: &Parts<'_>,
    progress: &dyn Progress,
) -> Result<Bill> {
    progress.begin("bill of materials", None);
    let there = Bill::beside(&made.image);
    if there.exists() {
        progress.end("cached");
        return Ok(there);
    }
    let bill = bill::write(parts, &realised.system, &realised.files, made)?;
    progress.end("made");
    Ok(bill)
}
