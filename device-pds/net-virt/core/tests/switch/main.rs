//! The switch between clients and a driver, all of them the product's own ends or
//! played by hand.

mod limits;
mod paths;
mod peers;
mod world;
