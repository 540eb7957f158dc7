//! The guest's memory, for the device and for the driver.

use std::{cell::RefCell, ptr::NonNull, slice};

use shmem::{ReadWrite, Region};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use vmm_core::{
    memory::{GuestMemory, NotRam},
    types::Gpa,
};

/// Bytes of it; the upper half is for copies of buffers.
const RAM: usize = 64 << 20;

/// The memory of the machine that this thread tests.
struct Memory {
    region: Region<ReadWrite>,
    /// Where the next pages are; the first is left out, for address 0 is none.
    pages: usize,
    /// Where the next copy goes, and how many there are.
    next: usize,
    shared: usize,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

fn with<T>(act: impl FnOnce(&mut Memory) -> T) -> T {
    MEMORY.with_borrow_mut(|memory| act(memory.as_mut().expect("a machine was made")))
}

/// The memory as the device reaches it.
pub struct Ram(Region<ReadWrite>);

impl Ram {
    /// New memory for this thread's driver and a device.
    pub fn new() -> Ram {
        let region = Region::host(RAM);
        let memory = Memory { region: region.clone(), pages: PAGE_SIZE, next: RAM / 2, shared: 0 };
        MEMORY.set(Some(memory));
        Ram(region)
    }

    fn at(gpa: Gpa, length: usize) -> Result<usize, NotRam> {
        usize::try_from(gpa.0).map_err(|_| NotRam { gpa, length })
    }
}

impl GuestMemory for Ram {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        let length = into.len();
        self.0.read(Ram::at(gpa, length)?, into).map_err(|_| NotRam { gpa, length })
    }

    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        let length = from.len();
        self.0.write(Ram::at(gpa, length)?, from).map_err(|_| NotRam { gpa, length })
    }

    fn zero(&mut self, gpa: Gpa, length: u64) -> Result<(), NotRam> {
        let length = length as usize;
        self.0.zero(Ram::at(gpa, length)?, length).map_err(|_| NotRam { gpa, length })
    }

    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < RAM as u64
    }
}

/// The driver's memory functions, over this thread's machine. Buffers are copied, for
/// a driver's lie elsewhere in this process.
pub struct GuestHal;

// SAFETY: each function's obligations are discharged at its head.
unsafe impl Hal for GuestHal {
    /// The pages are zeroed memory of the region, which is aligned to a page, holds no
    /// Rust object and is kept until the thread makes another machine, whose driver is
    /// then another too; nobody is given them twice, for the mark only grows.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        with(|memory| {
            let (at, length) = (memory.pages, pages * PAGE_SIZE);
            memory.pages += length;
            assert!(memory.pages <= RAM / 2, "the guest has no memory left");
            memory.region.zero(at, length).expect("within the region");
            (at as u64, memory.region.sub(at, length).expect("within the region").base())
        })
    }

    /// They are not used again.
    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        unreachable!("no register is memory of this process")
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        with(|memory| {
            let at = memory.next;
            // Odd distances: a device takes buffers where they are.
            memory.next += buffer.len().next_multiple_of(64) + 64 + 8;
            memory.shared += 1;
            assert!(memory.next <= RAM, "the guest has no memory left");
            if direction == BufferDirection::DeviceToDriver {
                memory.region.fill(at, buffer.len(), 0xa5).expect("within the region");
            } else {
                // SAFETY: the caller's obligation: valid memory that nobody else
                // accesses during this call.
                let bytes =
                    unsafe { slice::from_raw_parts(buffer.cast::<u8>().as_ptr(), buffer.len()) };
                memory.region.write(at, bytes).expect("within the region");
            }
            at as u64
        })
    }

    unsafe fn unshare(at: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        with(|memory| {
            if direction != BufferDirection::DriverToDevice {
                // SAFETY: the caller's obligation: valid memory that nobody else
                // accesses during this call.
                let bytes = unsafe {
                    slice::from_raw_parts_mut(buffer.cast::<u8>().as_ptr(), buffer.len())
                };
                memory.region.read(at as usize, bytes).expect("within the region");
            }
            memory.shared -= 1;
            if memory.shared == 0 {
                memory.next = RAM / 2;
            }
        });
    }
}
