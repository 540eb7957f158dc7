//! The machine's own disk and network, where the system has drivers for them.
//!
//! A disk outlives runs and `clean`: it is the user's. Without `--disk` each system
//! has one in `target/disks`, made when it is first wanted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bulkhead_build::{Built, DiskWanted, Workspace};
use bulkhead_disk::{Disk, Layout};
use bulkhead_host::file;
use bulkhead_machine::{DISK_UNIT, Network};
use bulkhead_progress::Progress;
use miette::{Result, miette};

use crate::steps::Steps;

/// Where disks are that nobody named.
pub const DISKS: &str = "target/disks";

/// Size of each partition of such a disk.
const PARTITION: u64 = 64 << 20;

/// The machine's disk: the one that is named, or the system's own.
///
/// # Errors
/// The system has no driver for one that is named; it is in use, cannot be made, or is
/// of a size that the machine cannot have.
pub fn disk(
    named: Option<&Path>,
    built: &Built,
    workspace: &Workspace,
    steps: &Steps,
) -> Result<Option<Disk>> {
    let Some(DiskWanted { partitions, kind: _ }) = &built.hardware.disk else {
        return match named {
            None => Ok(None),
            Some(path) => Err(miette!(
                help = "give it one with a section of kind `ide` or `virtio-blk` in its \
                        configuration, as system.xml has",
                "the system has no driver for the disk {}",
                path.display()
            )),
        };
    };
    let path = match named {
        Some(path) => path.to_owned(),
        None => own(&built.name, partitions, workspace, steps)?,
    };
    let disk = Disk::open(&path)?;
    let size = fs::metadata(&path).map_err(file("examine", &path))?.len();
    if size == 0 || !size.is_multiple_of(DISK_UNIT) {
        return Err(miette!(
            help = format!(
                "enlarge it: truncate --size={} {}",
                size.next_multiple_of(DISK_UNIT).max(DISK_UNIT),
                path.display()
            ),
            "{} has {size} bytes, and the machine's disks are of multiples of {DISK_UNIT}",
            path.display()
        ));
    }
    Ok(Some(disk))
}

/// The disk of a system that nobody named one for.
fn own(name: &str, partitions: &[String], workspace: &Workspace, steps: &Steps) -> Result<PathBuf> {
    let folder = workspace.root.join(DISKS);
    let path = folder.join(name).with_extension("img");
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    steps.begin("disk", None);
    bulkhead_disk::create(&path, &Layout { partitions: partitions.into(), size: PARTITION })?;
    let each = if partitions.len() == 1 { "" } else { " each" };
    steps.end(&format!("{}, {} MiB{each}", partitions.join(", "), PARTITION >> 20));
    Ok(path)
}

/// The machine's network, with the folder whose files it gives out.
///
/// # Errors
/// There is no such folder, or the system has no driver for a network.
pub fn network(files: Option<PathBuf>, built: &Built) -> Result<Option<Network>> {
    match (built.hardware.network, files) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(miette!(
            help = "give it one with a section of kind `e1000` or `virtio-net` in its configuration, \
                    as systems/two-guests.system has",
            "the system has no driver for a network, and --tftp means its files"
        )),
        (Some(_), Some(folder)) if !folder.is_dir() => {
            Err(miette!("{}: there is no such folder", folder.display()))
        }
        (Some(kind), files) => Ok(Some(Network { kind, files, ..Network::default() })),
    }
}
