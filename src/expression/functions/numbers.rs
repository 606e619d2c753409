//! Functions on numbers.
//!
//! `log` and `pow` calculate with 64-bit floats, as Terraform's do, but whole powers of whole
//! numbers are exact, where Terraform's `pow(2, 64)` has 16 right digits. What overflows is an error
//! here, where Terraform has an infinity.

use retrue_provider_api::{Number, NumberError, Type, Value};

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const NUMBER: Returns = Returns::Fixed(Shape::Number);
const NUM: Parameter = Parameter::number("num");

/// What `range` makes at most, as in Terraform.
const MAXIMUM_RANGE: usize = 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("abs", &[NUM], NUMBER, |call| Ok(call.number(0)?.abs().into())),
    Function::new("ceil", &[NUM], NUMBER, |call| Ok(call.number(0)?.ceil().into())),
    Function::new("floor", &[NUM], NUMBER, |call| Ok(call.number(0)?.floor().into())),
    Function::new("signum", &[NUM], NUMBER, |call| Ok(call.integer(0)?.signum().into())),
    Function::new("log", &[NUM, Parameter::number("base")], NUMBER, |call| {
        float_result(logarithm(call.number(0)?.to_f64()) / logarithm(call.number(1)?.to_f64()))
    }),
    Function::new("pow", &[NUM, Parameter::number("power")], NUMBER, |call| {
        let (base, exponent) = (call.number(0)?, call.number(1)?);
        if let (true, Some(exponent)) = (base.is_integer(), exponent.as_u64()) {
            return whole_power(base, exponent).map(Value::from).map_err(arithmetic);
        }
        float_result(power(base.to_f64(), exponent.to_f64()))
    }),
    Function::new("max", &[], NUMBER, |call| extreme(call, |a, b| a > b)).variadic(Parameter::number("numbers")),
    Function::new("min", &[], NUMBER, |call| extreme(call, |a, b| a < b)).variadic(Parameter::number("numbers")),
    Function::new("parseint", &[Parameter::any("number"), Parameter::number("base")], Returns::By(parse_type), parse),
    Function::new("range", &[], Returns::Fixed(Shape::List(&Shape::Number)), range)
        .variadic(Parameter::number("params")),
];

pub(super) fn arithmetic(error: NumberError) -> FunctionError {
    FunctionError::new(error.to_string())
}

fn extreme(call: &Call<'_>, better: fn(&Number, &Number) -> bool) -> Outcome {
    let mut best: Option<&Number> = None;
    for position in 0..call.arguments.len() {
        let number = call.number(position)?;
        if best.is_none_or(|best| better(number, best)) {
            best = Some(number);
        }
    }
    best.cloned().map(Value::from).ok_or_else(|| FunctionError::new("at least one number is required"))
}

fn float_result(value: f64) -> Outcome {
    if value.is_nan() {
        return Err(FunctionError::new("the result is not a number"));
    }
    if value.is_infinite() {
        return Err(FunctionError::new("the result is too large"));
    }
    // The shortest decimal that means this float: what Terraform prints.
    format!("{value}").parse::<Number>().map(Value::from).map_err(arithmetic)
}

/// A whole power of a whole number, exact up to 512 bits.
fn whole_power(base: &Number, mut exponent: u64) -> Result<Number, NumberError> {
    let mut result = Number::ONE;
    let mut square = base.clone();
    // These do not grow, so the exponent has no bound.
    if base.is_zero() || base.abs() == Number::ONE {
        let odd = exponent % 2 == 1;
        return Ok(if exponent == 0 || (base.is_negative() && !odd) { result } else { square });
    }
    while exponent > 0 {
        if exponent % 2 == 1 {
            result = result.mul(&square)?;
        }
        exponent /= 2;
        if exponent > 0 {
            square = square.mul(&square)?;
        }
    }
    Ok(result)
}

/// The natural logarithm, with the very rounding of Go's `math.Log` (FreeBSD's `e_log.c`).
fn logarithm(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const L: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    if x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    if x == 0.0 {
        return f64::NEG_INFINITY;
    }
    let (mut f1, mut exponent) = fraction_and_exponent(x);
    if f1 < std::f64::consts::FRAC_1_SQRT_2 {
        f1 *= 2.0;
        exponent -= 1;
    }
    let f = f1 - 1.0;
    let k = f64::from(exponent);
    let s = f / (2.0 + f);
    let s2 = s * s;
    let s4 = s2 * s2;
    let [l1, l2, l3, l4, l5, l6, l7] = L;
    let t1 = s2 * (l1 + s4 * (l3 + s4 * (l5 + s4 * l7)));
    let t2 = s4 * (l2 + s4 * (l4 + s4 * l6));
    let r = t1 + t2;
    let half_square = 0.5 * f * f;
    k * LN2_HIGH - ((half_square - (s * (half_square + r) + k * LN2_LOW)) - f)
}

/// A positive, finite float as a fraction in `[0.5, 1)` and a power of two.
fn fraction_and_exponent(x: f64) -> (f64, i32) {
    // Subnormal numbers are brought into the normal range first.
    let (x, shift) = if x < f64::MIN_POSITIVE { (x * 2f64.powi(52), -52) } else { (x, 0) };
    let bits = x.to_bits();
    let biased = i32::try_from((bits >> 52) & 0x7ff).unwrap_or(0);
    (f64::from_bits((bits & !(0x7ff << 52)) | (1022 << 52)), biased - 1022 + shift)
}

/// A power, by the steps of Go's `math.Pow`, so that the last digit is the same.
fn power(x: f64, y: f64) -> f64 {
    if y == 0.0 || x == 1.0 {
        return 1.0;
    }
    if y == 1.0 {
        return x;
    }
    if y == 0.5 {
        return x.sqrt();
    }
    if y == -0.5 {
        return 1.0 / x.sqrt();
    }
    // Nothing to match in the special cases of the standard: they are exact.
    if x == 0.0 || !x.is_finite() || !y.is_finite() || y.abs() >= 2f64.powi(63) {
        return x.powf(y);
    }
    let whole = y.abs().trunc();
    let mut fraction = y.abs() - whole;
    let mut whole = whole;
    if fraction != 0.0 && x < 0.0 {
        return f64::NAN;
    }
    let mut result = 1.0;
    let mut result_exponent: i64 = 0;
    if fraction != 0.0 {
        if fraction > 0.5 {
            fraction -= 1.0;
            whole += 1.0;
        }
        result = (fraction * logarithm(x)).exp();
    }
    let (mut square, exponent) = fraction_and_exponent(x.abs());
    if x < 0.0 {
        square = -square;
    }
    let mut square_exponent = i64::from(exponent);
    // `whole` is below 2^63, checked above.
    let mut remaining = Number::from_f64(whole).ok().and_then(|number| number.as_i64()).unwrap_or(0);
    while remaining != 0 {
        if !(-(1 << 12)..=(1 << 12)).contains(&square_exponent) {
            // The result over- or underflows for certain.
            result_exponent += square_exponent;
            break;
        }
        if remaining & 1 == 1 {
            result *= square;
            result_exponent += square_exponent;
        }
        square *= square;
        square_exponent <<= 1;
        if square.abs() < 0.5 {
            square += square;
            square_exponent -= 1;
        }
        remaining >>= 1;
    }
    if y < 0.0 {
        result = 1.0 / result;
        result_exponent = -result_exponent;
    }
    scaled(result, result_exponent)
}

/// `value * 2^exponent`, in steps that do not overflow before the result does.
fn scaled(mut value: f64, mut exponent: i64) -> f64 {
    exponent = exponent.clamp(-4000, 4000);
    while exponent > 0 {
        let step = exponent.min(1000);
        value *= 2f64.powi(i32::try_from(step).unwrap_or(0));
        exponent -= step;
    }
    while exponent < 0 {
        let step = exponent.max(-1000);
        value *= 2f64.powi(i32::try_from(step).unwrap_or(0));
        exponent -= step;
    }
    value
}

fn parse_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    match arguments.first().map(Value::kind) {
        Some(Type::String) => Ok(Type::Number),
        kind => Err(FunctionError::at(
            0,
            format!("text is required, not {}", kind.map_or_else(String::new, |kind| kind.friendly_name())),
        )),
    }
}

fn parse(call: &Call<'_>) -> Outcome {
    let text = call.text(0)?;
    let base = call
        .number(1)?
        .as_u64()
        .and_then(|base| u32::try_from(base).ok())
        .filter(|base| (2..=62).contains(base))
        .ok_or_else(|| FunctionError::at(1, "the base must be a whole number between 2 and 62"))?;
    let wrong = || FunctionError::at(0, format!("`{text}` is not a whole number in base {base}"));
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() {
        return Err(wrong());
    }
    let radix = Number::from(base);
    let mut value = Number::ZERO;
    for character in digits.chars() {
        let digit = match character {
            '0'..='9' | 'a'..='z' => character.to_digit(36),
            // Up to base 36 capitals mean the same, beyond they are digits of their own.
            'A'..='Z' => character.to_digit(36).map(|digit| if base > 36 { digit + 26 } else { digit }),
            _ => None,
        };
        let digit = digit.filter(|digit| *digit < base).ok_or_else(wrong)?;
        value = value.mul(&radix).and_then(|value| value.add(&Number::from(digit))).map_err(arithmetic)?;
    }
    Ok(if negative { value.neg() } else { value }.into())
}

fn range(call: &Call<'_>) -> Outcome {
    let numbers: Vec<&Number> = call.arguments.iter().filter_map(Value::as_number).collect();
    let (start, end, step) = match numbers.as_slice() {
        [end] => (Number::ZERO, (*end).clone(), None),
        [start, end] => ((*start).clone(), (*end).clone(), None),
        [start, end, step] => ((*start).clone(), (*end).clone(), Some((*step).clone())),
        _ => return Err(FunctionError::new("one, two or three numbers are required")),
    };
    let down = end < start;
    let step = step.unwrap_or_else(|| if down { Number::ONE.neg() } else { Number::ONE });
    if step.is_zero() {
        return Err(FunctionError::at(2, "the step must not be zero"));
    }
    if down && !step.is_negative() {
        return Err(FunctionError::at(2, "the step must be negative, because the end is before the start"));
    }
    if !down && step.is_negative() {
        return Err(FunctionError::at(2, "the step must be positive, because the end is behind the start"));
    }
    let mut values = Vec::new();
    let mut next = start;
    while if down { next > end } else { next < end } {
        if values.len() == MAXIMUM_RANGE {
            return Err(FunctionError::new(format!("more than {MAXIMUM_RANGE} values: use a smaller range")));
        }
        values.push(Value::from(next.clone()));
        next = next.add(&step).map_err(arithmetic)?;
    }
    Ok(Value::list(Type::Number, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_end_as_in_go() {
        assert_eq!(logarithm(50.0) / logarithm(10.0), 1.698_970_004_336_018_5);
        assert_eq!(power(1.1, 2.0), 1.210_000_000_000_000_2);
        assert_eq!(power(2.0, -1.0), 0.5);
        assert_eq!(power(-2.0, 3.0), -8.0);
        assert_eq!(power(2.0, 1023.0), 2f64.powi(1023));
        assert_eq!(power(2.0, -1074.0), f64::from_bits(1));
        assert!(power(10.0, 400.0).is_infinite());
        assert!(power(-8.0, 0.3333).is_nan());
    }
}
