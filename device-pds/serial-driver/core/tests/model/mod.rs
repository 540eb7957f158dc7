//! A 16550 that takes its time: a byte leaves the transmitter only when the
//! test lets it, the receiver overruns, and the interrupt line has edges.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serial_driver_core::uart::{IER, LSR, Ports, Register};

const FIFO: usize = 16;
const TRIGGER: usize = 8;

#[derive(Debug, Default)]
pub struct Slow {
    scratch: u8,
    line_control: u8,
    modem_control: u8,
    interrupts: u8,
    divisor: [u8; 2],
    pub to_send: VecDeque<u8>,
    pub sent: Vec<u8>,
    received: VecDeque<u8>,
    overrun: bool,
    /// "Transmitter empty" is pending; reading the identification clears it.
    emptied: bool,
    /// The receiver's time-out has passed.
    timeout: bool,
    /// Level of the interrupt line at the controller.
    line: bool,
    /// The controller saw an edge that it has not delivered.
    edge: bool,
    /// Edges are ignored while the line is masked.
    pub masked: bool,
    pub accesses: usize,
    /// Enabling the "transmitter empty" interrupt with an empty transmitter
    /// does not raise it, as on some chips.
    pub quirk: bool,
}

impl Slow {
    fn pending(&self) -> u8 {
        let enabled = IER::from_bits_retain(self.interrupts);
        if self.overrun && enabled.contains(IER::RECEIVER_LINE_STATUS) {
            0b0110
        } else if self.received.len() >= TRIGGER && enabled.contains(IER::DATA_READY) {
            0b0100
        } else if self.timeout && !self.received.is_empty() && enabled.contains(IER::DATA_READY) {
            0b1100
        } else if self.emptied && enabled.contains(IER::THR_EMPTY) {
            0b0010
        } else {
            0b0001
        }
    }

    fn settle(&mut self) {
        let line = self.pending() & 1 == 0 && self.modem_control & 8 != 0;
        if line && !self.line && !self.masked {
            self.edge = true;
        }
        self.line = line;
    }

    /// One byte time passes.
    pub fn tick(&mut self) {
        if let Some(byte) = self.to_send.pop_front() {
            self.sent.push(byte);
            if self.to_send.is_empty() {
                self.emptied = true;
            }
        }
        self.timeout = true;
        self.settle();
    }

    /// A byte arrives on the line.
    pub fn arrives(&mut self, byte: u8) {
        if self.received.len() == FIFO {
            self.overrun = true;
        } else {
            self.received.push_back(byte);
            self.timeout = false;
        }
        self.settle();
    }

    pub fn waiting(&self) -> usize {
        self.received.len()
    }

    /// The controller delivers an interrupt and masks the line.
    pub fn deliver(&mut self) -> bool {
        let deliver = std::mem::take(&mut self.edge) && !self.masked;
        self.masked |= deliver;
        deliver
    }
}

#[derive(Clone, Debug, Default)]
pub struct Shared(pub Rc<RefCell<Slow>>);

impl Ports for Shared {
    fn read(&mut self, register: Register) -> u8 {
        let mut uart = self.0.borrow_mut();
        uart.accesses += 1;
        let value = match register {
            Register::Data => {
                uart.timeout = false;
                uart.received.pop_front().unwrap_or(0)
            }
            Register::InterruptEnable => uart.interrupts,
            Register::InterruptIdentification => {
                let pending = uart.pending();
                if pending == 0b0010 {
                    uart.emptied = false;
                }
                pending | 0xc0
            }
            Register::LineControl => uart.line_control,
            Register::ModemControl => uart.modem_control,
            Register::LineStatus => {
                let mut status = LSR::empty();
                status.set(LSR::DATA_READY, !uart.received.is_empty());
                status.set(LSR::OVERRUN_ERROR, std::mem::take(&mut uart.overrun));
                status.set(LSR::THR_EMPTY | LSR::TRANSMITTER_EMPTY, uart.to_send.is_empty());
                status.bits()
            }
            Register::ModemStatus => 0xb0,
            Register::Scratch => uart.scratch,
        };
        uart.settle();
        value
    }

    fn write(&mut self, register: Register, value: u8) {
        let mut uart = self.0.borrow_mut();
        uart.accesses += 1;
        let divisor = uart.line_control & 0x80 != 0;
        match register {
            Register::Data if divisor => uart.divisor[0] = value,
            Register::InterruptEnable if divisor => uart.divisor[1] = value,
            Register::Data => {
                assert!(uart.to_send.len() < FIFO, "the transmitter overruns");
                uart.to_send.push_back(value);
                uart.emptied = false;
            }
            Register::InterruptEnable => {
                let newly = value & !uart.interrupts & IER::THR_EMPTY.bits() != 0;
                uart.interrupts = value;
                if newly && uart.to_send.is_empty() && !uart.quirk {
                    uart.emptied = true;
                }
            }
            Register::InterruptIdentification => assert_eq!(value & 1, 1, "FIFOs on"),
            Register::LineControl => uart.line_control = value,
            Register::ModemControl => uart.modem_control = value,
            Register::LineStatus | Register::ModemStatus => panic!("{register:?} is read-only"),
            Register::Scratch => uart.scratch = value,
        }
        uart.settle();
    }
}

impl Shared {
    pub fn set_up_as_expected(&self) -> bool {
        let uart = self.0.borrow();
        uart.divisor == [1, 0] && uart.line_control == 3 && uart.modem_control == 0x0b
    }
}
