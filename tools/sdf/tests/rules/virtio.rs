//! Rules about drivers of virtio devices: what the device sees has an address, what
//! the driver copies need not, and all of it is mapped.

use bulkhead_config::{VirtioBlk, VirtioNet};
use bulkhead_sdf::{Board, NotBuilt, Problem, Source, configuration, parse};

use super::{assert_rendered, configuration::problems_of};

const SYSTEM: &str = r#"<system>
    <memory_region name="p" prefill_path="pci.config" />
    <memory_region name="b" prefill_path="disk.config" />
    <memory_region name="n" prefill_path="card.config" />
    <memory_region name="disk_bar" size="0x4000" phys_addr="0xfe800000" />
    <memory_region name="card_bar" size="0x4000" phys_addr="0xfe804000" />
    <memory_region name="disk_dma" size="0x43000" phys_addr="0x38000000" />
    <memory_region name="card_dma" size="0x34000" phys_addr="0x38080000" />
    <memory_region name="data" size="0x100000" />
    <memory_region name="rx" size="0x10000" />
    <memory_region name="tx" size="0x10000" />
    <protection_domain name="pci">
        <program_image path="pci.elf" />
        <map mr="p" vaddr="0x10000000" />
    </protection_domain>
    <protection_domain name="disk">
        <program_image path="virtio_blk.elf" />
        <map mr="b" vaddr="0x10000000" />
        <map mr="disk_bar" vaddr="0x10010000" cached="false" />
        <map mr="disk_dma" vaddr="0x10100000" />
        <map mr="data" vaddr="0x11000000" />
        <irq id="0" pin="11" trigger="level" vector="61" />
    </protection_domain>
    <protection_domain name="card">
        <program_image path="virtio_net.elf" />
        <map mr="n" vaddr="0x10000000" />
        <map mr="card_bar" vaddr="0x10010000" cached="false" />
        <map mr="card_dma" vaddr="0x10100000" />
        <map mr="rx" vaddr="0x11000000" />
        <map mr="tx" vaddr="0x11100000" perms="r" />
        <irq id="0" pin="10" trigger="level" vector="62" />
    </protection_domain>
    <channel><end pd="pci" id="1" /><end pd="disk" id="2" /></channel>
    <channel><end pd="pci" id="2" /><end pd="card" id="2" /></channel>
</system>
"#;

const TEXT: &str = r#"[pci]
kind = "pci"
[[pci.devices]]
client = "disk"
place = "00:04.0"
vendor = 0x1af4
device = 0x1042
registers = [{ bar = 4, space = "memory", address = 0xfe800000 }]
bus-master = true
interrupt = 11
[[pci.devices]]
client = "card"
place = "00:05.0"
vendor = 0x1af4
device = 0x1041
registers = [{ bar = 4, space = "memory", address = 0xfe804000 }]
bus-master = true
interrupt = 10
[disk]
kind = "virtio-blk"
registers = "disk_bar"
dma = "disk_dma"
data = ["data"]
[card]
kind = "virtio-net"
registers = "card_bar"
dma = "card_dma"
receive = "rx"
transmit = "tx"
"#;

fn changed(replace: &[(&str, &str)]) -> Vec<Problem> {
    let (mut system, mut text) = (SYSTEM.to_owned(), TEXT.to_owned());
    for (from, to) in replace {
        assert!(system.contains(from) || text.contains(from), "{from}");
        system = system.replacen(from, to, 1);
        text = text.replacen(from, to, 1);
    }
    problems_of(&system, &text)
}

#[test]
fn what_is_compiled_has_addresses_and_only_what_the_device_sees_is_real() {
    let system = Source::new("system.xml", SYSTEM);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let mut found = configuration::parse(&Source::new("system.toml", TEXT)).unwrap();
    configuration::check(&system, &mut found).unwrap();
    let disk: VirtioBlk = bulkhead_config::read(&found.sections["disk"].encode().unwrap()).unwrap();
    assert_eq!((disk.registers.base, disk.registers.size), (0xfe80_0000, 0x4000));
    assert_eq!((disk.dma.base, disk.dma.size), (0x3800_0000, 0x4_3000));
    assert!(disk.data[0].base >= 1 << 40);
    let card: VirtioNet = bulkhead_config::read(&found.sections["card"].encode().unwrap()).unwrap();
    assert_eq!((card.registers.base, card.dma.base), (0xfe80_4000, 0x3808_0000));
    assert!(card.receive.base >= 1 << 40 && card.transmit.base > card.receive.base);
}

#[test]
fn what_a_device_sees_has_an_address_and_a_driver_maps_what_it_names() {
    let nowhere = [
        (r#"size="0x43000" phys_addr="0x38000000""#, r#"size="0x43000""#),
        (r#"size="0x34000" phys_addr="0x38080000""#, r#"size="0x34000""#),
    ];
    assert_rendered("config_names", "config_virtio_address", &changed(&nowhere));
    let unmapped = [
        (r#"registers = "card_bar""#, r#"registers = "disk_bar""#),
        (r#"dma = "card_dma""#, r#"dma = "disk_dma""#),
        (r#"registers = "disk_bar""#, r#"registers = "card_bar""#),
        (r#"dma = "disk_dma""#, r#"dma = "card_dma""#),
        (r#"data = ["data"]"#, r#"data = ["rx"]"#),
        (r#"receive = "rx""#, r#"receive = "data""#),
        (r#"transmit = "tx""#, r#"transmit = "data""#),
    ];
    assert_rendered("config_names", "config_virtio_maps", &changed(&unmapped));
}

/// The same holds for the table of `ide` and the rings of `e1000`.
#[test]
fn what_sends_a_device_somewhere_is_its_driver_s_alone() {
    let shared = [(
        r#"<map mr="card_bar" vaddr="0x10010000" cached="false" />"#,
        r#"<map mr="card_bar" vaddr="0x10010000" cached="false" />
        <map mr="disk_dma" vaddr="0x12000000" />"#,
    )];
    let said: Vec<_> = changed(&shared).iter().map(Problem::line).collect();
    assert_eq!(
        said,
        [
            "system.toml:22:7: `card` maps `disk_dma`, and could send the device anywhere: it is the driver's own"
        ]
    );
}
