//! Figures as text: one JSON object a line, to be kept and compared.

use std::{collections::BTreeSet, fs::File, io::Read, path::Path};

use bulkhead_host::{file, replace};

use serde::{Deserialize, Serialize};
use serde_json::Number;

use crate::{BenchError, Figure, Place};

/// Largest file of figures that is read: thousands of times what is written.
const FILE_MAX: u64 = 4 << 20;

/// Longest name of a figure or unit.
const NAME_MAX: usize = 64;

/// One figure as it is written. More fields may follow in files of other
/// versions; they are skipped.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Which figure.
    pub name: String,
    /// What it counts.
    pub unit: String,
    /// Measured: the median, where there are samples.
    pub value: Number,
    /// The most that it should be, or nothing.
    pub budget: Option<Number>,
    /// Where it was measured.
    pub board: String,
    /// How the kernel was configured.
    #[serde(default = "configuration")]
    pub configuration: String,
    /// What ran it.
    #[serde(default = "machine")]
    pub machine: String,
    /// What libvmm takes there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libvmm: Option<Number>,
    /// The least that it could be, measured by the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Number>,
    /// Least and greatest sample, and how many there were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// See `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// See `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Number>,
    /// Version of the Linux that ran, if one did: figures hold for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linux: Option<String>,
}

/// What a file says that was written before there was a choice.
fn configuration() -> String {
    "release".into()
}

/// The same of the machine.
fn machine() -> String {
    Place::MACHINE.into()
}

/// Whole where it can be: `1123` rather than `1123.0`. Nothing where it is no
/// number.
fn number(value: f64) -> Option<Number> {
    /// Whole numbers up to here are exact in an `f64`.
    const EXACT: f64 = (1u64 << 53) as f64;
    if value.fract() == 0.0 && (0.0..EXACT).contains(&value) {
        return Some(Number::from(value as u64));
    }
    Number::from_f64(value)
}

impl Record {
    fn of(figure: &Figure, place: &Place, linux: Option<&str>) -> Option<Record> {
        let samples = figure.samples.as_ref();
        Some(Record {
            name: figure.spec.name.into(),
            unit: figure.spec.unit.name().into(),
            value: number(figure.value)?,
            budget: figure.spec.budget.and_then(number),
            board: place.board.name().into(),
            configuration: place.configuration.clone(),
            machine: place.machine.into(),
            libvmm: figure.spec.libvmm.and_then(number),
            floor: figure.floor.and_then(number),
            min: samples.map(|s| s.min().into()),
            max: samples.map(|s| s.max().into()),
            samples: samples.map(|s| s.count().into()),
            linux: linux.map(str::to_owned),
        })
    }

    /// Whether it was measured there.
    pub fn is_from(&self, place: &Place) -> bool {
        self.board == place.board.name()
            && self.configuration == place.configuration
            && self.machine == place.machine
    }

    /// The measured value.
    pub fn value(&self) -> f64 {
        // The parser gave no other numbers than those an `f64` holds.
        self.value.as_f64().unwrap_or(f64::NAN)
    }

    /// What is wrong with one that was read, if anything.
    fn fault(&self) -> Option<String> {
        let plain = |text: &str| {
            (1..=NAME_MAX).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(&b))
        };
        let words = [
            ("name", Some(&self.name)),
            ("unit", Some(&self.unit)),
            ("board", Some(&self.board)),
            ("configuration", Some(&self.configuration)),
            ("machine", Some(&self.machine)),
            ("linux", self.linux.as_ref()),
        ];
        for (field, text) in words {
            if text.is_some_and(|text| !plain(text)) {
                return Some(format!(
                    "`{field}` must be 1 to {NAME_MAX} letters, digits, `_`, `-`, `.` or spaces"
                ));
            }
        }
        let value = self.value();
        (!value.is_finite() || value < 0.0).then(|| "`value` must be 0 or more".into())
    }
}

/// Writes figures to a file, whole or not at all; `place` is where they were
/// measured, `linux` the version of the Linux that ran.
///
/// # Errors
/// The file cannot be written.
pub fn write(
    path: &Path,
    figures: &[Figure],
    place: &Place,
    linux: Option<&str>,
) -> Result<(), BenchError> {
    let mut text = String::new();
    for record in figures.iter().filter_map(|figure| Record::of(figure, place, linux)) {
        // A record has no map with keys that are not text, so it always encodes.
        if let Ok(line) = serde_json::to_string(&record) {
            text += &line;
            text.push('\n');
        }
    }
    Ok(replace(path, text.as_bytes())?)
}

/// Reads figures of an earlier run.
///
/// # Errors
/// The file cannot be read, is none, or holds a line that is no figure.
pub fn read(path: &Path) -> Result<Vec<Record>, BenchError> {
    let unreadable = |source| BenchError::from(file("read", path)(source));
    let refuse =
        |line: usize, reason: String| BenchError::Record { path: path.to_owned(), line, reason };
    let mut bytes = Vec::new();
    // What a file says of its length is not to be trusted: it may be a device.
    let open = File::open(path).map_err(unreadable)?;
    open.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(refuse(1, format!("the file is longer than {} MiB", FILE_MAX >> 20)));
    }
    let mut records: Vec<Record> = Vec::new();
    let mut names = BTreeSet::new();
    for (n, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let record: Record = serde_json::from_slice(line).map_err(|error| {
            refuse(n + 1, format!("{error}").replace(" at line 1 column", " at column"))
        })?;
        if let Some(fault) = record.fault() {
            return Err(refuse(n + 1, fault));
        }
        let place = [&record.board, &record.configuration, &record.machine].map(Clone::clone);
        if !names.insert((record.name.clone(), place)) {
            return Err(refuse(n + 1, format!("`{}` is here a second time", record.name)));
        }
        records.push(record);
    }
    if records.is_empty() {
        return Err(BenchError::Empty { path: path.to_owned() });
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::{Board, Samples, figure::CATALOGUE};

    fn figure(name: &str, value: f64) -> Figure {
        let spec = *CATALOGUE.iter().find(|spec| spec.name == name).unwrap();
        Figure { spec, value, floor: Some(1100.0), samples: Samples::new(vec![1, 2, 3]) }
    }

    fn place() -> Place {
        let (configuration, kernel) = ("release".into(), "seL4".into());
        Place { board: Board::Bochs, configuration, kernel, machine: "bochs" }
    }

    fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.json");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_back_one_object_a_line() {
        let (_folder, path) = file(b"old");
        write(
            &path,
            &[figure("cpuid_exit", 1300.0), figure("timer_latency", 0.5)],
            &place(),
            Some("6.1.0-1-amd64"),
        )
        .unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().next().unwrap(),
            "{\"name\":\"cpuid_exit\",\"unit\":\"ticks\",\"value\":1300,\"budget\":1550,\
             \"board\":\"bochs\",\"configuration\":\"release\",\"machine\":\"bochs\",\"floor\":1100,\"min\":1,\"max\":3,\"samples\":3,\"linux\":\"6.1.0-1-amd64\"}"
        );
        let records = read(&path).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[1].value(), 0.5);
        assert!(records[0].is_from(&place()));
        assert!(!records[0].is_from(&Place { board: Board::Sdk, ..place() }));
        assert!(!records[0].is_from(&Place { configuration: "debug".into(), ..place() }));
    }

    #[test]
    fn a_file_from_before_there_was_a_choice_is_the_embedded_boards_release() {
        let (_folder, path) =
            file(br#"{"name":"a","unit":"ticks","value":1,"budget":null,"board":"bochs"}"#);
        assert!(read(&path).unwrap()[0].is_from(&place()));
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_reason() {
        let good = br#"{"name":"a","unit":"ticks","value":1,"budget":null,"board":"bochs"}"#;
        for (bad, reason) in [
            (&b"{"[..], "EOF"),
            (b"[]", "invalid length"),
            (br#"{"name":"b","unit":"ticks","budget":1,"board":"x"}"#, "missing field `value`"),
            (br#"{"name":"b","unit":"ticks","value":-1,"budget":1,"board":"x"}"#, "0 or more"),
            (br#"{"name":"b","unit":"ticks","value":1e999,"budget":1,"board":"x"}"#, "out of range"),
            (b"{\"name\":\"\\u001b[2J\",\"unit\":\"t\",\"value\":1,\"budget\":1,\"board\":\"x\"}", "`name` must be"),
            (good, "a second time"),
            (b"\xff\xfe", "expected value"),
        ] {
            let (_folder, path) = file(&[&good[..], b"\n\n", bad].concat());
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("line 3"), "{error}");
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("longer than 4 MiB"), "{error}");
    }

    #[test]
    fn a_file_without_figures_is_refused() {
        let (_folder, path) = file(b"\n\n");
        assert!(matches!(read(&path), Err(BenchError::Empty { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_failing(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (_folder, path) = file(&bytes);
            let _ = read(&path);
        }
    }
}
