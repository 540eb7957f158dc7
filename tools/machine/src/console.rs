//! A pseudo-terminal that carries one of the machine's serial ports.
//!
//! Bochs opens the far end without blocking and drops what does not fit. The
//! supervisor therefore reads whatever arrives at once; the host kernel's
//! buffer of 64 KiB covers five seconds of a 115,200 baud line.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    path::PathBuf,
};

use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{OptionalActions, tcgetattr, tcsetattr},
};

/// Both ends of the pseudo-terminal.
pub(crate) struct Console {
    /// Our end; reads and writes do not block.
    pub near: OwnedFd,
    /// Bochs's end. Kept open here, because our end reports a hang-up
    /// whenever nobody has the far end open, and that is so until Bochs is up.
    _far: OwnedFd,
    /// What Bochs opens.
    pub path: PathBuf,
}

impl Console {
    /// A new pseudo-terminal that changes no byte on its way.
    pub fn open() -> io::Result<Self> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let name = ptsname(&near, Vec::new())?;
        let far = rustix::fs::open(
            &name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let mut attributes = tcgetattr(&far)?;
        attributes.make_raw();
        tcsetattr(&far, OptionalActions::Now, &attributes)?;
        rustix::io::ioctl_fionbio(&near, true)?;
        let path = PathBuf::from(OsString::from_vec(name.into_bytes()));
        Ok(Console { near, _far: far, path })
    }
}
