//! The disk as its transport sees it.

use core::fmt;

use super::bits::{self, feature};
use super::disk::Disk;
use super::{Block, QUEUE_SIZE, QUEUES};
use crate::devices::virtio::memory::Guest;
use crate::devices::virtio::model::{Model, Queues, Served};
use crate::memory::GuestMemory;
use crate::types::Ticks;

impl Model for Block<'_> {
    fn device_type(&self) -> u16 {
        bits::TYPE
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE; QUEUES]
    }

    fn features(&self) -> u64 {
        self.current().features()
    }

    fn check_features(&self, features: u64) -> bool {
        // What decides whether the cache is on needs one (5.2.3.1).
        features & feature::CONFIG_WCE == 0 || features & feature::FLUSH != 0
    }

    fn read_config(&self, offset: u32, into: &mut [u8]) {
        let disk = if self.started { self.disk } else { self.current() };
        let space = disk.config(self.writeback);
        let rest = usize::try_from(offset).ok().and_then(|at| space.get(at..)).unwrap_or(&[]);
        into.fill(0);
        for (to, from) in into.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    fn write_config(&mut self, offset: u32, from: &[u8]) {
        let at = bits::config::WRITEBACK.checked_sub(offset as usize);
        if let Some(byte) = at.and_then(|at| from.get(at))
            && self.features & feature::CONFIG_WCE != 0
        {
            self.writeback = *byte != 0;
        }
    }

    fn start(&mut self, features: u64) {
        self.features = features;
        self.disk = self.current();
        self.started = true;
        self.look = true;
    }

    fn reset(&mut self) {
        self.life = self.life.wrapping_add(1);
        self.stale = if self.breach.is_some() { 0 } else { self.path.client.outstanding() };
        self.store.clear();
        self.blocked = None;
        self.features = 0;
        self.writeback = true;
        self.started = false;
        self.turn = 0;
    }

    fn serve(&mut self, queues: &mut Queues, memory: &mut impl GuestMemory, now: Ticks) -> Served {
        let mut served = Served::default();
        let kicked = queues.take_kicked() != 0;
        if !kicked && let Some(info) = self.info.read() {
            let disk = Disk::new(Some(&info), &self.options);
            served.config_changed = disk != self.disk;
            self.disk = disk;
        }
        let mut done = if self.breach.is_none() { self.take_answers(queues, memory) } else { 0 };
        if done != 0 || kicked || self.look {
            match self.work(queues, memory, now) {
                Ok((more, again)) => {
                    done |= more;
                    served.again = again;
                }
                Err(fault) => served.fault = Some(fault),
            }
        }
        // An answer may have had a second half, with nothing done for the driver yet.
        served.ring = self.path.client.publish();
        served.copied = self.path.take_copied();
        for index in 0..QUEUES {
            if done & 1 << index != 0
                && let Some(queue) = queues.get(index)
                && queue.publish(&mut Guest(memory))
            {
                queues.interrupt(index);
            }
        }
        served
    }

    fn breach(&self) -> Option<&dyn fmt::Display> {
        self.breach.as_ref().map(|breach| breach as &dyn fmt::Display)
    }
}
