//! One virtio device: its function on the bus, its queues and its model, and
//! how they work together.

use virtq::{ConfigError, Fault, Features, QueueConfig};

use crate::interrupts::Interrupts;
use crate::memory::GuestMemory;
use crate::types::Ticks;
use crate::vm::NEVER;
use crate::watched::Watched;

use super::function::{Effect, Function};
use super::memory::Guest;
use super::model::{Model, Queues};

/// Where a device stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The driver has not started it, or reset it, or broke a rule.
    Off,
    /// The driver started it; its queues are to be made.
    Starting,
    /// It works.
    Running,
}

/// How the guest's driver broke a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// A queue that it set up cannot be one.
    Config(usize, ConfigError),
    /// It broke a queue's rules.
    Queue(Fault),
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Broken::Config(queue, e) => write!(f, "queue {queue}: {e}"),
            Broken::Queue(fault) => fault.fmt(f),
        }
    }
}

/// What serving a device came to, for those outside.
#[derive(Debug, Default)]
pub struct Attended {
    /// Its peer must be notified.
    pub ring: bool,
    /// Bytes copied.
    pub copied: u64,
    /// The driver broke it just now.
    pub broken: Option<Broken>,
    /// The connection to its peer closed just now.
    pub closed: bool,
}

/// A device.
#[derive(Debug)]
pub struct Slot<M> {
    function: Function,
    queues: Queues,
    /// Its behaviour.
    pub model: M,
    stage: Stage,
    again: Ticks,
    closed: bool,
}

impl<M: Model> Slot<M> {
    /// The device after power-on.
    pub fn new(model: M, class: (u8, u8), ports: u16, memory: u32) -> Self {
        let function = Function::new(&model, class, ports, memory);
        Slot {
            function,
            queues: Queues::default(),
            model,
            stage: Stage::Off,
            again: NEVER,
            closed: false,
        }
    }

    /// Its function, and what that must know of it.
    pub fn parts(&mut self) -> (&mut Function, &mut dyn Model) {
        (&mut self.function, &mut self.model)
    }

    /// Its function.
    pub const fn function(&self) -> &Function {
        &self.function
    }

    /// When it must be served even if nothing happens.
    pub const fn again(&self) -> Ticks {
        self.again
    }

    /// Carries out what an access brought about.
    ///
    /// # Returns
    /// Whether the device wants to be served.
    pub fn apply(&mut self, effect: Effect, interrupts: &mut Watched<Interrupts>) -> bool {
        match effect {
            Effect::None => false,
            Effect::Kick(queue) => {
                self.queues.kick(queue);
                self.stage == Stage::Running
            }
            Effect::Start => {
                self.stage = Stage::Starting;
                true
            }
            Effect::Reset => {
                self.turn_off();
                self.model.reset();
                false
            }
            Effect::Send => {
                for message in self.function.take_released() {
                    interrupts.send(message);
                }
                false
            }
        }
    }

    /// As after power-on; the connection to the outside stays.
    pub fn power_cycle(&mut self, class: (u8, u8), ports: u16, memory: u32) {
        self.turn_off();
        self.model.reset();
        self.function = Function::new(&self.model, class, ports, memory);
    }

    fn turn_off(&mut self) {
        self.queues = Queues::default();
        self.stage = Stage::Off;
        self.again = NEVER;
    }

    /// Lets the device do all that it can. A function that may not master the bus
    /// must not touch memory: it waits.
    pub fn serve(
        &mut self,
        memory: &mut impl GuestMemory,
        interrupts: &mut Watched<Interrupts>,
        now: Ticks,
    ) -> Attended {
        if self.stage == Stage::Off || !self.function.masters() {
            return Attended::default();
        }
        if self.stage == Stage::Starting
            && let Err((queue, e)) = self.start(memory)
        {
            return self.fail(Broken::Config(queue, e), interrupts);
        }
        let served = self.model.serve(&mut self.queues, memory, now);
        let mut raised = self.queues.take_interrupts();
        while raised != 0 {
            let queue = raised.trailing_zeros() as usize;
            raised &= raised - 1;
            if let Some(message) = self.function.queue_interrupt(queue) {
                interrupts.send(message);
            }
        }
        if served.config_changed
            && let Some(message) = self.function.config_interrupt()
        {
            interrupts.send(message);
        }
        self.again = served.again.unwrap_or(NEVER);
        let closed = !self.closed && self.model.breach().is_some();
        self.closed |= closed;
        let attended = Attended { ring: served.ring, copied: served.copied, broken: None, closed };
        match served.fault {
            None => attended,
            Some(fault) => {
                Attended { broken: self.fail(Broken::Queue(fault), interrupts).broken, ..attended }
            }
        }
    }

    /// Makes the queues of what the driver wrote.
    fn start(&mut self, memory: &mut impl GuestMemory) -> Result<(), (usize, ConfigError)> {
        let registers = self.function.registers();
        let features = Features::from_bits(registers.features());
        for (index, queue) in registers.queues().iter().enumerate().filter(|(_, q)| q.enabled) {
            let config = QueueConfig {
                size: queue.size,
                most: self.model.queue_sizes().get(index).copied().unwrap_or(0),
                descriptors: queue.descriptors,
                driver: queue.driver,
                device: queue.device,
            };
            let queue = config.activate(features, &Guest(memory)).map_err(|e| (index, e))?;
            self.queues.set(index, queue);
        }
        self.model.start(registers.features());
        self.stage = Stage::Running;
        Ok(())
    }

    /// The driver broke a rule: the device says so and does nothing until it is
    /// reset (2.1.2).
    fn fail(&mut self, broken: Broken, interrupts: &mut Watched<Interrupts>) -> Attended {
        self.turn_off();
        self.model.reset();
        self.function.give_up();
        if let Some(message) = self.function.config_interrupt() {
            interrupts.send(message);
        }
        Attended { broken: Some(broken), ..Attended::default() }
    }
}
