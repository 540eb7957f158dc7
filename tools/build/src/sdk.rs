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
