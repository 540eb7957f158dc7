//! The protection domain of the system tests. Every test's system runs several
//! of it; a domain's name says which part it plays.
//!
//! Not here: what the parts must lead to. Tests say that
//! (`tools/system-tests/tests/domains.rs`).
//!
//! The surprising fact: parts say what they see by protected procedure calls
//! to the part `console` on channel 0, so every line on COM1 is itself a proof
//! that calls, messages and I/O ports work.
#![no_std]
#![no_main]

mod console;
mod disk;
mod misdeed;
mod net;
mod probe;
mod talk;
mod time;

use sel4_microkit::{
    Channel, ChannelSet, Child, Handler, MessageInfo, get_mr, pd_name, protection_domain, set_mr,
};

use console::{Console, say};

/// What a domain does once it has started.
#[expect(clippy::large_enum_variant, reason = "there is one of it, and there is no heap")]
enum Part {
    Console(Console),
    Clock(time::Clock),
    Beat(time::Beat),
    Server(talk::Server),
    Caller,
    Parent(talk::Parent),
    Disk(disk::Disk),
    Net(net::Net),
    /// Ends by returning an error when it is first notified.
    GivesUp,
    /// Everything that it does it has done at its start.
    Done,
}

#[protection_domain]
fn init() -> Part {
    match pd_name() {
        "console" => Part::Console(Console::start()),
        "clock" => Part::Clock(time::Clock::start()),
        "beat" => Part::Beat(time::Beat::default()),
        "server" => Part::Server(talk::Server::default()),
        "caller" => {
            talk::call_server();
            Part::Caller
        }
        "parent" => Part::Parent(talk::Parent::default()),
        "disk" => Part::Disk(disk::Disk::start()),
        "net" => Part::Net(net::Net::start()),
        "gives_up" => Part::GivesUp,
        "probe" | "probe_vmm" => {
            probe::report();
            Part::Done
        }
        "witness" => {
            say!("{} runs", pd_name());
            Part::Done
        }
        name => {
            misdeed::commit(name);
            say!("{name} lives on");
            Part::Done
        }
    }
}

impl Handler for Part {
    type Error = &'static str;

    fn notified(&mut self, channels: ChannelSet) -> Result<(), Self::Error> {
        match self {
            Part::Clock(clock) => clock.tick(channels),
            Part::Beat(beat) => beat.tick(),
            Part::Server(server) => server.notified(channels),
            Part::Caller => say!("caller notified on {channels:?}"),
            Part::Disk(disk) => disk.notified(),
            Part::Net(net) => net.notified(),
            Part::GivesUp => return Err("this part has had enough"),
            Part::Console(_) | Part::Parent(_) | Part::Done => {
                say!("{} notified on {channels:?}", pd_name());
            }
        }
        Ok(())
    }

    fn protected(
        &mut self,
        channel: Channel,
        message: MessageInfo,
    ) -> Result<MessageInfo, Self::Error> {
        match self {
            Part::Console(console) => Ok(console.print(message)),
            Part::Server(server) => Ok(server.answer(message)),
            _ => panic!("unexpected call on {channel:?}"),
        }
    }

    fn fault(
        &mut self,
        child: Child,
        message: MessageInfo,
    ) -> Result<Option<MessageInfo>, Self::Error> {
        match self {
            Part::Parent(parent) => Ok(parent.fault(child, message)),
            _ => panic!("unexpected fault of {child:?}"),
        }
    }
}

/// Message registers from the first on.
fn message_registers(count: u8) -> impl Iterator<Item = u64> {
    (0..count.into()).map(get_mr)
}

/// Sets message registers from the first on; returns how many.
fn set_message_registers(words: impl Iterator<Item = u64>) -> u8 {
    let mut count = 0;
    for word in words {
        set_mr(count.into(), word);
        count += 1;
    }
    count
}
