//! The rules of segmentation that an instruction's tests do not reach.

use super::*;

const WRITABLE_DATA: u32 = 0xc093;

fn of(space: AddressSpace, segment: Segment, offset: u64, length: u8) -> Result<Gva, Fault> {
    linear(space, SegmentRegister::Ds, &segment, offset, length, AccessKind::Read)
}

fn segment(base: u64, limit: u32, access_rights: u32) -> Segment {
    Segment { selector: 8, base, limit, access_rights }
}

#[test]
fn a_base_wraps_at_32_bits_outside_64_bit_mode() {
    let high = segment(0xffff_f000, u32::MAX, WRITABLE_DATA);
    assert_eq!(of(AddressSpace::Protected, high, 0x2000, 4), Ok(Gva(0x1000)));
    assert_eq!(of(AddressSpace::Real, segment(0xffff0, 0xffff, 0), 0x20, 1), Ok(Gva(0x10_0010)));
}

#[test]
fn only_fs_and_gs_have_a_base_in_64_bit_mode() {
    let based = segment(0x1000, 0, 0);
    let at = |register| linear(AddressSpace::Long, register, &based, 0x10, 8, AccessKind::Write);
    for register in
        [SegmentRegister::Es, SegmentRegister::Cs, SegmentRegister::Ss, SegmentRegister::Ds]
    {
        assert_eq!(at(register), Ok(Gva(0x10)), "{register:?}");
    }
    assert_eq!(at(SegmentRegister::Fs), Ok(Gva(0x1010)));
    assert_eq!(at(SegmentRegister::Gs), Ok(Gva(0x1010)));
}

#[test]
fn the_last_byte_counts_against_the_limit() {
    let data = segment(0, 0xfff, WRITABLE_DATA);
    assert!(of(AddressSpace::Protected, data, 0xff8, 8).is_ok());
    assert!(of(AddressSpace::Protected, data, 0xff9, 8).is_err());
    let all = segment(0, u32::MAX, WRITABLE_DATA);
    assert!(of(AddressSpace::Protected, all, 0xffff_ffff, 1).is_ok());
    assert!(of(AddressSpace::Protected, all, 0xffff_ffff, 2).is_err());
}

#[test]
fn expand_down_ends_where_its_size_says() {
    let small = segment(0, 0xfff, 0x0097);
    assert!(of(AddressSpace::Protected, small, 0xffff, 1).is_ok());
    assert!(of(AddressSpace::Protected, small, 0xffff, 2).is_err());
    assert!(of(AddressSpace::Protected, small, 0xfff, 1).is_err());
    let big = segment(0, 0xfff, 0xc097);
    assert!(of(AddressSpace::Protected, big, 0xffff, 2).is_ok());
}

#[test]
fn readable_code_may_be_read_and_only_code_be_fetched() {
    let code = segment(0, u32::MAX, 0xc09b);
    let kind = |segment, kind| {
        linear(AddressSpace::Protected, SegmentRegister::Cs, &segment, 0, 1, kind).is_ok()
    };
    assert!(kind(code, AccessKind::Read));
    assert!(kind(code, AccessKind::Fetch));
    assert!(!kind(code, AccessKind::Write));
    assert!(!kind(segment(0, u32::MAX, WRITABLE_DATA), AccessKind::Fetch));
}
