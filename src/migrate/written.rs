//! Values as TOML.

use hcl_edit::Span as _;
use hcl_edit::template::Element;

use super::source::Comments;

/// A value that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Null; in a table it is written out, since absent is something else inside of a value.
    Null,
    /// A number or truth value, as TOML has it.
    Literal(String),
    /// A template: what becomes the content of a string.
    Text(String),
    /// An expression, without `${}`.
    Expression(String),
    /// A list.
    List(Vec<Written>),
    /// A table; its keys are templates.
    Object(Vec<(String, Written)>),
    /// An element of a list, or the value of a key of a table, with its comments.
    Noted(Box<Written>, Comments),
}

/// What fits into one line.
pub(super) const WIDTH: usize = 100;

impl Written {
    /// A text in which nothing is an interpolation.
    pub(super) fn plain(text: &str) -> Written {
        Written::Text(escaped(text))
    }

    /// On one line, if texts of several lines do not hinder it.
    pub(super) fn inline(&self) -> String {
        match self {
            Written::Null => quoted("${null}"),
            Written::Literal(literal) => literal.clone(),
            Written::Text(text) => quoted(text),
            Written::Expression(expression) => quoted(&format!("${{{expression}}}")),
            Written::List(items) => {
                format!("[{}]", items.iter().map(Written::inline_one_line).collect::<Vec<_>>().join(", "))
            }
            Written::Noted(inner, _) => inner.inline(),
            Written::Object(entries) if entries.is_empty() => "{}".to_owned(),
            Written::Object(entries) => {
                let entries =
                    entries.iter().map(|(name, value)| format!("{} = {}", key(name), value.inline_one_line()));
                format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The same where no line may end: in a table of one line.
    fn inline_one_line(&self) -> String {
        match self {
            Written::Text(text) => basic(text),
            Written::Expression(expression) => match expression.contains('\n') {
                true => basic(&format!("${{{expression}}}")),
                false => self.inline(),
            },
            other => other.inline(),
        }
    }

    /// As the value of a key that has a line of its own.
    pub(super) fn value(&self, key_width: usize) -> String {
        let inline = self.inline();
        match self {
            Written::List(items) if !items.is_empty() && (!fits(&inline, key_width) || has_notes(self)) => {
                let items: Vec<String> = items.iter().map(Written::item_lines).collect();
                format!("[\n{}]", items.concat())
            }
            Written::Noted(inner, _) => inner.value(key_width),
            _ => inline,
        }
    }

    /// The lines of an element of a list.
    fn item_lines(&self) -> String {
        let (before, behind) = match self {
            Written::Noted(_, comments) => (comments.before.as_slice(), comments.behind.as_deref()),
            _ => (&[][..], None),
        };
        let mut lines: String = before.iter().map(|comment| format!("  {}\n", comment_line(comment))).collect();
        lines.push_str(&format!("  {},", self.inline_one_line()));
        if let Some(comment) = behind {
            lines.push_str(&format!("    {}", comment_line(comment)));
        }
        lines.push('\n');
        lines
    }

    /// Whether it is better off as tables of its own.
    pub(super) fn wants_table(&self, key_width: usize) -> bool {
        let crowded = || !fits(&self.inline(), key_width) || has_lines(self) || has_notes(self);
        match self {
            Written::Object(entries) => !entries.is_empty() && crowded(),
            Written::List(items) => {
                let table = |item: &Written| match item {
                    Written::Object(entries) => !entries.is_empty(),
                    Written::Noted(inner, _) => matches!(&**inner, Written::Object(entries) if !entries.is_empty()),
                    _ => false,
                };
                !items.is_empty() && items.iter().all(table) && crowded()
            }
            Written::Noted(inner, _) => inner.wants_table(key_width),
            _ => false,
        }
    }
}

fn fits(inline: &str, key_width: usize) -> bool {
    key_width + 3 + inline.chars().count() <= WIDTH && !inline.contains('\n')
}

/// Whether some text in it has several lines.
fn has_lines(written: &Written) -> bool {
    match written {
        Written::Text(text) | Written::Expression(text) => text.contains('\n'),
        Written::List(items) => items.iter().any(has_lines),
        Written::Object(entries) => entries.iter().any(|(_, value)| has_lines(value)),
        Written::Noted(inner, _) => has_lines(inner),
        Written::Null | Written::Literal(_) => false,
    }
}

/// Whether comments stand in it.
fn has_notes(written: &Written) -> bool {
    match written {
        Written::Noted(..) => true,
        Written::List(items) => items.iter().any(has_notes),
        Written::Object(entries) => entries.iter().any(|(_, value)| has_notes(value)),
        _ => false,
    }
}

/// A comment of TOML, which holds no control characters.
pub(super) fn comment_line(comment: &str) -> String {
    let clean: String = comment.chars().filter(|character| !character.is_control() || *character == '\t').collect();
    if clean.is_empty() { "#".to_owned() } else { format!("# {clean}") }
}

/// A text as a template that has it as its value.
pub(super) fn escaped(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

/// A template in quotes: text is escaped, interpolations are not.
pub(super) fn in_quotes(template: &str) -> String {
    let mut quoted = String::from("\"");
    let parsed = hcl_edit::parser::parse_template(template).unwrap_or_default();
    for element in &parsed {
        match element {
            Element::Literal(literal) => {
                for character in escaped(literal.value()).chars() {
                    match character {
                        '"' => quoted.push_str("\\\""),
                        '\\' => quoted.push_str("\\\\"),
                        '\n' => quoted.push_str("\\n"),
                        '\r' => quoted.push_str("\\r"),
                        '\t' => quoted.push_str("\\t"),
                        other => quoted.push(other),
                    }
                }
            }
            other => quoted.push_str(other.span().and_then(|range| template.get(range)).unwrap_or_default()),
        }
    }
    quoted.push('"');
    quoted
}

/// A key of TOML.
pub(super) fn key(name: &str) -> String {
    let bare = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { basic(name) }
}

/// A string of TOML, as a person would write it.
pub(super) fn quoted(text: &str) -> String {
    let odd = |character: char| character.is_control() && character != '\n' && character != '\t';
    if text.contains(odd) || !text.contains('\n') {
        return basic(text);
    }
    if !text.contains("'''") && !text.ends_with('\'') && (text.contains('"') || text.contains('\\')) {
        return format!("'''\n{text}'''");
    }
    if !text.contains('\\') && !text.contains("\"\"\"") && !text.ends_with('"') {
        return format!("\"\"\"\n{text}\"\"\"");
    }
    basic(text)
}

/// A string on one line, whatever is in it.
fn basic(text: &str) -> String {
    let literal = !text.contains('\'') && !text.chars().any(char::is_control);
    if literal && (text.contains('"') || text.contains('\\')) {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            odd if odd.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(odd))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back() {
        let texts = [
            "",
            "plain",
            "a\"b",
            "it's",
            "both ' and \"",
            "back\\slash",
            "two\nlines",
            "two\n\"quoted\" lines\n",
            "'''\nmany",
            "ends'\n\"'",
            "tab\there",
            "bell\u{7}\n",
            "\"\"\"\n",
            "\r\n",
            "${a[\"b\"]}",
            "\\\n\"\"\"",
        ];
        for text in texts {
            for form in [quoted(text), basic(text)] {
                let table: toml::Table = toml::from_str(&format!("a = {form}\n")).unwrap();
                assert_eq!(table["a"].as_str(), Some(text), "{form}");
            }
            let table: toml::Table = toml::from_str(&format!("{} = 1\n", key(text))).unwrap();
            assert!(table.contains_key(text), "{}", key(text));
        }
    }

    #[test]
    fn lists_and_tables_read_back() {
        let text = |text: &str| Written::plain(text);
        let written = Written::List(vec![
            Written::Object(vec![("a.b".into(), text("${x}")), ("n".into(), Written::Null)]),
            Written::Expression("{\n a = 1\n}".into()),
        ]);
        let table: toml::Table = toml::from_str(&format!("a = {}", written.value(1))).unwrap();
        assert_eq!(table["a"][0]["a.b"].as_str(), Some("$${x}"));
        assert_eq!(table["a"][1].as_str(), Some("${{\n a = 1\n}}"));
    }
}
