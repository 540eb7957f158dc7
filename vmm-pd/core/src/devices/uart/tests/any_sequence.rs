//! Whatever a guest does: snapshots, and the rules that always hold.

use proptest::prelude::*;

use super::*;

#[test]
fn a_snapshot_goes_on_where_it_was_taken() {
    let mut b = Bench::open(Ier::ERBFI, 3);
    b.out.room = 1;
    b.write(0, b'1');
    b.write(0, b'2');
    b.type_in(b"ab");
    let deadline = b.uart.deadline();
    let tsc = TscFrequency::new(TSC_HZ).unwrap();
    b.uart = Uart::restore(tsc, b.uart.state().clone());
    assert_eq!(b.uart.deadline(), deadline);
    assert_eq!(b.read(0), b'a');
    b.out.room = 1;
    b.uart.writable(&mut b.out);
    assert_eq!(b.out.written, b"12");
}

/// What may happen to a UART.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read(u8),
    Write(u8, u8),
    Type(u8),
    Room(u8),
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Read),
        (any::<u8>(), any::<u8>()).prop_map(|(o, v)| Step::Write(o, v)),
        any::<u8>().prop_map(Step::Type),
        any::<u8>().prop_map(Step::Room),
        any::<u32>().prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever is done to it, it does not panic and keeps its own rules.
    #[test]
    fn any_sequence_keeps_the_rules(steps in prop::collection::vec(step(), 0..300)) {
        let mut b = Bench::new();
        b.out.room = 0;
        for step in steps {
            match step {
                Step::Read(offset) => {
                    b.read(offset);
                }
                Step::Write(offset, value) => b.write(offset, value),
                Step::Type(byte) => b.type_in(&[byte]),
                Step::Room(room) => {
                    b.out.room = room.into();
                    b.uart.writable(&mut b.out);
                }
                Step::Wait(ticks) => {
                    b.now = b.now.saturating_add(Ticks(ticks.into()));
                    b.uart.advance(b.now);
                }
            }
            let state = b.uart.state();
            prop_assert!(state.receiver.len() <= b.uart.room());
            prop_assert!(state.transmitter.len() <= b.uart.room());
            let mcr = Mcr::from_bits_retain(state.mcr);
            let connected = mcr.contains(Mcr::OUT2) && !mcr.contains(Mcr::LOOP);
            prop_assert_eq!(b.uart.irq(), connected && b.uart.interrupt().is_some());
            if let Some(at) = b.uart.deadline() {
                prop_assert!(at > b.now, "a deadline in the past");
            }
        }
    }

    /// An interrupt-driven driver gets every byte in order, whatever the trigger.
    #[test]
    fn an_interrupt_handler_loses_nothing(
        typed in prop::collection::vec(any::<u8>(), 0..200),
        trigger in 0u8..4,
        gaps in prop::collection::vec(0u64..1_000_000, 200),
    ) {
        let mut b = Bench::open(Ier::ERBFI, trigger);
        let mut got = std::vec::Vec::new();
        for (byte, gap) in typed.iter().zip(gaps) {
            b.type_in(&[*byte]);
            let until = b.now.saturating_add(Ticks(gap));
            while let Some(at) = b.uart.deadline().filter(|at| *at <= until) {
                b.now = at;
                b.uart.advance(at);
                while b.uart.irq() {
                    got.push(b.read(0));
                }
            }
            b.now = until;
            b.uart.advance(until);
            while b.uart.irq() {
                got.push(b.read(0));
            }
        }
        while let Some(at) = b.uart.deadline() {
            b.now = at;
            b.uart.advance(at);
            while b.uart.irq() {
                got.push(b.read(0));
            }
        }
        prop_assert_eq!(got, typed);
    }
}
