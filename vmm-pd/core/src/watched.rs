//! A value that knows whether it may have changed.
//!
//! At most exits nothing happened that could have made an event wait. Rather than
//! look at everything that could, the hot path asks whether anybody had write
//! access since the last look that found nothing. The surprising fact: no method
//! of the value need remember to say so; borrowing it mutably does.

use core::ops::{Deref, DerefMut};

/// A value, and whether it was borrowed mutably since [`Watched::seen`].
#[derive(Clone, Debug)]
pub struct Watched<T> {
    value: T,
    touched: bool,
}

impl<T> Watched<T> {
    /// A value that nobody has looked at.
    pub const fn new(value: T) -> Self {
        Watched { value, touched: true }
    }

    /// Whether it may have changed.
    #[inline(always)]
    pub const fn touched(&self) -> bool {
        self.touched
    }

    /// It was looked at as it is now, and nothing waits.
    #[inline(always)]
    pub const fn seen(&mut self) {
        self.touched = false;
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Watched<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.touched = true;
        &mut self.value
    }
}

#[cfg(test)]
mod tests {
    use super::Watched;

    #[test]
    fn only_write_access_touches() {
        let mut watched = Watched::new([1, 2]);
        assert!(watched.touched());
        watched.seen();
        assert_eq!(watched.len(), 2);
        assert!(!watched.touched());
        watched[0] = 2;
        assert!(watched.touched());
    }
}
