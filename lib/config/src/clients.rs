//! A set of a server's clients.

use crate::CLIENTS_MAX;

/// A set of clients, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ClientSet(u8);

const _: () = assert!(CLIENTS_MAX <= u8::BITS as usize);

impl ClientSet {
    /// Adds one; a number that no client has adds none.
    pub fn insert(&mut self, client: usize) {
        if client < CLIENTS_MAX {
            self.0 |= 1 << client;
        }
    }

    /// Whether nobody is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is a member.
    pub fn contains(self, client: usize) -> bool {
        client < CLIENTS_MAX && self.0 & (1 << client) != 0
    }

    /// Its members, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..CLIENTS_MAX).filter(move |&client| self.contains(client))
    }
}
