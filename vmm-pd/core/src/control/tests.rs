use proptest::prelude::*;

use super::*;
use crate::cpu::testing::FakeCpu;

fn cpu(shadow: u64) -> FakeCpu {
    let mut cpu = FakeCpu::protected_mode();
    cpu.set(StateField::Cr0Shadow, shadow);
    cpu
}

#[test]
fn a_cr0_write_moves_the_shadow_and_runs_again() {
    let mut cpu = cpu(CR0_PE);
    let value = CR0_PE | CR0_NE | CR0_PG;
    assert_eq!(write_cr0(&mut cpu, value), Written::RunAgain);
    // Nothing of the host's differs any more: the same write does not exit again.
    let shadow = cpu.get(StateField::Cr0Shadow);
    assert_eq!((shadow ^ value) & CR0_HOST_OWNED, 0);
    // CR0 itself is the processor's to change.
    assert_eq!(cpu.writes, [(StateField::Cr0Shadow, shadow)]);
    assert_eq!(write_cr0(&mut cpu, value), Written::NotAskedFor);
}

#[test]
fn linux_may_disable_caches_and_only_it_believes_so() {
    let mut cpu = cpu(CR0_PE | CR0_NE);
    assert_eq!(write_cr0(&mut cpu, CR0_PE | CR0_NE | CR0_CD), Written::RunAgain);
    assert_eq!(cpu.get(StateField::Cr0Shadow) & CR0_CD, CR0_CD);
    assert_eq!(cpu.get(StateField::Cr0) & CR0_CD, 0);
}

#[test]
fn forbidden_cr0_values_fault() {
    for value in [CR0_PE | CR0_NW | CR0_NE, CR0_PG | CR0_NE] {
        let mut cpu = cpu(0);
        assert_eq!(write_cr0(&mut cpu, value), Written::Fault, "{value:#x}");
        assert!(cpu.writes.is_empty());
    }
}

#[test]
fn the_upper_half_of_the_operand_exists_in_64_bit_mode_only() {
    let value = 1 << 40 | CR0_PE | CR0_NE;
    assert_eq!(write_cr0(&mut cpu(0), value), Written::RunAgain);
    let mut cpu = FakeCpu::long_mode(0);
    assert_eq!(write_cr0(&mut cpu, value | CR0_PG), Written::Fault);
}

#[test]
fn cr4_bits_that_are_not_offered_are_the_hosts() {
    let none = Cr4Policy::new(0);
    // VMXE, SMXE, OSXSAVE, PKE, CET, PKS, LA57 and all that is unknown.
    for bit in [11, 12, 13, 14, 16, 17, 18, 20, 21, 22, 23, 24, 25, 32, 63] {
        assert_ne!(none.host_owned() & 1 << bit, 0, "{bit}");
    }
    let all = Cr4Policy::new(u64::MAX);
    for bit in [12, 13, 14, 22, 23, 24, 25, 32, 63] {
        assert_ne!(all.host_owned() & 1 << bit, 0, "{bit}");
    }
    for bit in [5, 7, 11, 16, 17, 18, 20, 21] {
        assert_eq!(all.host_owned() & 1 << bit, 0, "{bit}");
    }
    assert_eq!(write_cr4(), Written::Fault);
}

#[test]
fn xcr0_takes_the_one_value_that_is_offered_from_whoever_may_write_it() {
    let gp = Err(Exception::GeneralProtection(0));
    let mut cpu = FakeCpu::protected_mode();
    assert_eq!(write_xcr0(&mut cpu, 7, 0, 7), Err(Exception::InvalidOpcode), "OSXSAVE is clear");
    cpu.set(StateField::Cr4, CR4_OSXSAVE);
    assert_eq!(write_xcr0(&mut cpu, 0, 0, 3), Err(Exception::InvalidOpcode), "not offered");
    assert_eq!(write_xcr0(&mut cpu, 7, 0, 7), Ok(()));
    assert_eq!(write_xcr0(&mut cpu, 7, 1, 7), gp);
    for value in [0, 1, 3, 6, 0xe7, u64::MAX] {
        assert_eq!(write_xcr0(&mut cpu, 7, 0, value), gp, "{value:#x}");
    }
    cpu.segments[SegmentRegister::Ss as usize].access_rights = 0xc0f3;
    assert_eq!(write_xcr0(&mut cpu, 7, 0, 7), gp, "user code");
}

#[test]
fn lme_changes_only_while_paging_is_off() {
    let mut cpu = FakeCpu::protected_mode();
    assert_eq!(write_efer(&mut cpu, EFER_LME | EFER_SCE, true), Written::Done);
    assert_eq!(cpu.get(StateField::Efer), EFER_LME | EFER_SCE);
    let mut cpu = FakeCpu::long_mode(0);
    let efer = cpu.get(StateField::Efer);
    assert_eq!(write_efer(&mut cpu, efer & !EFER_LME, true), Written::Fault);
    assert_eq!(write_efer(&mut cpu, efer & !EFER_LMA, true), Written::Done);
    assert_eq!(cpu.get(StateField::Efer), efer, "LMA is not the guest's to write");
}

#[test]
fn efer_bits_that_are_not_offered_fault() {
    for bit in [1, 9, 12, 13, 14, 15, 63] {
        let mut cpu = FakeCpu::protected_mode();
        assert_eq!(write_efer(&mut cpu, 1 << bit, true), Written::Fault, "{bit}");
    }
    let mut cpu = FakeCpu::protected_mode();
    assert_eq!(write_efer(&mut cpu, EFER_NXE, false), Written::Fault);
    assert_eq!(write_efer(&mut cpu, EFER_NXE, true), Written::Done);
}

#[test]
fn an_unchanged_efer_is_not_written() {
    let mut cpu = FakeCpu::long_mode(0);
    let efer = cpu.get(StateField::Efer);
    assert_eq!(write_efer(&mut cpu, efer, true), Written::Done);
    assert!(cpu.writes.is_empty());
}

proptest! {
    /// A write that runs again does not exit again.
    #[test]
    fn running_again_always_makes_progress(shadow: u64, value: u64, long: bool) {
        let mut cpu = if long { FakeCpu::long_mode(0) } else { FakeCpu::protected_mode() };
        cpu.set(StateField::Cr0Shadow, shadow);
        let real = cpu.get(StateField::Cr0);
        if write_cr0(&mut cpu, value) == Written::RunAgain {
            prop_assert_eq!((cpu.get(StateField::Cr0Shadow) ^ value) & CR0_HOST_OWNED, 0);
        }
        prop_assert_eq!(cpu.get(StateField::Cr0), real);
    }
}
