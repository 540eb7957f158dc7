//! A 16550 through a register interface.
//!
//! Registers and their bits are the crate `uart_16550`'s. Its driver is not
//! used, for three reasons: `init` waits without bound for the transmitter,
//! so that a dead port would hang the domain; its back-end trait is `unsafe`
//! to implement; and it reads the line status before every byte, where each
//! access is a kernel call here (some 700 ticks) and an interrupt has already
//! said that sixteen bytes fit.
//!
//! Source: National Semiconductor PC16550D data sheet, section 8.

use core::fmt;

pub use uart_16550::spec::FIFO_SIZE;
pub use uart_16550::spec::registers::{FCR, IER, ISR, InterruptType, LCR, LSR, MCR};
use uart_16550::spec::registers::{FifoTriggerLevel, Parity, WordLength, offsets};

/// A register, by the name under which it is read; some have another when
/// written, and two another while the divisor latch is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    /// RBR, THR; divisor low.
    Data,
    /// IER; divisor high.
    InterruptEnable,
    /// IIR; FCR when written.
    InterruptIdentification,
    /// LCR.
    LineControl,
    /// MCR.
    ModemControl,
    /// LSR.
    LineStatus,
    /// MSR.
    ModemStatus,
    /// SCR.
    Scratch,
}

impl Register {
    /// Its offset from the first port.
    pub const fn offset(self) -> u16 {
        (match self {
            Register::Data => offsets::DATA,
            Register::InterruptEnable => offsets::IER,
            Register::InterruptIdentification => offsets::ISR,
            Register::LineControl => offsets::LCR,
            Register::ModemControl => offsets::MCR,
            Register::LineStatus => offsets::LSR,
            Register::ModemStatus => offsets::MSR,
            Register::Scratch => offsets::SPR,
        }) as u16
    }
}

/// Access to a 16550's eight registers.
pub trait Ports {
    /// Reads a register.
    fn read(&mut self, register: Register) -> u8;

    /// Writes a register.
    fn write(&mut self, register: Register, value: u8);
}

/// Divisor for 115,200 baud: 1.8432 MHz / 16 / 115,200.
const DIVISOR: u8 = 1;

/// Patterns that a scratch register must hold to count as one.
const PATTERNS: [u8; 2] = [0x5a, 0xa5];

/// No UART answers at these ports: they float, or hold something else. The
/// description's `ioport` is wrong, or the machine has no such port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Absent {
    /// What was written to the scratch register.
    pub wrote: u8,
    /// What it held then.
    pub read: u8,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Absent { wrote, read } = self;
        write!(
            f,
            "no 16550 answers: its scratch register holds {read:#04x} after {wrote:#04x} was written"
        )
    }
}

/// What a received byte was worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// A byte.
    Byte(u8),
    /// A break condition, which comes with a byte that is none.
    Break,
    /// Nothing more is there.
    Nothing,
}

/// A 16550 at 115,200 baud, 8N1, FIFOs on. Holding one proves that it answered.
#[derive(Debug)]
pub struct Uart<P> {
    ports: P,
    fifo: usize,
    interrupts: IER,
    overruns: u32,
}

impl<P: Ports> Uart<P> {
    /// Sets the port up, with no interrupt enabled. Bytes that wait in its
    /// receiver are dropped; what it is still sending, it sends.
    ///
    /// # Errors
    /// Nothing answers.
    pub fn start(mut ports: P) -> Result<Self, Absent> {
        for wrote in PATTERNS {
            ports.write(Register::Scratch, wrote);
            let read = ports.read(Register::Scratch);
            if read != wrote {
                return Err(Absent { wrote, read });
            }
        }
        ports.write(Register::InterruptEnable, 0);
        ports.write(Register::LineControl, LCR::DLAB.bits());
        ports.write(Register::Data, DIVISOR);
        ports.write(Register::InterruptEnable, 0);
        let line = LCR::empty().set_word_length(WordLength::EightBits).set_parity(Parity::Disabled);
        ports.write(Register::LineControl, line.bits());
        // At the first byte: fifteen more, 1.3 ms, fit before one is lost. Above
        // a higher level Bochs 2.7 starts a time-out that nothing stops, and
        // reports a byte that is not there.
        let fifo =
            (FCR::FIFO_ENABLE | FCR::RX_FIFO_RESET).set_fifo_trigger_level(FifoTriggerLevel::One);
        ports.write(Register::InterruptIdentification, fifo.bits());
        let modem = MCR::DTR | MCR::RTS | MCR::OUT_2_INT_ENABLE;
        ports.write(Register::ModemControl, modem.bits());
        // Each of these reads clears what an earlier owner left pending.
        for register in [Register::LineStatus, Register::Data, Register::ModemStatus] {
            ports.read(register);
        }
        let identification = ISR::from_bits_retain(ports.read(Register::InterruptIdentification));
        let fifo = if identification.fifo_enabled() { FIFO_SIZE } else { 1 };
        Ok(Uart { ports, fifo, interrupts: IER::empty(), overruns: 0 })
    }

    /// Bytes that an empty transmitter takes.
    pub fn fifo(&self) -> usize {
        self.fifo
    }

    /// The interrupt with the highest priority that is pending. Reading it
    /// clears "transmitter empty".
    pub fn pending(&mut self) -> Option<InterruptType> {
        let value = self.ports.read(Register::InterruptIdentification);
        ISR::from_bits_retain(value).interrupt_type()
    }

    /// Enables exactly these interrupts.
    pub fn set_interrupts(&mut self, wanted: IER) {
        if self.interrupts != wanted {
            self.interrupts = wanted;
            self.ports.write(Register::InterruptEnable, wanted.bits());
        }
    }

    /// The interrupts that are enabled.
    pub fn interrupts(&self) -> IER {
        self.interrupts
    }

    /// Takes the interrupt line down and, if anything is pending, up again: an
    /// edge-triggered controller then sees an edge.
    pub fn renew_edge(&mut self) {
        self.ports.write(Register::InterruptEnable, 0);
        self.ports.write(Register::InterruptEnable, self.interrupts.bits());
    }

    /// Whether the transmitter takes [`Uart::fifo`] bytes.
    pub fn can_send(&mut self) -> bool {
        self.line_status().contains(LSR::THR_EMPTY)
    }

    /// Sends; the caller knows that the transmitter is empty and gives at most
    /// [`Uart::fifo`] bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().take(self.fifo) {
            self.ports.write(Register::Data, byte);
        }
    }

    /// Takes one byte.
    pub fn receive(&mut self) -> Received {
        let status = self.line_status();
        if !status.contains(LSR::DATA_READY) {
            return Received::Nothing;
        }
        let byte = self.ports.read(Register::Data);
        if status.contains(LSR::BREAK_INTERRUPT) { Received::Break } else { Received::Byte(byte) }
    }

    /// Reads the line status, which clears its error bits, and counts
    /// overruns.
    pub fn line_status(&mut self) -> LSR {
        let status = LSR::from_bits_retain(self.ports.read(Register::LineStatus));
        if status.contains(LSR::OVERRUN_ERROR) {
            self.overruns = self.overruns.saturating_add(1);
        }
        status
    }

    /// Clears a modem status interrupt, in which nobody is interested.
    pub fn ignore_modem_status(&mut self) {
        self.ports.read(Register::ModemStatus);
    }

    /// How often the receiver lost bytes because nobody took them in time.
    pub fn overruns(&self) -> u32 {
        self.overruns
    }
}
