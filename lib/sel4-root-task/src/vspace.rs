//! Address spaces: paging structures made as mappings need them, for a
//! protection domain (page tables) or a guest (extended page tables).

use core::fmt;

use heapless::index_set::FnvIndexSet;
use sel4::{
    Word,
    cap::{
        EptPageDirectory, EptPageTable, EptPdpt, EptPml4, Frame, MemoryType, ObjectType,
        PageDirectory, PageTable, Pdpt, Pml4, Rights,
    },
};

use crate::{
    boot_info::init_caps,
    objects::{AllocError, Objects},
};

/// Paging structures of one address space, at most.
const TABLES_MAX: usize = 1024;

/// Why a frame was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// No memory for a paging structure.
    Alloc(AllocError),
    /// The address space has more paging structures than this task keeps
    /// account of: use larger pages.
    Tables,
    /// The kernel refused to map at this address.
    Kernel(Word, sel4::Error),
}

impl From<AllocError> for MapError {
    fn from(e: AllocError) -> Self {
        MapError::Alloc(e)
    }
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MapError::Alloc(e) => write!(f, "{e}"),
            MapError::Tables => {
                write!(f, "more than {TABLES_MAX} paging structures; use 2 MiB pages")
            }
            MapError::Kernel(at, e) => write!(f, "mapping at {at:#x}: {e}"),
        }
    }
}

/// A level of paging structure below the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Table,
    Directory,
    Pointer,
}

impl Level {
    /// Log2 of what one structure of this level spans.
    const fn span_bits(self) -> u32 {
        match self {
            Level::Table => 21,
            Level::Directory => 30,
            Level::Pointer => 39,
        }
    }
}

/// The two kinds of root.
pub trait Root: Copy {
    /// A new root with an address-space identifier.
    ///
    /// # Errors
    /// No memory.
    fn make(objects: &mut Objects) -> Result<Self, AllocError>;

    #[doc(hidden)]
    fn map_structure(self, objects: &mut Objects, level: u8, address: Word)
    -> Result<(), MapError>;

    #[doc(hidden)]
    fn map_frame(
        self,
        frame: Frame,
        address: Word,
        rights: Rights,
        memory: MemoryType,
    ) -> sel4::Result;
}

macro_rules! root {
    ($root:ident: $pointer:ident, $directory:ident, $table:ident; $map:expr) => {
        impl Root for $root {
            fn make(objects: &mut Objects) -> Result<Self, AllocError> {
                let root = objects.one(ObjectType::$root)?;
                init_caps::ASID_POOL.assign(root)?;
                Ok($root::from_address(root))
            }

            fn map_structure(
                self,
                objects: &mut Objects,
                level: u8,
                address: Word,
            ) -> Result<(), MapError> {
                let result = match level {
                    0 => $table::from_address(objects.one(ObjectType::$table)?).map(self, address),
                    1 => $directory::from_address(objects.one(ObjectType::$directory)?)
                        .map(self, address),
                    _ => $pointer::from_address(objects.one(ObjectType::$pointer)?)
                        .map(self, address),
                };
                result.map_err(|e| MapError::Kernel(address, e))
            }

            fn map_frame(
                self,
                frame: Frame,
                address: Word,
                rights: Rights,
                memory: MemoryType,
            ) -> sel4::Result {
                $map(frame, self, address, rights, memory)
            }
        }
    };
}
root!(Pml4: Pdpt, PageDirectory, PageTable;
    // SAFETY: an `AddressSpace` is of another program; the initial task maps
    // into its own only through `AddressSpace::own`, whose contract covers it.
    |f: Frame, r, a, rights, m| unsafe { f.map(r, a, rights, m) });
root!(EptPml4: EptPdpt, EptPageDirectory, EptPageTable;
    |f: Frame, r, a, rights, m| f.map_ept(r, a, rights, m));

/// An address space under construction.
#[derive(Debug)]
pub struct AddressSpace<R> {
    root: R,
    /// Structures made: the address they serve, with the level in the low bits.
    made: FnvIndexSet<Word, TABLES_MAX>,
}

/// A protection domain's.
pub type PdSpace = AddressSpace<Pml4>;
/// A guest's.
pub type GuestSpace = AddressSpace<EptPml4>;

impl<R: Root> AddressSpace<R> {
    /// An empty one.
    ///
    /// # Errors
    /// No memory.
    pub fn new(objects: &mut Objects) -> Result<Self, AllocError> {
        Ok(AddressSpace { root: R::make(objects)?, made: FnvIndexSet::new() })
    }

    /// Its root.
    pub fn root(&self) -> R {
        self.root
    }

    /// Maps a frame of `1 << bits` bytes, with the structures above it.
    ///
    /// # Errors
    /// No memory for a structure, or something is mapped there.
    pub fn map(
        &mut self,
        objects: &mut Objects,
        frame: Frame,
        bits: u8,
        address: Word,
        rights: Rights,
        memory: MemoryType,
    ) -> Result<(), MapError> {
        for (n, level) in
            [Level::Pointer, Level::Directory, Level::Table].into_iter().rev().enumerate().rev()
        {
            if u32::from(bits) >= level.span_bits() {
                continue;
            }
            let base = address >> level.span_bits() << level.span_bits();
            let key = base | n as Word;
            if self.made.contains(&key) {
                continue;
            }
            self.root.map_structure(objects, n as u8, base)?;
            self.made.insert(key).map_err(|_| MapError::Tables)?;
        }
        self.root
            .map_frame(frame, address, rights, memory)
            .map_err(|e| MapError::Kernel(address, e))
    }
}

impl PdSpace {
    /// The initial task's own, to map a window into. Structures that the
    /// kernel made for the image are not known here.
    ///
    /// # Safety
    /// Every address mapped lies in a region of 512 GiB that the kernel put
    /// nothing into, and nothing refers to it.
    pub unsafe fn own() -> Self {
        AddressSpace { root: init_caps::VSPACE, made: FnvIndexSet::new() }
    }
}
