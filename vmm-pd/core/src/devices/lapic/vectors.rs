//! A set of interrupt vectors, as in IRR, ISR and TMR.

/// One bit a vector; 256 of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct VectorSet([u64; 4]);

impl VectorSet {
    pub(super) const fn new(words: [u64; 4]) -> Self {
        VectorSet(words)
    }

    pub(super) const fn words(&self) -> [u64; 4] {
        self.0
    }

    const fn place(vector: u8) -> (usize, u64) {
        ((vector >> 6) as usize, 1 << (vector & 63))
    }

    pub(super) fn insert(&mut self, vector: u8) {
        let (word, bit) = Self::place(vector);
        self.0[word] |= bit;
    }

    pub(super) fn remove(&mut self, vector: u8) {
        let (word, bit) = Self::place(vector);
        self.0[word] &= !bit;
    }

    pub(super) fn contains(&self, vector: u8) -> bool {
        let (word, bit) = Self::place(vector);
        self.0[word] & bit != 0
    }

    /// The highest member, or 0: vectors below 16 are never members.
    pub(super) fn highest(&self) -> u8 {
        for word in (0..4u8).rev() {
            let bits = self.0[usize::from(word)];
            if bits != 0 {
                return word * 64 + bits.ilog2() as u8;
            }
        }
        0
    }

    /// Register `n` (0 to 7) of the eight that show the set.
    pub(super) fn register(&self, n: u8) -> u32 {
        let word = self.0[usize::from(n >> 1) & 3];
        (if n & 1 == 0 { word } else { word >> 32 }) as u32
    }

    /// Without the vectors that no APIC accepts.
    pub(super) fn checked(mut self) -> Self {
        self.0[0] &= !0xFFFF;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_member_is_found_in_every_word() {
        let mut set = VectorSet::default();
        assert_eq!(set.highest(), 0);
        for vector in 16..=255 {
            set.insert(vector);
            assert_eq!(set.highest(), vector);
            assert!(set.contains(vector));
            assert_eq!(set.register(vector / 32) >> (vector % 32), 1);
        }
        for vector in (17..=255).rev() {
            set.remove(vector);
            assert_eq!(set.highest(), vector - 1);
        }
    }
}
