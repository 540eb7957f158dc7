//! A 16550 that takes its time: a byte leaves the transmitter only when the
//! test lets it, the receiver overruns, and the interrupt line has edges.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use serial_driver_core::uart::{IER, LSR, Ports, Register};

const FIFO: usize = 16;

/// Ticks of Bochs's receiver time-out.
const TIMEOUT: u32 = 3;

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
    /// Two errors of Bochs's. Reading the identification clears "transmitter
    /// empty" whatever it reports. A receiver time-out that a byte above the
    /// trigger level began strikes even if all bytes are read by then, and the
    /// line status then speaks of a byte that is not there.
    pub bochs: bool,
    fifo_control: u8,
    /// Bochs's time-out, if it runs.
    countdown: Option<u32>,
    /// What Bochs's line status says of the receiver.
    ready: bool,
}

impl Slow {
    fn trigger(&self) -> usize {
        [1, 4, 8, 14][usize::from(self.fifo_control >> 6)]
    }

    fn triggered(&self) -> bool {
        if self.bochs { self.ready } else { self.received.len() >= self.trigger() }
    }

    fn pending(&self) -> u8 {
        let enabled = IER::from_bits_retain(self.interrupts);
        if self.overrun && enabled.contains(IER::RECEIVER_LINE_STATUS) {
            0b0110
        } else if self.triggered() && enabled.contains(IER::DATA_READY) {
            0b0100
        } else if self.timeout
            && !self.bochs
            && !self.received.is_empty()
            && enabled.contains(IER::DATA_READY)
        {
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
        self.countdown = self.countdown.map(|ticks| ticks - 1);
        if self.countdown == Some(0) {
            self.countdown = None;
            self.ready = true;
        }
        self.settle();
    }

    /// A byte arrives on the line.
    pub fn arrives(&mut self, byte: u8) {
        if self.received.len() == FIFO {
            self.overrun = true;
        } else {
            self.received.push_back(byte);
            self.timeout = false;
            if self.trigger() == 1 || self.received.len() == self.trigger() {
                self.ready = true;
                self.countdown = None;
            } else {
                self.countdown = Some(TIMEOUT);
            }
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
                let byte = uart.received.pop_front().unwrap_or(0);
                uart.ready &= !uart.received.is_empty();
                byte
            }
            Register::InterruptEnable => uart.interrupts,
            Register::InterruptIdentification => {
                let pending = uart.pending();
                if pending == 0b0010 || uart.bochs {
                    uart.emptied = false;
                }
                pending | 0xc0
            }
            Register::LineControl => uart.line_control,
            Register::ModemControl => uart.modem_control,
            Register::LineStatus => {
                let mut status = LSR::empty();
                let ready = if uart.bochs { uart.ready } else { !uart.received.is_empty() };
                status.set(LSR::DATA_READY, ready);
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
            Register::InterruptIdentification => {
                assert_eq!(value & 1, 1, "FIFOs on");
                uart.fifo_control = value;
            }
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
