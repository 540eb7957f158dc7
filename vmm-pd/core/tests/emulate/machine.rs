//! A processor and a bus for tests, and the modes a guest may be in.

use vmm_core::cpu::{Cpu, Gpr, Segment, SegmentRegister, StateField};
use vmm_core::emulate::{Completion, Machine, MmioBus, PortBus, Refusal, Violation};
use vmm_core::memory::{GuestMemory, NotRam};
use vmm_core::types::{Gpa, Port, Ticks, Width};
use vmm_core::walk::{AccessKind, PhysicalBits};

/// RAM from guest-physical zero.
#[derive(Clone)]
pub(super) struct TestMemory(pub(super) Vec<u8>);

impl TestMemory {
    fn range(&self, gpa: Gpa, length: usize) -> Result<std::ops::Range<usize>, NotRam> {
        let start = usize::try_from(gpa.0).map_err(|_| NotRam { gpa, length })?;
        match start.checked_add(length) {
            Some(end) if end <= self.0.len() => Ok(start..end),
            _ => Err(NotRam { gpa, length }),
        }
    }
}

impl GuestMemory for TestMemory {
    fn read(&self, gpa: Gpa, into: &mut [u8]) -> Result<(), NotRam> {
        into.copy_from_slice(&self.0[self.range(gpa, into.len())?]);
        Ok(())
    }
    fn write(&mut self, gpa: Gpa, from: &[u8]) -> Result<(), NotRam> {
        let range = self.range(gpa, from.len())?;
        self.0[range].copy_from_slice(from);
        Ok(())
    }
    fn zero(&mut self, _: Gpa, _: u64) -> Result<(), NotRam> {
        panic!("the emulator zeroes no memory");
    }
    fn is_ram(&self, gpa: Gpa) -> bool {
        gpa.0 < self.0.len() as u64
    }
}

/// Registers in plain fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TestCpu {
    pub(super) gprs: [u64; 16],
    pub(super) rip: u64,
    pub(super) rflags: u64,
    pub(super) cr0: u64,
    pub(super) cr3: u64,
    pub(super) cr4: u64,
    pub(super) efer: u64,
    pub(super) interruptibility: u64,
    pub(super) pending_debug: u64,
    pub(super) segments: [Segment; 8],
}

impl Cpu for TestCpu {
    fn gpr(&mut self, register: Gpr) -> u64 {
        self.gprs[register as usize]
    }
    fn set_gpr(&mut self, register: Gpr, value: u64) {
        self.gprs[register as usize] = value;
    }
    fn rip(&self) -> u64 {
        self.rip
    }
    fn set_rip(&mut self, rip: u64) {
        self.rip = rip;
    }
    fn state(&mut self, field: StateField) -> u64 {
        match field {
            StateField::Cr0 => self.cr0,
            StateField::Cr3 => self.cr3,
            StateField::Cr4 => self.cr4,
            StateField::Efer => self.efer,
            StateField::Rflags => self.rflags,
            StateField::Interruptibility => self.interruptibility,
            StateField::PendingDebug => self.pending_debug,
            other => panic!("the emulator has no business with {other:?}"),
        }
    }
    fn set_state(&mut self, field: StateField, value: u64) {
        match field {
            StateField::Rflags => self.rflags = value,
            StateField::Interruptibility => self.interruptibility = value,
            StateField::PendingDebug => self.pending_debug = value,
            other => panic!("the emulator must not set {other:?}"),
        }
    }
    fn segment(&mut self, register: SegmentRegister) -> Segment {
        self.segments[register as usize]
    }
    fn set_segment(&mut self, register: SegmentRegister, segment: Segment) {
        self.segments[register as usize] = segment;
    }
    fn now(&self) -> Ticks {
        Ticks(0)
    }
    fn set_interrupt_window(&mut self, _: bool) {}
    fn set_nmi_window(&mut self, _: bool) {}
}

/// One access that reached the bus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    Read(u64, Width),
    Write(u64, Width, u64),
    In(u16, Width),
    Out(u16, Width, u32),
}

/// A bus that keeps what is written, answers with it, and writes everything
/// down. Every byte that was never written reads as its address's low byte.
#[derive(Default)]
pub(super) struct TestBus {
    pub(super) seen: Vec<Seen>,
    pub(super) bytes: std::collections::BTreeMap<u64, u8>,
    /// What IN answers.
    pub(super) port: u32,
}

impl TestBus {
    fn byte(&self, gpa: u64) -> u8 {
        self.bytes.get(&gpa).copied().unwrap_or(gpa as u8)
    }
}

impl MmioBus for TestBus {
    fn read(&mut self, gpa: Gpa, width: Width) -> u64 {
        self.seen.push(Seen::Read(gpa.0, width));
        // Bits beyond the width are garbage, which the emulator must not use.
        let value = (0..width.bytes() as u64)
            .rev()
            .fold(0, |value, n| (value << 8) | u64::from(self.byte(gpa.0 + n)));
        value | !width.mask()
    }
    fn write(&mut self, gpa: Gpa, width: Width, value: u64) {
        assert_eq!(value & !width.mask(), 0, "bits beyond the width");
        self.seen.push(Seen::Write(gpa.0, width, value));
        for (n, byte) in value.to_le_bytes().iter().take(width.bytes()).enumerate() {
            self.bytes.insert(gpa.0 + n as u64, *byte);
        }
    }
}

impl PortBus for TestBus {
    fn port_read(&mut self, port: Port, width: Width) -> u32 {
        assert_ne!(width, Width::Qword);
        self.seen.push(Seen::In(port.0, width));
        self.port
    }
    fn port_write(&mut self, port: Port, width: Width, value: u32) {
        assert_ne!(width, Width::Qword);
        assert_eq!(u64::from(value) & !width.mask(), 0, "bits beyond the width");
        self.seen.push(Seen::Out(port.0, width, value));
    }
}

/// RAM ends here; above is the bus.
pub(super) const RAM: usize = 0x10_0000;
/// A device's page.
pub(super) const DEVICE: u64 = 0xfee0_0000;
/// Where the tests' code is.
pub(super) const CODE: u64 = 0x1000;
/// Where the tables of the paged modes begin.
pub(super) const TABLES: u64 = 0x8_0000;

/// Modes that the tests run in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Segments of 64 KiB, except that FS reaches everywhere ("unreal").
    Real,
    /// 32-bit, no paging.
    Protected,
    /// 32-bit, two levels, identity.
    TwoLevel,
    /// 32-bit, PAE, identity.
    Pae,
    /// 64-bit, identity.
    Long,
}

pub(super) const MODES: [Mode; 5] =
    [Mode::Real, Mode::Protected, Mode::TwoLevel, Mode::Pae, Mode::Long];

/// Everything an instruction works on.
pub(super) struct World {
    pub(super) cpu: TestCpu,
    pub(super) memory: TestMemory,
    pub(super) bus: TestBus,
}

const DATA: u32 = 0xc093;
const CODE_32: u32 = 0xc09b;
const CODE_64: u32 = 0xa09b;

impl World {
    pub(super) fn new(mode: Mode) -> World {
        let flat = |access_rights| Segment { selector: 8, base: 0, limit: u32::MAX, access_rights };
        let mut world = World {
            cpu: TestCpu {
                gprs: [0; 16],
                rip: CODE,
                rflags: 2,
                cr0: 0x11,
                cr3: TABLES,
                cr4: 0,
                efer: 0,
                interruptibility: 0,
                pending_debug: 0,
                segments: [flat(DATA); 8],
            },
            memory: TestMemory(vec![0; RAM]),
            bus: TestBus::default(),
        };
        world.cpu.segments[SegmentRegister::Cs as usize] = flat(CODE_32);
        world.cpu.gprs[Gpr::Rsp as usize] = 0x7000;
        match mode {
            Mode::Real => {
                world.cpu.cr0 = 0x10;
                for segment in &mut world.cpu.segments {
                    *segment = Segment { selector: 0, base: 0, limit: 0xffff, access_rights: 0x93 };
                }
                world.cpu.segments[SegmentRegister::Fs as usize].limit = u32::MAX;
            }
            Mode::Protected => {}
            Mode::TwoLevel => {
                world.cpu.cr0 |= 0x8000_0000;
                world.cpu.cr4 = 0x10;
                for n in 0..1024_u32 {
                    world.put_u32(TABLES + u64::from(n) * 4, (n << 22) | 0x87);
                }
            }
            Mode::Pae => {
                world.cpu.cr0 |= 0x8000_0000;
                world.cpu.cr4 = 0x20;
                for n in 0..4 {
                    world.put_u64(TABLES + n * 8, (TABLES + 0x1000 + n * 0x1000) | 1);
                    for m in 0..512 {
                        let page = (n * 512 + m) << 21;
                        world.put_u64(TABLES + 0x1000 + n * 0x1000 + m * 8, page | 0x87);
                    }
                }
            }
            Mode::Long => {
                world.cpu.segments[SegmentRegister::Cs as usize] = flat(CODE_64);
                world.cpu.cr0 |= 0x8000_0000;
                world.cpu.cr4 = 0x20;
                world.cpu.efer = 0xd00;
                world.put_u64(TABLES, (TABLES + 0x1000) | 7);
                for n in 0..512 {
                    world.put_u64(TABLES + 0x1000 + n * 8, (n << 30) | 0x87);
                }
            }
        }
        world
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory.write(Gpa(at), bytes).unwrap();
    }

    pub(super) fn put_u32(&mut self, at: u64, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    pub(super) fn put_u64(&mut self, at: u64, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    pub(super) fn get(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.memory.read(Gpa(at), &mut bytes).unwrap();
        bytes
    }

    pub(super) fn machine(&mut self) -> Machine<'_, TestCpu, TestMemory, TestBus> {
        Machine {
            cpu: &mut self.cpu,
            memory: &mut self.memory,
            bus: &mut self.bus,
            physical: PhysicalBits::new(46).unwrap(),
        }
    }

    /// Puts `code` at RIP and completes it.
    pub(super) fn run(&mut self, code: &[u8]) -> Result<Completion, Refusal> {
        self.put(self.cpu.rip, code);
        self.machine().complete()
    }

    /// As [`World::run`], which must succeed and use all of `code`.
    pub(super) fn done(&mut self, code: &[u8]) {
        let rip = self.cpu.rip;
        assert_eq!(self.run(code), Ok(Completion::Done), "{code:02x?}");
        assert_eq!(self.cpu.rip, rip + code.len() as u64, "{code:02x?}");
    }

    /// As an exit for an access to [`DEVICE`] would have it.
    pub(super) fn run_exit(
        &mut self,
        code: &[u8],
        kind: AccessKind,
    ) -> Result<Completion, Refusal> {
        self.put(self.cpu.rip, code);
        self.machine().complete_mmio(Violation { gpa: Gpa(DEVICE), kind, operand: true })
    }
}
