//! Room on the file systems that are written to: how much there is, and whether
//! something failed for the lack of it.
//!
//! Not here: how much is needed, and what the user is told.
//!
//! What surprises: programs say in many words that a disk is full, and a linker
//! that maps its output does not say it at all but dies of SIGBUS.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

/// What is free where something is, or would be, written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// The place that was asked for.
    pub place: PathBuf,
    /// Bytes that this user may still write.
    pub free: u64,
    /// Whether no more files can be made, whatever is free.
    pub out_of_files: bool,
    /// Which file system it is on.
    pub file_system: u64,
}

impl Room {
    /// Looks at a place; if it is not there yet, at what it would be made in.
    ///
    /// # Errors
    /// The file system does not tell.
    pub fn at(place: &Path) -> io::Result<Room> {
        let mut there = std::path::absolute(place)?;
        let metadata = loop {
            match fs::metadata(&there) {
                Err(error) if error.kind() == ErrorKind::NotFound && there.pop() => {}
                found => break found?,
            }
        };
        let found = statvfs(&there)?;
        Ok(Room {
            place: place.to_owned(),
            free: found.f_bavail.saturating_mul(found.f_frsize),
            // Some file systems have no such number, and say 0 of 0.
            out_of_files: found.f_files > 0 && found.f_favail == 0,
            file_system: metadata.dev(),
        })
    }
}

/// Bytes that the files below a folder take on the disk; 0 if it is not there.
/// A file with several names counts as often as it has names there: what is
/// asked is what a folder holds, not what its removal would free.
pub fn taken(folder: &Path) -> u64 {
    let mut bytes = 0_u64;
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            // Not followed: a link leads elsewhere.
            let Ok(metadata) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(metadata.blocks().saturating_mul(512));
            if metadata.is_dir() {
                pending.push(entry.path());
            }
        }
    }
    bytes
}

/// What programs and the C library print when there was no room (errno(3):
/// ENOSPC, EDQUOT); the last is xorriso's, which asks before it writes.
const LACK: [&str; 5] = [
    "No space left on device",
    "os error 28",
    "Disk quota exceeded",
    "os error 122",
    "exceeds free space on media",
];

/// What is printed of a program that wrote through a mapping and met a full disk
/// (signal(7): SIGBUS), by rustc, gcc and the shell.
const BUS_ERROR: [&str; 3] = ["SIGBUS", "Bus error", "signal 7"];

/// Whether a message says, or lets one suspect, that a disk was full.
pub fn tells_of_no_room(message: &str) -> bool {
    LACK.iter().chain(&BUS_ERROR).any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_that_of_the_nearest_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let here = Room::at(folder.path()).unwrap();
        let below = Room::at(&folder.path().join("not/yet/there")).unwrap();
        assert_eq!(here.file_system, below.file_system);
        assert!(here.free > 0 && !here.out_of_files);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        // A file where a folder should be is the writer's to complain about.
        assert!(Room::at(&file.join("below")).is_err());
    }

    #[test]
    fn a_full_file_system_has_no_room() {
        // It is always there, and always full.
        let full = Room::at(Path::new("/proc")).unwrap();
        assert_eq!((full.free, full.out_of_files), (0, false));
    }

    #[test]
    fn what_a_folder_takes_is_the_sum_of_its_files() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(taken(&folder.path().join("nowhere")), 0);
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let before = taken(folder.path());
        fs::write(folder.path().join("a/b/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", folder.path().join("a/root")).unwrap();
        let grown = taken(folder.path()) - before;
        assert!((100_000..200_000).contains(&grown), "{grown}");
    }

    #[test]
    fn a_full_disk_is_known_by_what_each_program_says() {
        for said in [
            "/usr/bin/ld: final link failed: No space left on device",
            "error: couldn't create a temp dir: No space left on device (os error 28)",
            "collect2: fatal error: ld terminated with signal 7 [Bus error], core dumped",
            "(signal: 7, SIGBUS: access to undefined memory)",
            "cp: error writing 'x': Disk quota exceeded",
            "xorriso : FAILURE : Image size 29696s exceeds free space on media 12168s",
        ] {
            assert!(tells_of_no_room(said), "{said}");
        }
        for said in ["Permission denied (os error 13)", "signal: 9, SIGKILL", "os error 2"] {
            assert!(!tells_of_no_room(said), "{said}");
        }
    }
}
