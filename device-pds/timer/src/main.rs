//! The timer domain: wakes sleeping clients by the HPET.
//!
//! What it decides is in `timer-core`, what it shares with clients in
//! `deadline`; this wires both to the kernel.
//!
//! | channel | other end                                                        |
//! | ------- | ---------------------------------------------------------------- |
//! | 0       | the HPET's interrupt: `pin="2" trigger="edge" polarity="high"`    |
//! | 1 + i   | client i: tells of a new deadline; is told that its time has come; may call (`pp="true"` at its end) as sDDF's clients do |
//!
//! Pin 2 is LegacyReplacement's; `timer_core::hpet` says why no other will do
//! on Bochs, QEMU and silicon alike.
//!
//! | symbol               | rights | region                               |
//! | -------------------- | ------ | ------------------------------------ |
//! | `hpet`               | rw     | registers, at 0xfed00000, not cached |
//! | `clock`              | rw     | what all clients read                |
//! | `client{i}_deadline` | r      | client i's word; left out: no such client |
//!
//! Each has `_vaddr` and `_size`. It needs a priority above its clients': a
//! client that spins would else stop everybody's clock, and calibration at the
//! start would be disturbed.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use deadline::{ClientWord, ClockWriter, Tsc};
use sddf::timer::Call;
use sel4_microkit::{
    Channel, ChannelSet, DeferredAction, Handler, MessageInfo, Notifications, debug_println,
    each_of_8, get_mr, memory_region, numbered_region, protection_domain, set_mr, started,
    timestamp_counter,
};
use shmem::{Read, ReadWrite, Region, Word32};
use timer_core::calibrate::calibrate;
use timer_core::hpet::{BLOCK_SIZE, Hpet, HpetError, Register, Registers};
use timer_core::{CLIENTS_MAX, ClientSet, Timer};

const INTERRUPT: Channel = Channel::new(0);

/// The channel of a client.
const fn channel(client: usize) -> Channel {
    Channel::new(1 + client)
}

/// The HPET's block in memory.
struct Block(Region<ReadWrite>);

impl Block {
    fn word(&self, register: Register) -> Word32<ReadWrite> {
        match self.0.word32(register.offset()) {
            Ok(word) => word,
            Err(e) => unreachable!("the region holds the block, which was checked: {e}"),
        }
    }
}

impl Registers for Block {
    fn read(&self, register: Register) -> u32 {
        self.word(register).load()
    }

    fn write(&mut self, register: Register, value: u32) {
        self.word(register).store(value);
    }
}

struct Domain {
    timer: Timer<Block>,
    notifications: Notifications,
}

/// The page of a client with its deadline.
macro_rules! deadline {
    ($number:literal) => {
        numbered_region!(Read, "client", $number, "_deadline")
    };
}

#[protection_domain]
fn init() -> Domain {
    let block = memory_region!(ReadWrite, hpet_vaddr, hpet_size);
    assert!(block.len() >= BLOCK_SIZE, "the region hpet is smaller than an HPET's block");
    let clock = memory_region!(ReadWrite, clock_vaddr, clock_size);
    let hpet = started(Hpet::start(Block(block)));
    let frequency = started(calibrate(&hpet, now));
    debug_println!("timer: time-stamp counter at {} Hz", frequency.hz());
    started(ClockWriter::new(&clock)).publish(frequency);
    let regions: [Option<Region<Read>>; CLIENTS_MAX] = each_of_8!(deadline);
    let words = regions.map(|region| region.map(|region| started(ClientWord::new(&region))));
    let clients = words.each_ref().map(Option::is_some);
    let timer = Timer::new(hpet, frequency, words);
    let mut domain = Domain { timer, notifications: Notifications::default() };
    // Tells everybody that the clock is measured and, after a restart, that
    // what they told the domain before may be forgotten.
    for (client, _) in clients.into_iter().enumerate().filter(|&(_, there)| there) {
        channel(client).notify();
    }
    // The pin may be masked still, and an edge would be lost.
    started(INTERRUPT.irq_ack());
    started(domain.serve());
    domain
}

fn now() -> Tsc {
    Tsc(timestamp_counter())
}

impl Domain {
    fn serve(&mut self) -> Result<(), HpetError> {
        let woken: ClientSet = self.timer.serve(now())?;
        for client in woken.iter() {
            self.notifications.notify(channel(client));
        }
        Ok(())
    }
}

impl Handler for Domain {
    type Error = HpetError;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), HpetError> {
        if channels.contains(INTERRUPT) {
            // First of all, for an edge that comes before this is lost; what
            // it would have told is seen below, since the time is read later.
            started(INTERRUPT.irq_ack());
            self.timer.interrupted();
        }
        for client in (0..CLIENTS_MAX).filter(|&client| channels.contains(channel(client))) {
            self.timer.look_at(client);
        }
        self.serve()
    }

    fn protected(&mut self, from: Channel, message: MessageInfo) -> Result<MessageInfo, HpetError> {
        let now = now();
        match Call::parse(message.label, message.length, get_mr(0)) {
            Some(Call::Time) => {
                set_mr(0, self.timer.nanoseconds(now));
                Ok(MessageInfo::new(0, 1))
            }
            Some(Call::Timeout { nanoseconds }) => {
                // Who may not be notified is not.
                let mut clients = (0..CLIENTS_MAX).filter(|&client| channel(client) == from);
                if let Some(client) = clients.next()
                    && from.may_notify()
                {
                    self.timer.call_for(client, nanoseconds, now);
                    self.serve()?;
                }
                Ok(MessageInfo::default())
            }
            None => Ok(MessageInfo::default()),
        }
    }

    fn take_deferred_action(&mut self) -> Option<DeferredAction> {
        self.notifications.take()
    }
}
