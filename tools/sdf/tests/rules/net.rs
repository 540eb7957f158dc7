//! Rules about the network's configuration.

use bulkhead_config::NetVirt;
use bulkhead_sdf::{Board, NotBuilt, Problem, Source, configuration, parse};

use super::{assert_rendered, configuration::problems_of};

/// A guest, another client, their virtualiser and its driver.
const SYSTEM: &str = r#"<system>
    <memory_region name="v" prefill_path="net_virt.config" />
    <memory_region name="m" prefill_path="vmm.config" />
    <memory_region name="net_rx" size="0x40000" phys_addr="0x38200000" />
    <memory_region name="net_tx" size="0x40000" phys_addr="0x38240000" />
    <memory_region name="own" size="0x40000" />
    <protection_domain name="net_virt">
        <program_image path="net_virt.elf" />
        <map mr="v" vaddr="0x10000000" />
        <map mr="net_rx" vaddr="0x11000000" perms="r" />
        <map mr="net_tx" vaddr="0x12000000" />
    </protection_domain>
    <protection_domain name="vmm">
        <program_image path="vmm.elf" />
        <map mr="m" vaddr="0x10000000" />
        <map mr="own" vaddr="0x11000000" setvar_vaddr="net0_rx_data_vaddr" />
        <virtual_machine name="debian"><vcpu id="0" /></virtual_machine>
    </protection_domain>
    <protection_domain name="blue"><program_image path="a.elf" /></protection_domain>
    <channel><end pd="net_virt" id="1" /><end pd="vmm" id="5" /></channel>
    <channel><end pd="net_virt" id="2" /><end pd="blue" id="5" /></channel>
</system>
"#;

const TEXT: &str = r#"[vmm]
kind = "vmm"
name = "debian"
command-line = "console=ttyS0"
on-reset = "restart"
on-triple-fault = "stop"
restart-limit = 0
epoch-seconds = 0
[[vmm.net]]
mac = "52:54:00:00:00:01"
[net_virt]
kind = "net-virt"
[net_virt.uplink]
receive = "net_rx"
transmit = "net_tx"
[[net_virt.ports]]
name = "debian"
macs = ["52:54:00:00:00:01"]
peers = ["blue"]
limit = { bytes = 1000000 }
[[net_virt.ports]]
name = "blue"
macs = ["52:54:00:00:00:02", "52:54:00:00:00:03"]
uplink = false
learn = 2
group-frames = 100
"#;

fn changed(replace: &[(&str, &str)]) -> Vec<Problem> {
    let mut text = TEXT.to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    problems_of(SYSTEM, &text)
}

fn messages(replace: &[(&str, &str)]) -> Vec<String> {
    let message =
        |p: &Problem| p.line().splitn(4, ':').nth(3).unwrap_or_default().trim().to_owned();
    changed(replace).iter().map(message).collect()
}

#[test]
fn what_is_compiled_is_what_is_written_with_addresses() {
    let system = Source::new("system.xml", SYSTEM);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let mut found = configuration::parse(&Source::new("system.toml", TEXT)).unwrap();
    configuration::check(&system, &mut found).unwrap();
    let compiled = found.sections["net_virt"].encode().unwrap();
    let virt: NetVirt = bulkhead_config::read(&compiled).unwrap();
    let uplink = virt.uplink.as_ref().unwrap();
    assert_eq!((uplink.receive.base, uplink.transmit.base), (0x3820_0000, 0x3824_0000));
    assert_eq!((virt.ports[0].uplink, virt.ports[1].uplink), (true, false));
    assert_eq!(virt.ports[1].learn, 2);
    assert!(virt.are_peers(0, 1) && virt.are_peers(1, 0) && !virt.are_peers(0, 0));
}

#[test]
fn ports_are_the_clients_of_the_channels() {
    let names = [("name = \"blue\"", "name = \"green\"")];
    assert_rendered("config_names", "config_net_ports", &changed(&names));
}

#[test]
fn the_uplinks_regions_are_two_that_the_virtualiser_maps() {
    assert_eq!(
        messages(&[("transmit = \"net_tx\"", "transmit = \"net_rx\"")]),
        ["it receives into and transmits from `net_rx`"]
    );
    assert_eq!(
        messages(&[("receive = \"net_rx\"", "receive = \"net\"")]),
        ["system.xml has no memory region `net`"]
    );
}

#[test]
fn an_address_is_one_ports() {
    assert_eq!(
        messages(&[("[\"52:54:00:00:00:02\"", "[\"52:54:00:00:00:01\"")]),
        ["52:54:00:00:00:01 is the address of `debian` and of `blue`"]
    );
    assert_eq!(
        messages(&[("macs = [\"52:54:00:00:00:01\"]", "macs = []")]),
        [
            "`debian` has no address (`macs`) and may take none (`learn`): it can send nothing",
            "the guest `debian` has an interface with address 52:54:00:00:00:01, and no port of its lets that pass",
        ]
    );
    assert_eq!(
        messages(&[("learn = 2", "learn = 33")]),
        ["all ports together may take 32 addresses (`learn`), not 33"]
    );
}

#[test]
fn peers_are_ports_that_agree() {
    assert_eq!(
        messages(&[("peers = [\"blue\"]", "peers = [\"debian\", \"green\"]")]),
        [
            "`debian`, a peer of `debian`, is no other port",
            "`green`, a peer of `debian`, is no other port",
        ]
    );
    assert_eq!(
        messages(&[("uplink = false", "peers = []")]),
        ["`debian` has the peer `blue`, which does not have it: they exchange nothing"]
    );
}
