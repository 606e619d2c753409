//! A point in time with its zone, as RFC 3339 writes it.

use std::fmt;

const NANOSECONDS: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    nanosecond: i64,
    /// Seconds that the zone is ahead of UTC.
    pub(super) offset: i64,
}

impl Moment {
    /// Reads RFC 3339, as strictly as Go does; the error names the part that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut rest = text;
        let year = number(&mut rest, 4).ok_or("year")?;
        expect(&mut rest, '-')?;
        let month = number(&mut rest, 2).filter(|month| (1..=12).contains(month)).ok_or("month")?;
        expect(&mut rest, '-')?;
        let day =
            number(&mut rest, 2).filter(|day| (1..=days_in_month(year, month)).contains(day)).ok_or("day of month")?;
        expect(&mut rest, 'T')?;
        let hour = number(&mut rest, 2).filter(|hour| *hour <= 23).ok_or("hour")?;
        expect(&mut rest, ':')?;
        let minute = number(&mut rest, 2).filter(|minute| *minute <= 59).ok_or("minute")?;
        expect(&mut rest, ':')?;
        let second = number(&mut rest, 2).filter(|second| *second <= 59).ok_or("second")?;
        let mut nanosecond = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(fraction.len());
            let (digits, behind) = fraction.split_at(end);
            if digits.is_empty() {
                return Err("fraction of a second");
            }
            let digits: String = digits.chars().chain("000000000".chars()).take(9).collect();
            nanosecond = digits.parse().map_err(|_| "fraction of a second")?;
            rest = behind;
        }
        let offset = match rest {
            "Z" => 0,
            _ => {
                let sign = match rest.chars().next() {
                    Some('+') => 1,
                    Some('-') => -1,
                    _ => return Err("offset from UTC"),
                };
                rest = rest.get(1..).unwrap_or_default();
                let hours = number(&mut rest, 2).filter(|hours| *hours <= 23).ok_or("offset from UTC")?;
                expect(&mut rest, ':')?;
                let minutes = number(&mut rest, 2).filter(|minutes| *minutes <= 59).ok_or("offset from UTC")?;
                if !rest.is_empty() {
                    return Err("end");
                }
                sign * (hours * 3600 + minutes * 60)
            }
        };
        Ok(Moment { year, month, day, hour, minute, second, nanosecond, offset })
    }

    /// A time in UTC by the seconds since 1970.
    pub(super) fn at(seconds: i64) -> Self {
        Self::from_instant(i128::from(seconds) * NANOSECONDS, 0)
    }

    /// Nanoseconds since 1970.
    pub(super) fn instant(&self) -> i128 {
        let days = days_before(self.year, self.month, self.day);
        let seconds = days * DAY + self.hour * 3600 + self.minute * 60 + self.second - self.offset;
        i128::from(seconds) * NANOSECONDS + i128::from(self.nanosecond)
    }

    fn from_instant(instant: i128, offset: i64) -> Self {
        let local = instant + i128::from(offset) * NANOSECONDS;
        // Both fit: an instant comes from a year of four digits and 292 years at most beside it.
        let seconds = i64::try_from(local.div_euclid(NANOSECONDS)).unwrap_or(0);
        let nanosecond = i64::try_from(local.rem_euclid(NANOSECONDS)).unwrap_or(0);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let clock = seconds.rem_euclid(DAY);
        Moment { year, month, day, hour: clock / 3600, minute: clock / 60 % 60, second: clock % 60, nanosecond, offset }
    }

    /// The time so many nanoseconds later, in the same zone.
    pub(super) fn plus(&self, nanoseconds: i64) -> Self {
        Self::from_instant(self.instant() + i128::from(nanoseconds), self.offset)
    }

    /// The day of the week, Sunday being zero.
    pub(super) fn weekday(&self) -> i64 {
        (days_before(self.year, self.month, self.day) + 4).rem_euclid(7)
    }

    /// `Z`, or the offset with a colon.
    pub(super) fn zone(&self) -> String {
        if self.offset == 0 { "Z".to_owned() } else { self.numeric_zone(":") }
    }

    /// The offset with something between hours and minutes.
    pub(super) fn numeric_zone(&self, separator: &str) -> String {
        let sign = if self.offset < 0 { '-' } else { '+' };
        let minutes = self.offset.abs() / 60;
        format!("{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Display for Moment {
    /// RFC 3339 without fractions of a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, year) = if self.year < 0 { ("-", -self.year) } else { ("", self.year) };
        write!(
            f,
            "{sign}{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
            self.month,
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.zone()
        )
    }
}

fn number(rest: &mut &str, digits: usize) -> Option<i64> {
    let (text, behind) = rest.split_at_checked(digits)?;
    if !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    *rest = behind;
    text.parse().ok()
}

fn expect(rest: &mut &str, character: char) -> Result<(), &'static str> {
    *rest = rest.strip_prefix(character).ok_or(match character {
        'T' => "`T` between date and time",
        '-' => "`-` in the date",
        _ => "`:` in the time",
    })?;
    Ok(())
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    // Years are taken to begin in March, so that the leap day is their last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date so many days after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Nanoseconds of a duration like `-1h30m` or `1.5s`, as Go reads it.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is not a duration like `-1h30m`: numbers with the units h, m, s, ms, us, ns");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|character: char| character.is_ascii_digit() || character == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        rest = behind;
        let unit: i128 = match unit {
            "h" => 3_600 * NANOSECONDS,
            "m" => 60 * NANOSECONDS,
            "s" => NANOSECONDS,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return Err(wrong()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 19 {
            return Err(wrong());
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
        // Digits behind a nanosecond are dropped.
        let fraction: String = fraction.chars().take(18).collect();
        let scale = 10i128.pow(u32::try_from(fraction.len()).unwrap_or(0));
        let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().map_err(|_| wrong())? };
        total += whole * unit + part * unit / scale;
        if total > i128::from(i64::MAX) {
            return Err(format!("`{text}` is longer than a duration can be (292 years)"));
        }
    }
    let total = if negative { -total } else { total };
    i64::try_from(total).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_read_back() {
        for days in (-800_000..3_000_000).step_by(97) {
            let (year, month, day) = date(days);
            assert_eq!(days_before(year, month, day), days);
        }
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1.5h"), Ok(5_400_000_000_000));
        assert_eq!(parse_duration("-1h30m"), Ok(-5_400_000_000_000));
        assert_eq!(parse_duration("+.5s"), Ok(500_000_000));
        for text in ["", "1", "1d", ".s", "1h -5m", "9999999h", "1.2.3s", "h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
