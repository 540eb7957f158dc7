//! A 16550A: what a guest believes its serial console to be.
//!
//! Transmission takes no time: a byte goes to the console at once, and only if
//! the console has no room does it stay here and the transmitter look busy.
//! The receiver pulls: a byte is taken from the console only when there is
//! room for it, so none is lost on the way. Not here: the line's speed (the
//! divisor counts only for the character timeout), parity, break, and the DMA
//! signals.
//!
//! The surprising fact: while the receive interrupt is off, only one byte at a
//! time is taken. A guest clears its FIFOs while it starts; what was typed
//! ahead then waits in the console's queue rather than here.

pub mod bits;
mod state;

pub use state::State;

use heapless::Deque;

use self::bits::{CLOCK, FIFO_SIZE, Fcr, IIR_FIFOS, IIR_NONE, Ier, Interrupt, Lcr, Lsr, Mcr, Msr};
use crate::outside::Outside;
use crate::time::TscFrequency;
use crate::types::Ticks;

/// The register that an offset selects, where that does not depend on DLAB.
const FIRST: u8 = 0;
const SECOND: u8 = 1;
const THIRD: u8 = 2;
const LINE_CONTROL: u8 = 3;
const MODEM_CONTROL: u8 = 4;
const LINE_STATUS: u8 = 5;
const SCRATCH: u8 = 7;

/// A peer that is there and ready, as a terminal's cable says.
const PEER_READY: Msr = Msr::CTS.union(Msr::DSR).union(Msr::DCD);

/// One UART.
///
/// # Invariants
/// `irq` and `deadline` follow from `state`; whoever changes that calls
/// [`Uart::settle`]. They are asked for at every access, and most change nothing.
pub struct Uart {
    state: State,
    irq: bool,
    deadline: Option<Ticks>,
    tsc: TscFrequency,
    /// Four characters at the current line settings.
    timeout: Ticks,
}

impl Uart {
    /// A UART after its master reset; the divisor is that of 115,200 baud.
    pub fn new(tsc: TscFrequency) -> Self {
        Self::restore(
            tsc,
            State {
                ier: 0,
                fcr: 0,
                lcr: 0,
                mcr: 0,
                scratch: 0,
                divisor: 1,
                msr_changes: 0,
                overrun: false,
                transmitter_emptied: false,
                timed_out: false,
                timeout_at: None,
                receiver: Deque::new(),
                transmitter: Deque::new(),
            },
        )
    }

    /// A UART as a snapshot recorded it.
    pub fn restore(tsc: TscFrequency, state: State) -> Self {
        let mut uart = Uart { state, irq: false, deadline: None, tsc, timeout: Ticks(0) };
        uart.line_changed();
        uart.settle();
        uart
    }

    /// What a snapshot holds.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The interrupt output as a PC wires it: through OUT2, which loopback
    /// forces off (data sheet, 8.6.6).
    #[inline]
    pub fn irq(&self) -> bool {
        debug_assert_eq!(self.irq, self.output());
        self.irq
    }

    fn output(&self) -> bool {
        let mcr = self.mcr();
        mcr.contains(Mcr::OUT2) && !mcr.contains(Mcr::LOOP) && self.interrupt().is_some()
    }

    /// When [`Uart::advance`] has something to do.
    #[inline]
    pub fn deadline(&self) -> Option<Ticks> {
        debug_assert_eq!(self.deadline, self.next_timeout());
        self.deadline
    }

    fn next_timeout(&self) -> Option<Ticks> {
        let waits = self.ier().contains(Ier::ERBFI) && !self.triggered();
        if waits && !self.state.timed_out { self.state.timeout_at } else { None }
    }

    /// Takes over what follows from a change.
    #[inline(never)]
    fn settle(&mut self) {
        self.irq = self.output();
        self.deadline = self.next_timeout();
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Ticks) {
        if self.state.timeout_at.is_some_and(|at| at <= now) {
            self.state.timeout_at = None;
            self.state.timed_out = true;
            self.settle();
        }
    }

    /// The console has bytes for the guest.
    pub fn readable(&mut self, now: Ticks, outside: &mut impl Outside) {
        if self.ier().contains(Ier::ERBFI) {
            self.pull(now, outside);
            self.settle();
        }
    }

    /// The console has room again.
    pub fn writable(&mut self, outside: &mut impl Outside) {
        if self.state.transmitter.is_empty() {
            return;
        }
        while let Some(&byte) = self.state.transmitter.front() {
            if !outside.console_write(byte) {
                return;
            }
            self.state.transmitter.pop_front();
        }
        self.state.transmitter_emptied = true;
        self.settle();
    }

    /// The register at `offset`, if reading it changes nothing and time neither.
    #[inline(always)]
    pub fn at_rest(&self, offset: u8) -> Option<u8> {
        match offset & 7 {
            LINE_CONTROL => Some(self.state.lcr),
            MODEM_CONTROL => Some(self.state.mcr),
            SCRATCH => Some(self.state.scratch),
            _ => None,
        }
    }

    /// Writes the register at `offset`, if nothing comes of that.
    ///
    /// # Returns
    /// Whether it did.
    #[inline(always)]
    pub fn write_at_rest(&mut self, offset: u8, value: u8) -> bool {
        let scratch = offset & 7 == SCRATCH;
        if scratch {
            self.state.scratch = value;
        }
        scratch
    }

    /// Reads the register at `offset`; only its low three bits count.
    pub fn read(&mut self, offset: u8, now: Ticks, outside: &mut impl Outside) -> u8 {
        if let Some(value) = self.at_rest(offset) {
            return value;
        }
        self.advance(now);
        let latch = self.lcr().contains(Lcr::DLAB);
        let value = match offset & 7 {
            FIRST if latch => return self.state.divisor.to_le_bytes()[0],
            SECOND if latch => return self.state.divisor.to_le_bytes()[1],
            SECOND => return self.state.ier,
            // What drivers poll for the transmitter: nothing came, nothing changes.
            LINE_STATUS if self.is_quiet(now, outside) => return self.line_status(),
            FIRST => self.read_receiver(now, outside),
            THIRD => self.read_identification(),
            LINE_STATUS => {
                let value = self.line_status();
                self.state.overrun = false;
                value
            }
            _ => {
                let value = self.modem_inputs().bits() | self.state.msr_changes;
                self.state.msr_changes = 0;
                value
            }
        };
        self.settle();
        value
    }

    /// Writes the register at `offset`; only its low three bits count.
    pub fn write(&mut self, offset: u8, value: u8, now: Ticks, outside: &mut impl Outside) {
        if self.write_at_rest(offset, value) {
            return;
        }
        self.advance(now);
        let latch = self.lcr().contains(Lcr::DLAB);
        match offset & 7 {
            FIRST if latch => {
                self.state.divisor = (self.state.divisor & 0xFF00) | u16::from(value);
                self.line_changed();
            }
            SECOND if latch => {
                self.state.divisor = (self.state.divisor & 0x00FF) | (u16::from(value) << 8);
                self.line_changed();
            }
            FIRST => self.transmit(value, now, outside),
            SECOND => self.write_interrupt_enable(value, now, outside),
            THIRD => {
                self.write_fifo_control(Fcr::from_bits_retain(value));
                self.readable(now, outside);
            }
            LINE_CONTROL => {
                self.state.lcr = value;
                self.line_changed();
            }
            MODEM_CONTROL => {
                self.write_modem_control(Mcr::from_bits_truncate(value));
                self.readable(now, outside);
            }
            // Writing the status registers is for factory tests only.
            _ => return,
        }
        self.settle();
    }

    fn read_receiver(&mut self, now: Ticks, outside: &mut impl Outside) -> u8 {
        self.pull_if_empty(now, outside);
        let byte = self.state.receiver.pop_front().unwrap_or(0);
        self.state.timed_out = false;
        // One refill for a whole FIFO, not one for each byte read.
        self.pull_if_empty(now, outside);
        self.restart_timeout(now);
        byte
    }

    fn read_identification(&mut self) -> u8 {
        let pending = self.interrupt();
        if pending == Some(Interrupt::TransmitterEmpty) {
            self.state.transmitter_emptied = false;
        }
        let fifos = if self.fifos() { IIR_FIFOS } else { 0 };
        fifos | pending.map_or(IIR_NONE, |interrupt| interrupt as u8)
    }

    /// Whether nothing is received, nor comes now, and no byte was lost.
    fn is_quiet(&mut self, now: Ticks, outside: &mut impl Outside) -> bool {
        self.pull_if_empty(now, outside);
        self.state.receiver.is_empty() && !self.state.overrun
    }

    fn line_status(&self) -> u8 {
        let mut status = Lsr::empty();
        status.set(Lsr::DR, !self.state.receiver.is_empty());
        status.set(Lsr::OE, self.state.overrun);
        status.set(Lsr::THRE | Lsr::TEMT, self.state.transmitter.is_empty());
        status.bits()
    }

    fn write_interrupt_enable(&mut self, value: u8, now: Ticks, outside: &mut impl Outside) {
        let old = self.ier();
        let new = Ier::from_bits_truncate(value);
        self.state.ier = new.bits();
        // Enabling it with the transmitter empty raises it at once; drivers
        // start transmission so.
        if (new - old).contains(Ier::ETBEI) && self.state.transmitter.is_empty() {
            self.state.transmitter_emptied = true;
        }
        if (new - old).contains(Ier::ERBFI) {
            self.pull(now, outside);
        }
    }

    fn write_fifo_control(&mut self, value: Fcr) {
        let toggled = value.contains(Fcr::ENABLE) != self.fifos();
        let enable = value.contains(Fcr::ENABLE);
        if toggled || (enable && value.contains(Fcr::RCVR_RESET)) {
            self.state.receiver.clear();
            self.state.timed_out = false;
            self.state.timeout_at = None;
        }
        if toggled || (enable && value.contains(Fcr::XMIT_RESET)) {
            if !self.state.transmitter.is_empty() {
                self.state.transmitter_emptied = true;
            }
            self.state.transmitter.clear();
        }
        self.state.fcr = if enable { (value & (Fcr::ENABLE | Fcr::TRIGGER)).bits() } else { 0 };
    }

    fn write_modem_control(&mut self, value: Mcr) {
        let before = self.modem_inputs();
        self.state.mcr = value.bits();
        let after = self.modem_inputs();
        let changed = before ^ after;
        let mut changes = Msr::from_bits_retain(self.state.msr_changes);
        changes.set(Msr::DCTS, changes.contains(Msr::DCTS) || changed.contains(Msr::CTS));
        changes.set(Msr::DDSR, changes.contains(Msr::DDSR) || changed.contains(Msr::DSR));
        changes.set(Msr::DDCD, changes.contains(Msr::DDCD) || changed.contains(Msr::DCD));
        let ring_ended = before.contains(Msr::RI) && !after.contains(Msr::RI);
        changes.set(Msr::TERI, changes.contains(Msr::TERI) || ring_ended);
        self.state.msr_changes = changes.bits();
    }

    /// Sends one byte. Beyond what the transmitter holds it is lost, as on
    /// hardware: a driver writes only after THRE.
    fn transmit(&mut self, byte: u8, now: Ticks, outside: &mut impl Outside) {
        self.state.transmitter_emptied = false;
        if self.mcr().contains(Mcr::LOOP) {
            self.receive(byte, now);
        } else if !self.state.transmitter.is_empty() || !outside.console_write(byte) {
            if self.state.transmitter.len() < self.room() {
                // Cannot fail: `room` is at most the queue's capacity.
                let _ = self.state.transmitter.push_back(byte);
            }
            return;
        }
        self.state.transmitter_emptied = self.state.transmitter.is_empty();
    }

    /// A byte arrives on the looped-back line, which nothing holds back.
    fn receive(&mut self, byte: u8, now: Ticks) {
        if self.state.receiver.len() >= self.room() {
            self.state.overrun = true;
            if self.fifos() {
                // The FIFO keeps what it has; the shift register is lost.
                return;
            }
            self.state.receiver.clear();
        }
        let _ = self.state.receiver.push_back(byte);
        self.restart_timeout(now);
    }

    /// Takes what the console has, as far as there is room.
    fn pull(&mut self, now: Ticks, outside: &mut impl Outside) {
        let polled = !self.ier().contains(Ier::ERBFI);
        let room = if polled { 1 } else { self.room() };
        // In loopback the receiver is disconnected from the line.
        if self.mcr().contains(Mcr::LOOP) || self.state.receiver.len() >= room {
            return;
        }
        let mut any = false;
        while self.state.receiver.len() < room {
            let Some(byte) = outside.console_read() else { break };
            let _ = self.state.receiver.push_back(byte);
            any = true;
        }
        if any {
            self.restart_timeout(now);
        }
    }

    fn pull_if_empty(&mut self, now: Ticks, outside: &mut impl Outside) {
        if self.state.receiver.is_empty() {
            self.pull(now, outside);
        }
    }

    /// The character timeout counts from the last byte that came or was read.
    fn restart_timeout(&mut self, now: Ticks) {
        let runs = self.fifos() && !self.state.receiver.is_empty();
        self.state.timeout_at = runs.then(|| now.saturating_add(self.timeout));
    }

    /// The pending interrupt of the highest priority.
    fn interrupt(&self) -> Option<Interrupt> {
        let ier = self.ier();
        if ier.contains(Ier::ELSI) && self.state.overrun {
            return Some(Interrupt::LineStatus);
        }
        if ier.contains(Ier::ERBFI) && self.triggered() {
            return Some(Interrupt::ReceivedData);
        }
        if ier.contains(Ier::ERBFI) && self.state.timed_out && !self.state.receiver.is_empty() {
            return Some(Interrupt::CharacterTimeout);
        }
        if ier.contains(Ier::ETBEI) && self.state.transmitter_emptied {
            return Some(Interrupt::TransmitterEmpty);
        }
        if ier.contains(Ier::EDSSI) && self.state.msr_changes != 0 {
            return Some(Interrupt::ModemStatus);
        }
        None
    }

    /// Whether the receiver holds as much as its trigger level says.
    fn triggered(&self) -> bool {
        let level = match (self.fifos(), self.state.fcr >> 6) {
            (false, _) | (true, 0) => 1,
            (true, 1) => 4,
            (true, 2) => 8,
            (true, _) => 14,
        };
        self.state.receiver.len() >= level
    }

    /// The modem lines: the peer's, or our own outputs looped back.
    fn modem_inputs(&self) -> Msr {
        let mcr = self.mcr();
        if !mcr.contains(Mcr::LOOP) {
            return PEER_READY;
        }
        let mut inputs = Msr::empty();
        inputs.set(Msr::CTS, mcr.contains(Mcr::RTS));
        inputs.set(Msr::DSR, mcr.contains(Mcr::DTR));
        inputs.set(Msr::RI, mcr.contains(Mcr::OUT1));
        inputs.set(Msr::DCD, mcr.contains(Mcr::OUT2));
        inputs
    }

    /// Recomputes the character timeout: four characters, each of a start bit,
    /// the word, parity and stop bits (data sheet, 8.10).
    fn line_changed(&mut self) {
        let lcr = self.lcr();
        let word = 5 + u64::from((lcr & Lcr::WLS).bits());
        let parity = u64::from(lcr.contains(Lcr::PEN));
        let stop = 1 + u64::from(lcr.contains(Lcr::STB));
        let bits = 4 * (1 + word + parity + stop);
        let divisor = u64::from(self.state.divisor.max(1));
        self.timeout = self.tsc.span(bits * divisor * 16, CLOCK);
    }

    /// How many bytes a queue takes.
    fn room(&self) -> usize {
        if self.fifos() { FIFO_SIZE } else { 1 }
    }

    fn fifos(&self) -> bool {
        Fcr::from_bits_retain(self.state.fcr).contains(Fcr::ENABLE)
    }

    fn ier(&self) -> Ier {
        Ier::from_bits_retain(self.state.ier)
    }

    fn lcr(&self) -> Lcr {
        Lcr::from_bits_retain(self.state.lcr)
    }

    fn mcr(&self) -> Mcr {
        Mcr::from_bits_retain(self.state.mcr)
    }
}

#[cfg(test)]
mod tests;
