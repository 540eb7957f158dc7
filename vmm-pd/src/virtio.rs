//! The guest's virtio devices, as far as the system description maps their
//! regions: a device exists if all of its regions do.

use sddf::serial::{Consumer, Shared};
use sel4_microkit::{memory_region_opt, started};
use shmem::{Read, ReadWrite, Region};
use vmm_core::devices::virtio::{Models, entropy::Entropy};

/// All devices that there are.
pub fn models() -> Models {
    Models { entropy: entropy() }
}

fn entropy() -> Option<Entropy> {
    let queue: Region<ReadWrite> =
        memory_region_opt!(ReadWrite, entropy_queue_vaddr, entropy_queue_size)?;
    let data: Region<Read> = memory_region_opt!(Read, entropy_data_vaddr, entropy_data_size)?;
    let source = started(Shared::new(&queue, data));
    Some(Entropy::new(Consumer::attach(source)))
}
