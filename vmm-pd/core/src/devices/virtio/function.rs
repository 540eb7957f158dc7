//! A virtio device as a function on the PCI bus (virtio 1.2, 4.1): two base
//! address registers, the capabilities that say what lies where in them, and
//! interrupts by line or message.
//!
//! | BAR | offset | what |
//! | --- | ------ | ---- |
//! | 0, ports  | 0      | notifications: the number of a queue, two bytes |
//! | 1, memory | 0      | common configuration |
//! | 1, memory | 0x200  | interrupt status |
//! | 1, memory | 0x400  | the device's own configuration |
//! | 1, memory | 0x1000 | MSI-X table |
//! | 1, memory | 0x1800 | MSI-X pending bits |
//!
//! The surprising fact: notifications are a port. A write to one exits with
//! everything decoded by the processor, where one to memory needs the
//! instruction's emulation: two thirds of the cost of each request. Linux and
//! others take the capability in either kind of register.

use crate::bus::pci::Header;
use crate::bus::pci::msix::{self, MsiMessage, MsiX, Released};
use crate::bus::pci::space::{Bar, Command, ConfigSpace};
use crate::types::Width;

use super::bits::{self, Isr, NO_VECTOR, Structure, common};
use super::model::{Model, QUEUES_MAX};
use super::registers::{Change, Registers};

/// Register of the ports.
const PORTS: usize = 0;
/// Ports: a dword is the least.
const PORTS_SIZE: u32 = 4;
/// Register of the memory.
const MEMORY: usize = 1;
/// Its size.
pub const MEMORY_SIZE: u32 = 0x2000;

/// Offsets in the memory.
const ISR: u32 = 0x200;
const DEVICE: u32 = 0x400;
const DEVICE_LENGTH: u32 = 0x100;
const DEVICE_END: u32 = DEVICE + DEVICE_LENGTH;
const TABLE: u32 = 0x1000;
const TABLE_END: u32 = TABLE + msix::VECTORS_MAX as u32 * msix::ENTRY;
const PENDING: u32 = 0x1800;
const PENDING_END: u32 = PENDING + 8;

/// Offset of message control in the MSI-X capability.
const MSIX_CONTROL: u8 = 2;
/// Offset of `bar`, `offset`, `length` and the data in the window's capability
/// (4.1.4.9).
const WINDOW_BAR: u8 = 4;
const WINDOW_OFFSET: u8 = 8;
const WINDOW_LENGTH: u8 = 12;
const WINDOW_DATA: u8 = 16;

/// What an access brought about beyond the function's registers.
#[derive(Debug)]
pub enum Effect {
    /// Nothing.
    None,
    /// A queue has something for the device.
    Kick(u16),
    /// The driver starts the device.
    Start,
    /// The driver resets it.
    Reset,
    /// Messages were waiting: [`Function::take_released`].
    Send,
}

/// The function.
#[derive(Debug)]
pub struct Function {
    space: ConfigSpace,
    msix: MsiX,
    registers: Registers,
    isr: Isr,
    /// Messages that masks no longer hold back.
    released: Released,
    /// Offsets of two capabilities.
    msix_at: u8,
    window_at: u8,
}

impl Function {
    /// The function of a device, decoded at these addresses once software says
    /// so.
    pub fn new(model: &dyn Model, class: (u8, u8), ports: u16, memory: u32) -> Self {
        let device_type = model.device_type();
        let header = Header {
            vendor: bits::VENDOR,
            device: bits::FIRST_DEVICE + device_type,
            class: class.0,
            subclass: class.1,
            interface: 0,
            revision: bits::REVISION,
            // Any value from 40h on does (4.1.2.1); QEMU's.
            subsystem: 0x1100,
        };
        let mut space = ConfigSpace::new(&header);
        space.add_bar(PORTS, Bar::Ports(PORTS_SIZE), ports.into());
        space.add_bar(MEMORY, Bar::Memory(MEMORY_SIZE), memory);
        // One vector a queue and one for changes of the configuration.
        let msix = MsiX::new(model.queue_sizes().len().min(QUEUES_MAX) + 1);
        let body = msix.capability(MEMORY as u8, TABLE, PENDING);
        let msix_at = space.add_capability(msix::CAPABILITY, &body, &MsiX::WRITABLE);
        for (structure, bar, offset, length) in [
            (Structure::Common, MEMORY, 0, common::LENGTH),
            (Structure::Isr, MEMORY, ISR, 1),
            (Structure::Device, MEMORY, DEVICE, DEVICE_LENGTH),
        ] {
            let body = structure_body(structure, bar, offset, length);
            space.add_capability(bits::CAPABILITY, &body, &[]);
        }
        // The multiplier behind it is zero: one place for all queues (4.1.4.4).
        let mut notify = [0; 18];
        notify[..14].copy_from_slice(&structure_body(Structure::Notify, PORTS, 0, 2));
        notify[0] = 20;
        space.add_capability(bits::CAPABILITY, &notify, &[]);
        // Behind it are four bytes of data.
        let mut window = [0; 18];
        window[..14].copy_from_slice(&structure_body(Structure::Window, 0, 0, 0));
        window[0] = 20;
        let mut writable = [0xFF; 18];
        writable[..2].fill(0);
        writable[3..6].fill(0);
        let window_at = space.add_capability(bits::CAPABILITY, &window, &writable);
        Function {
            space,
            msix,
            registers: Registers::new(model),
            isr: Isr::empty(),
            released: Released::new(),
            msix_at,
            window_at,
        }
    }

    /// What the driver set up.
    pub const fn registers(&self) -> &Registers {
        &self.registers
    }

    /// The device gives up until it is reset.
    pub fn give_up(&mut self) {
        self.registers.give_up();
    }

    /// First port, if ports are decoded.
    pub fn ports(&self) -> Option<u16> {
        // The mask leaves 32 bits; a processor has 16 of them.
        let on = self.space.command().contains(Command::IO);
        u16::try_from(self.space.bar(PORTS)).ok().filter(|_| on)
    }

    /// First address of the memory, if it is decoded.
    pub fn memory(&self) -> Option<u32> {
        self.space.command().contains(Command::MEMORY).then(|| self.space.bar(MEMORY))
    }

    /// Whether it may read and write memory and send messages.
    pub fn masters(&self) -> bool {
        self.space.command().contains(Command::MASTER)
    }

    /// Whether it asserts its interrupt line.
    pub fn line(&self) -> bool {
        !self.isr.is_empty()
            && !self.msix.is_enabled()
            && !self.space.command().contains(Command::NO_INTX)
    }

    /// A queue has something for the driver.
    ///
    /// # Returns
    /// The message to send; else the line may have changed.
    pub fn queue_interrupt(&mut self, queue: usize) -> Option<MsiMessage> {
        let vector = self.registers.queues().get(queue).map_or(NO_VECTOR, |q| q.vector);
        self.interrupt(Isr::QUEUE, vector)
    }

    /// The configuration changed.
    ///
    /// # Returns
    /// As [`Function::queue_interrupt`].
    pub fn config_interrupt(&mut self) -> Option<MsiMessage> {
        self.registers.config_changed();
        self.interrupt(Isr::CONFIGURATION, self.registers.config_vector())
    }

    fn interrupt(&mut self, why: Isr, vector: u16) -> Option<MsiMessage> {
        if self.msix.is_enabled() {
            return self.masters().then(|| self.msix.raise(vector)).flatten();
        }
        self.isr |= why;
        self.space.show_interrupt(true);
        None
    }

    fn send(&mut self, released: Released) -> Effect {
        if released.is_empty() {
            return Effect::None;
        }
        self.released = released;
        Effect::Send
    }

    /// The messages that the last access let go.
    pub fn take_released(&mut self) -> Released {
        core::mem::take(&mut self.released)
    }

    /// Reads a dword of configuration space.
    pub fn read_config(&mut self, register: u8, model: &mut dyn Model) -> u32 {
        if register & !3 == self.window_at + WINDOW_DATA
            && let Some((offset, width)) = self.window()
        {
            return self.read_memory(offset, width, model) as u32;
        }
        self.space.read(register)
    }

    /// Writes those bits of a dword of configuration space that are ones in
    /// `mask`.
    pub fn write_config(
        &mut self,
        register: u8,
        value: u32,
        mask: u32,
        model: &mut dyn Model,
    ) -> Effect {
        self.space.write(register, value, mask);
        match register & !3 {
            r if r == self.msix_at => {
                let control = self.space.word(self.msix_at + MSIX_CONTROL);
                let released = self.msix.set_control(control);
                self.send(released)
            }
            r if r == self.window_at + WINDOW_DATA => match self.window() {
                Some((offset, width)) => self.write_memory(offset, width, value.into(), model),
                None if self.space.read(self.window_at + WINDOW_BAR) as u8 == PORTS as u8 => {
                    Effect::Kick(value as u16)
                }
                None => Effect::None,
            },
            _ => Effect::None,
        }
    }

    /// Where the window's capability points in the memory, if it is an access
    /// that there is: aligned, of 1, 2 or 4 bytes, in bounds (4.1.4.9.1).
    fn window(&self) -> Option<(u32, Width)> {
        let read = |at| self.space.read(self.window_at + at);
        let length = read(WINDOW_LENGTH);
        let width = Width::from_bytes(length.into()).filter(|w| *w != Width::Qword)?;
        let offset = read(WINDOW_OFFSET);
        let inside = offset < MEMORY_SIZE && offset.is_multiple_of(length);
        (read(WINDOW_BAR) as u8 == MEMORY as u8 && inside).then_some((offset, width))
    }

    /// Reads the memory behind the base address register.
    pub fn read_memory(&mut self, offset: u32, width: Width, model: &mut dyn Model) -> u64 {
        match offset {
            0..common::LENGTH => self.registers.read(offset, width, model),
            ISR => {
                // Reading acknowledges (4.1.4.5.1).
                let isr = core::mem::take(&mut self.isr);
                self.space.show_interrupt(false);
                isr.bits().into()
            }
            DEVICE..DEVICE_END => {
                let mut bytes = [0; 8];
                let (wanted, _) = bytes.split_at_mut(width.bytes());
                model.read_config(offset - DEVICE, wanted);
                u64::from_le_bytes(bytes)
            }
            TABLE..TABLE_END => self.msix.read_table(offset - TABLE, width),
            PENDING..PENDING_END => self.msix.read_pending(offset - PENDING, width),
            _ => 0,
        }
    }

    /// Writes the memory behind the base address register.
    pub fn write_memory(
        &mut self,
        offset: u32,
        width: Width,
        value: u64,
        model: &mut dyn Model,
    ) -> Effect {
        match offset {
            0..common::LENGTH => {
                match self.registers.write(offset, width, value, model, self.msix.vectors()) {
                    Change::Nothing => Effect::None,
                    Change::Start => Effect::Start,
                    Change::Reset => {
                        self.isr = Isr::empty();
                        self.space.show_interrupt(false);
                        Effect::Reset
                    }
                }
            }
            DEVICE..DEVICE_END => {
                let bytes = value.to_le_bytes();
                model.write_config(offset - DEVICE, bytes.split_at(width.bytes()).0);
                Effect::None
            }
            TABLE..TABLE_END => {
                let released = self.msix.write_table(offset - TABLE, width, value);
                self.send(released)
            }
            _ => Effect::None,
        }
    }
}

/// Body of a vendor-specific capability behind its first two bytes (4.1.4).
fn structure_body(structure: Structure, bar: usize, offset: u32, length: u32) -> [u8; 14] {
    let mut body = [0; 14];
    body[0] = 16;
    body[1] = structure as u8;
    body[2] = bar as u8;
    body[6..10].copy_from_slice(&offset.to_le_bytes());
    body[10..14].copy_from_slice(&length.to_le_bytes());
    body
}
