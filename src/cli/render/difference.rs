//! What changes in a value, path by path.

use std::collections::BTreeSet;
use std::time::Duration;

use retrue_provider_api::{Data, Path, PathStep, Value};
use similar::{ChangeTag, TextDiff};

use super::text::{dim, green, red, visible, width, yellow};
use super::value::{block, hang, inline, is_lines, quoted, summary, veil};

/// Texts larger than this are compared by size and hash alone.
const LARGE: usize = 1 << 20;

/// So long is looked for a small difference; then any will do.
const PATIENCE: Duration = Duration::from_millis(300);

/// Lines shown around what changes.
const CONTEXT: usize = 2;

/// So many lines of one text's difference are shown.
const MOST_LINES: usize = 80;

/// One difference.
pub(crate) struct Difference<'v> {
    /// Where.
    pub(crate) path: Path,
    /// What was there.
    pub(crate) before: Option<&'v Value>,
    /// What will be.
    pub(crate) after: Option<&'v Value>,
}

/// The differences of two values: one for each part that can be shown by itself.
pub(crate) fn differences<'v>(before: &'v Value, after: &'v Value) -> Vec<Difference<'v>> {
    let mut found = Vec::new();
    compare(&Path::root(), Some(before), Some(after), &mut found);
    found
}

fn compare<'v>(path: &Path, before: Option<&'v Value>, after: Option<&'v Value>, found: &mut Vec<Difference<'v>>) {
    let (Some(old), Some(new)) = (before, after) else {
        let nothing = before.or(after).is_none_or(Value::is_null);
        if !nothing {
            found.push(Difference { path: path.clone(), before, after });
        }
        return;
    };
    if old == new || (old.is_null() && new.is_null()) {
        return;
    }
    if veil(old).is_none() && veil(new).is_none() {
        match (old.data(), new.data()) {
            (Data::Object(olds) | Data::Map(_, olds), Data::Object(news) | Data::Map(_, news)) => {
                let is_object = matches!(new.data(), Data::Object(_));
                let names: BTreeSet<_> = olds.keys().chain(news.keys()).collect();
                for name in names {
                    let step = if is_object { PathStep::Attribute(name.clone()) } else { PathStep::Key(name.clone()) };
                    compare(&path.child(step), olds.get(name), news.get(name), found);
                }
                return;
            }
            (Data::List(_, olds) | Data::Tuple(olds), Data::List(_, news) | Data::Tuple(news))
                if olds.len() == news.len() && olds.iter().any(|old| old.as_entries().is_some()) =>
            {
                for (index, (old, new)) in olds.iter().zip(news.iter()).enumerate() {
                    compare(&path.child(PathStep::Index(index)), Some(old), Some(new), found);
                }
                return;
            }
            _ => {}
        }
    }
    // Values that only differ in type or in marks beneath are the same to a person.
    if old.clone().unmark_deep().0.same(&new.clone().unmark_deep().0) && old.marks_deep() == new.marks_deep() {
        return;
    }
    found.push(Difference { path: path.clone(), before, after });
}

impl Difference<'_> {
    /// The lines that show it. `remark` is put behind the name.
    pub(crate) fn lines(&self, remark: Option<&str>, columns: usize) -> Vec<String> {
        let before = self.before.filter(|value| !value.is_null());
        let after = self.after.filter(|value| !value.is_null());
        let remark = remark.map(|remark| format!("  {}", yellow(remark))).unwrap_or_default();
        let name = self.path.to_string();
        match (before, after) {
            (Some(before), Some(after)) => changed(&name, &remark, before, after, columns),
            (Some(before), None) => sided(&red("-"), &name, before, &remark, columns),
            (None, Some(after)) => sided(&green("+"), &name, after, &remark, columns),
            (None, None) => Vec::new(),
        }
    }
}

/// One side only, behind a sign.
fn sided(sign: &str, name: &str, value: &Value, remark: &str, columns: usize) -> Vec<String> {
    let mut lines = block(&format!("{name} = "), value, columns.saturating_sub(2));
    if let Some(first) = lines.first_mut() {
        first.push_str(remark);
    }
    indented(sign, lines)
}

fn indented(sign: &str, lines: Vec<String>) -> Vec<String> {
    let sign_then_blank = |position| if position == 0 { sign.to_owned() } else { " ".to_owned() };
    lines.into_iter().enumerate().map(|(position, line)| format!("{} {line}", sign_then_blank(position))).collect()
}

fn changed(name: &str, remark: &str, before: &Value, after: &Value, columns: usize) -> Vec<String> {
    let sign = yellow("~");
    if veil(before).is_none()
        && veil(after).is_none()
        && let (Some(old), Some(new)) = (before.as_str(), after.as_str())
        && (is_lines(old) || is_lines(new))
        && old.len().max(new.len()) <= LARGE
    {
        let mut lines = vec![format!("{sign} {name}:{remark}")];
        lines
            .extend(text_difference(old, new, columns.saturating_sub(4)).into_iter().map(|line| format!("    {line}")));
        return lines;
    }
    let (old, new) = sides(before, after);
    let (room, takes) = (columns.saturating_sub(2), width(name) + width(&old) + width(&new) + 6);
    if takes <= room {
        return vec![format!("{sign} {name}: {} -> {}{remark}", red(&old), green(&new))];
    }
    let mut lines = vec![format!("{sign} {name}:{remark}")];
    let room = columns.saturating_sub(6);
    lines.extend(hang("", &old, room).iter().map(|line| format!("    {} {}", red("-"), red(line))));
    lines.extend(hang("", &new, room).iter().map(|line| format!("    {} {}", green("+"), green(line))));
    lines
}

/// Both sides on one line each; never two that look the same.
fn sides(before: &Value, after: &Value) -> (String, String) {
    let (old, new) = (inline(before), inline(after));
    if old != new {
        return (old, new);
    }
    match (before.as_str(), after.as_str()) {
        _ if veil(before).is_some() => (old, "(another sensitive value)".to_owned()),
        (Some(before), Some(after)) => (summary(before), summary(after)),
        _ => (format!("{old} ({})", before.kind()), format!("{new} ({})", after.kind())),
    }
}

/// The lines that change, with a few around them.
fn text_difference(old: &str, new: &str, columns: usize) -> Vec<String> {
    let difference = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
    let mut lines = Vec::new();
    for (position, group) in difference.grouped_ops(CONTEXT).iter().enumerate() {
        let first_line = group.first().map_or(0, |operation| operation.old_range().start);
        if position > 0 || first_line > 0 {
            lines.push(dim("…"));
        }
        for change in group.iter().flat_map(|operation| difference.iter_changes(operation)) {
            let value: &str = change.value();
            let mut text = visible(value.strip_suffix('\n').unwrap_or(value));
            if change.missing_newline() && change.tag() != ChangeTag::Equal {
                text.push_str(" (no newline at the end)");
            }
            let shown = hang("", &text, columns.saturating_sub(2));
            lines.extend(shown.iter().map(|line| match change.tag() {
                ChangeTag::Delete => format!("{} {}", red("-"), red(line)),
                ChangeTag::Insert => format!("{} {}", green("+"), green(line)),
                ChangeTag::Equal => format!("  {line}"),
            }));
        }
    }
    let all = lines.len();
    if all > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push(dim(&format!("… {} more lines: {} -> {}", all - MOST_LINES, summary(old), summary(new))));
    }
    lines
}

/// A path's value as it is shown beside a difference.
pub(crate) fn shown_at(path: &Path, value: &Value) -> String {
    match path.get(value) {
        Some(value) => match value.as_str() {
            Some(text) if veil(value).is_none() && is_lines(text) => summary(text),
            Some(text) if veil(value).is_none() && text.len() < 60 => quoted(text),
            _ => inline(value),
        },
        None => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::Type;

    use super::*;
    use crate::cli::console::plain;

    fn check(before: Value, after: Value, columns: usize, expect: &str) {
        let lines: Vec<String> = differences(&before, &after)
            .iter()
            .flat_map(|difference| difference.lines(None, columns))
            .map(|line| plain(&line))
            .collect();
        assert_eq!(lines.join("\n"), expect);
    }

    fn object(name: &str, value: Value) -> Value {
        Value::object([(name, value)])
    }

    #[test]
    fn parts_are_named_by_path() {
        let map = |value: &str| Value::map(Type::String, [("k.1", Value::from(value)), ("same", Value::from("s"))]);
        check(object("tags", map("a")), object("tags", map("b")), 80, r#"~ tags["k.1"]: "a" -> "b""#);
        let list = |value: i64| Value::tuple([object("n", Value::from(value)), object("n", Value::from(0i64))]);
        check(object("l", list(1)), object("l", list(2)), 80, "~ l[0].n: 1 -> 2");
        check(object("a", Value::from(1i64)), object("b", Value::from(2i64)), 80, "- a = 1\n+ b = 2");
        check(object("a", Value::from(1i64)), object("a", Value::null(Type::Number)), 80, "- a = 1");
        check(
            object("a", Value::from(1i64)),
            object("a", Value::unknown(Type::Number)),
            80,
            "~ a: 1 -> (known after apply)",
        );
    }

    #[test]
    fn secrets_stay_hidden() {
        let secret = |text: &str| object("p", Value::from(text).sensitive());
        check(secret("a"), secret("a"), 80, "");
        check(secret("a"), secret("b"), 80, "~ p: (sensitive value) -> (another sensitive value)");
        check(object("p", Value::from("a\nb\n")), secret("c"), 80, "~ p: \"a\\nb\\n\" -> (sensitive value)");
        let nested = |text: &str| object("o", object("p", Value::from(text).sensitive()));
        check(nested("a"), nested("b"), 80, "~ o.p: (sensitive value) -> (another sensitive value)");
    }

    #[test]
    fn texts_are_compared_by_lines() {
        let old: String = (1..20).map(|line| format!("line {line}\n")).collect();
        let new = old.replace("line 10\n", "line ten\n").replace("line 19\n", "line 19");
        check(
            object("c", Value::from(old.as_str())),
            object("c", Value::from(new.as_str())),
            80,
            "~ c:\n    …\n      line 8\n      line 9\n    - line 10\n    + line ten\n      line 11\n      line 12\n    …\n      line 17\n      line 18\n    - line 19\n    + line 19 (no newline at the end)",
        );
    }

    #[test]
    fn what_is_too_wide_goes_on_lines_of_its_own() {
        let text = |letter: &str| object("c", Value::from(letter.repeat(30).as_str()));
        check(
            text("a"),
            text("b"),
            30,
            "~ c:\n    - \"aaaaaaaaaaaaaaaaaaaaaaa\n    - aaaaaaa\"\n    + \"bbbbbbbbbbbbbbbbbbbbbbb\n    + bbbbbbb\"",
        );
        let long = |letter: &str| object("c", Value::from(letter.repeat(9_000).as_str()));
        check(
            long("a"),
            long("b"),
            200,
            "~ c: (text, 9,000 bytes, blake3 840783261b53cf15) -> (text, 9,000 bytes, blake3 e6fc1cdf538ce468)",
        );
    }
}
