//! What all cases share: memory, capability slots, a window into it, the bell
//! that wakes this task.
//!
//! This task has the highest priority, so it runs whenever it is not waiting.
//! While it waits the threads of the case run; it is woken by the alarm, by a
//! thread that rings, or by a fault of one.

use heapless::Vec;
use sel4::{
    Badge, Word,
    abi::current::numbers::{invocation, size_bits},
    cap::{
        AsidPool, Endpoint, Frame, MemoryType, Notification, ObjectType, Rights, Tcb, Untyped,
        invoke,
    },
};
use sel4_root_task::{BootInfo, Objects, PdSpace, Slots, init_caps};

use crate::{
    clock::Clock,
    verdict::{Failure, Verdict},
};

/// Where frames are seen: in the second 512 GiB, which the kernel leaves empty.
const WINDOW: Word = 1 << 39;

/// Threads of one case, at most.
pub const THREADS: usize = 8;

/// Bit of the bell's badge for the alarm; thread `n` has bit `n`.
const ALARM: Word = 1 << 32;

/// What woke this task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time is up.
    Time,
    /// These threads rang, a bit each.
    Rang(Word),
    /// A thread faulted: the kind, and the message's first registers.
    Fault(Word, [Word; 4]),
}

/// Everything shared.
pub struct World {
    /// Memory and slots.
    pub objects: Objects,
    /// Where guests' memory gets its identifiers.
    pub asid_pool: AsidPool,
    space: PdSpace,
    next: Word,
    clock: Clock,
    bell: Notification,
    faults: Endpoint,
    threads: Vec<Tcb, THREADS>,
}

impl World {
    /// Sets everything up.
    pub fn new(boot: &BootInfo) -> Verdict<Self> {
        let mut objects = Objects::new(boot);
        let bell = Notification::from_address(objects.one(ObjectType::Notification)?);
        let faults = Endpoint::from_address(objects.one(ObjectType::Endpoint)?);
        init_caps::TCB.bind_notification(bell)?;
        let rung = mint(&mut objects, bell.address(), Badge::Notification(ALARM).pack())?;
        let slot = objects.slots(1)?;
        let clock = Clock::new(slot, Notification::from_address(rung))?;
        // SAFETY: `window` maps only addresses of the second 512 GiB, where
        // the kernel put nothing.
        let space = unsafe { PdSpace::own() };
        Ok(World {
            objects,
            asid_pool: init_caps::ASID_POOL,
            space,
            next: WINDOW,
            clock,
            bell,
            faults,
            threads: Vec::new(),
        })
    }

    /// A capability to the bell with the badge of thread `n`.
    pub fn bell(&mut self, n: usize) -> Verdict<Notification> {
        let bell = self.bell.address();
        let slot = mint(&mut self.objects, bell, Badge::Notification(1 << n).pack())?;
        Ok(Notification::from_address(slot))
    }

    /// Where threads' faults are reported.
    pub fn faults(&self) -> Endpoint {
        self.faults
    }

    /// A second capability to the same object.
    pub fn copy(&mut self, cap: Word) -> Verdict<Word> {
        let slot = self.objects.slots(1)?;
        let (to, from) = (Slots::slot(slot), Slots::slot(cap));
        init_caps::CNODE.copy(to, init_caps::CNODE, from, Rights::ALL)?;
        Ok(slot)
    }

    /// Deletes a capability.
    pub fn delete(&self, cap: Word) -> Verdict {
        Ok(init_caps::CNODE.delete(Slots::slot(cap))?)
    }

    /// Takes back everything that was made of untyped memory.
    pub fn revoke(&self, memory: Untyped) -> Verdict {
        let slot = Slots::slot(memory.address());
        let words = [slot.index, slot.depth.into()];
        invoke(init_caps::CNODE.address(), invocation::CNODE_REVOKE, words, [])?;
        Ok(())
    }

    /// Untyped memory of its own, so that what is made of it has no neighbours.
    pub fn untyped(&mut self, bits: u8) -> Verdict<Untyped> {
        Ok(Untyped::from_address(self.objects.one(ObjectType::Untyped(bits))?))
    }

    /// One object out of such memory.
    pub fn make_from(&mut self, memory: Untyped, kind: ObjectType) -> Verdict<Word> {
        let slot = self.objects.slots(1)?;
        memory.retype(kind, init_caps::CNODE, slot, 1)?;
        Ok(slot)
    }

    /// Maps a frame where this task sees it.
    pub fn window(&mut self, frame: Frame, bits: u8) -> Verdict<*mut u8> {
        let size = 1 << bits;
        let address = self.next.next_multiple_of(size);
        self.map(frame, bits, address)?;
        self.next = address + size;
        Ok(address as *mut u8)
    }

    /// Maps a small frame at an address of the last 512 GiB, where nothing of
    /// this program is.
    pub fn map_at(&mut self, frame: Frame, address: Word) -> Verdict {
        assert!(address >> WINDOW.ilog2() == 0xff, "not in the last 512 GiB");
        self.map(frame, size_bits::PAGE as u8, address)
    }

    fn map(&mut self, frame: Frame, bits: u8, address: Word) -> Verdict {
        let back = MemoryType::WriteBack;
        self.space.map(&mut self.objects, frame, bits, address, Rights::ALL, back)?;
        Ok(())
    }

    /// Keeps a thread to be stopped after the case; returns its number.
    pub fn enlist(&mut self, thread: Tcb) -> Verdict {
        self.threads
            .push(thread)
            .map_err(|_| Failure::new(format_args!("a case has at most {THREADS} threads")))
    }

    /// The number of the next thread.
    pub fn thread_number(&self) -> usize {
        self.threads.len()
    }

    /// Stops all threads of a case.
    pub fn stop_threads(&mut self) {
        for thread in self.threads.drain(..) {
            // Some were deleted by their case.
            let _ = thread.suspend();
        }
    }

    /// Waits for an event, so many ticks at most.
    pub fn wait(&self, ticks: u64) -> Verdict<Event> {
        let since = sel4::timestamp_counter();
        loop {
            let passed = sel4::timestamp_counter().wrapping_sub(since);
            let Some(left) = ticks.checked_sub(passed).filter(|left| *left > 0) else {
                return Ok(Event::Time);
            };
            self.clock.arm(left)?;
            let received = self.faults.recv(0);
            let Badge::Notification(rang) = Badge::parse(received.badge) else {
                return Ok(Event::Fault(received.info.label, received.mrs));
            };
            // The alarm may be an earlier wait's: then time is not up yet.
            let rang = rang & (ALARM - 1);
            if rang != 0 {
                return Ok(Event::Rang(rang));
            }
        }
    }

    /// Lets the threads run for so many ticks.
    pub fn pause(&self, ticks: u64) -> Verdict {
        match self.wait(ticks)? {
            Event::Time => Ok(()),
            Event::Rang(threads) => {
                Err(Failure::new(format_args!("threads {threads:#b} rang too early")))
            }
            Event::Fault(kind, words) => {
                Err(Failure::new(format_args!("a thread faulted: kind {kind}, {words:x?}")))
            }
        }
    }
}

fn mint(objects: &mut Objects, cap: Word, badge: Word) -> Verdict<Word> {
    let slot = objects.slots(1)?;
    let (to, from) = (Slots::slot(slot), Slots::slot(cap));
    init_caps::CNODE.mint(to, init_caps::CNODE, from, Rights::ALL, badge)?;
    Ok(slot)
}
