//! One command at a time on the channel, with its time limit, and the reset that
//! ends one that went wrong.
//!
//! What surprises: whether the device interrupted is asked of the bus master, not
//! of the interrupt. Its bit is set by the device's line alone, so a notification
//! that comes too early, twice or for nothing changes nothing.

use core::fmt;

use deadline::Tsc;

use crate::{
    Clock, Ports, Table,
    bits::{self, Register, command},
    identify::{SECTOR, WORDS},
};

/// Time for a command that moves data, in microseconds: a disk that spins up takes
/// up to 7 s.
const TRANSFER_TIME: u64 = 10_000_000;
/// For a flush, which ATA/ATAPI-6 (8.12.5) allows more than 30 s; what takes longer
/// than this is given up.
const FLUSH_TIME: u64 = 60_000_000;
/// For a reset: ATA/ATAPI-6, 9.2, figure 18 (31 s).
const RESET_TIME: u64 = 31_000_000;
/// How long the reset bit is held (5 us at least).
const RESET_HOLD: u64 = 5;
/// How long the status is not looked at after a reset (2 ms).
const RESET_QUIET: u64 = 2_000;
/// How often it is looked at then.
const RESET_LOOK: u64 = 10_000;

/// Which way data goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// From the disk.
    Read,
    /// To the disk.
    Write,
}

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Command {
    /// What device is it?
    Identify,
    /// Data, to or from what the table describes.
    Transfer {
        /// Which way.
        direction: Direction,
        /// First sector.
        sector: u64,
        /// How many; 65,536 at most with 48 bits of address, else 256.
        count: u32,
        /// Whether the device knows 48 bits of address.
        extended: bool,
    },
    /// Everything written becomes stable.
    Flush {
        /// As above.
        extended: bool,
    },
}

/// Why a command was not done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The device says so.
    Device {
        /// Its status.
        status: u8,
        /// Its error register.
        error: u8,
    },
    /// The controller could not reach memory.
    Bus,
    /// Device and controller disagree on how much was to be moved.
    Length,
    /// The device was not idle when it should have been, or wants data when it
    /// should not.
    Protocol {
        /// Its status.
        status: u8,
    },
    /// Nothing came in time.
    Timeout,
    /// There is no device, or it does not come out of its reset.
    Gone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Device { status, error } => {
                write!(f, "the disk reports an error (status {status:#04x}, error {error:#04x})")
            }
            Failure::Bus => f.write_str("the controller could not reach memory"),
            Failure::Length => f.write_str("the disk moved another amount than it was told"),
            Failure::Protocol { status } => {
                write!(f, "the disk does not keep to the protocol (status {status:#04x})")
            }
            Failure::Timeout => f.write_str("the disk did not answer in time"),
            Failure::Gone => f.write_str("there is no disk, or it does not come out of its reset"),
        }
    }
}

/// What came of looking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Poll {
    /// A command or reset is under way.
    Busy,
    /// No command is; one may be begun.
    Idle,
    /// A command has just ended.
    Done(Result<(), Failure>),
    /// There is no device any more.
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Activity {
    Idle,
    Running { command: Command, until: Tsc },
    Resetting { from: Tsc, until: Tsc },
    Gone,
}

/// The channel.
#[derive(Debug)]
pub(crate) struct Channel<P> {
    ports: P,
    clock: Clock,
    table: Table,
    activity: Activity,
    /// The device's answer to [`Command::Identify`].
    pub identity: [u16; WORDS],
}

impl<P: Ports> Channel<P> {
    /// Takes the channel over, whatever state it is in: a transfer of a
    /// predecessor's ends here, before anybody uses its memory again.
    pub fn new(ports: P, clock: Clock, table: Table) -> Self {
        let mut channel =
            Channel { ports, clock, table, activity: Activity::Idle, identity: [0; WORDS] };
        channel.reset();
        channel
    }

    /// What time it is.
    pub fn now(&mut self) -> Tsc {
        self.ports.now()
    }

    /// When to look again, if nothing else happens.
    pub fn wake(&mut self) -> Option<Tsc> {
        match self.activity {
            Activity::Idle | Activity::Gone => None,
            Activity::Running { until, .. } => Some(until),
            Activity::Resetting { from, until } => {
                let look = self.clock.after(self.ports.now(), RESET_LOOK);
                Some(look.max(from).min(until))
            }
        }
    }

    /// Describes memory for the next transfer.
    ///
    /// # Returns
    /// Whether it can be.
    #[must_use]
    pub fn describe(&self, address: u64, sectors: u32) -> bool {
        self.table.describe(address, u64::from(sectors) * SECTOR)
    }

    /// Begins a command.
    ///
    /// # Errors
    /// The channel is not idle; a reset is under way then.
    pub fn begin(&mut self, command: Command) -> Result<(), Failure> {
        match self.activity {
            Activity::Idle => {}
            Activity::Gone => return Err(Failure::Gone),
            Activity::Running { .. } | Activity::Resetting { .. } => {
                return Err(Failure::Protocol { status: bits::BUSY });
            }
        }
        let status = self.ports.read(Register::AlternateControl);
        if status & (bits::BUSY | bits::DATA_REQUEST) != 0 {
            self.reset();
            return Err(Failure::Protocol { status });
        }
        self.stop_master();
        let time = match command {
            Command::Identify => {
                self.issue(command::IDENTIFY_DEVICE);
                TRANSFER_TIME
            }
            Command::Flush { extended } => {
                self.issue(if extended { command::FLUSH_CACHE_EXT } else { command::FLUSH_CACHE });
                FLUSH_TIME
            }
            Command::Transfer { direction, sector, count, extended } => {
                self.transfer(direction, sector, count, extended);
                TRANSFER_TIME
            }
        };
        let until = self.clock.after(self.ports.now(), time);
        self.activity = Activity::Running { command, until };
        Ok(())
    }

    fn issue(&mut self, code: u8) {
        self.ports.write(Register::StatusCommand, code);
    }

    fn transfer(&mut self, direction: Direction, sector: u64, count: u32, extended: bool) {
        let [low, mid, high, next, fifth, sixth, ..] = sector.to_le_bytes();
        let [count_low, count_high, ..] = count.to_le_bytes();
        let device = if extended {
            // Each register holds two bytes, the first written being the upper.
            self.address(count_high, next, fifth, sixth);
            bits::DEVICE_0_LBA
        } else {
            bits::DEVICE_0_LBA | next & 0xf
        };
        self.address(count_low, low, mid, high);
        self.ports.write(Register::Device, device);
        let code = match (direction, extended) {
            (Direction::Read, false) => command::READ_DMA,
            (Direction::Read, true) => command::READ_DMA_EXT,
            (Direction::Write, false) => command::WRITE_DMA,
            (Direction::Write, true) => command::WRITE_DMA_EXT,
        };
        let direction = match direction {
            Direction::Read => bits::MASTER_INTO_MEMORY,
            Direction::Write => 0,
        };
        // The table is written before the controller is told of it.
        shmem::fence();
        self.ports.write_table(self.table.address());
        self.ports.write(Register::MasterCommand, direction);
        self.issue(code);
        self.ports.write(Register::MasterCommand, direction | bits::MASTER_START);
    }

    fn address(&mut self, count: u8, low: u8, mid: u8, high: u8) {
        self.ports.write(Register::Count, count);
        self.ports.write(Register::Low, low);
        self.ports.write(Register::Mid, mid);
        self.ports.write(Register::High, high);
    }

    /// Stops the bus master and forgets what it says.
    fn stop_master(&mut self) {
        self.ports.write(Register::MasterCommand, 0);
        let keep = self.ports.read(Register::MasterStatus) & bits::MASTER_KEEP;
        let forget = keep | bits::MASTER_INTERRUPT | bits::MASTER_ERROR;
        self.ports.write(Register::MasterStatus, forget);
    }

    /// Looks what the device has done.
    pub fn poll(&mut self) -> Poll {
        match self.activity {
            Activity::Idle => Poll::Idle,
            Activity::Gone => Poll::Gone,
            Activity::Running { command, until } => self.poll_command(command, until),
            Activity::Resetting { from, until } => self.poll_reset(from, until),
        }
    }

    fn poll_command(&mut self, command: Command, until: Tsc) -> Poll {
        let master = self.ports.read(Register::MasterStatus);
        let ended = master & bits::MASTER_INTERRUPT != 0
            && self.ports.read(Register::AlternateControl) & bits::BUSY == 0;
        if ended {
            self.activity = Activity::Idle;
            // In this order: the controller is not to touch memory any more when
            // the device may be told something new.
            self.stop_master();
            let status = self.ports.read(Register::StatusCommand);
            let result = self.result(command, master, status);
            if let Err(Failure::Bus | Failure::Length | Failure::Protocol { .. }) = result {
                self.reset();
            }
            return Poll::Done(result);
        }
        if self.ports.now() >= until {
            self.reset();
            return Poll::Done(Err(Failure::Timeout));
        }
        Poll::Busy
    }

    fn result(&mut self, command: Command, master: u8, status: u8) -> Result<(), Failure> {
        if status & (bits::ERROR | bits::FAULT) != 0 {
            let error = self.ports.read(Register::Error);
            return Err(Failure::Device { status, error });
        }
        let wants_data = status & bits::DATA_REQUEST != 0;
        if wants_data != (command == Command::Identify) {
            return Err(Failure::Protocol { status });
        }
        match command {
            Command::Identify => {
                for word in 0..WORDS {
                    self.identity[word] = self.ports.read_data();
                }
                Ok(())
            }
            Command::Flush { .. } => Ok(()),
            Command::Transfer { .. } if master & bits::MASTER_ERROR != 0 => Err(Failure::Bus),
            // At work still: the table describes more than the device moved.
            Command::Transfer { .. } if master & bits::MASTER_ACTIVE != 0 => Err(Failure::Length),
            Command::Transfer { .. } => Ok(()),
        }
    }

    /// Ends whatever is under way, and begins a reset.
    pub fn reset(&mut self) {
        self.stop_master();
        self.ports.write(Register::AlternateControl, bits::SOFTWARE_RESET);
        let from = self.ports.now();
        let held = self.clock.after(from, RESET_HOLD);
        // Five microseconds, which a port access alone takes on most machines.
        while self.ports.now() < held {
            core::hint::spin_loop();
        }
        self.ports.write(Register::AlternateControl, 0);
        self.activity = Activity::Resetting {
            from: self.clock.after(from, RESET_QUIET),
            until: self.clock.after(from, RESET_TIME),
        };
    }

    fn poll_reset(&mut self, from: Tsc, until: Tsc) -> Poll {
        let now = self.ports.now();
        if now < from {
            return Poll::Busy;
        }
        let status = self.ports.read(Register::AlternateControl);
        if status == bits::FLOATING {
            self.activity = Activity::Gone;
            return Poll::Gone;
        }
        if status & bits::BUSY != 0 {
            if now < until {
                return Poll::Busy;
            }
            self.activity = Activity::Gone;
            return Poll::Gone;
        }
        self.ports.write(Register::Device, bits::DEVICE_0_LBA);
        // A device's signature after a reset (ATA/ATAPI-6, 9.12): a disk's is 0, 0.
        let signature = (self.ports.read(Register::Mid), self.ports.read(Register::High));
        if signature != (0, 0) {
            self.activity = Activity::Gone;
            return Poll::Gone;
        }
        // Takes a stale interrupt back, and what the bus master says of it.
        self.ports.read(Register::StatusCommand);
        self.stop_master();
        self.activity = Activity::Idle;
        Poll::Idle
    }
}
