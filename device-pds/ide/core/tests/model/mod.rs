//! A PIIX's channel with a disk, and memory: written from the specifications, not
//! from the driver. It can be told to misbehave.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use deadline::Tsc;
use ide_core::{Ports, Register};
use shmem::{ReadWrite, Region};

/// Where the table is.
pub const TABLE: u64 = 0x3800_0000;
/// Where the data region begins, just below a multiple of 64 KiB.
pub const DATA: u64 = 0x3820_e000;
/// How large it is.
pub const DATA_SIZE: usize = 0x20_0000;

/// What the next command does instead of what it should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing; the device is busy until it is reset.
    Hang,
    /// It ends with an error of the device's, after half of the data.
    Error,
    /// The controller fails on the bus.
    Bus,
    /// It interrupts before it is done.
    Early,
    /// It moves half and says that all is well.
    Short,
    /// It ends wanting data by the data register.
    WantsData,
    /// It is never busy and never done.
    Ignored,
}

/// The state of the machine.
pub struct State {
    pub disk: Vec<u8>,
    pub memory: Vec<u8>,
    pub table: Region<ReadWrite>,
    pub faults: VecDeque<Fault>,
    /// A reset does not end what the device does.
    pub dead: bool,
    /// No device at all.
    pub floating: bool,
    /// Knows commands with 48 bits.
    pub extended: bool,
    /// Commands, in order.
    pub commands: Vec<u8>,
    pub resets: u32,
    pub time: u64,
    status: u8,
    error: u8,
    /// Each register's last two values.
    taskfile: [[u8; 2]; 7],
    control: u8,
    master_command: u8,
    master_status: u8,
    master_table: u32,
    /// What is to be moved once the bus master starts: sector, count, into memory.
    pending: Option<(u64, u64, bool)>,
    fault: Option<Fault>,
    identity: VecDeque<u16>,
    /// Looks at the status until an early interrupt's command is done.
    patience: u8,
}

const BUSY: u8 = 0x80;
const READY: u8 = 0x50;
const DRQ: u8 = 0x08;

/// Handle to the machine; the test keeps another.
#[derive(Clone)]
pub struct Model(pub Rc<RefCell<State>>);

impl Model {
    pub fn new(table: &Region<ReadWrite>, sectors: usize) -> Model {
        let disk = (0..sectors * 512).map(|i| (i / 512 * 7 + i) as u8).collect();
        Model(Rc::new(RefCell::new(State {
            disk,
            memory: vec![0xee; DATA_SIZE],
            table: table.clone(),
            faults: VecDeque::new(),
            dead: false,
            floating: false,
            extended: true,
            commands: Vec::new(),
            resets: 0,
            time: 1,
            // As a predecessor may have left it: in the middle of something.
            status: READY | DRQ,
            error: 0,
            taskfile: [[0; 2]; 7],
            control: 0,
            master_command: 9,
            master_status: 0x67,
            master_table: 0,
            pending: None,
            fault: None,
            identity: VecDeque::new(),
            patience: 0,
        })))
    }
}

impl State {
    fn interrupt(&mut self) {
        self.master_status |= 4;
    }

    fn count(&self) -> u64 {
        let [now, before] = self.taskfile[2];
        let count = u64::from(now) | if self.is_extended() { u64::from(before) << 8 } else { 0 };
        match count {
            0 if self.is_extended() => 65536,
            0 => 256,
            n => n,
        }
    }

    fn is_extended(&self) -> bool {
        matches!(self.commands.last(), Some(0x25 | 0x35 | 0xea))
    }

    fn sector(&self) -> u64 {
        let at = |i: usize, age: usize| u64::from(self.taskfile[i][age]);
        let low = at(3, 0) | at(4, 0) << 8 | at(5, 0) << 16;
        if self.is_extended() {
            low | at(3, 1) << 24 | at(4, 1) << 32 | at(5, 1) << 40
        } else {
            low | (at(6, 0) & 0xf) << 24
        }
    }

    fn command(&mut self, code: u8) {
        assert_eq!(self.status & (BUSY | DRQ), 0, "a command to a device at work");
        assert_eq!(self.master_command & 1, 0, "a command while the bus master is at work");
        self.commands.push(code);
        self.fault = self.faults.pop_front();
        if self.fault == Some(Fault::Ignored) {
            return;
        }
        self.status = BUSY;
        match code {
            0xec if self.fault != Some(Fault::Hang) => self.identify(),
            0xe7 | 0xea => self.finish(),
            0xc8 | 0x25 => self.pending = Some((self.sector(), self.count(), true)),
            0xca | 0x35 => self.pending = Some((self.sector(), self.count(), false)),
            _ => {}
        }
    }

    fn identify(&mut self) {
        let sectors = (self.disk.len() / 512) as u64;
        let mut words = [0u16; 256];
        words[49] = 0x300;
        words[60] = sectors as u16;
        words[61] = (sectors >> 16) as u16;
        if self.extended {
            words[83] = 0x4400;
            words[100] = sectors as u16;
            words[101] = (sectors >> 16) as u16;
        }
        for (word, pair) in words[10..20].iter_mut().zip(b"MODEL-1             ".chunks(2)) {
            *word = u16::from(pair[0]) << 8 | u16::from(pair[1]);
        }
        self.identity = words.into();
        self.status = READY | DRQ;
        self.interrupt();
    }

    fn finish(&mut self) {
        match self.fault {
            Some(Fault::Hang | Fault::Ignored) => return,
            Some(Fault::Error) => {
                self.status = READY | 1;
                self.error = 0x40;
            }
            Some(Fault::WantsData) => self.status = READY | DRQ,
            Some(Fault::Early) => self.patience = 3,
            Some(Fault::Bus | Fault::Short) | None => self.status = READY,
        }
        self.interrupt();
    }

    /// The bus master starts.
    fn start(&mut self) {
        self.master_status |= 1;
        let Some((sector, count, into_memory)) = self.pending.take() else { return };
        assert_eq!(self.master_command & 8 != 0, into_memory, "the directions differ");
        let moved = match self.fault {
            Some(Fault::Hang | Fault::Ignored) => return,
            Some(Fault::Bus) => {
                self.master_status = self.master_status & !1 | 2;
                return self.finish();
            }
            Some(Fault::Short | Fault::Error) => count * 512 / 2,
            Some(Fault::Early | Fault::WantsData) | None => count * 512,
        };
        let from = (sector * 512) as usize;
        let mut done = 0;
        let mut entry = u64::from(self.master_table) - TABLE;
        loop {
            let word = self.table.read_u64(entry as usize).expect("the table's own region");
            let (address, size) = (word & 0xffff_ffff, word >> 32 & 0xffff);
            let size = if size == 0 { 0x1_0000 } else { size };
            assert_eq!(address >> 16, (address + size - 1) >> 16, "crosses 64 KiB");
            for i in 0..size {
                if done == moved {
                    break;
                }
                // Anything else would be somebody else's memory.
                let at = (address + i).checked_sub(DATA).expect("below what was granted") as usize;
                let disk = &mut self.disk[from + done as usize];
                if into_memory {
                    self.memory[at] = *disk
                } else {
                    *disk = self.memory[at]
                }
                done += 1;
            }
            if word >> 63 != 0 {
                break;
            }
            entry += 8;
        }
        assert_eq!(done, moved, "the table describes less than the command moves");
        if moved == count * 512 {
            self.master_status &= !1;
        }
        self.finish();
    }

    fn reset(&mut self) {
        self.resets += 1;
        self.pending = None;
        self.fault = None;
        self.patience = 0;
        self.identity.clear();
        self.taskfile = [[0; 2]; 7];
        self.error = 1;
        self.status = if self.dead { BUSY } else { READY };
    }

    fn status(&mut self) -> u8 {
        if self.floating {
            return 0xff;
        }
        if self.patience > 0 {
            self.patience -= 1;
            if self.patience == 0 {
                self.status = READY;
            }
        }
        self.status
    }
}

impl Ports for Model {
    fn read(&mut self, register: Register) -> u8 {
        let mut state = self.0.borrow_mut();
        state.time += 100;
        match register {
            Register::Error => state.error,
            Register::StatusCommand | Register::AlternateControl => state.status(),
            Register::MasterCommand => state.master_command,
            Register::MasterStatus => state.master_status,
            Register::Count => state.taskfile[2][0],
            Register::Low => state.taskfile[3][0],
            Register::Mid => state.taskfile[4][0],
            Register::High => state.taskfile[5][0],
            Register::Device => state.taskfile[6][0],
            Register::Data | Register::MasterTable => panic!("{register:?} is wider"),
        }
    }

    fn write(&mut self, register: Register, value: u8) {
        let mut state = self.0.borrow_mut();
        state.time += 100;
        let index = match register {
            Register::Count => 2,
            Register::Low => 3,
            Register::Mid => 4,
            Register::High => 5,
            Register::Device => 6,
            Register::StatusCommand => return state.command(value),
            Register::AlternateControl => {
                if state.control & 4 != 0 && value & 4 == 0 {
                    state.reset();
                }
                state.control = value;
                return;
            }
            Register::MasterCommand => {
                let starts = value & 1 != 0 && state.master_command & 1 == 0;
                state.master_command = value;
                if starts {
                    state.start();
                } else if value & 1 == 0 {
                    state.master_status &= !1;
                    state.pending = None;
                }
                return;
            }
            Register::MasterStatus => {
                let kept = state.master_status & 1;
                let flags = state.master_status & !value & 6;
                state.master_status = kept | flags | value & 0x60;
                return;
            }
            Register::Data | Register::Error | Register::MasterTable => {
                panic!("{register:?} is written")
            }
        };
        let before = state.taskfile[index][0];
        state.taskfile[index] = [value, before];
    }

    fn read_data(&mut self) -> u16 {
        let mut state = self.0.borrow_mut();
        let word = state.identity.pop_front().expect("more words than there are");
        if state.identity.is_empty() {
            state.status = READY;
        }
        word
    }

    fn write_table(&mut self, address: u32) {
        self.0.borrow_mut().master_table = address;
    }

    fn now(&mut self) -> Tsc {
        let mut state = self.0.borrow_mut();
        state.time += 10;
        Tsc(state.time)
    }
}
