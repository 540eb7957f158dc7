//! Room on the disk: asked for before long work, and shown when something failed
//! for the lack of it.
//!
//! Not here: removing anything. `clean` does that, and only when it is asked.
//!
//! What surprises: whoever meets a full disk has tidied up before the user reads
//! of it, so the disk is no longer full then. Hence what is free is shown beside
//! what is needed, and the message decides whether that is shown at all.

use std::{env, path::PathBuf};

use anstyle::Style;
use bulkhead_build::Workspace;
use bulkhead_host::{Room, taken, tells_of_no_room};
use bulkhead_progress::Progress;
use miette::{Result, miette};

use crate::{
    steps::Steps,
    ui::{self, BAD, CAUTION, HEADING, NAME, cell},
};

const MB: u64 = 1_000_000;

/// What work leaves in `target`, in bytes, measured after it on an empty one and
/// rounded up by a tenth or so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    /// What it is, for messages.
    name: &'static str,
    /// Folders of `target` that it fills.
    folders: &'static [&'static str],
    /// What it leaves there.
    leaves: u64,
}

/// A system is built: kernel, programs with what cargo keeps of them, packages,
/// images.
pub const BUILD: Work = Work { name: "a build", folders: &["bulkhead", "pd"], leaves: 700 * MB };

/// Every test: the tools in two profiles, the fuzzer, some dozen systems, copies
/// of the checkout. 4.3 GB were measured without incremental compilation, whose
/// files are half as much again.
pub const TEST: Work = Work { name: "a whole test run", folders: &["."], leaves: 6_500 * MB };

/// What compilers, the packer and the emulator put into the folder for temporary
/// files.
const TEMPORARY: u64 = 50 * MB;

/// Below this nothing can be built, however little changed.
const LEAST: u64 = 8 * MB;

/// A place that is written to, and how much more it is to hold.
struct Demand {
    what: &'static str,
    place: PathBuf,
    more: u64,
    /// Who puts that there, for the end of a line.
    whose: &'static str,
}

impl Work {
    fn demands(self, workspace: &Workspace) -> [Demand; 2] {
        let target = workspace.root.join("target");
        let there: u64 = self.folders.iter().map(|folder| taken(&target.join(folder))).sum();
        [
            Demand {
                what: "build folder",
                place: target,
                more: self.leaves.saturating_sub(there),
                whose: self.name,
            },
            Demand {
                what: "TMPDIR",
                place: env::temp_dir(),
                more: TEMPORARY,
                whose: "what compilers and the emulator write",
            },
        ]
    }
}

/// What a look at the places that are written to came to.
#[derive(PartialEq, Eq, Debug)]
enum Verdict {
    Enough,
    /// It may not be enough.
    Scarce,
    /// It is certainly not.
    TooLittle,
}

fn judge(room: &Room, more: u64) -> Verdict {
    if room.out_of_files || room.free < LEAST.min(more) {
        Verdict::TooLittle
    } else if room.free < more {
        Verdict::Scarce
    } else {
        Verdict::Enough
    }
}

/// Looks whether there is room for work: warns if there may be too little.
///
/// # Errors
/// There is certainly too little, or it is work that takes so long that it had
/// better not be begun.
pub fn check(work: Work, workspace: &Workspace, steps: &Steps) -> Result<()> {
    for Demand { what, place, more, whose } in work.demands(workspace) {
        // Who cannot be asked may still have room.
        let Ok(room) = Room::at(&place) else { continue };
        let verdict = judge(&room, more);
        if verdict == Verdict::Enough {
            continue;
        }
        let lacks = if room.out_of_files {
            "its file system has no room for another file".to_owned()
        } else {
            format!("it has {} free, and {whose} needs about {} more", size(room.free), size(more))
        };
        let message = format!("the disk of the {what} {} is too small: {lacks}", place.display());
        if verdict == Verdict::TooLittle || work == TEST {
            return Err(miette!(help = cure(what), "{message}"));
        }
        steps.note(&format!("{CAUTION}little room{CAUTION:#}: {message}"));
    }
    Ok(())
}

fn cure(what: &str) -> &'static str {
    if what == "TMPDIR" {
        "free some space there, or set TMPDIR to a folder with more, and run the command again"
    } else {
        "free some space there (`cargo bulkhead clean` removes what was built for running, `cargo \
         clean` everything), or use a checkout on a larger disk, and run the command again"
    }
}

/// If an error tells of a full disk: what is free where, and what is needed, as
/// lines to show below it. The place that is short comes first.
pub fn explanation(error: &str) -> Vec<String> {
    if !tells_of_no_room(error) {
        return Vec::new();
    }
    let Ok(workspace) = Workspace::find() else { return Vec::new() };
    let mut rows: Vec<(u64, Vec<ui::Cell>)> = Vec::new();
    for Demand { what, place, more, whose } in BUILD.demands(&workspace) {
        let Ok(room) = Room::at(&place) else { continue };
        let verdict = judge(&room, more);
        let style = match verdict {
            Verdict::Enough => Style::new(),
            Verdict::Scarce => CAUTION,
            Verdict::TooLittle => BAD,
        };
        let free = match room.out_of_files {
            true => "no more files".to_owned(),
            false => format!("{} free", size(room.free)),
        };
        let needs = match more {
            0 => format!("{whose} is there"),
            more => format!("{whose} needs about {} more", size(more)),
        };
        let row = vec![
            cell(format!("  {what}"), HEADING),
            cell(place.display().to_string(), NAME),
            cell(format!("{free:>14}"), style),
            cell(needs, Style::new()),
        ];
        rows.push((room.free, row));
    }
    rows.sort_by_key(|(free, _)| *free);
    let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    let mut lines = vec![format!("{BAD}a disk was full{BAD:#}; now, after tidying up:")];
    lines.extend(ui::table(&rows));
    lines
}

/// As makers of disks and `df -H` count.
fn size(bytes: u64) -> String {
    match bytes {
        0..MB => format!("{} kB", bytes / 1000),
        MB..10_000_000_000 => format!("{} MB", bytes / MB),
        _ => format!("{} GB", bytes / (1000 * MB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(free: u64) -> Room {
        Room { place: "/x".into(), free, out_of_files: false, file_system: 1 }
    }

    #[test]
    fn what_is_missing_decides_and_not_what_the_whole_takes() {
        assert_eq!(judge(&room(10 * MB), 0), Verdict::Enough, "everything is there");
        assert_eq!(judge(&room(0), 0), Verdict::Enough, "nothing is written");
        assert_eq!(judge(&room(2 * MB), MB), Verdict::Enough);
        assert_eq!(judge(&room(100 * MB), 700 * MB), Verdict::Scarce);
        assert_eq!(judge(&room(MB), 700 * MB), Verdict::TooLittle);
        let full = Room { out_of_files: true, ..room(u64::MAX) };
        assert_eq!(judge(&full, 0), Verdict::TooLittle, "bytes are not all that is needed");
    }

    #[test]
    fn only_an_error_for_lack_of_room_is_explained() {
        assert!(explanation("cannot write x: Permission denied (os error 13)").is_empty());
        let lines = explanation("cannot write x\n No space left on device (os error 28)");
        assert!(lines.len() == 3 && lines[0].contains("a disk was full"), "{lines:?}");
        assert!(lines.iter().any(|l| l.contains("TMPDIR")), "{lines:?}");
        assert!(lines.iter().any(|l| l.contains("target")), "{lines:?}");
    }

    #[test]
    fn sizes_are_read_at_a_glance() {
        assert_eq!(size(12_345), "12 kB");
        assert_eq!(size(700 * MB), "700 MB");
        assert_eq!(size(77_000 * MB), "77 GB");
    }
}
