//! A driver's way through the transport, and what it can do wrong there.

use proptest::prelude::*;
use sddf::serial::{Consumer, Producer, Shared};
use shmem::Region;

use super::bits::{NO_VECTOR, Status, common};
use super::testing::RAM;
use super::*;
use crate::bus::pio::tests::Bench;
use crate::bus::{mmio, pci, pio};
use crate::memory::TestMemory;
use crate::types::Port;
use crate::vm::Devices;

/// A machine with an entropy device, and who feeds it.
struct Machine {
    bench: Bench,
    memory: TestMemory,
    source: Producer,
}

const DEVICE: Device = Device::Entropy;
/// Where the tests put the queue's areas.
const AREAS: [u64; 3] = [0x1000, 0x2000, 0x3000];
const BUFFER: u64 = 0x5000;

impl Machine {
    fn new() -> Self {
        let (queue, data) = (Region::host(4096), Region::host(4096));
        let source = Producer::attach(Shared::new(&queue, data.clone()).unwrap()).unwrap();
        let consumer = Consumer::attach(Shared::new(&queue, data.read_only()).unwrap());
        let mut bench = Bench::new();
        bench.devices.virtio =
            Virtio::new(Models { entropy: Some(Entropy::new(consumer)), ..Models::default() });
        Machine { bench, memory: TestMemory::new(RAM), source }
    }

    fn devices(&mut self) -> &mut Devices {
        &mut self.bench.devices
    }

    fn config(&mut self, register: u8) -> u32 {
        let address = 0x8000_0000 | u32::from(DEVICE.number()) << 11 | u32::from(register & !3);
        self.devices().pci.set_address(address);
        pci::read(self.devices(), 0, Width::Dword)
    }

    fn set_config(&mut self, register: u8, width: Width, value: u32) {
        self.config(register);
        pci::write(self.devices(), register % 4, width, value);
    }

    /// Decodes ports and memory and masters the bus.
    fn enable(&mut self) {
        self.set_config(4, Width::Word, 7);
    }

    /// The capability of this identity and, of several, this type: its offset.
    fn capability(&mut self, id: u8, structure: u8) -> u8 {
        let mut at = self.config(0x34) as u8;
        while at != 0 {
            let [found, next, _, kind] = self.config(at).to_le_bytes();
            if found == id && (id != bits::CAPABILITY || kind == structure) {
                return at;
            }
            at = next;
        }
        panic!("no capability {id:#x} of type {structure}");
    }

    /// Where a structure lies, as a driver finds it.
    fn structure(&mut self, structure: u8) -> u64 {
        let at = self.capability(bits::CAPABILITY, structure);
        let bar = self.config(at + 4) as u8;
        let offset = self.config(at + 8);
        u64::from(self.config(0x10 + 4 * bar) & !0xF) + u64::from(offset)
    }

    fn read(&mut self, at: u64, width: Width) -> u64 {
        mmio::read(self.devices(), Gpa(at), width, Ticks(0))
    }

    fn write(&mut self, at: u64, width: Width, value: u64) {
        mmio::write(self.devices(), Gpa(at), width, value, Ticks(0));
        self.serve();
    }

    /// What the machine does at the end of an exit.
    fn serve(&mut self) {
        let Devices { virtio, interrupts, .. } = &mut self.bench.devices;
        if virtio.wanting() {
            let _ = virtio.serve(&mut self.memory, interrupts, &mut self.bench.out, Ticks(0));
        }
    }

    fn status(&mut self) -> Status {
        let at = self.structure(1) + u64::from(common::STATUS);
        Status::from_bits_retain(self.read(at, Width::Byte) as u8)
    }

    fn set(&mut self, field: u32, width: Width, value: u64) {
        let at = self.structure(1) + u64::from(field);
        self.write(at, width, value);
    }

    fn get(&mut self, field: u32, width: Width) -> u64 {
        let at = self.structure(1) + u64::from(field);
        self.read(at, width)
    }

    fn set_status(&mut self, status: u8) {
        self.set(common::STATUS, Width::Byte, status.into());
    }

    /// Up to and including FEATURES_OK.
    fn negotiate(&mut self) {
        self.set_status(1);
        self.set_status(3);
        self.set(common::DRIVER_FEATURE_SELECT, Width::Dword, 1);
        self.set(common::DRIVER_FEATURE, Width::Dword, 1);
        self.set_status(11);
        assert!(self.status().contains(Status::FEATURES_OK));
    }

    fn set_queue(&mut self, areas: [u64; 3]) {
        self.set(common::QUEUE_SELECT, Width::Word, 0);
        for (field, at) in
            [common::QUEUE_DESC, common::QUEUE_DRIVER, common::QUEUE_DEVICE].into_iter().zip(areas)
        {
            self.set(field, Width::Dword, at & 0xFFFF_FFFF);
            self.set(field + 4, Width::Dword, at >> 32);
        }
        self.set(common::QUEUE_ENABLE, Width::Word, 1);
    }

    /// A device that works, with a buffer of 64 bytes offered but not notified.
    fn running() -> Self {
        let mut m = Machine::new();
        m.enable();
        m.negotiate();
        m.set_queue(AREAS);
        m.set_status(15);
        m.offer();
        m
    }

    fn offer(&mut self) {
        let [descriptors, driver, _] = AREAS;
        self.memory.write_u64(Gpa(descriptors), BUFFER).unwrap();
        self.memory.write_u64(Gpa(descriptors + 8), 64 | 2 << 32).unwrap();
        let index = self.memory.read_u16(Gpa(driver + 2)).unwrap();
        self.memory.write_u16(Gpa(driver + 2), index.wrapping_add(1)).unwrap();
    }

    fn used(&self) -> u16 {
        self.memory.read_u16(Gpa(AREAS[2] + 2)).unwrap()
    }

    fn notify(&mut self) {
        let port = self.structure(2) as u16;
        let Bench { devices, out, .. } = &mut self.bench;
        let request = pio::write(devices, Port(port), Width::Word, 0, Ticks(0), out);
        assert_eq!(request, None);
        self.serve();
    }

    fn line(&self) -> bool {
        self.bench.devices.interrupts.line(DEVICE.line())
    }
}

#[test]
fn a_driver_finds_the_device_and_gets_what_it_asked_for() {
    let mut m = Machine::new();
    assert_eq!(m.config(0), 0x1044_1AF4);
    assert_eq!(m.config(8), 0xFF00_0001);
    m.enable();
    assert_eq!(m.get(common::QUEUES, Width::Word), 1);
    assert_eq!(m.get(common::QUEUE_SIZE, Width::Word), 8);
    m.negotiate();
    m.set_queue(AREAS);
    m.set_status(15);
    m.offer();
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!(m.used(), 1);
    let mut bytes = [0; 64];
    m.memory.read(Gpa(BUFFER), &mut bytes).unwrap();
    assert_eq!(bytes, [7; 64]);
    assert!(m.bench.out.complaints.is_empty());
}

#[test]
fn an_interrupt_by_line_lasts_until_its_status_is_read() {
    let mut m = Machine::running();
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert!(m.line());
    assert_ne!(m.config(4) & 1 << 19, 0, "the status register shows it");
    let isr = m.structure(3);
    assert_eq!(m.read(isr, Width::Byte), 1);
    assert!(!m.line());
    assert_eq!(m.read(isr, Width::Byte), 0);
    assert_eq!(m.config(4) & 1 << 19, 0);
}

#[test]
fn a_driver_that_forbids_the_line_gets_no_interrupt_by_it() {
    let mut m = Machine::running();
    m.set_config(4, Width::Word, 0x407);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert!(!m.line());
    m.set_config(4, Width::Word, 7);
    assert!(m.line(), "it was only held back");
}

#[test]
fn an_interrupt_by_message_reaches_the_local_apic_and_no_line() {
    let mut m = Machine::running();
    // Software enables the local APIC, in the spurious vector register.
    m.write(n::LAPIC + 0xF0, Width::Dword, 0x1FF);
    let msix = m.capability(0x11, 0);
    let table = u64::from(m.config(0x14) & !0xF) + u64::from(m.config(msix + 4) & !7);
    m.write(table, Width::Dword, n::LAPIC);
    m.write(table + 8, Width::Dword, 0x51);
    m.write(table + 12, Width::Dword, 0);
    m.set(common::QUEUE_VECTOR, Width::Word, 0);
    assert_eq!(m.get(common::QUEUE_VECTOR, Width::Word), 0);
    m.set_config(msix + 2, Width::Word, 0x8000);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert!(!m.line());
    assert_eq!(m.devices().interrupts.acknowledge(), Some(crate::types::Vector(0x51)));
    let isr = m.structure(3);
    assert_eq!(m.read(isr, Width::Byte), 0);
}

#[test]
fn a_message_to_memory_is_no_write_to_memory() {
    let mut m = Machine::running();
    m.devices().interrupts.send(crate::bus::pci::msix::MsiMessage { address: BUFFER, data: 0x51 });
    assert_eq!(m.memory.read_u32(Gpa(BUFFER)).unwrap(), 0);
    assert_eq!(m.devices().interrupts.acknowledge(), None);
}

#[test]
fn a_vector_that_there_is_not_reads_back_as_none() {
    let mut m = Machine::new();
    m.enable();
    for field in [common::CONFIG_VECTOR, common::QUEUE_VECTOR] {
        m.set(field, Width::Word, 2);
        assert_eq!(m.get(field, Width::Word), NO_VECTOR.into());
        m.set(field, Width::Word, 1);
        assert_eq!(m.get(field, Width::Word), 1);
    }
}

#[test]
fn features_that_were_not_offered_are_refused_and_agreed_ones_are_final() {
    for (low, high) in [(1, 1), (0, 0), (0, 3), (u32::MAX, u32::MAX)] {
        let mut m = Machine::new();
        m.enable();
        m.set_status(3);
        for (select, half) in [(0, low), (1, high)] {
            m.set(common::DRIVER_FEATURE_SELECT, Width::Dword, select);
            m.set(common::DRIVER_FEATURE, Width::Dword, half.into());
        }
        m.set_status(11);
        assert_eq!(m.status(), Status::ACKNOWLEDGE | Status::DRIVER, "{low:#x} {high:#x}");
        m.set_status(15);
        assert!(!m.status().contains(Status::DRIVER_OK));
    }
    let mut m = Machine::new();
    m.enable();
    m.negotiate();
    m.set(common::DRIVER_FEATURE, Width::Dword, 0);
    assert_eq!(m.get(common::DRIVER_FEATURE, Width::Dword), 1);
}

#[test]
fn a_driver_clears_status_bits_only_by_a_reset() {
    let mut m = Machine::running();
    m.set_status(1);
    assert_eq!(m.status().bits(), 15);
    m.set_status(0xFF);
    assert_eq!(m.status().bits(), 15 | 128, "nor sets those of the device");
    m.set_status(0);
    assert_eq!(m.status().bits(), 0);
}

#[test]
fn a_queue_that_runs_cannot_be_moved() {
    let mut m = Machine::running();
    m.set(common::QUEUE_DEVICE, Width::Dword, 0x9000);
    m.set(common::QUEUE_SIZE, Width::Word, 2);
    m.set(common::QUEUE_ENABLE, Width::Word, 0);
    assert_eq!(m.get(common::QUEUE_DEVICE, Width::Dword), AREAS[2]);
    assert_eq!(m.get(common::QUEUE_SIZE, Width::Word), 8);
    assert_eq!(m.get(common::QUEUE_ENABLE, Width::Word), 1);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!(m.used(), 1);
}

#[test]
fn sizes_that_a_queue_cannot_have_are_ignored() {
    let mut m = Machine::new();
    m.enable();
    for size in [0, 3, 16, 0x8000, 0xFFFF] {
        m.set(common::QUEUE_SIZE, Width::Word, size);
        assert_eq!(m.get(common::QUEUE_SIZE, Width::Word), 8, "{size}");
    }
    m.set(common::QUEUE_SELECT, Width::Word, 1);
    assert_eq!(m.get(common::QUEUE_SIZE, Width::Word), 0, "there is no such queue");
    m.set(common::QUEUE_SELECT, Width::Word, 0xFFFF);
    m.set(common::QUEUE_SIZE, Width::Word, 4);
    m.set(common::QUEUE_ENABLE, Width::Word, 1);
    assert_eq!(m.get(common::QUEUE_ENABLE, Width::Word), 0);
}

#[test]
fn a_queue_outside_memory_breaks_the_device_and_a_reset_mends_it() {
    let mut m = Machine::new();
    m.enable();
    m.negotiate();
    m.set_queue([RAM as u64 - 16, 0x2000, 0x3000]);
    m.set_status(15);
    assert!(m.status().contains(Status::NEEDS_RESET));
    let [complaint] = m.bench.out.complaints.as_slice() else { panic!("one complaint") };
    assert!(complaint.starts_with("virtio entropy source: the guest's driver broke it: queue 0"));
    m.notify();
    assert_eq!(m.bench.out.complaints.len(), 1);

    m.set_status(0);
    m.negotiate();
    m.set_queue(AREAS);
    m.set_status(15);
    m.offer();
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!(m.used(), 1);
}

#[test]
fn a_broken_queue_stops_the_device_and_interrupts_for_it() {
    let mut m = Machine::running();
    m.memory.write_u16(Gpa(AREAS[1] + 2), 0x4000).unwrap();
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert!(m.status().contains(Status::NEEDS_RESET));
    let isr = m.structure(3);
    assert_eq!(m.read(isr, Width::Byte), 2);
    assert_eq!(m.used(), 0);
}

#[test]
fn the_device_that_was_rung_is_served_and_no_other() {
    let mut m = Machine::running();
    m.notify();
    m.source.enqueue(&[7; 64]).unwrap();
    for (rung, used) in [(Device::Block0, 0), (DEVICE, 1)] {
        let mut devices = DeviceSet::NONE;
        devices.insert(rung);
        m.devices().virtio.rung(devices);
        assert!(m.devices().virtio.wanting());
        m.serve();
        assert!(!m.devices().virtio.wanting());
        assert_eq!(m.used(), used, "{rung}");
    }
}

#[test]
fn a_reset_takes_the_queues_away() {
    let mut m = Machine::running();
    m.set_status(0);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!((m.used(), m.line()), (0, false));
}

#[test]
fn a_device_that_may_not_master_the_bus_touches_nothing_until_it_may() {
    let mut m = Machine::running();
    m.set_config(4, Width::Word, 3);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!(m.used(), 0);
    m.set_config(4, Width::Word, 7);
    m.serve();
    assert_eq!(m.used(), 1);
}

#[test]
fn registers_follow_their_bars_and_answer_only_when_decoded() {
    let mut m = Machine::running();
    let old = m.structure(1);
    let elsewhere = 0xD000_0000;
    m.set_config(0x14, Width::Dword, elsewhere);
    assert_eq!(m.read(old, Width::Dword), 0xFFFF_FFFF);
    assert_eq!(m.status().bits(), 15);
    m.set_config(0x10, Width::Dword, 0xB000);
    m.source.enqueue(&[7; 64]).unwrap();
    m.notify();
    assert_eq!(m.used(), 1);
    m.set_config(4, Width::Word, 4);
    assert_eq!(m.read(elsewhere.into(), Width::Dword), 0xFFFF_FFFF);
    // Beyond the ports of a processor there is nothing, and no alias.
    m.set_config(0x10, Width::Dword, 0x1_C000);
    m.set_config(4, Width::Word, 7);
    assert_eq!(m.devices().virtio.at_port(0xC000), None);
}

#[test]
fn configuration_space_is_a_window_onto_the_registers() {
    let mut m = Machine::running();
    let window = m.capability(bits::CAPABILITY, 5);
    m.set_config(window + 4, Width::Byte, 1);
    m.set_config(window + 8, Width::Dword, common::STATUS);
    m.set_config(window + 12, Width::Dword, 1);
    assert_eq!(m.config(window + 16) & 0xFF, 15);
    m.set_config(window + 16, Width::Byte, 0);
    assert_eq!(m.status().bits(), 0, "a reset by the window");
    // Places and lengths that there are not.
    for (offset, length) in [(0x2000, 1), (0, 3), (0, 0), (1, 4), (u32::MAX, 4), (0, 8)] {
        m.set_config(window + 8, Width::Dword, offset);
        m.set_config(window + 12, Width::Dword, length);
        m.set_config(window + 16, Width::Dword, 1);
        m.config(window + 16);
        assert_eq!(m.status().bits(), 0);
    }
}

proptest! {
    /// Whatever a guest writes into configuration space, registers and rings, in any
    /// order: nothing panics, the device stays what it is, and a reset makes it work.
    #[test]
    fn nothing_that_a_guest_writes_lasts_beyond_a_reset(
        writes in prop::collection::vec((0..5u8, any::<u32>(), any::<u64>(), 0..4u32), 0..60)
    ) {
        let mut m = Machine::running();
        m.source.enqueue(&[9; 512]).unwrap();
        for (kind, place, value, width) in writes {
            let width = Width::from_bytes(1 << width).unwrap();
            match kind {
                0 => m.set_config((place & 0xFF) as u8 & !(width.bytes() as u8 - 1),
                        if width == Width::Qword { Width::Dword } else { width }, value as u32),
                1 => { let at = m.structure(1); m.write(at + u64::from(place % 0x40), width, value) }
                2 => { let at = m.structure(1); m.write(at + u64::from(place % 0x2000), width, value) }
                3 => { let _ = m.memory.write_u64(Gpa((place % 0x4000).into()), value); }
                _ => { let at = m.structure(1); m.read(at + u64::from(place % 0x2000), width); }
            }
            m.serve();
        }
        prop_assert_eq!(m.config(0), 0x1044_1AF4);
        m.set_config(0x10, Width::Dword, 0xC000);
        m.set_config(0x14, Width::Dword, 0xC000_0000);
        m.enable();
        m.set_status(0);
        m.memory = TestMemory::new(RAM);
        m.negotiate();
        m.set_queue(AREAS);
        m.set_status(15);
        m.offer();
        let _ = m.source.enqueue(&[7; 64]);
        m.notify();
        prop_assert_eq!(m.used(), 1);
    }
}

#[test]
fn devices_are_small_enough_to_be_moved_on_a_stack() {
    assert!(size_of::<Models>() < 512, "{}", size_of::<Models>());
    assert!(size_of::<Virtio>() < 16384, "{}", size_of::<Virtio>());
}
