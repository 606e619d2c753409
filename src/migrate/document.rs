//! TOML documents as they are built, table by table, with comments.

use super::source::Comments;
use super::written::{Written, comment_line, key};

/// A table: lines first, then what stands below in tables of its own.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) comments: Vec<String>,
    lines: Vec<Line>,
    below: Vec<(String, Below)>,
    /// Comments at its end.
    pub(super) closing: Vec<String>,
}

#[derive(Debug)]
struct Line {
    comments: Comments,
    key: String,
    value: Written,
}

#[derive(Debug)]
enum Below {
    One(Table),
    Many(Vec<Table>),
}

impl Table {
    /// One with comments above it.
    pub(super) fn commented(comments: &Comments) -> Table {
        let mut lines = comments.before.clone();
        lines.extend(comments.behind.clone());
        Table { comments: lines, ..Table::default() }
    }

    /// Adds a key.
    pub(super) fn set(&mut self, name: &str, value: Written, comments: &Comments) {
        if let Written::Noted(inner, own) = value {
            let mut comments = comments.clone();
            comments.before.extend(own.before);
            comments.behind = own.behind.or(comments.behind);
            return self.set(name, *inner, &comments);
        }
        if value.wants_table(key(name).chars().count()) {
            match value {
                Written::Object(entries) => {
                    let table = Table::commented(comments).filled(entries);
                    self.below.push((name.to_owned(), Below::One(table)));
                }
                Written::List(items) => {
                    let mut comments = comments.clone();
                    let tables = items.into_iter().filter_map(|item| {
                        let mut own = std::mem::take(&mut comments);
                        let item = match item {
                            Written::Noted(inner, more) => {
                                own.before.extend(more.before);
                                own.before.extend(more.behind);
                                *inner
                            }
                            item => item,
                        };
                        match item {
                            Written::Object(entries) => Some(Table::commented(&own).filled(entries)),
                            _ => None,
                        }
                    });
                    self.below.push((name.to_owned(), Below::Many(tables.collect())));
                }
                _ => {}
            }
            return;
        }
        self.lines.push(Line { comments: comments.clone(), key: name.to_owned(), value });
    }

    /// Adds a key without comments.
    pub(super) fn put(&mut self, name: &str, value: Written) {
        self.set(name, value, &Comments::default());
    }

    /// What a key has on a line of its own.
    pub(super) fn value(&self, name: &str) -> Option<&Written> {
        self.lines.iter().find(|line| line.key == name).map(|line| &line.value)
    }

    fn filled(mut self, entries: Vec<(String, Written)>) -> Table {
        for (name, value) in entries {
            self.put(&name, value);
        }
        self
    }

    /// Adds a table below.
    pub(super) fn child(&mut self, name: &str, table: Table) {
        self.below.push((name.to_owned(), Below::One(table)));
    }

    /// Adds several tables below, as a list.
    pub(super) fn children(&mut self, name: &str, tables: Vec<Table>) {
        self.below.push((name.to_owned(), Below::Many(tables)));
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.below.is_empty()
    }

    fn render(&self, path: &[&str], open: &str, close: &str, text: &mut String) {
        // A table that only holds others needs no line of its own.
        let header = open == "[[" || !self.lines.is_empty() || self.below.is_empty();
        if header || !self.comments.is_empty() {
            if !text.is_empty() && !text.ends_with("\n\n") {
                text.push('\n');
            }
            comment_lines(&self.comments, text);
        }
        if header && !path.is_empty() {
            let path: Vec<String> = path.iter().map(|name| key(name)).collect();
            text.push_str(&format!("{open}{}{close}\n", path.join(".")));
        }
        for line in &self.lines {
            comment_lines(&line.comments.before, text);
            let name = key(&line.key);
            let value = line.value.value(name.chars().count());
            let behind = match &line.comments.behind {
                Some(comment) => format!("    {}", comment_line(comment)),
                None => String::new(),
            };
            text.push_str(&format!("{name} = {value}{behind}\n"));
        }
        for (name, below) in &self.below {
            let path: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            match below {
                Below::One(table) => table.render(&path, "[", "]", text),
                Below::Many(tables) => tables.iter().for_each(|table| table.render(&path, "[[", "]]", text)),
            }
        }
        comment_lines(&self.closing, text);
    }
}

fn comment_lines(comments: &[String], text: &mut String) {
    for comment in comments {
        text.push_str(&comment_line(comment));
        text.push('\n');
    }
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct Document {
    tables: Vec<(Vec<String>, bool, Table)>,
    /// Comments at its beginning.
    pub(super) opening: Vec<String>,
    /// Comments at its end.
    pub(super) closing: Vec<String>,
}

impl Document {
    /// Adds a table at a path.
    pub(super) fn add(&mut self, path: &[&str], table: Table) {
        self.tables.push((path.iter().map(|name| (*name).to_owned()).collect(), false, table));
    }

    /// Adds an element of a list of tables.
    pub(super) fn append(&mut self, path: &[&str], table: Table) {
        self.tables.push((path.iter().map(|name| (*name).to_owned()).collect(), true, table));
    }

    /// Whether nothing is in it but comments.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The text of it.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        comment_lines(&self.opening, &mut text);
        for (path, many, table) in &self.tables {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let (open, close) = if *many { ("[[", "]]") } else { ("[", "]") };
            table.render(&path, open, close, &mut text);
        }
        if !self.closing.is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            comment_lines(&self.closing, &mut text);
        }
        text
    }
}
