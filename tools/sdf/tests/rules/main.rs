//! One test a rule, named after it: a description that breaks it, and the
//! whole text that its author gets to read (`snapshots/`).
//!
//! The cases are `cases/NAME.system`; a first line `<!-- board: NAME -->`
//! chooses the board, which is else `bochs`.

mod block;
mod configuration;
mod elf;
mod net;
mod passthrough;
mod program;
mod virtio;

use std::{collections::BTreeSet, path::PathBuf};

use bulkhead_sdf::{Board, Problem, Rule, SearchPath, Source, parse, render};

const WIDTH: usize = 100;

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/rules", name].iter().collect()
}

fn files() -> SearchPath {
    // Relative, so that no error shows where this repository lies.
    SearchPath::new([PathBuf::from("tests/rules/files")])
}

/// Everything that is found wrong with a text.
fn problems(name: &str, text: &str) -> Vec<Problem> {
    let board = match text.strip_prefix("<!-- board: x86_64_generic_vtx -->") {
        Some(_) => Board::x86_64_generic_vtx(),
        None => Board::bochs(),
    };
    match parse(&Source::new(name, text), &board, &files()) {
        Ok(parsed) => [parsed.warnings, parsed.notes].concat(),
        Err(problems) => problems.iter().cloned().collect(),
    }
}

/// Checks that a rule is among those that are broken, and what is said.
fn assert_rendered(rule: &str, snapshot: &str, problems: &[Problem]) {
    let broken: BTreeSet<&str> = problems.iter().map(|p| p.rule().code()).collect();
    assert!(broken.contains(rule), "{rule} is not among {broken:?}");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(snapshot, render(problems, WIDTH));
    });
}

fn case(rule: &str, name: &str) {
    let file = format!("{name}.system");
    let text = std::fs::read_to_string(folder("cases").join(&file)).unwrap();
    assert_rendered(rule, name, &problems(&file, &text));
}

macro_rules! rules {
    ($($rule:ident)*) => {
        $(#[test] fn $rule() { case(stringify!($rule), stringify!($rule)); })*
        /// Rules with a case of their own.
        const DESCRIBED: &[&str] = &[$(stringify!($rule)),*];
    };
}

rules! {
    well_formed root_element unknown_element unknown_attribute missing_attribute missing_element
    repeated_element stray_text number plain_number boolean system_attribute pd_count pd_name
    pd_name_reserved pd_name_unique priority budget_within_period stack_size cpu smc_arm_only
    child_id child_id_unique vmm_without_children setvar_unique setvar_region setvar_phys_addr
    region_count region_name_unique region_size region_size_missing region_page_size
    phys_alignment phys_range phys_overlap prefill_missing prefill_empty prefill_size
    prefill_one_source bootinfo_kind unused_region map_region map_alignment map_range
    map_overlap map_perms map_write_only map_useless prefill_size_of_nothing channel_id
    channel_id_unique irq_arm_form irq_form irq_trigger irq_polarity irq_vector
    irq_vector_unique irq_pin irq_pin_unique pci_address msi_handle ioport_id ioport_id_unique
    ioport_size ioport_range ioport_overlap channel_ends channel_pd ppc_one_way ppc_priority
    ppc_to_vmm vm_place vm_name_unique one_vcpu vcpu_id vcpu_setvar io_space_unique io_address
    io_perms io_page_size cap_kind cap_slot cap_slot_unique cap_pd domain_unique domain_id
    domain_count domain_unknown domain_without_schedule duration schedule_length schedule_start
    unsupported not_enforced reserved_port reserved_memory memory_budget
}

#[test]
fn document_size() {
    let text = format!("<system>{}</system>", " ".repeat(1 << 20));
    let found = problems("document_size.system", &text);
    assert_eq!(
        found.iter().map(Problem::line).collect::<Vec<_>>(),
        ["document_size.system:1:1: the file has 1048593 bytes"]
    );
}

#[test]
fn pd_count_counts_as_far_as_the_board_does() {
    case("pd_count", "pd_count_most");
}

#[test]
fn pd_count_ends_nesting() {
    case("pd_count", "pd_nesting");
}

#[test]
fn every_rule_has_a_test() {
    let tested: BTreeSet<&str> = DESCRIBED
        .iter()
        .chain(program::RULES)
        .chain(configuration::RULES)
        .chain(&["document_size", "pass_through", "pass_through_dma"])
        .copied()
        .collect();
    let all: BTreeSet<&str> = Rule::ALL.iter().map(|r| r.code()).collect();
    assert_eq!(all, tested);
}
