//! `yamldecode`.
//!
//! The parser tells the structure; what a plain text means is decided here, by the rules that
//! Terraform has: YAML 1.2's numbers, but `yes`, `no`, `on`, `off`, `y` and `n` are truth values,
//! and a date is brought to RFC 3339. Infinities are an error: there is no such number here. A block
//! (`|`, `>`) is text as it stands; Terraform makes `"false"` of a block that reads `no`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use retrue_provider_api::{Entries, Number, Type, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};

use super::encoding::from_base64;
use super::specification::{Function, FunctionError, Outcome, Parameter, Returns};
use super::time::Moment;

/// How deep lists and maps may be nested.
const MAXIMUM_DEPTH: usize = 128;
/// How many values a document may have, each alias counted as all that it stands for.
const MAXIMUM_VALUES: usize = 1_000_000;

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "yamldecode",
    &[Parameter::text("src")],
    Returns::By(|arguments| match arguments.first().and_then(Value::as_str) {
        Some(text) => decode(text).map(|value| value.kind()),
        None => Ok(Type::Dynamic),
    }),
    |call| decode(call.text(0)?),
)
.nullable()];

fn decode(text: &str) -> Outcome {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let unfinished = (!text.ends_with(['\n', '\r'])).then(|| text.chars().count());
    Composer { parser: Parser::new_from_str(text), anchors: HashMap::new(), count: 0, unfinished }
        .document()
        .map_err(|message| FunctionError::at(0, format!("not valid YAML: {message}")))
}

type OptionalTag<'t> = Option<Cow<'t, Tag>>;

struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// What each anchor stands for, with the number of values in it.
    anchors: HashMap<usize, (Value, usize)>,
    count: usize,
    /// The length of a text whose last line has no line break.
    unfinished: Option<usize>,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), String> {
        match self.parser.next_event() {
            Some(Ok((mut event, span))) => {
                if let Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) = &mut event
                    && self.unfinished.is_some_and(|length| span.end.index() >= length)
                    && text.ends_with('\n')
                {
                    // A block ends with the break that its last line has, and that has none.
                    text.to_mut().pop();
                }
                Ok((event, span.start.line()))
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Ok((Event::StreamEnd, 0)),
        }
    }

    fn document(&mut self) -> Result<Value, String> {
        loop {
            match self.next()?.0 {
                Event::StreamStart | Event::Nothing => {}
                Event::DocumentStart(_) => break,
                _ => return Err("there is no document".to_owned()),
            }
        }
        let (event, line) = self.next()?;
        let value = self.node(event, line, 0)?;
        loop {
            match self.next()?.0 {
                Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => return Ok(value),
                _ => return Err("there is more than one document".to_owned()),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Value, String> {
        if depth > MAXIMUM_DEPTH {
            return Err(format!("line {line}: more than {MAXIMUM_DEPTH} levels"));
        }
        let before = self.count;
        self.grow(1)?;
        let wrong = |message: String| format!("line {line}: {message}");
        let (anchor, value) = match event {
            Event::Alias(anchor) => {
                let (value, size) = self
                    .anchors
                    .get(&anchor)
                    .cloned()
                    .ok_or_else(|| wrong("an anchor is used inside of what it stands for".to_owned()))?;
                self.grow(size)?;
                return Ok(value);
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref()).map_err(wrong)?),
            Event::SequenceStart(anchor, tag) => {
                check_tag(&tag, "seq").map_err(wrong)?;
                let mut items = Vec::new();
                loop {
                    let (event, line) = self.next()?;
                    if event == Event::SequenceEnd {
                        break (anchor, Value::tuple(items));
                    }
                    items.push(self.node(event, line, depth + 1)?);
                }
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(&tag, "map").map_err(wrong)?;
                (anchor, self.mapping(depth)?)
            }
            _ => return Err(wrong("a value is missing".to_owned())),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), self.count - before));
        }
        Ok(value)
    }

    fn grow(&mut self, by: usize) -> Result<(), String> {
        self.count = self.count.saturating_add(by);
        if self.count > MAXIMUM_VALUES {
            return Err(format!("there are more than {MAXIMUM_VALUES} values in it, aliases counted in full"));
        }
        Ok(())
    }

    /// Of keys that are there twice the last one counts, whether merged or not.
    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut entries = Entries::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::object(entries));
            }
            let is_merge = matches!(&event, Event::Scalar(text, ..) if text == "<<");
            let key = self.node(event, line, depth + 1)?;
            let (event, _) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            if is_merge {
                let merged = value.as_entries().ok_or_else(|| format!("line {line}: `<<` needs a map"))?;
                entries.extend(merged.iter().map(|(key, value)| (Arc::clone(key), value.clone())));
                continue;
            }
            let key = retrue_provider_api::convert(&key, &Type::String).ok();
            let key = key.as_ref().and_then(Value::as_str);
            entries.insert(key.ok_or_else(|| format!("line {line}: a key must be text"))?.into(), value);
        }
    }
}

/// The part of a tag behind `!!`; `None` for tags that are not of YAML itself.
fn core_tag(tag: &Tag) -> Option<&str> {
    match (tag.handle.as_str(), tag.suffix.as_str()) {
        ("tag:yaml.org,2002:", suffix) => Some(suffix),
        ("" | "!", suffix) => suffix.strip_prefix("tag:yaml.org,2002:"),
        _ => None,
    }
}

fn check_tag(tag: &OptionalTag<'_>, expect: &str) -> Result<(), String> {
    match tag {
        Some(tag) if core_tag(tag) != Some(expect) => Err(format!("the tag `{tag}` is not supported here")),
        _ => Ok(()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let plain = style == ScalarStyle::Plain;
    let Some(tag) = tag else {
        return if plain { resolve(text) } else { Ok(text.into()) };
    };
    let wrong = || format!("`{text}` is not what its tag `{tag}` says");
    match core_tag(tag) {
        Some("str") => Ok(text.into()),
        Some("null") => Ok(Value::null(Type::Dynamic)),
        Some("binary") => from_base64(text).map(|_| text.into()),
        // A quoted text stays one.
        Some("int" | "float" | "bool" | "timestamp") if !plain => Ok(text.into()),
        Some("int" | "float") => resolve(text).ok().filter(|value| value.as_number().is_some()).ok_or_else(wrong),
        Some("bool") => resolve(text).ok().filter(|value| value.as_bool().is_some()).ok_or_else(wrong),
        Some("timestamp") => timestamp(text).map(Value::from).ok_or_else(wrong),
        _ => Err(format!("the tag `{tag}` is not supported here")),
    }
}

/// What a plain text means.
fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::null(Type::Dynamic)),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => return Ok(true.into()),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Ok(false.into());
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN"
        | ".NAN" => return Err(format!("`{text}` is not a number that can be calculated with")),
        _ => {}
    }
    let in_base = |prefix: &str, base: u32| {
        let digits = text.strip_prefix(prefix).filter(|digits| !digits.is_empty())?;
        digits.chars().all(|digit| digit.is_digit(base)).then(|| u64::from_str_radix(digits, base))
    };
    if let Some(number) = in_base("0x", 16).or_else(|| in_base("0o", 8)) {
        return number.map(Value::from).map_err(|_| format!("`{text}` is too large"));
    }
    if is_decimal(text) {
        return text.parse::<Number>().map(Value::from).map_err(|error| error.to_string());
    }
    Ok(timestamp(text).map_or_else(|| text.into(), Value::from))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// A date, or a date and a time, in RFC 3339.
fn timestamp(text: &str) -> Option<String> {
    // Four digits and a dash begin every date.
    let year = text.get(..4)?;
    if !year.bytes().all(|digit| digit.is_ascii_digit()) || text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (text.get(..at)?, text.get(at..)?),
        None => (text, ""),
    };
    let padded = |text: &str, separator: char| -> Option<String> {
        let parts: Vec<String> = text
            .split(separator)
            .map(|part| ((1..=4).contains(&part.len())).then(|| format!("{part:0>2}")))
            .collect::<Option<_>>()?;
        (parts.len() == 3).then(|| parts.join(&separator.to_string()))
    };
    let date = padded(date, '-')?;
    let full = match time.split_at_checked(1) {
        None | Some(("", _)) => format!("{date}T00:00:00Z"),
        Some((separator, time)) => {
            let end = time.find(['Z', '+', '-', '.']).unwrap_or(time.len());
            let (clock, rest) = time.split_at(end);
            let clock = padded(clock, ':')?;
            // Behind a space there is no zone, behind a `T` there must be one.
            match separator {
                " " if rest.is_empty() || rest.starts_with('.') => format!("{date}T{clock}{rest}Z"),
                "T" | "t" => format!("{date}T{clock}{rest}"),
                _ => return None,
            }
        }
    };
    Moment::parse(&full).ok().map(|moment| moment.to_string())
}
