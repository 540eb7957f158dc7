//! `cargo bulkhead bench` holds what was reached: every figure whose budget was
//! reached once stays there, with 5 % slack, and the machine gives the same ticks
//! each time, without which the first would mean nothing.

use std::sync::OnceLock;

use bulkhead_bench::{Figure, Report, Request, SLACK, run};
use bulkhead_build::{Platform, Workspace};
use bulkhead_progress::Silent;
use system_tests::sdk;

fn measured(platform: &Platform, filter: Option<&str>) -> Report {
    let workspace = Workspace::find().expect("tests run in the checkout");
    run(&Request { workspace: &workspace, platform, filter, progress: &Silent })
        .unwrap_or_else(|report| panic!("{report:?}"))
}

/// Everything, measured once for all tests here.
fn everything() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| measured(&Platform::default(), None))
}

#[test]
fn what_was_reached_is_kept() {
    hold(everything());
}

#[test]
fn what_was_reached_on_the_sdk_s_board_is_kept() {
    if !sdk::is_given() {
        eprintln!("the SDK's board was not measured: set MICROKIT_SDK to the folder of an SDK");
        return;
    }
    hold(&measured(&sdk::platform("release"), None));
}

/// Nothing is over a budget that was reached once.
fn hold(report: &Report) {
    let show = |figure: &Figure| {
        let unit = figure.spec.unit;
        let budget = figure.spec.budget.map_or_else(|| "-".into(), |budget| unit.show(budget));
        format!("{:26} {:>14} of {budget} {unit}", figure.spec.name, unit.show(figure.value))
    };
    for figure in &report.figures {
        println!("{}", show(figure));
    }
    let lost = report
        .figures
        .iter()
        .filter(|figure| figure.spec.reached && figure.within(SLACK) == Some(false));
    let lost: Vec<String> = lost.map(show).collect();
    assert!(lost.is_empty(), "over budget by more than 5 %:\n{}", lost.join("\n"));
}

#[test]
fn two_runs_take_the_same_ticks() {
    let first = everything();
    let second = measured(&Platform::default(), Some("_bare"));
    assert!(!second.figures.is_empty());
    for figure in &second.figures {
        let name = figure.spec.name;
        let before = first.figures.iter().find(|its| its.spec.name == name);
        let samples = before.and_then(|its| its.samples.as_ref());
        assert_eq!(samples, figure.samples.as_ref(), "every sample of {name}, in order");
    }
}
