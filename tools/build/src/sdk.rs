//! Boot images of the SDK's board: the SDK's own tool makes the system, and what
//! it makes goes into one folder with everything that boots it.
//!
//! What surprises: two things are added to what the tool made. The 32-bit kernel
//! is what goes onto the CD, for no loader there takes a 64-bit one. And a small
//! image is padded, because a boot loader may put it into a hole of the kernel's
//! ([`bulkhead_image::pad_module`]).

use std::{
    fs,
    path::{Path, PathBuf},
};

use bulkhead_host::{file, replace};
use bulkhead_image::{Menu, pad_module};
use bulkhead_progress::Progress;
use bulkhead_sdf::Prefill;
use bulkhead_sdk::{Job, Selection};
use miette::{Result, miette};

use crate::{
    Bill, KERNEL_COMMAND_LINE, Workspace, draft::Realised, embedded::maker,
    fingerprint::fingerprint, system::Made,
};

/// The folder of what a user boots on hardware, in a system's own.
const BOOT: &str = "boot";

/// Calls the SDK's tool and makes the image, unless both would be the same as
/// what is there.
pub(crate) fn make(
    realised: &Realised,
    folder: &Path,
    selection: &Selection,
    workspace: &Workspace,
    progress: &dyn Progress,
) -> Result<Made> {
    let boot = folder.join(BOOT);
    let made = Made {
        folder: folder.to_owned(),
        image: boot.join("bulkhead.iso"),
        kernel: boot.join("sel4.elf"),
        kernel32: boot.join("sel4_32.elf"),
        boot: Some(boot.clone()),
    };
    let key_file = folder.join("system.key");
    progress.begin("boot image, by the Microkit's tool", None);
    let key = key(realised, selection, workspace)?;
    if made.image.exists() && fs::read_to_string(&key_file).is_ok_and(|old| old == key) {
        progress.end("cached");
        return Ok(made);
    }
    // What is there is no longer what its key says from here on, nor what its
    // bill does. It may not even be there.
    let _ = fs::remove_file(&key_file);
    Bill::beside(&made.image).remove();
    let description = description(realised, folder)?;
    fs::create_dir_all(&boot).map_err(file("create", &boot))?;
    let loader = selection.call(&Job {
        description: &description,
        search: realised.files.folders(),
        out: &boot,
        scratch: &folder.join("kernel"),
    })?;
    let size = pad_module(&loader.loader, &loader.kernel32)?;
    bulkhead_image::iso(&loader.kernel32, &loader.loader, KERNEL_COMMAND_LINE, &made.image)?;
    let menu = Menu {
        kernel: "sel4.elf",
        kernel32: "sel4_32.elf",
        module: "loader.img",
        command_line: KERNEL_COMMAND_LINE,
    };
    for (name, text) in menu.files()? {
        replace(&boot.join(name), text.as_bytes())?;
    }
    replace(&key_file, key.as_bytes())?;
    progress.end(&format!("{} MiB", size.div_ceil(1 << 20)));
    Ok(made)
}

/// The description that the tool is given: the user's own file, so that its
/// messages name that, unless options changed what it says.
fn description(realised: &Realised, folder: &Path) -> Result<PathBuf> {
    match &realised.file {
        Some(path) => Ok(path.canonicalize().map_err(file("find", path))?),
        None => {
            let derived = folder.join("derived.system");
            replace(&derived, realised.text.as_bytes())?;
            Ok(derived)
        }
    }
}

/// Everything that the image is made of, and the code that makes it.
fn key(realised: &Realised, selection: &Selection, workspace: &Workspace) -> Result<String> {
    let mut key = format!("{KERNEL_COMMAND_LINE}\n{}\n", realised.text);
    let domains = &realised.system.domains;
    let programs = domains.iter().map(|domain| domain.program.path.value.as_str());
    let prefills = realised.system.regions.iter().filter_map(|region| match &region.prefill {
        Some(Prefill::File { path, .. }) => Some(path.value.as_str()),
        Some(Prefill::Bootinfo(_)) | None => None,
    });
    let mut files = Vec::new();
    for name in programs.chain(prefills) {
        let Some(found) = realised.files.find(name) else {
            let folders = realised.files.folders().iter().map(|folder| folder.display());
            let folders: Vec<String> = folders.map(|folder| folder.to_string()).collect();
            return Err(miette!(
                help = "the domains of vmm-pd/ and device-pds/ are built here; a program or file \
                        of your own goes beside the description",
                "the description names {name}, which is in none of {}",
                folders.join(", ")
            ));
        };
        files.push(found);
    }
    files.extend(selection.inputs());
    files.extend(maker(workspace)?);
    for path in files {
        let bytes = fs::read(&path).map_err(file("read", &path))?;
        key += &format!("{:016x}\n", fingerprint(&bytes));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, process::Command};

    use bulkhead_machine::DEFAULT_MEMORY;
    use bulkhead_progress::Silent;
    use bulkhead_sdf::{
        Board, SearchPath, Source,
        configuration::{self, Configuration},
        parse,
    };
    use bulkhead_sdk::{BOARD, Sdk, fake::Fake};
    use tempfile::TempDir;

    use super::*;

    const DESCRIPTION: &str = r#"<system>
        <protection_domain name="x"><program_image path="x.elf" /></protection_domain>
    </system>"#;

    /// A system of one domain, and an SDK that a test makes; `None` where there is
    /// nothing to write a CD with.
    struct Place {
        folder: TempDir,
        fake: Fake,
        workspace: Workspace,
    }

    impl Place {
        fn new() -> Option<Place> {
            let there = Command::new("xorriso").arg("-version").output();
            if there.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
                eprintln!("skipped: xorriso is not installed");
                return None;
            }
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            let fake = Fake::make(&at("sdk"));
            fs::write(at("k.c"), "void _start(void) {}\n").unwrap();
            let run = |command: &mut Command| assert!(command.status().unwrap().success());
            run(Command::new("gcc")
                .args(["-nostdlib", "-static", "-o"])
                .args([at("k"), at("k.c")]));
            let small = fake.path(&format!("board/{BOARD}/release/elf/sel4_32.elf"));
            run(Command::new("objcopy").args(["-O", "elf32-i386"]).args([at("k"), small]));
            fs::write(at("x.elf"), "a program").unwrap();
            fs::write(at("system.xml"), DESCRIPTION).unwrap();
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
            let workspace = Workspace { root, out: at("out") };
            Some(Place { folder, fake, workspace })
        }

        fn at(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn realised(&self, derived: bool) -> Realised {
            let files = SearchPath::new([self.folder.path().to_owned()]);
            let source = Source::new("system.xml", DESCRIPTION);
            let parsed = parse(&source, &Board::x86_64_generic_vtx(), &files).unwrap();
            let configuration: Configuration =
                configuration::beside(&self.at("system.xml"), &parsed.system).unwrap();
            Realised {
                file: (!derived).then(|| self.at("system.xml")),
                text: DESCRIPTION.into(),
                system: parsed.system,
                configuration,
                files,
                memory: DEFAULT_MEMORY,
                warnings: parsed.warnings,
            }
        }

        fn make(&self, derived: bool) -> Made {
            let selection = Sdk::open(self.fake.root()).unwrap();
            let selection = selection.select(BOARD, "release", None).unwrap();
            let folder = self.at("system");
            fs::create_dir_all(&folder).unwrap();
            make(&self.realised(derived), &folder, &selection, &self.workspace, &Silent).unwrap()
        }

        /// How often the tool was called, and with which description.
        fn calls(&self) -> Vec<String> {
            let noted = fs::read_to_string(self.at("system/boot/arguments")).unwrap();
            let descriptions =
                noted.lines().filter(|line| line.ends_with(".xml") || line.ends_with(".system"));
            descriptions.map(|line| line.rsplit('/').next().unwrap().to_owned()).collect()
        }
    }

    #[test]
    fn everything_that_boots_a_pc_is_in_one_folder() {
        let Some(place) = Place::new() else { return };
        let made = place.make(false);
        let boot = made.boot.unwrap();
        for name in [
            "sel4.elf",
            "sel4_32.elf",
            "loader.img",
            "bulkhead.iso",
            "grub.cfg",
            "pxelinux.cfg",
            "boot.ipxe",
        ] {
            assert!(boot.join(name).is_file(), "{name}");
        }
        let loader = fs::metadata(boot.join("loader.img")).unwrap().len();
        assert!(loader > 7, "the tool wrote 7 bytes, which fit into a hole of the kernel's");
        assert!(fs::read_to_string(boot.join("grub.cfg")).unwrap().contains(KERNEL_COMMAND_LINE));
    }

    #[test]
    fn the_tool_is_called_again_when_something_changed_and_only_then() {
        let Some(place) = Place::new() else { return };
        let first = fs::read(place.make(false).image).unwrap();
        place.make(false);
        assert_eq!(place.calls(), ["system.xml"]);
        fs::write(place.at("x.elf"), "another program").unwrap();
        place.make(false);
        assert_eq!(place.calls().len(), 2, "a program");
        place.fake.write(&format!("board/{BOARD}/release/elf/monitor.elf"), &{
            let mut elf = bulkhead_sdk::fake::elf(2, 62);
            elf.push(1);
            elf
        });
        place.make(false);
        assert_eq!(place.calls().len(), 3, "a file of the SDK's");
        assert_eq!(fs::read(place.make(false).image).unwrap(), first, "the fake looks at neither");
    }

    #[test]
    fn what_options_changed_is_a_description_of_its_own() {
        let Some(place) = Place::new() else { return };
        place.make(true);
        assert_eq!(place.calls(), ["derived.system"]);
        assert_eq!(fs::read_to_string(place.at("system/derived.system")).unwrap(), DESCRIPTION);
    }
}
