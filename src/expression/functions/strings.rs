//! Functions on text.
//!
//! Positions and lengths count grapheme clusters: what a reader takes for one character.

use retrue_provider_api::{Data, Type, Value};
use unicode_segmentation::UnicodeSegmentation;

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};

const TEXT: Returns = Returns::Fixed(Shape::String);
const TRUTH: Returns = Returns::Fixed(Shape::Bool);
const TEXTS: Returns = Returns::Fixed(Shape::List(&Shape::String));
const STR: Parameter = Parameter::text("str");

/// The most that one call may blow up its input to.
const MAXIMUM_OUTPUT: usize = 64 * 1024 * 1024;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("upper", &[STR], TEXT, |call| map(call, |text| text.chars().map(to_upper).collect())),
    Function::new("lower", &[STR], TEXT, |call| map(call, |text| text.chars().map(to_lower).collect())),
    Function::new("title", &[STR], TEXT, |call| map(call, title)),
    Function::new("chomp", &[STR], TEXT, |call| map(call, |text| text.trim_end_matches(['\r', '\n']).to_owned())),
    Function::new("trimspace", &[STR], TEXT, |call| map(call, |text| text.trim_matches(is_space).to_owned())),
    Function::new("strrev", &[STR], TEXT, |call| map(call, |text| text.graphemes(true).rev().collect())),
    Function::new("trim", &[STR, Parameter::text("cutset")], TEXT, |call| {
        let cut = call.text(1)?;
        map(call, |text| text.trim_matches(|character| cut.contains(character)).to_owned())
    }),
    Function::new("trimprefix", &[STR, Parameter::text("prefix")], TEXT, |call| {
        let prefix = call.text(1)?;
        map(call, |text| text.strip_prefix(prefix).unwrap_or(text).to_owned())
    }),
    Function::new("trimsuffix", &[STR, Parameter::text("suffix")], TEXT, |call| {
        let suffix = call.text(1)?;
        map(call, |text| text.strip_suffix(suffix).unwrap_or(text).to_owned())
    }),
    Function::new("strcontains", &[STR, Parameter::text("substr")], TRUTH, |call| {
        Ok(call.text(0)?.contains(call.text(1)?).into())
    }),
    Function::new("startswith", &[STR.unknown(), Parameter::text("prefix")], TRUTH, starts_with),
    Function::new("endswith", &[STR, Parameter::text("suffix")], TRUTH, |call| {
        Ok(call.text(0)?.ends_with(call.text(1)?).into())
    }),
    Function::new("substr", &[STR, Parameter::number("offset"), Parameter::number("length")], TEXT, substr),
    Function::new("indent", &[Parameter::number("spaces"), STR], TEXT, indent),
    Function::new("join", &[Parameter::text("separator")], TEXT, join)
        .variadic(Parameter::new("lists", Shape::List(&Shape::String)).unknown()),
    Function::new("split", &[Parameter::text("separator"), STR], TEXTS, split),
    Function::new("sort", &[Parameter::new("list", Shape::List(&Shape::String))], TEXTS, sort),
];

fn map(call: &Call<'_>, change: impl FnOnce(&str) -> String) -> Outcome {
    Ok(change(call.text(0)?).into())
}

/// The upper case of one character, when that is one character too (`ß` stays as it is, as in Go).
fn to_upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => match character {
            // Letters with a subscript iota: `to_uppercase` spells the iota out.
            '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shifted(character, 8),
            '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shifted(character, 9),
            other => other,
        },
    }
}

fn shifted(character: char, by: u32) -> char {
    char::from_u32(u32::from(character).saturating_add(by)).unwrap_or(character)
}

fn to_lower(character: char) -> char {
    // `İ` is the one letter whose lower case is two characters.
    character.to_lowercase().next().unwrap_or(character)
}

fn to_title(character: char) -> char {
    match character {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian has capitals for headlines only.
        '\u{10d0}'..='\u{10ff}' => character,
        other => to_upper(other),
    }
}

/// Capitalises each letter that follows a separator.
fn title(text: &str) -> String {
    let separates = |character: char| {
        if character.is_ascii() {
            !(character.is_ascii_alphanumeric() || character == '_')
        } else {
            is_space(character)
        }
    };
    let mut previous = ' ';
    text.chars()
        .map(|character| {
            let change = separates(previous);
            previous = character;
            if change { to_title(character) } else { character }
        })
        .collect()
}

/// White space as Go's `unicode.IsSpace` has it.
fn is_space(character: char) -> bool {
    character.is_whitespace()
}

fn starts_with(call: &Call<'_>) -> Outcome {
    let prefix = call.text(1)?;
    match call.argument(0)?.data() {
        Data::Unknown(_, refinement) => {
            let known = refinement.as_ref().and_then(|refinement| refinement.prefix.as_deref()).unwrap_or("");
            if known.starts_with(prefix) {
                Ok(true.into())
            } else if known.len() >= prefix.len() || !prefix.starts_with(known) {
                Ok(false.into())
            } else {
                Ok(call.unknown())
            }
        }
        _ => Ok(call.text(0)?.starts_with(prefix).into()),
    }
}

fn substr(call: &Call<'_>) -> Outcome {
    let (offset, length) = (call.integer(1)?, call.integer(2)?);
    let clusters: Vec<&str> = call.text(0)?.graphemes(true).collect();
    let total = clusters.len();
    let magnitude = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let start = if offset < 0 { total.saturating_sub(magnitude) } else { magnitude.min(total) };
    let end = match usize::try_from(length) {
        // Counted from the end, no length means all of the rest: so it is in Terraform.
        Ok(0) if offset < 0 => total,
        Ok(length) => start.saturating_add(length).min(total),
        // So does a negative length.
        Err(_) => total,
    };
    Ok(clusters.get(start..end).unwrap_or_default().concat().into())
}

fn indent(call: &Call<'_>) -> Outcome {
    let text = call.text(1)?;
    let spaces = usize::try_from(call.integer(0)?)
        .map_err(|_| FunctionError::at(0, "the number of spaces must not be negative"))?;
    let lines = text.matches('\n').count();
    if spaces.saturating_mul(lines) > MAXIMUM_OUTPUT {
        return Err(FunctionError::at(0, "the result would be too large"));
    }
    Ok(text.replace('\n', &format!("\n{}", " ".repeat(spaces))).into())
}

fn join(call: &Call<'_>) -> Outcome {
    let separator = call.text(0)?;
    let lists = call.arguments.get(1..).unwrap_or_default();
    if lists.is_empty() {
        return Err(FunctionError::new("at least one list is required"));
    }
    if !lists.iter().all(Value::is_wholly_known) {
        return Ok(call.unknown());
    }
    let mut parts = Vec::new();
    for (position, list) in lists.iter().enumerate() {
        for (index, item) in list.as_items().unwrap_or_default().iter().enumerate() {
            match item.as_str() {
                Some(text) => parts.push(text),
                None => {
                    return Err(FunctionError::at(
                        position + 1,
                        format!("element {index} is null: null elements cannot be joined"),
                    ));
                }
            }
        }
    }
    let length = parts.iter().map(|part| part.len()).sum::<usize>();
    if separator.len().saturating_mul(parts.len()).saturating_add(length) > MAXIMUM_OUTPUT {
        return Err(FunctionError::new("the result would be too large"));
    }
    Ok(parts.join(separator).into())
}

fn split(call: &Call<'_>) -> Outcome {
    let (separator, text) = (call.text(0)?, call.text(1)?);
    let parts: Vec<Value> = if separator.is_empty() {
        text.chars().map(|character| Value::from(character.to_string())).collect()
    } else {
        text.split(separator).map(Value::from).collect()
    };
    Ok(Value::list(Type::String, parts))
}

fn sort(call: &Call<'_>) -> Outcome {
    let items = call.items(0)?;
    if !items.iter().all(Value::is_known) {
        // The order is unknown, the length is not.
        let unknown = Value::unknown(Type::String);
        return Ok(Value::list(Type::String, items.iter().map(|_| unknown.clone())));
    }
    let mut texts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let text = item
            .as_str()
            .ok_or_else(|| FunctionError::at(0, format!("element {index} is null: null elements cannot be sorted")))?;
        texts.push(text);
    }
    // UTF-8 sorts as its code points do.
    texts.sort_unstable();
    Ok(Value::list(Type::String, texts.into_iter().map(Value::from)))
}
