//! The tiny guests of our own: assembled and linked, one file each.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Request,
    debian::tail,
    error::{GuestError, Result},
    store,
};

/// The folder whose headers and linker script all tiny guests share.
const UNIT: &str = "guest-images/unit";

/// The folder of guests that measure.
const BENCH: &str = "guest-images/bench";

/// Those that attack their VMM.
const HOSTILE: &str = "guest-images/hostile";

/// Builds every guest of `guest-images/unit/`; returns name and image.
///
/// # Errors
/// A source does not assemble, or gcc or ld is missing.
pub fn unit_guests(request: &Request<'_>) -> Result<Vec<(String, PathBuf)>> {
    guests(request, "unit guests", UNIT, &request.out.join("guest/unit"))
}

/// Builds every guest of `guest-images/bench/`; returns name and image.
///
/// # Errors
/// As [`unit_guests`].
pub fn bench_guests(request: &Request<'_>) -> Result<Vec<(String, PathBuf)>> {
    guests(request, "measuring guests", BENCH, &request.out.join("guest/bench"))
}

/// Builds every guest of `guest-images/hostile/`; returns name and image.
///
/// # Errors
/// As [`unit_guests`].
pub fn hostile_guests(request: &Request<'_>) -> Result<Vec<(String, PathBuf)>> {
    guests(request, "hostile guests", HOSTILE, &request.out.join("guest/hostile"))
}

/// Builds every guest of a folder. One that has a linker script of its own name
/// is linked by that, and is no ELF file.
fn guests(
    request: &Request<'_>,
    what: &str,
    folder: &str,
    out: &Path,
) -> Result<Vec<(String, PathBuf)>> {
    let unit = request.workspace.join(UNIT);
    let sources = request.workspace.join(folder);
    fs::create_dir_all(out).map_err(GuestError::io("create", out))?;
    let mut guests = Vec::new();
    let mut shared = Vec::new();
    // Mostly these are one folder.
    for from in BTreeSet::from([&unit, &sources]) {
        for file in fs::read_dir(from).map_err(GuestError::io("read", from))?.flatten() {
            let path = file.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("S") if *from == sources => guests.push(path),
                Some("inc" | "ld" | "h") => shared.push(path),
                _ => {}
            }
        }
    }
    guests.sort();
    shared.sort();
    shared.dedup();
    let read = |path: &PathBuf| fs::read(path).map_err(GuestError::io("read", path));
    let common = shared.iter().map(read).collect::<Result<Vec<_>>>()?;
    request.progress.begin(what, Some(guests.len() as u64));
    let mut built = 0;
    let mut images = Vec::new();
    for (n, source) in guests.iter().enumerate() {
        let name = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let own = source.with_extension("ld");
        let (script, ending) =
            if own.exists() { (own, "bin") } else { (unit.join("link.ld"), "elf") };
        let image = out.join(format!("{name}.{ending}"));
        let text = read(source)?;
        let made_of = store::digest(common.iter().chain([&text]).map(Vec::as_slice));
        if !store::is_current(&image, &made_of) {
            let elf = assemble(&unit, source, &script, &out.join(format!("{name}.tmp")))?;
            store::write(&image, &elf, &made_of)?;
            built += 1;
        }
        images.push((name, image));
        request.progress.advance(n as u64 + 1);
    }
    request.progress.end(&format!("{} guests, {built} built", images.len()));
    Ok(images)
}

/// Assembles and links one guest with gcc, without any library; headers of
/// `include` are found by name.
fn assemble(include: &Path, source: &Path, script: &Path, to: &Path) -> Result<Vec<u8>> {
    let mut gcc = Command::new("gcc");
    gcc.args(["-m32", "-nostdlib", "-nostartfiles", "-static", "-no-pie"])
        .args(["-Wl,--build-id=none,-z,noexecstack,-z,max-page-size=4096"])
        .arg("-I")
        .arg(include)
        .arg("-Wl,-T")
        .arg(script)
        .arg("-o")
        .arg(to)
        .arg(source);
    let output = bulkhead_host::output(&mut gcc).map_err(|source| GuestError::Missing {
        program: "gcc",
        package: "gcc",
        source,
    })?;
    if !output.status.success() {
        return Err(GuestError::Failed {
            what: format!("assembling {}", source.display()),
            status: output.status.to_string(),
            output: tail(&output),
            help: "the assembler says above what is wrong",
        });
    }
    let elf = fs::read(to).map_err(GuestError::io("read", to))?;
    let _ = fs::remove_file(to);
    Ok(elf)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bulkhead_progress::Silent;

    use super::*;

    #[test]
    fn each_guest_is_there_once() {
        let out = tempfile::tempdir().unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let request = Request { workspace: &workspace, out: out.path(), progress: &Silent };
        for guests in [unit_guests(&request).unwrap(), hostile_guests(&request).unwrap()] {
            let names: BTreeSet<&String> = guests.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), guests.len(), "{guests:?}");
        }
    }
}
