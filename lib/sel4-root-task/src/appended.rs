//! What the tools appended to the boot image: a text for the initial task (its
//! system description, say) and the payload's pages.

use core::cell::UnsafeCell;

use sel4::{Word, abi::current::numbers::size_bits, cap::Frame};

use crate::BootInfo;

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

/// Both parts, which lie in the pages that the kernel mapped for this image.
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    /// What is meant for the initial task; not empty.
    pub spec: &'static [u8],
    /// Where the payload begins.
    pub payload: Word,
    /// Its size in bytes.
    pub payload_size: Word,
    frames: Word,
    first_frame: Word,
    start: Word,
}

impl Appended {
    /// Finds both; `None` if the tools did not put them there, or the kernel
    /// did not map them.
    pub fn find(boot: &BootInfo) -> Option<Self> {
        let frames = boot.user_image_frames();
        let start = &raw const __image_start as Word;
        let mapped = start..start + (frames.len() << size_bits::PAGE);
        let inside = |at: Word, size: Word| {
            at >= mapped.start && at.checked_add(size).is_some_and(|end| end <= mapped.end)
        };
        let (spec, spec_size) = (bulkhead_spec_vaddr.get(), bulkhead_spec_size.get());
        let (payload, payload_size) = (bulkhead_payload_vaddr.get(), bulkhead_payload_size.get());
        if spec_size == 0 || !inside(spec, spec_size) || !inside(payload, payload_size) {
            return None;
        }
        // SAFETY: the range was checked to lie in the pages that the kernel
        // mapped for this image; the linker put nothing there (the tools
        // appended it after the last segment) and nothing writes it.
        let spec = unsafe { core::slice::from_raw_parts(spec as *const u8, spec_size as usize) };
        Some(Appended {
            spec,
            payload,
            payload_size,
            frames: frames.len(),
            first_frame: frames.start,
            start,
        })
    }

    /// The frame that holds the page at an address of the image.
    ///
    /// # Panics
    /// The address is outside the image.
    pub fn frame(&self, address: Word) -> Frame {
        let index = (address - self.start) >> size_bits::PAGE;
        assert!(index < self.frames, "an address beyond the boot image");
        Frame::from_address(self.first_frame + index)
    }
}
