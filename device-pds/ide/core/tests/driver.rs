//! The driver against a model of the controller that need not behave, with a queue
//! whose other end need not either.

mod model;

use deadline::Frequency;
use ide_core::{Clock, Driver, Failure, Table, Trouble};
use proptest::prelude::*;
use sddf::block::{
    Client, Completion, InfoSink, InfoSource, Operation, Outcome, Request, Server, Status,
    StorageInfo, Submitted, Window,
};
use shmem::{ReadWrite, Region};

use model::{DATA, DATA_SIZE, Fault, Model, TABLE};

/// Slots of the rings.
const N: usize = 64;
const SECTORS: usize = 8192 + 3;
const BLOCKS: u64 = 1024;

struct Bench {
    model: Model,
    driver: Driver<Model>,
    server: Server<N>,
    client: Client<u32, N>,
    sink: InfoSink,
    info: InfoSource,
    requests: Region<ReadWrite>,
}

impl Bench {
    /// A machine; `change` prepares it before the driver starts.
    fn with(change: impl FnOnce(&Model)) -> Bench {
        let table = Region::host(4096);
        let model = Model::new(&table, SECTORS);
        change(&model);
        let (requests, responses) = (Region::host(4096), Region::host(4096));
        let page = Region::host(4096);
        let windows = [
            Window { base: DATA, size: 0x10_0000 },
            Window { base: DATA + 0x10_0000, size: DATA_SIZE as u64 - 0x10_0000 },
        ];
        let clock = Clock(Frequency::new(1_000_000_000).unwrap());
        let table = Table::new(&table, TABLE).unwrap();
        let driver = Driver::new(model.clone(), clock, table, windows.into_iter().collect());
        Bench {
            driver,
            server: Server::new(&requests, &responses).unwrap(),
            client: Client::new(&requests, &responses).unwrap(),
            sink: InfoSink::new(&page).unwrap(),
            info: InfoSource::new(&page.read_only()).unwrap(),
            model,
            requests,
        }
    }

    fn new() -> Bench {
        let mut bench = Bench::with(|_| {});
        bench.settle();
        bench
    }

    /// Lets the driver work, as interrupts and the timer would, until it waits for
    /// nothing.
    fn settle(&mut self) {
        for turn in 0..10_000 {
            let last = self.driver.serve(&mut self.server, &self.sink).unwrap();
            let Some(wake) = last.wake else { return };
            let mut state = self.model.0.borrow_mut();
            // An interrupt comes long before a time limit does, but not always.
            let interrupt = state.time + 1_000_000;
            state.time = if turn % 4 == 3 { wake.0.max(interrupt) } else { interrupt };
        }
        panic!("it waits forever");
    }

    fn request(&mut self, operation: Operation, buffer: u64, block: u64, count: u16) {
        let request = Request { operation, buffer, block, count };
        assert!(matches!(self.client.submit(request, 0).unwrap(), Submitted::Yes));
        assert!(self.client.publish());
    }

    fn answers(&mut self) -> Vec<Outcome> {
        std::iter::from_fn(|| self.client.next_completion().unwrap())
            .map(|Completion { outcome, .. }| outcome)
            .collect()
    }

    /// One request and its answer.
    fn one(&mut self, operation: Operation, buffer: u64, block: u64, count: u16) -> Outcome {
        self.request(operation, buffer, block, count);
        self.settle();
        let answers = self.answers();
        let [outcome] = answers[..] else { panic!("{answers:?}") };
        outcome
    }

    fn read(&mut self, block: u64, count: u16) -> Outcome {
        self.one(Operation::Read, DATA, block, count)
    }

    fn fault(&self, faults: &[Fault]) {
        self.model.0.borrow_mut().faults.extend(faults);
    }

    /// Whether memory holds these blocks of the disk.
    fn holds(&self, block: u64, count: u16) -> bool {
        let state = self.model.0.borrow();
        let from = block as usize * 4096;
        let bytes = usize::from(count) * 4096;
        state.memory[..bytes] == state.disk[from..from + bytes]
    }

    fn commands(&self) -> Vec<u8> {
        self.model.0.borrow().commands.clone()
    }
}

/// Checks an answer.
fn assert_answer(outcome: Outcome, status: Status, done: u16) {
    let expected = match status {
        Status::Ok => Outcome::Done,
        status => Outcome::Failed { status, done },
    };
    assert_eq!(outcome, expected);
}

#[test]
fn the_disk_is_identified_and_clients_are_told() {
    let bench = Bench::new();
    let expected = StorageInfo::of(BLOCKS).with_serial(b"MODEL-1");
    assert_eq!(bench.info.read(), Some(expected));
    assert_eq!(bench.model.0.borrow().resets, 1, "whatever a predecessor left is ended first");
}

#[test]
fn data_goes_straight_between_disk_and_the_clients_region() {
    let mut bench = Bench::new();
    assert_answer(bench.read(5, 3), Status::Ok, 3);
    assert!(bench.holds(5, 3));
    bench.model.0.borrow_mut().memory[..4096].fill(0x5a);
    assert_answer(bench.one(Operation::Write, DATA, 9, 1), Status::Ok, 1);
    assert!(bench.model.0.borrow().disk[9 * 4096..][..4096].iter().all(|&byte| byte == 0x5a));
    assert_eq!(bench.commands(), [0xec, 0x25, 0x35]);
}

#[test]
fn a_long_request_is_several_commands() {
    let mut bench = Bench::new();
    let end = DATA + 0x10_0000;
    assert_answer(bench.one(Operation::Read, end, 0, 256), Status::Ok, 256);
    assert_eq!(bench.commands(), [0xec, 0x25], "a mebibyte is one command");
    let mut bench = Bench::with(|model| model.0.borrow_mut().extended = false);
    bench.settle();
    assert_answer(bench.read(0, 256), Status::Ok, 256);
    assert!(bench.holds(0, 256));
    assert_eq!(bench.commands(), [&[0xec][..], &[0xc8; 8]].concat(), "28 bits: 128 KiB each");
}

#[test]
fn a_flush_reaches_the_disk_and_a_barrier_need_not() {
    let mut bench = Bench::new();
    bench.request(Operation::Write, DATA, 0, 1);
    bench.request(Operation::Barrier, 0, 0, 0);
    bench.request(Operation::Flush, 0, 0, 0);
    bench.settle();
    assert_eq!(bench.answers(), [Outcome::Done; 3]);
    assert_eq!(bench.commands(), [0xec, 0x35, 0xea]);
}

#[test]
fn what_is_not_granted_is_refused_and_nothing_is_moved() {
    for (buffer, block, count) in [
        (DATA - 4096, 0, 1),
        (DATA + DATA_SIZE as u64, 0, 1),
        // From one region into the next.
        (DATA + 0xf_f000, 0, 2),
        (DATA + 1, 0, 1),
        (u64::MAX - 4095, 0, 1),
        (TABLE, 0, 1),
        (DATA, BLOCKS, 1),
        (DATA, BLOCKS - 1, 2),
        (DATA, u64::MAX, 1),
        (DATA, 0, u16::MAX),
    ] {
        let mut bench = Bench::new();
        let outcome = bench.one(Operation::Write, buffer, block, count);
        assert_answer(outcome, Status::InvalidParameter, 0);
        assert_eq!(bench.commands(), [0xec]);
        assert!(matches!(bench.driver.trouble(), Some(Trouble::Refused(_))));
    }
}

#[test]
fn a_fault_that_may_pass_is_tried_again_after_a_reset() {
    for (fault, failure) in [
        (Fault::Hang, Failure::Timeout),
        (Fault::Ignored, Failure::Timeout),
        (Fault::Bus, Failure::Bus),
        (Fault::Short, Failure::Length),
        (Fault::WantsData, Failure::Protocol { status: 0x58 }),
    ] {
        let mut bench = Bench::new();
        bench.fault(&[fault]);
        assert_answer(bench.read(7, 2), Status::Ok, 2);
        assert!(bench.holds(7, 2), "{fault:?}");
        assert_eq!(bench.driver.trouble(), Some(Trouble::Failed(failure)));
        assert_eq!(bench.model.0.borrow().resets, 2, "{fault:?}");
        bench.fault(&[fault, fault]);
        assert_answer(bench.read(7, 2), Status::Io, 0);
        assert_answer(bench.read(7, 2), Status::Ok, 2);
    }
}

#[test]
fn an_error_of_the_disks_is_answered_at_once_with_what_was_done() {
    let mut bench = Bench::with(|model| model.0.borrow_mut().extended = false);
    bench.settle();
    let mut faults = vec![Fault::Early; 1];
    faults.push(Fault::Error);
    bench.fault(&faults);
    // 32 blocks a command: the first is done, the second is not.
    assert_answer(bench.read(0, 64), Status::Io, 32);
    let failure = Failure::Device { status: 0x51, error: 0x40 };
    assert_eq!(bench.driver.trouble(), Some(Trouble::Failed(failure)));
    assert_eq!(bench.model.0.borrow().resets, 1, "no reset for that");
}

#[test]
fn an_interrupt_that_comes_early_or_for_nothing_ends_nothing() {
    let mut bench = Bench::new();
    bench.fault(&[Fault::Early]);
    bench.request(Operation::Read, DATA, 1, 1);
    for _ in 0..2 {
        let turn = bench.driver.serve(&mut bench.server, &bench.sink).unwrap();
        assert!(!turn.notify && turn.wake.is_some());
        assert!(bench.answers().is_empty());
    }
    bench.settle();
    assert_eq!(bench.answers(), [Outcome::Done]);
    assert!(!bench.driver.serve(&mut bench.server, &bench.sink).unwrap().notify);
}

#[test]
fn a_disk_that_never_comes_back_leaves_no_request_unanswered() {
    let mut bench = Bench::new();
    bench.model.0.borrow_mut().dead = true;
    bench.fault(&[Fault::Hang]);
    for block in 0..5 {
        bench.request(Operation::Read, DATA, block, 1);
    }
    bench.settle();
    let answers = bench.answers();
    assert_eq!(answers.len(), 5);
    for answer in answers {
        assert_answer(answer, Status::NoDevice, 0);
    }
    assert_eq!(bench.info.read(), None, "nobody takes it for a disk any more");
    assert_answer(bench.read(0, 1), Status::NoDevice, 0);
}

#[test]
fn no_disk_is_said_to_be_none() {
    let faults: [fn(&Model); 3] = [
        |model| model.0.borrow_mut().floating = true,
        |model| model.0.borrow_mut().dead = true,
        |model| model.0.borrow_mut().faults.extend([Fault::Ignored; 2]),
    ];
    for change in faults {
        let mut bench = Bench::with(change);
        bench.request(Operation::Read, DATA, 0, 1);
        bench.settle();
        assert_eq!(bench.info.read(), None);
        assert_answer(bench.answers()[0], Status::NoDevice, 0);
    }
}

#[test]
fn a_queue_that_lies_ends_the_transfer_under_way() {
    let mut bench = Bench::new();
    bench.fault(&[Fault::Hang]);
    bench.request(Operation::Read, DATA, 0, 1);
    bench.driver.serve(&mut bench.server, &bench.sink).unwrap();
    // More requests than there are slots.
    bench.requests.write_u32(4, 1000).unwrap();
    let served = (0..10).any(|_| {
        bench.model.0.borrow_mut().time += 11_000_000_000;
        bench.driver.serve(&mut bench.server, &bench.sink).is_err()
    });
    assert!(served, "it is noticed");
    assert!(bench.model.0.borrow().resets > 1);
}

/// Any mixture of good and bad requests and faults of the controller.
fn step() -> impl Strategy<Value = (Operation, u64, u64, u16, Option<Fault>)> {
    let operation = prop_oneof![
        Just(Operation::Read),
        Just(Operation::Write),
        Just(Operation::Flush),
        Just(Operation::Barrier),
    ];
    let fault = proptest::option::weighted(
        0.3,
        prop_oneof![
            Just(Fault::Hang),
            Just(Fault::Error),
            Just(Fault::Bus),
            Just(Fault::Early),
            Just(Fault::Short),
            Just(Fault::WantsData),
            Just(Fault::Ignored),
        ],
    );
    let buffer = prop_oneof![
        (0..DATA_SIZE as u64 / 4096).prop_map(|page| DATA + page * 4096),
        any::<u64>(),
    ];
    let block = prop_oneof![0..BLOCKS + 2, any::<u64>()];
    (operation, buffer, block, prop_oneof![1..5u16, any::<u16>()], fault)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_answered_once_whatever_the_device_does(
        steps in proptest::collection::vec(step(), 1..20),
    ) {
        let mut bench = Bench::new();
        let mut asked = 0;
        for (operation, buffer, block, count, fault) in steps {
            bench.fault(&fault.map_or(vec![], |fault| vec![fault]));
            bench.request(operation, buffer, block, count);
            asked += 1;
        }
        bench.settle();
        prop_assert_eq!(bench.answers().len(), asked);
        prop_assert_eq!(bench.server.held(), 0);
    }
}
