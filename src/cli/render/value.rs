//! Values as people read them.

use retrue_provider_api::{Data, Entries, Refinement, Value};

use super::text::{dim, visible, width};
use crate::address::is_identifier;

/// A text of more bytes than this is not shown in full on one line.
const LONG_TEXT: usize = 600;

/// So many lines of a text are shown.
const MOST_LINES: usize = 24;

/// What stands for a value that cannot or must not be shown.
pub(crate) fn veil(value: &Value) -> Option<String> {
    let marks = value.marks();
    if marks.ephemeral {
        return Some("(ephemeral value)".to_owned());
    }
    if marks.sensitive {
        return Some("(sensitive value)".to_owned());
    }
    match value.data() {
        Data::Unknown(_, refinement) => Some(unknown(refinement.as_deref())),
        _ => None,
    }
}

fn unknown(refinement: Option<&Refinement>) -> String {
    match refinement.and_then(|refinement| refinement.prefix.as_deref()) {
        Some(prefix) => format!("(known after apply, begins with \"{}\")", visible(prefix)),
        None => "(known after apply)".to_owned(),
    }
}

/// Whether a text is shown as lines.
pub(crate) fn is_lines(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n') && !is_binary(text)
}

/// Whether a text holds what no screen shows.
pub(crate) fn is_binary(text: &str) -> bool {
    text.chars().take(4_096).any(|character| character.is_control() && !matches!(character, '\n' | '\t' | '\r'))
}

/// What stands for a text that is too long or is no text: its size, and a hash to compare.
pub(crate) fn summary(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes()).to_hex();
    let kind = if is_binary(text) { "binary" } else { "text" };
    format!("({kind}, {} bytes, blake3 {})", grouped(text.len()), hash.get(..16).unwrap_or_default())
}

/// `12,345`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A value on one line, without colours.
pub(crate) fn inline(value: &Value) -> String {
    if let Some(veil) = veil(value) {
        return veil;
    }
    match value.data() {
        Data::Null(_) => "null".to_owned(),
        Data::Unknown(_, refinement) => unknown(refinement.as_deref()),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.to_string(),
        Data::String(text) if text.len() > LONG_TEXT || is_binary(text) => summary(text),
        Data::String(text) => quoted(text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Data::Map(_, entries) | Data::Object(entries) => inline_entries(entries),
    }
}

fn inline_entries(entries: &Entries) -> String {
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
    format!("{{ {} }}", entries.join(", "))
}

/// A text in quotes, with whatever it holds made visible.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(&text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// A key, in quotes where it needs them.
pub(crate) fn key(name: &str) -> String {
    if is_identifier(name) { name.to_owned() } else { quoted(name) }
}

/// A value with a name, on as many lines as it takes, each at most `columns` wide where the value
/// can be broken. Lines are not indented but for what is nested.
pub(crate) fn named(name: &str, padding: usize, value: &Value, columns: usize) -> Vec<String> {
    let head = format!("{name}{} = ", " ".repeat(padding.saturating_sub(width(name))));
    block(&head, value, columns)
}

/// A value behind a head, on as many lines as it takes.
pub(crate) fn block(head: &str, value: &Value, columns: usize) -> Vec<String> {
    if veil(value).is_none() {
        match value.data() {
            Data::String(text) if is_lines(text) => return text_lines(head, text, columns),
            Data::Map(_, entries) | Data::Object(entries) if !entries.is_empty() && !fits(head, value, columns) => {
                return nested(
                    head,
                    "{",
                    "}",
                    entries.iter().map(|(name, value)| (format!("{} = ", key(name)), value)),
                    columns,
                );
            }
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items)
                if !items.is_empty() && !fits(head, value, columns) =>
            {
                return nested(head, "[", "]", items.iter().map(|value| (String::new(), value)), columns);
            }
            _ => {}
        }
    }
    let shown = inline(value);
    let room = columns.saturating_sub(width(head));
    if width(&shown) <= room {
        return vec![format!("{head}{}", faint(value, &shown))];
    }
    hang(head, &shown, columns)
}

/// A long line broken anywhere, the rest standing below its beginning.
pub(crate) fn hang(head: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = width(head).min(columns / 2);
    let room = columns.saturating_sub(indent).max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = if indent < width(head) { width(head) - indent } else { 0 };
    for character in text.chars() {
        let takes = width(character.encode_utf8(&mut [0; 4]));
        if taken + takes > room {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        }
        line.push(character);
        taken += takes;
    }
    lines.push(line);
    let mut shown = Vec::with_capacity(lines.len());
    for (position, line) in lines.into_iter().enumerate() {
        shown.push(if position == 0 { format!("{head}{line}") } else { format!("{}{line}", " ".repeat(indent)) });
    }
    shown
}

fn fits(head: &str, value: &Value, columns: usize) -> bool {
    let shown = inline(value);
    let mut lines = false;
    value.visit(&mut |_, part| {
        let hidden = veil(part).is_some();
        lines |= !hidden && part.as_str().is_some_and(is_lines);
        !hidden
    });
    !lines && width(head) + width(&shown) <= columns
}

fn nested<'v>(
    head: &str,
    open: &str,
    close: &str,
    items: impl Iterator<Item = (String, &'v Value)>,
    columns: usize,
) -> Vec<String> {
    let mut lines = vec![format!("{head}{open}")];
    for (head, value) in items {
        lines.extend(block(&head, value, columns.saturating_sub(2)).into_iter().map(|line| format!("  {line}")));
    }
    lines.push(close.to_owned());
    lines
}

fn text_lines(head: &str, text: &str, columns: usize) -> Vec<String> {
    let all = text.lines().count();
    let mut lines = vec![format!("{head}{}", dim("\"\"\""))];
    for line in text.lines().take(MOST_LINES) {
        lines.extend(hang("  ", &visible(line), columns));
    }
    if all > MOST_LINES {
        lines.push(dim(&format!("  … {} more lines {}", all - MOST_LINES, summary(text))));
    }
    lines.push(if text.ends_with('\n') { dim("\"\"\"") } else { dim("\"\"\" (no newline at the end)") });
    lines
}

/// What is no value of its own stands back.
fn faint(value: &Value, shown: &str) -> String {
    if veil(value).is_some() || value.is_null() { dim(shown) } else { shown.to_owned() }
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::{Marks, Type};

    use super::*;
    use crate::cli::console::plain;

    fn check(value: Value, columns: usize, lines: &[&str]) {
        assert_eq!(named("name", 0, &value, columns).iter().map(|line| plain(line)).collect::<Vec<_>>(), lines);
    }

    #[test]
    fn values_read_well() {
        check(
            Value::from("a \"b\" \\n c\nd"),
            80,
            &["name = \"\"\"", "  a \"b\" \\n c", "  d", "\"\"\" (no newline at the end)"],
        );
        check(Value::from("a \"b\" \\ c\n"), 80, &[r#"name = "a \"b\" \\ c\n""#]);
        check(Value::from("\u{1b}[2J"), 80, &["name = (binary, 4 bytes, blake3 fe37344e61c59a99)"]);
        check(Value::null(Type::String), 80, &["name = null"]);
        check(Value::unknown(Type::String), 80, &["name = (known after apply)"]);
        check(Value::from("x").sensitive(), 80, &["name = (sensitive value)"]);
        check(Value::from("x").with_marks(Marks::EPHEMERAL), 80, &["name = (ephemeral value)"]);
        check(Value::tuple([]), 80, &["name = []"]);
    }

    #[test]
    fn collections_break_where_they_do_not_fit() {
        let value = Value::object([
            ("a key", Value::tuple([Value::from(1i64), Value::from("x").sensitive()])),
            ("b", Value::from(true)),
        ]);
        check(value.clone(), 80, &["name = { \"a key\" = [1, (sensitive value)], b = true }"]);
        check(value, 30, &["name = {", "  \"a key\" = [", "    1", "    (sensitive value)", "  ]", "  b = true", "}"]);
    }

    #[test]
    fn long_texts_break_or_are_named_by_size_and_hash() {
        check(
            Value::from("0123456789".repeat(3).as_str()),
            20,
            &["name = \"012345678901", "       2345678901234", "       56789\""],
        );
        check(Value::from("x".repeat(12_345).as_str()), 80, &["name = (text, 12,345 bytes, blake3 6fd1243cd0619773)"]);
    }
}
