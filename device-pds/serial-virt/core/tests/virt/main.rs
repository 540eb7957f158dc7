//! The virtualiser over shared memory, with clients on one side and a driver
//! on the other.

mod several;
mod single;
mod world;
