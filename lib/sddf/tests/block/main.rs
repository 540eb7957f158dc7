//! The block protocol: what comes out, what a lying peer can do about it, and
//! what a restart of either end leaves.

mod cells;
mod contents;
mod info;
mod lies;
mod world;
