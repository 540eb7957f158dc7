//! Memory type range registers (Intel SDM vol. 3A, 12.11).
//!
//! They remember and refuse what a processor would refuse; they decide nothing,
//! because the type of guest memory is the EPT's. What a guest finds is what
//! firmware would have left: RAM write-back, the video hole and everything from
//! 3 GiB to 4 GiB uncached.

use serde::{Deserialize, Serialize};

use super::number::{MTRR_DEF_TYPE, MTRRCAP};
use super::{Read, Write};
use crate::types::Msr;

/// First of the registers between 200h and 26Fh.
pub const FIRST: u32 = 0x200;
/// Last of them.
pub const LAST: u32 = 0x26f;

/// Uncacheable.
const UC: u8 = 0;
/// Write-combining.
const WC: u8 = 1;
/// Write-through.
const WT: u8 = 4;
/// Write-protected.
const WP: u8 = 5;
/// Write-back.
const WB: u8 = 6;
/// UC-: a PAT type only.
const UC_MINUS: u8 = 7;

/// Variable ranges.
const VARIABLE: usize = 8;
/// IA32_MTRRCAP: their number, fixed ranges, write-combining.
const CAP: u64 = VARIABLE as u64 | 1 << 8 | 1 << 10;
/// IA32_MTRR_DEF_TYPE: E.
const ENABLE: u64 = 1 << 11;
/// IA32_MTRR_DEF_TYPE: FE.
const FIXED_ENABLE: u64 = 1 << 10;
/// IA32_MTRR_PHYSMASK: V.
const VALID: u64 = 1 << 11;
/// Registers of the fixed ranges.
const FIXED: usize = 11;

/// The registers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mtrrs {
    def_type: u64,
    fixed: [u64; FIXED],
    base: [u64; VARIABLE],
    mask: [u64; VARIABLE],
    /// Address bits of a base or mask that exist.
    address: u64,
}

impl Mtrrs {
    /// As firmware leaves them.
    pub fn new(physical_bits: u8) -> Self {
        let address = u64::MAX >> (64 - u32::from(physical_bits.clamp(32, 52))) & !0xfff;
        let of = |t: u8| u64::from_le_bytes([t; 8]);
        let mut mtrrs = Mtrrs {
            def_type: ENABLE | FIXED_ENABLE | u64::from(WB),
            // 0-7FFFF, 80000-9FFFF, A0000-BFFFF, then eight of 32 KiB each.
            fixed: [of(WP); FIXED],
            base: [0; VARIABLE],
            mask: [0; VARIABLE],
            address,
        };
        mtrrs.fixed[0] = of(WB);
        mtrrs.fixed[1] = of(WB);
        mtrrs.fixed[2] = of(UC);
        mtrrs.base[0] = 0xc000_0000 | u64::from(UC);
        mtrrs.mask[0] = address & !0x3fff_ffff | VALID;
        mtrrs
    }

    /// Reads a register.
    pub fn read(&self, msr: Msr) -> Read {
        match msr.0 {
            MTRRCAP => Read::Value(CAP),
            MTRR_DEF_TYPE => Read::Value(self.def_type),
            _ => match Register::of(msr) {
                Some(Register::Base(n)) => Read::Value(self.base[n]),
                Some(Register::Mask(n)) => Read::Value(self.mask[n]),
                Some(Register::Fixed(n)) => Read::Value(self.fixed[n]),
                None => Read::Unknown,
            },
        }
    }

    /// Writes a register.
    pub fn write(&mut self, msr: Msr, value: u64) -> Write {
        let low = value.to_le_bytes()[0];
        if msr.0 == MTRR_DEF_TYPE {
            let valid = value & !(ENABLE | FIXED_ENABLE | 0xff) == 0 && is_mtrr_type(low);
            if valid {
                self.def_type = value;
            }
            return Write::if_valid(valid);
        }
        match Register::of(msr) {
            Some(Register::Base(n)) => {
                let valid = value & !(self.address | 0xff) == 0 && is_mtrr_type(low);
                if valid {
                    self.base[n] = value;
                }
                Write::if_valid(valid)
            }
            Some(Register::Mask(n)) => {
                let valid = value & !(self.address | VALID) == 0;
                if valid {
                    self.mask[n] = value;
                }
                Write::if_valid(valid)
            }
            Some(Register::Fixed(n)) => {
                let valid = value.to_le_bytes().iter().all(|&t| is_mtrr_type(t));
                if valid {
                    self.fixed[n] = value;
                }
                Write::if_valid(valid)
            }
            None => Write::Unknown,
        }
    }
}

/// A register by its number; the index is in bounds.
enum Register {
    Base(usize),
    Mask(usize),
    Fixed(usize),
}

impl Register {
    fn of(msr: Msr) -> Option<Register> {
        Some(match msr.0 {
            0x200..0x210 => {
                let n = (msr.0 - 0x200) as usize / 2;
                if msr.0.is_multiple_of(2) { Register::Base(n) } else { Register::Mask(n) }
            }
            0x250 => Register::Fixed(0),
            0x258 | 0x259 => Register::Fixed((msr.0 - 0x258) as usize + 1),
            0x268..=0x26f => Register::Fixed((msr.0 - 0x268) as usize + 3),
            _ => return None,
        })
    }
}

const fn is_mtrr_type(t: u8) -> bool {
    matches!(t, UC | WC | WT | WP | WB)
}

/// Whether IA32_PAT may hold this type.
pub const fn is_pat_type(t: u8) -> bool {
    is_mtrr_type(t) || t == UC_MINUS
}
