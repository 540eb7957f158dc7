//! Guests: 2 MiB of memory from address 0, a virtual CPU in a simple state, a
//! thread that runs it.
//!
//! Most are 32-bit, flat, with paging: the one kind that the kernel could run
//! before any patch. So a case fails without the patch that it guards, and not
//! because another patch made 64-bit guests possible.

use sel4::{
    Word,
    abi::current::numbers::{invocation, size_bits, vcpu_registers},
    cap::{
        EptPageDirectory, EptPageTable, EptPdpt, EptPml4, Frame, MemoryType, ObjectType, Rights,
        Untyped, Vcpu, invoke,
    },
    vmx::{entry, field, pin, secondary},
};

use crate::{
    guest::CODE,
    thread::{Exit, Runner},
    verdict::{Failure, Verdict},
    world::{Event, World},
};

/// For VMEnter, which needs it on another kernel only.
pub const OWN_VCPU: Vcpu = Vcpu::from_address(0);

/// Where cases and guests leave each other words.
pub const DATA: u64 = 0x9000;
/// Where the guest's stack ends.
pub const STACK: u64 = 0x1_0000;
/// First address above the guest's memory, served by a page table of its own.
pub const EXTRA: u64 = 0x20_0000;

/// Page directory of 32-bit guests, and the four levels of 64-bit ones.
const PAGE_DIRECTORY: u64 = 0x1000;
const PML4: u64 = 0x2000;
const GDT: u64 = 0xa000;
const IDT: u64 = 0xa100;

/// Longest time that a guest of a case may take to an exit, in ticks.
const LIMIT: u64 = 4_000_000;

/// Basic exit reasons (Intel SDM vol. 3D, appendix C).
pub mod reason {
    #![allow(missing_docs, reason = "the names are the SDM's")]
    pub const EXCEPTION_OR_NMI: u64 = 0;
    pub const RDPMC: u64 = 15;
    pub const CR_ACCESS: u64 = 28;
    pub const IO: u64 = 30;
    pub const INVALID_GUEST_STATE: u64 = 33;
    pub const MWAIT: u64 = 36;
    pub const MONITOR: u64 = 39;
    pub const EPT_VIOLATION: u64 = 48;
    pub const WBINVD: u64 = 54;
}

/// The mode that a guest starts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 16-bit, no paging.
    Real,
    /// 32-bit, identity-mapped by pages of 4 MiB.
    Protected,
    /// 64-bit, identity-mapped by pages of 2 MiB.
    Long,
}

/// A guest and its VMM.
#[derive(Clone, Copy, Debug)]
pub struct Vm {
    /// The virtual CPU.
    pub vcpu: Vcpu,
    /// Root of its memory.
    pub ept: EptPml4,
    /// What the root is made of.
    pub ept_memory: Untyped,
    /// The thread that runs it.
    pub runner: Runner,
    memory: *mut u8,
}

/// A virtual CPU in memory of its own.
pub fn new_vcpu(world: &mut World) -> Verdict<Vcpu> {
    let memory = world.untyped(size_bits::VCPU as u8)?;
    Ok(Vcpu::from_address(world.make_from(memory, ObjectType::Vcpu)?))
}

impl Vm {
    /// A guest that is ready to run `code`.
    pub fn new(world: &mut World, mode: Mode, code: &[u8]) -> Verdict<Self> {
        let vcpu = new_vcpu(world)?;
        Self::with_vcpu(world, mode, code, vcpu)
    }

    /// The same around a given virtual CPU.
    pub fn with_vcpu(world: &mut World, mode: Mode, code: &[u8], vcpu: Vcpu) -> Verdict<Self> {
        let all = Rights::ALL;
        let back = MemoryType::WriteBack;
        let ept_memory = world.untyped(size_bits::EPT_PML4 as u8)?;
        let ept = EptPml4::from_address(world.make_from(ept_memory, ObjectType::EptPml4)?);
        world.asid_pool.assign(ept.address())?;
        let pdpt = EptPdpt::from_address(world.objects.one(ObjectType::EptPdpt)?);
        pdpt.map(ept, 0)?;
        let kind = ObjectType::EptPageDirectory;
        let directory = EptPageDirectory::from_address(world.objects.one(kind)?);
        directory.map(ept, 0)?;
        let table = EptPageTable::from_address(world.objects.one(ObjectType::EptPageTable)?);
        table.map(ept, EXTRA)?;
        let frame = world.objects.one(ObjectType::LargeFrame)?;
        Frame::from_address(frame).map_ept(ept, 0, all, back)?;
        let seen = world.copy(frame)?;
        let memory = world.window(Frame::from_address(seen), size_bits::LARGE_PAGE as u8)?;
        let runner = Runner::new(world)?;
        let vm = Vm { vcpu, ept, ept_memory, runner, memory };
        vm.load(CODE, code);
        vm.tables();
        vm.attach()?;
        vm.set_mode(mode)?;
        Ok(vm)
    }

    /// Ties thread, virtual CPU and memory together.
    pub fn attach(self) -> Verdict {
        self.vcpu.set_tcb(self.runner.thread.tcb)?;
        self.runner.thread.tcb.set_ept_root(self.ept)?;
        Ok(())
    }

    /// Copies bytes into the guest's memory.
    pub fn load(self, at: u64, bytes: &[u8]) {
        for (address, byte) in (at..).zip(bytes) {
            // SAFETY: inside the 2 MiB of the window, as all cases' code is;
            // the guest may read it, which is why it is volatile.
            unsafe { self.memory.wrapping_add(address as usize).write_volatile(*byte) };
        }
    }

    /// Reads a word of the guest's memory.
    pub fn read(self, at: u64) -> Word {
        // SAFETY: inside the window; the guest may write it.
        unsafe { self.memory.wrapping_add(at as usize).cast::<Word>().read_volatile() }
    }

    /// Writes one.
    pub fn write(self, at: u64, value: Word) {
        // SAFETY: as above.
        unsafe { self.memory.wrapping_add(at as usize).cast::<Word>().write_volatile(value) };
    }

    /// Descriptors and page tables.
    fn tables(self) {
        // Flat code and data of 32 bits, code of 64 bits (SDM vol. 3A, 3.4.5).
        let segments = [0, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0x00af_9b00_0000_ffff];
        for (n, descriptor) in (0..).zip(segments) {
            self.write(GDT + 8 * n, descriptor);
        }
        // Present, writable, 4 MiB or 2 MiB.
        const PAGE: u64 = 0x83;
        for n in 0..4 {
            let two = [2 * n, 2 * n + 1].map(|page| page << 22 | PAGE);
            self.write(PAGE_DIRECTORY + 8 * n, two[1] << 32 | two[0]);
        }
        self.write(PML4, (PML4 + 0x1000) | 3);
        self.write(PML4 + 0x1000, (PML4 + 0x2000) | 3);
        for n in 0..8 {
            self.write(PML4 + 0x2000 + 8 * n, n << 21 | PAGE);
        }
    }

    /// Makes an interrupt gate of the 32-bit guest for a vector.
    pub fn set_gate(self, vector: u8, handler: u64) {
        // Code segment 8, present, 32-bit interrupt gate (SDM vol. 3A, 6.11).
        let gate = (handler & 0xffff) | 8 << 16 | 0x8e << 40 | (handler >> 16 & 0xffff) << 48;
        self.write(IDT + 8 * u64::from(vector), gate);
    }

    /// Writes a field of the VMCS; returns what was written.
    pub fn vmcs(self, field: u32, value: Word) -> Verdict<Word> {
        self.vcpu
            .write_vmcs(field, value)
            .map_err(|error| Failure::new(format_args!("VMCS field {field:#x}: {error}")))
    }

    /// Segments, control registers and controls of a mode.
    pub fn set_mode(self, mode: Mode) -> Verdict {
        /// Fields of one segment register are this far apart.
        const STEP: u32 = 2;
        const CS: u32 = 1;
        const LDTR: u32 = 6;
        const TR: u32 = 7;
        let flat = 0xffff_ffff;
        for segment in 0..=TR {
            // Selector, limit, access rights (SDM vol. 3C, 25.4.1).
            let (selector, limit, rights) = match (segment, mode) {
                (LDTR, _) => (0, 0, 0x1_0000),
                (TR, _) => (0, 0xffff, 0x8b),
                (CS, Mode::Real) => (0, 0xffff, 0x9b),
                (_, Mode::Real) => (0, 0xffff, 0x93),
                (CS, Mode::Protected) => (8, flat, 0xc09b),
                (CS, Mode::Long) => (0x18, flat, 0xa09b),
                (_, Mode::Protected | Mode::Long) => (0x10, flat, 0xc093),
            };
            let offset = STEP * segment;
            self.vmcs(field::GUEST_ES_SELECTOR + offset, selector)?;
            self.vmcs(field::GUEST_ES_LIMIT + offset, limit)?;
            self.vmcs(field::GUEST_ES_ACCESS_RIGHTS + offset, rights)?;
            self.vmcs(field::GUEST_ES_BASE + offset, 0)?;
        }
        for (field, value) in [
            (field::GUEST_GDTR_BASE, GDT),
            (field::GUEST_GDTR_LIMIT, 0x1f),
            (field::GUEST_IDTR_BASE, IDT),
            (field::GUEST_IDTR_LIMIT, 0xff),
            (field::GUEST_RSP, STACK),
            (field::GUEST_RFLAGS, 0x202),
            (field::GUEST_INTERRUPTIBILITY, 0),
            (field::GUEST_ACTIVITY, 0),
            (field::GUEST_PENDING_DEBUG, 0),
            (field::GUEST_DEBUGCTL, 0),
            (field::PIN_BASED_CONTROLS, 0),
            (field::SECONDARY_CONTROLS, (secondary::RDTSCP | secondary::UNRESTRICTED_GUEST).into()),
        ] {
            self.vmcs(field, value)?;
        }
        // CR0: PE, MP, ET, NE, PG. CR4: OSFXSR, OSXMMEXCPT, and PSE or PAE. The
        // kernel adds what VMX wants.
        let (cr0, cr3, cr4) = match mode {
            Mode::Real => (0x30, 0, 0x600),
            Mode::Protected => (0x8000_0033, PAGE_DIRECTORY, 0x610),
            Mode::Long => (0x8000_0033, PML4, 0x620),
        };
        if mode == Mode::Long {
            // SCE, LME, LMA.
            self.vmcs(field::GUEST_EFER, 0x501)?;
            self.vmcs(field::ENTRY_CONTROLS, entry::IA32E_MODE.into())?;
        }
        self.vmcs(field::GUEST_CR4, cr4)?;
        self.vmcs(field::GUEST_CR3, cr3)?;
        self.vmcs(field::GUEST_CR0, cr0)?;
        Ok(())
    }

    /// Sets the general-purpose registers, in the order of messages, and CR2 if
    /// it is given.
    pub fn set_registers(self, registers: [Word; 15], cr2: Option<Word>) -> Verdict {
        let label = invocation::X86_VCPU_WRITE_REGISTERS;
        match cr2 {
            None => invoke(self.vcpu.address(), label, registers, [])?,
            Some(cr2) => {
                let mut words = [cr2; vcpu_registers::CR2 + 1];
                words[..vcpu_registers::COUNT].copy_from_slice(&registers);
                invoke(self.vcpu.address(), label, words, [])?
            }
        };
        Ok(())
    }

    /// Lets the guest begin at [`CODE`]; it runs when this task waits.
    pub fn start(&mut self) -> Verdict {
        self.runner.enter(CODE)
    }

    /// Runs the guest from `rip` to its next exit.
    pub fn run_from(&mut self, world: &World, rip: u64) -> Verdict<Exit> {
        self.runner.enter(rip)?;
        self.wait(world)
    }

    /// Runs the guest from [`CODE`] to its next exit.
    pub fn run(&mut self, world: &World) -> Verdict<Exit> {
        self.run_from(world, CODE)
    }

    /// Waits for the next exit.
    pub fn wait(&self, world: &World) -> Verdict<Exit> {
        match world.wait(LIMIT)? {
            Event::Rang(threads) if threads == self.runner.bit() => Ok(self.runner.exit()),
            Event::Rang(threads) => {
                Err(Failure::new(format_args!("threads {threads:#b} rang instead")))
            }
            Event::Time => Err(Failure::new(format_args!("the guest does not exit"))),
            Event::Fault(kind, words) => {
                Err(Failure::new(format_args!("a thread faulted: kind {kind}, {words:x?}")))
            }
        }
    }

    /// Runs the guest from [`CODE`] to an exit that must have this reason.
    pub fn run_to(&mut self, world: &World, reason: u64) -> Verdict<Exit> {
        let exit = self.run(world)?;
        expect(exit, reason)?;
        Ok(exit)
    }

    /// Arms the preemption timer, so that the guest exits after so many of its
    /// units at the latest.
    pub fn arm(self, units: u64) -> Verdict {
        self.vmcs(field::PIN_BASED_CONTROLS, pin::PREEMPTION_TIMER.into())?;
        self.vmcs(field::PREEMPTION_TIMER_VALUE, units)?;
        Ok(())
    }
}

/// Holds an exit to its reason.
pub fn expect(exit: Exit, reason: u64) -> Verdict {
    if exit.reason == Some(reason) {
        return Ok(());
    }
    Err(Failure::new(format_args!(
        "exit {:?} and not {reason}, rip {:#x}, qualification {:#x}, address {:#x}",
        exit.reason, exit.rip, exit.qualification, exit.address
    )))
}
