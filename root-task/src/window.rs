//! A window of this task's address space through which it sees one frame of
//! somebody else's memory at a time.

use sel4::{
    Word,
    cap::{Frame, MemoryType, Rights},
};
use sel4_root_task::{MapError, Objects, PdSpace, Slots, init_caps};
use system_spec::PageSize;

use crate::memory::copy_frame;

/// Where small frames are seen: the kernel puts an initial task's image, IPC
/// buffer and boot information into the first 512 GiB; this is the second.
const SMALL: Word = 1 << 39;
/// Where large frames are seen; apart, because a page table serves the other.
const LARGE: Word = SMALL + (1 << 30);

/// Maps `frame`, calls `see` with its address, and unmaps it.
///
/// # Errors
/// No slot, or no memory for paging structures.
pub fn with<T>(
    objects: &mut Objects,
    frame: Frame,
    size: PageSize,
    see: impl FnOnce(*mut u8) -> T,
) -> Result<T, MapError> {
    let at = match size {
        PageSize::Small => SMALL,
        PageSize::Large => LARGE,
    };
    let refused = |e| MapError::Kernel(at, e);
    let slot = objects.slots(1)?;
    copy_frame(frame, slot).map_err(refused)?;
    let copy = Frame::from_address(slot);
    let rights = Rights { read: true, write: true, grant: false };
    // SAFETY: nothing else is mapped in the second 512 GiB, and nothing refers
    // to it outside this call.
    let mapped = unsafe { copy.map(init_caps::VSPACE, at, rights, MemoryType::WriteBack) };
    match mapped {
        Ok(()) => {}
        Err(sel4::Error::FailedLookup) => {
            // The first use: the structures are missing.
            // SAFETY: as above.
            let mut own = unsafe { PdSpace::own() };
            own.map(objects, copy, size.bits(), at, rights, MemoryType::WriteBack)?;
        }
        Err(e) => return Err(refused(e)),
    }
    let seen = see(at as *mut u8);
    // Deleting the copy takes its mapping away and frees the slot's content;
    // slots themselves are not reused.
    init_caps::CNODE.delete(Slots::slot(slot)).map_err(refused)?;
    Ok(seen)
}
