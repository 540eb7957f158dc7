//! How a case ends.

use core::fmt::{self, Write};

use heapless::String;
use sel4_root_task::{AllocError, MapError};

/// Longest reason, in bytes; more is cut.
const REASON: usize = 100;

/// Why a case failed.
#[derive(Debug)]
pub struct Failure(String<REASON>);

/// What a case returns.
pub type Verdict<T = ()> = Result<T, Failure>;

impl Failure {
    /// With a reason.
    pub fn new(reason: fmt::Arguments<'_>) -> Self {
        let mut text = String::new();
        // An error means that the reason was cut.
        let _ = text.write_fmt(reason);
        Failure(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<sel4::Error> for Failure {
    fn from(error: sel4::Error) -> Self {
        Failure::new(format_args!("the kernel refused: {error}"))
    }
}

impl From<AllocError> for Failure {
    fn from(error: AllocError) -> Self {
        Failure::new(format_args!("{error}"))
    }
}

impl From<MapError> for Failure {
    fn from(error: MapError) -> Self {
        Failure::new(format_args!("{error}"))
    }
}

/// Fails the case unless a condition holds; what follows says what is so
/// instead.
macro_rules! check {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Failure::new(format_args!($($reason)+)));
        }
    };
}
pub(crate) use check;
