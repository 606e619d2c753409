//! Verbs: what stands behind a percent sign.

use retrue_provider_api::{Data, Number, Type, Value, convert};
use unicode_segmentation::UnicodeSegmentation;

use super::decimal::{Decimal, Style};
use crate::expression::functions::json::to_json;
use crate::expression::functions::specification::FunctionError;

/// The widest field, and the most digits, as in Go's `fmt`.
const MAXIMUM_WIDTH: usize = 1_000_000;
/// The most that one call makes.
const MAXIMUM_OUTPUT: usize = 16 * 1024 * 1024;

/// One parsed verb.
#[derive(Default)]
struct Verb<'f> {
    raw: &'f str,
    zero: bool,
    sharp: bool,
    plus: bool,
    minus: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
    /// Which argument, counted from one; zero where none was named.
    argument: Option<usize>,
    letter: char,
}

/// Fills in a format.
pub(super) fn render(format: &str, arguments: &[Value]) -> Result<String, FunctionError> {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    let mut next = 1;
    let mut highest = 0;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("%%") {
            out.push('%');
            rest = after;
            continue;
        }
        let (verb, after) = parse(from)?;
        rest = after;
        let position = verb.argument.unwrap_or(next);
        next = position.saturating_add(1);
        highest = highest.max(position);
        let argument = position.checked_sub(1).and_then(|position| arguments.get(position)).ok_or_else(|| {
            FunctionError::at(0, format!("`{}` needs argument {position}, but there are {}", verb.raw, arguments.len()))
        })?;
        let text = verb
            .apply(argument)
            .map_err(|message| FunctionError::at(position, format!("`{}`: {message}", verb.raw)))?;
        if out.len() + text.len() > MAXIMUM_OUTPUT {
            return Err(FunctionError::new("the result would be too large"));
        }
        out.push_str(&text);
    }
    out.push_str(rest);
    if arguments.len() > highest {
        return Err(FunctionError::at(
            highest + 1,
            format!("there are {} arguments, but the format uses {highest}", arguments.len()),
        ));
    }
    Ok(out)
}

/// Splits a verb off; `from` begins with its percent sign.
fn parse(from: &str) -> Result<(Verb<'_>, &str), FunctionError> {
    let wrong = |what: &str| {
        let raw: String = from.chars().take(12).collect();
        FunctionError::at(0, format!("the verb at `{raw}` {what}"))
    };
    let mut verb = Verb::default();
    let mut rest = from.get(1..).unwrap_or_default();
    loop {
        let mut characters = rest.chars();
        match characters.next() {
            Some('0') => verb.zero = true,
            Some('#') => verb.sharp = true,
            Some('+') => verb.plus = true,
            Some('-') => verb.minus = true,
            Some(' ') => verb.space = true,
            _ => break,
        }
        rest = characters.as_str();
    }
    let number = |rest: &mut &str| -> Result<Option<usize>, FunctionError> {
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        *rest = after;
        if digits.is_empty() {
            return Ok(None);
        }
        match digits.parse::<usize>() {
            Ok(number) if number <= MAXIMUM_WIDTH => Ok(Some(number)),
            _ => Err(wrong("has a number that is too large")),
        }
    };
    verb.width = number(&mut rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        verb.precision = Some(number(&mut rest)?.unwrap_or(0));
    }
    if let Some(after) = rest.strip_prefix('[') {
        rest = after;
        verb.argument = Some(number(&mut rest)?.ok_or_else(|| wrong("has no number in its brackets"))?);
        rest = rest.strip_prefix(']').ok_or_else(|| wrong("has no closing bracket"))?;
    }
    let mut characters = rest.chars();
    verb.letter = characters.next().ok_or_else(|| wrong("has no letter"))?;
    let rest = characters.as_str();
    verb.raw = from.get(..from.len() - rest.len()).unwrap_or(from);
    if !matches!(verb.letter, 'v' | 't' | 'b' | 'd' | 'o' | 'x' | 'X' | 'e' | 'E' | 'f' | 'g' | 'G' | 's' | 'q') {
        return Err(FunctionError::at(0, format!("`{}` is not supported; a percent sign is `%%`", verb.raw)));
    }
    Ok((verb, rest))
}

impl Verb<'_> {
    fn apply(&self, argument: &Value) -> Result<String, String> {
        if argument.is_null() && self.letter != 'v' {
            return Err("null cannot be formatted".to_owned());
        }
        let converted = |kind: &Type| convert(argument, kind).map_err(|error| error.to_string());
        match self.letter {
            'v' => Ok(self.padded(&self.plain(argument))),
            't' => {
                let value = converted(&Type::Bool)?;
                // The width does not count here, in Terraform neither.
                Ok(value.as_bool().unwrap_or_default().to_string())
            }
            's' | 'q' => {
                let value = converted(&Type::String)?;
                let text = value.as_str().unwrap_or_default();
                let text: String = match self.precision {
                    // Precision zero counts as none.
                    Some(limit) if limit > 0 => text.graphemes(true).take(limit).collect(),
                    _ => text.to_owned(),
                };
                Ok(self.padded(&if self.letter == 'q' { to_json(&text.into()) } else { text }))
            }
            _ => {
                let value = converted(&Type::Number)?;
                let number = value.as_number().cloned().unwrap_or(Number::ZERO);
                match self.letter {
                    'b' | 'd' | 'o' | 'x' | 'X' => self.integer(&number),
                    _ => Ok(self.float(&number)),
                }
            }
        }
    }

    fn plain(&self, argument: &Value) -> String {
        if !self.sharp {
            match argument.data() {
                Data::String(text) => return text.to_string(),
                Data::Number(number) => {
                    return Decimal::shortest(number).write(Style::General { capital: false }, None);
                }
                _ => {}
            }
        }
        to_json(argument)
    }

    /// Fills up to the width, counted in grapheme clusters.
    fn padded(&self, text: &str) -> String {
        let missing = self.width.unwrap_or(0).saturating_sub(text.graphemes(true).count());
        let fill = if self.zero { "0" } else { " " }.repeat(missing);
        if self.minus { format!("{text}{fill}") } else { format!("{fill}{text}") }
    }

    fn sign(&self, negative: bool) -> &'static str {
        match negative {
            true => "-",
            false if self.plus => "+",
            false if self.space => " ",
            false => "",
        }
    }

    fn integer(&self, number: &Number) -> Result<String, String> {
        let whole = number.to_integer().ok_or("a whole number is required")?;
        let digits = whole.to_string();
        let digits = digits.strip_prefix('-').unwrap_or(&digits);
        let (digits, prefix) = match self.letter {
            'b' => (in_base(number, 2)?, "0b"),
            'o' => (in_base(number, 8)?, "0"),
            'x' => (in_base(number, 16)?, "0x"),
            'X' => (in_base(number, 16)?.to_uppercase(), "0X"),
            _ => (digits.to_owned(), ""),
        };
        let prefix = if self.sharp { prefix } else { "" };
        let sign = self.sign(number.is_negative());
        if self.precision == Some(0) && number.is_zero() {
            // As in C: zero with no digits is nothing, padded.
            return Ok(" ".repeat(self.width.unwrap_or(0)));
        }
        let width = self.width.unwrap_or(0);
        let used = sign.len() + prefix.len() + digits.len();
        let zeros = match self.precision {
            Some(precision) => precision.saturating_sub(digits.len()),
            None if self.zero && !self.minus => width.saturating_sub(used),
            None => 0,
        };
        let body = format!("{sign}{prefix}{}{digits}", "0".repeat(zeros));
        let fill = " ".repeat(width.saturating_sub(body.len()));
        Ok(if self.minus { format!("{body}{fill}") } else { format!("{fill}{body}") })
    }

    fn float(&self, number: &Number) -> String {
        let style = match self.letter {
            'e' => Style::Exponent { capital: false },
            'E' => Style::Exponent { capital: true },
            'f' => Style::Fixed,
            'G' => Style::General { capital: true },
            _ => Style::General { capital: false },
        };
        let precision = match style {
            Style::General { .. } => self.precision,
            _ => Some(self.precision.unwrap_or(6)),
        };
        let magnitude = number.abs();
        let decimal = if precision.is_some() { Decimal::exact(&magnitude) } else { Decimal::shortest(&magnitude) };
        let body = decimal.write(style, precision);
        let sign = self.sign(number.is_negative());
        let missing = self.width.unwrap_or(0).saturating_sub(sign.len() + body.len());
        // Zeros win over alignment to the left: so it is in Go.
        if self.zero {
            format!("{sign}{}{body}", "0".repeat(missing))
        } else if self.minus {
            format!("{sign}{body}{}", " ".repeat(missing))
        } else {
            format!("{}{sign}{body}", " ".repeat(missing))
        }
    }
}

/// The digits of the magnitude of a whole number in base 2, 8 or 16.
fn in_base(number: &Number, base: u32) -> Result<String, String> {
    let too_large = |_| "the number is too large".to_owned();
    let base = Number::from(base);
    let mut rest = number.abs();
    let mut digits = Vec::new();
    while !rest.is_zero() {
        let digit = rest.rem(&base).map_err(too_large)?;
        rest = rest.sub(&digit).and_then(|rest| rest.div(&base)).map_err(too_large)?;
        let digit = digit.as_u64().and_then(|digit| u32::try_from(digit).ok()).unwrap_or(0);
        digits.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
    if digits.is_empty() {
        digits.push('0');
    }
    Ok(digits.into_iter().rev().collect())
}
