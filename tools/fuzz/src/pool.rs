//! Many inputs of many targets, on every processor.
//!
//! The work is cut into chunks of runs; threads take the next one. A watch over
//! the threads finds an input that does not end.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    Target,
    engine::{self, Failure},
};

/// Runs of one target that a thread does at a time.
const CHUNK: u64 = 250;

/// An input that takes longer than this does not end: the slowest takes some
/// milliseconds, and a busy machine makes that tenths of a second.
const ENDLESS: Duration = Duration::from_secs(60);

/// How often the watch looks.
const WATCH: Duration = Duration::from_millis(100);

/// A target and what is to be done with it.
pub struct Job<'a> {
    /// The target.
    pub target: &'a Target,
    /// What its inputs are made from; they are run too.
    pub inputs: Vec<Vec<u8>>,
    /// How many inputs to make.
    pub runs: u64,
}

/// A failing input.
#[derive(Clone, Debug)]
pub struct Found {
    /// The input.
    pub input: Vec<u8>,
    /// How it fails.
    pub failure: Failure,
}

/// What came of a job.
#[derive(Debug, Default)]
pub struct Report {
    /// Inputs that were run.
    pub runs: u64,
    /// Time that threads spent on them.
    pub busy: Duration,
    /// The first failure in the order of the runs, of those that were found.
    pub found: Option<Found>,
}

/// One piece of work: a job, and the indices of runs. Inputs that are there
/// come before those that are made.
struct Piece {
    job: usize,
    runs: std::ops::Range<u64>,
}

struct State {
    runs: AtomicU64,
    busy: AtomicU64,
    failed: AtomicBool,
    found: Mutex<Option<(u64, Found)>>,
}

/// What a thread is at.
struct Seat {
    now: Mutex<Option<(Instant, usize, Vec<u8>)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn total(job: &Job<'_>) -> u64 {
    job.inputs.len() as u64 + job.runs
}

/// An input that does not end.
pub struct Endless {
    /// Which job's.
    pub job: usize,
    /// The input.
    pub input: Vec<u8>,
}

/// Does all jobs with so many threads. `progress` is told how many runs are
/// done, several times a second.
///
/// # Errors
/// An input that does not end; its thread is left running, so the process must
/// end soon.
pub fn work(
    jobs: &'static [Job<'static>],
    seed: u64,
    threads: usize,
    progress: &dyn Fn(u64),
) -> Result<Vec<Report>, Endless> {
    let shared: &'static Shared = Box::leak(Box::new(Shared::new(jobs, threads)));
    let handles: Vec<_> =
        (0..threads).map(|seat| thread::spawn(move || shared.run(jobs, seed, seat))).collect();
    while handles.iter().any(|handle| !handle.is_finished()) {
        thread::sleep(WATCH);
        progress(shared.states.iter().map(|s| s.runs.load(Ordering::Relaxed)).sum());
        for seat in &shared.seats {
            if let Some((since, job, input)) = &*lock(&seat.now)
                && since.elapsed() > ENDLESS
            {
                return Err(Endless { job: *job, input: input.clone() });
            }
        }
    }
    Ok(shared.states.iter().map(State::report).collect())
}

struct Shared {
    pieces: Vec<Piece>,
    next: AtomicUsize,
    states: Vec<State>,
    seats: Vec<Seat>,
}

impl Shared {
    fn new(jobs: &[Job<'_>], threads: usize) -> Self {
        let mut pieces = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let mut start = 0;
            while start < total(job) {
                let end = (start + CHUNK).min(total(job));
                pieces.push(Piece { job: index, runs: start..end });
                start = end;
            }
        }
        let state = |_: &Job<'_>| State {
            runs: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            found: Mutex::new(None),
        };
        Shared {
            pieces,
            next: AtomicUsize::new(0),
            states: jobs.iter().map(state).collect(),
            seats: (0..threads).map(|_| Seat { now: Mutex::new(None) }).collect(),
        }
    }

    fn run(&self, jobs: &[Job<'_>], seed: u64, seat: usize) {
        while let Some(piece) = self.pieces.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let (job, state) = (&jobs[piece.job], &self.states[piece.job]);
            let since = Instant::now();
            for index in piece.runs.clone() {
                if state.failed.load(Ordering::Relaxed) {
                    break;
                }
                self.one(job, state, seed, index, (seat, piece.job));
            }
            let busy = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
            state.busy.fetch_add(busy, Ordering::Relaxed);
        }
    }

    fn one(&self, job: &Job<'_>, state: &State, seed: u64, index: u64, at: (usize, usize)) {
        let (seat, number) = at;
        let given = usize::try_from(index).ok().and_then(|n| job.inputs.get(n)).cloned();
        let input = given.unwrap_or_else(|| {
            engine::make(job.target, &job.inputs, seed, index - job.inputs.len() as u64)
        });
        *lock(&self.seats[seat].now) = Some((Instant::now(), number, input.clone()));
        let result = engine::run(job.target, &input);
        *lock(&self.seats[seat].now) = None;
        state.runs.fetch_add(1, Ordering::Relaxed);
        if let Err(failure) = result {
            state.failed.store(true, Ordering::Relaxed);
            let mut found = lock(&state.found);
            if found.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                *found = Some((index, Found { input, failure }));
            }
        }
    }
}

impl State {
    fn report(&self) -> Report {
        Report {
            runs: self.runs.load(Ordering::Relaxed),
            busy: Duration::from_micros(self.busy.load(Ordering::Relaxed)),
            found: lock(&self.found).as_ref().map(|(_, found)| found.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COUNTED: AtomicU64 = AtomicU64::new(0);
    static COUNTS: Target = Target::new("counts", "nothing", |_| {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    });
    static FAILS: Target = Target::new("fails", "no input of three bytes", |bytes| {
        assert_ne!(bytes.len(), 3);
    });

    #[test]
    fn every_input_is_run_once_and_a_failure_stops_only_its_target() {
        let inputs = vec![vec![1, 2], vec![1, 2, 3]];
        let jobs = vec![
            Job { target: &COUNTS, inputs: inputs.clone(), runs: 1000 },
            Job { target: &FAILS, inputs, runs: 1000 },
        ];
        let Ok(reports) = work(Vec::leak(jobs), 1, 3, &|_| {}) else { panic!("endless") };
        assert_eq!(COUNTED.load(Ordering::Relaxed), 1002);
        assert_eq!(reports[0].runs, 1002);
        assert!(reports[0].found.is_none());
        assert_eq!(reports[1].found.as_ref().map(|f| f.input.len()), Some(3));
    }
}
