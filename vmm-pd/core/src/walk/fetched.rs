//! Where the instruction lies that the processor has just executed in 64-bit mode.
//!
//! The processor walked the same tables a moment ago, checked permissions and
//! reserved bits, and set the accessed bits. So this walk only follows: it writes
//! nothing and judges nothing. Not here: every other walk ([`super::Paging`]),
//! which is four times as long. The surprising fact: where anything is not as the
//! processor must have left it (the guest's other writers, such as devices, are
//! not stopped), there is no answer, and the caller takes the long way.

use crate::memory::GuestMemory;
use crate::types::{Gpa, Gva};

// Bits of a paging-structure entry (Intel SDM vol. 3A, tables 4-15 to 4-20).
const PRESENT: u64 = 1 << 0;
const LARGE: u64 = 1 << 7;
const TABLE: u64 = 0x000f_ffff_ffff_f000;

/// Lowest bit of the index into each of the four tables.
const SHIFTS: [u32; 4] = [39, 30, 21, 12];

/// Follows four-level tables below `cr3`.
///
/// # Returns
/// Nothing where the long way must be taken.
#[inline]
pub fn fetched(memory: &impl GuestMemory, cr3: u64, gva: Gva) -> Option<Gpa> {
    let mut table = cr3 & TABLE;
    for shift in SHIFTS {
        let entry = memory.read_u64(Gpa(table | (gva.0 >> shift & 0x1ff) << 3)).ok()?;
        if entry & PRESENT == 0 {
            return None;
        }
        let offset = (1 << shift) - 1;
        if shift == 12 || entry & LARGE != 0 {
            // Bits of the frame below the page's size are reserved, but for PAT's;
            // and there is no page as large as the first table's entries map.
            let inside = entry & TABLE & offset & !(1 << 12);
            return (shift != 39 && (shift == 12 || inside == 0))
                .then_some(Gpa(entry & TABLE & !offset | gva.0 & offset));
        }
        table = entry & TABLE;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::memory::TestMemory;
    use crate::walk::{Access, AccessKind, Paging};

    const PAGES: u64 = 8;

    /// What the full walk says, in a mode in which it checks as little as it can.
    fn walked(memory: &mut TestMemory, cr3: u64, gva: Gva) -> Option<Gpa> {
        let paging = Paging::long_mode_trusting(cr3);
        let access = Access { kind: AccessKind::Fetch, user: false, ac: false };
        paging.translate(memory, gva, access).ok()
    }

    /// An entry that leads somewhere in a small memory, with some bits of others.
    fn entry() -> impl Strategy<Value = u64> {
        let flags = prop_oneof![4 => Just(PRESENT), 1 => 0u64..0x100];
        (0..PAGES, flags, prop_oneof![3 => Just(0), 1 => Just(LARGE)], any::<bool>())
            .prop_map(|(page, flags, large, far)| page << 12 | flags | large | u64::from(far) << 30)
    }

    proptest! {
        #[test]
        fn where_there_is_an_answer_it_is_the_full_walks(
            entries in proptest::collection::vec(entry(), 4),
            gva in 0u64..1 << 48,
        ) {
            let mut memory = TestMemory::new((PAGES << 12) as usize);
            let mut table = 0;
            for (shift, entry) in SHIFTS.into_iter().zip(&entries) {
                let at = Gpa(table | (gva >> shift & 0x1ff) << 3);
                let _ = memory.write(at, &entry.to_le_bytes());
                table = entry & TABLE;
            }
            if let Some(found) = fetched(&memory, 0, Gva(gva)) {
                prop_assert_eq!(Some(found), walked(&mut memory, 0, Gva(gva)));
            }
        }
    }

    #[test]
    fn pages_of_each_size_are_found() {
        let mut memory = TestMemory::new((PAGES << 12) as usize);
        let gva = Gva(0x0000_0080_0010_1329);
        let good = PRESENT;
        let mut put = |table: u64, shift: u32, entry: u64| {
            let at = Gpa(table | (gva.0 >> shift & 0x1ff) << 3);
            memory.write(at, &entry.to_le_bytes()).unwrap();
            fetched(&memory, 0, gva)
        };
        assert_eq!(put(0, 39, good | 0x1000), None);
        assert_eq!(put(0x1000, 30, good | LARGE), Some(Gpa(0x10_1329)));
        assert_eq!(put(0x1000, 30, good | LARGE | 0x2000), None);
        assert_eq!(put(0x1000, 30, good | 0x2000), None);
        assert_eq!(put(0x2000, 21, good | LARGE | 0x20_0000), Some(Gpa(0x30_1329)));
        assert_eq!(put(0x2000, 21, good | 0x3000), None);
        assert_eq!(put(0x3000, 12, good | 0x7000), Some(Gpa(0x7329)));
        assert_eq!(put(0x3000, 12, 0x7000), None);
        assert_eq!(put(0, 39, good | LARGE), None);
    }
}
