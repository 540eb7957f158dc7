//! The domain over a model of its hardware and with clients at the other end
//! of shared memory.

mod model;

use deadline::{ClientWord, Frequency, Notify, Sleeper, Tsc};
use model::{FS_PER_NS, Machine, Shared};
use proptest::prelude::*;
use shmem::{ReadWrite, Region};
use timer_core::calibrate::{CalibrationError, calibrate};
use timer_core::hpet::{Hpet, HpetError, MIN_DELAY, Register, Registers};
use timer_core::{CLIENTS_MAX, MIN_GAP_NS, Timer};

const MS: u128 = 1_000_000 * FS_PER_NS;

fn frequency(hz: u64) -> Frequency {
    Frequency::new(hz).unwrap()
}

#[test]
fn what_is_not_a_usable_hpet_is_refused() {
    let start = |change: &dyn Fn(&mut Machine)| {
        let mut machine = Machine::new(10_000_000, 100_000_000);
        change(&mut machine);
        Hpet::start(Shared::new(machine)).map(|_| ())
    };
    assert_eq!(start(&|_| ()), Ok(()));
    let absent = |capabilities| Err(HpetError::Absent { capabilities });
    assert_eq!(start(&|m| m.capabilities = u32::MAX), absent(u32::MAX));
    assert_eq!(start(&|m| m.capabilities = 0), absent(0));
    assert_eq!(start(&|m| m.capabilities &= !(1 << 15)), Err(HpetError::NoLegacyReplacement));
    for femtoseconds in [0, 999_999, 100_000_001, u32::MAX] {
        assert_eq!(start(&|m| m.period_fs = femtoseconds), Err(HpetError::Period { femtoseconds }));
    }
}

#[test]
fn what_firmware_armed_is_silenced() {
    let machine = Shared::new(Machine::new(10_000_000, 100_000_000));
    let hpet = Hpet::start(machine.clone()).unwrap();
    machine.0.borrow_mut().spend(60_000 * MS);
    assert_eq!(machine.0.borrow().interrupts, 0);
    for n in [1, 2] {
        assert_eq!(machine.read(Register::TimerConfiguration(n)), 0);
    }
    drop(hpet);
}

#[test]
fn calibration_finds_a_round_frequency_exactly() {
    for (period, hz) in
        [(10_000_000, 100_000_000), (69_841_279, 2_400_000_000), (41_666_667, 3_000_000_000)]
    {
        let machine = Shared::new(Machine::new(period, hz));
        let hpet = Hpet::start(machine.clone()).unwrap();
        assert_eq!(calibrate(&hpet, || machine.read_tsc()), Ok(frequency(hz)));
        assert!(machine.0.borrow().time() < 15 * MS, "a few milliseconds");
    }
}

#[test]
fn a_counter_that_stands_still_is_named() {
    let mut machine = Machine::new(10_000_000, 100_000_000);
    machine.counter_runs = false;
    machine.access_fs = 0;
    let machine = Shared::new(machine);
    let hpet = Hpet::start(machine.clone()).unwrap();
    assert_eq!(calibrate(&hpet, || machine.read_tsc()), Err(CalibrationError::Stopped));
}

#[test]
fn a_measurement_that_is_disturbed_throughout_is_not_believed() {
    let machine = Shared::new(Machine::new(10_000_000, 100_000_000));
    let hpet = Hpet::start(machine.clone()).unwrap();
    let disturbed = || {
        machine.0.borrow_mut().spend(100_000 * FS_PER_NS);
        machine.read_tsc()
    };
    assert!(matches!(calibrate(&hpet, disturbed), Err(CalibrationError::Noisy { .. })));
}

#[test]
fn a_counter_that_outruns_every_value_is_named() {
    let mut machine = Machine::new(1_000_000, 100_000_000);
    machine.access_fs = 50 * MS;
    let mut hpet = Hpet::start(Shared::new(machine)).unwrap();
    assert_eq!(hpet.arm(0), Err(HpetError::Runaway));
}

proptest! {
    #[test]
    fn calibration_errs_by_less_than_one_part_in_ten_thousand(
        period in prop_oneof![Just(10_000_000u32), Just(69_841_279), 1_000_000u32..=100_000_000],
        hz in prop_oneof![Just(100_000_000u64), 50_000_000u64..5_000_000_000],
        access_ns in 20u32..10_000,
    ) {
        let mut machine = Machine::new(period, hz);
        machine.access_fs = u128::from(access_ns) * FS_PER_NS;
        let machine = Shared::new(machine);
        let hpet = Hpet::start(machine.clone()).unwrap();
        let found = calibrate(&hpet, || machine.read_tsc()).unwrap().hz();
        prop_assert!(found.abs_diff(hz) <= hz / 10_000, "{found} for {hz}");
    }

    /// However short the delay and slow the access, an armed comparator
    /// interrupts, not before its time and little after.
    #[test]
    fn an_armed_comparator_interrupts(delay in 0u32..5_000, access_ns in 1u32..20_000, period in 1_000_000u32..=100_000_000) {
        let mut machine = Machine::new(period, 1_000_000_000);
        let access = u128::from(access_ns) * FS_PER_NS;
        machine.access_fs = access;
        let machine = Shared::new(machine);
        let mut hpet = Hpet::start(machine.clone()).unwrap();
        let began = machine.0.borrow().time();
        hpet.arm(delay).unwrap();
        let tick = u128::from(period);
        // The margin doubles until two accesses fit into it.
        let bound = u128::from(delay.max(MIN_DELAY)) * tick + 40 * access + 4 * u128::from(MIN_DELAY) * tick;
        machine.0.borrow_mut().advance_to(began + bound);
        prop_assert!(machine.0.borrow().interrupts >= 1);
        // The counter may have been about to tick when it was read.
        prop_assert!(machine.0.borrow().time() + tick >= began + u128::from(delay) * tick);
    }
}

/// Clients, the timer domain and the kernel's part of an interrupt.
struct World {
    machine: Shared,
    timer: Timer<Shared>,
    clients: Vec<(Region<ReadWrite>, Sleeper)>,
    /// What each client waits for: its deadline, and when it set it.
    wanted: Vec<Option<(Tsc, Tsc)>>,
    woken: Vec<Vec<Tsc>>,
    slack: u64,
}

impl World {
    /// The time-stamp counter runs at `hz`, the timer believes `believed`.
    fn new(period: u32, hz: u64, believed: u64, access_ns: u32, clients: usize) -> Self {
        let mut machine = Machine::new(period, hz);
        machine.access_fs = u128::from(access_ns) * FS_PER_NS;
        let machine = Shared::new(machine);
        let regions: Vec<_> = (0..clients).map(|_| Region::host(4096)).collect();
        let words = regions.iter().map(|r| Some(ClientWord::new(&r.read_only()).unwrap()));
        let hpet = Hpet::start(machine.clone()).unwrap();
        let timer = Timer::new(hpet, frequency(believed), words);
        let clients =
            regions.into_iter().map(|r| (r.clone(), Sleeper::new(&r).unwrap())).collect::<Vec<_>>();
        // Arming takes a handful of accesses, and its margin some ticks more.
        let slack =
            4 * u128::from(MIN_DELAY) * u128::from(period) + 60 * u128::from(access_ns) * FS_PER_NS;
        let slack = machine.0.borrow().ticks(slack) + hz / 10_000;
        let count = clients.len();
        World {
            machine,
            timer,
            clients,
            wanted: vec![None; count],
            woken: vec![vec![]; count],
            slack,
        }
    }

    fn now(&self) -> Tsc {
        self.machine.0.borrow().tsc()
    }

    fn gap(&self) -> u64 {
        self.machine.0.borrow().ticks(u128::from(MIN_GAP_NS) * FS_PER_NS)
    }

    /// What the shell does on a notification, interrupt or not.
    fn notified(&mut self, by: Option<usize>) {
        let interrupt = std::mem::take(&mut self.machine.0.borrow_mut().pending);
        if interrupt {
            self.machine.0.borrow_mut().masked = false;
            self.timer.interrupted();
        }
        if let Some(client) = by {
            self.timer.look_at(client);
        }
        let now = self.machine.read_tsc();
        for client in self.timer.serve(now).unwrap().iter() {
            self.clients[client].1.woken();
            self.woken[client].push(now);
            let Some((at, set)) = self.wanted[client].take() else {
                panic!("client {client} was woken for nothing");
            };
            let previous =
                self.woken[client].iter().rev().nth(1).map_or(0, |p| p.0 + self.gap() + 1);
            let latest = at.0.max(set.0).max(previous) + self.slack;
            assert!(at <= now, "client {client} was woken early: {now:?} for {at:?}");
            assert!(
                now.0 <= latest,
                "client {client} was woken late: {now:?} for {at:?} set at {set:?}"
            );
        }
    }

    fn set(&mut self, client: usize, deadline: Option<Tsc>) {
        let now = self.now();
        self.wanted[client] = deadline.map(|at| (at, now));
        if self.clients[client].1.set(deadline, || now) == Notify::Needed {
            self.notified(Some(client));
        }
    }

    /// A client that notifies asks anew for what its word still says.
    fn poke(&mut self, client: usize) {
        let word = ClientWord::new(&self.clients[client].0.read_only()).unwrap().read();
        let now = self.now();
        self.wanted[client] = self.wanted[client].or(word.map(|at| (at, now)));
        self.notified(Some(client));
    }

    fn pass(&mut self, fs: u128) {
        let until = self.machine.0.borrow().time() + fs;
        loop {
            // One may have come while the domain was still busy.
            if self.machine.0.borrow().pending {
                self.notified(None);
            } else if self.machine.0.borrow_mut().advance_to(until) {
                break;
            }
        }
        let now = self.now();
        for (client, wanted) in self.wanted.iter().enumerate() {
            if let Some((at, set)) = wanted {
                let previous = self.woken[client].last().map_or(0, |p| p.0 + self.gap() + 1);
                let latest = at.0.max(set.0).max(previous) + self.slack;
                assert!(now.0 <= latest, "client {client} is not woken at {now:?} for {at:?}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A client sets a deadline so many nanoseconds ahead.
    Set(usize, u64),
    /// A client sets one that is past.
    SetPast(usize),
    /// A client takes its deadline back.
    Clear(usize),
    /// A client notifies for no reason.
    Poke(usize),
    /// So many nanoseconds pass.
    Pass(u64),
}

fn step(clients: usize) -> impl Strategy<Value = Step> {
    let span = || {
        prop_oneof![
            4 => 0u64..2_000,
            4 => 0u64..200_000,
            3 => 0u64..20_000_000,
            1 => 0u64..60_000_000_000,
        ]
    };
    prop_oneof![
        4 => (0..clients, span()).prop_map(|(c, s)| Step::Set(c, s)),
        1 => (0..clients).prop_map(Step::SetPast),
        1 => (0..clients).prop_map(Step::Clear),
        1 => (0..clients).prop_map(Step::Poke),
        5 => span().prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever clients set, in whatever order: nobody is woken early, nobody
    /// late beyond the stated bound, nobody for nothing.
    #[test]
    fn every_deadline_is_kept(
        steps in proptest::collection::vec(step(4), 1..80),
        (period, hz) in prop_oneof![
            Just((10_000_000u32, 100_000_000u64)),
            Just((69_841_279, 2_995_200_000)),
            (1_000_000u32..=100_000_000, 20_000_000u64..5_000_000_000),
        ],
        error in -40i64..=40,
        access_ns in 10u32..1_500,
    ) {
        // What calibration may be wrong by, in millionths.
        let believed = hz.saturating_add_signed(hz as i64 / 1_000_000 * error);
        let mut world = World::new(period, hz, believed, access_ns, 4);
        for step in steps {
            match step {
                Step::Set(client, ns) => {
                    let ticks = (u128::from(ns) * u128::from(hz) / 1_000_000_000) as u64;
                    let at = Tsc(world.now().0 + ticks);
                    world.set(client, Some(at));
                }
                Step::SetPast(client) => {
                    let at = Tsc(world.now().0.saturating_sub(1_000).max(1));
                    world.set(client, Some(at));
                }
                Step::Clear(client) => world.set(client, None),
                Step::Poke(client) => world.poke(client),
                Step::Pass(ns) => world.pass(u128::from(ns) * FS_PER_NS),
            }
        }
        world.pass(61_000 * MS);
        prop_assert!(world.wanted.iter().all(Option::is_none));
    }

    /// A client's word may hold anything and change at any time.
    #[test]
    fn any_word_is_survived(words in proptest::collection::vec((0..4usize, any::<u64>(), any::<bool>()), 1..60)) {
        let mut world = World::new(10_000_000, 100_000_000, 100_000_000, 100, 4);
        for (client, word, tell) in words {
            world.clients[client].0.write_u64(0, word).unwrap();
            world.wanted[client] = Some((Tsc(0), world.now()));
            world.slack = u64::MAX / 4;
            if tell {
                world.notified(Some(client));
            }
            world.pass(1000 * FS_PER_NS);
        }
    }
}

#[test]
fn a_client_that_floods_is_woken_at_most_once_a_gap_and_delays_nobody() {
    let mut world = World::new(10_000_000, 100_000_000, 100_000_000, 100, 2);
    let end = world.now().0 + 10_000_000;
    let mut next = world.now().0 + 200_000;
    world.set(1, Some(Tsc(next)));
    while world.now().0 < end {
        // Client 0 asks for the past all the time.
        let past = Some(Tsc(1));
        world.set(0, past);
        world.notified(Some(0));
        world.pass(2_000 * FS_PER_NS);
        if world.wanted[1].is_none() {
            next += 200_000;
            world.set(1, Some(Tsc(next)));
        }
    }
    // 100 ms at one wake-up in 50 us, and the first.
    assert!((1500..=2001).contains(&world.woken[0].len()), "{}", world.woken[0].len());
    assert!(world.woken[0].windows(2).all(|w| w[1].0 - w[0].0 >= 5_000));
    assert!(world.woken[1].len() >= 48);
}

#[test]
fn a_notification_that_changes_nothing_touches_no_hardware() {
    let mut world = World::new(10_000_000, 100_000_000, 100_000_000, 100, 2);
    let at = Tsc(world.now().0 + 1_000_000);
    world.set(0, Some(at));
    let before = world.machine.0.borrow().accesses;
    for _ in 0..100 {
        world.notified(Some(0));
        world.notified(Some(1));
    }
    assert_eq!(world.machine.0.borrow().accesses, before);
}

#[test]
fn without_a_deadline_there_is_no_interrupt() {
    let mut world = World::new(10_000_000, 100_000_000, 100_000_000, 100, 1);
    let at = Tsc(world.now().0 + 1_000);
    world.set(0, Some(at));
    world.pass(MS);
    assert_eq!(world.woken[0].len(), 1);
    let before = world.machine.0.borrow().interrupts;
    world.pass(300_000 * MS);
    assert_eq!(world.machine.0.borrow().interrupts, before);
}

#[test]
fn a_sleep_of_minutes_is_kept_with_few_interrupts() {
    let mut world = World::new(10_000_000, 100_000_000, 99_996_000, 100, 1);
    let at = Tsc(world.now().0 + 30_000_000_000);
    world.set(0, Some(at));
    world.pass(299_000 * MS);
    assert_eq!(world.woken[0].len(), 0);
    world.pass(1_100 * MS);
    assert_eq!(world.woken[0].len(), 1);
    // 300 s in legs of at most 21 s, and the last one in two.
    assert!(world.machine.0.borrow().interrupts <= 20, "{}", world.machine.0.borrow().interrupts);
}

#[test]
fn a_number_without_a_client_does_nothing() {
    let machine = Shared::new(Machine::new(10_000_000, 100_000_000));
    let hpet = Hpet::start(machine.clone()).unwrap();
    let region = Region::host(4096);
    let word = ClientWord::new(&region.read_only()).unwrap();
    let mut timer = Timer::new(hpet, frequency(100_000_000), [None, Some(word)]);
    for client in [0, 2, CLIENTS_MAX, usize::MAX] {
        timer.look_at(client);
    }
    assert!(timer.serve(Tsc(1_000)).unwrap().is_empty());
    region.write_u64(0, 500).unwrap();
    timer.look_at(1);
    let woken = timer.serve(Tsc(1_000)).unwrap();
    assert_eq!(woken.iter().collect::<Vec<_>>(), [1]);
    assert!(!woken.contains(usize::MAX));
}

#[test]
fn a_timer_that_starts_again_finds_the_deadlines_in_memory() {
    let region = Region::host(4096);
    let mut client = Sleeper::new(&region).unwrap();
    let _ = client.set(Some(Tsc(5_000_000)), || Tsc(0));
    let machine = Shared::new(Machine::new(10_000_000, 100_000_000));
    let hpet = Hpet::start(machine.clone()).unwrap();
    let word = ClientWord::new(&region.read_only()).unwrap();
    let mut timer = Timer::new(hpet, frequency(100_000_000), [Some(word)]);
    assert!(timer.serve(machine.read_tsc()).unwrap().is_empty());
    machine.0.borrow_mut().advance_to(100 * MS);
    assert!(machine.0.borrow().pending);
    timer.interrupted();
    assert!(timer.serve(machine.read_tsc()).unwrap().contains(0));
}

/// The timer alone, its clock at a known time.
fn alone(word: Option<ClientWord>) -> (Shared, Timer<Shared>) {
    let machine = Shared::new(Machine::new(10_000_000, 100_000_000));
    let hpet = Hpet::start(machine.clone()).unwrap();
    (machine, Timer::new(hpet, frequency(100_000_000), [word]))
}

#[test]
fn a_client_that_calls_is_woken_once_and_not_early() {
    let (_, mut timer) = alone(None);
    let now = Tsc(1_000_000_000);
    timer.call_for(0, 1_000_000, now);
    assert!(timer.serve(now).unwrap().is_empty());
    assert!(timer.serve(Tsc(now.0 + 100_000)).unwrap().is_empty());
    let later = Tsc(now.0 + 100_001);
    assert!(timer.serve(later).unwrap().contains(0));
    timer.look_at(0);
    assert!(timer.serve(Tsc(later.0 + 1_000_000)).unwrap().is_empty(), "once");
}

#[test]
fn a_call_replaces_the_one_before_and_no_word() {
    let region = Region::host(4096);
    let (_, mut timer) = alone(Some(ClientWord::new(&region.read_only()).unwrap()));
    let now = Tsc(1_000_000_000);
    timer.call_for(0, 1_000_000, now);
    timer.call_for(0, 3_000_000, now);
    assert!(timer.serve(Tsc(now.0 + 200_000)).unwrap().is_empty());
    region.write_u64(0, now.0 + 250_000).unwrap();
    timer.look_at(0);
    assert!(timer.serve(Tsc(now.0 + 250_000)).unwrap().contains(0), "the word's");
    assert!(timer.serve(Tsc(now.0 + 300_001)).unwrap().contains(0), "the call's");
}

#[test]
fn a_call_far_ahead_or_of_nobody_harms_nothing() {
    let (_, mut timer) = alone(None);
    timer.call_for(0, u64::MAX, Tsc(u64::MAX));
    timer.call_for(CLIENTS_MAX, 0, Tsc(0));
    assert!(timer.serve(Tsc(u64::MAX - 1)).unwrap().is_empty());
}

#[test]
fn time_is_told_in_nanoseconds() {
    let (_, timer) = alone(None);
    assert_eq!(timer.nanoseconds(Tsc(100_000_001)), 1_000_000_010);
    assert_eq!(timer.nanoseconds(Tsc(u64::MAX)), u64::MAX);
}
