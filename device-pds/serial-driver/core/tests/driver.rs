//! The driver between the virtualiser's queues and a UART: a model that takes
//! its time, and rust-vmm's, which is somebody else's idea of a 16550.

mod model;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use model::Shared as Slow;
use proptest::prelude::*;
use sddf::serial::{Consumer, Culprit, Producer, Shared};
use serial_driver_core::uart::{Absent, Ports, Register, Uart};
use serial_driver_core::{Complaint, Driver};
use shmem::{ReadWrite, Region};
use vm_superio::Trigger;
use vm_superio::serial::{NoEvents, Serial};

/// The two queues, the virtualiser's ends of them and their headers.
struct Queues {
    transmit: Producer,
    receive: Consumer,
    transmit_header: Region<ReadWrite>,
    receive_header: Region<ReadWrite>,
}

fn attach<P: Ports>(ports: P, capacity: usize) -> (Driver<P>, Queues) {
    let queue = || (Region::<ReadWrite>::host(4096), Region::<ReadWrite>::host(capacity));
    let ((transmit_header, t), (receive_header, r)) = (queue(), queue());
    let queues = Queues {
        transmit: Producer::attach(Shared::new(&transmit_header, t.clone()).unwrap()).unwrap(),
        receive: Consumer::attach(Shared::new(&receive_header, r.read_only()).unwrap()).unwrap(),
        transmit_header: transmit_header.clone(),
        receive_header: receive_header.clone(),
    };
    let driver = Driver::new(
        Uart::start(ports).unwrap(),
        Consumer::attach(Shared::new(&transmit_header, t.read_only()).unwrap()).unwrap(),
        Producer::attach(Shared::new(&receive_header, r).unwrap()).unwrap(),
    );
    (driver, queues)
}

fn take(queue: &mut Consumer) -> Vec<u8> {
    let mut out = vec![0; queue.capacity() as usize];
    let n = queue.dequeue(&mut out).unwrap();
    out.truncate(n);
    out
}

/// What the shell does when the UART interrupts.
fn interrupt(uart: &Slow, driver: &mut Driver<Slow>) -> bool {
    if !uart.0.borrow_mut().deliver() {
        return false;
    }
    uart.0.borrow_mut().masked = false;
    let _ = driver.serve();
    true
}

#[test]
fn the_port_is_set_up() {
    let uart = Slow::default();
    let _driver = attach(uart.clone(), 64);
    assert!(uart.set_up_as_expected());
}

#[test]
fn a_port_that_floats_is_absent() {
    struct Floating;
    impl Ports for Floating {
        fn read(&mut self, _: Register) -> u8 {
            0xff
        }
        fn write(&mut self, _: Register, _: u8) {}
    }
    assert_eq!(Uart::start(Floating).map(|_| ()), Err(Absent { wrote: 0x5a, read: 0xff }));
}

#[test]
fn a_few_bytes_need_no_interrupt() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    queues.transmit.enqueue(b"# ").unwrap();
    let _ = driver.serve();
    for _ in 0..5 {
        uart.0.borrow_mut().tick();
        assert!(!uart.0.borrow_mut().deliver());
    }
    assert_eq!(uart.0.borrow().sent, b"# ");
}

#[test]
fn a_long_text_is_sent_sixteen_bytes_an_interrupt() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 1024);
    let text: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
    queues.transmit.enqueue(&text).unwrap();
    let _ = driver.serve();
    let mut interrupts = 0;
    for _ in 0..1000 {
        uart.0.borrow_mut().tick();
        interrupts += u32::from(interrupt(&uart, &mut driver));
    }
    assert_eq!(uart.0.borrow().sent, text);
    assert_eq!(interrupts, 62, "1000 bytes in 63 batches, the first without");
    // Set-up and 1000 bytes aside, an interrupt costs a few accesses.
    assert!(uart.0.borrow().accesses < 1000 + 62 * 3 + 30, "{}", uart.0.borrow().accesses);
}

#[test]
fn a_uart_that_does_not_interrupt_for_being_empty_already_still_sends() {
    let uart = Slow::default();
    uart.0.borrow_mut().quirk = true;
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    for _ in 0..20 {
        queues.transmit.enqueue(b"0123456789abcdefXYZ").unwrap();
        let _ = driver.serve();
        for _ in 0..25 {
            uart.0.borrow_mut().tick();
            interrupt(&uart, &mut driver);
        }
    }
    assert_eq!(uart.0.borrow().sent, b"0123456789abcdefXYZ".repeat(20));
}

#[test]
fn a_key_at_the_moment_when_the_transmitter_empties_does_not_silence_it() {
    for bochs in [false, true] {
        let uart = Slow::default();
        uart.0.borrow_mut().bochs = bochs;
        let (mut driver, mut queues) = attach(uart.clone(), 64);
        queues.transmit.enqueue(b"0123456789abcdefXYZ").unwrap();
        let _ = driver.serve();
        uart.0.borrow_mut().arrives(b'k');
        for _ in 0..40 {
            uart.0.borrow_mut().tick();
            if uart.0.borrow().sent.len() >= 16 {
                interrupt(&uart, &mut driver);
            }
        }
        assert_eq!(uart.0.borrow().sent, b"0123456789abcdefXYZ", "bochs: {bochs}");
        assert_eq!(take(&mut queues.receive), b"k");
    }
}

#[test]
fn a_fast_typist_adds_no_bytes_of_the_uarts_invention() {
    let uart = Slow::default();
    uart.0.borrow_mut().bochs = true;
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    for byte in *b"nine keys" {
        uart.0.borrow_mut().arrives(byte);
    }
    for _ in 0..10 {
        interrupt(&uart, &mut driver);
        uart.0.borrow_mut().tick();
    }
    assert_eq!(take(&mut queues.receive), b"nine keys");
}

#[test]
fn what_is_typed_reaches_the_virtualiser() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    for byte in *b"ls\r" {
        uart.0.borrow_mut().arrives(byte);
    }
    assert!(uart.0.borrow_mut().deliver(), "at the first byte");
    uart.0.borrow_mut().masked = false;
    assert!(driver.serve().notify);
    assert_eq!(take(&mut queues.receive), b"ls\r");
}

#[test]
fn a_virtualiser_that_takes_nothing_loses_input_but_nothing_spins() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 16);
    for i in 0..60 {
        uart.0.borrow_mut().arrives(i);
        uart.0.borrow_mut().tick();
        interrupt(&uart, &mut driver);
    }
    let before = uart.0.borrow().accesses;
    uart.0.borrow_mut().arrives(99);
    assert!(!interrupt(&uart, &mut driver), "the receiver is off");
    assert_eq!(uart.0.borrow().accesses, before);
    assert_eq!(uart.0.borrow().waiting(), 16, "the FIFO is the last buffer");

    assert_eq!(take(&mut queues.receive), (0..16).collect::<Vec<u8>>());
    assert!(queues.receive.producer_waits(), "the driver asked for room");
    assert!(driver.serve().notify);
    assert_eq!(take(&mut queues.receive), (16..32).collect::<Vec<u8>>());
    assert_eq!(driver.counters().overruns, 1);
}

#[test]
fn a_virtualiser_that_waits_for_room_is_notified() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 16);
    assert_eq!(queues.transmit.enqueue(&[b'x'; 40]).unwrap(), 16);
    let _ = queues.transmit.wait_for_space(1);
    assert!(driver.serve().notify);
    assert!(!driver.serve().notify, "once");
}

#[test]
fn a_transmit_queue_that_lies_is_closed_and_receiving_goes_on() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    queues.transmit_header.write_u32(0, 1000).unwrap();
    let Some(Complaint::Transmit(e)) = driver.serve().complaint else { panic!("no complaint") };
    assert_eq!(e.culprit, Culprit::Producer);
    assert_eq!(driver.serve().complaint, None, "said once");
    uart.0.borrow_mut().arrives(b'a');
    uart.0.borrow_mut().tick();
    interrupt(&uart, &mut driver);
    assert_eq!(take(&mut queues.receive), b"a");
}

#[test]
fn a_receive_queue_that_lies_is_closed_and_sending_goes_on() {
    let uart = Slow::default();
    let (mut driver, mut queues) = attach(uart.clone(), 64);
    queues.receive_header.write_u32(4, 7).unwrap();
    uart.0.borrow_mut().arrives(b'a');
    uart.0.borrow_mut().tick();
    assert!(uart.0.borrow_mut().deliver());
    uart.0.borrow_mut().masked = false;
    assert!(matches!(driver.serve().complaint, Some(Complaint::Receive(_))));
    queues.transmit.enqueue(b"ok").unwrap();
    let _ = driver.serve();
    uart.0.borrow_mut().tick();
    uart.0.borrow_mut().tick();
    assert_eq!(uart.0.borrow().sent, b"ok");
}

#[test]
fn a_uart_that_always_interrupts_costs_bounded_work() {
    /// Every register always says: something is pending, a break, a byte.
    struct Stuck(u8, usize);
    impl Ports for Stuck {
        fn read(&mut self, register: Register) -> u8 {
            self.1 += 1;
            assert!(self.1 < 20_000, "unbounded");
            match register {
                Register::Scratch => self.0,
                Register::InterruptIdentification => 0xc4,
                Register::LineStatus => 0x7f,
                _ => 0,
            }
        }
        fn write(&mut self, register: Register, value: u8) {
            if register == Register::Scratch {
                self.0 = value;
            }
        }
    }
    let (mut driver, _queues) = attach(Stuck(0, 0), 64);
    let _ = driver.serve();
    assert_eq!(driver.counters().unfinished, 1);
    assert!(driver.counters().breaks > 0);
}

proptest! {
    /// Bytes in both directions, interrupts taken late, queues of any size:
    /// everything given is sent, everything taken in time is received.
    #[test]
    fn nothing_is_lost_stuck_or_reordered(
        order in 2u32..9,
        quirk: bool,
        bochs: bool,
        steps in proptest::collection::vec((0usize..30, 0usize..20, 0usize..4), 1..80),
    ) {
        let uart = Slow::default();
        uart.0.borrow_mut().quirk = quirk;
        uart.0.borrow_mut().bochs = bochs;
        let (mut driver, mut queues) = attach(uart.clone(), 1 << order);
        let (mut given, mut typed, mut got) = (vec![], vec![], vec![]);
        let mut next = 0u8;
        for (give, ticks, arrive) in steps {
            let text: Vec<u8> = (0..give).map(|_| { next = next.wrapping_add(1); next }).collect();
            let taken = queues.transmit.enqueue(&text).unwrap();
            given.extend(&text[..taken]);
            if taken > 0 {
                let _ = driver.serve();
            }
            for _ in 0..arrive {
                next = next.wrapping_add(1);
                uart.0.borrow_mut().arrives(next);
                typed.push(next);
            }
            for _ in 0..ticks {
                uart.0.borrow_mut().tick();
            }
            interrupt(&uart, &mut driver);
            got.extend(take(&mut queues.receive));
            if queues.receive.producer_waits() {
                let _ = driver.serve();
            }
        }
        for _ in 0..2000 {
            uart.0.borrow_mut().tick();
            interrupt(&uart, &mut driver);
            got.extend(take(&mut queues.receive));
            if queues.receive.producer_waits() {
                let _ = driver.serve();
            }
        }
        prop_assert_eq!(&uart.0.borrow().sent, &given);
        if driver.counters().overruns == 0 {
            prop_assert_eq!(got, typed);
        }
    }
}

/// rust-vmm's 16550. Its transmitter is always empty.
#[derive(Clone)]
struct VmSuperio {
    serial: Rc<RefCell<Serial<Interrupt, NoEvents, Vec<u8>>>>,
    interrupts: Rc<Cell<u32>>,
}

struct Interrupt(Rc<Cell<u32>>);

impl Trigger for Interrupt {
    type E = std::convert::Infallible;
    fn trigger(&self) -> Result<(), Self::E> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

impl VmSuperio {
    fn new() -> Self {
        let interrupts = Rc::new(Cell::new(0));
        let serial = Serial::new(Interrupt(interrupts.clone()), Vec::new());
        VmSuperio { serial: Rc::new(RefCell::new(serial)), interrupts }
    }
}

impl Ports for VmSuperio {
    fn read(&mut self, register: Register) -> u8 {
        self.serial.borrow_mut().read(register.offset() as u8)
    }
    fn write(&mut self, register: Register, value: u8) {
        self.serial.borrow_mut().write(register.offset() as u8, value).unwrap();
    }
}

#[test]
fn rust_vmms_uart_gets_every_byte() {
    let uart = VmSuperio::new();
    let (mut driver, mut queues) = attach(uart.clone(), 4096);
    let text: Vec<u8> = (0..4000u32).map(|i| (i * 7) as u8).collect();
    queues.transmit.enqueue(&text).unwrap();
    let mut rounds = 0;
    loop {
        let before = uart.interrupts.get();
        let _ = driver.serve();
        rounds += 1;
        if uart.interrupts.get() == before {
            break;
        }
        assert!(rounds < 20, "an interrupt storm");
    }
    assert_eq!(*uart.serial.borrow().writer(), text);
}

#[test]
fn rust_vmms_uart_is_read_dry() {
    let uart = VmSuperio::new();
    let (mut driver, mut queues) = attach(uart.clone(), 4096);
    let typed: Vec<u8> = (0..64).collect();
    let _ = driver.serve();
    let before = uart.interrupts.get();
    assert_eq!(uart.serial.borrow_mut().enqueue_raw_bytes(&typed).unwrap(), 64);
    assert!(uart.interrupts.get() > before, "the receive interrupt is on");
    assert!(driver.serve().notify);
    assert_eq!(take(&mut queues.receive), typed);
}
