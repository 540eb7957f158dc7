//! What a peer can do wrong with an index, in every kind of queue.

use core::fmt;

/// Which end of a queue broke its protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Culprit {
    /// The end that enqueues moved its tail where it may not go.
    Producer,
    /// The end that dequeues moved its head where it may not go.
    Consumer,
}

/// The peer moved its index back, or past what it may reach: it is defective
/// or hostile. The end that noticed refuses every further operation; only
/// attaching anew to a cleared queue starts over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeerError {
    /// Who did it. (On attaching, whose index makes no sense beside ours.)
    pub culprit: Culprit,
    /// The index that was found in shared memory.
    pub found: u32,
    /// The index last accepted, from which it may only advance.
    pub from: u32,
    /// By how much at most.
    pub room: u32,
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, word) = match self.culprit {
            Culprit::Producer => ("producer", "tail"),
            Culprit::Consumer => ("consumer", "head"),
        };
        let PeerError { found, from, room, .. } = self;
        write!(
            f,
            "the queue's {who} broke the protocol: {word} {found:#x} is not within {room:#x} after {from:#x}"
        )
    }
}
