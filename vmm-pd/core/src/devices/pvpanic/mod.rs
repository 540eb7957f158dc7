//! pvpanic: a guest's kernel says that it panicked (QEMU,
//! `docs/specs/pvpanic`). One byte: reading gives the events that are
//! understood, writing reports one. It has no state.

use super::request::Request;

/// The kernel panicked and nothing in the guest will go on.
pub const PANICKED: u8 = 1 << 0;
/// The kernel panicked and its crash kernel takes over.
pub const CRASH_LOADED: u8 = 1 << 1;

/// The events that are understood.
pub fn read() -> u8 {
    PANICKED | CRASH_LOADED
}

/// Reports an event; an unknown one is ignored, as the guest could have read.
pub fn write(value: u8) -> Option<Request> {
    if value & PANICKED != 0 {
        Some(Request::Panicked)
    } else if value & CRASH_LOADED != 0 {
        Some(Request::CrashLoaded)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_counts_more_than_a_crash_kernel() {
        assert_eq!(write(PANICKED), Some(Request::Panicked));
        assert_eq!(write(PANICKED | CRASH_LOADED), Some(Request::Panicked));
        assert_eq!(write(CRASH_LOADED), Some(Request::CrashLoaded));
    }

    #[test]
    fn an_event_that_is_not_offered_does_nothing() {
        for value in (0..=u8::MAX).filter(|v| v & read() == 0) {
            assert_eq!(write(value), None);
        }
    }
}
