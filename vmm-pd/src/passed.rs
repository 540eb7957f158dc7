//! Real devices that the guest drives itself: their ports are opened to it, their
//! interrupts handed on.
//!
//! What makes up a device the configuration says, out of what the description grants;
//! their memory is mapped into the guest before anything runs. The surprising fact:
//! between an interrupt's arrival and its acknowledgement the kernel masks the line. An
//! edge is acknowledged at once, for one that comes meanwhile would be lost; a level only
//! when the guest has ended it, for until then it would come again and again.

use bulkhead_config::{PASSED_MAX, PassThrough};
use pci_bus::{Status, StatusSource};
use sel4_microkit::{Channel, ChannelSet, IoPort, memory_region_opt};
use shmem::{Read, Region};
use vmm_core::{
    bus::pio,
    devices::{
        lapic::Trigger,
        passed::{self, Passed, Unfit},
    },
    types::Gsi,
    vm::Vm,
};

use crate::{status, vtx::Vtx};

/// Why a device is kept from the guest.
#[derive(Debug)]
enum Withheld {
    /// The domain that sets it up has not, or refused to.
    NotReady(Status),
    /// It has no word for that.
    NoStatus,
    /// Its function cannot be shown.
    Unfit(Unfit),
    /// A device of the machine's own has this port.
    PortTaken(u16),
    /// The description grants no such ports.
    NoPorts(u8),
    /// One has this line.
    LineTaken(u8),
    /// The description grants no such interrupt.
    NoInterrupt(u8),
}

impl core::fmt::Display for Withheld {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Withheld::NotReady(Status::Refused(why)) => write!(f, "{why}"),
            Withheld::NotReady(_) => f.write_str("nobody has set it up"),
            Withheld::NoStatus => f.write_str("no region is mapped for what `pci` says of it"),
            Withheld::Unfit(why) => write!(f, "{why}"),
            Withheld::PortTaken(port) => {
                write!(f, "port {port:#x} is a device's of the guest's machine")
            }
            Withheld::NoPorts(id) => write!(f, "no ioport {id} is granted that holds its ports"),
            Withheld::LineTaken(line) => {
                write!(f, "line {line} is a device's of the guest's machine")
            }
            Withheld::NoInterrupt(channel) => write!(f, "no irq {channel} is granted"),
        }
    }
}

/// An interrupt of the machine's and the guest's line that it drives.
#[derive(Clone, Copy, Debug)]
struct Line {
    channel: Channel,
    gsi: Gsi,
    trigger: Trigger,
}

/// Interrupts of the machine that are the guest's.
#[derive(Debug, Default)]
pub struct Lines {
    all: [Option<Line>; PASSED_MAX],
    channels: ChannelSet,
}

impl Lines {
    /// Lets every line interrupt, of whatever came before nobody knows.
    pub fn listen(&self) {
        self.all.iter().flatten().for_each(acknowledge);
    }

    /// Interrupts arrived, perhaps.
    pub fn arrived(&self, channels: ChannelSet, vm: &mut Vm) {
        if channels.and(self.channels).is_empty() {
            return;
        }
        for line in self.all.iter().flatten().filter(|line| channels.contains(line.channel)) {
            if line.trigger == Trigger::Edge {
                acknowledge(line);
            }
            vm.line_arrived(line.gsi, line.trigger);
        }
    }

    /// The guest has ended the interrupts of these lines, a bit each.
    #[cold]
    pub fn ended(&self, gsis: u32) {
        self.all.iter().flatten().filter(|line| gsis >> line.gsi.0 & 1 != 0).for_each(acknowledge);
    }
}

fn acknowledge(line: &Line) {
    // It is an interrupt: `line` has asked. An error would leave it masked, and the
    // guest without its device.
    let _ = line.channel.irq_ack();
}

/// Hands the guest its devices; of one that it cannot have the reason is reported.
pub fn hand_over(
    devices: &[PassThrough],
    cpu: &mut Vtx,
    passed: &mut Passed,
    lines: &mut Lines,
    report: &mut status::Status,
) {
    for (index, (device, place)) in devices.iter().zip(&mut lines.all).enumerate() {
        match hand(index, device, cpu, passed) {
            Ok(line) => *place = line,
            Err(why) => {
                passed.remove(index);
                report.say(format_args!("report : {} is not handed on: {why}", device.name));
            }
        }
    }
    lines.channels = lines.all.iter().flatten().map(|line| line.channel).collect();
    lines.listen();
}

/// Hands it one: nothing of it before all of it can be.
fn hand(
    index: usize,
    device: &PassThrough,
    cpu: &mut Vtx,
    passed: &mut Passed,
) -> Result<Option<Line>, Withheld> {
    if device.pci.is_some() {
        match status(index).ok_or(Withheld::NoStatus)? {
            Status::Ready => {}
            other => return Err(Withheld::NotReady(other)),
        }
    }
    let ports = || device.ports.iter().filter(|ports| ports.count > 0);
    for ports in ports() {
        let all = (0..ports.count).filter_map(|n| ports.first.checked_add(n));
        if let Some(port) = all.into_iter().find(|&port| pio::is_taken(port)) {
            return Err(Withheld::PortTaken(port));
        }
    }
    let line = line(index, device)?;
    passed.add(index, device).map_err(Withheld::Unfit)?;
    for ports in ports() {
        let last = ports.first.saturating_add(ports.count - 1);
        let granted = u64::from(ports.id) < 62 && IoPort::new(ports.id.into()).is_granted();
        if !granted || cpu.enable_io_ports(IoPort::new(ports.id.into()), ports.first, last).is_err()
        {
            return Err(Withheld::NoPorts(ports.id));
        }
    }
    Ok(line)
}

/// The line of a device, if it has one.
fn line(index: usize, device: &PassThrough) -> Result<Option<Line>, Withheld> {
    let Some(interrupt) = device.interrupt else { return Ok(None) };
    let gsi = match (device.pci, interrupt.line) {
        (Some(_), _) => passed::line(index),
        (None, Some(line)) if passed::may_drive(line) => Gsi(line),
        (None, line) => return Err(Withheld::LineTaken(line.unwrap_or_default())),
    };
    let trigger = if interrupt.level { Trigger::Level } else { Trigger::Edge };
    let granted =
        usize::from(interrupt.channel) < 62 && Channel::new(interrupt.channel.into()).is_irq();
    if !granted {
        return Err(Withheld::NoInterrupt(interrupt.channel));
    }
    Ok(Some(Line { channel: Channel::new(interrupt.channel.into()), gsi, trigger }))
}

/// What `pci` says of a device. It ranks above every VMM, so that it has said all there
/// will be.
fn status(index: usize) -> Option<Status> {
    let regions: [Option<Region<Read>>; PASSED_MAX] = [
        memory_region_opt!(Read, pass0_status_vaddr, pass0_status_size),
        memory_region_opt!(Read, pass1_status_vaddr, pass1_status_size),
        memory_region_opt!(Read, pass2_status_vaddr, pass2_status_size),
        memory_region_opt!(Read, pass3_status_vaddr, pass3_status_size),
    ];
    let region = regions.get(index)?.as_ref()?;
    Some(StatusSource::new(region).ok()?.read())
}
