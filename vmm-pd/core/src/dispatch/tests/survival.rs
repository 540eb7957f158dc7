//! Whatever a guest does, the VMM goes on or ends it.

use proptest::prelude::*;

use super::super::testing::RAM;
use super::*;
use crate::cpu::SegmentRegister;
use crate::cpu::testing::FakeCpu;
use crate::vm::Arrival;

/// A segment that VT-x could hold.
fn segments() -> impl Strategy<Value = [crate::cpu::Segment; 8]> {
    prop::array::uniform8((any::<u16>(), any::<u64>(), any::<u32>(), 0u32..0x2_0000).prop_map(
        |(selector, base, limit, access_rights)| crate::cpu::Segment {
            selector,
            base,
            limit,
            access_rights,
        },
    ))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever a guest does and whatever the processor says of it, the VMM
    /// neither panics nor leaves guest memory.
    #[test]
    fn any_exit_of_any_guest_is_survived(
        reason in prop_oneof![0u32..80, any::<u32>()],
        qualification in prop_oneof![any::<u64>(), 0u64..0x2000, (0u64..0x1_0000).prop_map(|p| p << 16)],
        length: u32,
        guest_physical in prop_oneof![any::<u64>(), 0u64..0x1_0000_0000],
        gprs: [u64; 16],
        rip in prop_oneof![any::<u64>(), 0u64..RAM as u64],
        states in prop::array::uniform32(any::<u64>()),
        mode in 0u8..3,
        segments in segments(),
        code in prop::collection::vec(any::<u8>(), 32),
        ticks: u64,
        notify: bool,
    ) {
        let mut b = match mode {
            0 => Bench::new(FakeCpu::real_mode()),
            1 => Bench::protected_mode(),
            _ => Bench::long_mode(),
        };
        let cs = b.cpu.segments[SegmentRegister::Cs as usize];
        if mode == 0 {
            b.cpu.segments = segments;
            for (n, state) in states.into_iter().enumerate() {
                b.cpu.fields.insert(n as u8, state);
            }
        } else {
            b.cpu.set(StateField::Rflags, states[0]);
            b.cpu.set(StateField::Interruptibility, states[1] & 0xf);
            b.cpu.set(StateField::IdtVectoringInfo, states[2]);
            b.cpu.set(StateField::ExitInterruptionInfo, states[3]);
            b.cpu.segments = segments;
            b.cpu.segments[SegmentRegister::Cs as usize] = cs;
        }
        b.cpu.gprs = gprs;
        b.cpu.rip = rip;
        b.cpu.ticks = Ticks(ticks);
        if let Some(at) = usize::try_from(rip).ok().filter(|r| *r < RAM - 32) {
            b.memory.0[at..at + 32].copy_from_slice(&code);
        }
        let outcome = b.exit_at(reason, qualification, length, guest_physical);
        if let Outcome::Stop(why) = outcome {
            let mut text = std::string::String::new();
            crate::report::write(&mut text, why, &b.vm, &mut b.cpu, &mut b.memory).unwrap();
            prop_assert!(!text.is_empty());
        } else if notify {
            let _ = b.notified(Arrival::Running);
        }
        prop_assert_eq!(b.memory.0.len(), RAM);
    }

    /// A hostile driver of every port and MSR: the machine goes on or ends, and
    /// its deadline is never forgotten.
    #[test]
    fn any_sequence_of_port_and_msr_writes_is_survived(
        steps in prop::collection::vec(
            (any::<bool>(), prop_oneof![0u32..0x1000, any::<u32>()], any::<u64>(), 0u64..3, 0u64..1 << 40),
            1..60,
        ),
    ) {
        let mut b = Bench::long_mode();
        b.set_rflags(IF);
        let mut now = 0u64;
        for (port, number, value, width, pause) in steps {
            now += pause;
            b.cpu.ticks = Ticks(now);
            let outcome = if port {
                b.out((number & 0xffff) as u16, 1 << width, value)
            } else {
                b.wrmsr(u64::from(number), value)
            };
            prop_assert_eq!(b.vm.next_deadline(), b.vm.devices_deadline());
            if let Outcome::Restart(_) = outcome {
                b.vm.restart(Ticks(now));
            }
        }
    }
}
