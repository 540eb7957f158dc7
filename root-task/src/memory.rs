//! Memory regions as frames, and their mappings.

use heapless::Vec;
use sel4::{
    Word,
    cap::{Frame, MemoryType, ObjectType, Rights},
};
use sel4_root_task::{AddressSpace, AllocError, MapError, Objects, Root, Slots, init_caps};
use system_spec::{PAGE_SIZE, PageSize, Payload, Region, RegionIndex};

use crate::{construct::BuildError, image::Image, window};

/// Memory regions of one system, at most.
pub const REGIONS_MAX: usize = 256;

/// Frames in a row: first those of a payload in the boot image, then others.
#[derive(Clone, Copy, Debug)]
pub struct Frames {
    payload: Option<Payload>,
    from_image: Word,
    first: Word,
    count: Word,
    /// Size of each.
    pub size: PageSize,
}

impl Frames {
    /// `size` bytes of small frames whose first pages are the payload's.
    ///
    /// # Errors
    /// No memory.
    pub fn small(
        objects: &mut Objects,
        payload: Option<Payload>,
        size: Word,
    ) -> Result<Self, AllocError> {
        let count = size / PAGE_SIZE;
        let from_image = payload.map_or(0, |p| p.length.div_ceil(PAGE_SIZE)).min(count);
        let rest = count - from_image;
        let first = if rest > 0 { objects.many(ObjectType::SmallFrame, rest)? } else { 0 };
        Ok(Frames { payload, from_image, first, count, size: PageSize::Small })
    }

    /// The `n`th.
    pub fn get(&self, image: &Image, n: Word) -> Frame {
        match self.payload {
            Some(payload) if n < self.from_image => image.payload_frame(payload, n),
            _ => Frame::from_address(self.first + n - self.from_image),
        }
    }

    /// The `n`th, for frames none of which is the boot image's.
    pub fn get_own(&self, n: Word) -> Option<Frame> {
        (self.from_image == 0 && n < self.count).then(|| Frame::from_address(self.first + n))
    }

    /// Maps all of them from `address` on. Each mapping needs a capability of
    /// its own, so this makes copies.
    ///
    /// # Errors
    /// No slots, no memory for paging structures, or something is mapped there.
    pub fn map<R: Root>(
        &self,
        objects: &mut Objects,
        image: &Image,
        space: &mut AddressSpace<R>,
        address: Word,
        rights: Rights,
        memory: MemoryType,
    ) -> Result<(), MapError> {
        let first = objects.slots(self.count)?;
        for n in 0..self.count {
            let slot = first + n;
            let at = address + n * self.size.bytes();
            copy_frame(self.get(image, n), slot).map_err(|e| MapError::Kernel(at, e))?;
            let frame = Frame::from_address(slot);
            space.map(objects, frame, self.size.bits(), at, rights, memory)?;
        }
        Ok(())
    }
}

/// Copies a frame's capability into an empty slot of this task's space.
///
/// # Errors
/// The slot is taken.
pub fn copy_frame(frame: Frame, slot: Word) -> sel4::Result {
    init_caps::CNODE.copy(
        Slots::slot(slot),
        init_caps::CNODE,
        Slots::slot(frame.address()),
        Rights::ALL,
    )
}

/// What a mapping of the description permits, in the kernel's terms.
pub fn rights(rights: system_spec::Rights) -> Rights {
    Rights { read: rights.read, write: rights.write, grant: false }
}

/// How a mapping is cached.
pub fn memory_type(cached: bool) -> MemoryType {
    if cached { MemoryType::WriteBack } else { MemoryType::Uncacheable }
}

/// The frames of every region, by index.
#[derive(Debug)]
pub struct Regions(Vec<Frames, REGIONS_MAX>);

impl Regions {
    /// Of one region; `Spec::parse` proved that it exists.
    pub fn get(&self, index: RegionIndex) -> &Frames {
        &self.0[usize::from(index.0)]
    }
}

/// Makes the frames of every region: those at fixed physical addresses first
/// and in ascending order, because untyped memory is handed out that way.
///
/// # Errors
/// No memory, or a physical range that is not free.
pub fn regions(objects: &mut Objects, image: &Image) -> Result<Regions, BuildError> {
    let spec = &image.spec;
    let mut fixed: Vec<(Word, Word), REGIONS_MAX> = Vec::new();
    let mut below = None;
    while let Some(region) = spec
        .regions()
        .filter(|r| r.phys_addr.is_some_and(|p| below.is_none_or(|b| p > b)))
        .min_by_key(|r| r.phys_addr)
    {
        let paddr = region.phys_addr.unwrap_or_default();
        let kind = object(region.page_size);
        let first = objects
            .frames_at(kind, paddr, region.size / region.page_size.bytes())
            .map_err(|e| BuildError::Object(region.name, e))?;
        fixed.push((paddr, first)).map_err(|_| BuildError::TooManyRegions)?;
        below = Some(paddr);
    }
    let mut all = Vec::new();
    for region in spec.regions() {
        let failed = |e| BuildError::Object(region.name, e);
        let count = region.size / region.page_size.bytes();
        let at = |paddr| fixed.iter().find(|(p, _)| *p == paddr).map(|(_, first)| *first);
        let frames = match (region.phys_addr.and_then(at), region.page_size) {
            (Some(first), size) => {
                let frames = Frames { payload: None, from_image: 0, first, count, size };
                fill(objects, image, &frames, &region)?;
                frames
            }
            (None, PageSize::Small) => {
                Frames::small(objects, region.prefill, region.size).map_err(failed)?
            }
            (None, size @ PageSize::Large) => {
                let first = objects.many(object(size), count).map_err(failed)?;
                let frames = Frames { payload: None, from_image: 0, first, count, size };
                fill(objects, image, &frames, &region)?;
                frames
            }
        };
        all.push(frames).map_err(|_| BuildError::TooManyRegions)?;
    }
    Ok(Regions(all))
}

fn object(size: PageSize) -> ObjectType {
    match size {
        PageSize::Small => ObjectType::SmallFrame,
        PageSize::Large => ObjectType::LargeFrame,
    }
}

/// Copies a region's prefill into frames that are not the boot image's own.
fn fill(
    objects: &mut Objects,
    image: &Image,
    frames: &Frames,
    region: &Region<'static>,
) -> Result<(), BuildError> {
    let Some(payload) = region.prefill else { return Ok(()) };
    let size = frames.size.bytes();
    for n in 0..payload.length.div_ceil(size) {
        let done = n * size;
        let length = (payload.length - done).min(size);
        let from = image.payload_address(payload).wrapping_add(done as usize);
        window::with(objects, frames.get(image, n), frames.size, |page| {
            // SAFETY: the payload lies in this program's mapped image
            // (`Image::find`, `Spec::parse`), the window maps `size` writable
            // bytes of another frame, and `length` is within both.
            unsafe { core::ptr::copy_nonoverlapping(from, page, length as usize) }
        })
        .map_err(|e| BuildError::Map(region.name, e))?;
    }
    Ok(())
}
