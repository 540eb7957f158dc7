//! An 82540EM and memory, written from its manual, not from the driver. It can be
//! told to misbehave.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use e1000_core::{RINGS_SIZE, Register, Registers};
use shmem::{ReadWrite, Region};

/// Where the rings are, and where buffers may be.
pub const RINGS: u64 = 0x3800_0000;
pub const RECEIVE: u64 = 0x3820_0000;
pub const TRANSMIT: u64 = 0x3830_0000;
/// Bytes of either data region.
pub const DATA_SIZE: usize = 256 * 2048;

pub const ADDRESS: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

pub struct State {
    pub rings: Region<ReadWrite>,
    pub receive: Vec<u8>,
    pub transmit: Vec<u8>,
    pub sent: Vec<Vec<u8>>,
    /// Frames are sent, but only when the card is told to go on.
    pub slow: bool,
    /// The reset bit stays.
    pub stuck: bool,
    /// The EEPROM does not answer.
    pub mute: bool,
    pub link: bool,
    pub address: [u8; 6],
    pub resets: u32,
    /// What the card says of the next frame received: bytes more, and bits of the
    /// status and errors turned over.
    pub lie: (u16, u8, u8),
    registers: BTreeMap<Register, u32>,
    interrupts: u32,
    mask: u32,
}

#[derive(Clone)]
pub struct Model(pub Rc<RefCell<State>>);

impl Model {
    pub fn new(rings: &Region<ReadWrite>) -> Model {
        let mut state = State {
            rings: rings.clone(),
            receive: vec![0xee; DATA_SIZE],
            transmit: vec![0xee; DATA_SIZE],
            sent: Vec::new(),
            slow: false,
            stuck: false,
            mute: false,
            link: true,
            address: ADDRESS,
            resets: 0,
            lie: (0, 0, 0),
            registers: BTreeMap::new(),
            interrupts: 0,
            mask: u32::MAX,
        };
        // As a predecessor may have left it.
        state.registers.insert(Register::RCTL, 2);
        state.registers.insert(Register::TDT, 77);
        Model(Rc::new(RefCell::new(state)))
    }
}

impl State {
    fn get(&self, register: Register) -> u32 {
        self.registers.get(&register).copied().unwrap_or(0)
    }

    /// Whether the line is asserted.
    pub fn interrupts(&self) -> bool {
        self.interrupts & self.mask != 0
    }

    fn reset(&mut self) {
        self.resets += 1;
        self.registers.clear();
        self.mask = 0;
        self.interrupts = 0;
    }

    /// Where a descriptor is in the region.
    fn descriptor(&self, base: Register, length: Register, index: u32) -> usize {
        let count = self.get(length) / 16;
        assert!(count > 0 && self.get(length).is_multiple_of(128), "a ring of {count}");
        assert!(index < count, "beyond the ring");
        let at = u64::from(self.get(base)) - RINGS + u64::from(index) * 16;
        assert!(at as usize + 16 <= RINGS_SIZE, "outside the driver's own region");
        at as usize
    }

    /// Sends what there is to send.
    pub fn transmit(&mut self) {
        if self.get(Register::TCTL) & 2 == 0 {
            return;
        }
        while self.get(Register::TDH) != self.get(Register::TDT) {
            let head = self.get(Register::TDH);
            let at = self.descriptor(Register::TDBAL, Register::TDLEN, head);
            let address = self.rings.read_u64(at).unwrap();
            let word = self.rings.read_u64(at + 8).unwrap();
            assert_eq!(word >> 24 & 0xff, 0b1011, "one frame, with checksum and report");
            let from = address.checked_sub(TRANSMIT).expect("below what was granted") as usize;
            let frame = self.transmit[from..][..(word & 0xffff) as usize].to_vec();
            self.sent.push(frame);
            self.rings.write_u64(at + 8, word | 1 << 32).unwrap();
            let next = (head + 1) % (self.get(Register::TDLEN) / 16);
            self.registers.insert(Register::TDH, next);
            self.interrupts |= 1;
        }
    }

    /// Receives a frame, if there is a buffer.
    pub fn inject(&mut self, frame: &[u8]) -> bool {
        let (head, tail) = (self.get(Register::RDH), self.get(Register::RDT));
        if self.get(Register::RCTL) & 2 == 0 || head == tail {
            self.interrupts |= 1 << 6;
            return false;
        }
        let at = self.descriptor(Register::RDBAL, Register::RDLEN, head);
        let address = self.rings.read_u64(at).unwrap();
        let into = address.checked_sub(RECEIVE).expect("below what was granted") as usize;
        assert!(into + 2048 <= DATA_SIZE && into.is_multiple_of(2048), "not what was granted");
        self.receive[into..][..frame.len()].copy_from_slice(frame);
        let (more, status, errors) = std::mem::take(&mut self.lie);
        let length = (frame.len() as u16).wrapping_add(more);
        let status = u64::from(3 ^ status);
        let word = u64::from(length) | status << 32 | u64::from(errors) << 40;
        self.rings.write_u64(at + 8, word).unwrap();
        let next = (head + 1) % (self.get(Register::RDLEN) / 16);
        self.registers.insert(Register::RDH, next);
        self.interrupts |= 1 << 7;
        true
    }
}

impl Registers for Model {
    fn read(&mut self, register: Register) -> u32 {
        let mut state = self.0.borrow_mut();
        match register {
            Register::ICR => std::mem::take(&mut state.interrupts),
            Register::STATUS => u32::from(state.link) << 1,
            Register::CTRL if state.stuck => 1 << 26,
            register => state.get(register),
        }
    }

    fn write(&mut self, register: Register, value: u32) {
        let mut state = self.0.borrow_mut();
        match register {
            Register::IMS => state.mask |= value,
            Register::IMC => state.mask &= !value,
            Register::EERD => {
                assert_eq!(value & 1, 1);
                let word = (value >> 8 & 0xff) as usize * 2;
                let word = u16::from_le_bytes([state.address[word], state.address[word + 1]]);
                let done = u32::from(!state.mute) << 4;
                state.registers.insert(register, u32::from(word) << 16 | done);
            }
            Register::CTRL if value & 1 << 26 != 0 => state.reset(),
            register => {
                state.registers.insert(register, value);
            }
        }
        if register == Register::TDT && !state.slow {
            state.transmit();
        }
    }
}
