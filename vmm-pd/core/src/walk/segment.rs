//! Segment and offset to linear address, with the checks of the processor's
//! mode (Intel SDM vol. 3A, 5.3-5.5; vol. 1, 3.3.7 for 64-bit mode).

#[cfg(test)]
mod tests;

use super::{AccessKind, Fault, Paging};
use crate::cpu::{Exception, Segment, SegmentRegister};
use crate::types::Gva;

const TYPE_WRITABLE_OR_READABLE: u32 = 1 << 1;
const TYPE_EXPAND_DOWN: u32 = 1 << 2;
const TYPE_CODE: u32 = 1 << 3;
const BIG: u32 = 1 << 14;
const UNUSABLE: u32 = 1 << 16;

/// How offsets become linear addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressSpace {
    /// Real and virtual-8086 mode: base and limit count, types do not.
    Real,
    /// Protected and compatibility mode.
    Protected,
    /// 64-bit mode: FS and GS have a base, nothing has a limit.
    Long,
}

/// The linear address of the first of `length` bytes at `offset` in `segment`.
///
/// `segment` is not looked at in 64-bit mode unless `register` is FS or GS, so
/// the caller need not read it.
///
/// # Errors
/// #GP(0), or #SS(0) if `register` is SS.
pub fn linear(
    space: AddressSpace,
    register: SegmentRegister,
    segment: &Segment,
    offset: u64,
    length: u8,
    kind: AccessKind,
) -> Result<Gva, Fault> {
    let more = u64::from(length).saturating_sub(1);
    let (allowed, address) = match space {
        AddressSpace::Long => {
            let base = match register {
                SegmentRegister::Fs | SegmentRegister::Gs => segment.base,
                _ => 0,
            };
            let first = base.wrapping_add(offset);
            let last = first.wrapping_add(more);
            (Paging::canonical(first) && Paging::canonical(last), first)
        }
        AddressSpace::Real => (within_limit(segment, false, offset, more), flat(segment, offset)),
        AddressSpace::Protected => {
            let rights = segment.access_rights;
            let code = rights & TYPE_CODE != 0;
            let expand_down = !code && rights & TYPE_EXPAND_DOWN != 0;
            let second = rights & TYPE_WRITABLE_OR_READABLE != 0;
            let kind_allowed = match kind {
                AccessKind::Read => !code || second,
                AccessKind::Write => !code && second,
                AccessKind::Fetch => code,
            };
            let allowed = rights & UNUSABLE == 0
                && kind_allowed
                && within_limit(segment, expand_down, offset, more);
            (allowed, flat(segment, offset))
        }
    };
    if allowed {
        Ok(Gva(address))
    } else if register == SegmentRegister::Ss {
        Err(Exception::StackFault(0).into())
    } else {
        Err(Exception::GeneralProtection(0).into())
    }
}

const fn flat(segment: &Segment, offset: u64) -> u64 {
    segment.base.wrapping_add(offset) & 0xffff_ffff
}

const fn within_limit(segment: &Segment, expand_down: bool, offset: u64, more: u64) -> bool {
    let Some(last) = offset.checked_add(more) else { return false };
    let limit = segment.limit as u64;
    if expand_down {
        let top = if segment.access_rights & BIG != 0 { 0xffff_ffff } else { 0xffff };
        offset > limit && last <= top
    } else {
        last <= limit
    }
}
