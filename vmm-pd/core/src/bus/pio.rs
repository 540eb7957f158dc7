//! The I/O ports: one static match from a port to the device that answers it.
//!
//! **Widths.** A few registers exist only as a whole: the PCI configuration
//! address, the PCI configuration data, the power-management timer and the
//! debug exit. Every other access of more than a byte is done as the ISA bus
//! does it for an 8-bit device: byte by byte, at ascending ports, low byte
//! first. So an access of any size at any port, across registers and devices,
//! means something. Ports end at 0xFFFF; what would lie beyond is unclaimed.
//!
//! A byte that nobody claims reads all ones and ignores writes; an access of
//! which no byte is claimed is counted. After each access the interrupt level
//! of the device that was touched, and of no other, goes to the fabric.

use super::pci;
use crate::devices::acpi_pm::Register as Pm;
use crate::devices::pic::Register as Pic;
use crate::devices::pit::Register as Pit;
use crate::devices::request::Request;
use crate::devices::{debug_exit, pvpanic};
use crate::layout::numbers as n;
use crate::outside::Outside;
use crate::types::{Gsi, Port, Ticks, Width};
use crate::vm::{Devices, Timed};

/// What a byte reads that no device drives.
const FLOATING: u8 = 0xFF;

/// The device that answers a byte at a port, and which of its registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claim {
    Pic(Pic),
    Pit(Pit),
    SystemControlB,
    KeyboardData,
    KeyboardCommand,
    RtcIndex,
    RtcData,
    Post,
    DebugConsole,
    DebugExit,
    Uart(u8),
    Pvpanic,
    Pm(Pm),
    PciData(u8),
}

/// Who answers a byte at `port`.
#[inline(always)]
fn claim(port: u16) -> Option<Claim> {
    const COM1_LAST: u16 = n::COM1_PORT + 7;
    const DEBUG_EXIT_LAST: u16 = n::DEBUG_EXIT_PORT + debug_exit::EXIT_PORTS - 1;
    const PM1A_EVENT_LAST: u16 = n::PM1A_EVENT_PORT + 3;
    const PM1A_CONTROL_LAST: u16 = n::PM1A_CONTROL_PORT + 1;
    const PM_TIMER_LAST: u16 = n::PM_TIMER_PORT + 3;
    const GPE0_LAST: u16 = n::GPE0_PORT + 3;
    const PCI_DATA_LAST: u16 = n::PCI_DATA_PORT + 3;
    const MASTER_DATA: u16 = n::PIC_MASTER_PORT + 1;
    const SLAVE_DATA: u16 = n::PIC_SLAVE_PORT + 1;
    const SLAVE_ELCR: u16 = n::ELCR_PORT + 1;
    const PIT_1: u16 = n::PIT_PORT + 1;
    const PIT_2: u16 = n::PIT_PORT + 2;
    const PIT_CONTROL: u16 = n::PIT_PORT + 3;
    const RTC_DATA: u16 = n::RTC_PORT + 1;

    // The offset within a device's ports; each range is at most eight long.
    let offset = |first: u16| (port - first) as u8;
    Some(match port {
        n::COM1_PORT..=COM1_LAST => Claim::Uart(offset(n::COM1_PORT)),
        n::PIC_MASTER_PORT => Claim::Pic(Pic::MasterCommand),
        MASTER_DATA => Claim::Pic(Pic::MasterData),
        n::PIC_SLAVE_PORT => Claim::Pic(Pic::SlaveCommand),
        SLAVE_DATA => Claim::Pic(Pic::SlaveData),
        n::ELCR_PORT => Claim::Pic(Pic::MasterElcr),
        SLAVE_ELCR => Claim::Pic(Pic::SlaveElcr),
        n::PIT_PORT => Claim::Pit(Pit::Counter0),
        PIT_1 => Claim::Pit(Pit::Counter1),
        PIT_2 => Claim::Pit(Pit::Counter2),
        PIT_CONTROL => Claim::Pit(Pit::Control),
        n::SYSTEM_CONTROL_B_PORT => Claim::SystemControlB,
        n::KEYBOARD_DATA_PORT => Claim::KeyboardData,
        n::KEYBOARD_COMMAND_PORT => Claim::KeyboardCommand,
        n::RTC_PORT => Claim::RtcIndex,
        RTC_DATA => Claim::RtcData,
        n::POST_PORT => Claim::Post,
        n::SYSTEM_CONTROL_A_PORT => Claim::Pm(Pm::SystemControlA),
        n::DEBUG_CONSOLE_PORT => Claim::DebugConsole,
        n::DEBUG_EXIT_PORT..=DEBUG_EXIT_LAST => Claim::DebugExit,
        n::PVPANIC_PORT => Claim::Pvpanic,
        n::PM1A_EVENT_PORT..=PM1A_EVENT_LAST => Claim::Pm(Pm::Event(offset(n::PM1A_EVENT_PORT))),
        n::PM1A_CONTROL_PORT..=PM1A_CONTROL_LAST => {
            Claim::Pm(Pm::Control(offset(n::PM1A_CONTROL_PORT)))
        }
        n::PM_TIMER_PORT..=PM_TIMER_LAST => Claim::Pm(Pm::Timer(offset(n::PM_TIMER_PORT))),
        n::GPE0_PORT..=GPE0_LAST => Claim::Pm(Pm::Gpe(offset(n::GPE0_PORT))),
        n::RESET_CONTROL_PORT => Claim::Pm(Pm::ResetControl),
        n::PCI_DATA_PORT..=PCI_DATA_LAST => Claim::PciData(offset(n::PCI_DATA_PORT)),
        _ => return None,
    })
}

/// Whether a device of the machine's own answers at `port`, so that no real one can.
pub fn is_taken(port: u16) -> bool {
    const PCI_ADDRESS_LAST: u16 = n::PCI_ADDRESS_PORT + 3;
    claim(port).is_some() || (n::PCI_ADDRESS_PORT..=PCI_ADDRESS_LAST).contains(&port)
}

/// Where an access lies in the PCI data window, if it lies wholly in it.
fn pci_window(port: Port, width: Width) -> Option<u8> {
    let offset = port.0.checked_sub(n::PCI_DATA_PORT).filter(|o| *o < 4)?;
    (usize::from(offset) + width.bytes() <= 4).then_some(offset as u8)
}

/// IN: reads `width` bytes, at most four, from `port`, zero-extended.
#[inline(always)]
pub fn read(
    devices: &mut Devices,
    port: Port,
    width: Width,
    now: Ticks,
    outside: &mut impl Outside,
) -> u32 {
    match (port.0, width) {
        (_, Width::Byte) => match read_byte(devices, port.0, now, outside) {
            Some(byte) => u32::from(byte),
            None => {
                devices.unclaimed_ports = devices.unclaimed_ports.wrapping_add(1);
                u32::from(FLOATING)
            }
        },
        (n::PCI_ADDRESS_PORT, Width::Dword) => devices.pci.address(),
        (n::PM_TIMER_PORT, Width::Dword) => devices.pm.timer(now),
        _ => match pci_window(port, width) {
            Some(offset) => pci::read(devices, offset, width),
            None => read_bytes(devices, port, width, now, outside),
        },
    }
}

/// OUT: writes the low `width` bytes, at most four, of `value` to `port`.
///
/// # Returns
/// What a device asked of the machine; if several did, the first.
#[must_use]
#[inline(always)]
pub fn write(
    devices: &mut Devices,
    port: Port,
    width: Width,
    value: u32,
    now: Ticks,
    outside: &mut impl Outside,
) -> Option<Request> {
    let value = value & width.mask() as u32;
    match (port.0, width) {
        (p, Width::Byte) => {
            let written = write_byte(devices, p, value as u8, now, outside);
            if written.is_none() {
                devices.unclaimed_ports = devices.unclaimed_ports.wrapping_add(1);
            }
            written.flatten()
        }
        (n::PCI_ADDRESS_PORT, Width::Dword) => {
            devices.pci.set_address(value);
            None
        }
        (p, Width::Word) if let Some(device) = devices.virtio.at_port(p) => {
            devices.virtio.notify(device, value as u16, &mut devices.interrupts);
            None
        }
        (p, _) if claim(p) == Some(Claim::DebugExit) => Some(debug_exit::exit(value)),
        _ => match pci_window(port, width) {
            Some(offset) => {
                pci::write(devices, offset, width, value);
                None
            }
            None => write_bytes(devices, port, width, value, now, outside),
        },
    }
}

/// The ports of an access, as far as there are any.
fn split(port: Port, width: Width) -> impl Iterator<Item = (usize, Option<u16>)> {
    (0..width.bytes().min(4)).map(move |i| (i, port.0.checked_add(i as u16)))
}

#[inline(never)]
fn read_bytes(
    devices: &mut Devices,
    port: Port,
    width: Width,
    now: Ticks,
    outside: &mut impl Outside,
) -> u32 {
    let mut value = 0;
    let mut claimed = false;
    for (i, port) in split(port, width) {
        let byte = port.and_then(|port| read_byte(devices, port, now, outside));
        claimed |= byte.is_some();
        value |= u32::from(byte.unwrap_or(FLOATING)) << (8 * i);
    }
    if !claimed {
        devices.unclaimed_ports = devices.unclaimed_ports.wrapping_add(1);
    }
    value
}

#[inline(never)]
fn write_bytes(
    devices: &mut Devices,
    port: Port,
    width: Width,
    value: u32,
    now: Ticks,
    outside: &mut impl Outside,
) -> Option<Request> {
    let mut request = None;
    let mut claimed = false;
    for (i, port) in split(port, width) {
        let byte = (value >> (8 * i)) as u8;
        if let Some(written) = port.and_then(|port| write_byte(devices, port, byte, now, outside)) {
            claimed = true;
            request = request.or(written);
        }
    }
    if !claimed {
        devices.unclaimed_ports = devices.unclaimed_ports.wrapping_add(1);
    }
    request
}

/// # Returns
/// Nothing if no device claims the port.
#[inline(always)]
fn read_byte(
    devices: &mut Devices,
    port: u16,
    now: Ticks,
    outside: &mut impl Outside,
) -> Option<u8> {
    Some(match claim(port)? {
        Claim::Uart(offset) => match devices.uart.at_rest(offset) {
            Some(value) => value,
            None => {
                let value = devices.uart.read(offset, now, outside);
                devices.carry(Gsi(n::COM1_IRQ), devices.uart.irq());
                devices.touched(Timed::Uart);
                value
            }
        },
        Claim::Pic(register) => devices.interrupts.pic_read(register),
        Claim::Pit(register) => {
            let value = devices.pit.read(register, now);
            devices.touched(Timed::Pit);
            value
        }
        Claim::SystemControlB => {
            let value = devices.system_control_b.read(&mut devices.pit, now);
            devices.touched(Timed::Pit);
            value
        }
        Claim::KeyboardData => devices.keyboard.read_data(),
        Claim::KeyboardCommand => devices.keyboard.read_status(),
        // Write-only, as on a PC.
        Claim::RtcIndex => FLOATING,
        Claim::RtcData => {
            let value = devices.rtc.read(now);
            devices.carry_rtc_line();
            devices.touched(Timed::Rtc);
            devices.touched(Timed::Pm);
            value
        }
        Claim::Post | Claim::DebugExit => 0,
        Claim::DebugConsole => debug_exit::CONSOLE_PRESENT,
        Claim::Pvpanic => pvpanic::read(),
        Claim::Pm(register) => {
            let value = devices.pm.read(register, now);
            devices.carry(Gsi(n::SCI_IRQ), devices.pm.sci());
            devices.touched(Timed::Pm);
            value
        }
        Claim::PciData(offset) => pci::read(devices, offset, Width::Byte) as u8,
    })
}

/// # Returns
/// Nothing if no device claims the port; else what the device asked of the
/// machine.
#[inline(always)]
fn write_byte(
    devices: &mut Devices,
    port: u16,
    value: u8,
    now: Ticks,
    outside: &mut impl Outside,
) -> Option<Option<Request>> {
    Some(match claim(port)? {
        Claim::Uart(offset) => {
            if !devices.uart.write_at_rest(offset, value) {
                devices.uart.write(offset, value, now, outside);
                devices.carry(Gsi(n::COM1_IRQ), devices.uart.irq());
                devices.touched(Timed::Uart);
            }
            None
        }
        Claim::Pic(register) => {
            devices.interrupts.pic_write(register, value);
            None
        }
        Claim::Pit(register) => {
            devices.pit.write(register, value, now);
            let output = devices.pit.advance(now);
            devices.interrupts.set_timer_output(output);
            devices.touched(Timed::Pit);
            None
        }
        // The gate and the speaker of counter 2: no interrupt comes of them.
        Claim::SystemControlB => {
            devices.system_control_b.write(&mut devices.pit, value, now);
            devices.touched(Timed::Pit);
            None
        }
        Claim::KeyboardData => devices.keyboard.write_data(value),
        Claim::KeyboardCommand => devices.keyboard.write_command(value),
        Claim::RtcIndex => {
            devices.rtc.write_index(value);
            None
        }
        Claim::RtcData => {
            devices.rtc.write(value, now);
            devices.carry_rtc_line();
            devices.touched(Timed::Rtc);
            devices.touched(Timed::Pm);
            None
        }
        Claim::Post => None,
        Claim::DebugConsole => {
            outside.debug_write(value);
            None
        }
        Claim::DebugExit => Some(debug_exit::exit(u32::from(value))),
        Claim::Pvpanic => pvpanic::write(value),
        Claim::Pm(register) => {
            let request = devices.pm.write(register, value, now);
            devices.carry(Gsi(n::SCI_IRQ), devices.pm.sci());
            devices.touched(Timed::Pm);
            request
        }
        Claim::PciData(offset) => {
            pci::write(devices, offset, Width::Byte, u32::from(value));
            None
        }
    })
}

#[cfg(test)]
pub(crate) mod tests;
