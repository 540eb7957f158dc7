//! Status lines on COM2: `STX text ETX LF`, which the `bulkhead` command reads.
//!
//! The status domain writes there too. The initial task has the highest
//! priority, so a line of its may begin inside one of the status domain's;
//! frames nest, and the reader takes the inner one first.

use core::fmt::{self, Write};

use crate::init_caps::IO_PORTS;

/// Base port of COM2.
const COM2: u16 = 0x2f8;
// 16550 registers by offset (National Semiconductor PC16550D, table II).
const THR: u16 = 0;
const IER: u16 = 1;
const FCR: u16 = 2;
const LCR: u16 = 3;
const MCR: u16 = 4;
const LSR: u16 = 5;
/// Line status: transmitter holding register empty.
const THRE: u8 = 1 << 5;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
/// Times to look for an empty transmitter before a byte is given up: far more
/// than one character at 115,200 baud takes.
const PATIENCE: u32 = 100_000;

/// The writer.
#[derive(Debug)]
pub struct Status(());

impl Default for Status {
    fn default() -> Self {
        Self::new()
    }
}

impl Status {
    /// Sets the port to 115,200 baud, 8N1, FIFOs on, interrupts off.
    pub fn new() -> Self {
        for (register, value) in
            [(LCR, 0x80), (THR, 1), (IER, 0), (LCR, 0x03), (FCR, 0x07), (MCR, 0x03)]
        {
            write(register, value);
        }
        Status(())
    }

    /// Writes one framed line.
    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        put(STX);
        // Bytes are dropped rather than errors returned: see `put`.
        let _ = self.write_fmt(text);
        put(ETX);
        put(b'\n');
    }
}

impl Write for Status {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        s.bytes().map(|b| if matches!(b, b' '..=b'~') { b } else { b'?' }).for_each(put);
        Ok(())
    }
}

fn write(register: u16, value: u8) {
    // The initial task holds every port; an error would mean another kernel.
    let _ = IO_PORTS.write_8(COM2 + register, value);
}

fn put(byte: u8) {
    for _ in 0..PATIENCE {
        match IO_PORTS.read_8(COM2 + LSR) {
            // A machine without COM2 reads all ones, which counts as empty.
            Ok(status) if status & THRE != 0 => break,
            Ok(_) => {}
            Err(_) => return,
        }
    }
    write(THR, byte);
}
