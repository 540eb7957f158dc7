//! Every lie that a peer can tell.

use proptest::prelude::*;
use sddf::block::{AttachError, Breach, Client, Operation, Request, Server, Status, Submitted};
use sddf::ring::{Culprit, LayoutError, PeerError};
use shmem::Region;

use super::world::{Rings, SLOTS, TestClient, read};

/// A client with one read of two blocks outstanding, and its id.
fn waiting(rings: &Rings) -> (TestClient, u32) {
    let mut client = rings.client();
    assert!(matches!(client.submit(read(7, 2), 70), Ok(Submitted::Yes)));
    assert!(client.publish());
    let id = rings.requests.read_u32(16 + 28).unwrap();
    (client, id)
}

/// The client's verdict on a forged response, which must stay its verdict.
fn verdict(status: u32, done: u16, id_offset: u32) -> Breach {
    let rings = Rings::new(0);
    let (mut client, id) = waiting(&rings);
    rings.forge_response(status, done, id.wrapping_add(id_offset));
    let breach = client.next_completion().unwrap_err();
    assert_eq!(client.next_completion().unwrap_err(), breach, "it stays");
    assert_eq!(client.submit(read(0, 1), 0).unwrap_err(), breach);
    assert!(!client.publish());
    assert_eq!(client.broken(), Some(breach));
    assert_eq!(client.abandon(), Some((read(7, 2), 70)), "what was lent comes back");
    assert_eq!(client.abandon(), None);
    breach
}

#[test]
fn an_id_that_was_never_lent_ends_the_connection() {
    for offset in [1, SLOTS as u32, 0x1_0000, u32::MAX / 2] {
        assert!(matches!(verdict(0, 2, offset), Breach::NotLent { .. }), "{offset:#x}");
    }
}

#[test]
fn a_second_answer_ends_the_connection() {
    let rings = Rings::new(0);
    let (mut client, id) = waiting(&rings);
    rings.forge_response(0, 2, id);
    rings.forge_response(0, 2, id);
    assert!(client.next_completion().unwrap().is_some());
    assert_eq!(client.next_completion().unwrap_err(), Breach::NotLent { id });
}

#[test]
fn a_count_beyond_the_request_ends_the_connection() {
    assert!(matches!(verdict(0, 3, 0), Breach::Count { done: 3, count: 2, .. }));
    assert!(matches!(verdict(3, 3, 0), Breach::Count { done: 3, count: 2, .. }));
}

#[test]
fn success_with_less_than_was_asked_ends_the_connection() {
    assert!(matches!(verdict(0, 1, 0), Breach::Count { done: 1, count: 2, .. }));
}

#[test]
fn a_status_that_does_not_exist_ends_the_connection() {
    for status in [5, u32::MAX] {
        assert!(matches!(verdict(status, 0, 0), Breach::Status { .. }));
    }
}

#[test]
fn a_response_tail_that_jumps_ends_the_connection() {
    let rings = Rings::new(0);
    let (mut client, _) = waiting(&rings);
    rings.responses.write_u32(4, SLOTS as u32 + 1).unwrap();
    let lie = PeerError { culprit: Culprit::Producer, found: 9, from: 0, room: 8 };
    assert_eq!(client.next_completion().unwrap_err(), Breach::Responses(lie));
}

#[test]
fn a_server_that_gives_back_what_it_was_not_given_is_found_out() {
    let rings = Rings::new(0);
    let (mut client, id) = waiting(&rings);
    rings.requests.write_u32(0, 2).unwrap();
    // The index is looked at when the ring seems full.
    for token in 0..SLOTS as u32 - 1 {
        assert!(matches!(client.submit(read(0, 1), token), Ok(Submitted::Yes)));
    }
    rings.forge_response(0, 2, id);
    assert!(client.next_completion().unwrap().is_some());
    assert!(matches!(client.submit(read(0, 1), 9), Ok(Submitted::Full(9))), "nothing is lost");
    let breach = client.broken().unwrap();
    assert!(
        matches!(breach, Breach::Requests(PeerError { culprit: Culprit::Consumer, found: 2, .. })),
        "{breach}"
    );
}

#[test]
fn a_request_tail_that_jumps_or_goes_back_ends_the_connection() {
    for (first, second) in [(9, 9), (4, 3), (4, 9), (0, u32::MAX)] {
        let rings = Rings::new(0);
        let mut server = rings.server();
        rings.requests.write_u32(4, first).unwrap();
        let before = server.has_requests();
        rings.requests.write_u32(4, second).unwrap();
        let breach = before.and_then(|_| server.has_requests()).unwrap_err();
        assert!(matches!(breach, Breach::Requests(PeerError { culprit: Culprit::Producer, .. })));
        assert_eq!(server.take(), Err(breach));
        assert_eq!(server.publish(), Err(breach));
    }
}

#[test]
fn a_client_that_takes_answers_not_given_is_found_out() {
    let rings = Rings::new(0);
    let mut server = rings.server();
    for id in 0..SLOTS as u32 {
        rings.forge_request(0, 0, 0, 1, id);
    }
    rings.responses.write_u32(0, 1).unwrap();
    for _ in 0..SLOTS {
        let (ticket, _) = server.take().unwrap().unwrap();
        server.answer(ticket, Status::Ok, 1);
    }
    assert_eq!(server.publish(), Ok(true), "there is room without a look");
    rings.forge_request(0, 0, 0, 1, 0);
    rings.responses.write_u32(0, 9).unwrap();
    let (ticket, _) = server.take().unwrap().unwrap();
    server.answer(ticket, Status::Ok, 1);
    let breach = server.publish().unwrap_err();
    assert!(matches!(breach, Breach::Responses(PeerError { culprit: Culprit::Consumer, .. })));
}

#[test]
fn a_client_that_takes_no_answers_only_waits_itself() {
    let rings = Rings::new(0);
    let mut server = rings.server();
    for _ in 0..3 {
        for id in 0..SLOTS as u32 {
            // A liar may go on asking, for its tail may follow our head.
            let tail = rings.requests.read_u32(4).unwrap();
            if tail.wrapping_sub(rings.requests.read_u32(0).unwrap()) < SLOTS as u32 {
                rings.forge_request(0, 0, 0, 1, id);
            }
        }
        while let Some((ticket, _)) = server.take().unwrap() {
            server.answer(ticket, Status::Ok, 1);
        }
        let _ = server.publish().unwrap();
    }
    assert_eq!(server.held(), SLOTS as u32, "answers that found no room are kept");
    assert_eq!(rings.responses.read_u32(4), Ok(SLOTS as u32));
    rings.responses.write_u32(0, 3).unwrap();
    assert_eq!(server.publish(), Ok(true));
    assert_eq!(server.held(), SLOTS as u32 - 3);
}

#[test]
fn an_unknown_code_or_a_transfer_of_nothing_is_answered_at_once() {
    let rings = Rings::new(0);
    let mut server = rings.server();
    rings.forge_request(4, 0, 0, 1, 40);
    rings.forge_request(u32::MAX, 0, 0, 1, 41);
    rings.forge_request(1, 0, 0, 0, 42);
    rings.forge_request(2, 0, 0, 0, 43);
    let (ticket, request) = server.take().unwrap().unwrap();
    assert_eq!(request, Request::bare(Operation::Flush));
    assert_eq!(server.refused(), 3);
    assert_eq!(server.publish(), Ok(true));
    assert_eq!([0, 1, 2].map(|i| rings.response(i)), [(2, 0, 40), (2, 0, 41), (2, 0, 42)]);
    server.answer(ticket, Status::Ok, 0);
    assert_eq!(server.publish(), Ok(true));
    assert_eq!(rings.response(3), (0, 0, 43));
}

#[test]
fn our_own_indices_are_never_read_back() {
    let rings = Rings::new(0);
    let (mut client, id) = waiting(&rings);
    rings.requests.write_u32(4, 77).unwrap();
    assert!(matches!(client.submit(read(8, 1), 80), Ok(Submitted::Yes)));
    assert!(client.publish());
    assert_eq!(rings.requests.read_u32(4), Ok(2));
    rings.responses.write_u32(0, 77).unwrap();
    rings.forge_response(0, 2, id);
    assert_eq!(client.next_completion().unwrap().unwrap().token, 70);
}

#[test]
fn rings_that_disagree_are_refused() {
    let rings = Rings::new(0);
    rings.requests.write_u32(0, 30).unwrap();
    rings.requests.write_u32(4, 30).unwrap();
    let unbalanced = AttachError::Breach(Breach::Unbalanced { outstanding: 30, most: 8 });
    assert_eq!(
        TestClient::new(&rings.requests, &rings.responses).map(|_| ()),
        Err(unbalanced),
        "thirty requests and no answer, in rings of eight"
    );
    let rings = Rings::new(0);
    rings.responses.write_u32(4, 3).unwrap();
    assert_eq!(
        Server::<SLOTS>::new(&rings.requests, &rings.responses).map(|_| ()),
        Err(AttachError::Breach(Breach::Unbalanced { outstanding: 3, most: 0 })),
        "three answers and no request"
    );
}

#[test]
fn rings_that_cannot_be_are_refused() {
    let (requests, responses) = (Region::host(4096), Region::host(4096));
    assert_eq!(
        Server::<SLOTS>::new(&requests, &responses).map(|_| ()),
        Err(AttachError::Capacity { out: 64, back: 64, most: 8 })
    );
    assert_eq!(Client::<(), SLOTS>::new(&requests, &responses).map(|c| c.capacity()), Ok(8));
    assert!(matches!(
        Client::<(), SLOTS>::new(&Region::host(16), &responses),
        Err(AttachError::Layout(LayoutError::Capacity { slots: 0, .. }))
    ));
}

proptest! {
    /// Whatever is written anywhere at any time: no panic, an honest-looking
    /// result or a breach, and a breach stays.
    #[test]
    fn a_peer_may_write_anything_anywhere(
        writes in proptest::collection::vec(
            (any::<bool>(), 0usize..60, prop_oneof![any::<u32>(), 0u32..20], any::<bool>()),
            1..80,
        ),
    ) {
        let rings = Rings::new(0);
        let (mut client, mut server) = (rings.client(), rings.server());
        let (mut client_broken, mut server_broken) = (None, None);
        let mut tickets = Vec::new();
        for (ring, word, value, turn) in writes {
            let ring = if ring { &rings.requests } else { &rings.responses };
            let _ = ring.write_u32(word * 4, value);
            if turn {
                let result = client
                    .submit(read(1, 3), 1)
                    .and_then(|_| client.broken().map_or(Ok(()), Err))
                    .and_then(|()| client.next_completion())
                    .map(|_| client.publish());
                if let Err(e) = result {
                    prop_assert_eq!(*client_broken.get_or_insert(e), e);
                } else {
                    prop_assert!(client_broken.is_none());
                }
                prop_assert!(client.outstanding() <= SLOTS);
            } else {
                let result = server.take();
                let result = result.and_then(|taken| {
                    tickets.extend(taken);
                    if let Some((ticket, request)) = tickets.pop() {
                        server.answer(ticket, Status::Ok, request.count);
                    }
                    server.publish()
                });
                if let Err(e) = result {
                    prop_assert_eq!(*server_broken.get_or_insert(e), e);
                } else {
                    prop_assert!(server_broken.is_none());
                }
                prop_assert!(server.held() <= SLOTS as u32);
            }
        }
    }
}
