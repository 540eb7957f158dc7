//! The network virtualiser, with one client and a driver that do anything.

use arbitrary::{Arbitrary, Unstructured};
use bulkhead_config::Mac;
use net_virt_core::Complaint;

use crate::Target;
use crate::targets::input::steps;

#[path = "../../../../../device-pds/net-virt/core/tests/switch/world.rs"]
#[allow(dead_code, reason = "the virtualiser's tests use more of it")]
mod world;

use world::{BROADCAST, World, all, frame, mac, open};

pub(crate) const VIRT: Target = Target {
    runs: 4_000,
    ..Target::new("net-virt", "nobody sends as another, or to whom it may not", check)
};

/// Ports 0 and 1 are no peers; 2 is everybody's. Port 0 lies.
const PORTS: usize = 3;

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Step {
    /// A client sends to, and as from, one of some addresses.
    Send {
        port: u8,
        to: u8,
        from: u8,
        length: u16,
    },
    /// So does the outside.
    Arrive {
        to: u8,
        from: u8,
        length: u16,
    },
    Hear(u8),
    Leave,
    Serve,
    Restart,
    /// The liar writes into a ring of its own.
    Lie(u8, u8, u16),
}

/// The ports' addresses are 1 to 3; others are strangers'; 0 is all.
fn address(number: u8) -> [u8; 6] {
    match number % 8 {
        0 => BROADCAST,
        number => mac(number).bytes(),
    }
}

fn check(bytes: &[u8]) {
    let mut ports: Vec<_> = (1..=PORTS as u8).map(|last| open(last, PORTS)).collect();
    ports[0].1.peers = all([2]);
    ports[0].1.learn = 2;
    ports[1].1.peers = all([2]);
    let mut world = World::new(ports);
    let mut lied = false;
    for step in steps::<Step>(Unstructured::new(bytes)) {
        match step {
            Step::Send { port, to, from, length } => {
                let port = usize::from(port) % PORTS;
                // The liar's own end may have noticed what it did.
                if port > 0 || !lied {
                    // Who it is from is told by what it is filled with.
                    let from = mac(from % 7 + 1);
                    let length = usize::from(length % 2049).max(16);
                    world.stations[port].send(&frame(address(to), from, length, port as u8));
                }
            }
            Step::Arrive { to, from, length } => {
                let _ = world.serve();
                let length = usize::from(length % 1519).max(16);
                world.arrive(&frame(address(to), mac(from % 7 + 1), length, PORTS as u8));
                hear(&mut world, 1);
                hear(&mut world, 2);
            }
            Step::Hear(port) => {
                let port = usize::from(port) % PORTS;
                if port > 0 || !lied {
                    hear(&mut world, port);
                }
            }
            Step::Leave => {
                for frame in world.left() {
                    check_frame(&frame, PORTS);
                }
            }
            Step::Serve => {
                for complaint in world.serve().complaints {
                    let liars =
                        matches!(complaint, Complaint::Client(0, _) | Complaint::Attach(0, _));
                    let spoofs = matches!(complaint, Complaint::Source(..));
                    assert!(spoofs || (lied && liars), "an honest peer is accused: {complaint}");
                }
            }
            Step::Restart => world.restart(),
            Step::Lie(ring, word, value) => {
                lied = true;
                let liar = &world.stations[0];
                let rings = [&liar.sends.out, &liar.sends.back, &liar.hears.out, &liar.hears.back];
                let ring = rings[usize::from(ring) % rings.len()];
                let _ = ring.write_u16(usize::from(word) * 2, value);
            }
        }
    }
    // The honest ones still reach each other.
    let _ = world.serve();
    for port in [1, 2] {
        hear(&mut world, port);
    }
    let _ = world.serve();
    let hello = frame(mac(3).bytes(), mac(2), 60, 1);
    assert!(world.stations[1].send(&hello).is_some(), "its buffers do not come back");
    let _ = world.serve();
    assert_eq!(world.stations[2].heard(), [hello], "the honest ones are cut off");
}

fn hear(world: &mut World, port: usize) {
    for frame in world.stations[port].heard() {
        check_frame(&frame, port);
    }
    world.stations[port].offer();
}

/// Checks a frame that a port (or the outside) was given.
fn check_frame(frame: &[u8], receiver: usize) {
    let sender = usize::from(frame[15]);
    assert_ne!(sender, receiver, "its own frame");
    let pair = (sender.min(receiver), sender.max(receiver));
    assert_ne!(pair, (0, 1), "they are no peers");
    let mut source = [0; 6];
    source.copy_from_slice(&frame[6..12]);
    let source = Mac::new(source);
    for port in 0..PORTS {
        if source == Some(mac(port as u8 + 1)) {
            assert_eq!(port, sender, "port {sender} sends as port {port}");
        }
    }
}
