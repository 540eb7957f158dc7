//! The interrupt fabric: lines into the 8259 pair, the I/O APIC and the local APIC.
//!
//! Signatures that the rest may build on (the code follows):
//! ## interrupts.rs
//! ```text
//! pub struct Interrupts { pub lapic: Lapic, ... }          // owns Pic, IoApic, Lapic; NOT the Pit (vm owns Pit + SystemControlB)
//! Interrupts::new(tsc: TscFrequency, physical_bits: u32) -> Self      // power-up state; APIC id 0, BSP
//! fn reset(&mut self)                                       // as power-up, lines of devices kept low until set again
//! fn enter_virtual_wire(&mut self)                          // what firmware leaves: PIC -> LINT0 ExtINT, LINT1 NMI, APIC enabled. Call for direct boots.
//! fn set_line(&mut self, gsi: Gsi, level: bool)             // cheap when unchanged. level = asserted (polarity is not modelled). Gsi(2) is ISA IRQ0.
//! fn set_timer_output(&mut self, out: pit::Output)          // what Pit::advance returned
//! fn set_nmi_line(&mut self, level: bool)                   // LINT1
//! fn raise_nmi(&mut self)
//! // hot path, no side effects
//! fn has_pending(&self) -> bool                             // interrupt, NMI or INIT waits
//! fn next_interrupt(&self) -> Option<Source>                // enum Source { ExtInt, Local(Vector) }; IF/shadow are the caller's business
//! fn acknowledge(&mut self) -> Option<Vector>               // takes what next_interrupt names; vector to inject
//! fn nmi_pending(&self) -> bool;  fn take_nmi(&mut self) -> bool
//! fn init_pending(&self) -> bool; fn take_init(&mut self) -> bool    // INIT IPI to itself: treat as reset of the machine
//! // time (only the LAPIC timer; cached, cheap)
//! fn deadline(&self) -> Option<Ticks>;  fn advance(&mut self, now: Ticks)
//! // MMIO
//! fn lapic_base(&self) -> Option<Gpa>                       // Some only in xAPIC mode; 4 KiB window
//! fn lapic_read(&mut self, offset: u32, width: Width, now: Ticks) -> u64
//! fn lapic_write(&mut self, offset: u32, width: Width, value: u64, now: Ticks)
//! fn ioapic_read(&mut self, offset: u32, width: Width) -> u64           // window at 0xFEC00000, 4 KiB
//! fn ioapic_write(&mut self, offset: u32, width: Width, value: u64)
//! // MSRs; every ApicFault is #GP(0)
//! fn apic_base(&self) -> u64;     fn set_apic_base(&mut self, value: u64, now: Ticks) -> Result<(), ApicFault>     // 0x1B
//! fn tsc_deadline(&mut self, now) -> u64;  fn set_tsc_deadline(&mut self, value: u64, now: Ticks)                    // 0x6E0
//! fn x2apic_read(&mut self, msr: Msr, now: Ticks) -> Result<u64, ApicFault>          // 0x800..=0x8FF
//! fn x2apic_write(&mut self, msr: Msr, value: u64, now: Ticks) -> Result<(), ApicFault>
//! fn cr8(&self) -> u64;           fn set_cr8(&mut self, value: u64)  // bits 3:0; reserved bits are the caller's #GP
//! // ports
//! fn pic_read(&mut self, register: pic::Register) -> u8
//! fn pic_write(&mut self, register: pic::Register, value: u8)
//! // pic::Register { MasterCommand 0x20, MasterData 0x21, SlaveCommand 0xA0, SlaveData 0xA1, MasterElcr 0x4D0, SlaveElcr 0x4D1 }
//! ```
//! CPUID 15h: use `lapic::CoreCrystal::of(tsc)` -> { denominator, numerator, hz } = EAX, EBX, ECX. The APIC timer is fed by exactly this crystal
//! (Linux takes its hz as lapic_timer_period). Up to 4.29 GHz crystal = TSC and ratio 1/1. CPUID.1:ECX[24] (TSC deadline) and [21] (x2APIC) may be offered. APIC id 0.
//! Relocating the APIC page (0x1B) is honoured by lapic_base(); if it hits RAM the guest sees RAM.
//!
//! ## devices/pit   (vm owns it; ports 0x40-0x43 and 0x61)
//! ```text
//! Pit::new(tsc: TscFrequency) -> Self
//! fn read(&mut self, register: pit::Register, now: Ticks) -> u8         // Register { Counter0, Counter1, Counter2, Control }
//! fn write(&mut self, register: pit::Register, value: u8, now: Ticks)
//! fn deadline(&self) -> Option<Ticks>                                   // only channel 0, only if its output will rise
//! fn advance(&mut self, now: Ticks) -> pit::Output                      // call at the deadline AND after each write; give it to Interrupts::set_timer_output
//! SystemControlB::new(); fn read(&mut self, pit: &mut Pit, now) -> u8; fn write(&mut self, pit: &mut Pit, value: u8, now)   // port 0x61
//! ```
