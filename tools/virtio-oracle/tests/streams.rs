//! `virtio-drivers`' console and source of entropy on ours.

use std::{cell::RefCell, rc::Rc};

use virtio_drivers::device::{console::VirtIOConsole, rng::VirtIORng};
use virtio_hal::DeviceType;
use virtio_oracle::{
    GuestHal, Transport,
    peers::{self, Screen},
};

#[test]
fn what_is_asked_of_the_entropy_source_is_what_its_domain_gives() {
    let machine = peers::entropy();
    let mut source =
        VirtIORng::<GuestHal, Transport>::new(machine.transport(DeviceType::EntropySource))
            .unwrap();
    let mut next = 0_u8;
    for length in [1, 2, 64, 100, 4096, 3] {
        let mut bytes = vec![0; length];
        let count = source.request_entropy(&mut bytes).unwrap();
        assert!((1..=length).contains(&count), "a buffer comes back with something in it");
        for &byte in &bytes[..count] {
            assert_eq!(byte, next, "no byte twice, and none lost");
            next = next.wrapping_add(1);
        }
    }
}

#[test]
fn a_console_shows_what_is_written_and_reads_what_is_typed() {
    let screen = Rc::new(RefCell::new(Screen::default()));
    let machine = peers::console(&screen);
    let mut console =
        VirtIOConsole::<GuestHal, Transport>::new(machine.transport(DeviceType::Console)).unwrap();
    let text: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
    for part in text.chunks(777) {
        console.send_bytes(part).unwrap();
    }
    console.send(b'!').unwrap();
    assert_eq!(screen.borrow().shown[..20_000], text);
    assert_eq!(screen.borrow().shown[20_000..], *b"!");

    assert_eq!(console.recv(true), Ok(None));
    // More than the driver's buffer and the queue hold together.
    screen.borrow_mut().typed.extend(&text);
    let mut typed = vec![];
    while typed.len() < text.len() {
        machine.settle();
        assert!(console.ack_interrupt().unwrap(), "it is told of what comes");
        while let Some(byte) = console.recv(true).unwrap() {
            typed.push(byte);
        }
    }
    assert_eq!(typed, text);
}
