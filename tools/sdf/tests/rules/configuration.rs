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

fn problems(text: &str) -> Vec<Problem> {
    let source = Source::new("system.toml", text);
    let system = Source::new("system.xml", SYSTEM);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let found = configuration::parse(&source).and_then(|c| configuration::check(&system, &c));
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
