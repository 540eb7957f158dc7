//! The bytes behind the index: how the time registers spell a time, when the
//! alarm matches, and what firmware records of the memory's size.

use super::Rtc;
use super::bits::{
    ALARM_ANY, B, BASE_MEMORY, CHECKSUM, CHECKSUM_FIRST, CHECKSUM_LAST, DAY, EQUIPMENT,
    EQUIPMENT_FPU, EXTENDED_MEMORY, EXTENDED_MEMORY_ACTUAL, HIGH_MEMORY, HOURS, HOURS_ALARM,
    HOURS_PM, MINUTES, MINUTES_ALARM, MONTH, REGISTER_B, SECONDS, SECONDS_ALARM, WEEKDAY, YEAR,
};
use super::calendar::{DAY_SECONDS, DateTime, weekday};
use crate::layout::{
    RamSize,
    numbers::{KIB, MIB, RTC_CENTURY},
};

/// Conventional memory that CMOS reports, in KiB: always all of it.
const BASE_MEMORY_KIB: u16 = 640;
/// Most that the 16-bit count from 1 MiB reports, in KiB: the rest is counted
/// from 16 MiB.
const EXTENDED_MEMORY_MAX_KIB: u64 = 63 * 1024;

impl Rtc {
    pub(super) fn get(&self, index: u8) -> u8 {
        self.state.cmos[usize::from(index >> 5 & 3)][usize::from(index & 31)]
    }

    pub(super) fn set(&mut self, index: u8, value: u8) {
        self.state.cmos[usize::from(index >> 5 & 3)][usize::from(index & 31)] = value;
    }

    pub(super) fn b(&self) -> B {
        B::from_bits_retain(self.get(REGISTER_B))
    }

    /// The time that the registers spell, in seconds since 1970.
    pub(super) fn epoch(&self) -> u64 {
        let year = u32::from(self.number(self.get(RTC_CENTURY))) * 100
            + u32::from(self.number(self.get(YEAR)));
        DateTime {
            year,
            month: self.number(self.get(MONTH)),
            day: self.number(self.get(DAY)),
            hour: self.hour(self.get(HOURS)),
            minute: self.number(self.get(MINUTES)),
            second: self.number(self.get(SECONDS)),
        }
        .to_epoch()
    }

    /// Makes the registers spell a time.
    pub(super) fn set_epoch(&mut self, seconds: u64) {
        let time = DateTime::from_epoch(seconds);
        // Years end at 9999: both parts are below 100.
        self.set(RTC_CENTURY, self.spell((time.year / 100) as u8));
        self.set(YEAR, self.spell((time.year % 100) as u8));
        self.set(MONTH, self.spell(time.month));
        self.set(DAY, self.spell(time.day));
        self.set(WEEKDAY, self.spell(weekday(seconds)));
        self.set(HOURS, self.spell_hour(time.hour));
        self.set(MINUTES, self.spell(time.minute));
        self.set(SECONDS, self.spell(time.second));
    }

    /// How many seconds after `epoch` the alarm matches next, at least one.
    ///
    /// # Returns
    /// Nothing if an alarm register holds what no time is.
    pub(super) fn next_alarm(&self, epoch: u64) -> Option<u64> {
        let field = |raw: u8, value: u8| if raw >= ALARM_ANY { None } else { Some(value) };
        let (second, minute, hour) =
            (self.get(SECONDS_ALARM), self.get(MINUTES_ALARM), self.get(HOURS_ALARM));
        let second = field(second, self.number(second)).map(u64::from);
        let minute = field(minute, self.number(minute)).map(u64::from);
        let hour = field(hour, self.hour(hour)).map(u64::from);
        if second.is_some_and(|s| s > 59)
            || minute.is_some_and(|m| m > 59)
            || hour.is_some_and(|h| h > 23)
        {
            return None;
        }
        // Skips whole hours, then minutes, then seconds: at most 24 + 60 + 60
        // steps.
        let mut wait = 1;
        while wait <= DAY_SECONDS {
            let t = (epoch % DAY_SECONDS + wait) % DAY_SECONDS;
            if hour.is_some_and(|h| h != t / 3600) {
                wait += 3600 - t % 3600;
            } else if minute.is_some_and(|m| m != t / 60 % 60) {
                wait += 60 - t % 60;
            } else if second.is_some_and(|s| s != t % 60) {
                wait += 1;
            } else {
                return Some(wait);
            }
        }
        None
    }

    /// What a byte of time says in the current mode.
    fn number(&self, byte: u8) -> u8 {
        if self.b().contains(B::DM) { byte } else { (byte >> 4) * 10 + (byte & 15) }
    }

    /// `value`, below 100, in the current mode.
    fn spell(&self, value: u8) -> u8 {
        if self.b().contains(B::DM) { value } else { value / 10 * 16 + value % 10 }
    }

    fn hour(&self, byte: u8) -> u8 {
        if self.b().contains(B::H24) {
            return self.number(byte);
        }
        let afternoon = if byte & HOURS_PM != 0 { 12 } else { 0 };
        self.number(byte & !HOURS_PM) % 12 + afternoon
    }

    fn spell_hour(&self, hour: u8) -> u8 {
        if self.b().contains(B::H24) {
            return self.spell(hour);
        }
        let afternoon = if hour >= 12 { HOURS_PM } else { 0 };
        let twelve = if hour.is_multiple_of(12) { 12 } else { hour % 12 };
        self.spell(twelve) | afternoon
    }

    pub(super) fn set_memory_sizes(&mut self, ram: RamSize) {
        let extended = (ram.bytes() - MIB) / KIB;
        let high = ram.bytes().saturating_sub(16 * MIB) / (64 * KIB);
        self.set(EQUIPMENT, EQUIPMENT_FPU);
        self.set_word(BASE_MEMORY, BASE_MEMORY_KIB.to_le_bytes());
        // RamSize bounds both counts: 63 * 1024 and 3 GiB / 64 KiB fit.
        let extended = (extended.min(EXTENDED_MEMORY_MAX_KIB) as u16).to_le_bytes();
        self.set_word(EXTENDED_MEMORY, extended);
        self.set_word(EXTENDED_MEMORY_ACTUAL, extended);
        self.set_word(HIGH_MEMORY, (high as u16).to_le_bytes());
        let sum: u16 = (CHECKSUM_FIRST..=CHECKSUM_LAST).map(|i| u16::from(self.get(i))).sum();
        self.set_word(CHECKSUM, sum.to_be_bytes());
    }

    fn set_word(&mut self, index: u8, bytes: [u8; 2]) {
        self.set(index, bytes[0]);
        self.set(index + 1, bytes[1]);
    }
}
