//! Whose address is whose.

use bulkhead_config::{CLIENTS_MAX, LEARNED_MAX, Mac, PORT_MACS_MAX};
use heapless::Vec;

/// Machines outside whose addresses no port may take: those heard last. A port
/// that takes addresses could else take a router's.
pub const OUTSIDE_MAX: usize = 64;

/// An address and its port.
#[derive(Clone, Copy, Debug)]
struct Entry {
    mac: Mac,
    port: usize,
}

/// The addresses of all ports: those that the configuration gives them, and those
/// that they have taken. An address has one port.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    given: Vec<Entry, { CLIENTS_MAX * PORT_MACS_MAX }>,
    /// The oldest first.
    learned: Vec<Entry, LEARNED_MAX>,
    /// Heard from outside, the longest known first.
    outside: Vec<Mac, OUTSIDE_MAX>,
}

impl Addresses {
    /// Gives an address to a port.
    ///
    /// # Errors
    /// Another has it (or there are more than all ports together can have): its
    /// number.
    pub fn give(&mut self, mac: Mac, port: usize) -> Result<(), usize> {
        if let Some(entry) = self.given.iter().find(|entry| entry.mac == mac) {
            return Err(entry.port);
        }
        self.given.push(Entry { mac, port }).map_err(|entry| entry.port)
    }

    /// The port that has an address.
    pub fn find(&self, mac: Mac) -> Option<usize> {
        let mut all = self.given.iter().chain(&self.learned);
        all.find(|entry| entry.mac == mac).map(|entry| entry.port)
    }

    /// Whether the outside may send from an address: no port has it. Remembers
    /// that it does.
    pub fn may_send_from_outside(&mut self, mac: Mac) -> bool {
        if self.find(mac).is_some() {
            return false;
        }
        if !self.outside.contains(&mac) {
            if self.outside.is_full() {
                self.outside.remove(0);
            }
            // There is room now.
            let _ = self.outside.push(mac);
        }
        true
    }

    /// Whether a port may send from an address: it has it, or takes it now, as
    /// one of at most `most` that it may take.
    pub fn may_send(&mut self, mac: Mac, port: usize, most: u8) -> bool {
        if let Some(owner) = self.find(mac) {
            return owner == port;
        }
        let taken = self.learned.iter().filter(|entry| entry.port == port).count();
        if most == 0 || self.outside.contains(&mac) {
            return false;
        }
        if taken >= usize::from(most)
            && let Some(oldest) = self.learned.iter().position(|entry| entry.port == port)
        {
            self.learned.remove(oldest);
        }
        // Full of others' addresses: it waits until they have fewer.
        self.learned.push(Entry { mac, port }).is_ok()
    }
}
