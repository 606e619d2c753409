//! Decimal digits of a number, rounded and written as Go's `big.Float` does it.

use retrue_provider_api::Number;

/// How to write a number.
#[derive(Clone, Copy)]
pub(super) enum Style {
    /// `1.5e+06`
    Exponent { capital: bool },
    /// `1500000.000000`
    Fixed,
    /// The one of both that suits the size of the number.
    General { capital: bool },
}

/// A number as its digits and the place of the point: `0.DIGITS * 10^point`.
pub(super) struct Decimal {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    point: i64,
    /// Whether these are the fewest digits that mean the number.
    shortest: bool,
}

impl Decimal {
    /// All digits that the number has.
    pub(super) fn exact(number: &Number) -> Self {
        Self::read(&number.exact_decimal(), false)
    }

    /// The fewest digits that mean the number.
    pub(super) fn shortest(number: &Number) -> Self {
        Self::read(&number.to_string(), true)
    }

    fn read(text: &str, shortest: bool) -> Self {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let leading = all.iter().take_while(|digit| **digit == b'0').count();
        let mut digits: Vec<u8> = all.get(leading..).unwrap_or_default().to_vec();
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        let point = if digits.is_empty() { 0 } else { length(whole.len()) - length(leading) };
        Decimal { negative, digits, point, shortest }
    }

    /// Keeps so many digits, rounded half to even.
    fn round(&mut self, keep: i64) {
        let Ok(keep) = usize::try_from(keep) else {
            // Everything lies behind the last digit that is kept, by more than one place.
            self.digits.clear();
            self.point = 0;
            return;
        };
        let Some(first) = self.digits.get(keep).copied() else { return };
        let beyond = self.digits.len() > keep + 1;
        let odd = keep.checked_sub(1).and_then(|last| self.digits.get(last)).is_some_and(|digit| digit % 2 == 1);
        let up = first > b'5' || (first == b'5' && (beyond || odd));
        self.digits.truncate(keep);
        if up {
            loop {
                match self.digits.pop() {
                    Some(b'9') => {}
                    Some(digit) => {
                        self.digits.push(digit + 1);
                        break;
                    }
                    None => {
                        self.digits.push(b'1');
                        self.point += 1;
                        break;
                    }
                }
            }
        }
        while self.digits.last() == Some(&b'0') {
            self.digits.pop();
        }
        if self.digits.is_empty() {
            self.point = 0;
        }
    }

    /// Writes it; without a precision, with all digits that there are.
    pub(super) fn write(mut self, style: Style, precision: Option<usize>) -> String {
        let sign = if self.negative { "-" } else { "" };
        let body = match style {
            Style::Exponent { capital } => {
                if let Some(precision) = precision {
                    self.round(1 + length(precision));
                }
                self.exponent(precision.unwrap_or(self.digits.len().saturating_sub(1)), capital)
            }
            Style::Fixed => {
                if let Some(precision) = precision {
                    self.round(self.point + length(precision));
                }
                let places = usize::try_from(length(self.digits.len()) - self.point).unwrap_or(0);
                self.fixed(precision.unwrap_or(places))
            }
            Style::General { capital } => {
                let wanted = precision.map(|precision| precision.max(1));
                if let Some(wanted) = wanted {
                    self.round(length(wanted));
                }
                let digits = self.digits.len();
                let wanted = wanted.unwrap_or(digits);
                // From this exponent on, the form with an exponent is used.
                let mut limit = length(wanted);
                if limit > length(digits) && length(digits) >= self.point {
                    limit = length(digits);
                }
                if self.shortest {
                    limit = 6;
                }
                let exponent = self.point - 1;
                if !self.digits.is_empty() && (exponent < -4 || exponent >= limit) {
                    self.exponent(digits.min(wanted).saturating_sub(1), capital)
                } else {
                    let places = usize::try_from(length(digits) - self.point).unwrap_or(0);
                    self.fixed(places)
                }
            }
        };
        format!("{sign}{body}")
    }

    fn digit(&self, position: i64) -> char {
        usize::try_from(position)
            .ok()
            .and_then(|position| self.digits.get(position))
            .map_or('0', |digit| char::from(*digit))
    }

    fn exponent(&self, places: usize, capital: bool) -> String {
        let mut out = String::from(self.digit(0));
        if places > 0 {
            out.push('.');
            out.extend((1..=length(places)).map(|position| self.digit(position)));
        }
        let exponent = if self.digits.is_empty() { 0 } else { self.point - 1 };
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{}{sign}{:02}", if capital { 'E' } else { 'e' }, exponent.abs()));
        out
    }

    fn fixed(&self, places: usize) -> String {
        let mut out = String::new();
        if self.point > 0 {
            out.extend((0..self.point).map(|position| self.digit(position)));
        } else {
            out.push('0');
        }
        if places > 0 {
            out.push('.');
            out.extend((0..length(places)).map(|place| self.digit(self.point + place)));
        }
        out
    }
}

fn length(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_in_go() {
        let check = |number: &str, style: Style, precision: Option<usize>, expect: &str| {
            let number: Number = number.parse().unwrap();
            let decimal = if precision.is_some() { Decimal::exact(&number) } else { Decimal::shortest(&number) };
            assert_eq!(decimal.write(style, precision), expect);
        };
        let general = Style::General { capital: false };
        check("0", general, None, "0");
        check("123456789", general, None, "1.23456789e+08");
        check("100000", general, None, "100000");
        check("1e6", general, None, "1e+06");
        check("0.00001234", general, None, "1.234e-05");
        check("1234.5678", general, Some(3), "1.23e+03");
        check("100000", general, Some(10), "100000");
        check("99.9", general, Some(2), "1e+02");
        check("2.5", Style::Fixed, Some(0), "2");
        check("0.5", Style::Fixed, Some(0), "0");
        check("0.05", Style::Fixed, Some(0), "0");
        check("0.6", Style::Fixed, Some(0), "1");
        check("9.9996", Style::Exponent { capital: false }, Some(3), "1.000e+01");
        check("0", Style::Exponent { capital: true }, Some(2), "0.00E+00");
    }
}
