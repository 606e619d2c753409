//! Regular expressions: `regex`, `regexall` and `replace`.
//!
//! The syntax is that of RE2, as Go has it. The `regex` crate understands nearly the same;
//! [`translate`](fn@translate) takes care of the rest. Two groups of one name are an error.

mod translate;

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::{Captures, Regex, RegexBuilder};
use retrue_provider_api::{Type, Value};

use super::specification::{Call, Function, FunctionError, Outcome, Parameter, Returns, Shape};
use translate::translate;

/// The longest text that `replace` makes.
const MAXIMUM_OUTPUT: usize = 64 * 1024 * 1024;
/// The largest compiled pattern in bytes.
const MAXIMUM_PATTERN: usize = 16 * 1024 * 1024;

const PATTERN: Parameter = Parameter::text("pattern");
const STRING: Parameter = Parameter::text("string");

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regex", &[PATTERN, STRING], Returns::By(captures_type), |call| {
        let pattern = compile(call.text(0)?).map_err(|message| FunctionError::at(0, message))?;
        let text = call.text(1)?;
        let captures = pattern
            .captures(text)
            .ok_or_else(|| FunctionError::at(1, "the pattern does not match any part of the text"))?;
        Ok(result(&captures, &call.result))
    }),
    Function::new(
        "regexall",
        &[PATTERN, STRING],
        Returns::By(|arguments| captures_type(arguments).map(Type::list)),
        |call| {
            let pattern = compile(call.text(0)?).map_err(|message| FunctionError::at(0, message))?;
            let element = call.element();
            let found = pattern.captures_iter(call.text(1)?).map(|captures| result(&captures, &element));
            Ok(Value::list(element.clone(), found.collect::<Vec<_>>()))
        },
    ),
    Function::new(
        "replace",
        &[Parameter::text("str"), Parameter::text("substr"), Parameter::text("replace")],
        Returns::Fixed(Shape::String),
        replace,
    ),
];

/// Compiles a pattern in RE2's syntax.
fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&translated).size_limit(MAXIMUM_PATTERN).build().map_err(|error| {
        // It draws the pattern on several lines; the last one says what is wrong.
        let error = error.to_string();
        let what = error.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{pattern}` is not a valid regular expression: {what}")
    })
}

/// Text without capture groups, a tuple with unnamed ones, an object with named ones.
fn captures_type(arguments: &[Value]) -> Result<Type, FunctionError> {
    let Some(pattern) = arguments.first().and_then(Value::as_str) else {
        return Ok(Type::Dynamic);
    };
    let pattern = compile(pattern).map_err(|message| FunctionError::at(0, message))?;
    let groups = || pattern.capture_names().skip(1);
    let named: BTreeSet<&str> = groups().flatten().filter(|name| !name.is_empty()).collect();
    if groups().count() == 0 {
        return Ok(Type::String);
    }
    if named.is_empty() {
        return Ok(Type::tuple(groups().map(|_| Type::String)));
    }
    if groups().any(|name| name.is_none()) {
        return Err(FunctionError::at(0, "named and unnamed capture groups cannot be mixed"));
    }
    Ok(Type::object(named.into_iter().map(|name| (Arc::<str>::from(name), Type::String))))
}

fn result(captures: &Captures<'_>, kind: &Type) -> Value {
    let group = |text: Option<regex::Match<'_>>| match text {
        Some(text) => Value::from(text.as_str()),
        None => Value::null(Type::String),
    };
    match kind {
        Type::Tuple(kinds) => Value::tuple((1..=kinds.len()).map(|index| group(captures.get(index)))),
        Type::Object(object) => {
            Value::object(object.attributes.keys().map(|name| (Arc::clone(name), group(captures.name(name)))))
        }
        _ => group(captures.get(0)),
    }
}

fn replace(call: &Call<'_>) -> Outcome {
    let (text, wanted, with) = (call.text(0)?, call.text(1)?, call.text(2)?);
    // Between slashes it is a regular expression.
    let pattern = wanted.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(pattern) = pattern else {
        let count = if wanted.is_empty() { text.chars().count() + 1 } else { text.matches(wanted).count() };
        if count.saturating_mul(with.len()).saturating_add(text.len()) > MAXIMUM_OUTPUT {
            return Err(FunctionError::new("the result would be too large"));
        }
        return Ok(text.replace(wanted, with).into());
    };
    let pattern = compile(pattern).map_err(|message| FunctionError::at(1, message))?;
    let mut out = String::new();
    let mut last = 0;
    for captures in pattern.captures_iter(text) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        expand(&mut out, with, &captures);
        last = whole.end();
        if out.len() > MAXIMUM_OUTPUT {
            return Err(FunctionError::new("the result would be too large"));
        }
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(out.into())
}

/// Writes a replacement: `$1`, `${1}`, `$name` and `${name}` are groups, `$$` is `$`.
fn expand(out: &mut String, template: &str, captures: &Captures<'_>) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{');
        let body = braced.unwrap_or(after);
        let end = body.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(body.len());
        let (name, behind) = body.split_at(end);
        let behind = if braced.is_some() { behind.strip_prefix('}') } else { Some(behind) };
        match behind {
            Some(behind) if !name.is_empty() => {
                let group = match name.parse::<usize>() {
                    Ok(index) if name.bytes().all(|byte| byte.is_ascii_digit()) => captures.get(index),
                    _ => captures.name(name),
                };
                out.push_str(group.map_or("", |group| group.as_str()));
                rest = behind;
            }
            // Not a group: the dollar sign stands for itself.
            _ => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}
