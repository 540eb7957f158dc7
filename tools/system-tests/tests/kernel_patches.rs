//! Each patch of the kernel is needed: without it the cases fail that the table
//! in `tools/kernel/patches/README.md` names, and no others; with all patches
//! every case passes. One test a row of the table, named after what is left
//! out. The cases are in `tasks/kernel-cases`.

use std::{collections::BTreeSet, fs, path::Path, process::ExitCode};

use bulkhead_build::Profile;
use libtest_mimic::{Arguments, Failed, Trial};
use system_tests::{
    checkout,
    kernel::{KernelUnderTest, Verdict},
};

/// A row: what is left out, and the cases that fail then.
struct Row {
    without: String,
    cases: Vec<String>,
}

impl Row {
    /// Those of its cases that are the host's, and the one that takes no time.
    fn host_cases(&self) -> Vec<&str> {
        let own = self.cases.iter().map(String::as_str).filter(|case| is_host_case(case));
        own.chain(["empty_ept_is_a_page"]).collect()
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = vec![
        Trial::test("the_table_names_every_patch_and_every_undo", the_table_is_complete),
        Trial::test("every_case_passes_and_guards_a_patch", || all_pass(Profile::Release)),
        Trial::test("every_case_passes_with_the_kernel_s_assertions", || all_pass(Profile::Debug)),
    ];
    for (rows, test) in tables().into_iter().zip([fails, invalidates_less]) {
        for row in rows {
            trials.push(Trial::test(format!("without_{}", row.without), move || test(&row)));
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A case that needs no machine of its own task's: it looks at the kernel, or
/// boots it in another way.
type HostCase = fn(&KernelUnderTest) -> Verdict;

const HOST_CASES: [(&str, HostCase); 4] = [
    ("invalidations_are_valid", invalidations_are_valid),
    ("empty_ept_is_a_page", empty_ept_is_a_page),
    ("boot_module_below_the_kernel", boot_module_below_the_kernel),
    ("start_without_vtx", start_without_vtx),
];

/// What the kernel gives to INVEPT is an EPT pointer.
fn invalidations_are_valid(kernel: &KernelUnderTest) -> Verdict {
    match kernel.refused_invalidations(&format!("{}-invept", kernel.name()), "page_unmapped") {
        0 => Verdict::Passed,
        n => Verdict::Failed(format!("{n} operands of INVEPT were refused")),
    }
}

/// A boot module that lies below the kernel is started all the same.
fn boot_module_below_the_kernel(kernel: &KernelUnderTest) -> Verdict {
    match kernel.run_from_below(&format!("{}-below", kernel.name()), "clearing").pop() {
        Some((_, Verdict::Passed | Verdict::Failed(_))) => Verdict::Passed,
        Some((_, Verdict::Fatal(why))) => Verdict::Fatal(why),
        None => Verdict::Failed("nothing ran".into()),
    }
}

/// On a processor without VT-x the kernel starts, refuses a virtual machine, and
/// goes on.
fn start_without_vtx(kernel: &KernelUnderTest) -> Verdict {
    let ran = kernel.run_without_vtx(&format!("{}-plain", kernel.name()), &["cr2", "last_page"]);
    match &ran[..] {
        [(_, Verdict::Failed(why)), (_, Verdict::Passed)] if why.contains("illegal operation") => {
            Verdict::Passed
        }
        [.., (_, Verdict::Fatal(why))] => Verdict::Fatal(why.clone()),
        other => Verdict::Failed(format!("{other:?}")),
    }
}

/// What guests without a root get is a whole page of no entries. Only the first
/// entry can be reached on the emulated machine, whose addresses have 39 bits.
fn empty_ept_is_a_page(kernel: &KernelUnderTest) -> Verdict {
    match kernel.variable_size("null_ept_space") {
        Some(4096) => Verdict::Passed,
        other => Verdict::Failed(format!("its size is {other:?}")),
    }
}

/// Runs those of the host's cases that are asked for; `*` asks for all.
fn run_host_cases(kernel: &KernelUnderTest, cases: &[&str]) -> Vec<(String, Verdict)> {
    let wanted = HOST_CASES.iter().filter(|(name, _)| cases.contains(&"*") || cases.contains(name));
    wanted.map(|(name, case)| ((*name).to_owned(), case(kernel))).collect()
}

fn is_host_case(name: &str) -> bool {
    HOST_CASES.iter().any(|(its, _)| *its == name)
}

/// How the header of the second table ends: its rows leave out an invalidation,
/// and the operands of all others are such that the emulator reports them.
const REPORTED: &str = "the emulator reports fewer invalidations in |";

/// The kernel that leaves out no invalidation, and whose operands are such.
const ALL_REPORTED: &str = "0013-operand";

/// The rows ``| NNNN... | `case`, `case` |`` of both tables.
fn tables() -> [Vec<Row>; 2] {
    let readme = checkout("tools/kernel/patches/README.md");
    let readme = fs::read_to_string(&readme).expect("the patches have a README");
    let (first, second) = readme.split_once(REPORTED).expect("the README has two tables");
    [first, second].map(|text| text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<Row> {
    let (without, cases) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
    let cases: Option<Vec<String>> = cases
        .split(", ")
        .map(|case| Some(case.strip_prefix('`')?.strip_suffix('`')?.to_owned()))
        .collect();
    Some(Row { without: without.to_owned(), cases: cases? })
}

fn rows() -> impl Iterator<Item = Row> {
    tables().into_iter().flatten()
}

/// Without an invalidation the emulator reports fewer.
fn invalidates_less(row: &Row) -> Result<(), Failed> {
    let counts = |case: &str| {
        [ALL_REPORTED, &row.without].map(|without| {
            let kernel = KernelUnderTest::new(Profile::Release, Some(without));
            kernel.refused_invalidations(&format!("{}-{without}", row.without), case)
        })
    };
    for case in &row.cases {
        let [all, fewer] = counts(case);
        println!("without {}: {case}: {fewer} invalidations instead of {all}", row.without);
        if fewer >= all {
            return Err(format!("{case}: {fewer} invalidations, and {all} with all").into());
        }
    }
    Ok(())
}

fn the_table_is_complete() -> Result<(), Failed> {
    let workspace = checkout("");
    let (patches, undos) =
        bulkhead_kernel::patch_names(Path::new(&workspace)).map_err(|error| error.to_string())?;
    let rows: Vec<String> = rows().map(|row| row.without).collect();
    for patch in &patches {
        let number = patch.split('-').next().unwrap_or(patch);
        if !rows.iter().any(|row| row.split('-').next() == Some(number)) {
            return Err(format!("no row leaves out {patch}").into());
        }
    }
    for undo in &undos {
        if !rows.contains(undo) {
            return Err(format!("no row uses undo/{undo}.patch").into());
        }
    }
    Ok(())
}

fn all_pass(profile: Profile) -> Result<(), Failed> {
    let kernel = KernelUnderTest::new(profile, None);
    let mut verdicts = kernel.run(profile.name(), &["*"]);
    verdicts.extend(run_host_cases(&kernel, &["*"]));
    only(&verdicts, &[])?;
    let guards: BTreeSet<String> = rows().flat_map(|row| row.cases).collect();
    let cases: BTreeSet<String> = verdicts.into_iter().map(|(case, _)| case).collect();
    if guards == cases {
        return Ok(());
    }
    let useless: Vec<_> = cases.difference(&guards).collect();
    let unknown: Vec<_> = guards.difference(&cases).collect();
    Err(format!("cases that no row names: {useless:?}; no such cases: {unknown:?}").into())
}

/// Fails if any case but these did.
fn only(verdicts: &[(String, Verdict)], expected: &[String]) -> Result<(), Failed> {
    let others: Vec<String> = verdicts
        .iter()
        .filter(|(case, verdict)| *verdict != Verdict::Passed && !expected.contains(case))
        .map(|(case, verdict)| format!("{case}: {verdict:?}"))
        .collect();
    if others.is_empty() { Ok(()) } else { Err(others.join("\n").into()) }
}

fn fails(row: &Row) -> Result<(), Failed> {
    let kernel = KernelUnderTest::new(Profile::Release, Some(&row.without));
    let mut left: Vec<&str> = row.cases.iter().map(String::as_str).collect();
    let mut verdicts = run_host_cases(&kernel, &row.host_cases());
    left.retain(|case| !is_host_case(case));
    // The others first, since these may be the end of the machine.
    let mut cases = vec!["*"];
    for start in 1.. {
        cases.extend(&left);
        let these = kernel.run(&format!("{}-{start}", row.without), &cases);
        let before = left.len();
        left.retain(|case| !these.iter().any(|(its, _)| its == case));
        let stuck = left.len() == before && !left.is_empty();
        verdicts.extend(these);
        only(&verdicts, &row.cases)?;
        if stuck {
            return Err(format!("{left:?} did not run: {:?}", verdicts.last()).into());
        }
        if left.is_empty() {
            break;
        }
        cases.clear();
    }
    for (case, verdict) in verdicts.iter().filter(|(case, _)| row.cases.contains(case)) {
        match verdict {
            Verdict::Passed => return Err(format!("{case} passes all the same").into()),
            Verdict::Failed(why) => println!("without {}: {case}: {why}", row.without),
            Verdict::Fatal(why) => println!("without {}: {case}: the end: {why}", row.without),
        }
    }
    Ok(())
}
