//! The network protocol: what is lent comes back once, whatever a lying peer
//! does, whoever restarts, and nobody sleeps for ever.

mod contents;
mod lies;
mod signals;
mod world;
