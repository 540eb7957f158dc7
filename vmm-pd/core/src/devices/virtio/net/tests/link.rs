//! The link: pulled by an administrator, or because the virtualiser broke the protocol.

use super::*;

#[test]
fn a_pulled_cable_is_told_and_nothing_passes_until_it_is_plugged_in() {
    let mut w = world();
    let (a, b) = (frame(60, 1), frame(60, 2));
    let status = |w: &World| {
        let mut byte = [0];
        w.net.read_config(6, &mut byte);
        byte[0]
    };
    assert_eq!(status(&w), 1);
    w.room(&[2048]);
    w.net.set_link(false);
    w.arrive(&a);
    w.send(PLAIN, &[&a]);
    w.serve();
    assert!(w.last.config_changed);
    assert_eq!(status(&w), 0);
    assert_eq!((w.sent().len(), w.received()), (0, None));
    assert_eq!(w.finished(), 1, "what it sends comes back");
    w.net.set_link(false);
    w.serve();
    assert!(!w.last.config_changed, "told once");
    w.net.set_link(true);
    w.arrive(&b);
    w.send(PLAIN, &[&b]);
    w.serve();
    assert!(w.last.config_changed);
    assert_eq!(status(&w), 1);
    assert_eq!(w.sent(), core::slice::from_ref(&b));
    assert!(w.received().is_some_and(|bytes| bytes.ends_with(&b)));
}

/// What a virtualiser may write that it should not.
#[test]
fn a_virtualiser_that_lies_is_closed_and_the_cable_is_pulled() {
    type Lie = fn(&World);
    let lies: [Lie; 9] = [
        // A frame longer than a buffer; a buffer that there is not; half a buffer.
        |w| {
            (w.rings[1]
                .write_u64(8, 0)
                .and(w.rings[1].write_u16(16, 2049))
                .and(w.rings[1].write_u16(0, 1)))
            .unwrap()
        },
        |w| (w.rings[1].write_u64(8, 8 * 2048).and(w.rings[1].write_u16(0, 1))).unwrap(),
        |w| (w.rings[1].write_u64(8, 100).and(w.rings[1].write_u16(0, 1))).unwrap(),
        |w| (w.rings[1].write_u64(8, u64::MAX).and(w.rings[1].write_u16(0, 1))).unwrap(),
        // The same buffer twice.
        |w| {
            let r = &w.rings[1];
            (r.write_u64(8, 2048).and(r.write_u64(24, 2048)).and(r.write_u16(0, 2))).unwrap();
        },
        // Indices that jump.
        |w| w.rings[1].write_u16(0, 5000).unwrap(),
        |w| w.rings[1].write_u16(0, u16::MAX).unwrap(),
        |w| w.rings[0].write_u16(2, 5000).unwrap(),
        |w| w.rings[0].write_u16(2, u16::MAX).unwrap(),
    ];
    for (index, lie) in lies.into_iter().enumerate() {
        let mut w = world();
        for _ in 0..4 {
            w.room(&[2000]);
        }
        w.serve();
        assert!(w.net.breach().is_none());
        lie(&w);
        // Whatever makes it look at that ring.
        let mut changed = false;
        for _ in 0..4 {
            w.serve();
            changed |= w.last.config_changed;
            w.send(PLAIN, &[&frame(60, 0)]);
        }
        if index >= 7 && w.net.breach().is_none() {
            // Seen when buffers were lent so often that room has to be asked for.
            for _ in 0..600 {
                if w.net.breach().is_some() {
                    break;
                }
                w.arrive(&frame(60, 0));
                w.room(&[2000]);
                lie(&w);
                w.serve();
                w.received();
                changed |= w.last.config_changed;
            }
        }
        let breach = w.net.breach().map(|b| b.to_string());
        assert!(breach.is_some(), "lie {index}");
        assert!(changed, "lie {index}: {breach:?}");
        let mut status = [0xff];
        w.net.read_config(6, &mut status);
        assert_eq!(status, [0], "the link is down");
        // What is sent goes nowhere, and comes back.
        w.serve();
        w.finished();
        w.send(PLAIN, &[&frame(60, 0)]);
        w.serve();
        assert_eq!(w.finished(), 1);
    }
}

#[test]
fn a_transmitted_buffer_that_was_not_lent_closes_the_connection() {
    let mut w = world();
    // The same one twice.
    w.rings[2].write_u64(8, 0).unwrap();
    w.rings[2].write_u64(24, 0).unwrap();
    w.rings[2].write_u16(0, 2).unwrap();
    for _ in 0..10 {
        w.send(PLAIN, &[&frame(60, 0)]);
        w.serve();
    }
    let breach = w.net.breach().map(|b| format!("{b}")).expect("a culprit");
    assert!(!breach.is_empty());
}
