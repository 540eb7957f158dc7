//! A virtual machine: its buses, devices and pending events.
//!
//! The shell's loop over it:
//!
//! ```text
//! vm = Vm::new(setup);  boot::...(&mut cpu, &mut memory);
//! loop {
//!     outcome = match cpu.run(event) {
//!         exit(message)         => vm.exited(&mut cpu, &mut memory, &mut outside, &message),
//!         notification(pending) => vm.notified(&mut cpu, &mut memory, &mut outside, pending),
//!     };
//!     match outcome { Resume | Inject(event) | Halt { until } | Stop(why) | Restart(why) }
//! }
//! ```
//!
//! Buses take `&mut vm::Devices`:
//! `pio::read(&mut Devices, Port, Width, now, &mut impl Outside) -> u32` and
//! `pio::write(.., value, ..) -> Option<Request>`; mmio alike with `Gpa` and `u64`.
