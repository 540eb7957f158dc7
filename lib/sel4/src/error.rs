//! Why an invocation failed.

use core::fmt;

use crate::Word;

/// Of an invocation that returns nothing else.
pub type Result<T = ()> = core::result::Result<T, Error>;

/// libsel4 `errors.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// An argument is not allowed.
    InvalidArgument,
    /// The capability invoked, or one passed, is of the wrong kind.
    InvalidCapability,
    /// Not possible in the object's state.
    IllegalOperation,
    /// An argument is out of range.
    RangeError,
    /// An address is not aligned.
    AlignmentError,
    /// A capability address leads nowhere.
    FailedLookup,
    /// The message is too short.
    TruncatedMessage,
    /// Something is there already.
    DeleteFirst,
    /// The object has children.
    RevokeFirst,
    /// The untyped memory is used up.
    NotEnoughMemory,
    /// A number that this version of the kernel does not document.
    Unknown(Word),
}

impl Error {
    /// What a reply's label says.
    pub const fn check(label: Word) -> Result {
        Err(match label {
            0 => return Ok(()),
            1 => Error::InvalidArgument,
            2 => Error::InvalidCapability,
            3 => Error::IllegalOperation,
            4 => Error::RangeError,
            5 => Error::AlignmentError,
            6 => Error::FailedLookup,
            7 => Error::TruncatedMessage,
            8 => Error::DeleteFirst,
            9 => Error::RevokeFirst,
            10 => Error::NotEnoughMemory,
            n => Error::Unknown(n),
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::InvalidArgument => "invalid argument",
            Error::InvalidCapability => "invalid capability",
            Error::IllegalOperation => "illegal operation",
            Error::RangeError => "argument out of range",
            Error::AlignmentError => "address not aligned",
            Error::FailedLookup => "capability lookup failed",
            Error::TruncatedMessage => "message too short",
            Error::DeleteFirst => "already in use",
            Error::RevokeFirst => "has children",
            Error::NotEnoughMemory => "untyped memory used up",
            Error::Unknown(n) => return write!(f, "kernel error {n}"),
        })
    }
}

impl core::error::Error for Error {}
