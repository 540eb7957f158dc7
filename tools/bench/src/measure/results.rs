//! From what was printed to figures.

use miette::Result;

use super::{
    Depth,
    linux::{Linux, Phase, REQUESTS, SLEEPS},
    memory::Memory,
    tiny::Tiny,
};
use crate::{BenchError, Figure, Samples, Spec};

/// What every run printed; a run that was not wanted printed nothing.
#[derive(Default, Debug)]
pub struct Results {
    pub floor: Option<Tiny>,
    pub exits: Option<Tiny>,
    pub timer: Option<Tiny>,
    pub wake: Option<Tiny>,
    pub linux: Option<Linux>,
    pub native: Option<Linux>,
    pub devices: Option<Linux>,
    pub memory: Option<Memory>,
}

/// A figure's value, and what it is the median of.
struct Measured(f64, Option<Samples>);

impl From<Samples> for Measured {
    fn from(samples: Samples) -> Self {
        Measured(samples.median().into(), Some(samples))
    }
}

fn count(value: u64) -> Measured {
    Measured(value as f64, None)
}

/// The run that a figure needs.
fn of<'a, T>(run: &'a Option<T>, figure: &'static str) -> Result<&'a T, BenchError> {
    run.as_ref().ok_or(BenchError::NotRun { figure })
}

impl Results {
    /// The figure.
    ///
    /// # Errors
    /// What it is made of was not printed.
    pub fn figure(&self, spec: Spec) -> Result<Figure, BenchError> {
        let Measured(value, samples) = self.measured(spec.name)?;
        Ok(Figure { spec, value, floor: self.floor(spec.name)?, samples })
    }

    fn measured(&self, name: &'static str) -> Result<Measured, BenchError> {
        let linux = || of(&self.linux, name);
        Ok(match name {
            "cpuid_exit" | "port_read_exit" | "port_write_exit" => linux()?.samples(name)?.into(),
            "timer_latency" | "timer_latency_halted" => {
                of(&self.timer, name)?.samples(name)?.into()
            }
            "wake_latency" => of(&self.wake, name)?.samples(name)?.into(),
            "boot_to_init_ticks" => count(linux()?.phase(Phase::Boot)?.ticks),
            "boot_to_init_exits_all" => count(linux()?.phase(Phase::Boot)?.all_exits()),
            // A tick costs what it costs while nothing else goes on.
            "boot_to_init_exits" => {
                let boot = linux()?.phase(Phase::Boot)?;
                let tick = linux()?.phase(Phase::Busy)?.exits_per_interrupt();
                let ticks = (boot.interrupts as f64 * tick).round();
                Measured((boot.all_exits() as f64 - ticks).max(0.0), None)
            }
            "exits_per_timer_tick_idle" => {
                Measured(linux()?.phase(Phase::Idle)?.exits_per_interrupt(), None)
            }
            "exits_per_timer_tick_busy" => {
                Measured(linux()?.phase(Phase::Busy)?.exits_per_interrupt(), None)
            }
            "exits_per_sleep" => {
                let exits = linux()?.phase(Phase::Sleeps)?.all_exits();
                Measured(exits as f64 / f64::from(SLEEPS), None)
            }
            "exits_per_timer_tick" => {
                let [idle, busy] = [linux()?.phase(Phase::Idle)?, linux()?.phase(Phase::Busy)?];
                Measured(idle.exits_per_interrupt().max(busy.exits_per_interrupt()), None)
            }
            "boot_vs_native_ratio" => {
                let native = of(&self.native, name)?.native_boot()?;
                let guest = linux()?.phase(Phase::Boot)?.ticks;
                Measured(guest as f64 / native.max(1) as f64, None)
            }
            "native_boot_ticks" => count(of(&self.native, name)?.native_boot()?),
            "blk_read_4k" | "blk_write_4k" | "blk_read_64k" | "net_rtt_64" => {
                of(&self.devices, name)?.samples(name)?.into()
            }
            "blk_exits_per_request_qd1" => self.a_request(name, "blk_qd1_exits")?,
            "blk_exits_per_request_qd32" => self.a_request(name, "blk_qd32_exits")?,
            "blk_ticks_per_request_qd32" => self.a_request(name, "blk_qd32_ticks")?,
            "blk_notifications_per_request_qd32" => self.a_request(name, "blk_qd32_rings")?,
            "blk_copies_per_byte" => {
                let devices = of(&self.devices, name)?;
                let carried = devices.value("blk_carried")?;
                Measured(devices.value("blk_copied")? as f64 / carried.max(1) as f64, None)
            }
            "vmm_memory_bytes" => count(of(&self.memory, name)?.total()),
            _ => of(&self.exits, name)?.samples(bare(name))?.into(),
        })
    }

    /// What reads cost by queue depth.
    ///
    /// # Errors
    /// The run did not say.
    pub fn depths(&self) -> Result<Vec<Depth>, BenchError> {
        /// As `guest-images/bench-init/src/disk.rs` has them.
        const DEPTHS: [(u32, [&str; 3]); 6] = [
            (1, ["blk_qd1_ticks", "blk_qd1_exits", "blk_qd1_rings"]),
            (2, ["blk_qd2_ticks", "blk_qd2_exits", "blk_qd2_rings"]),
            (4, ["blk_qd4_ticks", "blk_qd4_exits", "blk_qd4_rings"]),
            (8, ["blk_qd8_ticks", "blk_qd8_exits", "blk_qd8_rings"]),
            (16, ["blk_qd16_ticks", "blk_qd16_exits", "blk_qd16_rings"]),
            (32, ["blk_qd32_ticks", "blk_qd32_exits", "blk_qd32_rings"]),
        ];
        let Some(devices) = &self.devices else { return Ok(Vec::new()) };
        let each = |name| -> Result<f64, BenchError> {
            Ok(devices.value(name)? as f64 / f64::from(REQUESTS))
        };
        DEPTHS
            .into_iter()
            .map(|(requests, [ticks, exits, rings])| {
                let (ticks, exits) = (each(ticks)?, each(exits)?);
                Ok(Depth { requests, ticks, exits, notifications: each(rings)? })
            })
            .collect()
    }

    /// A number of the requests at a queue depth, for each.
    fn a_request(&self, figure: &'static str, name: &'static str) -> Result<Measured, BenchError> {
        let count = of(&self.devices, figure)?.value(name)?;
        Ok(Measured(count as f64 / f64::from(REQUESTS), None))
    }

    /// What an exit costs the kernel at least: one that returns nothing.
    ///
    /// # Errors
    /// The run did not say.
    pub fn kernel_exit(&self) -> Result<Option<u64>, BenchError> {
        let Some(floor) = &self.floor else { return Ok(None) };
        floor.samples("port_write_exit").map(|samples| Some(samples.median().into()))
    }

    /// The least that a figure could be here.
    fn floor(&self, name: &'static str) -> Result<Option<f64>, BenchError> {
        Ok(match name {
            "boot_vs_native_ratio" => Some(1.0),
            // The kernel's part is the same, wherever the code lies.
            "mmio_read_exit_low" => {
                Some(of(&self.floor, name)?.samples("mmio_read_exit")?.median().into())
            }
            name if bare(name).ends_with("_exit") => {
                let floor = of(&self.floor, name)?.samples(bare(name))?;
                Some(floor.median().into())
            }
            _ => None,
        })
    }
}

/// The name under which a tiny guest measures what Linux measures too.
fn bare(name: &'static str) -> &'static str {
    name.strip_suffix("_bare").unwrap_or(name)
}
