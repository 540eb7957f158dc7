//! What a domain says of its peers and its device, for whoever runs the system: who
//! broke a protocol, what is missing, what failed.
//!
//! A line goes to the status domain, which says whose it is and lets it be nothing
//! else, and in builds with checks to the kernel's console too. Nobody waits for
//! it: a domain that serves guests must not be held up by one that writes to a port.
//!
//! | symbol   | rights | region                                                        |
//! | -------- | ------ | ------------------------------------------------------------- |
//! | `report` | rw     | a serial queue: a page for its words, then its bytes, 4 KiB; left out: nobody is told |
//!
//! It has `_vaddr` and `_size`. The status domain is at the other end of channel
//! [`CHANNEL`].
#![no_std]
#![forbid(unsafe_code)]

use core::fmt::Arguments;

use bulkhead_config::REPORT_CHANNEL;
use sddf::serial::{Lines, Said, in_one};
use sel4_microkit::{Channel, debug_println, memory_region_opt, pd_name, started};
use shmem::{ReadWrite, Region};

/// To the status domain.
pub const CHANNEL: Channel = Channel::new(REPORT_CHANNEL);

/// A domain's end.
#[derive(Debug)]
pub struct Reports(Option<Lines>);

impl Reports {
    /// Attaches to the region, if the system description maps it. To be called once.
    ///
    /// # Panics
    /// The region cannot hold a queue, or the channel leads nowhere: the description
    /// is wrong.
    pub fn start() -> Self {
        let region: Option<Region<ReadWrite>> =
            memory_region_opt!(ReadWrite, report_vaddr, report_size);
        Reports(region.map(|region| {
            assert!(CHANNEL.may_notify(), "`report` is mapped, but {CHANNEL:?} leads nowhere");
            let [words, bytes] = started(in_one(&region));
            started(Lines::new(&words, bytes))
        }))
    }

    /// Says a line about a client of this name, if it is about one.
    pub fn say_of(&mut self, client: Option<&str>, text: Arguments<'_>) {
        match client {
            Some(client) => self.say(format_args!("{client}: {text}")),
            None => self.say(text),
        }
    }

    /// Says a line.
    pub fn say(&mut self, text: Arguments<'_>) {
        debug_println!("{}: {text}", pd_name());
        if let Reports(Some(lines)) = self
            && lines.say(format_args!("report : {text}")) == Said::Taken
        {
            CHANNEL.notify();
        }
    }
}
