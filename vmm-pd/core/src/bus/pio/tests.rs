//! Which device a port reaches, and what accesses of odd size and place mean.

use super::*;
use crate::bus::pci::Pci;
use crate::devices::acpi_pm::{AcpiPm, TimerWidth, bits::PM_TIMER_HZ};
use crate::devices::i8042::I8042;
use crate::devices::passed::Passed;
use crate::devices::pit::{Pit as PitDevice, SystemControlB};
use crate::devices::request::ResetSource;
use crate::devices::rtc::Rtc;
use crate::devices::uart::Uart;
use crate::devices::virtio::{Models, Virtio};
use crate::interrupts::Interrupts;
use crate::layout::RamSize;
use crate::outside::testing::FakeOutside;
use crate::time::TscFrequency;
use crate::vm::Deadlines;
use crate::watched::Watched;
use proptest::prelude::*;

const HZ: u64 = 1_000_000_000;

/// A machine's devices with their outside and a clock.
pub(crate) struct Bench {
    pub devices: Devices,
    pub out: FakeOutside,
    pub now: Ticks,
}

impl Bench {
    pub fn new() -> Self {
        let tsc = TscFrequency::new(HZ).unwrap();
        let ram = RamSize::new(n::RAM_MIN).unwrap();
        let mut interrupts = Interrupts::new(tsc, 36);
        interrupts.enter_virtual_wire();
        let devices = Devices {
            interrupts: Watched::new(interrupts),
            uart: Uart::new(tsc),
            pit: PitDevice::new(tsc),
            system_control_b: SystemControlB::new(),
            rtc: Rtc::new(tsc, 0, Ticks(0), ram),
            pm: AcpiPm::new(tsc, TimerWidth::Bits32, Ticks(0)),
            keyboard: I8042::new(),
            pci: Pci::new(),
            virtio: Virtio::new(Models::default()),
            passed: Passed::default(),
            unclaimed_ports: 0,
            unclaimed_addresses: 0,
            deadlines: Deadlines::default(),
        };
        Bench { devices, out: FakeOutside::new(), now: Ticks(0) }
    }

    pub fn read(&mut self, port: u16, width: Width) -> u32 {
        read(&mut self.devices, Port(port), width, self.now, &mut self.out)
    }

    pub fn write(&mut self, port: u16, width: Width, value: u32) -> Option<Request> {
        write(&mut self.devices, Port(port), width, value, self.now, &mut self.out)
    }

    pub fn inb(&mut self, port: u16) -> u8 {
        self.read(port, Width::Byte) as u8
    }

    pub fn outb(&mut self, port: u16, value: u8) -> Option<Request> {
        self.write(port, Width::Byte, value.into())
    }

    /// Unmasks everything at both 8259s, from vectors 0x20 and 0x28.
    fn unmask_8259s(&mut self) {
        for (base, vector, cascade) in [(0x20, 0x20, 4), (0xA0, 0x28, 2)] {
            for (port, value) in [
                (base, 0x11),
                (base + 1, vector),
                (base + 1, cascade),
                (base + 1, 1),
                (base + 1, 0),
            ] {
                assert_eq!(self.outb(port, value), None);
            }
        }
    }
}

#[test]
fn a_port_that_nobody_claims_reads_all_ones_and_is_counted() {
    let mut b = Bench::new();
    for (width, ones) in [(Width::Byte, 0xFF), (Width::Word, 0xFFFF), (Width::Dword, u32::MAX)] {
        assert_eq!(b.read(0x1234, width), ones);
        assert_eq!(b.write(0x1234, width, 0), None);
    }
    assert_eq!(b.devices.unclaimed_ports, 6);
}

#[test]
fn a_claimed_port_is_not_counted() {
    let mut b = Bench::new();
    for port in [0x20, 0x21, 0xA1, 0x40, 0x61, 0x60, 0x64, 0x70, 0x71, 0x80, 0x92, 0xE9, 0x3F8] {
        b.inb(port);
    }
    for port in [0x505, 0x600, 0x604, 0x608, 0x620, 0xCF9, 0xCFC] {
        b.inb(port);
    }
    b.read(0xCF8, Width::Dword);
    assert_eq!(b.devices.unclaimed_ports, 0);
}

#[test]
fn a_word_reaches_two_registers_low_byte_first() {
    let mut b = Bench::new();
    // Index and data of the clock in one OUT: the shutdown byte.
    b.write(n::RTC_PORT, Width::Word, 0x5A0F);
    b.outb(n::RTC_PORT, 0x0F);
    assert_eq!(b.inb(n::RTC_PORT + 1), 0x5A);
}

#[test]
fn an_access_across_devices_reaches_each_and_leaves_gaps_ones() {
    let mut b = Bench::new();
    b.outb(n::COM1_PORT + 7, 0xA5);
    // 0x3FE modem status, 0x3FF scratch, then nothing.
    assert_eq!(b.read(n::COM1_PORT + 6, Width::Dword), 0xFFFF_A5B0);
    assert_eq!(b.devices.unclaimed_ports, 0);
}

#[test]
fn ports_end_at_ffff() {
    let mut b = Bench::new();
    assert_eq!(b.read(0xFFFF, Width::Dword), u32::MAX);
    assert_eq!(b.write(0xFFFE, Width::Dword, 0), None);
    assert_eq!(b.devices.unclaimed_ports, 2);
}

#[test]
fn only_a_dword_reaches_the_pci_address() {
    let mut b = Bench::new();
    b.write(n::PCI_ADDRESS_PORT, Width::Dword, 0x8000_0000);
    // What Linux writes before it looks (arch/x86/pci/direct.c).
    b.outb(0xCFB, 0x01);
    b.outb(0xCF8, 0x00);
    b.write(0xCFA, Width::Word, 0);
    assert_eq!(b.read(n::PCI_ADDRESS_PORT, Width::Dword), 0x8000_0000);
    assert_eq!(b.inb(0xCF8), 0xFF);
}

#[test]
fn the_pci_window_is_read_in_any_width_that_fits() {
    let mut b = Bench::new();
    b.write(n::PCI_ADDRESS_PORT, Width::Dword, 0x8000_0008);
    let class = b.read(n::PCI_DATA_PORT, Width::Dword);
    assert_eq!(class >> 16, 0x0600);
    assert_eq!(b.read(n::PCI_DATA_PORT + 2, Width::Word), 0x0600);
    assert_eq!(b.inb(n::PCI_DATA_PORT + 3), 0x06);
    assert_eq!(b.read(n::PCI_DATA_PORT + 1, Width::Word), class >> 8 & 0xFFFF);
    // Beyond the window there is nothing.
    assert_eq!(b.read(n::PCI_DATA_PORT + 3, Width::Word), 0xFF06);
    b.write(n::PCI_ADDRESS_PORT, Width::Dword, 0x8000_0800);
    assert_eq!(b.read(n::PCI_DATA_PORT, Width::Dword), u32::MAX);
    assert_eq!(b.inb(n::PCI_DATA_PORT), 0xFF);
}

#[test]
fn each_way_to_reset_reaches_its_register() {
    let reset = |source| Some(Request::Reset(source));
    let fast = reset(ResetSource::FastReset);
    assert_eq!(Bench::new().outb(0x64, 0xFE), reset(ResetSource::KeyboardController));
    assert_eq!(Bench::new().outb(0x92, 0x01), fast);
    assert_eq!(Bench::new().outb(0xCF9, 0x06), reset(ResetSource::ResetControl));
    // As the second byte of a word, too.
    assert_eq!(Bench::new().write(0xCF8, Width::Word, 0x0600), reset(ResetSource::ResetControl));
    assert_eq!(Bench::new().write(0x91, Width::Word, 0x0100), fast);
}

#[test]
fn a_dword_to_the_pci_address_is_no_reset() {
    assert_eq!(Bench::new().write(0xCF8, Width::Dword, 0x8000_0600), None);
}

#[test]
fn debug_exit_takes_any_width_whole() {
    let mut b = Bench::new();
    assert_eq!(b.outb(0xF4, 0x10), Some(Request::Exit(0x10)));
    assert_eq!(b.write(0xF4, Width::Word, 0x1234), Some(Request::Exit(0x1234)));
    assert_eq!(b.write(0xF4, Width::Dword, 0x1234_5678), Some(Request::Exit(0x1234_5678)));
    assert_eq!(b.write(0xF3, Width::Word, 0x2A00), Some(Request::Exit(0x2A)));
}

#[test]
fn bits_beyond_the_width_do_not_count() {
    assert_eq!(Bench::new().write(0xF4, Width::Byte, 0xFFFF_FF03), Some(Request::Exit(3)));
    assert_eq!(Bench::new().write(0xF4, Width::Word, 0xFFFF_0003), Some(Request::Exit(3)));
}

#[test]
fn a_request_may_come_with_any_byte_of_an_access() {
    // Power-off comes with the second byte of PM1a control.
    assert_eq!(Bench::new().write(0x604, Width::Word, 0x3400), Some(Request::PowerOff));
    assert_eq!(Bench::new().write(0x505, Width::Word, 0x0001), Some(Request::Panicked));
}

#[test]
fn the_debug_console_prints_and_can_be_found() {
    let mut b = Bench::new();
    assert_eq!(b.inb(0xE9), 0xE9);
    b.outb(0xE9, b'x');
    assert_eq!(b.out.debug, b"x");
}

#[test]
fn the_power_management_timer_is_read_whole_or_by_bytes() {
    let mut b = Bench::new();
    b.now = Ticks(1234 * HZ);
    let whole = b.read(n::PM_TIMER_PORT, Width::Dword);
    assert_eq!(u64::from(whole), (1234 * PM_TIMER_HZ) & 0xFFFF_FFFF);
    let low = b.read(n::PM_TIMER_PORT, Width::Word);
    assert_eq!(b.read(n::PM_TIMER_PORT + 2, Width::Word) << 16 | low, whole);
}

#[test]
fn an_interrupt_reaches_its_line_with_the_access_that_raised_it() {
    let mut b = Bench::new();
    b.unmask_8259s();
    // COM1: OUT2, then the transmitter interrupt.
    b.outb(0x3FC, 0x08);
    assert!(!b.devices.interrupts.has_pending());
    b.outb(0x3F9, 0x02);
    assert!(b.devices.interrupts.has_pending());
    assert_eq!(b.devices.interrupts.acknowledge().map(|v| v.0), Some(0x24));
    b.outb(0x20, 0x20);

    // The clock: the update of a second that has passed.
    b.now = Ticks(2 * HZ);
    b.outb(0x70, 0x0B);
    b.outb(0x71, 0x12);
    assert_eq!(b.devices.interrupts.acknowledge().map(|v| v.0), Some(0x28));
}

#[test]
fn the_gate_and_output_of_the_third_counter_are_at_port_61() {
    let mut b = Bench::new();
    // Linux's calibration (arch/x86/kernel/tsc.c): counter 2, mode 0, 50 ms.
    b.outb(0x61, 0x01);
    b.outb(0x43, 0xB0);
    b.outb(0x42, (59_659u32 & 0xFF) as u8);
    b.outb(0x42, (59_659u32 >> 8) as u8);
    assert_eq!(b.inb(0x61) & 0x20, 0);
    b.now = Ticks(51_000_000);
    assert_eq!(b.inb(0x61) & 0x20, 0x20);
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![Just(Width::Byte), Just(Width::Word), Just(Width::Dword)]
}

/// Mostly ports near devices.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![
        any::<u16>(),
        0u16..0x100,
        0x3F0u16..0x408,
        0x4C8u16..0x510,
        0x5F8u16..0x628,
        0xCF0u16..0xD08,
    ]
}

proptest! {
    /// Any access to any port is survived, reads no more than its width, and is
    /// a request only where it wrote.
    #[test]
    fn any_sequence_is_survived(
        steps in prop::collection::vec(
            (any::<bool>(), port(), width(), any::<u32>(), 0u64..1 << 34), 0..200),
    ) {
        let mut b = Bench::new();
        for (is_write, port, width, value, wait) in steps {
            b.now = b.now.saturating_add(Ticks(wait));
            if is_write {
                let _ = b.write(port, width, value);
            } else {
                let value = b.read(port, width);
                prop_assert_eq!(value & !(width.mask() as u32), 0);
            }
        }
    }

    /// Where no register is wider than a byte, a wide read is its bytes.
    #[test]
    fn a_wide_read_is_its_bytes(port in 0x3F8u16..0x3FF, width in width()) {
        let mut one = Bench::new();
        let mut two = Bench::new();
        let whole = one.read(port, width);
        let bytes = (0..width.bytes() as u16)
            .map(|i| u32::from(two.inb(port + i)) << (8 * i))
            .fold(0, |a, b| a | b);
        prop_assert_eq!(whole, bytes);
    }
}
