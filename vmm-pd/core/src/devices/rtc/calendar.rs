//! The proleptic Gregorian calendar, for the years that two BCD digits of
//! century can say.
//!
//! Everything is total: any byte pattern in the clock's registers is some
//! time, out-of-range fields carrying over into the next larger one.

/// Seconds in a day.
pub const DAY_SECONDS: u64 = 86_400;

/// A time of day and date, fields as people count them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DateTime {
    /// Gregorian year.
    pub year: u32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

/// Days in the 400 years after which the calendar repeats.
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
/// Seconds from 1970 to 10000, when the clock starts over.
const LIMIT: u64 = 2_932_897 * DAY_SECONDS;

impl DateTime {
    /// Seconds since 1970-01-01T00:00:00; earlier times give zero.
    pub fn to_epoch(self) -> u64 {
        // Years begin in March, so that the leap day is the last.
        let month = u64::from(self.month.clamp(1, 12));
        let year = u64::from(self.year).saturating_sub(u64::from(month <= 2));
        let shifted = (month + 9) % 12;
        let day_of_year = (153 * shifted + 2) / 5 + u64::from(self.day.max(1)) - 1;
        let (era, of_era) = (year / 400, year % 400);
        let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
        let days = (era * ERA_DAYS + day_of_era).saturating_sub(EPOCH_DAYS);
        days * DAY_SECONDS
            + u64::from(self.hour) * 3600
            + u64::from(self.minute) * 60
            + u64::from(self.second)
    }

    /// The time so many seconds after 1970-01-01T00:00:00, in the years up to
    /// 9999, after which the clock starts over at year 1970.
    pub fn from_epoch(seconds: u64) -> Self {
        let seconds = seconds % LIMIT;
        let (days, of_day) = (seconds / DAY_SECONDS + EPOCH_DAYS, seconds % DAY_SECONDS);
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        // Every field is bounded by the arithmetic above.
        DateTime {
            year: year as u32,
            month: month as u8,
            day: day as u8,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
        }
    }
}

/// Day of the week of a time since 1970, 1 is Sunday: that of the date which
/// [`DateTime::from_epoch`] gives.
pub fn weekday(seconds: u64) -> u8 {
    // 1970-01-01 was a Thursday, the fifth day.
    ((seconds % LIMIT / DAY_SECONDS + 4) % 7 + 1) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(year: u32, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> DateTime {
        DateTime { year, month, day, hour, minute, second }
    }

    #[test]
    fn known_times_agree() {
        // From `date -u -d @N`.
        for (seconds, time, day) in [
            (0, at(1970, 1, 1, 0, 0, 0), 5),
            (951_782_399, at(2000, 2, 28, 23, 59, 59), 2),
            (951_868_799, at(2000, 2, 29, 23, 59, 59), 3),
            (951_868_800, at(2000, 3, 1, 0, 0, 0), 4),
            (4_107_542_399, at(2100, 2, 28, 23, 59, 59), 1),
            (4_107_542_400, at(2100, 3, 1, 0, 0, 0), 2),
            (1_893_456_000, at(2030, 1, 1, 0, 0, 0), 3),
            (253_402_300_799, at(9999, 12, 31, 23, 59, 59), 6),
        ] {
            assert_eq!(DateTime::from_epoch(seconds), time, "{seconds}");
            assert_eq!(time.to_epoch(), seconds);
            assert_eq!(weekday(seconds), day, "{seconds}");
        }
    }

    #[test]
    fn a_clock_that_starts_over_shows_the_weekday_of_its_date() {
        for seconds in [LIMIT, LIMIT + 3 * DAY_SECONDS, 5 * LIMIT] {
            let shown = DateTime::from_epoch(seconds).to_epoch();
            assert_eq!(weekday(seconds), weekday(shown), "{seconds}");
        }
    }

    #[test]
    fn fields_out_of_range_carry_over() {
        assert_eq!(at(2001, 2, 31, 0, 0, 0).to_epoch(), at(2001, 3, 3, 0, 0, 0).to_epoch());
        assert_eq!(at(2001, 1, 1, 23, 59, 99).to_epoch(), at(2001, 1, 2, 0, 0, 39).to_epoch());
        assert_eq!(at(0, 0, 0, 0, 0, 0).to_epoch(), 0);
    }

    proptest! {
        #[test]
        fn every_second_has_one_name(seconds in 0u64..253_402_300_800) {
            prop_assert_eq!(DateTime::from_epoch(seconds).to_epoch(), seconds);
        }

        #[test]
        fn no_field_is_too_much(seconds: u64, year: u32, rest: [u8; 5]) {
            let t = DateTime::from_epoch(seconds);
            prop_assert!((1970..10_000).contains(&t.year));
            let [month, day, hour, minute, second] = rest;
            at(year, month, day, hour, minute, second).to_epoch();
        }
    }
}
