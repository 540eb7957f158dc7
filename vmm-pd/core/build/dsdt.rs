//! The DSDT: what a guest cannot find by probing, in AML.

use acpi_tables::{
    Aml, AmlSink,
    aml::{
        AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Name, Package, ResourceTemplate,
        Scope,
    },
    sdt::Sdt,
};

use super::tables::{OEM, OEM_REVISION, OEM_TABLE};
use crate::numbers as n;

/// Identity of the one processor; the MADT names it too.
pub const PROCESSOR_UID: u8 = 0;

/// An interrupt of the 8259 pair, edge-triggered and active high: the short
/// form (ACPI 6.5, 6.4.2.1), which says just that.
struct IrqNoFlags(u8);

impl Aml for IrqNoFlags {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.byte(0x22);
        sink.word(1 << self.0);
    }
}

/// Ports of a device.
fn ports(first: u16, count: u8) -> IO {
    IO::new(first, first, 0, count)
}

/// A device of the plug-and-play kind: identity and resources.
fn plug_and_play(name: &str, id: &str, uid: u8, resources: &[&dyn Aml]) -> Vec<u8> {
    let hid = Name::new("_HID".into(), &EISAName::new(id));
    let uid = Name::new("_UID".into(), &uid);
    let crs = Name::new("_CRS".into(), &ResourceTemplate::new(resources.to_vec()));
    bytes(&Device::new(name.into(), vec![&hid, &uid, &crs]))
}

/// The whole table.
pub fn table() -> Sdt {
    let mut dsdt = Sdt::new(*b"DSDT", 36, 2, OEM, OEM_TABLE, OEM_REVISION);
    let devices = [
        processor(),
        pci(),
        plug_and_play(
            "PIC_",
            "PNP0000",
            0,
            &[
                &ports(n::PIC_MASTER_PORT, 2),
                &ports(n::PIC_SLAVE_PORT, 2),
                &ports(n::ELCR_PORT, 2),
                &IrqNoFlags(2),
            ],
        ),
        plug_and_play("TIMR", "PNP0100", 0, &[&ports(n::PIT_PORT, 4), &IrqNoFlags(n::PIT_IRQ)]),
        plug_and_play("RTC_", "PNP0B00", 0, &[&ports(n::RTC_PORT, 2), &IrqNoFlags(n::RTC_IRQ)]),
        plug_and_play("COM1", "PNP0501", 1, &[&ports(n::COM1_PORT, 8), &IrqNoFlags(n::COM1_IRQ)]),
        reserved_ports(),
        pvpanic(),
    ]
    .concat();
    dsdt.append_slice(&Scope::raw("_SB_".into(), devices));
    dsdt.append_slice(&sleep_s5());
    dsdt
}

/// `\_S5`: values for PM1a and PM1b control, and two that are reserved.
fn sleep_s5() -> Vec<u8> {
    let zero = 0u8;
    let package = Package::new(vec![&n::SLEEP_TYPE_S5, &zero, &zero, &zero]);
    bytes(&Name::new("_S5_".into(), &package))
}

fn processor() -> Vec<u8> {
    let hid = Name::new("_HID".into(), &"ACPI0007");
    let uid = Name::new("_UID".into(), &PROCESSOR_UID);
    bytes(&Device::new("CPU0".into(), vec![&hid, &uid]))
}

/// Ports that no driver asks for but that are taken.
fn reserved_ports() -> Vec<u8> {
    plug_and_play(
        "MBRD",
        "PNP0C02",
        0,
        &[
            &ports(n::SYSTEM_CONTROL_B_PORT, 1),
            &ports(n::POST_PORT, 1),
            &ports(n::SYSTEM_CONTROL_A_PORT, 1),
            &ports(n::DEBUG_CONSOLE_PORT, 1),
            &ports(n::DEBUG_EXIT_PORT, 4),
        ],
    )
}

fn pvpanic() -> Vec<u8> {
    let hid = Name::new("_HID".into(), &"QEMU0001");
    let port = ports(n::PVPANIC_PORT, 1);
    let crs = Name::new("_CRS".into(), &ResourceTemplate::new(vec![&port]));
    // Present, enabled, shown, working.
    let sta = Name::new("_STA".into(), &0x0Fu8);
    bytes(&Device::new("PEVT".into(), vec![&hid, &sta, &crs]))
}

/// The host bridge: the bus, the ports and addresses behind it, and which
/// interrupt a device's pin raises.
fn pci() -> Vec<u8> {
    let hid = Name::new("_HID".into(), &EISAName::new("PNP0A03"));
    let uid = Name::new("_UID".into(), &0u8);
    let bus = AddressSpace::new_bus_number(0u16, 0);
    let configuration = ports(n::PCI_ADDRESS_PORT, 8);
    let below = AddressSpace::new_io(0u16, n::PCI_ADDRESS_PORT - 1, None);
    let above = AddressSpace::new_io(n::PCI_DATA_PORT + 4, 0xFFFF, None);
    let memory = AddressSpace::new_memory(
        AddressSpaceCacheable::NotCacheable,
        true,
        n::PCI_WINDOW as u32,
        (n::PCI_WINDOW_END - 1) as u32,
        None,
    );
    let resources = ResourceTemplate::new(vec![&bus, &configuration, &below, &above, &memory]);
    let crs = Name::new("_CRS".into(), &resources);
    let routes: Vec<Route> =
        (1..32).flat_map(|device| (0..4).map(move |pin| Route { device, pin })).collect();
    let prt = Name::new("_PRT".into(), &Routes(routes));
    bytes(&Device::new("PCI0".into(), vec![&hid, &uid, &crs, &prt]))
}

/// An entry of `_PRT` (ACPI 6.5, 6.2.13): a pin that is wired to the I/O APIC.
struct Route {
    device: u32,
    pin: u8,
}

impl Aml for Route {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        let any_function = self.device << 16 | 0xFFFF;
        let device = self.device as u8;
        let first =
            if device < n::PASSED_FIRST_DEVICE { n::PCI_FIRST_GSI } else { n::PASSED_FIRST_GSI };
        let gsi = first + (device + self.pin) % n::PCI_GSIS;
        Package::new(vec![&any_function, &self.pin, &0u8, &gsi]).to_aml_bytes(sink);
    }
}

struct Routes(Vec<Route>);

impl Aml for Routes {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        Package::new(self.0.iter().map(|r| r as &dyn Aml).collect()).to_aml_bytes(sink);
    }
}

fn bytes(aml: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    aml.to_aml_bytes(&mut bytes);
    bytes
}
