//! Debug registers of a guest whose kernel does not switch them.
//!
//! DR0 to DR3 and DR6 are in no VMCS. A kernel that leaves them as they are would
//! let one guest read and set another's breakpoints; so every access exits, and
//! the registers live here (Intel SDM vol. 3B, 18.2). The surprising fact: they
//! hold what was written and nothing more. No breakpoint ever strikes, because the
//! processor never learns of one; single-stepping, which needs none of them, works.
//!
//! Not here: DR7.GD and IA32_DEBUGCTL of a guest whose registers are the
//! processor's, which is delivery's business ([`crate::dispatch`]).

use crate::control;
use crate::cpu::{Cpu, Exception, StateField};
use crate::exit::{Direction, DrAccess};

/// DR6 bits that are always one, where there is neither RTM nor bus-lock
/// detection.
const DR6_ONES: u64 = 0xffff_0ff0;
/// DR6: B0 to B3, BD, BS, BT.
const DR6_WRITABLE: u64 = 0xf | DR6_BD | DR6_BS | 1 << 15;
/// DR6.BD: an access while DR7.GD was set.
const DR6_BD: u64 = 1 << 13;
/// DR6.BS: a single step.
const DR6_BS: u64 = 1 << 14;
/// What the qualification of a #DB's exit says as DR6 does (vol. 3C, table 28-1).
const STRUCK: u64 = 0xf | DR6_BD | DR6_BS;
/// DR7.GD: the next access is a #DB.
const DR7_GD: u64 = 1 << 13;
/// DR7: a bit that is always one.
const DR7_ONE: u64 = 1 << 10;
/// DR7 bits that are always zero, below the upper half: 11, 12, 14, 15.
const DR7_ZEROES: u64 = 0xd800;
/// CR4.DE: DR4 and DR5 are no names of DR6 and DR7.
const CR4_DE: u64 = 1 << 3;

/// The registers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DebugRegisters {
    addresses: [u64; 4],
    dr6: u64,
    dr7: u64,
}

impl Default for DebugRegisters {
    /// After power-on (vol. 3A, table 10-1).
    fn default() -> Self {
        DebugRegisters { addresses: [0; 4], dr6: DR6_ONES, dr7: DR7_ONE }
    }
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Address(usize),
    Dr6,
    Dr7,
}

impl DebugRegisters {
    /// The guest executes MOV to or from one.
    ///
    /// # Errors
    /// What it gets instead. Whether the processor looked at the privilege level
    /// before it exited is its own affair, so that is checked here.
    pub fn access(&mut self, cpu: &mut impl Cpu, access: DrAccess) -> Result<(), Exception> {
        let long = control::in_64_bit_mode(cpu);
        let name = match access.register {
            4 | 5 if cpu.state(StateField::Cr4) & CR4_DE != 0 => {
                return Err(Exception::InvalidOpcode);
            }
            n @ 0..=3 => Name::Address(usize::from(n)),
            4 | 6 => Name::Dr6,
            5 | 7 => Name::Dr7,
            _ => return Err(Exception::InvalidOpcode),
        };
        if control::privilege_level(cpu) != 0 {
            return Err(Exception::GeneralProtection(0));
        }
        if self.dr7 & DR7_GD != 0 {
            self.struck(DR6_BD);
            return Err(Exception::Debug);
        }
        match access.direction {
            Direction::In => {
                let value = match name {
                    Name::Address(n) => self.addresses[n],
                    Name::Dr6 => self.dr6,
                    Name::Dr7 => self.dr7,
                };
                let kept = if long { value } else { value & 0xffff_ffff };
                cpu.set_gpr(access.gpr, kept);
                Ok(())
            }
            Direction::Out => {
                let value = cpu.gpr(access.gpr);
                self.write(name, if long { value } else { value & 0xffff_ffff })
            }
        }
    }

    fn write(&mut self, name: Name, value: u64) -> Result<(), Exception> {
        if (name == Name::Dr6 || name == Name::Dr7) && value >> 32 != 0 {
            return Err(Exception::GeneralProtection(0));
        }
        match name {
            Name::Address(n) => self.addresses[n] = value,
            Name::Dr6 => self.dr6 = value & DR6_WRITABLE | DR6_ONES,
            Name::Dr7 => self.dr7 = value & !DR7_ZEROES | DR7_ONE,
        }
        Ok(())
    }

    /// A #DB is delivered, for these reasons, in the format of DR6: the processor
    /// adds them and clears DR7.GD (vol. 3B, 18.2.3 and 18.2.4).
    pub fn struck(&mut self, reasons: u64) {
        self.dr6 |= reasons & STRUCK;
        self.dr7 &= !DR7_GD;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::FakeCpu;
    use crate::cpu::{Gpr, SegmentRegister};

    fn write(register: u8) -> DrAccess {
        DrAccess { register, direction: Direction::Out, gpr: Gpr::Rax }
    }

    fn read(register: u8) -> DrAccess {
        DrAccess { register, direction: Direction::In, gpr: Gpr::Rbx }
    }

    fn put(d: &mut DebugRegisters, cpu: &mut FakeCpu, n: u8, v: u64) -> Result<(), Exception> {
        cpu.gprs[Gpr::Rax as usize] = v;
        d.access(cpu, write(n))
    }

    fn get(d: &mut DebugRegisters, cpu: &mut FakeCpu, n: u8) -> u64 {
        d.access(cpu, read(n)).unwrap();
        cpu.gprs[Gpr::Rbx as usize]
    }

    #[test]
    fn they_begin_as_after_power_on_and_hold_what_is_written() {
        let (mut d, mut cpu) = (DebugRegisters::default(), FakeCpu::long_mode(0));
        cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xa09b;
        cpu.set(StateField::Efer, 0x500);
        assert_eq!(get(&mut d, &mut cpu, 6), 0xffff_0ff0);
        assert_eq!(get(&mut d, &mut cpu, 7), 0x400);
        put(&mut d, &mut cpu, 2, 0xffff_8000_1234_5678).unwrap();
        assert_eq!(get(&mut d, &mut cpu, 2), 0xffff_8000_1234_5678);
        put(&mut d, &mut cpu, 6, 0).unwrap();
        put(&mut d, &mut cpu, 7, 0xffff_dfff).unwrap();
        assert_eq!(get(&mut d, &mut cpu, 6), 0xffff_0ff0);
        assert_eq!(get(&mut d, &mut cpu, 7), 0xffff_07ff);
    }

    #[test]
    fn upper_halves_fault_where_they_exist_and_are_dropped_where_not() {
        let (mut d, mut cpu) = (DebugRegisters::default(), FakeCpu::long_mode(0));
        cpu.segments[SegmentRegister::Cs as usize].access_rights = 0xa09b;
        cpu.set(StateField::Efer, 0x500);
        let fault = Err(Exception::GeneralProtection(0));
        assert_eq!(put(&mut d, &mut cpu, 6, 1 << 32), fault);
        assert_eq!(put(&mut d, &mut cpu, 7, 1 << 40), fault);
        let mut cpu = FakeCpu::protected_mode();
        assert_eq!(put(&mut d, &mut cpu, 0, 0x1_2345_6789), Ok(()));
        assert_eq!(get(&mut d, &mut cpu, 0), 0x2345_6789);
        assert_eq!(put(&mut d, &mut cpu, 7, 1 << 40 | 2), Ok(()));
        assert_eq!(get(&mut d, &mut cpu, 7), 0x402);
    }

    #[test]
    fn dr4_and_dr5_are_other_names_unless_debugging_extensions_are_on() {
        let (mut d, mut cpu) = (DebugRegisters::default(), FakeCpu::protected_mode());
        assert_eq!(put(&mut d, &mut cpu, 5, 0x55), Ok(()));
        assert_eq!(get(&mut d, &mut cpu, 7), 0x455);
        assert_eq!(get(&mut d, &mut cpu, 4), 0xffff_0ff0);
        cpu.set(StateField::Cr4, CR4_DE);
        assert_eq!(put(&mut d, &mut cpu, 5, 0), Err(Exception::InvalidOpcode));
    }

    #[test]
    fn user_code_faults() {
        let (mut d, mut cpu) = (DebugRegisters::default(), FakeCpu::protected_mode());
        cpu.segments[SegmentRegister::Ss as usize].access_rights = 0xc0f3;
        assert_eq!(put(&mut d, &mut cpu, 0, 1), Err(Exception::GeneralProtection(0)));
    }

    #[test]
    fn general_detect_strikes_once_and_says_so_in_dr6() {
        let (mut d, mut cpu) = (DebugRegisters::default(), FakeCpu::protected_mode());
        put(&mut d, &mut cpu, 7, DR7_GD).unwrap();
        assert_eq!(put(&mut d, &mut cpu, 0, 1), Err(Exception::Debug));
        assert_eq!(get(&mut d, &mut cpu, 6), 0xffff_0ff0 | DR6_BD);
        assert_eq!(get(&mut d, &mut cpu, 0), 0);
    }

    #[test]
    fn a_step_is_told_and_nothing_else_of_the_qualification() {
        let mut d = DebugRegisters::default();
        d.struck(DR6_BS | 1 << 12 | 1 << 60);
        let mut cpu = FakeCpu::protected_mode();
        assert_eq!(get(&mut d, &mut cpu, 6), 0xffff_0ff0 | DR6_BS);
    }
}
