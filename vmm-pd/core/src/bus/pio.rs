//! The pio bus.
//!
//! Signatures that the rest may build on (the code follows). It expects these
//! fields in `vm::Devices`:
//! ```text
//! pub struct Devices {
//!     pub uart: Uart, pub rtc: Rtc, pub pm: AcpiPm, pub keyboard: I8042, pub pci: Pci,
//!     pub interrupts: Interrupts, pub pit: Pit, pub system_control_b: SystemControlB,
//!     pub unclaimed_ports: u64,            // accesses that nobody claimed
//! }
//! pub fn read(devices: &mut Devices, port: Port, width: Width, now: Ticks, outside: &mut impl Outside) -> u32;   // zero-extended
//! #[must_use] pub fn write(devices: &mut Devices, port: Port, width: Width, value: u32, now: Ticks, outside: &mut impl Outside) -> Option<Request>;
//! ```
//! Both copy changed interrupt levels (COM1 4, RTC 8, SCI 9, PIT) into
//! `devices.interrupts` themselves. `width` is 1, 2 or 4 bytes.
//! Deadlines: `uart.deadline()`, `rtc.deadline()`, `pm.deadline()` are cached; after
//! a port access only the device touched has changed.
//! `uart.readable(now, outside)` / `uart.writable(outside)` on the console's notification, then
//! `interrupts.set_line(Gsi(COM1_IRQ), uart.irq())`; alike `rtc.irq()`, `pm.sci()` after `advance(now)`.
//! `rtc.nmi_masked()`: port 0x70 bit 7. `pm.press_power_button()`.
//! Machine reset: `rtc.reset(now)` keeps time and CMOS; the rest is made anew.
