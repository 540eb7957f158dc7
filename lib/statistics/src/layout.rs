//! Where each word is.
//!
//! | word | contents |
//! | ---: | --- |
//! | 0 | `0x4248_5354` ("BHST") in the upper half, [`VERSION`] in the lower; 0 before the VMM has started |
//! | 1 to 21 | [`Counter`]s, by their numbers |
//! | 32 to 111 | exits with reason 0 to 79 |
//! | 112 | exits with any other reason |
//! | 128 to 191 | the last 16 exits, four words each: reason, instruction pointer, qualification, guest-physical address; exit `n` (the first is 0) is in place `n` modulo 16 |

/// Version of this layout. A reader refuses any other.
pub const VERSION: u32 = 1;

/// Upper half of word 0.
pub const MAGIC: u32 = 0x4248_5354;

/// Reasons that have a count of their own: 0 to 79 (Intel SDM vol. 3D, appendix
/// C); whatever else is counted together behind them.
pub const REASONS: usize = 80;

/// Exits remembered.
pub const REMEMBERED: usize = 16;

/// Word 0.
pub(crate) const IDENTITY: usize = 0;
/// Exits with reason 0.
pub(crate) const EXITS: usize = 32;
/// The oldest place of a remembered exit.
pub(crate) const RING: usize = 128;
/// Words of a remembered exit.
pub(crate) const ENTRY: usize = 4;
/// All.
pub(crate) const WORDS: usize = RING + REMEMBERED * ENTRY;

/// What word 0 holds.
pub(crate) const fn identity() -> u64 {
    (MAGIC as u64) << 32 | VERSION as u64
}

/// A counter or moment besides the exits. The number is its place in the page
/// and the subleaf by which a guest asks for it.
///
/// Moments and durations are in ticks of the time-stamp counter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Counter {
    /// Exits whose recording was begun.
    Begun = 1,
    /// Exits recorded.
    Recorded = 2,
    /// When counting began.
    Since = 3,
    /// When the guest was last entered.
    EnteredAt = 4,
    /// When the VMM last had the processor back from the guest.
    ReturnedAt = 5,
    /// Since when the VMM has been waiting for its guest to wake; 0 while it is
    /// not.
    AsleepSince = 6,
    /// Ticks in the VMM: from a return to the next entry, sleep left out. What
    /// the kernel takes for the VMM's calls is in it.
    Vmm = 7,
    /// Ticks asleep.
    Asleep = 8,
    /// Sleeps.
    Sleeps = 9,
    /// Returns without an exit.
    Notifications = 10,
    /// Interrupts injected.
    Interrupts = 11,
    /// Times that a device's deadline had come.
    Deadlines = 12,
    /// Kernel calls of the VMM for its virtual CPU, VMEnter left out.
    KernelCalls = 13,
    /// NMIs of the host that arrived while the guest ran.
    HostNmis = 14,
    /// Accesses to MSRs that do not exist.
    UnknownMsrs = 15,
    /// The last of those.
    LastUnknownMsr = 16,
    /// When the guest ended; 0 while it has not.
    EndedAt = 17,
    /// When the guest was started, the last time: its images are loaded, and its
    /// first instruction is next.
    StartedAt = 18,
    /// Bytes that the VMM copied between the guest's memory and the memory that
    /// it shares with who serves its virtio devices.
    Copied = 19,
    /// Times that the VMM notified one of those.
    Rings = 20,
    /// Interrupts of real devices that the guest drives itself, as they reached the VMM.
    PassedInterrupts = 21,
}

impl Counter {
    /// All, in order.
    pub const ALL: [Counter; 21] = [
        Counter::Begun,
        Counter::Recorded,
        Counter::Since,
        Counter::EnteredAt,
        Counter::ReturnedAt,
        Counter::AsleepSince,
        Counter::Vmm,
        Counter::Asleep,
        Counter::Sleeps,
        Counter::Notifications,
        Counter::Interrupts,
        Counter::Deadlines,
        Counter::KernelCalls,
        Counter::HostNmis,
        Counter::UnknownMsrs,
        Counter::LastUnknownMsr,
        Counter::EndedAt,
        Counter::StartedAt,
        Counter::Copied,
        Counter::Rings,
        Counter::PassedInterrupts,
    ];

    /// The counter with this number.
    pub fn from_number(number: u32) -> Option<Counter> {
        Counter::ALL.into_iter().find(|&counter| counter as u32 == number)
    }

    /// Its word.
    pub(crate) const fn word(self) -> usize {
        self as usize
    }

    /// Where its word is, in bytes.
    pub(crate) const fn bytes(self) -> usize {
        self as usize * 8
    }
}

// The tables do not overlap.
const _: () = assert!((Counter::PassedInterrupts as usize) < EXITS && EXITS + REASONS < RING);
