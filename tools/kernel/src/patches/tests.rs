use super::*;
use proptest::prelude::*;

const HEADER: &str =
    "Topic: test.\nSPDX-License-Identifier: GPL-2.0-only\n\n--- a/f.c\n+++ b/f.c\n";

fn parse(body: &str) -> Result<Patch, KernelError> {
    Patch::parse("t.patch".into(), &format!("{HEADER}{body}"), Place::Exact)
}

fn apply(body: &str, text: &str) -> Result<String, KernelError> {
    let patch = parse(body)?;
    patch.apply(&patch.changes[0], text)
}

fn message<T>(result: Result<T, KernelError>) -> String {
    result.err().expect("must be refused").to_string()
}

#[test]
fn hunks_replace_what_they_name() {
    let body =
        "@@ -1,3 +1,4 @@ int f(void)\n one\n-two\n+2\n+2.5\n three\n@@ -5,2 +6 @@\n-five\n six\n";
    assert_eq!(
        apply(body, "one\ntwo\nthree\nfour\nfive\nsix\n").unwrap(),
        "one\n2\n2.5\nthree\nfour\nsix\n"
    );
}

#[test]
fn a_hunk_that_would_fit_elsewhere_does_not_apply() {
    let body = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
    assert_eq!(
        message(apply(body, "zero\none\ntwo\n")),
        "t.patch:7: does not apply to f.c line 1: expected `one`, found `zero`"
    );
}

#[test]
fn a_hunk_for_one_place_finds_it_and_takes_no_other() {
    let text = format!("{HEADER}@@ -1,2 +1,2 @@\n one\n-two\n+2\n");
    let patch = Patch::parse("t.patch".into(), &text, Place::Unique).unwrap();
    let apply = |text: &str| patch.apply(&patch.changes[0], text);
    assert_eq!(apply("zero\none\ntwo\n").unwrap(), "zero\none\n2\n");
    assert!(message(apply("one\nthree\n")).contains("no place has"));
    assert!(message(apply("one\ntwo\none\ntwo\n")).contains("line 3: a second place has"));
}

#[test]
fn context_must_match_to_the_blank() {
    let body = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
    assert_eq!(
        message(apply(body, "one\ntwo \n")),
        "t.patch:8: does not apply to f.c line 2: expected `two`, found `two `"
    );
    assert_eq!(
        message(apply(body, "one\n")),
        "t.patch:8: does not apply to f.c line 2: expected `two`, found the end of the file"
    );
}

#[test]
fn hunks_must_be_in_order_and_inside_the_file() {
    let backwards = "@@ -3 +3 @@\n-c\n+C\n@@ -1 +1 @@\n-a\n+A\n";
    assert!(message(apply(backwards, "a\nb\nc\n")).contains("before the end of the last one"));
    let outside = "@@ -9 +9 @@\n-c\n+C\n";
    assert!(message(apply(outside, "a\n")).contains("outside the file"));
}

#[test]
fn counts_are_held_to() {
    let short = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n";
    assert_eq!(message(parse(short)), "t.patch:6: the hunk is shorter than it says");
    let long = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n three\n";
    assert_eq!(
        message(parse(long)),
        "t.patch:10: the hunk before this line is longer than it says"
    );
    let lopsided = "@@ -1,2 +1 @@\n one\n+2\n-two\n";
    assert_eq!(message(parse(lopsided)), "t.patch:8: the hunk is longer than it says");
}

#[test]
fn headers_are_held_to() {
    let refused = |text: &str| message(Patch::parse("t.patch".into(), text, Place::Exact));
    assert!(refused("Topic: none\n").contains("nothing to apply"));
    assert!(refused("--- a/f\n@@ -1 +1 @@\n").contains("without `+++`"));
    assert!(refused("--- a/f\n+++ b/g\n@@ -1 +1 @@\n-a\n+b\n").contains("two files"));
    assert!(
        refused("--- a/../f\n+++ b/../f\n@@ -1 +1 @@\n-a\n+b\n").contains("outside the source")
    );
    assert!(
        refused("--- /dev/null\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n").contains("does not begin with")
    );
    assert!(refused("--- a/f\n+++ b/f\n").contains("no hunk for f"));
    assert!(refused("@@ -1 +1 @@\n-a\n+b\n").contains("before any file name"));
    assert!(message(parse("@@ -x +1 @@\n")).contains("is no hunk header"));
    assert!(message(parse("@@ -0,0 +1 @@\n+a\n")).contains("is no hunk header"));
    assert!(message(parse("@@ -1 +1 @@\n*a\n")).contains("is no line of a hunk"));
}

#[test]
fn the_project_s_own_patches_say_why_and_under_which_licence() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let series = Series::read(&workspace).unwrap();
    assert!(!series.patches.is_empty());
    for patch in &series.patches {
        for heading in ["Topic: ", "Symptom: ", "Cause: ", "SPDX-License-Identifier: GPL-2.0-only"]
        {
            let has = patch.text.lines().any(|line| line.starts_with(heading));
            assert!(has, "{} lacks `{heading}`", patch.path.display());
        }
    }
}

proptest! {
    /// Whatever a hunk says of a file, applying it gives that, or an error.
    #[test]
    fn a_patch_made_from_two_texts_makes_one_from_the_other(
        before in proptest::collection::vec("[a-c ]{0,3}", 1..12),
        from in 0usize..12,
        removed in 1usize..4,
        added in proptest::collection::vec("[a-c ]{0,3}", 0..4),
    ) {
        let from = from.min(before.len() - 1);
        let to = (from + removed).min(before.len());
        let mut body = format!("@@ -{},{} +{},{} @@\n", from + 1, to - from, from + 1, added.len());
        before[from..to].iter().for_each(|line| body.push_str(&format!("-{line}\n")));
        added.iter().for_each(|line| body.push_str(&format!("+{line}\n")));
        let mut after = before.clone();
        after.splice(from..to, added);
        let text = |lines: &[String]| lines.join("\n") + "\n";
        prop_assert_eq!(apply(&body, &text(&before)).unwrap(), text(&after));
    }

    #[test]
    fn no_patch_text_makes_the_parser_panic(text in "([-+@ ab]{0,6}(---|@@ -1,2 \\+1 @@|\\+\\+\\+)?[/ab]{0,3}\n){0,12}") {
        if let Ok(patch) = Patch::parse("t.patch".into(), &text, Place::Exact) {
            for change in &patch.changes {
                let _ = patch.apply(change, "a\nb\n");
            }
        }
    }
}
