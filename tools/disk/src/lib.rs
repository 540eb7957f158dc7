//! Disk images for the emulated machine: a GUID partition table (UEFI 2.10, 5.3)
//! with a partition a guest, each of which holds an empty ext4 file system.
//!
//! The same request gives the same image, bit for bit: identities are made from
//! names, and file systems are as old as the machine's clock at power-on. So a run
//! on a fresh disk takes the same ticks everywhere.
//!
//! Not here: what is on a disk that was used. An image that exists is opened as it
//! is, and never made again: it holds a user's data.
#![forbid(unsafe_code)]

mod partitions;

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_host::FileError;
use miette::Diagnostic;
use rustix::fs::{FallocateFlags, FlockOperation};
use thiserror::Error;

pub use partitions::Partition;

/// Where the first partition begins, and what all are aligned to.
const ALIGNMENT: u64 = 1 << 20;

/// The least that mke2fs makes a journal on, with room for files.
const PARTITION_MIN: u64 = 4 << 20;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Names of the partitions, in order.
    pub partitions: Vec<String>,
    /// Size of each, in bytes: whole MiB.
    pub size: u64,
}

/// Why there is no image.
#[derive(Debug, Error, Diagnostic)]
pub enum DiskError {
    /// A file cannot be written or read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    /// A partition of this size holds no file system.
    #[error("a partition of {0} bytes is too small or not whole MiB")]
    #[diagnostic(help("give each at least {} MiB", PARTITION_MIN >> 20))]
    Size(u64),
    /// The partition table.
    #[error("{}: the partition table cannot be made", path.display())]
    Table {
        /// The image.
        path: PathBuf,
        /// Why.
        #[source]
        cause: gpt::GptError,
    },
    /// The program that makes file systems.
    #[error("mke2fs made no file system for partition `{partition}`: {said}")]
    #[diagnostic(help("Debian's package e2fsprogs has mke2fs"))]
    FileSystem {
        /// The partition.
        partition: String,
        /// What it said.
        said: String,
    },
    /// Somebody else has it.
    #[error("{} is in use by another run", path.display())]
    #[diagnostic(help("wait for that run to end, or name another disk with --disk"))]
    InUse {
        /// The image.
        path: PathBuf,
    },
}

/// A disk that nobody else may use as long as this lives.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    _lock: File,
}

impl Disk {
    /// Takes an image for this process alone.
    ///
    /// # Errors
    /// It is not there, cannot be written, or somebody else has it.
    pub fn open(path: &Path) -> Result<Self, DiskError> {
        let failed = |cause| bulkhead_host::file("open", path)(cause);
        let file = File::options().read(true).write(true).open(path).map_err(failed)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Disk { path: path.into(), _lock: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::InUse { path: path.into() }),
            Err(cause) => Err(failed(cause.into()).into()),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes an image. It is there whole, or not at all.
///
/// # Errors
/// As [`DiskError`] says; what was half made is removed.
pub fn create(path: &Path, layout: &Layout) -> Result<(), DiskError> {
    if layout.size < PARTITION_MIN || !layout.size.is_multiple_of(ALIGNMENT) {
        return Err(DiskError::Size(layout.size));
    }
    bulkhead_host::check_replaceable(path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |cause| DiskError::from(bulkhead_host::file("write", path)(cause));
    let image = tempfile::Builder::new().prefix(".image-").tempfile_in(folder).map_err(failed)?;
    // All of its room at once: a machine whose disk finds none in the middle of a write
    // has lost it.
    let whole = FallocateFlags::empty();
    rustix::fs::fallocate(image.as_file(), whole, 0, size(layout)).map_err(|e| failed(e.into()))?;
    let partitions = partitions::write(image.path(), &layout.partitions, layout.size)
        .map_err(|cause| DiskError::Table { path: path.into(), cause })?;
    for partition in &partitions {
        make_file_system(image.path(), partition)?;
    }
    image.persist(path).map_err(|e| failed(e.error))?;
    Ok(())
}

/// Size of the whole image: an alignment's worth before and behind the partitions
/// holds the table and its copy.
fn size(layout: &Layout) -> u64 {
    2 * ALIGNMENT + layout.size * layout.partitions.len() as u64
}

/// Makes file systems; Debian puts it where only root looks.
const MKE2FS: &str = "/sbin/mke2fs";

/// Seconds since 1970 when the machine is switched on, in the words of e2fsprogs.
const POWER_ON: &str = "1767225600";

fn make_file_system(image: &Path, partition: &Partition) -> Result<(), DiskError> {
    let identity = partition.guid.to_string();
    // ext4's label has room for 16 bytes.
    let label: String = partition.name.chars().filter(char::is_ascii).take(16).collect();
    let mut command = Command::new(MKE2FS);
    command
        .env("E2FSPROGS_FAKE_TIME", POWER_ON)
        // What the host's own configuration would choose differently.
        .env("MKE2FS_CONFIG", "/dev/null")
        .args(["-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-m", "0"])
        .args(["-O", "extent,64bit,flex_bg,huge_file,metadata_csum,dir_index,has_journal,filetype,sparse_super,large_file,extra_isize,ext_attr,resize_inode"])
        .args(["-L", &label, "-U", &identity])
        .arg("-E")
        .arg(format!("offset={},hash_seed={identity},lazy_itable_init=0,nodiscard", partition.start))
        .arg(image)
        .arg(format!("{}k", partition.length >> 10));
    let failed = |said: String| DiskError::FileSystem { partition: partition.name.clone(), said };
    let output = bulkhead_host::output(&mut command).map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.trim().into()))
}

/// Where a partition of an image lies, by its name.
///
/// # Errors
/// There is no table, or the image cannot be read.
pub fn find(path: &Path, name: &str) -> Result<Option<Partition>, DiskError> {
    partitions::read(path)
        .map(|all| all.into_iter().find(|p| p.name == name))
        .map_err(|cause| DiskError::Table { path: path.into(), cause })
}

/// The bytes of a partition.
///
/// # Errors
/// The image cannot be read.
pub fn contents(path: &Path, partition: &Partition) -> io::Result<Vec<u8>> {
    let length = usize::try_from(partition.length).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    File::open(path)?.read_exact_at(&mut bytes, partition.start)?;
    Ok(bytes)
}
