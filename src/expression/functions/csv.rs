//! `csvdecode`.

use std::collections::BTreeSet;

use retrue_provider_api::{Type, Value};

use super::specification::{Function, FunctionError, Outcome, Parameter, Returns};

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "csvdecode",
    &[Parameter::text("str")],
    Returns::By(|arguments| match arguments.first().and_then(Value::as_str) {
        Some(text) => decode(text).map(|value| value.kind()),
        None => Ok(Type::Dynamic),
    }),
    |call| decode(call.text(0)?),
)];

/// A list of objects, one for each row, with the names of the first row.
fn decode(text: &str) -> Outcome {
    let wrong = |message: String| FunctionError::at(0, format!("not valid CSV: {message}"));
    let mut rows = read(text).map_err(wrong)?.into_iter();
    let header = rows.next().ok_or_else(|| wrong("the line with the names is missing".to_owned()))?;
    let mut names = BTreeSet::new();
    for name in &header {
        if !names.insert(name.as_str()) {
            return Err(wrong(format!("there are two columns with the name `{name}`")));
        }
    }
    let kind = Type::object(header.iter().map(|name| (name.as_str(), Type::String)));
    let mut objects = Vec::new();
    for (number, row) in rows.enumerate() {
        if row.len() != header.len() {
            return Err(wrong(format!("row {} has {} fields, not {}", number + 1, row.len(), header.len())));
        }
        objects.push(Value::object(header.iter().zip(row).map(|(name, field)| (name.as_str(), Value::from(field)))));
    }
    Ok(Value::list(kind, objects))
}

/// The fields of all rows, empty lines left out; `\r\n` is read as `\n`, between quotes too.
fn read(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let mut lines = Lines { rest: text, number: 0 };
    while let Some(line) = lines.next() {
        if line == "\n" {
            continue;
        }
        let mut row = Vec::new();
        let mut line = line;
        loop {
            let Some(quoted) = line.strip_prefix('"') else {
                let (field, rest) = match line.split_once(',') {
                    Some((field, rest)) => (field.to_owned(), Some(rest.to_owned())),
                    None => (line.strip_suffix('\n').unwrap_or(&line).to_owned(), None),
                };
                if field.contains('"') {
                    return Err(format!("line {}: a quote in a field that does not begin with one", lines.number));
                }
                row.push(field);
                match rest {
                    Some(rest) => line = rest,
                    None => break,
                }
                continue;
            };
            let (field, rest) = quoted_field(quoted.to_owned(), &mut lines)?;
            row.push(field);
            match rest.strip_prefix(',') {
                Some(rest) => line = rest.to_owned(),
                None if rest.is_empty() || rest == "\n" => break,
                None => return Err(format!("line {}: text behind a closing quote", lines.number)),
            }
        }
        rows.push(row);
    }
    Ok(rows)
}

/// A field up to its closing quote, perhaps lines below, and what stands behind it.
fn quoted_field(mut line: String, lines: &mut Lines<'_>) -> Result<(String, String), String> {
    let begin = lines.number;
    let mut field = String::new();
    loop {
        match line.split_once('"') {
            Some((part, rest)) => {
                field.push_str(part);
                match rest.strip_prefix('"') {
                    Some(rest) => {
                        field.push('"');
                        line = rest.to_owned();
                    }
                    None => return Ok((field, rest.to_owned())),
                }
            }
            None => {
                field.push_str(&line);
                line = lines.next().ok_or_else(|| format!("line {begin}: a quote is not closed"))?;
            }
        }
    }
}

struct Lines<'t> {
    rest: &'t str,
    number: usize,
}

impl Lines<'_> {
    /// The next line with its `\n`; the last one may lack it.
    fn next(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.find('\n').map_or(self.rest.len(), |end| end + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match line.strip_suffix("\r\n") {
            Some(line) => format!("{line}\n"),
            None if rest.is_empty() => line.strip_suffix('\r').unwrap_or(line).to_owned(),
            None => line.to_owned(),
        })
    }
}
