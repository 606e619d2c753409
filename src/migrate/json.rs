//! Files in the JSON form of Terraform's language, with a place for each value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::codes;
use super::source::{Attribute, Block, Body, Comments, Entry, Value};
use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// A value, with its place.
#[derive(Clone, Debug)]
pub(super) struct Json {
    pub(super) span: Span,
    pub(super) data: Data,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Data {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    String(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// An object in the order in which it is written.
struct Ordered<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Ordered<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Ordered<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// How deep values may be nested; the parser has about the same limit.
const MAX_DEPTH: usize = 120;

struct Reader<'t> {
    file: FileId,
    text: &'t str,
}

impl Reader<'_> {
    fn wrong(&self, error: &serde_json::Error, base: usize, text: &str) -> Diagnostic {
        let line_start = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
        let start = (base + line_start + error.column().saturating_sub(1)).min(self.text.len());
        Diagnostic::error(codes::SYNTAX, format!("this is not JSON: {error}"))
            .at(Span::new(self.file, start..start))
            .hint("a `.tf.json` file is one JSON object; nothing was written")
    }

    fn read(&self, raw: &RawValue, depth: usize) -> Result<Json, Diagnostic> {
        let text = raw.get();
        // A raw value is a part of the text that it was read from.
        let start = text.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let span = Span::new(self.file, start..start + text.len());
        if depth > MAX_DEPTH {
            return Err(Diagnostic::error(codes::SYNTAX, "this is nested too deeply").at(span).hint("split it up"));
        }
        let wrong = |error: serde_json::Error| self.wrong(&error, start, text);
        let data = match text.bytes().next() {
            Some(b'{') => {
                let Ordered(entries) = serde_json::from_str(text).map_err(wrong)?;
                let entries = entries.into_iter().map(|(name, raw)| Ok((name, self.read(raw, depth + 1)?)));
                Data::Object(entries.collect::<Result<_, Diagnostic>>()?)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
                Data::Array(items.into_iter().map(|raw| self.read(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Data::String(serde_json::from_str(text).map_err(wrong)?),
            Some(b'n') => Data::Null,
            Some(b't') => Data::Bool(true),
            Some(b'f') => Data::Bool(false),
            _ => Data::Number(text.to_owned()),
        };
        Ok(Json { span, data })
    }
}

/// Reads a file of one object.
pub(super) fn parse(file: FileId, text: &str) -> Result<Json, Diagnostic> {
    let reader = Reader { file, text };
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| reader.wrong(&error, 0, text))?;
    let json = reader.read(raw, 0)?;
    match json.data {
        Data::Object(_) => Ok(json),
        _ => Err(Diagnostic::error(codes::SYNTAX, "a `.tf.json` file is one JSON object")
            .at(json.span)
            .hint("nothing was written")),
    }
}

/// Blocks by the place that they stand in, with the number of their labels. What is not in here is an
/// attribute: whether the provider has a nested block of that name makes no difference to a stack.
fn known(kind: &str) -> &'static [(&'static str, usize)] {
    match kind {
        "" => &[
            ("action", 2),
            ("check", 1),
            ("data", 2),
            ("ephemeral", 2),
            ("import", 0),
            ("locals", 0),
            ("module", 1),
            ("moved", 0),
            ("output", 1),
            ("provider", 1),
            ("removed", 0),
            ("resource", 2),
            ("terraform", 0),
            ("variable", 1),
        ],
        "terraform" => {
            &[("backend", 1), ("cloud", 0), ("provider_meta", 1), ("required_providers", 0), ("encryption", 0)]
        }
        "variable" => &[("validation", 0)],
        "output" => &[("precondition", 0)],
        "resource" | "data" => &[("lifecycle", 0), ("dynamic", 1), ("provisioner", 1), ("connection", 0)],
        "lifecycle" => &[("precondition", 0), ("postcondition", 0), ("action_trigger", 0)],
        "dynamic" => &[("content", 0)],
        "content" => &[("dynamic", 1)],
        _ => &[],
    }
}

/// Reads a file.
///
/// # Errors
/// It is not JSON, or a block is no object.
pub(super) fn read(file: FileId, text: &str) -> Result<Body, Diagnostic> {
    body(parse(file, text)?, "")
}

/// Reads a file of values, in which no name is that of a block.
///
/// # Errors
/// It is not JSON.
pub(super) fn read_values(file: FileId, text: &str) -> Result<Body, Diagnostic> {
    body(parse(file, text)?, "values")
}

fn body(json: Json, kind: &str) -> Result<Body, Diagnostic> {
    let mut result = Body::default();
    let Data::Object(entries) = json.data else {
        return Err(Diagnostic::error(codes::SYNTAX, format!("a `{kind}` is written as an object"))
            .at(json.span)
            .hint("nothing was written"));
    };
    let mut before: Vec<String> = Vec::new();
    for (name, value) in entries {
        if name == "//" {
            before.extend(comment(&value));
            continue;
        }
        let comments = Comments { before: std::mem::take(&mut before), behind: None };
        match known(kind).iter().find(|(known, _)| *known == name) {
            Some((_, labels)) => blocks(&mut result, &name, *labels, &mut Vec::new(), value, comments)?,
            None => {
                let span = value.span;
                let value = Value::Json(value);
                result.entries.push(Entry::Attribute(Attribute { name, span, value, comments }));
            }
        }
    }
    result.closing = before;
    Ok(result)
}

/// What stands below the name of a block: objects for its labels, then one body or several.
fn blocks(
    result: &mut Body,
    kind: &str,
    labels: usize,
    given: &mut Vec<String>,
    json: Json,
    comments: Comments,
) -> Result<(), Diagnostic> {
    let mut comments = comments;
    if let Data::Array(items) = json.data {
        for item in items {
            blocks(result, kind, labels, given, item, std::mem::take(&mut comments))?;
        }
        return Ok(());
    }
    if labels == 0 {
        let span = json.span;
        let body = body(json, kind)?;
        let block = Block { kind: kind.to_owned(), labels: given.clone(), span, body, comments };
        result.entries.push(Entry::Block(block));
        return Ok(());
    }
    let Data::Object(entries) = json.data else {
        return Err(Diagnostic::error(codes::SYNTAX, format!("below `{kind}` there are objects by name"))
            .at(json.span)
            .hint("nothing was written"));
    };
    for (label, value) in entries {
        if label == "//" {
            comments.before.extend(comment(&value));
            continue;
        }
        given.push(label);
        blocks(result, kind, labels - 1, given, value, std::mem::take(&mut comments))?;
        given.pop();
    }
    Ok(())
}

fn comment(value: &Json) -> Vec<String> {
    match &value.data {
        Data::String(text) => text.lines().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_places() {
        let text = "{\n  \"a\": [1, {\"b\": \"x\\u00e9\"}]\n}";
        let json = parse(FileId(0), text).unwrap();
        let Data::Object(entries) = json.data else { panic!() };
        let Data::Array(items) = &entries[0].1.data else { panic!() };
        let Data::Object(inner) = &items[1].data else { panic!() };
        let span = inner[0].1.span;
        assert_eq!(&text[span.start as usize..span.end as usize], "\"x\\u00e9\"");
        assert!(matches!(&inner[0].1.data, Data::String(text) if text == "xé"));
    }

    #[test]
    fn what_is_no_json_has_a_place() {
        let error = parse(FileId(0), "{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!(error.labels[0].span.start, 9);
        assert!(parse(FileId(0), "[]").is_err());
    }
}
