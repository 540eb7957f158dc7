//! Namespaces of the kernel's, in which a test may hide, exchange and fill what
//! is the machine's; and what this user may have of them.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::LazyLock,
};

use bulkhead_host::Room;
use rustix::fs::FallocateFlags;

use crate::checkout::Checkout;

/// What a test cannot do without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Nothing,
    /// Mounts of its own.
    Mounts,
    /// Those, and to be root outside as well: to enter a namespace that another
    /// process holds, to become another user, to let apt install.
    Root,
}

impl Need {
    /// Whether it is there; if not, says so.
    pub fn is_met(self, test: &str) -> bool {
        let root = rustix::process::geteuid().is_root();
        let lacks = match self {
            Need::Nothing => None,
            Need::Mounts if namespace().is_some() => None,
            Need::Root if root && namespace().is_some() => None,
            Need::Mounts => Some("this user may not mount"),
            Need::Root => Some("this user is not root, or root may not mount"),
        };
        if let Some(why) = lacks {
            eprintln!("ignored: {test}: {why}");
        }
        lacks.is_none()
    }
}

/// The words that give a command a mount namespace of its own, if this user may
/// have one.
pub fn namespace() -> Option<&'static [&'static str]> {
    static FOUND: LazyLock<Option<&'static [&'static str]>> = LazyLock::new(|| {
        const WAYS: [&[&str]; 2] =
            [&["unshare", "--mount"], &["unshare", "--map-root-user", "--mount"]];
        WAYS.into_iter().find(|way| {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
            command.output().is_ok_and(|output| output.status.success())
        })
    });
    *FOUND
}

/// A mount namespace in which a checkout's `target` is a small file system, with
/// what is built in it. It is there for those that enter it only.
pub struct Tight {
    keeper: Child,
    target: PathBuf,
    ballast: RefCell<Option<PathBuf>>,
}

/// Keeps the namespace until it is killed. `$1` is `target`.
const KEEPER: &str = "set -e
mkdir \"$1\".below
mount --bind \"$1\" \"$1\".below
mount -t tmpfs -o size=1500m none \"$1\"
cp -a \"$1\".below/. \"$1\"
echo ready
exec sleep 100000";

impl Tight {
    pub fn new(checkout: &Checkout) -> Self {
        let target = checkout.root().join("target");
        // It goes with the test, however that ends.
        let mut keeper = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "sh", "-c", KEEPER, "sh"])
            .arg(&target)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv starts");
        let mut ready = String::new();
        let output = keeper.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut ready).expect("it talks");
        assert_eq!(ready, "ready\n", "there is no small file system");
        Tight { keeper, target, ballast: RefCell::default() }
    }

    /// The words by which a command enters it, and a folder.
    pub fn enter(&self, folder: &Path) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            ["nsenter", "--mount", "--target"].map(OsString::from).to_vec();
        words.push(self.keeper.id().to_string().into());
        words.extend(["sh", "-c", "cd \"$0\"; exec \"$@\""].map(OsString::from));
        words.push(folder.into());
        words
    }

    /// A place in it, as it is reached from outside.
    pub fn see(&self, place: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        Path::new(&root).join(place.strip_prefix("/").expect("an absolute path"))
    }

    /// Leaves so many KiB free, by a file in this folder of `target`: where builds
    /// put theirs, it counts as theirs, and more room does not seem to be needed.
    pub fn fill(&self, folder: &str, leave: u64) {
        let target = self.see(&self.target);
        let free = || Room::at(&target).expect("it can be asked").free;
        let path = target.join(folder).join("ballast");
        let file = File::create(&path).expect("a file");
        let length = free().saturating_sub(leave << 10);
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, length).expect("it has room");
        let left = free() >> 10;
        assert!(left.abs_diff(leave) <= 8, "{left} KiB are left and not {leave}");
        self.ballast.replace(Some(path));
    }

    /// Gives the room back.
    pub fn relieve(&self) {
        fs::remove_file(self.ballast.take().expect("it was filled")).expect("it is there");
    }
}

impl Drop for Tight {
    fn drop(&mut self) {
        // It may have been killed with the test.
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
