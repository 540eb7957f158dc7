//! Whatever a description says, reading it ends, and nothing panics.

use std::path::Path;

use bulkhead_sdf::{
    Board, NotBuilt, Source, authority_markdown, configuration, edit::Edits, parse, render,
    topology_svg,
};
use proptest::prelude::*;

fn default_system() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../system.xml")).unwrap()
}

/// Everything that is done with a description before it is compiled.
fn exercise(text: &str) {
    let source = Source::new("hostile.system", text);
    for board in [Board::bochs(), Board::x86_64_generic_vtx()] {
        match parse(&source, &board, &NotBuilt) {
            Ok(parsed) => {
                render(&parsed.warnings, 80);
                authority_markdown(&parsed.system);
                topology_svg(&parsed.system);
                for r in &parsed.system.regions {
                    let mut edits = Edits::new(&parsed.system);
                    edits.set_region_size(&r.name.value, 0x5000).unwrap();
                    let _ = edits.set_prefill(&r.name.value, "<&\"'");
                    assert!(roxmltree::Document::parse(&edits.apply()).is_ok());
                }
            }
            Err(problems) => {
                render(problems.iter(), 80);
                assert!(problems.iter().all(|p| text.get(p.span().clone()).is_some()));
            }
        }
    }
}

/// What may stand in an attribute: numbers at every border, and words.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<u64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| format!("{n:#x}")),
        (0_u32..64, -1_i8..=1).prop_map(|(bit, off)| format!(
            "{:#x}",
            (1_u64 << bit).wrapping_add_signed(off.into())
        )),
        prop::sample::select(vec![
            "",
            "-1",
            "62",
            "0x200000",
            "true",
            "false",
            "rw",
            "w",
            "x",
            "edge",
            "vmm",
            "timer",
            "hpet",
            "deadline",
            "00:1f.2",
            "10 us",
            "linux.elf",
            "µ",
            "\u{0}x",
        ])
        .prop_map(str::to_owned),
        "[ -~&&[^<&\"]]{0,12}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_attribute_may_have_any_value(which in any::<prop::sample::Index>(), new in value()) {
        let text = default_system();
        let document = roxmltree::Document::parse(&text).unwrap();
        let all: Vec<_> = document
            .descendants()
            .flat_map(|n| n.attributes())
            .map(|a| a.range_value())
            .collect();
        let mut changed = text.clone();
        changed.replace_range(all[which.index(all.len())].clone(), &new);
        exercise(&changed);
    }

    #[test]
    fn any_element_may_be_missing_or_stand_elsewhere(
        which in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        remove in any::<bool>(),
    ) {
        let text = default_system();
        let document = roxmltree::Document::parse(&text).unwrap();
        let all: Vec<_> =
            document.descendants().filter(|n| n.is_element()).map(|n| n.range()).collect();
        let element = all[which.index(all.len())].clone();
        let copy = text[element.clone()].to_owned();
        let mut changed = text.clone();
        if remove {
            changed.replace_range(element, "");
        } else {
            changed.insert_str(all[to.index(all.len())].start, &copy);
        }
        exercise(&changed);
    }

    #[test]
    fn any_byte_may_be_another(at in any::<prop::sample::Index>(), new in "[ -~µ]{0,3}") {
        let mut text: Vec<char> = default_system().chars().collect();
        let at = at.index(text.len());
        text.splice(at..=at, new.chars());
        exercise(&text.into_iter().collect::<String>());
    }

    #[test]
    fn any_text_may_be_a_configuration(text in "(\\[[a-z_]{0,6}\\]\n|kind = \"(vmm|status)\"\n|[a-z-]{1,8} = .{0,8}\n){0,8}") {
        if let Err(problems) = configuration::parse(&Source::new("x.toml", text)) {
            render(problems.iter(), 80);
        }
    }
}

#[test]
fn deep_and_long_descriptions_end() {
    let depth = 20_000;
    let open = "<protection_domain name=\"p\" id=\"0\">";
    exercise(&format!(
        "<system>{}{}</system>",
        open.repeat(depth),
        "</protection_domain>".repeat(depth)
    ));
    exercise(&"<system>".repeat(100_000));
    let map = "<map mr=\"m\" vaddr=\"0\" setvar_vaddr=\"x\"/>";
    let region = "<memory_region name=\"m\" size=\"0x1000\"/>";
    exercise(&format!(
        "<system>{region}<protection_domain name=\"p\"><program_image path=\"p\"/>{}</protection_domain></system>",
        map.repeat(20_000)
    ));
    exercise(&format!("<system>{}</system>", region.repeat(20_000)));
}

#[test]
fn a_line_too_long_to_show_is_named() {
    let text = format!("<system>{}<bogus/></system>", " ".repeat(70_000));
    let problems = parse(&Source::new("x.system", text), &Board::bochs(), &NotBuilt).unwrap_err();
    let shown = render(problems.iter(), 80);
    assert!(shown.contains("x.system:1:70010: unknown element `bogus` in `system`"), "{shown}");
}
