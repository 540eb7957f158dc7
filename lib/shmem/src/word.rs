//! Single words of a region that two sides use to agree: queue indices, flags,
//! deadlines, device registers.
//!
//! Bounds and alignment are checked once, when the word is taken out of its
//! region; after that its accesses cannot fail. Each is exactly one access of
//! the word's width, a load an acquire and a store a release (crate
//! documentation).

use core::fmt;

use crate::raw;
use crate::region::{Region, Rights, Writable};

macro_rules! word {
    ($name:ident, $ty:ty, $load:ident, $store:ident, $bytes:literal) => {
        #[doc = concat!("An aligned word of ", $bytes, " bytes.")]
        ///
        /// Invariant: the region is exactly the word, and aligned to its size.
        pub struct $name<R: Rights>(Region<R>);

        impl<R: Rights> $name<R> {
            pub(crate) fn new(region: Region<R>) -> Self {
                $name(region)
            }

            /// The word as it is now. Accesses after this one, in program
            /// order, see at least what was published before the value read.
            #[inline]
            pub fn load(&self) -> $ty {
                // SAFETY: the invariant: the word is mapped readable.
                unsafe { raw::$load(self.0.base().as_ptr().cast()) }
            }
        }

        impl<R: Writable> $name<R> {
            /// Sets the word. Whoever reads the value sees every earlier
            /// store of ours.
            #[inline]
            pub fn store(&self, value: $ty) {
                // SAFETY: the invariant: the word is mapped writable.
                unsafe { raw::$store(self.0.base().as_ptr().cast(), value) }
            }
        }

        impl<R: Rights> Clone for $name<R> {
            fn clone(&self) -> Self {
                $name(self.0.clone())
            }
        }

        impl<R: Rights> fmt::Debug for $name<R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:p})"), self.0.base())
            }
        }
    };
}

word!(Word16, u16, load_u16, store_u16, "two");
word!(Word32, u32, load_u32, store_u32, "four");
word!(Word64, u64, load_u64, store_u64, "eight");
