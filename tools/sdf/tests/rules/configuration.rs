//! Rules about the configuration beside a description.

use bulkhead_sdf::{Board, NotBuilt, Problem, Source, configuration, parse};

use super::assert_rendered;

/// Rules that are tested here.
pub const RULES: &[&str] = &[
    "config_file",
    "config_syntax",
    "config_section",
    "config_kind",
    "config_key",
    "config_value",
    "config_text",
    "config_region",
    "config_names",
];

const SYSTEM: &str = r#"<system>
    <memory_region name="c" prefill_path="vmm.config" />
    <memory_region name="s" prefill_path="status.config" />
    <protection_domain name="vmm">
        <program_image path="vmm.elf" />
        <map mr="c" vaddr="0x10000000" />
        <virtual_machine name="debian"><vcpu id="0" /></virtual_machine>
    </protection_domain>
    <protection_domain name="status">
        <program_image path="status.elf" />
        <map mr="s" vaddr="0x10000000" />
    </protection_domain>
    <channel><end pd="vmm" id="0" /><end pd="status" id="1" /></channel>
</system>
"#;

const VMM: &str = r#"[vmm]
kind = "vmm"
name = "debian"
command-line = "console=ttyS0"
on-reset = "restart"
on-triple-fault = "stop"
restart-limit = 0
epoch-seconds = 0
"#;

const STATUS: &str = "[status]\nkind = \"status\"\nclients = [\"debian\"]\n";

/// A driver and the PCI domain that sets its device up.
const DRIVERS: &str = r#"<system>
    <memory_region name="p" prefill_path="pci.config" />
    <memory_region name="i" prefill_path="ide.config" />
    <memory_region name="table" size="0x1000" phys_addr="0x38000000" />
    <memory_region name="data" size="0x200000" phys_addr="0x38200000" />
    <memory_region name="copied" size="0x1000" />
    <memory_region name="far" size="0x1000" phys_addr="0x100000000" />
    <memory_region name="registers" size="0x1000" phys_addr="0xfebe0000" />
    <protection_domain name="pci">
        <program_image path="pci.elf" />
        <map mr="p" vaddr="0x10000000" />
    </protection_domain>
    <protection_domain name="ide">
        <program_image path="ide.elf" />
        <map mr="i" vaddr="0x10000000" />
        <map mr="table" vaddr="0x10010000" />
        <map mr="data" vaddr="0x10200000" />
        <map mr="copied" vaddr="0x10400000" />
        <map mr="far" vaddr="0x10410000" />
        <map mr="registers" vaddr="0x10420000" />
        <ioport id="0" addr="0xc008" size="8" />
        <irq id="0" pin="10" trigger="level" vector="1" />
    </protection_domain>
    <channel><end pd="pci" id="1" /><end pd="ide" id="2" /></channel>
</system>
"#;

const IDE: &str = "[ide]\nkind = \"ide\"\ntable = \"table\"\ndata = [\"data\"]\n";

const PCI: &str = r#"[pci]
kind = "pci"
[[pci.devices]]
client = "ide"
place = "00:01.1"
vendor = 0x8086
device = 0x7010
registers = [
    { bar = 4, space = "io", address = 0xc000 },
    { bar = 0, space = "memory", address = 0xfebe0000 },
]
bus-master = true
interrupt = 10
"#;

fn problems(text: &str) -> Vec<Problem> {
    problems_of(SYSTEM, text)
}

pub(super) fn problems_of(description: &str, text: &str) -> Vec<Problem> {
    let source = Source::new("system.toml", text);
    let system = Source::new("system.xml", description);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let found =
        configuration::parse(&source).and_then(|mut c| configuration::check(&system, &mut c));
    found.err().map(|p| p.iter().cloned().collect()).unwrap_or_default()
}

fn breaks(rule: &str, snapshot: &str, text: &str) {
    assert_rendered(rule, snapshot, &problems(text));
}

#[test]
fn a_good_configuration_is_taken() {
    assert!(problems(&format!("{VMM}{STATUS}")).is_empty());
}

#[test]
fn config_file() {
    let p = configuration::load("tests/rules/nowhere.toml".as_ref()).unwrap_err();
    assert_rendered("config_file", "config_file", &p.iter().cloned().collect::<Vec<_>>());
}

#[test]
fn config_syntax() {
    breaks("config_syntax", "config_syntax", "[vmm\nkind = \nname = \"debian\n");
}

#[test]
fn config_section() {
    breaks("config_section", "config_section", "name = \"debian\"\n");
}

#[test]
fn config_kind() {
    breaks(
        "config_kind",
        "config_kind",
        "[vmm]\nname = \"debian\"\n[status]\nkind = \"stratus\"\n",
    );
}

#[test]
fn config_key() {
    let text = format!("{VMM}comand-line = \"quiet\"\nmac = 3\n{STATUS}");
    breaks("config_key", "config_key", &text);
}

#[test]
fn config_value_is_there_and_of_its_type() {
    let text = VMM.replace("name = \"debian\"\n", "") + STATUS;
    breaks("config_value", "config_value_missing", &text);
    let text =
        VMM.replace("\"stop\"", "\"ignore\"") + &STATUS.replace("[\"debian\"]", "\"debian\"");
    breaks("config_value", "config_value_type", &text);
}

#[test]
fn config_value_fits() {
    let text = VMM.replace("console=ttyS0", &"quiet ".repeat(400)) + STATUS;
    let found = problems(&text);
    assert_eq!(
        found.iter().map(Problem::line).collect::<Vec<_>>(),
        [
            "system.toml:4:16: section `vmm`: invalid length 2400, expected a string no more than 2047 bytes long"
        ]
    );
    let clients = ["\"debian\""; 9].join(", ");
    let text = VMM.to_owned() + &STATUS.replace("\"debian\"", &clients);
    breaks("config_value", "config_value_clients", &text);
}

#[test]
fn config_text() {
    let text = VMM.replace("\"debian\"", "\"my debian\"").replace("ttyS0", "ttyS0\\n") + STATUS;
    breaks("config_text", "config_text", &text);
}

#[test]
fn config_region() {
    breaks(
        "config_region",
        "config_region",
        &format!("{VMM}{}", STATUS.replace("[status]", "[stat]")),
    );
}

#[test]
fn config_names() {
    let text = format!("{VMM}{STATUS}").replace("\"debian\"", "\"fedora\"");
    breaks("config_names", "config_names", &text);
}

#[test]
fn domains_report_on_the_channel_that_is_for_it_and_under_their_own_names() {
    let with = |channel: &str| {
        SYSTEM.replace("</system>", &format!(
            "<protection_domain name=\"disk\"><program_image path=\"ide.elf\" /></protection_domain>\n\
             <channel><end pd=\"status\" id=\"9\" /><end pd=\"disk\" id=\"{channel}\" /></channel>\n</system>"
        ))
    };
    let text = |name: &str| format!("{VMM}{STATUS}domains = [\"{name}\"]\n");
    assert!(problems_of(&with("61"), &text("disk")).is_empty());
    for (system, name) in [(with("61"), "other"), (with("60"), "disk"), (SYSTEM.into(), "disk")] {
        let found = problems_of(&system, &text(name));
        let lines: Vec<_> = found.iter().map(Problem::line).collect();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        let expected = match name {
            "other" => "`status` serves, on channels 9 and up: disk",
            _ if system == SYSTEM => "`status` serves, on channels 9 and up: nobody",
            _ => "`disk` reports to `status` on its channel 61, not 60",
        };
        assert!(line.ends_with(expected), "{line}");
    }
}

#[test]
fn a_region_that_is_named_gets_its_address_and_size() {
    let system = Source::new("system.xml", DRIVERS);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let source = Source::new("system.toml", format!("{PCI}{IDE}"));
    let mut found = configuration::parse(&source).unwrap();
    configuration::check(&system, &mut found).unwrap();
    let compiled = found.sections["ide"].encode().unwrap();
    let ide: bulkhead_config::Ide = bulkhead_config::read(&compiled).unwrap();
    assert_eq!((ide.table.base, ide.table.size), (0x3800_0000, 0x1000));
    assert_eq!((ide.data[0].base, ide.data[0].size), (0x3820_0000, 0x20_0000));
    assert_eq!(ide.data[0].name, "data");
}

fn breaks_of_drivers(snapshot: &str, replace: &[(&str, &str)]) {
    let mut text = format!("{PCI}{IDE}");
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    assert_rendered("config_names", snapshot, &problems_of(DRIVERS, &text));
}

#[test]
fn a_device_reaches_what_its_configuration_names() {
    let names =
        [("table = \"table\"", "table = \"copied\""), ("[\"data\"]", "[\"disk\", \"far\"]")];
    breaks_of_drivers("config_names_regions", &names);
}

#[test]
fn what_is_set_up_for_a_driver_is_granted_to_it() {
    let other = [("0xc000", "0xd000"), ("0xfebe0000", "0xfebc0000"), ("= 10", "= 11")];
    breaks_of_drivers("config_names_devices", &other);
    breaks_of_drivers("config_names_drivers", &[("client = \"ide\"", "client = \"pci\"")]);
}

#[test]
fn a_place_on_the_bus_is_written_as_lspci_does() {
    let text = PCI.replace("00:01.1", "0:1.1");
    let found = problems_of(DRIVERS, &format!("{text}{IDE}"));
    let lines: Vec<_> = found.iter().map(Problem::line).collect();
    assert_eq!(
        lines,
        ["system.toml:5:9: section `pci`: `0:1.1` is no place on bus 0, such as 00:02.0"]
    );
}

/// A guest's disk and network interface.
const DEVICES: &str = "[[vmm.block]]\nread-only = true\nserial-number = \"root\"\n\
    limit = { operations = 1000, bytes = 1_000_000 }\n\
    [[vmm.net]]\nmac = \"52:54:00:12:34:56\"\n";

/// [`SYSTEM`] with so many of each.
fn with_devices(disks: usize, interfaces: usize) -> String {
    let map = |region: &str, at: usize| {
        format!("<map mr=\"c\" vaddr=\"{at:#x}\" setvar_vaddr=\"{region}_vaddr\" />")
    };
    let disks = (0..disks).map(|i| map(&format!("blk{i}_data"), 0x2000_0000 + (i << 20)));
    let nets = (0..interfaces).map(|i| map(&format!("net{i}_rx_data"), 0x3000_0000 + (i << 20)));
    let maps: String = disks.chain(nets).collect();
    SYSTEM
        .replace("<virtual_machine name=\"debian\">", &(maps + "<virtual_machine name=\"debian\">"))
}

#[test]
fn the_devices_of_a_guest_are_those_that_are_mapped() {
    let text = format!("{VMM}{DEVICES}{STATUS}");
    assert!(problems_of(&with_devices(1, 1), &text).is_empty());
    assert!(problems_of(&with_devices(2, 1), &text).is_empty(), "a disk needs no options");
    assert_rendered("config_names", "config_names_virtio", &problems_of(SYSTEM, &text));
    let second = "[[vmm.net]]\nmac = \"52:54:00:12:34:56\"\n";
    let twice = format!("{VMM}{DEVICES}{second}{STATUS}");
    let found = problems_of(&with_devices(1, 2), &twice);
    let lines: Vec<_> = found.iter().map(Problem::line).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("two interfaces have the address 52:54:00:12:34:56"), "{lines:?}");
}

#[test]
fn a_devices_options_are_of_their_kind() {
    for (from, to, expected) in [
        ("52:54:00:12:34:56", "01:00:5e:00:00:01", "an address of one station"),
        ("mac = ", "mtu = 9000\nmac = ", "an MTU is 1280 to 1500 bytes"),
        ("operations = 1000", "operations = -1", "invalid value"),
        ("operations = 1000", "frames = 1000", "unknown field `frames`"),
        ("\"root\"", "\"a number of more than twenty\"", "no more than 20 bytes"),
        ("\"root\"", "\"a b\"", "a serial number that cannot be shown"),
        ("[[vmm.net]]\nmac", "[[vmm.net]]\n[[vmm.net]]\nmac", "missing field `mac`"),
    ] {
        assert!(DEVICES.contains(from), "{from}");
        let text = format!("{VMM}{}{STATUS}", DEVICES.replace(from, to));
        let found = problems_of(&with_devices(1, 1), &text);
        let lines: Vec<_> = found.iter().map(Problem::line).collect();
        assert!(lines.iter().any(|line| line.contains(expected)), "{to}: {lines:?}");
    }
}
