//! The word in a region of its own for each driver: written by the domain `pci`
//! once, read by the driver.

use core::fmt;

use shmem::{Read, ReadWrite, Region, Word32, WordError};

/// Why a device is not set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Refusal {
    /// There is none at that place.
    Absent = 1,
    /// Another one is there.
    OtherDevice = 2,
    /// A base address register that is named is not there, is of the other kind
    /// (I/O or memory), or does not take the address.
    Bar = 3,
    /// Its registers would lie over another device's.
    Overlap = 4,
    /// It does not become a bus master, or does not answer where it should.
    Command = 5,
    /// It has no interrupt pin, or the line cannot be routed: no PIIX3, or two
    /// devices want different lines of one wire.
    Interrupt = 6,
    /// Its list of capabilities does not say where a virtio device's structures
    /// are, or says a place outside the registers that are named.
    Structures = 7,
}

impl Refusal {
    const ALL: [Refusal; 7] = [
        Refusal::Absent,
        Refusal::OtherDevice,
        Refusal::Bar,
        Refusal::Overlap,
        Refusal::Command,
        Refusal::Interrupt,
        Refusal::Structures,
    ];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Absent => "there is no device at that place",
            Refusal::OtherDevice => "another device is at that place",
            Refusal::Bar => "a base address register does not take what the configuration says",
            Refusal::Overlap => "its registers would lie over another device's",
            Refusal::Command => "it does not let its registers or its bus mastering be enabled",
            Refusal::Interrupt => "its interrupt does not reach the line that is wanted",
            Refusal::Structures => {
                "its virtio structures are missing or outside the registers that are named"
            }
        })
    }
}

/// What the word says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Nothing yet: a notification will come.
    Waiting,
    /// The device is as the configuration wants it.
    Ready,
    /// It is not, and will not be.
    Refused(Refusal),
}

const READY: u32 = 1;
const REFUSED: u32 = 2;

impl Status {
    fn word(self) -> u32 {
        match self {
            Status::Waiting => 0,
            Status::Ready => READY,
            Status::Refused(why) => REFUSED | (why as u32) << 8,
        }
    }

    /// A word of a peer's; what it can never be counts as nothing.
    fn from_word(word: u32) -> Status {
        if word == READY {
            return Status::Ready;
        }
        let refused = Refusal::ALL.into_iter().find(|&why| Status::Refused(why).word() == word);
        refused.map_or(Status::Waiting, Status::Refused)
    }
}

/// The writer's end.
#[derive(Clone, Debug)]
pub struct StatusSink(Word32<ReadWrite>);

impl StatusSink {
    /// The word at the beginning of its region.
    ///
    /// # Errors
    /// The region is too small.
    pub fn new(region: &Region<ReadWrite>) -> Result<Self, WordError> {
        region.word32(0).map(StatusSink)
    }

    /// Whether it says anything.
    pub fn is_written(&self) -> bool {
        self.0.load() != Status::Waiting.word()
    }

    /// Says so.
    pub fn publish(&self, status: Status) {
        self.0.store(status.word());
    }
}

/// The reader's end.
#[derive(Clone, Debug)]
pub struct StatusSource(Word32<Read>);

impl StatusSource {
    /// The word at the beginning of its region.
    ///
    /// # Errors
    /// The region is too small.
    pub fn new(region: &Region<Read>) -> Result<Self, WordError> {
        region.word32(0).map(StatusSource)
    }

    /// What it says now.
    pub fn read(&self) -> Status {
        Status::from_word(self.0.load())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let region = Region::host(4096);
        let (sink, source) = (StatusSink::new(&region), StatusSource::new(&region.read_only()));
        let (sink, source) = (sink.unwrap(), source.unwrap());
        assert_eq!(source.read(), Status::Waiting);
        let refused = Refusal::ALL.map(Status::Refused);
        for status in refused.into_iter().chain([Status::Ready]) {
            sink.publish(status);
            assert_eq!(source.read(), status);
        }
    }

    proptest! {
        #[test]
        fn no_word_is_more_than_one_status(word: u32) {
            let status = Status::from_word(word);
            prop_assert!(status == Status::Waiting || status.word() == word);
        }
    }
}
