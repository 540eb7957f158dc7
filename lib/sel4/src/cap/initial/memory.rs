//! Untyped memory, capability spaces, address spaces.

use crate::{
    Word,
    abi::current::numbers::{cap_rights, cnode_guard, invocation, object, vm_attributes},
    cap::{caps, invoke},
    error::Result,
};

caps! {
    /// Memory not yet used for anything.
    Untyped,
    /// A table of capabilities.
    CNode,
    /// Page-map level 4 table of a protection domain.
    Pml4,
    /// Page-directory-pointer table.
    Pdpt,
    /// Page directory.
    PageDirectory,
    /// Page table.
    PageTable,
    /// A frame of memory, of 4 KiB or 2 MiB.
    Frame,
    /// Address-space identifiers to give out.
    AsidPool,
    /// Extended page-map level 4 table: a guest's physical address space.
    EptPml4,
    /// Extended page-directory-pointer table.
    EptPdpt,
    /// Extended page directory.
    EptPageDirectory,
    /// Extended page table.
    EptPageTable,
}

/// A slot of a capability space: `depth` bits of `index` are resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Address in the space.
    pub index: Word,
    /// Bits of it.
    pub depth: u8,
}

/// What a capability permits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights {
    /// Receive, or map readable.
    pub read: bool,
    /// Send, or map writable.
    pub write: bool,
    /// Send capabilities along.
    pub grant: bool,
}

impl Rights {
    /// Everything.
    pub const ALL: Rights = Rights { read: true, write: true, grant: true };
    /// Send or signal only.
    pub const WRITE: Rights = Rights { read: false, write: true, grant: false };
    /// Send with the right to be replied to: the reply right is part of grant
    /// on seL4 5.0.0.
    pub const CALL: Rights = Rights { read: false, write: true, grant: true };

    const fn word(self) -> Word {
        (self.grant as Word * cap_rights::GRANT as Word)
            | (self.read as Word * cap_rights::READ as Word)
            | (self.write as Word * cap_rights::WRITE as Word)
    }
}

/// How a mapping is cached (libsel4 `seL4_X86_VMAttributes`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryType {
    /// Ordinary memory.
    WriteBack = vm_attributes::WRITE_BACK as isize,
    /// Device registers.
    Uncacheable = vm_attributes::CACHE_DISABLED as isize,
}

/// Kinds of object that untyped memory can become, with log2 of their sizes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectType {
    /// Smaller untyped memory of 2^n bytes.
    Untyped(u8),
    /// A thread.
    Tcb,
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// A table of 2^n capabilities.
    CNode(u8),
    /// 4 KiB of memory.
    SmallFrame,
    /// 2 MiB of memory.
    LargeFrame,
    /// Page-map level 4 table.
    Pml4,
    /// Page-directory-pointer table.
    Pdpt,
    /// Page directory.
    PageDirectory,
    /// Page table.
    PageTable,
    /// A virtual CPU.
    Vcpu,
    /// Extended page-map level 4 table.
    EptPml4,
    /// Extended page-directory-pointer table.
    EptPdpt,
    /// Extended page directory.
    EptPageDirectory,
    /// Extended page table.
    EptPageTable,
}

impl ObjectType {
    /// The kernel's number.
    const fn number(self) -> Word {
        (match self {
            ObjectType::Untyped(_) => object::UNTYPED,
            ObjectType::Tcb => object::TCB,
            ObjectType::Endpoint => object::ENDPOINT,
            ObjectType::Notification => object::NOTIFICATION,
            ObjectType::CNode(_) => object::CAP_TABLE,
            ObjectType::SmallFrame => object::X86_4K,
            ObjectType::LargeFrame => object::X86_LARGE_PAGE,
            ObjectType::Pml4 => object::X64_PML4,
            ObjectType::Pdpt => object::X86_PDPT,
            ObjectType::PageDirectory => object::X86_PAGE_DIRECTORY,
            ObjectType::PageTable => object::X86_PAGE_TABLE,
            ObjectType::Vcpu => object::X86_VCPU,
            ObjectType::EptPml4 => object::X86_EPT_PML4,
            ObjectType::EptPdpt => object::X86_EPT_PDPT,
            ObjectType::EptPageDirectory => object::X86_EPT_PD,
            ObjectType::EptPageTable => object::X86_EPT_PT,
        }) as Word
    }

    /// Log2 of its size in bytes.
    pub const fn size_bits(self) -> u8 {
        use crate::abi::current::numbers::size_bits as bits;
        (match self {
            ObjectType::Untyped(n) => n as usize,
            ObjectType::CNode(n) => n as usize + bits::SLOT,
            ObjectType::Tcb => bits::TCB,
            ObjectType::Endpoint => bits::ENDPOINT,
            ObjectType::Notification => bits::NOTIFICATION,
            ObjectType::LargeFrame => bits::LARGE_PAGE,
            ObjectType::Vcpu => bits::VCPU,
            ObjectType::SmallFrame
            | ObjectType::Pml4
            | ObjectType::Pdpt
            | ObjectType::PageDirectory
            | ObjectType::PageTable
            | ObjectType::EptPml4
            | ObjectType::EptPdpt
            | ObjectType::EptPageDirectory
            | ObjectType::EptPageTable => bits::PAGE,
        }) as u8
    }

    /// The size argument of Retype: only for objects of variable size.
    const fn size_argument(self) -> Word {
        match self {
            ObjectType::Untyped(n) | ObjectType::CNode(n) => n as Word,
            _ => 0,
        }
    }
}

impl Untyped {
    /// Makes `count` objects, their capabilities in `count` slots of the
    /// one-level `root` from `first`.
    ///
    /// # Errors
    /// Not enough memory left, or a slot is taken.
    pub fn retype(self, kind: ObjectType, root: CNode, first: Word, count: Word) -> Result {
        invoke(
            self.0,
            invocation::UNTYPED_RETYPE,
            [kind.number(), kind.size_argument(), 0, 0, first, count],
            [root.address()],
        )
        .map(drop)
    }
}

impl CNode {
    /// Copies a capability into this space, with at most its rights.
    ///
    /// # Errors
    /// The source is empty or may not be copied; the destination is taken.
    pub fn copy(self, to: Slot, from: CNode, source: Slot, rights: Rights) -> Result {
        invoke(
            self.0,
            invocation::CNODE_COPY,
            [to.index, to.depth.into(), source.index, source.depth.into(), rights.word()],
            [from.address()],
        )
        .map(drop)
    }

    /// Copies a capability and gives it a badge, a guard or a port range.
    ///
    /// # Errors
    /// As [`CNode::copy`]; or the data is not valid for this kind.
    pub fn mint(self, to: Slot, from: CNode, source: Slot, rights: Rights, data: Word) -> Result {
        invoke(
            self.0,
            invocation::CNODE_MINT,
            [to.index, to.depth.into(), source.index, source.depth.into(), rights.word(), data],
            [from.address()],
        )
        .map(drop)
    }

    /// Deletes the capability in a slot.
    ///
    /// # Errors
    /// The slot does not exist.
    pub fn delete(self, slot: Slot) -> Result {
        invoke(self.0, invocation::CNODE_DELETE, [slot.index, slot.depth.into()], []).map(drop)
    }

    /// The data that makes a copy of this CNode resolve 64-bit addresses whose
    /// upper bits are zero (libsel4 `seL4_CapData_Guard`).
    pub const fn guard(radix: u8) -> Word {
        (Word::BITS as Word - radix as Word) << cnode_guard::SIZE_SHIFT
    }
}

/// The data that narrows a capability to all I/O ports to `first..=last`.
pub const fn port_range(first: u16, last: u16) -> Word {
    (first as Word) << 16 | last as Word
}

impl AsidPool {
    /// Gives an address space its identifier.
    ///
    /// # Errors
    /// The pool is used up, or the address space has one.
    pub fn assign(self, vspace: Word) -> Result {
        invoke(self.0, invocation::X86_ASID_POOL_ASSIGN, [], [vspace]).map(drop)
    }
}

macro_rules! mappable {
    ($($name:ident by $label:ident into $root:ident;)*) => {$(
        impl $name {
            /// Maps this table where it serves `address`.
            ///
            /// # Errors
            /// One is there, or one above is missing.
            pub fn map(self, root: $root, address: Word) -> Result {
                invoke(self.0, invocation::$label, [address, 0], [root.address()]).map(drop)
            }
        }
    )*};
}
mappable! {
    Pdpt by X86_PDPT_MAP into Pml4;
    PageDirectory by X86_PAGE_DIRECTORY_MAP into Pml4;
    PageTable by X86_PAGE_TABLE_MAP into Pml4;
    EptPdpt by X86_EPTPDPT_MAP into EptPml4;
    EptPageDirectory by X86_EPTPD_MAP into EptPml4;
    EptPageTable by X86_EPTPT_MAP into EptPml4;
}

impl Frame {
    /// Maps the frame into a protection domain's address space.
    ///
    /// # Safety
    /// If `root` is this program's own address space, the caller owns the range
    /// and nothing refers to it.
    ///
    /// # Errors
    /// A table is missing ([`Error::FailedLookup`](crate::Error::FailedLookup)),
    /// or something is there.
    pub unsafe fn map(self, root: Pml4, vaddr: Word, rights: Rights, memory: MemoryType) -> Result {
        invoke(
            self.0,
            invocation::X86_PAGE_MAP,
            [vaddr, rights.word(), memory as Word],
            [root.address()],
        )
        .map(drop)
    }

    /// Maps the frame into a guest's physical address space. A frame that is
    /// mapped elsewhere too needs a capability of its own for each.
    ///
    /// # Errors
    /// As [`Frame::map`].
    pub fn map_ept(self, root: EptPml4, gpa: Word, rights: Rights, memory: MemoryType) -> Result {
        invoke(
            self.0,
            invocation::X86_PAGE_MAP_EPT,
            [gpa, rights.word(), memory as Word],
            [root.address()],
        )
        .map(drop)
    }

    /// Takes the frame out of the address space it is mapped in.
    ///
    /// # Safety
    /// If that is this program's own, nothing refers to the range.
    ///
    /// # Errors
    /// Not a frame.
    pub unsafe fn unmap(self) -> Result {
        invoke(self.0, invocation::X86_PAGE_UNMAP, [], []).map(drop)
    }
}
