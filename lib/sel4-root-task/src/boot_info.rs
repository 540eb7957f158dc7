//! What the kernel tells the initial task (libsel4 `bootinfo_types.h`).

use sel4::{Word, abi::current::numbers::bootinfo as layout};

/// Capabilities with fixed addresses.
pub mod init_caps {
    use sel4::{
        Word,
        cap::{AsidPool, CNode, IoPort, IrqControl, Pml4, Tcb},
    };

    const fn address(n: usize) -> Word {
        n as Word
    }
    use sel4::abi::current::numbers::init_cap;

    /// This thread.
    pub const TCB: Tcb = Tcb::from_address(address(init_cap::TCB));
    /// This capability space.
    pub const CNODE: CNode = CNode::from_address(address(init_cap::CNODE));
    /// This address space.
    pub const VSPACE: Pml4 = Pml4::from_address(address(init_cap::VSPACE));
    /// Every interrupt line.
    pub const IRQ_CONTROL: IrqControl = IrqControl::from_address(address(init_cap::IRQ_CONTROL));
    /// Address-space identifiers.
    pub const ASID_POOL: AsidPool = AsidPool::from_address(address(init_cap::ASID_POOL));
    /// Every I/O port.
    pub const IO_PORTS: IoPort = IoPort::from_address(address(init_cap::IO_PORT));
}

/// Slots from `start` up to, not including, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed)]
pub struct SlotRegion {
    /// First.
    pub start: Word,
    /// One after the last.
    pub end: Word,
}

impl SlotRegion {
    /// How many.
    pub const fn len(self) -> Word {
        self.end - self.start
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// One untyped capability.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed)]
pub struct UntypedDescription {
    /// Physical address.
    pub paddr: Word,
    padding: [u8; 2],
    /// Log2 of its size in bytes.
    pub size_bits: u8,
    /// Not RAM: it cannot hold kernel objects other than frames.
    pub is_device: u8,
}

/// The boot information frame.
#[derive(Debug)]
#[repr(C, packed)]
pub struct BootInfo {
    extra_length: Word,
    node: Word,
    nodes: Word,
    iommu_levels: Word,
    ipc_buffer: *mut Word,
    empty: SlotRegion,
    shared_frames: SlotRegion,
    user_image_frames: SlotRegion,
    user_image_paging: SlotRegion,
    io_space_caps: SlotRegion,
    extra_pages: SlotRegion,
    cnode_size_bits: u8,
    domain: Word,
    arch_info: Word,
    untyped: SlotRegion,
    untyped_list: [UntypedDescription; layout::MAX_UNTYPED_CAPS],
}

// The layout must be the kernel's.
const _: () = {
    use core::mem::offset_of;
    assert!(offset_of!(BootInfo, ipc_buffer) == layout::IPC_BUFFER);
    assert!(offset_of!(BootInfo, user_image_frames) == layout::USER_IMAGE_FRAMES);
    assert!(offset_of!(BootInfo, cnode_size_bits) == layout::CNODE_SIZE_BITS);
    assert!(offset_of!(BootInfo, domain) == layout::INIT_THREAD_DOMAIN);
    assert!(offset_of!(BootInfo, untyped_list) == layout::UNTYPED_LIST);
    assert!(size_of::<BootInfo>() == layout::SIZE);
    assert!(size_of::<UntypedDescription>() == layout::UNTYPED_DESC_SIZE);
    assert!(offset_of!(UntypedDescription, size_bits) == layout::UNTYPED_DESC_SIZE_BITS);
    assert!(offset_of!(UntypedDescription, is_device) == layout::UNTYPED_DESC_IS_DEVICE);
};

impl BootInfo {
    /// Where the kernel mapped this thread's IPC buffer.
    pub fn ipc_buffer(&self) -> *mut Word {
        self.ipc_buffer
    }

    /// Slots that hold nothing.
    pub fn empty(&self) -> SlotRegion {
        self.empty
    }

    /// The frames of this program's own image, in the order of its addresses.
    pub fn user_image_frames(&self) -> SlotRegion {
        self.user_image_frames
    }

    /// Log2 of the number of slots of the capability space.
    pub fn cnode_size_bits(&self) -> u8 {
        self.cnode_size_bits
    }

    /// Every untyped capability's slot and description.
    pub fn untyped(&self) -> impl Iterator<Item = (Word, UntypedDescription)> + '_ {
        let SlotRegion { start, end } = self.untyped;
        let list = self.untyped_list;
        (start..end).enumerate().map_while(move |(i, slot)| Some((slot, *list.get(i)?)))
    }
}
