//! Results and flags of arithmetic (Intel SDM vol. 1, 3.4.3; vol. 2, the
//! instructions). Where the manual leaves a flag undefined, this does what an
//! Intel processor was seen to do, so that a guest sees the same with and without
//! emulation; only OF of rotations by more than one is a guess.

use crate::decode::{Binary, Bit, Condition, Shift, Unary};
use crate::types::Width;

/// Carry.
pub const CF: u64 = 1 << 0;
/// Even parity of the low byte.
pub const PF: u64 = 1 << 2;
/// Carry out of bit 3.
pub const AF: u64 = 1 << 4;
/// Zero.
pub const ZF: u64 = 1 << 6;
/// Sign.
pub const SF: u64 = 1 << 7;
/// Signed overflow.
pub const OF: u64 = 1 << 11;
/// The six flags that arithmetic sets.
pub const ARITHMETIC: u64 = CF | PF | AF | ZF | SF | OF;

/// A result, and RFLAGS after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Computed {
    /// The result, zero beyond the width.
    pub value: u64,
    /// RFLAGS.
    pub flags: u64,
}

const fn when(condition: bool, flag: u64) -> u64 {
    if condition { flag } else { 0 }
}

const fn sign(width: Width) -> u64 {
    1 << (width.bits() - 1)
}

/// ZF, SF and PF of a result.
const fn of_result(width: Width, value: u64) -> u64 {
    when(value == 0, ZF)
        | when(value & sign(width) != 0, SF)
        | when((value as u8).count_ones().is_multiple_of(2), PF)
}

const fn with(flags: u64, changed: u64, new: u64) -> u64 {
    (flags & !changed) | new
}

const fn add(width: Width, a: u64, b: u64, carry: u64, flags: u64) -> Computed {
    let wide = a as u128 + b as u128 + carry as u128;
    let value = wide as u64 & width.mask();
    let new = of_result(width, value)
        | when(wide > width.mask() as u128, CF)
        | when((a ^ b ^ value) & 0x10 != 0, AF)
        | when((a ^ value) & (b ^ value) & sign(width) != 0, OF);
    Computed { value, flags: with(flags, ARITHMETIC, new) }
}

const fn subtract(width: Width, a: u64, b: u64, borrow: u64, flags: u64) -> Computed {
    let value = a.wrapping_sub(b).wrapping_sub(borrow) & width.mask();
    let new = of_result(width, value)
        | when((a as u128) < b as u128 + borrow as u128, CF)
        | when((a ^ b ^ value) & 0x10 != 0, AF)
        | when((a ^ b) & (a ^ value) & sign(width) != 0, OF);
    Computed { value, flags: with(flags, ARITHMETIC, new) }
}

const fn logic(width: Width, value: u64, flags: u64) -> Computed {
    // AF is undefined; it comes out clear.
    Computed { value, flags: with(flags, ARITHMETIC, of_result(width, value)) }
}

/// `a OP b`.
pub const fn binary(kind: Binary, width: Width, a: u64, b: u64, flags: u64) -> Computed {
    let (a, b) = (a & width.mask(), b & width.mask());
    match kind {
        Binary::Add => add(width, a, b, 0, flags),
        Binary::Adc => add(width, a, b, flags & CF, flags),
        Binary::Sub | Binary::Cmp => subtract(width, a, b, 0, flags),
        Binary::Sbb => subtract(width, a, b, flags & CF, flags),
        Binary::And | Binary::Test => logic(width, a & b, flags),
        Binary::Or => logic(width, a | b, flags),
        Binary::Xor => logic(width, a ^ b, flags),
    }
}

/// `OP a`.
pub const fn unary(kind: Unary, width: Width, a: u64, flags: u64) -> Computed {
    let a = a & width.mask();
    match kind {
        Unary::Inc => {
            let Computed { value, flags: new } = add(width, a, 1, 0, flags);
            Computed { value, flags: with(new, CF, flags & CF) }
        }
        Unary::Dec => {
            let Computed { value, flags: new } = subtract(width, a, 1, 0, flags);
            Computed { value, flags: with(new, CF, flags & CF) }
        }
        Unary::Neg => subtract(width, 0, a, 0, flags),
        Unary::Not => Computed { value: !a & width.mask(), flags },
    }
}

/// `a` shifted or rotated by the low bits of `count`.
pub const fn shift(kind: Shift, width: Width, a: u64, count: u64, flags: u64) -> Computed {
    let a = a & width.mask();
    let bits = width.bits();
    let masked = (count & if bits == 64 { 63 } else { 31 }) as u32;
    if masked == 0 {
        return Computed { value: a, flags };
    }
    let carry_in = flags & CF;
    let (value, carry) = match kind {
        Shift::Rol | Shift::Ror => {
            let by = masked % bits;
            let left = match kind {
                Shift::Rol => by,
                _ => (bits - by) % bits,
            };
            let value =
                if left == 0 { a } else { ((a << left) | (a >> (bits - left))) & width.mask() };
            let carry = match kind {
                Shift::Rol => value & 1,
                _ => value >> (bits - 1),
            };
            (value, carry)
        }
        Shift::Rcl | Shift::Rcr => {
            // A rotation of the value with CF above it.
            let wide = (a as u128) | ((carry_in as u128) << bits);
            let all = bits + 1;
            let by = masked % all;
            let left = match kind {
                Shift::Rcl => by,
                _ => (all - by) % all,
            };
            let rotated = if left == 0 { wide } else { (wide << left) | (wide >> (all - left)) };
            (rotated as u64 & width.mask(), (rotated >> bits) as u64 & 1)
        }
        Shift::Shl => {
            let wide = (a as u128) << masked;
            (wide as u64 & width.mask(), (wide >> bits) as u64 & 1)
        }
        Shift::Shr => {
            let wide = (a as u128) << 64 >> masked;
            ((wide >> 64) as u64, (wide >> 63) as u64 & 1)
        }
        Shift::Sar => {
            let signed = sign_extend(width, a).cast_signed() as i128;
            let wide = signed << 32 >> masked;
            ((wide >> 32) as u64 & width.mask(), (wide >> 31) as u64 & 1)
        }
    };
    // OF is defined for a count of one, and then says whether the sign changed.
    // For other counts, silicon mostly says what it would for one.
    let sign_before = a >> (bits - 1);
    let second = (a >> (bits - 2)) & 1;
    let overflow = match kind {
        Shift::Rol | Shift::Rcl | Shift::Shl => sign_before != second,
        Shift::Ror => sign_before != a & 1,
        Shift::Rcr => sign_before != carry_in,
        Shift::Shr => sign_before != 0,
        Shift::Sar => false,
    };
    let new = when(carry != 0, CF) | when(overflow, OF);
    let flags = match kind {
        Shift::Rol | Shift::Ror | Shift::Rcl | Shift::Rcr => with(flags, CF | OF, new),
        Shift::Shl | Shift::Shr | Shift::Sar => {
            with(flags, ARITHMETIC, new | of_result(width, value))
        }
    };
    Computed { value, flags }
}

/// Bit `index` modulo the width of `a`; only CF changes.
pub const fn bit(kind: Bit, width: Width, a: u64, index: u64, flags: u64) -> Computed {
    let mask = 1 << (index & (width.bits() as u64 - 1));
    let value = match kind {
        Bit::Test => a,
        Bit::Set => a | mask,
        Bit::Reset => a & !mask,
        Bit::Complement => a ^ mask,
    };
    Computed { value: value & width.mask(), flags: with(flags, CF, when(a & mask != 0, CF)) }
}

/// Whether `condition` holds.
pub const fn holds(condition: Condition, flags: u64) -> bool {
    let less = has_flag(flags, SF) != has_flag(flags, OF);
    match condition {
        Condition::Overflow => has_flag(flags, OF),
        Condition::NoOverflow => !has_flag(flags, OF),
        Condition::Below => has_flag(flags, CF),
        Condition::AboveOrEqual => !has_flag(flags, CF),
        Condition::Equal => has_flag(flags, ZF),
        Condition::NotEqual => !has_flag(flags, ZF),
        Condition::BelowOrEqual => has_flag(flags, CF | ZF),
        Condition::Above => !has_flag(flags, CF | ZF),
        Condition::Sign => has_flag(flags, SF),
        Condition::NoSign => !has_flag(flags, SF),
        Condition::Parity => has_flag(flags, PF),
        Condition::NoParity => !has_flag(flags, PF),
        Condition::Less => less,
        Condition::GreaterOrEqual => !less,
        Condition::LessOrEqual => less || has_flag(flags, ZF),
        Condition::Greater => !less && !has_flag(flags, ZF),
    }
}

const fn has_flag(flags: u64, any_of: u64) -> bool {
    flags & any_of != 0
}

/// The low `width` of `value`, its sign in all bits above.
pub const fn sign_extend(width: Width, value: u64) -> u64 {
    let unused = 64 - width.bits();
    ((value << unused).cast_signed() >> unused).cast_unsigned()
}
