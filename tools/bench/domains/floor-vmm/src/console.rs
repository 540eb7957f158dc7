//! Text on COM1, by polling.

use core::fmt::{self, Write};

use sel4_microkit::IoPort;

const COM1: u16 = 0x3f8;
/// Line control register: eight bits a character, where reset leaves five.
const LCR: u16 = COM1 + 3;
const EIGHT_BITS: u8 = 3;
/// Line status register, and its bit for an empty transmitter (National
/// Semiconductor PC16550D, table II).
const LSR: u16 = COM1 + 5;
const THRE: u8 = 1 << 5;

/// The port, at the speed it comes out of reset with.
pub struct Console(IoPort);

impl Console {
    pub fn start() -> Self {
        let ports = IoPort::new(0);
        ports.write_8(LCR, EIGHT_BITS);
        Console(ports)
    }

    /// Prints.
    pub fn text(&mut self, text: fmt::Arguments<'_>) {
        // The port cannot fail.
        let _ = self.write_fmt(text);
    }

    /// Prints, and ends the line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        self.text(text);
        self.text(format_args!("\r\n"));
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            while self.0.read_8(LSR) & THRE == 0 {}
            self.0.write_8(COM1, byte);
        }
        Ok(())
    }
}
