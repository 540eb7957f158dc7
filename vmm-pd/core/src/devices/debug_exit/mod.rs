//! Ways for a test guest to speak without any driver: a port that ends it, a
//! port that prints, and the port for power-on self-test codes.
//!
//! The first is QEMU's `isa-debug-exit`, with one difference: the value is the
//! result as it is, not doubled plus one. Not here: what the result means.

use super::request::Request;

/// How many ports the exit register spans; a write of any width to any of them
/// counts, with the whole value.
pub const EXIT_PORTS: u16 = 4;

/// What a read of the debug console returns, so that a guest can find it
/// (Bochs, `port_e9_hack`).
pub const CONSOLE_PRESENT: u8 = 0xE9;

/// Writes the exit register.
pub fn exit(value: u32) -> Request {
    Request::Exit(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_the_result() {
        assert_eq!(exit(0), Request::Exit(0));
        assert_eq!(exit(u32::MAX), Request::Exit(u32::MAX));
    }
}
