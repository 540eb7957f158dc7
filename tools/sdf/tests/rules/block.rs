//! Rules about block devices' configuration.

use bulkhead_config::{BlkPartition, BlkVirt, Ramdisk};
use bulkhead_sdf::{Board, NotBuilt, Problem, Source, configuration, parse};

use super::{assert_rendered, configuration::problems_of};

/// Two clients, their virtualiser and a RAM disk.
const SYSTEM: &str = r#"<system>
    <memory_region name="v" prefill_path="blk_virt.config" />
    <memory_region name="r" prefill_path="ramdisk.config" />
    <memory_region name="table" size="0x1000" />
    <memory_region name="red_data" size="0x200000" phys_addr="0x38200000" />
    <memory_region name="blue_data" size="0x100000" />
    <memory_region name="disk" size="0x1000000" page_size="0x200000" />
    <protection_domain name="blk_virt">
        <program_image path="blk_virt.elf" />
        <map mr="v" vaddr="0x10000000" />
        <map mr="table" vaddr="0x10010000" />
    </protection_domain>
    <protection_domain name="ramdisk">
        <program_image path="ramdisk.elf" />
        <map mr="r" vaddr="0x10000000" />
        <map mr="disk" vaddr="0x20000000" />
        <map mr="table" vaddr="0x10010000" />
        <map mr="red_data" vaddr="0x11000000" />
        <map mr="blue_data" vaddr="0x12000000" />
    </protection_domain>
    <protection_domain name="red"><program_image path="a.elf" /><map mr="red_data" vaddr="0x11000000" /></protection_domain>
    <protection_domain name="blue"><program_image path="a.elf" /><map mr="blue_data" vaddr="0x11000000" /></protection_domain>
    <channel><end pd="blk_virt" id="0" /><end pd="ramdisk" id="1" /></channel>
    <channel><end pd="blk_virt" id="1" /><end pd="red" id="3" /></channel>
    <channel><end pd="blk_virt" id="2" /><end pd="blue" id="3" /></channel>
</system>
"#;

const TEXT: &str = r#"[blk_virt]
kind = "blk-virt"
table = "table"
[[blk_virt.clients]]
name = "red"
data = "red_data"
partition = { range = { first = 0, blocks = 100 } }
[[blk_virt.clients]]
name = "blue"
data = "blue_data"
partition = { guid = "0fc63daf-8483-4772-8e79-3d69d8477de4" }
read-only = true
[ramdisk]
kind = "ramdisk"
data = ["red_data", "blue_data", "table"]
"#;

fn changed(replace: &[(&str, &str)]) -> Vec<Problem> {
    let mut text = TEXT.to_owned();
    for (from, to) in replace {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    problems_of(SYSTEM, &text)
}

fn lines(replace: &[(&str, &str)]) -> Vec<String> {
    changed(replace).iter().map(Problem::line).collect()
}

#[test]
fn what_is_compiled_is_what_is_written_with_addresses() {
    let system = Source::new("system.xml", SYSTEM);
    let system = parse(&system, &Board::bochs(), &NotBuilt).unwrap().system;
    let mut found = configuration::parse(&Source::new("system.toml", TEXT)).unwrap();
    configuration::check(&system, &mut found).unwrap();
    let compiled = found.sections["blk_virt"].encode().unwrap();
    let virt: BlkVirt = bulkhead_config::read(&compiled).unwrap();
    let [red, blue] = &virt.clients[..] else { panic!("two clients") };
    assert_eq!((red.data.base, red.data.size), (0x3820_0000, 0x20_0000));
    let BlkPartition::Range { first: 0, blocks } = red.partition else { panic!("a range") };
    assert_eq!((blocks.get(), red.read_only, blue.read_only), (100, false, true));
    assert!(matches!(blue.partition, BlkPartition::Guid(guid) if guid.0[0] == 0xAF));
    let compiled = found.sections["ramdisk"].encode().unwrap();
    let disk: Ramdisk = bulkhead_config::read(&compiled).unwrap();
    assert!(!disk.read_only);
    // A region without a `phys_addr` has the same number of its own for both.
    assert_eq!(disk.data[1], blue.data);
    assert!(blue.data.base >= 1 << 40);
}

#[test]
fn clients_are_those_of_the_channels_and_buffers_are_theirs() {
    let names = [("\"red\"", "\"green\"")];
    assert_rendered("config_names", "config_block_clients", &changed(&names));
    let regions = [
        ("data = \"red_data\"", "data = \"blue_data\""),
        ("\"blue_data\", \"table\"]", "\"blue_data\", \"v\"]"),
        ("table = \"table\"", "table = \"disk\""),
    ];
    assert_rendered("config_names", "config_block_regions", &changed(&regions));
}

#[test]
fn a_partition_of_the_table_needs_a_region_to_read_it_into() {
    assert_eq!(
        lines(&[("table = \"table\"\n", "")]),
        [
            "system.toml:3:1: `blue` has a partition of the disk's table, and no `table` names a region to read that into"
        ]
    );
}

#[test]
fn two_clients_have_no_block_in_common_unless_both_only_read() {
    let guid = "{ guid = \"0fc63daf-8483-4772-8e79-3d69d8477de4\" }";
    let overlap = "system.toml:4:1: `red` and `blue` have the same blocks of the disk, and not both are `read-only`";
    for (blue, expected) in [
        ("{ range = { first = 99, blocks = 1 } }", &[overlap][..]),
        ("{ range = { first = 100, blocks = 1 } }", &[]),
        ("\"whole\"", &[overlap]),
    ] {
        assert_eq!(lines(&[(guid, blue)]), expected, "{blue}");
    }
    let reading = [("blocks = 100 } }", "blocks = 100 } }\nread-only = true"), (guid, "\"whole\"")];
    assert_eq!(lines(&reading), [""; 0]);
}

#[test]
fn a_value_that_cannot_be_is_refused_where_it_stands() {
    for (from, to, expected) in [
        (
            "0fc63daf",
            "0fc63dag",
            "11:13: section `blk_virt`: a GUID is written as 8-4-4-4-12 hexadecimal digits",
        ),
        (
            "blocks = 100",
            "blocks = 0",
            "7:45: section `blk_virt`: invalid value: integer `0`, expected a nonzero u64",
        ),
        (
            "{ range = { first = 0, blocks = 100 } }",
            "{ index = 0 }",
            "7:23: section `blk_virt`: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            "{ range = { first = 0, blocks = 100 } }",
            "\"all\"",
            "7:13: section `blk_virt`: unknown variant `all`, expected one of `whole`, `range`, `index`, `name`, `guid`",
        ),
    ] {
        assert_eq!(lines(&[(from, to)]), [format!("system.toml:{expected}")], "{to}");
    }
}
