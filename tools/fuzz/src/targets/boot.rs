//! Kernel images: the loaders in the VMM, and the unpacker on the host.

use arbitrary::Unstructured;
use bulkhead_guest::bzimage::{self, Kernel};
use vmm_core::{
    boot::{BootError, CopyError, Images, OutOfBounds, Source, Start, load},
    cpu::testing::FakeCpu,
    layout::{RamSize, Span, kernel_room, numbers as n},
    memory::{GuestMemory, NotRam},
    types::Gpa,
};

use super::input::take;
use crate::Target;

pub(super) const TARGET: Target = Target {
    runs: 100_000,
    longest: 6000,
    words: &[
        b"\x7fELF\x02\x01\x01",
        b"\x7fELF\x01\x01\x01",
        b"HdrS",
        b"\x55\xaa",
        b"Xen\0",
        &[18, 0, 0, 0],
        &[4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0],
        &[0, 0, 0x10, 0],
        &[0x0f, 2],
    ],
    ..Target::new("boot", "an image is loaded within RAM, or its fault is named", check)
};

pub(super) const UNPACK: Target = Target {
    runs: 100_000,
    longest: 6000,
    words: &[
        b"HdrS",
        b"\x02\x21\x4c\x18",
        b"\x7fELF",
        b"\x1f\x8b",
        &[0x0f, 2],
        &[0xff, 0xff, 0xff, 0xff],
    ],
    ..Target::new("bzimage", "a bzImage is unpacked as it says, or refused", check_unpack)
};

/// RAM of the guest.
const RAM: u64 = 20 * n::MIB;

/// Memory that takes every write within RAM, keeps none, and refuses to be
/// reached outside.
struct Bounds;

impl Bounds {
    fn check(gpa: Gpa, length: u64) {
        let end = gpa.0.checked_add(length);
        assert!(end.is_some_and(|end| end <= RAM), "{length} bytes at {gpa:?} are not RAM");
    }
}

impl GuestMemory for Bounds {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        Bounds::check(gpa, into.len() as u64);
        into.fill(0);
        Ok(())
    }
    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        Bounds::check(gpa, from.len() as u64);
        Ok(())
    }
    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        Bounds::check(gpa, length);
        Ok(())
    }
    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < RAM
    }
}

/// An initial RAM disk of so many bytes.
struct Zeros(u64);

impl Source<Bounds> for Zeros {
    fn length(&self) -> u64 {
        self.0
    }
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let end = offset.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.0) {
            return Err(OutOfBounds);
        }
        into.fill(0);
        Ok(())
    }
    fn copy_into(
        &self,
        offset: u64,
        _: &mut Bounds,
        gpa: Gpa,
        length: u64,
    ) -> Result<(), CopyError> {
        Bounds::check(gpa, length);
        let end = offset.checked_add(length);
        if end.is_some_and(|end| end <= self.0) {
            Ok(())
        } else {
            Err(CopyError::Source(OutOfBounds))
        }
    }
}

fn check(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let (initrd, line): (u8, u8) = take(&mut bytes);
    let kernel = bytes.take_rest();
    let initrd = match initrd {
        0..0x80 => None,
        // Up to more than there is room for.
        n => Some(Zeros(u64::from(n & 0x7f) << 18)),
    };
    let line = "x".repeat(usize::from(line) * 17);
    let images: Images<'_, [u8], Zeros> =
        Images { kernel, initrd: initrd.as_ref(), command_line: &line };
    let ram = RamSize::new(RAM).expect("whole pages");
    match load(&mut Bounds, ram, &images) {
        Ok(start) => started(&start, ram),
        Err(BootError::Memory(not_ram)) => panic!("RAM is what it was said to be: {not_ram}"),
        Err(error) => {
            let text = error.to_string();
            assert!(text.is_ascii() && text.len() > 20, "{text}");
        }
    }
}

fn started(start: &Start, ram: RamSize) {
    let entry = start.entry.rip.0;
    assert!(kernel_room(ram).contains(start.kernel), "{start}");
    assert!(start.kernel.contains(Span::new(entry, entry + 1)), "{start}");
    if let Some(initrd) = start.initrd {
        assert!(!initrd.overlaps(start.kernel) && initrd.end <= RAM, "{start}");
    }
    let mut cpu = FakeCpu::real_mode();
    start.apply(&mut cpu);
    assert_eq!(cpu.rip, entry);
}

fn check_unpack(bytes: &[u8]) {
    match bzimage::unpack(bytes) {
        Ok(Kernel::Unpacked(kernel)) => {
            // A block unpacks to 255 times its size at most (LZ4 Block Format,
            // "length" bytes).
            assert!(kernel.len() <= 256 * bytes.len(), "{} bytes out of nothing", kernel.len());
        }
        Ok(Kernel::Xz(stream)) => assert!(stream.starts_with(b"\xfd7z")),
        Ok(Kernel::Other(what)) => assert!(!what.is_empty()),
        Err(why) => assert!(why.len() > 10, "{why}"),
    }
}
