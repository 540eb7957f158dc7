//! Every device's registers, at any moments.
//!
//! What holds for all of them is here: a device that sleeps past its deadlines
//! ends where one does that is woken at each; deadlines lie ahead; what a
//! snapshot holds makes an equal device.

use std::fmt::Debug;

use arbitrary::Arbitrary;
use serde::{Serialize, de::DeserializeOwned};
use vmm_core::types::Ticks;

use super::input::{Clock, Pause};

pub(super) mod acpi_pm;
pub(super) mod i8042;
pub(super) mod interrupts;
pub(super) mod pit;
pub(super) mod rtc;
pub(super) mod uart;

/// Most deadlines at which a device is woken during one pause.
const STOPS: usize = 100;

/// A device that something happens to without an access.
trait Timed: Sized {
    /// What a snapshot holds.
    type State: Serialize + DeserializeOwned + PartialEq + Debug;

    fn state(&self, now: Ticks) -> Self::State;
    fn restored(&self, state: Self::State, now: Ticks) -> Self;
    fn deadline(&self) -> Option<Ticks>;
    fn advance(&mut self, now: Ticks);
    /// Whether two devices in the same state plan the same.
    fn agrees(&self, other: &Self) -> bool {
        self.deadline() == other.deadline()
    }
    /// The state without what depends on when the device was looked at.
    fn lasting(&self, now: Ticks) -> Self::State {
        self.state(now)
    }
    /// Everything that the device shows without being read.
    fn lines(&self) -> u64;
}

/// What a snapshot's file would give back.
fn stored<T: Serialize + DeserializeOwned + PartialEq + Debug>(state: T) -> T {
    let bytes = postcard::to_stdvec(&state).expect("memory is enough");
    let again = postcard::from_bytes(&bytes).expect("what was written can be read");
    assert_eq!(state, again);
    again
}

/// A second device out of a snapshot of the first.
fn twin<D: Timed>(device: &D, now: Ticks) -> D {
    let twin = device.restored(stored(device.state(now)), now);
    assert_eq!(twin.state(now), device.state(now), "a snapshot changes the state");
    assert_eq!(twin.lines(), device.lines(), "a snapshot changes a line");
    assert!(
        twin.agrees(device),
        "a snapshot changes the deadline: {:?}, then {:?}",
        device.deadline(),
        twin.deadline()
    );
    twin
}

/// Lets time pass for a device, and in small steps for its twin.
fn pass<D: Timed>(device: &mut D, clock: &mut Clock, pause: Pause) {
    let mut woken = twin(device, clock.now);
    let end = clock.after(pause);
    let mut stops = 0;
    while let Some(deadline) = woken.deadline().filter(|at| *at <= end) {
        woken.advance(deadline);
        assert!(
            woken.deadline().is_none_or(|next| next > deadline),
            "at {deadline:?} the next deadline is {:?}",
            woken.deadline()
        );
        stops += 1;
        if stops == STOPS {
            break;
        }
    }
    woken.advance(end);
    device.advance(end);
    clock.now = end;
    assert!(
        device.deadline().is_none_or(|next| next > end),
        "at {end:?} the next deadline is {:?}",
        device.deadline()
    );
    assert_eq!(woken.lines(), device.lines(), "lines, after {stops} deadlines");
    assert_eq!(woken.lasting(end), device.lasting(end), "state, after {stops} deadlines");
    assert!(woken.agrees(device), "deadline, after {stops} deadlines");
}

/// An access to a register of one byte, or none.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    Read(u8),
    Write(u8, u8),
    Pass(Pause),
    /// Something from another side, which each device has its own use for.
    Other(u8),
}
