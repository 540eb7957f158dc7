//! Rules about devices that guests drive themselves.

use bulkhead_config::{PassThrough, Vmm};
use bulkhead_sdf::{Board, NotBuilt, Problem, Source, configuration, parse};

use super::{assert_rendered, configuration::problems_of};

/// A guest with a serial port and a card, and who sets the card up.
const SYSTEM: &str = r#"<system>
    <memory_region name="c" prefill_path="vmm.config" />
    <memory_region name="p" prefill_path="pci.config" />
    <memory_region name="s" size="0x1000" />
    <memory_region name="ram" size="0x2000000" page_size="0x200000" />
    <memory_region name="registers" size="0x20000" phys_addr="0xfebe0000" />
    <protection_domain name="pci" priority="230">
        <program_image path="pci.elf" />
        <map mr="p" vaddr="0x10000000" />
        <map mr="s" vaddr="0x10010000" />
    </protection_domain>
    <protection_domain name="vmm">
        <program_image path="vmm.elf" />
        <map mr="c" vaddr="0x10000000" />
        <map mr="s" vaddr="0x10010000" setvar_vaddr="pass1_status_vaddr" />
        <irq id="16" pin="3" trigger="edge" vector="43" />
        <irq id="17" pin="11" trigger="level" vector="44" />
        <ioport id="0" addr="0x2e8" size="8" />
        <ioport id="1" addr="0xd100" size="32" />
        <virtual_machine name="debian">
            <vcpu id="0" />
            <map mr="ram" vaddr="0" perms="rwx" />
            <map mr="registers" vaddr="0xd0000000" perms="rw" cached="false" />
        </virtual_machine>
    </protection_domain>
    <channel><end pd="pci" id="1" /><end pd="vmm" id="10" /></channel>
</system>
"#;

const TEXT: &str = r#"[vmm]
kind = "vmm"
name = "debian"
command-line = ""
on-reset = "stop"
on-triple-fault = "stop"
restart-limit = 0
epoch-seconds = 0
[[vmm.passthrough]]
name = "port"
ports = [{ id = 0 }]
interrupt = { channel = 16 }
[[vmm.passthrough]]
name = "card"
ports = [{ id = 1, bar = 0 }]
memory = [{ region = "registers", bar = 1 }]
interrupt = { channel = 17 }
pci = { place = "00:03.0", class = 0x020000 }
[pci]
kind = "pci"
[[pci.devices]]
client = "vmm"
place = "00:03.0"
vendor = 0x10ec
device = 0x8029
registers = [{ bar = 0, space = "io", address = 0xd100 }, { bar = 1, space = "memory", address = 0xfebe0000 }]
bus-master = false
interrupt = 11
"#;

fn changed(system: &[(&str, &str)], text: &[(&str, &str)]) -> Vec<Problem> {
    let replaced = |of: &str, with: &[(&str, &str)]| {
        let mut of = of.to_owned();
        for (from, to) in with {
            assert!(of.contains(from), "{from}");
            of = of.replacen(from, to, 1);
        }
        of
    };
    problems_of(&replaced(SYSTEM, system), &replaced(TEXT, text))
}

/// What is found wrong, without places.
fn messages(system: &[(&str, &str)], text: &[(&str, &str)]) -> Vec<String> {
    changed(system, text).iter().map(Problem::line).collect()
}

/// One thing is wrong, and the message has this.
fn refused(system: &[(&str, &str)], text: &[(&str, &str)], with: &str) {
    let found = messages(system, text);
    assert!(found.iter().any(|message| message.contains(with)), "{with}: {found:#?}");
}

#[test]
fn what_is_compiled_is_what_is_written_with_what_the_description_says() {
    let system = Source::new("system.xml", SYSTEM);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let mut found = configuration::parse(&Source::new("system.toml", TEXT)).unwrap();
    configuration::check(&system, &mut found).unwrap();
    let vmm: Vmm = bulkhead_config::read(&found.sections["vmm"].encode().unwrap()).unwrap();
    let [port, card] = &vmm.passthrough[..] else { panic!("two devices") };
    let ports = |device: &PassThrough| (device.ports[0].first, device.ports[0].count);
    assert_eq!((ports(port), ports(card)), ((0x2e8, 8), (0xd100, 32)));
    let line = |device: &PassThrough| device.interrupt.map(|i| (i.line, i.level));
    assert_eq!((line(port), line(card)), (Some((Some(3), false)), Some((None, true))));
    assert_eq!((card.memory[0].address, card.memory[0].size), (0xd000_0000, 0x2_0000));
    assert_eq!(card.pci.map(|pci| (pci.vendor, pci.device)), Some((0x10ec, 0x8029)));
}

#[test]
fn pass_through() {
    let message = changed(&[], &[("ports = [{ id = 0 }]", "ports = [{ id = 5 }]")]);
    assert_rendered("pass_through", "pass_through", &message);
}

#[test]
fn what_is_granted_is_one_device_s_and_what_is_named_is_granted() {
    refused(&[], &[("ports = [{ id = 0 }]\n", "")], "`ioport` 0 is no device's");
    refused(&[], &[("interrupt = { channel = 16 }\n", "")], "`irq` 16 is no device's");
    refused(&[], &[("{ id = 1, bar = 0 }", "{ id = 0 }")], "`ioport` 0 is several devices'");
    refused(&[], &[("memory = [{ region = \"registers\", bar = 1 }]", "")], "`registers` is no");
    refused(&[], &[("channel = 16", "channel = 20")], "no `irq` with id 20");
    refused(&[], &[("region = \"registers\"", "region = \"s\"")], "does not map `s` into");
    refused(
        &[],
        &[("pci = { place = \"00:03.0\"", "pci = { place = \"00:04.0\"")],
        "nobody sets up",
    );
}

#[test]
fn a_device_lies_beside_those_of_the_guest_s_machine() {
    refused(&[("0x2e8", "0x3f8")], &[], "port 0x3f8 is a device's of the guest's machine");
    refused(&[("0xd100", "0xcf0")], &[], "is a device's of the guest's machine");
    refused(&[], &[("channel = 16", "channel = 16, line = 4")], "line 4 is a device's");
    refused(&[("vaddr=\"0xd0000000\"", "vaddr=\"0x40000000\"")], &[], "outside the guest's window");
}

#[test]
fn triggers_are_as_the_guest_takes_them() {
    refused(
        &[("pin=\"3\" trigger=\"edge\"", "pin=\"3\" trigger=\"level\"")],
        &[],
        "is level-triggered",
    );
    refused(&[("trigger=\"level\"", "trigger=\"edge\"")], &[], "is an edge");
    refused(&[("pin=\"11\"", "pin=\"10\"")], &[], "is led to line 11 and awaited at pin 10");
    refused(&[], &[("channel = 17", "channel = 17, line = 5")], "is its place's");
}

#[test]
fn a_register_is_one_that_can_be() {
    refused(&[("size=\"32\"", "size=\"24\"")], &[], "a power of two");
    refused(&[], &[("bar = 1", "bar = 0")], "a base address register is 0 to 5");
    refused(
        &[("pass1_status_vaddr", "pass0_status_vaddr")],
        &[],
        "maps no region for what `pci` says",
    );
}

#[test]
fn pass_through_dma() {
    let message = changed(&[], &[("bus-master = false", "bus-master = true")]);
    assert_rendered("pass_through_dma", "pass_through_dma", &message);
}

#[test]
fn what_a_device_can_do_to_memory_is_stated() {
    let master = ("bus-master = false", "bus-master = true");
    let says = |dma: &'static str| ("channel = 17 }", dma);
    assert_eq!(messages(&[], &[]), [""; 0]);
    let accepted = messages(&[], &[master, says("channel = 17 }\ndma = \"unconfined\"")]);
    assert_eq!(accepted, [""; 0]);
    refused(&[], &[master, says("channel = 17 }\ndma = \"none\"")], "is made a master of the bus");
    refused(
        &[],
        &[master, says("channel = 17 }\ndma = \"confined\"")],
        "no `io_address_space` is its",
    );
    // Registers in memory of a device that nobody sets up.
    let bare = ("memory = [{ region = \"registers\", bar = 1 }]\n", "");
    let other = "interrupt = { channel = 16 }\nmemory = [{ region = \"registers\" }]";
    refused(&[], &[bare, ("interrupt = { channel = 16 }", other)], "writes memory by itself");
    let told = format!("{other}\ndma = \"none\"");
    assert_eq!(messages(&[], &[bare, ("interrupt = { channel = 16 }", &told)]), [""; 0]);
}

/// Where there is an IOMMU, what it lets the device reach is the guest's own, where the
/// guest has it.
#[test]
fn an_io_address_space_holds_the_guest_s_memory_and_no_other() {
    let text = TEXT
        .replace("bus-master = false", "bus-master = true")
        .replace("channel = 17 }", "channel = 17 }\ndma = \"confined\"");
    let found = |iomap: &str| {
        let space = format!(
            "<io_address_space name=\"card\" domain_id=\"1\" peripheral_id=\"00:03.0\">{iomap}</io_address_space>\n</system>"
        );
        let text_of = SYSTEM
            .replace("</system>", &space)
            .replace(" page_size=\"0x200000\"", " page_size=\"0x1000\"");
        let source = Source::new("system.xml", text_of);
        let system = parse(&source, &Board::x86_64_generic_vtx(), &NotBuilt).unwrap().system;
        let mut found = configuration::parse(&Source::new("system.toml", text.clone())).unwrap();
        match configuration::check(&system, &mut found) {
            Ok(()) => String::new(),
            Err(problems) => problems.iter().map(Problem::line).collect::<Vec<_>>().join("; "),
        }
    };
    assert_eq!(found("<iomap mr=\"ram\" iovaddr=\"0\" />"), "");
    assert!(
        found("<iomap mr=\"ram\" iovaddr=\"0x10000000\" />").contains("finds `ram` at 0x10000000")
    );
    assert!(found("<iomap mr=\"s\" iovaddr=\"0\" />").contains("reaches `s`, which is not"));
}
