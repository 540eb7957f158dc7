//! The guest's UART driven by somebody else's driver: the crate `uart_16550`,
//! whose back end is a trait. Whatever it checks of real hardware, it checks of
//! the model: presence, loopback, line settings, status, both directions.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use uart_16550::backend::Backend;
use uart_16550::spec::registers::{FifoTriggerLevel, IER, InterruptType, Parity, WordLength};
use uart_16550::{BaudRate, Config, Uart16550};
use vmm_core::devices::uart::Uart;
use vmm_core::devices::virtio::Device;
use vmm_core::outside::Outside;
use vmm_core::time::TscFrequency;
use vmm_core::types::Ticks;

/// What is at the other end of the console.
#[derive(Default)]
struct Terminal {
    shown: Vec<u8>,
    typed: VecDeque<u8>,
}

impl Outside for Terminal {
    fn console_write(&mut self, byte: u8) -> bool {
        self.shown.push(byte);
        true
    }

    fn console_read(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }

    fn debug_write(&mut self, _byte: u8) {}

    fn ring(&mut self, _device: Device) {}

    fn complain(&mut self, _what: fmt::Arguments<'_>) {}
}

/// The model, its terminal, and a clock that moves with each access.
struct Board {
    uart: Uart,
    terminal: Terminal,
    now: u64,
}

impl Board {
    fn new() -> Rc<RefCell<Self>> {
        let tsc = TscFrequency::new(1_000_000_000).unwrap();
        let uart = Uart::new(tsc);
        Rc::new(RefCell::new(Board { uart, terminal: Terminal::default(), now: 0 }))
    }

    /// A microsecond, about what an access takes on the ISA bus.
    fn tick(&mut self) -> Ticks {
        self.now += 1000;
        Ticks(self.now)
    }

    fn type_in(&mut self, bytes: &[u8]) {
        self.terminal.typed.extend(bytes);
        let now = self.tick();
        self.uart.readable(now, &mut self.terminal);
    }
}

#[derive(Clone)]
struct Ports(Rc<RefCell<Board>>);

// The trait's methods are unsafe because a back end may reach real registers;
// this one reaches a structure and has nothing to uphold.
impl Backend for Ports {
    unsafe fn read(&mut self, register: u8) -> u8 {
        let board = &mut *self.0.borrow_mut();
        let now = board.tick();
        board.uart.read(register, now, &mut board.terminal)
    }

    unsafe fn write(&mut self, register: u8, value: u8) {
        let board = &mut *self.0.borrow_mut();
        let now = board.tick();
        board.uart.write(register, value, now, &mut board.terminal);
    }
}

fn driver(board: &Rc<RefCell<Board>>, config: Config) -> Uart16550<Ports> {
    // SAFETY: the back end reaches nothing but the model, whatever is done.
    let mut driver = unsafe { Uart16550::new_with_backend(Ports(board.clone())) };
    driver.init(config).unwrap();
    driver
}

#[test]
fn the_driver_finds_it_and_its_loopback_test_passes() {
    let board = Board::new();
    let mut driver = driver(&board, Config::default());
    assert!(driver.check_present());
    driver.test_loopback().unwrap();
    driver.check_connected().unwrap();
    assert!(board.borrow().terminal.shown.is_empty(), "the loopback test was heard outside");
}

#[test]
fn it_works_with_and_without_fifos() {
    for trigger in [None, Some(FifoTriggerLevel::One), Some(FifoTriggerLevel::Fourteen)] {
        let board = Board::new();
        let config = Config { fifo_trigger_level: trigger, ..Config::default() };
        let mut driver = driver(&board, config);
        driver.test_loopback().unwrap();
        driver.send_bytes_exact(b"hello");
        assert_eq!(board.borrow().terminal.shown, b"hello");
        board.borrow_mut().type_in(b"typed while nobody looked, more than a FIFO");
        let mut got = [0; 43];
        driver.receive_bytes_exact(&mut got);
        assert_eq!(&got, b"typed while nobody looked, more than a FIFO");
        assert_eq!(driver.receive_bytes(&mut got), 0);
    }
}

#[test]
fn line_settings_read_back() {
    let board = Board::new();
    let config = Config {
        baud_rate: BaudRate::Baud57600,
        data_bits: WordLength::SevenBits,
        parity: Parity::Even,
        extra_stop_bits: true,
        ..Config::default()
    };
    let mut driver = driver(&board, config.clone());
    let dump = driver.config_register_dump();
    assert_eq!(dump.baud_rate(&config), BaudRate::Baud57600);
    assert_eq!(driver.lcr().bits(), 0b0001_1110);
}

#[test]
fn interrupts_come_as_the_driver_understands_them() {
    let board = Board::new();
    let config = Config {
        interrupts: IER::DATA_READY | IER::THR_EMPTY,
        fifo_trigger_level: Some(FifoTriggerLevel::Four),
        ..Config::default()
    };
    let mut driver = driver(&board, config);
    assert!(board.borrow().uart.irq());
    assert_eq!(driver.isr().interrupt_type(), Some(InterruptType::TransmitterHoldingRegisterEmpty));
    assert!(!board.borrow().uart.irq());

    board.borrow_mut().type_in(b"abcd");
    assert!(board.borrow().uart.irq());
    assert_eq!(driver.isr().interrupt_type(), Some(InterruptType::ReceivedDataReady));
    assert_eq!(driver.try_receive_byte().unwrap(), b'a');
    assert!(!board.borrow().uart.irq());

    // Three are left, below the level: they come by the timeout.
    let deadline = board.borrow().uart.deadline().unwrap();
    board.borrow_mut().now = deadline.0;
    board.borrow_mut().uart.advance(deadline);
    assert_eq!(driver.isr().interrupt_type(), Some(InterruptType::ReceptionTimeout));
    let mut rest = [0; 3];
    driver.receive_bytes_exact(&mut rest);
    assert_eq!(&rest, b"bcd");
    assert_eq!(driver.isr().interrupt_type(), None);
}
