//! Boot images of the `bochs` board: the embedded kernel, our initial task, and
//! the compiled description.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use bulkhead_host::{file, replace};
use bulkhead_image::Payload;
use bulkhead_progress::Progress;
use bulkhead_sdf::compile;
use miette::Result;

use crate::{
    Bill, Domains, KERNEL_COMMAND_LINE, Workspace,
    draft::Realised,
    fingerprint::{Hashing, fingerprint},
    system::Made,
};

/// Compiles the description and makes the image, unless it would be the same
/// as the one that is there.
///
/// What decides is contents, not times: compiling reads everything once, which
/// takes a fraction of a second, and it is making the image that takes long.
pub(crate) fn make(
    realised: &Realised,
    folder: &Path,
    kernel: &bulkhead_kernel::Kernel,
    domains: &Domains,
    workspace: &Workspace,
    progress: &dyn Progress,
) -> Result<Made> {
    let image = folder.join("system.iso");
    let key_file = folder.join("system.key");
    progress.begin("boot image", None);
    let key = key(realised, kernel, domains, workspace)?;
    let made = Made {
        folder: folder.to_owned(),
        image: image.clone(),
        kernel: kernel.elf.clone(),
        kernel32: kernel.elf32.clone(),
        boot: None,
    };
    if image.exists() && fs::read_to_string(&key_file).is_ok_and(|old| old == key) {
        progress.end("cached");
        return Ok(made);
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
    Ok(made)
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
    let root_task = domains.root_task();
    let root_task = fs::read(&root_task).map_err(file("read", &root_task))?;
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
    let mut files = vec![kernel.elf32.clone(), domains.root_task()];
    files.extend(maker(workspace)?);
    for path in files {
        let bytes = fs::read(&path).map_err(file("read", &path))?;
        key += &format!("{:016x}\n", fingerprint(&bytes));
    }
    Ok(key)
}

/// The sources of the code that makes images and their bills, so that both are
/// made anew when that changes; and the versions of all crates.
pub(crate) fn maker(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut folders = ["tools/image/src", "tools/sbom/src", "tools/sdk/src"]
        .map(|f| workspace.root.join(f))
        .to_vec();
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
