//! Register bits of the 16550A (National Semiconductor PC16550D data sheet,
//! 1995, section 8), with its names.

use bitflags::bitflags;

/// Bytes a FIFO holds.
pub const FIFO_SIZE: usize = 16;

/// Clock of a PC's UART in Hz; the divisor counts sixteenths of it.
pub const CLOCK: u64 = 1_843_200;

bitflags! {
    /// Interrupt enable register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Ier: u8 {
        /// Received data available, and character timeout.
        const ERBFI = 1 << 0;
        /// Transmitter holding register empty.
        const ETBEI = 1 << 1;
        /// Receiver line status.
        const ELSI = 1 << 2;
        /// Modem status.
        const EDSSI = 1 << 3;
    }

    /// FIFO control register; write-only.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Fcr: u8 {
        /// FIFOs on; without it the other bits do nothing.
        const ENABLE = 1 << 0;
        /// Empty the receiver's; clears itself.
        const RCVR_RESET = 1 << 1;
        /// Empty the transmitter's; clears itself.
        const XMIT_RESET = 1 << 2;
        /// Another DMA signalling; no pin here shows it.
        const DMA_MODE = 1 << 3;
        /// Trigger level.
        const TRIGGER = 0b11 << 6;
    }

    /// Line control register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Lcr: u8 {
        /// Word length less five bits.
        const WLS = 0b11;
        /// Two stop bits.
        const STB = 1 << 2;
        /// Parity.
        const PEN = 1 << 3;
        /// Even parity.
        const EPS = 1 << 4;
        /// Stick parity.
        const STICK = 1 << 5;
        /// Set break.
        const BREAK = 1 << 6;
        /// Divisor latch access.
        const DLAB = 1 << 7;
    }

    /// Modem control register; bits 5 to 7 read zero.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Mcr: u8 {
        /// Data terminal ready.
        const DTR = 1 << 0;
        /// Request to send.
        const RTS = 1 << 1;
        /// Output 1, unused in a PC.
        const OUT1 = 1 << 2;
        /// Output 2: in a PC it connects the interrupt output.
        const OUT2 = 1 << 3;
        /// Loopback.
        const LOOP = 1 << 4;
    }

    /// Line status register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Lsr: u8 {
        /// Data ready.
        const DR = 1 << 0;
        /// Overrun error.
        const OE = 1 << 1;
        /// Transmitter holding register (or FIFO) empty.
        const THRE = 1 << 5;
        /// Transmitter empty.
        const TEMT = 1 << 6;
    }

    /// Modem status register.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Msr: u8 {
        /// CTS changed.
        const DCTS = 1 << 0;
        /// DSR changed.
        const DDSR = 1 << 1;
        /// RI went away.
        const TERI = 1 << 2;
        /// DCD changed.
        const DDCD = 1 << 3;
        /// Clear to send.
        const CTS = 1 << 4;
        /// Data set ready.
        const DSR = 1 << 5;
        /// Ring indicator.
        const RI = 1 << 6;
        /// Data carrier detect.
        const DCD = 1 << 7;
    }
}

/// Interrupt identification, highest priority first (table 4 of the data
/// sheet).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Interrupt {
    /// Receiver line status.
    LineStatus = 0b0110,
    /// The receiver has data, or as many bytes as the trigger level says.
    ReceivedData = 0b0100,
    /// Bytes wait below the trigger level and the line has been quiet.
    CharacterTimeout = 0b1100,
    /// Transmitter holding register empty.
    TransmitterEmpty = 0b0010,
    /// Modem status.
    ModemStatus = 0b0000,
}

/// Interrupt identification without any pending.
pub const IIR_NONE: u8 = 0b0001;
/// Interrupt identification: FIFOs are on.
pub const IIR_FIFOS: u8 = 0b1100_0000;
