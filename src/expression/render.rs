//! Values as `terraform console` shows them.

use std::fmt::Write;

use retrue_provider_api::{Data, Entries, Type, Value};

/// A value as an expression of the language would be written, over several lines where it is a
/// collection. What is marked is not shown.
pub fn render(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    text
}

fn write_value(out: &mut String, value: &Value, indent: usize) {
    if !value.is_known() {
        return out.push_str("(known after apply)");
    }
    if value.marks().sensitive {
        return out.push_str("(sensitive value)");
    }
    if value.marks().ephemeral {
        return out.push_str("(ephemeral value)");
    }
    match value.data() {
        Data::Null(kind) => out.push_str(&null(kind)),
        Data::Unknown(..) => {}
        Data::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Data::Number(number) => out.push_str(&number.to_string()),
        Data::String(text) => write_text(out, text, indent),
        Data::List(_, items) => wrapped(out, "tolist", |out| write_items(out, items, indent)),
        Data::Set(_, items) => wrapped(out, "toset", |out| write_items(out, items, indent)),
        Data::Map(_, entries) => wrapped(out, "tomap", |out| write_entries(out, entries, indent)),
        Data::Tuple(items) => write_items(out, items, indent),
        Data::Object(entries) => write_entries(out, entries, indent),
    }
}

fn wrapped(out: &mut String, function: &str, inside: impl FnOnce(&mut String)) {
    out.push_str(function);
    out.push('(');
    inside(out);
    out.push(')');
}

fn null(kind: &Type) -> String {
    match kind {
        Type::Dynamic => "null".into(),
        Type::String => "tostring(null)".into(),
        Type::Number => "tonumber(null)".into(),
        Type::Bool => "tobool(null)".into(),
        Type::List(element) => format!("tolist(null) /* of {} */", element.friendly_name()),
        Type::Set(element) => format!("toset(null) /* of {} */", element.friendly_name()),
        Type::Map(element) => format!("tomap(null) /* of {} */", element.friendly_name()),
        other => format!("null /* {} */", other.friendly_name()),
    }
}

fn write_items(out: &mut String, items: &[Value], indent: usize) {
    out.push('[');
    for item in items {
        new_line(out, indent + 2);
        write_value(out, item, indent + 2);
        out.push(',');
    }
    if !items.is_empty() {
        new_line(out, indent);
    }
    out.push(']');
}

fn write_entries(out: &mut String, entries: &Entries, indent: usize) {
    out.push('{');
    for (key, item) in entries {
        new_line(out, indent + 2);
        write_text(out, key, indent + 2);
        out.push_str(" = ");
        write_value(out, item, indent + 2);
    }
    if !entries.is_empty() {
        new_line(out, indent);
    }
    out.push('}');
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_text(out: &mut String, text: &str, indent: usize) {
    if !text.contains('\n') {
        return quote(out, text);
    }
    let mut delimiter = "EOT".to_owned();
    while text.split('\n').any(|line| line.trim() == delimiter) {
        delimiter.push('_');
    }
    out.push_str(if indent > 0 { "<<-" } else { "<<" });
    out.push_str(&delimiter);
    for line in text.split('\n').chain([delimiter.as_str()]) {
        new_line(out, indent);
        out.push_str(line);
    }
}

/// In double quotes, with what cannot be printed escaped.
fn quote(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            other if is_printable(other) => out.push(other),
            other => {
                let code = u32::from(other);
                // Writing to a string cannot fail.
                let _ = match code {
                    0..0x80 => write!(out, "\\x{code:02x}"),
                    0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
}

fn is_printable(character: char) -> bool {
    // Combining marks are printed; the standard library escapes them to show them alone.
    unicode_normalization::char::is_combining_mark(character)
        || !character.escape_debug().to_string().starts_with("\\u")
}
