//! The same inputs give the same image, bit for bit: the default system, built
//! here and once more where and by whom as much as possible is different.
//!
//! Different: the checkout's path (longer, with a space and a link in it) and
//! its files' dates, cargo's home and target folder, home folder, user's name,
//! umask, time zone, language, `SOURCE_DATE_EPOCH`, and the hour. The same: the
//! toolchain, Debian's packages, and the machine.
//!
//! What surprises: the second build is another process of this program, because
//! what differs belongs to a process.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use bulkhead_build::{Built, Overrides, Profile, Request, Workspace, build_system};
use bulkhead_progress::Silent;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set in the second process; its value is the checkout to build.
const ELSEWHERE: &str = "BULKHEAD_TEST_ELSEWHERE";

fn main() -> ExitCode {
    if let Some(checkout) = env::var_os(ELSEWHERE) {
        build(&Workspace {
            out: Path::new(&checkout).join("target/bulkhead"),
            root: checkout.into(),
        });
        return ExitCode::SUCCESS;
    }
    let trial = Trial::test("the_same_inputs_give_the_same_image", same_image);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn build(workspace: &Workspace) -> Built {
    build_system(Request {
        workspace,
        description: None,
        platform: Profile::Release.into(),
        overrides: Overrides::default(),
        bill: true,
        progress: &Silent,
    })
    .unwrap_or_else(|report| panic!("{report:?}"))
}

fn same_image() -> Result<(), Failed> {
    let here = Workspace::find()?;
    build(&here);
    let folder = tempfile::tempdir()?;
    let real = folder.path().join("a checkout in another place");
    copy(&here.root, &real)?;
    let link = folder.path().join("link");
    symlink(&real, &link)?;
    let there = Workspace { out: link.join("target/bulkhead"), root: link };
    // Fetched once: they are inputs.
    copy(&here.out.join("guest/packages"), &there.out.join("guest/packages"))?;
    let cargo_home = build_elsewhere(&there, folder.path())?;

    let files = files_of(&here, &there)?;
    let expected = [
        "system.iso",
        "system.spdx.json",
        "THIRD-PARTY-NOTICES.txt",
        "kernel.elf",
        "kernel32.elf",
        "vmm.elf",
        "linux.elf",
    ];
    for name in expected {
        if !files.iter().any(|file| file.ends_with(name)) {
            return Err(format!("{name} is not among what was built: {files:?}").into());
        }
    }
    let home = PathBuf::from(env::var_os("HOME").ok_or("no home folder")?);
    let places =
        [&here.root, folder.path(), &cargo_home, &home.join(".cargo"), &home.join(".rustup")];
    let mut wrong = Vec::new();
    for file in files {
        let ours = fs::read(here.out.join(&file))?;
        match fs::read(there.out.join(&file)) {
            Ok(theirs) => wrong.extend(difference(&file, &ours, &theirs)),
            Err(error) => wrong.push(format!("{} is not there: {error}", file.display())),
        }
        // The boot image has what the others have; Debian's kernel is not built.
        if !["system.iso", "linux.elf"].iter().any(|name| file.ends_with(name)) {
            wrong.extend(places.iter().filter_map(|place| names(&file, &ours, place)));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let kept = folder.keep();
    Err(format!("{}\nthe other checkout is kept: {}", wrong.join("\n"), kept.display()).into())
}

/// What a build leaves that is booted or debugged, from the build folder; of
/// programs, those that were built there too.
fn files_of(workspace: &Workspace, there: &Workspace) -> Result<Vec<PathBuf>, Failed> {
    let built = build(workspace);
    let folder = |path: &Path| path.parent().unwrap_or(path).to_owned();
    let mut files = vec![workspace.out.join("linux.elf"), workspace.out.join("initramfs.cpio")];
    for folder in [folder(&built.image), folder(&built.kernel)] {
        files.extend(fs::read_dir(folder)?.flatten().map(|entry| entry.path()));
    }
    // Here other tests may have built programs of their own. None of the
    // system's can be missing there, for the boot image has them all.
    let programs = bulkhead_build::freestanding_packages(workspace)?;
    let mine = |path: &PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('_', "-");
        let theirs = path.strip_prefix(&workspace.out).map(|path| there.out.join(path));
        path.extension() == Some(OsStr::new("elf"))
            && programs.contains(&name)
            && theirs.is_ok_and(|path| path.exists())
    };
    files.extend(fs::read_dir(built.domains)?.flatten().map(|entry| entry.path()).filter(mine));
    Ok(files
        .into_iter()
        .filter_map(|file| Some(file.strip_prefix(&workspace.out).ok()?.into()))
        .collect())
}

/// Builds in a process that shares nothing with this one but the machine;
/// returns its cargo home.
fn build_elsewhere(there: &Workspace, folder: &Path) -> Result<PathBuf, Failed> {
    let home = PathBuf::from(env::var_os("HOME").ok_or("no home folder")?);
    let set_or = |variable: &str, default: &str| {
        env::var_os(variable).map_or_else(|| home.join(default), PathBuf::from)
    };
    let cargo_home = folder.join("cargo home");
    fs::create_dir(&cargo_home)?;
    // What cargo has downloaded, and where it was told to download from.
    for name in ["registry", "config.toml"] {
        let real = set_or("CARGO_HOME", ".cargo").join(name);
        if real.exists() {
            symlink(real, cargo_home.join(name))?;
        }
    }
    let output = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\""])
        .arg(env::current_exe()?)
        .current_dir(folder)
        .env(ELSEWHERE, &there.root)
        .env("CARGO_MANIFEST_DIR", there.root.join("tools/system-tests"))
        .env("RUSTUP_HOME", set_or("RUSTUP_HOME", ".rustup"))
        .env("CARGO_HOME", &cargo_home)
        .env("CARGO_TARGET_DIR", folder.join("another target"))
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .env("USER", "somebody")
        .env("LOGNAME", "somebody")
        .env("TZ", "ELSEWHERE-14:45")
        .env("LC_ALL", "tr_TR.UTF-8")
        .env("LANG", "tr_TR.UTF-8")
        .env("SOURCE_DATE_EPOCH", "1")
        .env("RUSTFLAGS", "-Copt-level=0")
        .output()?;
    if output.status.success() {
        return Ok(cargo_home);
    }
    Err(format!("the second build failed:\n{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Copies files and folders, but neither what was built nor git's.
fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let to = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::write(&to, fs::read(entry.path())?)?;
        }
    }
    Ok(())
}

/// Where two builds' files differ.
fn difference(file: &Path, ours: &[u8], theirs: &[u8]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let at = ours.iter().zip(theirs).position(|(a, b)| a != b);
    let at = at.unwrap_or(ours.len().min(theirs.len()));
    let [ours, theirs] = [ours, theirs].map(|bytes| String::from_utf8_lossy(around(bytes, at)));
    Some(format!("{}, byte {at}: {ours:?} here, {theirs:?} there", file.display()))
}

/// Where a file names a place of this machine: both builds could name the same,
/// such as the cache of crates.
fn names(file: &Path, bytes: &[u8], place: &Path) -> Option<String> {
    let wanted = place.as_os_str().as_encoded_bytes();
    let at = bytes.windows(wanted.len()).position(|window| window == wanted)?;
    let text = String::from_utf8_lossy(around(bytes, at));
    Some(format!("{}, byte {at}, names a place of this machine's: {text:?}", file.display()))
}

/// Bytes before and after a place, for a message.
fn around(bytes: &[u8], at: usize) -> &[u8] {
    let from = at.saturating_sub(64).min(bytes.len());
    &bytes[from..at.saturating_add(64).min(bytes.len())]
}
