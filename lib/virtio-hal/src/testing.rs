//! A device for tests on the host: registers that answer, queues by `virtq`, and all
//! that a device can do wrong.
//!
//! It reaches the memory that the driver was granted and nothing else: a driver that
//! names another address fails its test.

use core::fmt;
use std::{boxed::Box, cell::RefCell, rc::Rc, vec, vec::Vec};

use pci_bus::virtio::{Span, Structures};
use shmem::{ReadWrite, Region};
use virtq::{Chain, Features, Memory, Outside, Queue, QueueConfig};

use crate::{Buffer, Pool, Pooled, Registers};

/// Where the registers are.
pub const REGISTERS: u64 = 0xfe00_0000;
/// Bytes of them.
pub const REGISTERS_SIZE: usize = 0x4000;
/// I/O address of the region for DMA.
pub const DMA: u64 = 0x3800_0000;

const ISR: usize = 0x1000;
const CONFIG: usize = 0x2000;
const NOTIFY: usize = 0x3000;
const MULTIPLIER: u32 = 4;

/// Entries of a queue at most.
const MOST: u16 = 256;

/// Where the structures are.
pub fn structures() -> Structures {
    let span = |offset: usize| Span { address: REGISTERS as u32 + offset as u32, size: 0x1000 };
    Structures {
        common: span(0),
        notify: span(NOTIFY),
        notify_multiplier: MULTIPLIER,
        isr: span(ISR),
        device: span(CONFIG),
    }
}

/// The pool of the test's thread: [`pool`] makes a new one.
#[derive(Debug)]
pub enum ThreadPool {}

std::thread_local! {
    static POOL: RefCell<&'static Pool> = RefCell::new(Box::leak(Box::new(Pool::new())));
}

impl Pooled for ThreadPool {
    fn pool() -> &'static Pool {
        POOL.with(|pool| *pool.borrow())
    }
}

/// A new pool for this thread, its region, and so many buffers of `size` bytes.
pub fn pool(pages: usize, count: usize, size: usize) -> (Region<ReadWrite>, Vec<Buffer>) {
    // Not zeroes: nothing may rest on what was there before.
    let private = Box::leak(vec![0x5a; count * size].into_boxed_slice());
    let region = Region::host((pages * 4096 + private.len()).next_multiple_of(4096));
    let new: &'static Pool = Box::leak(Box::new(Pool::new()));
    let buffers = match new.grant(&region, DMA, pages, private, size) {
        Ok(buffers) => buffers.collect(),
        Err(e) => panic!("{e}"),
    };
    POOL.with(|pool| pool.replace(new));
    (region, buffers)
}

/// What a device is, and does with a request.
pub trait Behaviour {
    /// Features that it offers.
    fn features(&self) -> u64;
    /// Its configuration.
    fn config(&self) -> Vec<u8>;
    /// Whether it has a use for a buffer of this queue now.
    fn is_ready(&self, _queue: u16) -> bool {
        true
    }
    /// Does a request: what it was given to read, and how much it may write.
    ///
    /// # Returns
    /// What it writes.
    fn handle(&mut self, queue: u16, read: &[u8], room: usize) -> Vec<u8>;
}

#[derive(Default)]
struct Enabled {
    config: QueueConfig,
    enabled: bool,
    queue: Option<Queue>,
}

/// What is wrong with a device.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Faults {
    /// It never comes out of a reset.
    pub stays: bool,
    /// It does not accept features.
    pub refuses: bool,
    /// Its configuration changes at each look.
    pub restless: bool,
    /// It wants to be notified here.
    pub doorbell: Option<u16>,
    /// Its queues are this small.
    pub most: Option<u16>,
    /// It answers nothing until it is told to by [`Device::work`].
    pub slow: bool,
}

/// The device's inside.
pub struct State<B> {
    /// What it is.
    pub behaviour: B,
    /// What is wrong with it.
    pub faults: Faults,
    /// Its status register.
    pub status: u8,
    /// Features that the driver accepted.
    pub accepted: u64,
    /// What its interrupt status register holds.
    pub isr: u8,
    /// Notifications that it got.
    pub notified: u32,
    /// It has lied, and so may find its queue in disorder.
    lied: bool,
    memory: Dma,
    selects: [u32; 2],
    selected: u16,
    generation: u8,
    queues: [Enabled; 2],
}

/// A device; clones are the same one.
pub struct Device<B>(pub Rc<RefCell<State<B>>>);

impl<B> fmt::Debug for Device<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Device").finish_non_exhaustive()
    }
}

impl<B> Clone for Device<B> {
    fn clone(&self) -> Self {
        Device(self.0.clone())
    }
}

impl<B: Behaviour> Device<B> {
    /// One that can reach this region only.
    pub fn new(behaviour: B, region: &Region<ReadWrite>) -> Self {
        Device(Rc::new(RefCell::new(State {
            behaviour,
            faults: Faults::default(),
            // As a predecessor left it.
            status: 0xf,
            accepted: 0,
            isr: 0,
            notified: 0,
            lied: false,
            memory: Dma(region.clone()),
            selects: [0; 2],
            selected: 0,
            generation: 0,
            queues: Default::default(),
        })))
    }

    /// Does what is available, of every queue.
    pub fn work(&self) {
        let mut state = self.0.borrow_mut();
        for queue in 0..2 {
            state.work(queue);
        }
    }

    /// Gives a chain back that nobody asked about: an entry of the used ring as it
    /// stands in memory.
    pub fn claim(&self, queue: u16, id: u32, written: u32) {
        let mut state = self.0.borrow_mut();
        state.lied = true;
        let QueueConfig { device, size, .. } = state.queues[usize::from(queue)].config;
        let memory = &mut state.memory;
        let index = memory.read_u16(device + 2).unwrap();
        let entry = device + 4 + 8 * u64::from(index % size);
        memory.write_u64(entry, u64::from(id) | u64::from(written) << 32).unwrap();
        memory.write_u16(device + 2, index.wrapping_add(1)).unwrap();
    }

    /// The same, but sets only how many entries there are.
    pub fn claim_index(&self, queue: u16, index: u16) {
        let mut state = self.0.borrow_mut();
        state.lied = true;
        let at = state.queues[usize::from(queue)].config.device + 2;
        state.memory.write_u16(at, index).unwrap();
    }
}

impl<B: Behaviour> State<B> {
    /// Ends it all.
    fn reset(&mut self) {
        self.status = if self.faults.stays { 0xf } else { 0 };
        self.queues = Default::default();
        (self.accepted, self.isr) = (0, 0);
    }

    fn enable(&mut self) {
        let most = self.faults.most.unwrap_or(MOST);
        let Some(enabled) = self.queues.get_mut(usize::from(self.selected)) else { return };
        enabled.config.most = most;
        let features = Features::from_bits(self.accepted);
        match enabled.config.activate(features, &self.memory) {
            Ok(queue) => (enabled.queue, enabled.enabled) = (Some(queue), true),
            Err(e) => panic!("the driver's queue: {e}"),
        }
    }

    /// Does what is available.
    fn work(&mut self, index: u16) {
        const DRIVER_OK: u8 = 4;
        let Some(Enabled { queue: Some(queue), .. }) = self.queues.get_mut(usize::from(index))
        else {
            return;
        };
        assert!(self.status & DRIVER_OK != 0, "it is used before it may work (3.1.1)");
        let mut chain = Chain::<64>::default();
        while self.behaviour.is_ready(index) {
            let head = match queue.pop(&self.memory, &mut chain) {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(_) if self.lied => break,
                Err(e) => panic!("the driver: {e}"),
            };
            let length = chain.readable().len();
            let mut read = vec![0; length as usize];
            chain.readable().read(&self.memory, 0, &mut read).unwrap();
            let room = chain.writable().len() as usize;
            let written = self.behaviour.handle(index, &read, room);
            chain.writable().write(&mut self.memory, 0, &written).unwrap();
            queue.complete(&mut self.memory, head, written.len() as u32);
        }
        if queue.publish(&mut self.memory) {
            self.isr |= 1;
        }
        let _ = queue.arm(&mut self.memory);
    }

    fn read(&mut self, offset: usize) -> u64 {
        let queue = self.queues.get(usize::from(self.selected));
        let most = self.faults.most.unwrap_or(MOST);
        match offset {
            4 => match self.selects[0] {
                0 => self.behaviour.features() & 0xffff_ffff,
                1 => self.behaviour.features() >> 32,
                _ => 0,
            },
            20 => self.status.into(),
            21 => {
                self.generation = self.generation.wrapping_add(u8::from(self.faults.restless));
                self.generation.into()
            }
            24 => queue.map_or(0, |_| most).into(),
            28 => u16::from(queue.is_some_and(|queue| queue.enabled)).into(),
            30 => self.faults.doorbell.unwrap_or(self.selected).into(),
            ISR => core::mem::take(&mut self.isr).into(),
            _ => 0,
        }
    }

    fn write(&mut self, offset: usize, value: u32) {
        const FEATURES_OK: u8 = 8;
        let slow = self.faults.slow;
        let refuses = self.faults.refuses;
        let selected = self.queues.get_mut(usize::from(self.selected));
        let half = |address: &mut u64, shift: u32| {
            *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
        };
        match (offset, selected) {
            (0, _) => self.selects[0] = value,
            (8, _) => self.selects[1] = value,
            (12, _) => half(&mut self.accepted, 32 * (self.selects[1] & 1)),
            (20, _) if value == 0 => self.reset(),
            (20, _) => self.status = value as u8 & !(if refuses { FEATURES_OK } else { 0 }),
            (22, _) => self.selected = value as u16,
            (24, Some(queue)) => queue.config.size = value as u16,
            (28, Some(_)) => self.enable(),
            (32 | 36, Some(queue)) => half(&mut queue.config.descriptors, 8 * (offset as u32 - 32)),
            (40 | 44, Some(queue)) => half(&mut queue.config.driver, 8 * (offset as u32 - 40)),
            (48 | 52, Some(queue)) => half(&mut queue.config.device, 8 * (offset as u32 - 48)),
            (NOTIFY.., _) => {
                let queue = ((offset - NOTIFY) / MULTIPLIER as usize) as u16;
                assert_eq!(queue as u32, value, "the notification is of another queue");
                self.notified += 1;
                if !slow {
                    self.work(queue);
                }
            }
            _ => {}
        }
    }
}

impl<B: Behaviour> Registers for Device<B> {
    fn read_8(&self, offset: usize) -> u8 {
        let mut state = self.0.borrow_mut();
        match offset.checked_sub(CONFIG) {
            Some(place) if place < 0x1000 => {
                state.behaviour.config().get(place).copied().unwrap_or(0)
            }
            _ => state.read(offset) as u8,
        }
    }

    fn read_16(&self, offset: usize) -> u16 {
        if offset >= CONFIG {
            return u16::from_le_bytes([self.read_8(offset), self.read_8(offset + 1)]);
        }
        self.0.borrow_mut().read(offset) as u16
    }

    fn read_32(&self, offset: usize) -> u32 {
        if offset >= CONFIG {
            let half = |offset| u32::from(self.read_16(offset));
            return half(offset) | half(offset + 2) << 16;
        }
        self.0.borrow_mut().read(offset) as u32
    }

    fn write_8(&self, offset: usize, value: u8) {
        self.0.borrow_mut().write(offset, value.into());
    }

    fn write_16(&self, offset: usize, value: u16) {
        self.0.borrow_mut().write(offset, value.into());
    }

    fn write_32(&self, offset: usize, value: u32) {
        self.0.borrow_mut().write(offset, value);
    }
}

/// The region for DMA as the device reaches it.
struct Dma(Region<ReadWrite>);

impl Dma {
    fn place(&self, address: u64, length: u64) -> Result<usize, Outside> {
        let outside = Outside { address, length };
        let offset = address.checked_sub(DMA).ok_or(outside)?;
        let end = offset.checked_add(length).ok_or(outside)?;
        if end <= self.0.len() as u64 { Ok(offset as usize) } else { Err(outside) }
    }
}

impl Memory for Dma {
    fn contains(&self, address: u64, length: u64) -> bool {
        self.place(address, length).is_ok()
    }

    fn read_u16(&self, address: u64) -> Result<u16, Outside> {
        Ok(self.0.read_u16(self.place(address, 2)?).unwrap())
    }

    fn read_u64(&self, address: u64) -> Result<u64, Outside> {
        Ok(self.0.read_u64(self.place(address, 8)?).unwrap())
    }

    fn write_u16(&mut self, address: u64, value: u16) -> Result<(), Outside> {
        self.0.write_u16(self.place(address, 2)?, value).unwrap();
        Ok(())
    }

    fn write_u64(&mut self, address: u64, value: u64) -> Result<(), Outside> {
        self.0.write_u64(self.place(address, 8)?, value).unwrap();
        Ok(())
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), Outside> {
        self.0.read(self.place(address, into.len() as u64)?, into).unwrap();
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Outside> {
        self.0.write(self.place(address, from.len() as u64)?, from).unwrap();
        Ok(())
    }

    fn fence(&self) {
        shmem::fence();
    }
}
