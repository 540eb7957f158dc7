//! Systems of ours on the machine under test.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use bulkhead_build::{
    Built, GuestOverrides, Overrides, Platform, Profile, Request, Workspace, build_system,
};
use bulkhead_disk::Layout;
use bulkhead_guest::LinuxImages;
use bulkhead_machine::{Config, DeviceKind, GuestEvent, Network, Outcome, Runner, Status};
use bulkhead_progress::Silent;
use tempfile::{NamedTempFile, TempPath};

use crate::Session;

/// A system to be tested.
pub struct System {
    description: PathBuf,
    platform: Platform,
    overrides: Overrides,
    disk: Option<PathBuf>,
    files: Option<PathBuf>,
    runner: Runner,
}

impl Default for System {
    fn default() -> Self {
        Self::new("system.xml")
    }
}

impl System {
    /// A system by its description's name, from the top of the checkout.
    pub fn new(description: &str) -> Self {
        System {
            description: workspace().root.join(description),
            platform: Platform::default(),
            overrides: Overrides::default(),
            disk: None,
            files: None,
            runner: Runner::default(),
        }
    }

    /// With this disk, not a new one.
    #[must_use]
    pub fn with_disk(mut self, disk: &Path) -> Self {
        self.disk = Some(disk.into());
        self
    }

    /// On the machine that this one provides.
    #[must_use]
    pub fn in_machine(mut self, runner: Runner) -> Self {
        self.runner = runner;
        self
    }

    /// With a network that gives out the files of a folder.
    #[must_use]
    pub fn with_files(mut self, folder: &Path) -> Self {
        self.files = Some(folder.into());
        self
    }

    /// With the kernel's assertions and output.
    #[must_use]
    pub fn debug(mut self) -> Self {
        self.platform = Profile::Debug.into();
        self
    }

    /// On another board.
    #[must_use]
    pub fn on(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// With something changed for every guest.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut GuestOverrides)) -> Self {
        change(&mut self.overrides.all);
        self
    }

    /// With something changed for one guest.
    #[must_use]
    pub fn with_guest(mut self, guest: &str, change: impl FnOnce(&mut GuestOverrides)) -> Self {
        change(self.overrides.guests.entry(guest.into()).or_default());
        self
    }

    /// With programs for tests in every guest: `intruder`, and Debian's of the recipe.
    #[must_use]
    pub fn with_test_programs(self) -> Self {
        let initramfs = images(bulkhead_guest::test_linux).initramfs;
        self.with(|guest| guest.initrd = Some(initramfs))
    }

    /// Builds and boots it. `name` names its folder of logs.
    pub fn start(mut self, name: &str) -> Session {
        let (disk, files) = (self.disk.take(), self.files.take());
        let runner = self.runner;
        let built = self.build().unwrap_or_else(|report| panic!("{name}: {report}"));
        let mut config = Config::new(built.image, "");
        config.memory = built.memory;
        config.monitor = built.monitor;
        config.runner = runner;
        config.processors = built.processors;
        let wanted = built.hardware.disk;
        config.disk_kind = wanted.as_ref().map_or_else(DeviceKind::default, |wanted| wanted.kind);
        let fresh = wanted.filter(|_| disk.is_none()).map(|wanted| fresh_disk(&wanted.partitions));
        config.disk = disk.or_else(|| fresh.as_ref().map(|fresh| fresh.to_path_buf()));
        let card = built.hardware.network;
        config.network = card.map(|kind| Network { kind, files, ..Network::default() });
        config.ne2000 = built.hardware.ne2000.then(Network::second);
        config.fourth_serial = built.hardware.fourth_serial;
        let guests = built.guests.into_iter().map(|guest| guest.name).collect();
        Session::start(name, config).holding((built.lease, fresh)).with_guests(guests)
    }

    /// Builds it only.
    ///
    /// # Errors
    /// As the user sees them.
    pub fn build(self) -> Result<Built, String> {
        let workspace = workspace();
        build_system(Request {
            workspace: &workspace,
            description: Some(&self.description),
            platform: self.platform,
            overrides: self.overrides,
            bill: false,
            progress: &Silent,
        })
        .map_err(|report| format!("{report:?}"))
    }
}

/// A disk as a user's first run makes it, but small; it goes when it is dropped.
///
/// # Panics
/// It cannot be made.
pub fn fresh_disk(partitions: &[String]) -> TempPath {
    let path = NamedTempFile::new().expect("there is room for a file").into_temp_path();
    let layout = Layout { partitions: partitions.into(), size: 16 << 20 };
    bulkhead_disk::create(&path, &layout).unwrap_or_else(|error| panic!("{error}"));
    path
}

/// The images of our own tiny guests, by name.
pub fn unit_guests() -> Vec<(String, PathBuf)> {
    images(bulkhead_guest::unit_guests)
}

/// The images of those that attack, and of the one that is to keep time
/// meanwhile.
pub fn hostile_guests() -> Vec<(String, PathBuf)> {
    images(bulkhead_guest::hostile_guests)
}

/// A guest's kernel and initial RAM disk that have drivers for real devices.
pub fn hardware_linux() -> LinuxImages {
    images(bulkhead_guest::hardware_linux)
}

fn images<T>(
    build: impl FnOnce(&bulkhead_guest::Request<'_>) -> Result<T, bulkhead_guest::GuestError>,
) -> T {
    let workspace = workspace();
    let _lock = workspace.lock(&Silent).expect("the build folder can be locked");
    let (workspace, out) = (&workspace.root, &workspace.out);
    build(&bulkhead_guest::Request { workspace, out, progress: &Silent })
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The image of one of them.
pub fn unit_guest(name: &str) -> PathBuf {
    let found = unit_guests().into_iter().find(|(its, _)| its == name);
    found.unwrap_or_else(|| panic!("there is no unit guest {name}")).1
}

fn workspace() -> Workspace {
    Workspace::find().expect("tests run in the checkout")
}

impl Session {
    /// Waits until every protection domain is started, or, where nobody says so,
    /// every guest is.
    pub fn expect_ready(&mut self, limit: Duration) {
        let mut waiting: BTreeSet<String> = self.guests().iter().cloned().collect();
        let ready = |status: &Status| {
            if let Status::Guest { guest, event: GuestEvent::Started } = status {
                waiting.remove(guest);
            }
            *status == Status::Ready || waiting.is_empty()
        };
        self.expect_status("of a ready system", ready, limit);
    }

    /// Waits for a guest's end.
    pub fn expect_stop(&mut self, guest: &str, limit: Duration) -> (Outcome, String) {
        let what = format!("of the end of guest {guest}");
        let stopped = |status: &Status| match status {
            Status::Guest { guest: its, event: GuestEvent::Stopped { outcome, reason } }
                if its == guest =>
            {
                Some((*outcome, reason.clone()))
            }
            _ => None,
        };
        let status = self.expect_status(&what, |status| stopped(status).is_some(), limit);
        stopped(&status).expect("it was just accepted")
    }

    /// Waits for the guest's restart of this number.
    pub fn expect_restart(&mut self, guest: &str, number: u32, limit: Duration) {
        let restarted = |status: &Status| match status {
            Status::Guest { guest: its, event: GuestEvent::Restarted { count, .. } } => {
                its == guest && *count == number
            }
            _ => false,
        };
        self.expect_status(&format!("of restart {number} of guest {guest}"), restarted, limit);
    }

    /// What a guest's VMM reported, line by line.
    pub fn report(&self, guest: &str) -> Vec<&str> {
        let lines = self.statuses().iter().filter_map(|status| match status {
            Status::Guest { guest: its, event: GuestEvent::Report(text) } if its == guest => {
                Some(text.as_str())
            }
            _ => None,
        });
        lines.collect()
    }
}

/// The folder of a description, for tests that look at what is there.
pub fn checkout(path: &str) -> PathBuf {
    Path::new(&workspace().root).join(path)
}
