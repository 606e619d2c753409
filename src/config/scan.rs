//! A first look at the text of a file, before the parser sees it.
//!
//! It finds what the parser must not be given (nesting so deep that dropping the tree would
//! overflow the stack), what the parser accepts and the format does not (TOML 1.1), and where
//! statements begin and end, which tells errors from their echoes.

use std::ops::Range;

/// How deeply brackets and dotted keys may be nested in one statement.
pub(super) const MAX_DEPTH: usize = 100;

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `[table]`
    Table,
    /// `[[array]]`
    Array,
    /// `key = value`
    Value,
}

/// A header or a key with its value.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) kind: Kind,
    /// The whole, without the newline.
    pub(super) range: Range<usize>,
    /// The key, dots and quotes included.
    pub(super) key: Range<usize>,
    /// The first bracket or quote that is never closed.
    pub(super) unclosed: Option<usize>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) statements: Vec<Statement>,
    /// Where the nesting became too deep.
    pub(super) too_deep: Option<usize>,
    /// TOML 1.1 in use: where, and what.
    pub(super) newer: Vec<(Range<usize>, &'static str)>,
}

/// Looks through a text. Statements are needed only where there are errors to be told from echoes.
pub(super) fn scan(text: &str, statements: bool) -> Scan {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut scanner = Scanner { bytes: text.as_bytes(), at: mark, statements, found: Scan::default() };
    while let Some(byte) = scanner.peek() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => scanner.at += 1,
            b'#' => scanner.skip_line(),
            _ => scanner.statement(),
        }
        if scanner.found.too_deep.is_some() {
            break;
        }
    }
    scanner.found
}

struct Scanner<'t> {
    bytes: &'t [u8],
    at: usize,
    statements: bool,
    found: Scan,
}

/// An open bracket.
struct Frame {
    open: usize,
    inline_table: bool,
    dots: usize,
    newline_reported: bool,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn looking_at(&self, what: &[u8]) -> bool {
        self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(what))
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    fn statement(&mut self) {
        let start = self.at;
        let kind = match (self.looking_at(b"[["), self.looking_at(b"[")) {
            (true, _) => Kind::Array,
            (_, true) => Kind::Table,
            _ => Kind::Value,
        };
        self.at += match kind {
            Kind::Array => 2,
            Kind::Table => 1,
            Kind::Value => 0,
        };
        let key_start = self.at;
        let mut dots = 0;
        let mut closed = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => break,
                b'=' if kind == Kind::Value => break,
                b']' if kind != Kind::Value => {
                    closed = true;
                    break;
                }
                b'"' | b'\'' => {
                    self.string(byte);
                    continue;
                }
                b'.' => dots += 1,
                _ => {}
            }
            self.at += 1;
        }
        let key = key_start..self.at;
        if dots > MAX_DEPTH {
            self.found.too_deep = Some(start);
        }
        let mut unclosed = None;
        if kind == Kind::Value {
            if self.peek() == Some(b'=') {
                self.at += 1;
                unclosed = self.value(dots);
            }
        } else {
            self.skip_line();
            if !closed {
                unclosed = Some(start);
            }
        }
        if self.statements {
            self.found.statements.push(Statement { kind, range: start..self.at, key, unclosed });
        }
    }

    /// Goes to the end of a value; returns the first bracket or quote that stays open.
    fn value(&mut self, key_dots: usize) -> Option<usize> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut depth = key_dots;
        let mut after_comma = false;
        while let Some(byte) = self.peek() {
            let mut significant = true;
            match byte {
                b'"' | b'\'' => {
                    let start = self.at;
                    let triple = self.looking_at(&[byte; 3]);
                    if !self.string(byte) && triple {
                        return Some(frames.first().map_or(start, |frame| frame.open));
                    }
                    after_comma = false;
                    continue;
                }
                b'#' => {
                    let start = self.at;
                    self.skip_line();
                    if frames.last().is_some_and(|frame| frame.inline_table) {
                        self.found.newer.push((start..self.at, "comments in inline tables"));
                    }
                    continue;
                }
                b'\n' => {
                    match frames.last_mut() {
                        None => return None,
                        Some(frame) if frame.inline_table && !frame.newline_reported => {
                            frame.newline_reported = true;
                            self.found.newer.push((frame.open..frame.open + 1, "inline tables over several lines"));
                        }
                        Some(_) => {}
                    }
                    significant = false;
                }
                b' ' | b'\t' | b'\r' => significant = false,
                b'[' | b'{' => {
                    frames.push(Frame { open: self.at, inline_table: byte == b'{', dots: 0, newline_reported: false });
                    depth += 1;
                }
                b']' | b'}' => {
                    if let Some(frame) = frames.pop() {
                        depth -= frame.dots + 1;
                        if frame.inline_table && after_comma {
                            self.found.newer.push((self.at..self.at + 1, "a comma at the end of an inline table"));
                        }
                    }
                }
                b'.' => {
                    if let Some(frame) = frames.last_mut() {
                        frame.dots += 1;
                        depth += 1;
                    }
                }
                b',' => {
                    if let Some(frame) = frames.last_mut() {
                        depth -= frame.dots;
                        frame.dots = 0;
                    }
                }
                _ => {}
            }
            if depth > MAX_DEPTH {
                self.found.too_deep = Some(self.at);
                return None;
            }
            if significant {
                after_comma = byte == b',';
            }
            self.at += 1;
        }
        frames.first().map(|frame| frame.open)
    }

    /// Skips a string; `false` when it is never closed.
    fn string(&mut self, quote: u8) -> bool {
        let triple = [quote; 3];
        let long = self.looking_at(&triple);
        self.at += if long { 3 } else { 1 };
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' if quote == b'"' => {
                    let what = match self.bytes.get(self.at + 1) {
                        Some(b'e') => Some("the escape `\\e`"),
                        Some(b'x') => Some("the escape `\\xHH`"),
                        _ => None,
                    };
                    if let Some(what) = what {
                        self.found.newer.push((self.at..self.at + 2, what));
                    }
                    self.at += if !long && self.bytes.get(self.at + 1) == Some(&b'\n') { 1 } else { 2 };
                    continue;
                }
                b'\n' if !long => return false,
                _ if byte == quote && !long => {
                    self.at += 1;
                    return true;
                }
                _ if byte == quote && self.looking_at(&triple) => {
                    self.at += 3;
                    // Up to two quotes may stand right before the closing three.
                    while self.peek() == Some(quote) {
                        self.at += 1;
                    }
                    return true;
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.bytes.len());
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        scan(text, true).statements.iter().map(|statement| text[statement.range.clone()].to_owned()).collect()
    }

    #[test]
    fn statements_end_where_their_values_end() {
        let text = "# c\n[a.\"b]\"] # x\nk = [1, # y ]\n 2]\n\ns = \"\"\"\n[no]\n\"\"\"\"\nt = 'x # y'\n[[z]]\n";
        assert_eq!(
            texts(text),
            ["[a.\"b]\"] # x", "k = [1, # y ]\n 2]", "s = \"\"\"\n[no]\n\"\"\"\"", "t = 'x # y'", "[[z]]"]
        );
    }

    #[test]
    fn newer_syntax_is_found() {
        let found = |text: &str| scan(text, true).newer.len();
        assert_eq!(found("a = {x = 1, y = [\n1,\n]}\nb = \"\\\\e\"\nc = '\\e'\nd = [{a = 1},]"), 0);
        assert_eq!(found("a = {x = 1,\n y = 2}"), 1);
        assert_eq!(found("a = {x = 1, }"), 1);
        assert_eq!(found("a = \"\\e\\x41\""), 2);
        assert_eq!(found("a = { # c\n}"), 2);
    }

    #[test]
    fn depth_is_limited() {
        let deep = |text: String| scan(&text, false).too_deep.is_some();
        assert!(deep(format!("a = {}", "[".repeat(20_000))));
        assert!(deep(format!("a{} = 1", ".a".repeat(20_000))));
        assert!(deep(format!("[a{}]", ".a".repeat(20_000))));
        assert!(deep(format!("a = {}", "{a.a.a = ".repeat(40))));
        assert!(!deep(format!("a = [{}]", "1.5, ".repeat(1_000))));
        assert!(!deep(format!("a = {}1{}", "[".repeat(70), "]".repeat(70))));
    }

    #[test]
    fn what_stays_open_is_known() {
        let open = |text: &str| scan(text, true).statements.iter().find_map(|statement| statement.unclosed);
        assert_eq!(open("a = [1, 2\nb = 3\n"), Some(4));
        assert_eq!(open("[x\na = 1"), Some(0));
        assert_eq!(open("a = \"\"\"x\nb = 1"), Some(4));
        assert_eq!(open("a = 1\n[b]\n"), None);
    }
}
