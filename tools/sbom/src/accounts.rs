//! Which file of an image is made of what.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bulkhead_guest::{Content, LinuxImages, Source};
use bulkhead_image::{DISK_SECTOR, LOADER};

use crate::{
    Image, Kernel, Prefill, Program, SbomError,
    component::{Component, ComponentId, Components, NO_ASSERTION},
    contents::{self, Iso},
    crates::{self, Checksums, Linked},
    debian,
    digest::Digests,
    inventory::{Inventory, Origin},
    kernel, sdk,
    toolchain::{self, Part, Toolchain},
};

/// Libraries that a static program for a Linux guest has from this machine, by
/// gcc: the C library, and the compiler's run-time functions.
const STATIC_LIBRARIES: [&str; 2] = ["libc.a", "libgcc.a"];

/// Where the source of a file is that an option named, or that lies beside the
/// description.
const GIVEN: &str = "whoever built the image gave this file, and knows";

/// Folders of guests that are assembled from this project, in `target/bulkhead`.
const OWN_GUESTS: [&str; 3] = ["guest/bench", "guest/hostile", "guest/unit"];

/// Accounts for every file of an image.
pub(crate) fn of(image: &Image<'_>, iso: &Iso) -> Result<(Components, Inventory), SbomError> {
    let domains: Vec<String> =
        image.programs.iter().filter_map(|program| program.package.clone()).collect();
    let (root_task, mut domains): (Vec<_>, Vec<_>) =
        domains.into_iter().partition(|package| package == ROOT_TASK);
    domains.sort();
    domains.dedup();
    // As they are compiled: domains together, the initial task alone.
    let mut linked = Linked::default();
    for together in [root_task, domains, guest_programs(image.guest)] {
        if !together.is_empty() {
            linked.extend(image.crates.linked(&together)?);
        }
    }
    let mut accounts = Accounts {
        image,
        linked,
        checksums: Checksums::read(&image.workspace.join("Cargo.lock"))?,
        toolchain: Toolchain::installed()?,
        components: Components::default(),
        inventory: Inventory::default(),
    };
    if let Kernel::Embedded { .. } = image.kernel {
        accounts.kernel_patches()?;
    }
    accounts.boot_sector()?;
    for (name, bytes) in iso.files() {
        accounts.boot_file(name, bytes)?;
    }
    for program in &image.programs {
        accounts.program(program)?;
    }
    for prefill in &image.prefills {
        accounts.prefill(prefill)?;
    }
    Ok((accounts.components, accounts.inventory))
}

/// The initial task's package.
const ROOT_TASK: &str = "root-task";

/// The packages of the programs in a guest's initial RAM disk.
fn guest_programs(guest: Option<&LinuxImages>) -> Vec<String> {
    let contents = guest.into_iter().flat_map(|guest| &guest.contents);
    let packages = contents.filter_map(|content| match content.source {
        Source::Program(package) => Some(package.to_owned()),
        Source::Package(_) | Source::Checkout => None,
    });
    packages.collect()
}

struct Accounts<'a> {
    image: &'a Image<'a>,
    linked: Linked<'a>,
    checksums: Checksums,
    toolchain: Toolchain,
    components: Components,
    inventory: Inventory,
}

impl Accounts<'_> {
    fn ours(&mut self) -> Result<ComponentId, SbomError> {
        Ok(self.components.add("project", crates::ours(self.image.workspace)?))
    }

    fn kernel_patches(&mut self) -> Result<(), SbomError> {
        let kernel = kernel::component(self.image.workspace, &mut self.components)?;
        for path in kernel::patches(self.image.workspace)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let made_of = vec![(Origin::Made, kernel.clone())];
            self.inventory.add_input(
                &format!("{}/{name}", kernel::PATCHES),
                &read(&path)?,
                made_of,
            )?;
        }
        Ok(())
    }

    /// It is outside the file system.
    fn boot_sector(&mut self) -> Result<(), SbomError> {
        let made_of = vec![(Origin::Unpacked, self.of_this_machine(Path::new(DISK_SECTOR.path))?)];
        let sector = read(Path::new(DISK_SECTOR.path))?;
        self.inventory.add(&format!("boot sector/{}", DISK_SECTOR.name), &sector, made_of)
    }

    /// The component of a file that is taken from this machine. One that is in
    /// no package is its own.
    fn of_this_machine(&mut self, path: &Path) -> Result<ComponentId, SbomError> {
        match debian::owner(path, &mut self.components)? {
            Some(package) => Ok(package),
            None => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                Ok(self.unknown(&name, &read(path)?, "the machine that built the image has it"))
            }
        }
    }

    /// A file of the boot image's own file system.
    fn boot_file(&mut self, name: &str, bytes: &[u8]) -> Result<(), SbomError> {
        let made_of = match name {
            "kernel" => vec![self.kernel(name, bytes)?],
            // What is in the system ELF has entries of its own.
            "system" => {
                let mut made_of = vec![(Origin::Made, self.ours()?)];
                if let Kernel::Sdk { release, .. } = &self.image.kernel {
                    let sdk = sdk::microkit(self.image.workspace, release, &mut self.components)?;
                    made_of.push((Origin::Linked, sdk));
                }
                made_of
            }
            "isolinux.cfg" => vec![(Origin::Made, self.ours()?)],
            other => match LOADER.iter().find(|part| part.name == other) {
                Some(part) => {
                    if !part.patched {
                        unchanged(name, bytes, Path::new(part.path))?;
                    }
                    vec![(Origin::Unpacked, self.of_this_machine(Path::new(part.path))?)]
                }
                None => Vec::new(),
            },
        };
        self.inventory.add(name, bytes, made_of)
    }

    fn kernel(&mut self, name: &str, bytes: &[u8]) -> Result<(Origin, ComponentId), SbomError> {
        let workspace = self.image.workspace;
        let (Kernel::Embedded { image } | Kernel::Sdk { image, .. }) = self.image.kernel;
        unchanged(name, bytes, image)?;
        Ok(match &self.image.kernel {
            Kernel::Embedded { .. } => {
                (Origin::Made, kernel::component(workspace, &mut self.components)?)
            }
            Kernel::Sdk { given: true, .. } => (Origin::Given, self.unknown(name, bytes, GIVEN)),
            Kernel::Sdk { release, given: false, .. } => {
                (Origin::Unpacked, sdk::kernel(workspace, release, &mut self.components)?)
            }
        })
    }

    fn program(&mut self, program: &Program) -> Result<(), SbomError> {
        let bytes = read(&program.path)?;
        let mut made_of = Vec::new();
        if let Some(package) = &program.package {
            made_of = self.linked(package, &bytes)?;
            let core = self.toolchain.component(Part::Core, &mut self.components);
            made_of.push((Origin::Linked, core));
        } else if program.given {
            made_of.push((Origin::Given, self.unknown(&program.name, &bytes, GIVEN)));
        }
        self.inventory.add(&format!("system/{}", program.name), &bytes, made_of)
    }

    fn linked(
        &mut self,
        package: &str,
        program: &[u8],
    ) -> Result<Vec<(Origin, ComponentId)>, SbomError> {
        let Accounts { image, linked, checksums, components, .. } = self;
        let ids = crates::linked(package, program, linked, checksums, image.workspace, components)?;
        Ok(ids.into_iter().map(|id| (Origin::Linked, id)).collect())
    }

    fn prefill(&mut self, prefill: &Prefill) -> Result<(), SbomError> {
        let Prefill { name, path, given: beside } = prefill;
        let Image { out, folder, guest, .. } = *self.image;
        // Two guests can share a file, and a given one has its path as its name.
        let named = PathBuf::from(name);
        let given = named.is_absolute();
        let shown = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let shown = format!("system/{shown}");
        if self.inventory.iter().any(|(known, _)| known == shown) && !given {
            return Ok(());
        }
        let bytes = read(path)?;
        if let Some(guest) = guest.filter(|guest| guest.kernel == *path) {
            let made_of =
                vec![(Origin::Unpacked, self.guest_package(guest, &guest.kernel_package)?)];
            return self.inventory.add(&shown, &bytes, made_of);
        }
        if let Some(guest) = guest.filter(|guest| guest.initramfs == *path) {
            let made_of = vec![(Origin::Made, self.ours()?)];
            self.inventory.add(&shown, &bytes, made_of)?;
            return self.initramfs(guest, &shown);
        }
        let own_guest = OWN_GUESTS.iter().any(|own| path.starts_with(out.join(own)));
        let made_of = if own_guest || path.starts_with(folder) {
            vec![(Origin::Made, self.ours()?)]
        } else if given || *beside {
            let name = shown.rsplit('/').next().unwrap_or(&shown);
            vec![(Origin::Given, self.unknown(name, &bytes, GIVEN))]
        } else {
            Vec::new()
        };
        self.inventory.add(&self.free(shown, &bytes), &bytes, made_of)
    }

    /// A path that no other file has: given files of one name may differ.
    fn free(&self, path: String, bytes: &[u8]) -> String {
        let digests = Digests::of(bytes);
        if self.inventory.iter().all(|(known, entry)| known != path || entry.digests == digests) {
            return path;
        }
        format!("{path} ({})", &digests.sha256[..8])
    }

    /// A component of which nothing is known but its bytes.
    fn unknown(&mut self, name: &str, bytes: &[u8], obtain: &str) -> ComponentId {
        let sha256 = Digests::of(bytes).sha256;
        self.components.add(
            "file",
            Component {
                name: name.to_owned(),
                version: sha256[..8].to_owned(),
                licence: NO_ASSERTION.into(),
                supplier: NO_ASSERTION.into(),
                download: NO_ASSERTION.into(),
                purl: None,
                sha256: Some(sha256),
                obtain: obtain.into(),
                remark: None,
                texts: Vec::new(),
            },
        )
    }

    fn guest_package(&mut self, guest: &LinuxImages, name: &str) -> Result<ComponentId, SbomError> {
        let found = guest.packages.iter().find(|unpacked| unpacked.package.name == name);
        let Some(unpacked) = found else {
            return Err(SbomError::Package {
                package: name.to_owned(),
                reason: "the guest was not made of it".into(),
            });
        };
        debian::of_guest(&unpacked.package, &unpacked.folder, &mut self.components)
    }

    /// The files of the initial RAM disk, by what its maker says of each.
    fn initramfs(&mut self, guest: &LinuxImages, path: &str) -> Result<(), SbomError> {
        let said: HashMap<&str, &Content> =
            guest.contents.iter().map(|content| (content.path.as_str(), content)).collect();
        for (name, bytes) in contents::initramfs(&guest.initramfs)? {
            let made_of = match said.get(name.as_str()).map(|content| &content.source) {
                Some(Source::Package(package)) => {
                    vec![(Origin::Unpacked, self.guest_package(guest, package)?)]
                }
                Some(Source::Checkout) => vec![(Origin::Made, self.ours()?)],
                Some(Source::Program(package)) => self.guest_program(package, &bytes)?,
                None => Vec::new(),
            };
            self.inventory.add(&format!("{path}/{name}"), &bytes, made_of)?;
        }
        Ok(())
    }

    fn guest_program(
        &mut self,
        package: &str,
        program: &[u8],
    ) -> Result<Vec<(Origin, ComponentId)>, SbomError> {
        let mut made_of = self.linked(package, program)?;
        let library = self.toolchain.component(Part::Std, &mut self.components);
        made_of.push((Origin::Linked, library));
        for library in STATIC_LIBRARIES {
            let library = self.of_this_machine(&toolchain::library(library)?)?;
            made_of.push((Origin::Linked, library));
        }
        Ok(made_of)
    }
}

fn unchanged(name: &str, bytes: &[u8], original: &Path) -> Result<(), SbomError> {
    if read(original)? == bytes {
        return Ok(());
    }
    Err(SbomError::Changed { file: name.to_owned(), original: original.to_owned() })
}

fn read(path: &Path) -> Result<Vec<u8>, SbomError> {
    fs::read(path).map_err(SbomError::file("read", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accounts in which nothing is yet.
    fn empty<'a>(image: &'a Image<'a>) -> Accounts<'a> {
        Accounts {
            image,
            linked: Linked::default(),
            checksums: Checksums::read(&image.workspace.join("Cargo.lock")).unwrap(),
            toolchain: Toolchain::installed().unwrap(),
            components: Components::default(),
            inventory: Inventory::default(),
        }
    }

    #[test]
    fn a_file_that_nothing_accounts_for_is_refused_wherever_it_is() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let crates = bulkhead_cargo::Crates::of(&workspace).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stray = folder.path().join("stray");
        fs::write(&stray, "x").unwrap();
        let image = Image {
            workspace: &workspace,
            out: &workspace.join("target/bulkhead"),
            crates: &crates,
            iso: &stray,
            kernel: Kernel::Embedded { image: &stray },
            folder: &folder.path().join("system"),
            programs: Vec::new(),
            prefills: Vec::new(),
            guest: None,
        };
        let mut accounts = empty(&image);
        let refused = |result: Result<(), SbomError>| match result {
            Err(SbomError::Unaccounted { file }) => file,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(accounts.boot_file("stray", b"x")), "stray");
        let mut program =
            Program { name: "stray.elf".into(), path: stray.clone(), package: None, given: false };
        assert_eq!(refused(accounts.program(&program)), "system/stray.elf");
        let prefill = |name: &Path| Prefill {
            name: name.display().to_string(),
            path: stray.clone(),
            given: false,
        };
        assert_eq!(refused(accounts.prefill(&prefill(Path::new("stray")))), "system/stray");

        // One that an option named is its giver's.
        accounts.prefill(&prefill(&stray)).unwrap();
        let (_, given) = accounts.inventory.iter().next().unwrap();
        assert_eq!(given.made_of[0].0, Origin::Given);
        // So is one that lies beside the description.
        program.given = true;
        accounts.program(&program).unwrap();
        // What the boot loader starts is the kernel that was built.
        let changed = accounts.boot_file("kernel", b"y");
        assert!(matches!(changed, Err(SbomError::Changed { .. })), "{changed:?}");
    }

    #[test]
    fn what_an_sdk_has_given_is_named_as_the_sdk_s() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let crates = bulkhead_cargo::Crates::of(&workspace).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let kernel = folder.path().join("kernel");
        fs::write(&kernel, "k").unwrap();
        for (given, origin, name) in
            [(false, Origin::Unpacked, "seL4"), (true, Origin::Given, "kernel")]
        {
            let image = Image {
                workspace: &workspace,
                out: &workspace.join("target/bulkhead"),
                crates: &crates,
                iso: &kernel,
                kernel: Kernel::Sdk { image: &kernel, release: "2.3.0".into(), given },
                folder: folder.path(),
                programs: Vec::new(),
                prefills: Vec::new(),
                guest: None,
            };
            let mut accounts = empty(&image);
            let changed = accounts.boot_file("kernel", b"other");
            assert!(matches!(changed, Err(SbomError::Changed { .. })), "{changed:?}");
            accounts.boot_file("kernel", b"k").unwrap();
            accounts.boot_file("system", b"s").unwrap();
            let made_of = |file: &str| -> Vec<(Origin, String)> {
                let (_, entry) = accounts.inventory.iter().find(|(its, _)| *its == file).unwrap();
                let named = |id| accounts.components.get(id).unwrap().name.clone();
                entry.made_of.iter().map(|(origin, id)| (*origin, named(id))).collect()
            };
            assert_eq!(made_of("kernel"), [(origin, name.to_owned())]);
            assert!(made_of("system").contains(&(Origin::Linked, "Microkit".into())));
        }
    }
}
