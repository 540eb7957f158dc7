//! The virtualiser between clients and a driver, all of them the product's own
//! or played by hand.

mod contents;
mod gpt;
mod partitions;
mod peers;
mod requests;
mod world;
