//! The part of the boot image that the tools appended: the compiled
//! description and the payload pages, and which frame holds which page.

use core::{cell::UnsafeCell, fmt};

use sel4::{Word, cap::Frame};
use sel4_root_task::BootInfo;
use system_spec::{PAGE_SIZE, Payload, Spec, SpecError};

/// A word that the tools set in the image.
#[repr(transparent)]
struct Patched(UnsafeCell<u64>);

// SAFETY: never written while the program runs.
unsafe impl Sync for Patched {}

impl Patched {
    fn get(&self) -> u64 {
        // SAFETY: initialised as a static, never written while the program
        // runs; volatile, so that the compiler does not take zero for it.
        unsafe { self.0.get().read_volatile() }
    }
}

macro_rules! patched {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".data")]
        #[allow(non_upper_case_globals, reason = "the tools look for this name")]
        static $name: Patched = Patched(UnsafeCell::new(0));
    )*};
}
patched!(bulkhead_spec_vaddr, bulkhead_spec_size, bulkhead_payload_vaddr, bulkhead_payload_size);

unsafe extern "C" {
    /// First byte of this program (linker script).
    static __image_start: u8;
}

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
    payload_vaddr: Word,
    first_frame: Word,
    frames: Word,
    start: Word,
}

impl Image {
    /// Finds both in this program's image.
    ///
    /// # Errors
    /// The tools did not put them there, or the kernel did not map them.
    pub fn find(boot: &BootInfo) -> Result<Self, ImageError> {
        let frames = boot.user_image_frames();
        let start = &raw const __image_start as Word;
        let mapped = start..start + frames.len() * PAGE_SIZE;
        let inside = |at: Word, size: Word| {
            at >= mapped.start && at.checked_add(size).is_some_and(|end| end <= mapped.end)
        };
        let (spec_at, spec_size) = (bulkhead_spec_vaddr.get(), bulkhead_spec_size.get());
        let (payload_at, payload_size) =
            (bulkhead_payload_vaddr.get(), bulkhead_payload_size.get());
        if spec_size == 0 || !inside(spec_at, spec_size) || !inside(payload_at, payload_size) {
            return Err(ImageError::Missing);
        }
        // SAFETY: the range was checked to lie in the pages that the kernel
        // mapped for this image; the linker put nothing there (the tools
        // appended it after the last segment) and nothing writes it.
        let stream =
            unsafe { core::slice::from_raw_parts(spec_at as *const u8, spec_size as usize) };
        Ok(Image {
            spec: Spec::parse(stream, payload_size).map_err(ImageError::Spec)?,
            payload_vaddr: payload_at,
            first_frame: frames.start,
            frames: frames.len(),
            start,
        })
    }

    /// The frame that holds page `n` of a payload. `Spec::parse` proved that
    /// payloads lie inside the area, and `find` that the area is mapped.
    pub fn payload_frame(&self, payload: Payload, n: Word) -> Frame {
        let vaddr = self.payload_vaddr + payload.offset + n * PAGE_SIZE;
        let index = (vaddr - self.start) / PAGE_SIZE;
        assert!(index < self.frames, "payload beyond the boot image");
        Frame::from_address(self.first_frame + index)
    }

    /// Where this program sees a payload.
    pub fn payload_address(&self, payload: Payload) -> *const u8 {
        (self.payload_vaddr + payload.offset) as *const u8
    }
}
