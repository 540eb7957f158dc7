//! Interrupt messages: what an I/O APIC, an MSI or an interrupt command sends
//! to a local APIC (Intel SDM vol. 3A, 11.6.1, 11.11).

/// What kind of interrupt (vol. 3A, 11.6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeliveryMode {
    /// The vector, to every destination.
    Fixed,
    /// The vector, to one destination; with one processor the same.
    LowestPriority,
    /// System management interrupt.
    Smi,
    /// Encoding 3; delivered by nobody.
    Reserved,
    /// Non-maskable interrupt.
    Nmi,
    /// INIT.
    Init,
    /// Start-up of a processor that waits after INIT.
    StartUp,
    /// The vector comes from the 8259 pair.
    ExtInt,
}

impl DeliveryMode {
    /// From its encoding; only the low three bits count.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 7 {
            0 => DeliveryMode::Fixed,
            1 => DeliveryMode::LowestPriority,
            2 => DeliveryMode::Smi,
            3 => DeliveryMode::Reserved,
            4 => DeliveryMode::Nmi,
            5 => DeliveryMode::Init,
            6 => DeliveryMode::StartUp,
            _ => DeliveryMode::ExtInt,
        }
    }

    /// Whether the message's vector is used, and so must be 16 or more.
    pub const fn has_vector(self) -> bool {
        matches!(self, DeliveryMode::Fixed | DeliveryMode::LowestPriority)
    }
}

/// Edge or level.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// One interrupt an edge.
    Edge,
    /// Interrupts until the line falls; its end is told to the I/O APIC.
    Level,
}

/// To whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// The APIC with this ID; all of them if all ones.
    Physical(u32),
    /// Those whose logical ID matches.
    Logical(u32),
}

impl Destination {
    /// From the 8-bit form of an I/O APIC, an MSI or the page's command
    /// register, where FFh is everybody.
    pub const fn from_byte(logical: bool, id: u8) -> Self {
        match (logical, id) {
            (true, id) => Destination::Logical(id as u32),
            (false, 0xFF) => Destination::Physical(u32::MAX),
            (false, id) => Destination::Physical(id as u32),
        }
    }
}

/// An interrupt message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// Vector, where the mode has one.
    pub vector: u8,
    /// Kind.
    pub mode: DeliveryMode,
    /// Edge or level.
    pub trigger: Trigger,
    /// To whom.
    pub destination: Destination,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Delivery {
    /// Not for this processor, or not while its APIC is off.
    Refused,
    /// Taken; the APIC keeps it, or it has no effect on a running processor.
    Taken,
    /// Taken: the processor gets an NMI.
    Nmi,
    /// Taken: the processor gets an INIT.
    Init,
}

/// An MSI as a message, if its address is the local APICs' (vol. 3A, 11.11.1).
pub fn from_msi(address: u64, data: u32) -> Option<Message> {
    /// Bits 31:20 of the address.
    const APICS: u64 = 0xFEE;
    const LOGICAL: u64 = 1 << 2;
    const LEVEL: u32 = 1 << 15;

    let destination = (address >> 12) as u8;
    (address >> 20 == APICS).then(|| Message {
        vector: data as u8,
        mode: DeliveryMode::from_bits(data >> 8),
        trigger: if data & LEVEL != 0 { Trigger::Level } else { Trigger::Edge },
        destination: Destination::from_byte(address & LOGICAL != 0, destination),
    })
}
