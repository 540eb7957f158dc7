//! Moves bytes between the UART and the virtualiser's queues.

use core::fmt;

use sddf::serial::{Consumer, PeerError, Producer, Space};

use crate::uart::{FIFO_SIZE, IER, InterruptType, Ports, Received, Uart};

/// Interrupts handled in one go. A UART that always has another is defective;
/// with this bound it costs time, but the domain still answers.
const PASSES: u32 = 32;

/// Bytes taken from the receiver before they are enqueued.
const BATCH: usize = 32;

/// Batches taken for one interrupt: more than any FIFO holds.
const BATCHES: u32 = 8;

/// What went wrong with a peer. The connection is over; the other one goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Complaint {
    /// The queue of bytes to send.
    Transmit(PeerError),
    /// The queue of bytes received.
    Receive(PeerError),
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Transmit(e) => write!(f, "transmit queue closed: {e}"),
            Complaint::Receive(e) => write!(f, "receive queue closed: {e}"),
        }
    }
}

/// What the shell has to do after [`Driver::serve`].
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outcome {
    /// Notify the virtualiser.
    pub notify: bool,
    /// Report this.
    pub complaint: Option<Complaint>,
}

/// Events that nobody can be told of in band.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Times that the receiver's FIFO overran.
    pub overruns: u32,
    /// Break conditions received, and dropped.
    pub breaks: u32,
    /// Times that the bound on interrupts handled in one go was reached.
    pub unfinished: u32,
}

/// The driver.
#[derive(Debug)]
pub struct Driver<P> {
    uart: Uart<P>,
    transmit: Option<Consumer>,
    receive: Option<Producer>,
    breaks: u32,
    unfinished: u32,
}

impl<P: Ports> Driver<P> {
    /// Serves these queues: `transmit` towards the line, `receive` from it.
    /// [`Driver::serve`] takes up what already waits in them.
    pub fn new(mut uart: Uart<P>, transmit: Consumer, receive: Producer) -> Self {
        uart.set_interrupts(IER::DATA_READY | IER::RECEIVER_LINE_STATUS);
        Driver { uart, transmit: Some(transmit), receive: Some(receive), breaks: 0, unfinished: 0 }
    }

    /// Does what there is to do. To be called after any notification; if the
    /// UART interrupted, acknowledge that first: an edge that comes while the
    /// interrupt is masked is lost, and this looks at the UART after it.
    pub fn serve(&mut self) -> Outcome {
        let mut outcome = Outcome::default();
        self.resume_receiving(&mut outcome);
        self.start_transmitting(&mut outcome);
        let mut others = false;
        for _ in 0..PASSES {
            let pending = self.uart.pending();
            match pending {
                // Only then may it have been forgotten.
                None if others && self.overdue() => self.send_batch(&mut outcome),
                None => return outcome,
                // Reading the line status clears it; errors travel with their
                // bytes.
                Some(InterruptType::ReceiverLineStatus) => {
                    self.uart.line_status();
                    self.take_received(&mut outcome);
                }
                Some(InterruptType::ReceivedDataReady | InterruptType::ReceptionTimeout) => {
                    self.take_received(&mut outcome);
                }
                Some(InterruptType::TransmitterHoldingRegisterEmpty) => {
                    self.send_batch(&mut outcome);
                }
                Some(InterruptType::ModemStatus) => self.uart.ignore_modem_status(),
                // Only with a DMA controller, which was never set up; reading
                // the identification clears them.
                Some(
                    InterruptType::DmaReceptionEndOfTransfer
                    | InterruptType::DmaTransmissionEndOfTransfer,
                ) => {}
            }
            others |= pending != Some(InterruptType::TransmitterHoldingRegisterEmpty);
        }
        // Something is still pending, so its edge is past.
        self.unfinished = self.unfinished.saturating_add(1);
        self.uart.renew_edge();
        outcome
    }

    /// Whether the transmitter is empty though its interrupt is awaited. Some
    /// UARTs (Bochs 2.7's) forget that interrupt when the identification is
    /// read, even if what they report is another one.
    fn overdue(&mut self) -> bool {
        self.uart.interrupts().contains(IER::THR_EMPTY) && self.uart.can_send()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        Counters {
            overruns: self.uart.overruns(),
            breaks: self.breaks,
            unfinished: self.unfinished,
        }
    }

    /// Gets the transmitter going, if it rests and there are bytes for it. A
    /// few bytes, an echoed key, cost no interrupt.
    fn start_transmitting(&mut self, outcome: &mut Outcome) {
        if self.uart.interrupts().contains(IER::THR_EMPTY) {
            // It will interrupt when it is done.
            return;
        }
        match self.transmit.as_mut().map(Consumer::is_empty) {
            None | Some(Ok(true)) => return,
            Some(Err(e)) => return self.end_transmitting(e, outcome),
            Some(Ok(false)) => {}
        }
        if !self.uart.can_send() {
            self.uart.set_interrupts(self.uart.interrupts() | IER::THR_EMPTY);
            // It may have come to rest just before, and not every UART
            // interrupts when this is enabled with the transmitter empty.
            if !self.uart.can_send() {
                return;
            }
        }
        self.send_batch(outcome);
    }

    /// The transmitter is empty. It shall interrupt if that leaves bytes.
    fn send_batch(&mut self, outcome: &mut Outcome) {
        let quiet = self.uart.interrupts() - IER::THR_EMPTY;
        let Some(queue) = &mut self.transmit else {
            return self.uart.set_interrupts(quiet);
        };
        let mut batch = [0; FIFO_SIZE];
        let (batch, _) = batch.split_at_mut(self.uart.fifo());
        let count = match queue.dequeue(batch) {
            Ok(count) => count,
            Err(e) => return self.end_transmitting(e, outcome),
        };
        if count > 0 {
            outcome.notify |= queue.producer_waits();
            self.uart.send(&batch[..count]);
        }
        match queue.is_empty() {
            Ok(true) => self.uart.set_interrupts(quiet),
            Ok(false) => self.uart.set_interrupts(quiet | IER::THR_EMPTY),
            Err(e) => self.end_transmitting(e, outcome),
        }
    }

    /// Takes what the receiver holds, as far as the queue has room. To the
    /// last byte: not every UART interrupts again for what is left.
    fn take_received(&mut self, outcome: &mut Outcome) {
        for _ in 0..BATCHES {
            let Some(queue) = &mut self.receive else {
                return self.stop_receiving();
            };
            let room = match queue.wait_for_space(1) {
                // Nobody takes what is typed: the FIFO is the last buffer.
                Ok(Space::Wait) => return self.stop_receiving(),
                Ok(Space::Available) => queue.free(),
                Err(e) => Err(e),
            };
            let room = match room {
                Ok(room) => room as usize,
                Err(e) => return self.end_receiving(e, outcome),
            };
            let mut batch = [0; BATCH];
            let mut count = 0;
            let mut dry = false;
            for _ in 0..room.min(BATCH) {
                match self.uart.receive() {
                    Received::Byte(byte) => {
                        batch[count] = byte;
                        count += 1;
                    }
                    Received::Break => self.breaks = self.breaks.saturating_add(1),
                    Received::Nothing => {
                        dry = true;
                        break;
                    }
                }
            }
            match queue.enqueue(&batch[..count]) {
                Ok(taken) => outcome.notify |= taken > 0,
                Err(e) => return self.end_receiving(e, outcome),
            }
            if dry {
                return;
            }
        }
    }

    /// Listens again, if the virtualiser has made room.
    fn resume_receiving(&mut self, outcome: &mut Outcome) {
        let stopped = !self.uart.interrupts().contains(IER::DATA_READY);
        let Some(queue) = self.receive.as_mut().filter(|_| stopped) else { return };
        match queue.wait_for_space(1) {
            Ok(Space::Wait) => {}
            Ok(Space::Available) => {
                let on = IER::DATA_READY | IER::RECEIVER_LINE_STATUS;
                self.uart.set_interrupts(self.uart.interrupts() | on);
            }
            Err(e) => self.end_receiving(e, outcome),
        }
    }

    fn stop_receiving(&mut self) {
        let off = IER::DATA_READY | IER::RECEIVER_LINE_STATUS;
        self.uart.set_interrupts(self.uart.interrupts() - off);
    }

    fn end_transmitting(&mut self, e: PeerError, outcome: &mut Outcome) {
        self.transmit = None;
        self.uart.set_interrupts(self.uart.interrupts() - IER::THR_EMPTY);
        outcome.complaint = Some(Complaint::Transmit(e));
    }

    fn end_receiving(&mut self, e: PeerError, outcome: &mut Outcome) {
        self.receive = None;
        self.stop_receiving();
        outcome.complaint = Some(Complaint::Receive(e));
    }
}
