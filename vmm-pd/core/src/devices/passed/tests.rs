//! What a guest finds of a real device on its PCI bus.

use super::*;
use bulkhead_config::{Dma, PassedFunction, PassedInterrupt, PassedMemory, PassedPorts};
use pci_bus::Place;
use proptest::prelude::*;

/// A card with ports and memory.
fn card() -> PassThrough {
    let ports = PassedPorts { id: 0, bar: Some(0), first: 0xd100, count: 32 };
    let memory = PassedMemory {
        region: heapless::String::try_from("registers").unwrap(),
        bar: Some(1),
        address: 0xd000_0000,
        size: 0x2_0000,
    };
    PassThrough {
        name: heapless::String::try_from("card").unwrap(),
        ports: [ports].into_iter().collect(),
        memory: [memory].into_iter().collect(),
        interrupt: Some(PassedInterrupt { channel: 16, line: None, level: true }),
        pci: Some(PassedFunction {
            place: Place::new(3, 0),
            class: 0x02_0000,
            vendor: 0x10ec,
            device: 0x8029,
        }),
        dma: Some(Dma::None),
    }
}

fn passed() -> Passed {
    let mut passed = Passed::default();
    passed.add(1, &card()).unwrap();
    passed
}

#[test]
fn a_device_is_at_the_place_of_its_number_and_nowhere_else() {
    let passed = passed();
    let there: std::vec::Vec<u8> = (0..32).filter(|&n| passed.at(n).is_some()).collect();
    assert_eq!(there, [n::PASSED_FIRST_DEVICE + 1]);
    assert_eq!(passed.read(1, 0), Some(0x8029_10ec));
    assert_eq!(passed.read(1, 8), Some(0x0200_0000));
    assert_eq!(passed.read(0, 0), None);
    // One that is not on PCI is not there.
    let mut other = Passed::default();
    other.add(0, &PassThrough { pci: None, ..card() }).unwrap();
    assert_eq!(other.at(n::PASSED_FIRST_DEVICE), None);
}

#[test]
fn registers_tell_their_size_and_do_not_move() {
    let mut passed = passed();
    for (register, at, size) in [(0x10, 0xd101, 0xffff_ffe1), (0x14, 0xd000_0000, 0xfffe_0000)] {
        assert_eq!(passed.read(1, register), Some(at));
        passed.write(1, register, u32::MAX, u32::MAX);
        assert_eq!(passed.read(1, register), Some(size));
        passed.write(1, register, 0xe000_0000, u32::MAX);
        assert_eq!(passed.read(1, register), Some(at), "the machine's was not moved");
    }
}

#[test]
fn the_guest_cannot_make_it_a_master_of_the_bus() {
    let mut passed = passed();
    passed.write(1, 4, 0x0007, 0xffff);
    assert_eq!(passed.read(1, 4).map(|command| command & 7), Some(3));
}

#[test]
fn a_restart_finds_it_as_after_power_on() {
    let mut passed = passed();
    let before: std::vec::Vec<_> = (0..64).map(|n| passed.read(1, n * 4)).collect();
    for register in (0..64).map(|n| n * 4) {
        passed.write(1, register, u32::MAX, u32::MAX);
    }
    passed.restart();
    let after: std::vec::Vec<_> = (0..64).map(|n| passed.read(1, n * 4)).collect();
    assert_eq!(before, after);
}

#[test]
fn a_register_that_cannot_be_is_refused() {
    let with = |change: fn(&mut PassedPorts)| {
        let mut device = card();
        change(&mut device.ports[0]);
        Passed::default().add(0, &device)
    };
    assert_eq!(with(|ports| ports.count = 16), Ok(()));
    assert_eq!(with(|ports| ports.count = 24), Err(Unfit::Bar));
    assert_eq!(with(|ports| ports.count = 512), Err(Unfit::Bar));
    assert_eq!(with(|ports| ports.count = 0), Err(Unfit::Bar));
    assert_eq!(with(|ports| ports.first = 0xd108), Err(Unfit::Bar));
    assert_eq!(with(|ports| ports.bar = Some(6)), Err(Unfit::Bar));
    assert_eq!(with(|ports| ports.bar = Some(1)), Err(Unfit::Bar), "the memory has that");
}

#[test]
fn only_lines_that_no_device_of_the_machine_drives_are_free() {
    let taken = [n::COM1_IRQ, n::RTC_IRQ, n::SCI_IRQ, n::PIT_IRQ, 2, 16, 20, 255];
    for line in taken {
        assert!(!may_drive(line), "{line}");
    }
    assert!(may_drive(3) && may_drive(10) && may_drive(15));
}

#[test]
fn the_lines_of_devices_on_pci_are_shared_with_nobody() {
    let own: std::collections::BTreeSet<u8> = (0..PASSED_MAX).map(|i| line(i).0).collect();
    assert_eq!(own.len(), PASSED_MAX);
    for device in crate::devices::virtio::Device::ALL {
        assert!(!own.contains(&device.line().0), "{device}");
    }
    assert!(own.iter().all(|&line| line < n::IOAPIC_PINS));
}

proptest! {
    /// Whatever is written, identity and addresses stay, and it masters nothing.
    #[test]
    fn what_is_the_machine_s_stays(writes: std::vec::Vec<(u8, u32, u32)>) {
        let mut passed = passed();
        for (register, value, mask) in writes {
            passed.write(1, register, value, mask);
        }
        prop_assert_eq!(passed.read(1, 0), Some(0x8029_10ec));
        prop_assert_eq!(passed.read(1, 4).map(|command| command & 4), Some(0));
        let ports = passed.read(1, 0x10).unwrap();
        prop_assert!(ports == 0xd101 || ports == 0xffff_ffe1);
    }
}
