//! The wire: one client, bytes unchanged.

use sddf::serial::{PeerError, Space, TransferError};

use crate::virt::{Complaint, Outcome, Virt};

/// The client's number.
const CLIENT: usize = 0;

impl Virt {
    /// From the client to the line, as much as is there now: with what comes
    /// later comes a notification.
    pub(crate) fn pass_output(&mut self, outcome: &mut Outcome) {
        self.pass_notes(outcome);
        let Some(driver) = &mut self.driver_output else { return };
        let Some(client) = self.clients.first_mut() else { return };
        let Some(output) = &mut client.output else { return };
        // A producer that lied is named by the transfer.
        let mut left = output.len().unwrap_or(u32::MAX);
        while left > 0 {
            match output.transfer(driver, left) {
                Ok(0) => match driver.wait_for_space(1) {
                    Ok(Space::Available) => {}
                    Ok(Space::Wait) => return,
                    Err(e) => return self.lose_driver_output(e, outcome),
                },
                Ok(moved) => {
                    left -= moved;
                    outcome.driver = true;
                    if output.producer_waits() {
                        outcome.clients.insert(CLIENT);
                    }
                }
                Err(TransferError::Source(e)) => {
                    client.output = None;
                    self.notes.add(format_args!("{} is disconnected: {e}", client.name));
                    return self.pass_notes(outcome);
                }
                Err(TransferError::Sink(e)) => return self.lose_driver_output(e, outcome),
            }
        }
    }

    /// From the line to the client, as much as is there now.
    pub(crate) fn pass_input(&mut self, outcome: &mut Outcome) {
        let Some(driver) = &mut self.driver_input else { return };
        let Some(client) = self.clients.first_mut() else { return };
        let mut left = match driver.len() {
            Ok(length) => length,
            Err(e) => return self.lose_driver_input(e, outcome),
        };
        while left > 0 {
            let moved = match &mut client.input {
                Some(input) => driver.transfer(input, left),
                // Nobody will ever read it.
                None => driver.consume(left).map_err(TransferError::Source),
            };
            match (moved, &mut client.input) {
                (Ok(0), Some(input)) => match input.wait_for_space(1) {
                    Ok(Space::Available) => {}
                    Ok(Space::Wait) => return,
                    Err(e) => client.close_input(e, &mut self.notes),
                },
                (Ok(0), None) => return,
                (Ok(moved), input) => {
                    left -= moved;
                    outcome.driver |= driver.producer_waits();
                    if input.is_some() {
                        outcome.clients.insert(CLIENT);
                    }
                }
                (Err(TransferError::Source(e)), _) => return self.lose_driver_input(e, outcome),
                (Err(TransferError::Sink(e)), _) => client.close_input(e, &mut self.notes),
            }
        }
    }

    /// Shows what the virtualiser has to say, which it hardly ever has.
    fn pass_notes(&mut self, outcome: &mut Outcome) {
        let Some(driver) = &mut self.driver_output else { return };
        let text = self.notes.text();
        if text.is_empty() {
            return;
        }
        let shown = match driver.wait_for_space(text.len() as u32 + 2) {
            Ok(Space::Wait) => return,
            Ok(Space::Available) => driver.enqueue(b"\r\n").and_then(|_| driver.enqueue(text)),
            Err(e) => Err(e),
        };
        match shown {
            Ok(_) => {
                self.notes.clear();
                outcome.driver = true;
            }
            Err(e) => self.lose_driver_output(e, outcome),
        }
    }

    pub(crate) fn lose_driver_output(&mut self, e: PeerError, outcome: &mut Outcome) {
        self.driver_output = None;
        outcome.complaint = Some(Complaint::Output(e));
    }

    pub(crate) fn lose_driver_input(&mut self, e: PeerError, outcome: &mut Outcome) {
        self.driver_input = None;
        outcome.complaint = Some(Complaint::Input(e));
    }
}
