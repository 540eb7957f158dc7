//! Ours and the Microkit's own tool give a description the same verdict: what
//! that rejects, ours rejects, and the reverse but for [`STRICTER`].
//!
//! Runs where `MICROKIT_SDK` names an SDK, and else says that it did not. Only
//! reading is compared: no program is built, and the tool looks for programs
//! when it has found nothing wrong with the description itself.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use bulkhead_sdf::{Board, SearchPath, Source, Weight, parse};

/// Rules that the tool does not have, or ends by a crash; why is in the head of
/// this crate.
const STRICTER: &[&str] = &[
    "child_id",
    "domain_count",
    "irq_pin_unique",
    "one_vcpu",
    "pd_name",
    "region_size",
    "ioport_range",
    "setvar_region",
    "channel_id_unique",
    "stray_text",
];

/// What the tool says when it is done with a description and looks for programs.
const READ: [&str; 2] = ["unable to find program image", "failed to parse ELF"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The SDK's tool.
struct Tool {
    sdk: PathBuf,
    folder: tempfile::TempDir,
}

impl Tool {
    fn find() -> Option<Tool> {
        let Some(sdk) = std::env::var_os("MICROKIT_SDK").filter(|sdk| !sdk.is_empty()) else {
            eprintln!("not run: MICROKIT_SDK names no SDK");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        Some(Tool { sdk: sdk.into(), folder })
    }

    /// Where prefilled regions' files are.
    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Whether it accepts a description, and what it said.
    fn verdict(&self, text: &str, configuration: &str) -> (bool, String) {
        let file = self.folder.path().join("description.system");
        fs::write(&file, text).unwrap();
        let output = Command::new(self.sdk.join("bin/microkit"))
            .current_dir(self.folder.path())
            .env("MICROKIT_SDK", &self.sdk)
            .arg(&file)
            .args(["--board", "x86_64_generic_vtx", "--config", configuration])
            .args(["-o", "image", "-r", "report", "--search-path"])
            .arg(self.files())
            .output()
            .expect("the SDK's tool starts");
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said += &String::from_utf8_lossy(&output.stderr);
        (output.status.success() || READ.iter().any(|read| said.contains(read)), said)
    }

    /// Compares both; the answer is what differs.
    fn compare(
        &self,
        name: &str,
        text: &str,
        board: &Board,
        configuration: &str,
    ) -> Option<String> {
        let files = SearchPath::new([self.files()]);
        let ours: BTreeSet<String> = match parse(&Source::new(name, text), board, &files) {
            Ok(_) => BTreeSet::new(),
            Err(problems) => problems
                .iter()
                .filter(|problem| problem.rule().weight() == Weight::Error)
                .map(|problem| problem.rule().code().to_owned())
                .collect(),
        };
        let (accepts, said) = self.verdict(text, configuration);
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        let allowed = ours.iter().all(|rule| STRICTER.contains(&rule.as_str()));
        match (accepts, ours.is_empty()) {
            (true, true) | (false, false) => None,
            (true, false) if allowed => None,
            (true, false) => Some(format!("{name}: only ours rejects: {ours:?}")),
            (false, true) => Some(format!("{name}: only the Microkit's rejects: {first}")),
        }
    }

    /// Makes the files that a description's regions are filled from.
    fn provide(&self, text: &str) {
        let document = roxmltree::Document::parse(text).unwrap();
        let named = document.descendants().filter_map(|node| node.attribute("prefill_path"));
        for path in named {
            let path = self.files().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, [1; 4096]).unwrap();
        }
    }
}

/// Every description of this repository that is meant to be right, the board it
/// is for, and the SDK's configuration.
fn descriptions() -> Vec<(PathBuf, Board, &'static str)> {
    let folders = [
        ("", Board::x86_64_generic_vtx(), "release"),
        ("systems", Board::x86_64_generic_vtx(), "release"),
        ("docs/examples", Board::x86_64_generic_vtx(), "release"),
        ("systems/x86_64_generic_vtx-smp", Board::x86_64_generic_vtx_smp(), "smp-release"),
        ("tools/system-tests/systems", Board::x86_64_generic_vtx(), "release"),
        ("tools/bench/systems", Board::x86_64_generic_vtx(), "release"),
    ];
    let mut found = Vec::new();
    for (folder, board, configuration) in folders {
        let before = found.len();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let is_default = path.file_name().is_some_and(|name| name == "system.xml");
            if is_default || path.extension().is_some_and(|e| e == "system") {
                found.push((path, board.clone(), configuration));
            }
        }
        assert!(found.len() > before, "{folder} has none");
    }
    found
}

fn assert_none(differ: &[String]) {
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn both_accept_every_description_of_this_repository() {
    let Some(tool) = Tool::find() else { return };
    let mut differ = Vec::new();
    for (path, board, configuration) in descriptions() {
        let text = fs::read_to_string(&path).unwrap();
        tool.provide(&text);
        differ.extend(tool.compare(&path.display().to_string(), &text, &board, configuration));
        let (accepts, said) = tool.verdict(&text, configuration);
        assert!(accepts, "{}: {said}", path.display());
    }
    assert_none(&differ);
}

#[test]
fn both_reject_what_breaks_a_rule() {
    let Some(tool) = Tool::find() else { return };
    let cases = root().join("tools/sdf/tests/rules");
    fs::create_dir_all(tool.files()).unwrap();
    for entry in fs::read_dir(cases.join("files")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, tool.files().join(path.file_name().unwrap())).unwrap();
    }
    let mut differ = Vec::new();
    for entry in fs::read_dir(cases.join("cases")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        differ.extend(tool.compare(&name, &text, &Board::x86_64_generic_vtx(), "release"));
    }
    assert_none(&differ);
}

/// Values that an attribute may have by mistake.
const WRONG: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "3",
    "61",
    "62",
    "107",
    "108",
    "128",
    "129",
    "254",
    "255",
    "256",
    "0x",
    "0X10",
    "1_000",
    "4096",
    "0x1001",
    "0x1000_0000_0000",
    "18446744073709551616",
    "true",
    "false",
    "yes",
    "r",
    "w",
    "rwx",
    "rr",
    "edge",
    "vmm",
    "hpet",
    "00:1f.7",
    "100:0.0",
    "serial_virt",
    " 1",
    "10 us",
];

/// The default system with one attribute left out, or with another value.
fn mutants(text: &str) -> Vec<(String, String)> {
    let document = roxmltree::Document::parse(text).unwrap();
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            // One element of a kind and domain stands for the others.
            let parent = node.parent_element().map(|parent| parent.tag_name().name().to_owned());
            if !seen.insert((parent, node.tag_name().name(), attribute.name())) {
                continue;
            }
            let name = format!("{}.{}", node.tag_name().name(), attribute.name());
            let mut without = text.to_owned();
            without.replace_range(attribute.range(), "");
            all.push((format!("without {name}"), without));
            for value in WRONG {
                let mut other = text.to_owned();
                other.replace_range(attribute.range_value(), value);
                all.push((format!("{name}=\"{value}\""), other));
            }
        }
        if seen.insert((None, node.tag_name().name(), "")) && node.parent_element().is_some() {
            let mut without = text.to_owned();
            without.replace_range(node.range(), "");
            all.push((format!("without {}", node.tag_name().name()), without));
            let mut twice = text.to_owned();
            twice.insert_str(node.range().end, &text[node.range()]);
            all.push((format!("{} twice", node.tag_name().name()), twice));
        }
    }
    all
}

#[test]
fn both_judge_alike_what_differs_from_a_description_by_one_mistake() {
    let Some(tool) = Tool::find() else { return };
    let mut differ = Vec::new();
    let mut count = 0;
    for (path, board, configuration) in descriptions() {
        // The others have no attribute that these have not.
        let name = path.display().to_string();
        if !name.ends_with("system.xml") && !name.contains("docs/examples") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        tool.provide(&text);
        for (mistake, text) in mutants(&text) {
            count += 1;
            differ.extend(tool.compare(&mistake, &text, &board, configuration));
        }
    }
    assert!(count > 1000, "{count} mistakes were made");
    assert_none(&differ);
}
