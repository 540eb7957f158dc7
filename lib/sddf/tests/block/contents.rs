//! Every request is answered once, in whatever order the server works, and
//! whichever end is started again when.

use std::collections::VecDeque;

use proptest::prelude::*;
use sddf::block::{Operation, Outcome, Request, Status, Submitted, Ticket};

use super::world::{Rings, SLOTS, TestClient, TestServer, read};

#[derive(Clone, Debug)]
enum Op {
    Submit(Operation, u16),
    PublishRequests,
    Take,
    Answer(usize, Status),
    PublishAnswers,
    Complete,
    RestartClient,
    RestartServer,
}

fn op() -> impl Strategy<Value = Op> {
    let operation = prop_oneof![
        Just(Operation::Read),
        Just(Operation::Write),
        Just(Operation::Flush),
        Just(Operation::Barrier)
    ];
    let status = prop_oneof![Just(Status::Ok), Just(Status::Io), Just(Status::NoDevice)];
    prop_oneof![
        4 => (operation, 1u16..20).prop_map(|(operation, count)| Op::Submit(operation, count)),
        3 => Just(Op::PublishRequests),
        4 => Just(Op::Take),
        4 => (0usize..SLOTS, status).prop_map(|(which, status)| Op::Answer(which, status)),
        3 => Just(Op::PublishAnswers),
        4 => Just(Op::Complete),
        1 => Just(Op::RestartClient),
        1 => Just(Op::RestartServer),
    ]
}

fn starts() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), any::<u32>(), (u32::MAX - 20)..=u32::MAX]
}

/// What each side knows, beside the ends under test.
struct World {
    rings: Rings,
    client: TestClient,
    server: TestServer,
    /// Tokens submitted and not published, published and not answered.
    staged: VecDeque<u32>,
    awaited: VecDeque<u32>,
    /// Tickets at the server, with what was asked.
    working: Vec<(Ticket, Request)>,
    /// Answers in the order of the requests: the token (as the block number) and
    /// the status.
    next_token: u32,
}

impl World {
    fn new(start: u32) -> Self {
        let rings = Rings::new(start);
        World {
            client: rings.client(),
            server: rings.server(),
            rings,
            staged: VecDeque::new(),
            awaited: VecDeque::new(),
            working: Vec::new(),
            next_token: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Submit(operation, count) => {
                let token = self.next_token;
                let count = if operation.transfers() { count } else { 0 };
                let block = u64::from(token);
                let request = Request { operation, buffer: 0x2000, block, count };
                let room = self.client.has_room();
                match self.client.submit(request, token).unwrap() {
                    Submitted::Yes => {
                        assert!(room);
                        self.staged.push_back(token);
                        self.next_token += 1;
                    }
                    Submitted::Full(back) => {
                        assert!(!room, "an honest server's ring has room for what may be lent");
                        assert_eq!(back, token);
                        assert!(
                            self.client.is_draining()
                                || self.staged.len() + self.awaited.len() == SLOTS
                        );
                    }
                }
            }
            Op::PublishRequests => {
                assert_eq!(self.client.publish(), !self.staged.is_empty());
                self.awaited.append(&mut self.staged);
            }
            Op::Take => {
                if let Some(taken) = self.server.take().unwrap() {
                    self.working.push(taken);
                }
            }
            Op::Answer(which, status) => {
                if which < self.working.len() {
                    let (ticket, request) = self.working.remove(which);
                    let done = if status == Status::Ok { request.count } else { 0 };
                    self.server.answer(ticket, status, done);
                }
            }
            Op::PublishAnswers => {
                let _ = self.server.publish().unwrap();
            }
            Op::Complete => {
                if let Some(completion) = self.client.next_completion().unwrap() {
                    assert_eq!(completion.request.block, u64::from(completion.token));
                    assert_eq!(Some(completion.token), self.awaited.pop_front(), "in order, once");
                    match completion.outcome {
                        Outcome::Done => {}
                        Outcome::Failed { status, done } => {
                            assert_ne!(status, Status::Ok);
                            assert_eq!(done, 0);
                        }
                    }
                }
            }
            Op::RestartClient => {
                self.client = self.rings.client();
                self.staged.clear();
                self.awaited.clear();
            }
            Op::RestartServer => {
                self.server = self.rings.server();
                self.working.clear();
            }
        }
    }

    /// Lets both ends work until nothing is left.
    fn settle(&mut self) {
        for _ in 0..4 * SLOTS {
            for op in [
                Op::PublishRequests,
                Op::Take,
                Op::Answer(0, Status::Ok),
                Op::PublishAnswers,
                Op::Complete,
            ] {
                self.apply(&op);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_request_is_answered_once_whoever_restarts(
        ops in proptest::collection::vec(op(), 1..120),
        start in starts(),
    ) {
        let mut world = World::new(start);
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        prop_assert_eq!(world.awaited.len(), 0, "lost");
        prop_assert_eq!(world.client.outstanding(), 0);
        prop_assert!(!world.client.is_draining());
        prop_assert!(!world.server.has_requests().unwrap());
        prop_assert_eq!(world.server.held(), 0);
    }
}

#[test]
fn answers_leave_in_the_order_of_the_requests() {
    let rings = Rings::new(0);
    let (mut client, mut server) = (rings.client(), rings.server());
    for token in 0..2 {
        assert!(matches!(client.submit(read(token.into(), 1), token), Ok(Submitted::Yes)));
    }
    assert!(client.publish());
    let (first, _) = server.take().unwrap().unwrap();
    let (second, _) = server.take().unwrap().unwrap();
    server.answer(second, Status::Ok, 1);
    assert_eq!(server.publish(), Ok(false), "the first is not answered yet");
    server.answer(first, Status::Io, 0);
    assert_eq!(server.publish(), Ok(true));
    assert_eq!(client.next_completion().unwrap().unwrap().token, 0);
    assert_eq!(client.next_completion().unwrap().unwrap().token, 1);
}

#[test]
fn a_server_that_failed_between_answering_and_giving_back_answers_nothing_twice() {
    let rings = Rings::new(0);
    let (mut client, mut server) = (rings.client(), rings.server());
    for token in 0..2 {
        assert!(matches!(client.submit(read(token.into(), 1), token), Ok(Submitted::Yes)));
    }
    assert!(client.publish());
    let (first, _) = server.take().unwrap().unwrap();
    server.answer(first, Status::Ok, 1);
    assert_eq!(server.publish(), Ok(true));
    // As if the store of the requests' head had not been reached.
    rings.requests.write_u32(0, 0).unwrap();
    let mut server = rings.server();
    assert_eq!(rings.requests.read_u32(0), Ok(1));
    assert_eq!(server.take().unwrap().unwrap().1.block, 1);
    assert!(server.take().unwrap().is_none());
}

#[test]
fn a_client_that_restarts_submits_nothing_before_its_buffers_are_its_own() {
    let rings = Rings::new(0);
    let (mut client, mut server) = (rings.client(), rings.server());
    assert!(matches!(client.submit(read(0, 1), 0), Ok(Submitted::Yes)));
    assert!(client.publish());
    let mut client = rings.client();
    assert!(client.is_draining());
    assert!(matches!(client.submit(read(1, 1), 1), Ok(Submitted::Full(1))));
    let (ticket, _) = server.take().unwrap().unwrap();
    server.answer(ticket, Status::Ok, 1);
    assert_eq!(server.publish(), Ok(true));
    assert!(client.next_completion().unwrap().is_none(), "it was the predecessor's");
    assert!(matches!(client.submit(read(1, 1), 1), Ok(Submitted::Yes)));
}
