//! Typed capabilities. Holding one proves nothing: it is an address in this
//! program's capability space, and the kernel checks what is there.

#[cfg(not(sel4_mcs))]
mod initial;
mod io;
mod thread;
mod vcpu;

#[cfg(not(sel4_mcs))]
pub use initial::*;
pub use io::{IoPort, IrqHandler};
pub use thread::{Endpoint, GENERAL_NAMES, Notification, Tcb, UserContext};
pub use vcpu::Vcpu;

use crate::{
    IpcBuffer, MessageInfo, Word,
    abi::{
        Registers,
        current::{self as abi, numbers::message},
    },
    error::{Error, Result},
};

macro_rules! caps {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name(Word);

        impl $name {
            /// The capability at this address.
            pub const fn from_address(address: Word) -> Self {
                $name(address)
            }

            /// Its address.
            pub const fn address(self) -> Word {
                self.0
            }
        }
    )*};
}
pub(crate) use caps;

/// Invokes a capability: `words` as message registers, `caps` sent along.
/// Returns the first message register of the reply. For the invocations that
/// only tests make; all others are methods.
///
/// # Errors
/// The kernel's.
#[inline(always)]
pub fn invoke<const W: usize, const C: usize>(
    target: Word,
    label: usize,
    words: [Word; W],
    caps: [Word; C],
) -> Result<Word> {
    const { assert!(W <= message::MAX_LENGTH && C <= message::MAX_EXTRA_CAPS) };
    let mut mrs = [0; 4];
    let mut i = 0;
    while i < W {
        if i < 4 {
            mrs[i] = words[i];
        } else {
            IpcBuffer::current().set_mr(i, words[i]);
        }
        i += 1;
    }
    let mut i = 0;
    while i < C {
        IpcBuffer::current().set_cap(i, caps[i]);
        i += 1;
    }
    let info = MessageInfo { label: label as Word, extra_caps: C as u8, length: W as u8 };
    let reply = abi::call(Registers { target, info: info.pack(), mrs });
    Error::check(MessageInfo::unpack(reply.info).label)?;
    Ok(reply.mrs[0])
}
