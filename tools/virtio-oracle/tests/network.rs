//! `virtio-drivers`' network card on ours.

use std::{cell::RefCell, rc::Rc};

use virtio_drivers::{Error, device::net::VirtIONet};
use virtio_hal::DeviceType;
use virtio_oracle::{
    GuestHal, Machine, Transport,
    peers::{self, Wire},
};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x42];
/// Buffers of the driver's; as many as its queue has descriptors.
const QUEUE: usize = 32;

type Card = VirtIONet<GuestHal, Transport, QUEUE>;

fn card() -> (Machine, Rc<RefCell<Wire>>, Card) {
    let wire = Rc::new(RefCell::new(Wire::default()));
    let machine = peers::network(MAC, &wire);
    let card = Card::new(machine.transport(DeviceType::Network), 2048).unwrap();
    (machine, wire, card)
}

fn frame(n: usize) -> Vec<u8> {
    (0..14 + n * 7 % 1501).map(|i| (i + n) as u8).collect()
}

#[test]
fn the_driver_finds_the_address() {
    assert_eq!(card().2.mac_address(), MAC);
}

#[test]
fn frames_go_out_as_they_are_and_in_order() {
    let (_, wire, mut card) = card();
    for n in 0..1000 {
        let mut buffer = card.new_tx_buffer(frame(n).len());
        buffer.packet_mut().copy_from_slice(&frame(n));
        card.send(buffer).unwrap();
    }
    assert_eq!(wire.borrow().sent, (0..1000).map(frame).collect::<Vec<_>>());
}

#[test]
fn frames_come_in_as_they_are_and_in_order_and_wait_for_buffers() {
    let (machine, wire, mut card) = card();
    let mut random = fastrand::Rng::with_seed(3);
    let (mut put, mut came) = (0, 0);
    while came < 1000 {
        for _ in 0..random.usize(..3 * QUEUE) {
            wire.borrow_mut().waiting.push_back(frame(put));
            put += 1;
        }
        machine.settle();
        for _ in 0..random.usize(..3 * QUEUE) {
            match card.receive() {
                Ok(received) => {
                    assert_eq!(received.packet(), frame(came), "{came}");
                    came += 1;
                    card.recycle_rx_buffer(received).unwrap();
                }
                Err(why) => {
                    assert_eq!(why, Error::NotReady);
                    break;
                }
            }
        }
    }
    assert!(machine.line());
}
