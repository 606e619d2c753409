//! Numbers as Terraform has them: a 512-bit binary float, with a fast path for what fits 64 bits.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use dashu_base::{Abs, BitTest, Sign, Signed, UnsignedAbs};
use dashu_float::{Context, FBig, Repr as FloatRepr, round::mode::HalfEven};
use dashu_int::{IBig, UBig};
use thiserror::Error;

/// Bits of mantissa that arithmetic keeps, as in Terraform (`cty` uses a `big.Float` of 512 bits).
pub const PRECISION: usize = 512;

/// The largest power of ten, in either direction, that a written number may have.
const MAX_DECIMAL_EXPONENT: i64 = 20_000;

type Float = FBig<HalfEven, 2>;

/// A number: exact for 64-bit integers and for what is written in decimal, 512 bits for arithmetic.
///
/// Equality, order and hash are by value: `1`, `1.0` and `1e0` are the same number.
#[derive(Clone)]
pub struct Number(Repr);

/// Invariant: whatever is an integer that fits an `i64` is `Small`.
#[derive(Clone)]
enum Repr {
    Small(i64),
    Large(Float),
}

/// Why a text or a result is not a number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The text is not a decimal number.
    #[error("`{0}` is not a number")]
    Syntax(String),
    /// The magnitude is out of the range that is supported (about 10^±20000).
    #[error("the number is too large or too small")]
    Range,
    /// Division or remainder by zero.
    #[error("division by zero")]
    DivisionByZero,
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number(Repr::Small(0));
    /// One.
    pub const ONE: Number = Number(Repr::Small(1));

    fn context() -> Context<HalfEven> {
        Context::new(PRECISION)
    }

    fn from_float(value: Float) -> Result<Self, NumberError> {
        if value.repr().is_infinite() {
            return Err(NumberError::Range);
        }
        let repr = value.repr();
        let (significand, exponent) = (repr.significand(), repr.exponent());
        // Zero with a sign has an exponent of its own.
        if significand.is_zero() {
            return Ok(Number::ZERO);
        }
        let bits = i64::try_from(significand.unsigned_abs().bit_len()).unwrap_or(i64::MAX);
        if bits.saturating_add(exponent as i64).abs() > 70_000 {
            return Err(NumberError::Range);
        }
        if exponent >= 0
            && bits + (exponent as i64) <= 64
            && let Ok(small) = i64::try_from(significand.clone() << (exponent as usize))
        {
            return Ok(Number(Repr::Small(small)));
        }
        Ok(Number(Repr::Large(value)))
    }

    fn float(&self) -> Float {
        match &self.0 {
            Repr::Small(value) => Float::from_parts(IBig::from(*value), 0).with_precision(PRECISION).value(),
            Repr::Large(value) => value.clone(),
        }
    }

    /// The nearest number to a 64-bit float; infinities and NaN are refused.
    pub fn from_f64(value: f64) -> Result<Self, NumberError> {
        let float = Float::try_from(value).map_err(|_| NumberError::Range)?;
        Self::from_float(float.with_precision(PRECISION).value())
    }

    /// An integer of any size, rounded to 512 bits.
    pub fn from_integer(value: IBig) -> Result<Self, NumberError> {
        Self::from_float(Float::from_parts(value, 0).with_precision(PRECISION).value())
    }

    /// The value as `i64`, when it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match &self.0 {
            Repr::Small(value) => Some(*value),
            Repr::Large(_) => None,
        }
    }

    /// The value as `u64`, when it is an integer that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.to_integer().and_then(|value| u64::try_from(value).ok())
    }

    /// The value as an integer of any size, when it is one.
    pub fn to_integer(&self) -> Option<IBig> {
        match &self.0 {
            Repr::Small(value) => Some(IBig::from(*value)),
            Repr::Large(value) => {
                let repr = value.repr();
                let (significand, exponent) = (repr.significand(), repr.exponent());
                (exponent >= 0).then(|| significand.clone() << (exponent as usize))
            }
        }
    }

    /// The nearest 64-bit float; beyond its range, an infinity.
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Repr::Small(value) => *value as f64,
            Repr::Large(value) => value.to_f64().value(),
        }
    }

    /// Whether the value has no fractional part.
    pub fn is_integer(&self) -> bool {
        match &self.0 {
            Repr::Small(_) => true,
            Repr::Large(value) => value.repr().exponent() >= 0,
        }
    }

    /// Whether the value is below zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small(value) => *value < 0,
            Repr::Large(value) => value.is_negative(),
        }
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        matches!(self.0, Repr::Small(0))
    }

    /// The sum, rounded to 512 bits.
    pub fn add(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(sum) = a.checked_add(*b)
        {
            return Ok(Number(Repr::Small(sum)));
        }
        Self::from_float(
            Self::context().add(self.float().repr(), other.float().repr()).map_err(|_| NumberError::Range)?.value(),
        )
    }

    /// The difference, rounded to 512 bits.
    pub fn sub(&self, other: &Self) -> Result<Self, NumberError> {
        self.add(&other.neg())
    }

    /// The product, rounded to 512 bits.
    pub fn mul(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(product) = a.checked_mul(*b)
        {
            return Ok(Number(Repr::Small(product)));
        }
        Self::from_float(
            Self::context().mul(self.float().repr(), other.float().repr()).map_err(|_| NumberError::Range)?.value(),
        )
    }

    /// The quotient, rounded to 512 bits.
    pub fn div(&self, other: &Self) -> Result<Self, NumberError> {
        if other.is_zero() {
            return Err(NumberError::DivisionByZero);
        }
        Self::from_float(
            Self::context().div(self.float().repr(), other.float().repr()).map_err(|_| NumberError::Range)?.value(),
        )
    }

    /// The remainder of the quotient truncated towards zero; it has the sign of `self`.
    pub fn rem(&self, other: &Self) -> Result<Self, NumberError> {
        if let (Repr::Small(a), Repr::Small(b)) = (&self.0, &other.0)
            && let Some(rest) = a.checked_rem(*b)
        {
            return Ok(Number(Repr::Small(rest)));
        }
        let quotient = self.div(other)?.truncate();
        self.sub(&quotient.mul(other)?)
    }

    /// The value with the other sign.
    #[must_use]
    pub fn neg(&self) -> Self {
        match &self.0 {
            Repr::Small(value) => match value.checked_neg() {
                Some(negated) => Number(Repr::Small(negated)),
                None => Number(Repr::Large(-self.float())),
            },
            // -(2^63) is the one large integer whose negation is small.
            Repr::Large(value) => Self::from_float(-value.clone()).unwrap_or(Number(Repr::Large(-value.clone()))),
        }
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(&self) -> Self {
        if self.is_negative() { self.neg() } else { self.clone() }
    }

    /// The integer next to it in the direction of zero.
    #[must_use]
    pub fn truncate(&self) -> Self {
        match &self.0 {
            Repr::Small(_) => self.clone(),
            Repr::Large(value) => {
                let repr = value.repr();
                if repr.exponent() >= 0 {
                    return self.clone();
                }
                let shift = repr.exponent().unsigned_abs();
                let magnitude = repr.significand().unsigned_abs() >> shift;
                let sign = if value.is_negative() { Sign::Negative } else { Sign::Positive };
                Self::from_integer(IBig::from_parts(sign, magnitude)).unwrap_or(Number::ZERO)
            }
        }
    }

    /// The largest integer that is not above it.
    #[must_use]
    pub fn floor(&self) -> Self {
        let truncated = self.truncate();
        if self.is_negative() && truncated != *self {
            truncated.sub(&Number::ONE).unwrap_or(truncated)
        } else {
            truncated
        }
    }

    /// The smallest integer that is not below it.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.neg().floor().neg()
    }

    /// Every decimal digit of the value, without an exponent: what it is, not the shortest way to write it.
    pub fn exact_decimal(&self) -> String {
        match &self.0 {
            Repr::Small(value) => value.to_string(),
            Repr::Large(value) => {
                let repr = value.repr();
                let magnitude = repr.significand().unsigned_abs();
                let sign = if value.is_negative() { "-" } else { "" };
                let shift = repr.exponent().unsigned_abs();
                if repr.exponent() >= 0 {
                    return format!("{sign}{}", magnitude << shift);
                }
                // m / 2^k = m * 5^k / 10^k
                let digits = (magnitude * UBig::from(5u8).pow(shift)).to_string();
                let point = digits.len() as i64 - shift as i64;
                format!("{sign}{}", place_point(&digits, point))
            }
        }
    }

    /// The shortest decimal text that rounds to this value at 512 bits, without an exponent.
    fn shortest(value: &Float) -> String {
        let repr = value.repr();
        let magnitude = repr.significand().unsigned_abs();
        let bits = magnitude.bit_len();
        // Normalise to exactly PRECISION bits: x = mantissa * 2^exponent.
        let shift = PRECISION.saturating_sub(bits);
        let mantissa: UBig = magnitude << shift;
        let exponent = repr.exponent() as i64 - shift as i64;
        // Quadruple everything, so that both half-way points to the neighbours are integers.
        let even = !mantissa.bit(0);
        let lowest = mantissa.bit_len() == PRECISION && mantissa.trailing_zeros() == Some(PRECISION - 1);
        let middle: UBig = &mantissa << 2;
        let lower: UBig = if lowest { &middle - UBig::ONE } else { &middle - UBig::from(2u8) };
        let upper: UBig = &middle + UBig::from(2u8);
        let scale = exponent - 2;
        let (digits, point) = if scale >= 0 {
            let power = scale as usize;
            pick_digits(&(middle << power), &(lower << power), &(upper << power), even, 0)
        } else {
            let places = scale.unsigned_abs() as usize;
            let five = UBig::from(5u8).pow(places);
            pick_digits(&(middle * &five), &(lower * &five), &(upper * &five), even, places as i64)
        };
        let sign = if value.is_negative() { "-" } else { "" };
        format!("{sign}{}", place_point(&digits, point))
    }
}

/// Picks the fewest digits between the half-way points to the neighbours.
///
/// All three are integers of the same scale, `places` decimal places to the right of the point.
/// Returns the digits and how many of them stand before the point (it may be negative).
/// The rule is that of Go's `math/big` (`roundShortest`), which Terraform prints numbers with.
fn pick_digits(middle: &UBig, lower: &UBig, upper: &UBig, inclusive: bool, places: i64) -> (String, i64) {
    let upper = upper.to_string();
    let width = upper.len();
    let pad = |text: String| format!("{text:0>width$}");
    let (middle, lower) = (pad(middle.to_string()), pad(lower.to_string()));
    let point = width as i64 - places;
    let (mid, low, up) = (middle.as_bytes(), lower.as_bytes(), upper.as_bytes());
    let significant = |text: &[u8]| text.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    let (low_len, up_len) = (significant(low), significant(up));
    for index in 0..width {
        let (l, m, u) = (low[index], mid[index], up[index]);
        let down_is_fine = l != m || (inclusive && index + 1 == low_len);
        let up_is_fine = m != u && (inclusive || m + 1 < u || index + 1 < up_len);
        let kept = &mid[..=index];
        let round_up = || {
            let text = String::from_utf8_lossy(kept).into_owned();
            let value = UBig::from_str(&text).unwrap_or(UBig::ZERO) + UBig::ONE;
            let text = value.to_string();
            let text = format!("{text:0>len$}", len = kept.len());
            let grown = (text.len() - kept.len()) as i64;
            (text, point + grown)
        };
        match (down_is_fine, up_is_fine) {
            (true, true) => {
                // Round to nearest, ties to even, by the digits that follow.
                let rest = &mid[index + 1..];
                let half = rest.first().copied().unwrap_or(b'0');
                let beyond = rest.iter().skip(1).any(|digit| *digit != b'0');
                let up = half > b'5' || (half == b'5' && (beyond || m % 2 == 1));
                return if up { round_up() } else { (String::from_utf8_lossy(kept).into_owned(), point) };
            }
            (true, false) => return (String::from_utf8_lossy(kept).into_owned(), point),
            (false, true) => return round_up(),
            (false, false) => {}
        }
    }
    (middle, point)
}

/// Writes digits with the decimal point after `point` of them, without needless zeros.
fn place_point(digits: &str, point: i64) -> String {
    let (whole, fraction) = if point <= 0 {
        (String::new(), format!("{}{digits}", "0".repeat(point.unsigned_abs() as usize)))
    } else {
        let point = point as usize;
        if point >= digits.len() {
            (format!("{digits}{}", "0".repeat(point - digits.len())), String::new())
        } else {
            (digits[..point].to_owned(), digits[point..].to_owned())
        }
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Parses `[+-]digits[.digits][(e|E)[+-]digits]`.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        if let Ok(small) = text.parse::<i64>()
            && !text.starts_with('+')
        {
            return Ok(Number(Repr::Small(small)));
        }
        let syntax = || NumberError::Syntax(text.to_owned());
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => {
                let exponent = &rest[at + 1..];
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(syntax());
                }
                (&rest[..at], exponent.parse::<i64>().map_err(|_| NumberError::Range)?)
            }
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return Err(syntax());
        }
        let fraction = fraction.trim_end_matches('0');
        let exponent = exponent - i64::try_from(fraction.len()).map_err(|_| NumberError::Range)?;
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Ok(Number::ZERO);
        }
        let magnitude = digits.len() as i64 + exponent;
        if magnitude.abs() > MAX_DECIMAL_EXPONENT || exponent.abs() > 2 * MAX_DECIMAL_EXPONENT {
            return Err(NumberError::Range);
        }
        let integer = UBig::from_str(digits).map_err(|_| syntax())?;
        let sign = if negative { Sign::Negative } else { Sign::Positive };
        let integer = IBig::from_parts(sign, integer);
        let power = UBig::from(10u8).pow(exponent.unsigned_abs() as usize);
        if exponent >= 0 {
            return Self::from_integer(integer * IBig::from(power));
        }
        let quotient = Self::context()
            .div(&FloatRepr::<2>::new(integer, 0), &FloatRepr::<2>::new(IBig::from(power), 0))
            .map_err(|_| NumberError::Range)?
            .value();
        Self::from_float(quotient)
    }
}

impl fmt::Display for Number {
    /// The shortest exact decimal form, never with an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Small(value) => write!(f, "{value}"),
            Repr::Large(value) => f.write_str(&Self::shortest(value)),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Small(a), Repr::Small(b)) => a.cmp(b),
            _ => self.float().cmp(&other.float()),
        }
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Small(value) => value.hash(state),
            Repr::Large(value) => {
                // dashu keeps the significand without trailing zero bits, so equal values have equal parts.
                value.repr().significand().abs().hash(state);
                value.repr().exponent().hash(state);
                value.is_negative().hash(state);
            }
        }
    }
}

macro_rules! from_integer {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Number {
            fn from(value: $kind) -> Self {
                match i64::try_from(value) {
                    Ok(small) => Number(Repr::Small(small)),
                    Err(_) => Number(Repr::Large(
                        Float::from_parts(IBig::from(value), 0).with_precision(PRECISION).value(),
                    )),
                }
            }
        }
    )*};
}
from_integer!(i32, i64, u32, u64, usize, i128, u128);

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        text.parse().unwrap()
    }

    #[test]
    fn prints_what_terraform_prints() {
        let check = |value: Number, expect: &str| assert_eq!(value.to_string(), expect);
        check(number("0.1").add(&number("0.2")).unwrap(), "0.3");
        check(number("1e50"), &format!("1{}", "0".repeat(50)));
        check(number("-1.50"), "-1.5");
        check(number("1e-3"), "0.001");
        check(
            number("1").div(&number("3")).unwrap(),
            "0.33333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333333335",
        );
        check(number("2").div(&number("3")).unwrap().mul(&number("3")).unwrap(), "2");
        check(Number::from_f64(2f64.sqrt()).unwrap(), "1.4142135623730951454746218587388284504413604736328125");
        check(number("9223372036854775808"), "9223372036854775808");
        check(number("-9223372036854775808").neg(), "9223372036854775808");
        check(number("1.7976931348623157e308"), &format!("17976931348623157{}", "0".repeat(292)));
    }

    #[test]
    fn exact_digits() {
        assert_eq!(
            Number::from_f64(0.1).unwrap().exact_decimal(),
            "0.1000000000000000055511151231257827021181583404541015625"
        );
        assert_eq!(number("-1e20").exact_decimal(), "-100000000000000000000");
        assert_eq!(Number::from_f64(-0.0).unwrap().to_string(), "0");
    }

    #[test]
    fn equal_by_value() {
        assert_eq!(number("1.0"), number("1"));
        assert_eq!(number("100e-2"), Number::ONE);
        assert!(number("0.1") < number("0.2"));
        assert!(number("1e400") > number("1e399"));
        assert_eq!(number("7").rem(&number("-3")).unwrap(), number("1"));
        assert_eq!(number("-7").rem(&number("3")).unwrap(), number("-1"));
        assert_eq!(number("-1.5").floor(), number("-2"));
        assert_eq!(number("-1.5").ceil(), number("-1"));
    }

    #[test]
    fn refuses_what_is_no_number() {
        for text in ["", "-", ".", "1e", "0x10", "1_000", "inf", "NaN", "1.2.3", " 1"] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
        assert_eq!("1e99999999".parse::<Number>(), Err(NumberError::Range));
    }
}
