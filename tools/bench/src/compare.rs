//! What changed since an earlier run. Less is better in every figure.

use crate::{Figure, Place, Record, Unit};

/// How a figure stands to what it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The very same.
    Same,
    /// Less.
    Better,
    /// More.
    Worse,
    /// It was not measured then.
    New,
    /// It was not measured now.
    Gone,
    /// It counted something else.
    Incomparable,
}

/// One figure, then and now.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// Which.
    pub name: String,
    /// What it counts now, or counted then in words.
    pub unit: Option<Unit>,
    /// Then.
    pub old: Option<f64>,
    /// Now.
    pub new: Option<f64>,
    /// What came of it.
    pub verdict: Verdict,
}

impl Change {
    /// By how much it changed, as a part of what it was.
    pub fn part(&self) -> Option<f64> {
        let (old, new) = (self.old?, self.new?);
        (old > 0.0).then(|| (new - old) / old)
    }
}

/// All of them: this run's in their order, then those that are gone.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// Each figure of either run.
    pub changes: Vec<Change>,
    /// The version of Linux that ran then, if another runs now.
    pub other_linux: Option<String>,
    /// Boards, configurations and machines of figures that were measured
    /// elsewhere, which are left alone.
    pub elsewhere: Vec<String>,
}

impl Comparison {
    /// How many have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.changes.iter().filter(|change| change.verdict == verdict).count()
    }
}

/// Compares what was measured in `place` then and now. A figure that was
/// `left_out` of this run on purpose is not gone.
pub fn compare(
    old: &[Record],
    new: &[Figure],
    place: &Place,
    linux: Option<&str>,
    left_out: impl Fn(&str) -> bool,
) -> Comparison {
    let (old, others): (Vec<&Record>, Vec<&Record>) =
        old.iter().partition(|record| record.is_from(place));
    let mut elsewhere: Vec<String> = others
        .iter()
        .map(|record| format!("{} ({}) in {}", record.board, record.configuration, record.machine))
        .collect();
    elsewhere.dedup();
    let mut changes: Vec<Change> = new
        .iter()
        .map(|figure| {
            let was = old.iter().find(|record| record.name == figure.spec.name);
            let verdict = match was {
                None => Verdict::New,
                Some(was) if was.unit != figure.spec.unit.name() => Verdict::Incomparable,
                Some(was) if figure.value < was.value() => Verdict::Better,
                Some(was) if figure.value > was.value() => Verdict::Worse,
                Some(_) => Verdict::Same,
            };
            Change {
                name: figure.spec.name.into(),
                unit: Some(figure.spec.unit),
                old: was.filter(|_| verdict != Verdict::Incomparable).map(|was| was.value()),
                new: Some(figure.value),
                verdict,
            }
        })
        .collect();
    for was in old.iter().filter(|was| !left_out(&was.name)) {
        if !new.iter().any(|figure| figure.spec.name == was.name) {
            changes.push(Change {
                name: was.name.clone(),
                unit: None,
                old: Some(was.value()),
                new: None,
                verdict: Verdict::Gone,
            });
        }
    }
    let then = old.iter().find_map(|record| record.linux.as_deref());
    let other_linux = match (then, linux) {
        (Some(then), Some(now)) if then != now => Some(then.to_owned()),
        _ => None,
    };
    Comparison { changes, other_linux, elsewhere }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Board, figure::CATALOGUE};

    fn place() -> Place {
        let (configuration, kernel) = ("release".into(), "seL4".into());
        Place { board: Board::Bochs, configuration, kernel, machine: "bochs" }
    }

    fn figure(name: &str, value: f64) -> Figure {
        let spec = *CATALOGUE.iter().find(|spec| spec.name == name).unwrap();
        Figure { spec, value, floor: None, samples: None }
    }

    fn record(name: &str, unit: &str, value: u64) -> Record {
        Record {
            name: name.into(),
            unit: unit.into(),
            value: value.into(),
            budget: None,
            board: "bochs".into(),
            configuration: "release".into(),
            machine: "bochs".into(),
            libvmm: None,
            floor: None,
            min: None,
            max: None,
            samples: None,
            linux: Some("6.1.0".into()),
        }
    }

    #[test]
    fn another_linux_is_noticed() {
        let old = [record("cpuid_exit", "ticks", 1)];
        let with = |linux| compare(&old, &[], &place(), linux, |_| true).other_linux;
        assert_eq!(with(Some("6.2.0")), Some("6.1.0".into()));
        assert_eq!(with(Some("6.1.0")), None);
        assert_eq!(with(None), None);
    }

    #[test]
    fn boards_are_not_mixed() {
        let old = [
            Record { board: "x86_64_generic_vtx".into(), ..record("cpuid_exit", "ticks", 1) },
            Record { board: "x86_64_generic_vtx".into(), ..record("other", "ticks", 1) },
            Record { configuration: "debug".into(), ..record("wake_latency", "ticks", 1) },
        ];
        let comparison = compare(&old, &[figure("cpuid_exit", 2.0)], &place(), None, |_| false);
        assert_eq!(comparison.changes.len(), 1);
        assert_eq!(comparison.changes[0].verdict, Verdict::New);
        assert_eq!(
            comparison.elsewhere,
            ["x86_64_generic_vtx (release) in bochs", "bochs (debug) in bochs"]
        );
    }

    #[test]
    fn each_figure_gets_its_verdict() {
        let old = [
            record("cpuid_exit", "ticks", 1000),
            record("port_read_exit", "ticks", 1000),
            record("port_write_exit", "ticks", 1000),
            record("mmio_read_exit", "seconds", 1000),
            record("something_else", "ticks", 7),
        ];
        let new = [
            figure("cpuid_exit", 1000.0),
            figure("port_read_exit", 900.0),
            figure("port_write_exit", 1100.0),
            figure("mmio_read_exit", 1100.0),
            figure("x2apic_read_exit", 1.0),
        ];
        let comparison = compare(&old, &new, &place(), None, |_| false);
        let verdicts: Vec<Verdict> = comparison.changes.iter().map(|c| c.verdict).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::Same,
                Verdict::Better,
                Verdict::Worse,
                Verdict::Incomparable,
                Verdict::New,
                Verdict::Gone
            ]
        );
        assert_eq!(comparison.changes[2].part(), Some(0.1));
        assert_eq!(comparison.changes[3].part(), None);
        assert_eq!(compare(&old, &new, &place(), None, |_| true).count(Verdict::Gone), 0);
    }
}
