//! The switch: its ports, and what it does when notified.

use core::fmt;

use bulkhead_config::{CLIENTS_MAX, ClientSet, Mac};
use heapless::Vec;
use rate::Limiter;
use sddf::net::{AttachError, Breach, Waiting};

use crate::addresses::Addresses;
use crate::complaint::{Complaint, Counters, Reason};
use crate::frame::{Destination, Frame};
use crate::port::{Policy, Port, PortParts};
use crate::uplink::{Uplink, UplinkParts, UplinkPolicy};

/// Most slots of a queue: what 4 KiB hold.
pub const SLOTS: usize = 128;

/// Frames of a port before it is the next one's turn.
pub const QUANTUM: usize = 16;

/// Rounds of turns before what was done is published: together with
/// [`QUANTUM`] as many frames a port as a queue holds.
const ROUNDS: usize = SLOTS / QUANTUM;

/// A configuration that cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SwitchError {
    /// There are more than [`CLIENTS_MAX`] ports.
    Ports,
    /// An address is given to two ports.
    Address {
        /// The address.
        mac: Mac,
        /// The port that has it already.
        port: usize,
    },
}

impl fmt::Display for SwitchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SwitchError::Ports => write!(f, "there are more than {CLIENTS_MAX} ports"),
            SwitchError::Address { mac, port } => {
                write!(f, "{mac} is given to a port, and port {port} has it already")
            }
        }
    }
}

/// What the shell has to do after [`Switch::serve`].
#[must_use]
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Notify the driver.
    pub driver: bool,
    /// Notify these clients.
    pub clients: ClientSet,
    /// Serve again: there is more to do.
    pub again: bool,
    /// Report these.
    pub complaints: Vec<Complaint, { 2 * CLIENTS_MAX + 1 }>,
}

/// Where a frame comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    Port(usize),
    Outside,
}

/// The switch; it begins without ports and without a line to the outside.
///
/// It is large (its ports' accounts are 6 KiB each), so it is filled where it lies
/// rather than made and moved.
#[derive(Debug, Default)]
pub struct Switch {
    ports: Vec<Option<Port>, CLIENTS_MAX>,
    uplink: Option<Uplink>,
    addresses: Addresses,
    complaints: Vec<Complaint, { 2 * CLIENTS_MAX + 1 }>,
}

impl Switch {
    /// Connects the line to the outside.
    pub fn connect(&mut self, parts: UplinkParts, policy: UplinkPolicy) {
        self.uplink = Some(Uplink::new(parts, policy));
    }

    /// Adds the next port, or one whose queues made no sense when this domain,
    /// restarted perhaps, took them over: it is disconnected, and named with the
    /// next outcome.
    ///
    /// # Errors
    /// There are too many, or an address is another port's.
    pub fn add(
        &mut self,
        macs: &[Mac],
        policy: Policy,
        parts: Result<PortParts, AttachError>,
    ) -> Result<(), SwitchError> {
        let number = self.ports.len();
        for &mac in macs {
            let given = self.addresses.give(mac, number);
            given.map_err(|port| SwitchError::Address { mac, port })?;
        }
        let port = match parts {
            Ok(parts) => Some(Port::new(parts, policy)),
            Err(e) => {
                self.complain(Complaint::Attach(number, e));
                None
            }
        };
        self.ports.push(port).map_err(|_| SwitchError::Ports)
    }

    /// What passed a port; nothing of one that is disconnected.
    pub fn counters(&self, port: usize) -> Option<Counters> {
        self.ports.get(port)?.as_ref().map(|port| port.counters)
    }

    /// What passed the uplink: `sent` came in by it, `received` went out.
    pub fn uplink_counters(&self) -> Option<Counters> {
        self.uplink.as_ref().map(|uplink| uplink.counters)
    }

    /// Does what there is to do, whoever notified, at a time in ticks of the
    /// limits' clock.
    pub fn serve(&mut self, now: u64) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..ROUNDS {
            let mut moved = self.serve_outside(now);
            for number in 0..self.ports.len() {
                moved |= self.serve_port(number, now);
            }
            if !moved {
                break;
            }
        }
        for number in 0..self.ports.len() {
            let Some(port) = self.port(number) else { continue };
            match port.publish().and_then(|notify| Ok((notify, port.wait()?))) {
                Ok((notify, waiting)) => {
                    if notify {
                        outcome.clients.insert(number);
                    }
                    outcome.again |= waiting == Waiting::More;
                }
                Err(breach) => self.disconnect(number, breach),
            }
        }
        if let Some(uplink) = &mut self.uplink {
            match uplink.publish().and_then(|notify| Ok((notify, uplink.wait()?))) {
                Ok((notify, waiting)) => {
                    outcome.driver = notify;
                    outcome.again |= waiting == Waiting::More;
                }
                Err(breach) => self.driver_broke(breach),
            }
        }
        outcome.complaints = core::mem::take(&mut self.complaints);
        outcome
    }

    /// A turn of a client's.
    ///
    /// # Returns
    /// Whether it sent anything.
    fn serve_port(&mut self, number: usize, now: u64) -> bool {
        for turn in 0..QUANTUM {
            let Some(port) = self.port(number) else { return false };
            match port.take() {
                Ok(Some((loan, frame))) => {
                    self.switch(Origin::Port(number), frame.as_ref(), now);
                    if let Some(port) = self.port(number) {
                        port.give_back(loan);
                    }
                }
                Ok(None) => return turn > 0,
                Err(breach) => {
                    self.disconnect(number, breach);
                    return false;
                }
            }
        }
        true
    }

    /// A turn of the outside's.
    ///
    /// # Returns
    /// Whether anything came in.
    fn serve_outside(&mut self, now: u64) -> bool {
        for turn in 0..QUANTUM {
            let Some(uplink) = &mut self.uplink else { return false };
            match uplink.take() {
                Ok(Some((buffer, frame))) => {
                    self.switch(Origin::Outside, frame.as_ref(), now);
                    if let Some(uplink) = &mut self.uplink {
                        uplink.give_back(buffer);
                    }
                }
                Ok(None) => return turn > 0,
                Err(breach) => {
                    self.driver_broke(breach);
                    return false;
                }
            }
        }
        true
    }

    /// Passes a frame on, or drops it.
    fn switch(&mut self, from: Origin, frame: Option<&Frame>, now: u64) {
        let result = match frame {
            Some(frame) => self.pass(from, frame, now),
            None => Err(Reason::Length),
        };
        let counters = match from {
            Origin::Port(number) => self.port(number).map(|port| &mut port.counters),
            Origin::Outside => self.uplink.as_mut().map(|uplink| &mut uplink.counters),
        };
        if let Some(counters) = counters {
            match result {
                Ok(()) => counters.sent += 1,
                Err(why) => counters.drop(why),
            }
        }
    }

    fn pass(&mut self, from: Origin, frame: &Frame, now: u64) -> Result<(), Reason> {
        self.check_source(from, frame)?;
        let destination = frame.header.destination().ok_or(Reason::Destination)?;
        let group = destination == Destination::Group;
        let (limit, groups) = match from {
            Origin::Port(number) => {
                let policy =
                    self.port(number).map(|port| &mut port.policy).ok_or(Reason::Source)?;
                (&mut policy.limit, &mut policy.groups)
            }
            Origin::Outside => {
                let uplink = self.uplink.as_mut().ok_or(Reason::Source)?;
                (&mut uplink.policy.limit, &mut uplink.policy.groups)
            }
        };
        admit(limit, group.then_some(groups), frame, now)?;
        match destination {
            Destination::Group => {
                for number in 0..self.ports.len() {
                    if self.may_reach(from, number) {
                        self.deliver(number, frame);
                    }
                }
                if self.may_leave(from) {
                    self.deliver_outside(frame);
                }
                Ok(())
            }
            Destination::Station(mac) => match self.addresses.find(mac) {
                Some(number) if self.may_reach(from, number) => {
                    self.deliver(number, frame);
                    Ok(())
                }
                None if self.may_leave(from) => {
                    self.deliver_outside(frame);
                    Ok(())
                }
                Some(_) | None => Err(Reason::Destination),
            },
        }
    }

    /// Checks who a frame says it is from.
    fn check_source(&mut self, from: Origin, frame: &Frame) -> Result<(), Reason> {
        let source = frame.header.source();
        match from {
            // The outside is anybody but one of ours.
            Origin::Outside => match source {
                Some(mac) if self.addresses.may_send_from_outside(mac) => Ok(()),
                Some(_) | None => Err(Reason::Source),
            },
            Origin::Port(number) => {
                let learn = self.port(number).map_or(0, |port| port.policy.learn);
                if source.is_some_and(|mac| self.addresses.may_send(mac, number, learn)) {
                    return Ok(());
                }
                let first = self
                    .port(number)
                    .is_some_and(|port| !core::mem::replace(&mut port.accused, true));
                if first {
                    self.complain(Complaint::Source(number, source));
                }
                Err(Reason::Source)
            }
        }
    }

    /// Whether a frame may be given to a port.
    fn may_reach(&mut self, from: Origin, to: usize) -> bool {
        let Some(to_port) = self.port(to) else { return false };
        match from {
            Origin::Outside => to_port.policy.uplink,
            Origin::Port(number) => number != to && to_port.policy.peers.contains(number),
        }
    }

    /// Whether a frame may go outside.
    fn may_leave(&mut self, from: Origin) -> bool {
        match from {
            Origin::Outside => false,
            Origin::Port(number) => {
                self.uplink.is_some() && self.port(number).is_some_and(|port| port.policy.uplink)
            }
        }
    }

    fn deliver(&mut self, number: usize, frame: &Frame) {
        let Some(port) = self.port(number) else { return };
        if let Err(breach) = port.deliver(frame) {
            self.disconnect(number, breach);
        }
    }

    fn deliver_outside(&mut self, frame: &Frame) {
        let Some(uplink) = &mut self.uplink else { return };
        if let Err(breach) = uplink.deliver(frame) {
            self.driver_broke(breach);
        }
    }

    fn port(&mut self, number: usize) -> Option<&mut Port> {
        self.ports.get_mut(number)?.as_mut()
    }

    fn disconnect(&mut self, number: usize, breach: Breach) {
        if let Some(port) = self.ports.get_mut(number)
            && port.take().is_some()
        {
            self.complain(Complaint::Client(number, breach));
        }
    }

    fn driver_broke(&mut self, breach: Breach) {
        if self.uplink.take().is_some() {
            self.complain(Complaint::Driver(breach));
        }
    }

    /// At most two for each port and one for the driver, so that there is room.
    fn complain(&mut self, complaint: Complaint) {
        let _ = self.complaints.push(complaint);
    }
}

/// Counts a frame against its sender's limits.
fn admit(
    limit: &mut Limiter,
    groups: Option<&mut Limiter>,
    frame: &Frame,
    now: u64,
) -> Result<(), Reason> {
    let bytes = u64::from(frame.length);
    limit.admit(now).map_err(|_| Reason::Limit)?;
    if let Some(groups) = groups {
        groups.admit(now).map_err(|_| Reason::Limit)?;
        groups.take(bytes, now);
    }
    limit.take(bytes, now);
    Ok(())
}
