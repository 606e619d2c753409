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

/// Whether a text is none: a NUL, or more than every third character is one that no screen shows.
pub(crate) fn is_binary(text: &str) -> bool {
    let (mut all, mut hidden) = (0, 0);
    for character in text.chars().take(4_096) {
        all += 1;
        hidden += usize::from(character.is_control() && !matches!(character, '\n' | '\t' | '\r'));
        if character == '\0' {
            return true;
        }
    }
    hidden * 3 > all
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

/// A value on one line, without colours. What is too long is summed up.
pub(crate) fn inline(value: &Value) -> String {
    line(value, false)
}

/// A value on one line. `whole`: whatever its length.
fn line(value: &Value, whole: bool) -> String {
    if let Some(veil) = veil(value) {
        return veil;
    }
    match value.data() {
        Data::Null(_) => "null".to_owned(),
        Data::Unknown(_, refinement) => unknown(refinement.as_deref()),
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.to_string(),
        Data::String(text) if !whole && (text.len() > LONG_TEXT || is_binary(text)) => summary(text),
        Data::String(text) => quoted(text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            format!("[{}]", items.iter().map(|item| line(item, whole)).collect::<Vec<_>>().join(", "))
        }
        Data::Map(_, entries) | Data::Object(entries) => line_of_entries(entries, whole),
    }
}

fn line_of_entries(entries: &Entries, whole: bool) -> String {
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{} = {}", key(name), line(value, whole))).collect();
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

/// A value behind a head, on as many lines as it takes. What is too long is summed up.
pub(crate) fn block(head: &str, value: &Value, columns: usize) -> Vec<String> {
    laid_out(head, value, Room { columns, whole: false })
}

/// A value and nothing else, as somebody asked for it: collections break where they do not fit, texts are whole
/// and never broken, so that they can be copied.
pub(crate) fn whole(value: &Value, columns: usize) -> Vec<String> {
    laid_out("", value, Room { columns, whole: true })
}

/// How much room a value has.
#[derive(Clone, Copy)]
struct Room {
    /// So wide may a line be.
    columns: usize,
    /// But texts are whole, whatever that takes.
    whole: bool,
}

impl Room {
    fn without(self, columns: usize) -> Room {
        Room { columns: self.columns.saturating_sub(columns), ..self }
    }
}

fn laid_out(head: &str, value: &Value, room: Room) -> Vec<String> {
    if veil(value).is_none() {
        match value.data() {
            Data::String(text) if is_lines(text) => return text_lines(head, text, room),
            Data::Map(_, entries) | Data::Object(entries) if !entries.is_empty() && !fits(head, value, room) => {
                let entries = entries.iter().map(|(name, value)| (format!("{} = ", key(name)), value));
                return nested(head, "{", "}", entries, room);
            }
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items)
                if !items.is_empty() && !fits(head, value, room) =>
            {
                return nested(head, "[", "]", items.iter().map(|value| (String::new(), value)), room);
            }
            _ => {}
        }
    }
    let shown = line(value, room.whole);
    if room.whole || width(head) + width(&shown) <= room.columns {
        return vec![format!("{head}{}", faint(value, &shown))];
    }
    hang(head, &shown, room.columns)
}

/// A long line broken before a space, or anywhere where none is near, the rest standing below its beginning.
/// Nothing is left out: where a line was broken before a space, the next one begins with it.
pub(crate) fn hang(head: &str, text: &str, columns: usize) -> Vec<String> {
    let indent = width(head).min(columns / 2);
    let room = columns.saturating_sub(indent).max(10);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut taken = width(head).saturating_sub(indent);
    for character in text.chars() {
        let takes = width(character.encode_utf8(&mut [0; 4]));
        if taken + takes > room {
            let space = line.rfind(' ').filter(|kept| character != ' ' && *kept > line.len() / 2);
            let rest = line.split_off(space.unwrap_or(line.len()));
            taken = width(&rest);
            lines.push(std::mem::replace(&mut line, rest));
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

fn fits(head: &str, value: &Value, room: Room) -> bool {
    let shown = line(value, room.whole);
    let mut lines = false;
    value.visit(&mut |_, part| {
        let hidden = veil(part).is_some();
        lines |= !hidden && part.as_str().is_some_and(is_lines);
        !hidden
    });
    !lines && width(head) + width(&shown) <= room.columns
}

fn nested<'v>(
    head: &str,
    open: &str,
    close: &str,
    items: impl Iterator<Item = (String, &'v Value)>,
    room: Room,
) -> Vec<String> {
    let mut lines = vec![format!("{head}{open}")];
    for (head, value) in items {
        lines.extend(laid_out(&head, value, room.without(2)).into_iter().map(|line| format!("  {line}")));
    }
    lines.push(close.to_owned());
    lines
}

fn text_lines(head: &str, text: &str, room: Room) -> Vec<String> {
    let all = text.lines().count();
    let most = if room.whole { all } else { MOST_LINES };
    let mut lines = vec![format!("{head}{}", dim("\"\"\""))];
    for line in text.lines().take(most) {
        if room.whole {
            lines.push(format!("  {}", visible(line)));
        } else {
            lines.extend(hang("  ", &visible(line), room.columns));
        }
    }
    if all > most {
        lines.push(dim(&format!("  … {} more lines {}", all - most, summary(text))));
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
        check(Value::from("\u{1b}[2J"), 80, &["name = \"\\u{1b}[2J\""]);
        check(Value::from("\0ELF"), 80, &["name = (binary, 4 bytes, blake3 765526b390212b04)"]);
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
