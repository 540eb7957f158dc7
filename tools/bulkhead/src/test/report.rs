//! Reads what `cargo test` prints, line by line.
//!
//! Cargo writes the name of each test program to standard error and the
//! program its results to standard output; both go into one pipe here, so that
//! their order holds.

use anstream::adapter::strip_str;

/// What the test runner counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were left out on request of their author.
    pub ignored: u64,
}

impl Counts {
    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
        }
    }
}

/// Something worth showing.
#[derive(PartialEq, Eq, Debug)]
pub enum News {
    /// The compiler is at work on this.
    Compiling(String),
    /// A test program begins.
    Begins(String),
    /// A test program is over; its own line of results as it was.
    Over {
        /// The program.
        program: String,
        /// What it counted.
        counts: Counts,
        /// Its line of results.
        line: String,
        /// What it printed, if a test failed.
        output: Vec<String>,
    },
}

/// Takes lines, gives news.
#[derive(Default)]
pub struct Reader {
    program: Option<String>,
    lines: Vec<String>,
}

impl Reader {
    /// Takes a line.
    pub fn push(&mut self, line: &str) -> Option<News> {
        let plain = strip_str(line).to_string();
        let words = plain.trim_start();
        if let Some(package) = words.strip_prefix("Compiling ") {
            return Some(News::Compiling(package.to_owned()));
        }
        // Cargo indents its own lines; a test's output may hold such words too,
        // but not in this form.
        if plain.starts_with(' ')
            && let Some(program) = program(words)
        {
            self.lines.clear();
            self.program = Some(program.clone());
            return Some(News::Begins(program));
        }
        if let Some(counts) = results(&plain)
            && let Some(program) = self.program.take()
        {
            let output = std::mem::take(&mut self.lines);
            let output = if counts.failed > 0 { output } else { Vec::new() };
            return Some(News::Over { program, counts, line: plain, output });
        }
        self.lines.push(line.to_owned());
        None
    }

    /// What was printed since the last program began or ended: compiler
    /// errors, or the last words of a program that ended without results.
    pub fn rest(self) -> (Option<String>, Vec<String>) {
        (self.program, self.lines)
    }
}

/// `Running unittests src/lib.rs (target/debug/deps/vmm_core-0123456789abcdef)`
/// and `Doc-tests vmm_core`.
fn program(words: &str) -> Option<String> {
    if let Some(package) = words.strip_prefix("Doc-tests ") {
        return Some(format!("{} (documentation)", package.replace('_', "-")));
    }
    let (what, path) = words.strip_prefix("Running ")?.split_once(" (")?;
    let file = path.strip_suffix(')')?.rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name).replace('_', "-");
    match what.strip_prefix("tests/") {
        Some(test) => Some(format!("{} (integration)", test.trim_end_matches(".rs"))),
        None => Some(name),
    }
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; ...`
fn results(line: &str) -> Option<Counts> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let number = |what: &str| {
        let part = counts.split("; ").find_map(|part| part.strip_suffix(what))?;
        part.trim().parse().ok()
    };
    Some(Counts {
        passed: number(" passed")?,
        failed: number(" failed")?,
        ignored: number(" ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_followed_from_its_name_to_its_results() {
        let mut reader = Reader::default();
        assert_eq!(
            reader.push("   Compiling vmm-core v0.1.0 (/x)"),
            Some(News::Compiling("vmm-core v0.1.0 (/x)".into()))
        );
        assert_eq!(
            reader.push("\x1b[1m\x1b[32m     Running\x1b[0m unittests src/lib.rs (target/debug/deps/vmm_core-e4d9)"),
            Some(News::Begins("vmm-core".into()))
        );
        assert_eq!(reader.push("running 2 tests"), None);
        assert_eq!(reader.push("test a ... FAILED"), None);
        let line = "test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let Some(News::Over { program, counts, line: shown, output }) = reader.push(line) else {
            panic!("not the end of a program");
        };
        assert_eq!(program, "vmm-core");
        assert_eq!(counts, Counts { passed: 1, failed: 1, ignored: 3 });
        assert_eq!(shown, line);
        assert_eq!(output, ["running 2 tests", "test a ... FAILED"]);
    }

    #[test]
    fn a_program_that_dies_leaves_its_last_words() {
        let mut reader = Reader::default();
        reader.push("     Running tests/boot.rs (target/debug/deps/boot-77)");
        reader.push("thread 'x' has overflowed its stack");
        let (program, lines) = reader.rest();
        assert_eq!(program.as_deref(), Some("boot (integration)"));
        assert_eq!(lines, ["thread 'x' has overflowed its stack"]);
    }

    #[test]
    fn a_line_of_results_in_a_tests_own_output_is_not_counted_twice() {
        let mut reader = Reader::default();
        let line = "test result: ok. 9 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(reader.push(line), None, "no program is running");
    }

    #[test]
    fn documentation_tests_are_named() {
        assert_eq!(
            Reader::default().push("   Doc-tests bulkhead_machine"),
            Some(News::Begins("bulkhead-machine (documentation)".into()))
        );
    }
}
