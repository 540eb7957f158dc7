//! The part of the boot image that the tools appended, as the compiled
//! description and the payloads in it.

use core::fmt;

use sel4::{Word, cap::Frame};
use sel4_root_task::{Appended, BootInfo};
use system_spec::{PAGE_SIZE, Payload, Spec, SpecError};

/// Why the boot image is not usable.
#[derive(Clone, Copy, Debug)]
pub enum ImageError {
    /// The tools did not append a description, or the kernel did not map it.
    Missing,
    /// The description does not decode.
    Spec(SpecError),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Missing => {
                f.write_str("the boot image holds no system description; rebuild it")
            }
            ImageError::Spec(e) => write!(f, "system description: {e}"),
        }
    }
}

/// The description and the payload.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// What to build.
    pub spec: Spec<'static>,
    appended: Appended,
}

impl Image {
    /// Finds both in this program's image.
    ///
    /// # Errors
    /// The tools did not put them there, or the kernel did not map them.
    pub fn find(boot: &BootInfo) -> Result<Self, ImageError> {
        let appended = Appended::find(boot).ok_or(ImageError::Missing)?;
        let spec = Spec::parse(appended.spec, appended.payload_size).map_err(ImageError::Spec)?;
        Ok(Image { spec, appended })
    }

    /// The frame that holds page `n` of a payload. `Spec::parse` proved that
    /// payloads lie inside the area, and `find` that the area is mapped.
    pub fn payload_frame(&self, payload: Payload, n: Word) -> Frame {
        self.appended.frame(self.appended.payload + payload.offset + n * PAGE_SIZE)
    }

    /// Where this program sees a payload.
    pub fn payload_address(&self, payload: Payload) -> *const u8 {
        (self.appended.payload + payload.offset) as *const u8
    }
}
