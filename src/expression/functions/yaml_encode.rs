//! `yamlencode`, in the style of Terraform: keys and texts quoted, several lines as a block.
//!
//! The rules of when to break, to indent and to quote are those of libyaml's emitter, which all
//! its descendants share; its state (column, white space, indention) is kept under its names.

use retrue_provider_api::{Data, Entries, Value};

use super::specification::{Call, Function, Outcome, Parameter, Returns, Shape};

/// How many spaces one level is.
const STEP: i64 = 2;
/// Where quoted text is broken.
const WIDTH: i64 = 80;
/// Keys that are longer stand on a line of their own.
const LONGEST_KEY: usize = 128;

pub(super) const FUNCTIONS: &[Function] = &[Function::new(
    "yamlencode",
    &[Parameter::any("value").null().unknown().dynamic()],
    Returns::Fixed(Shape::String),
    encode,
)];

fn encode(call: &Call<'_>) -> Outcome {
    let value = call.argument(0)?;
    if !value.is_wholly_known() {
        return Ok(call.unknown());
    }
    let mut emitter =
        Emitter { out: String::new(), column: 0, whitespace: true, indention: true, indent: -1, open_ended: false };
    emitter.node(value, Context::Root);
    emitter.write_indent();
    if emitter.open_ended {
        emitter.out.push_str("...\n");
    }
    Ok(emitter.out.into())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Root,
    Item,
    Mapping,
    SimpleKey,
}

struct Emitter {
    out: String,
    column: i64,
    /// The last thing written is white space.
    whitespace: bool,
    /// Nothing but indentation and indicators stands on this line.
    indention: bool,
    indent: i64,
    /// A plain text at the end of the document needs `...` behind it.
    open_ended: bool,
}

impl Emitter {
    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn write(&mut self, text: &str) {
        text.chars().for_each(|character| self.put(character));
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn write_indent(&mut self) {
        let indent = self.indent.max(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }

    fn indicator(&mut self, text: &str, need_whitespace: bool, is_whitespace: bool, is_indention: bool) {
        if need_whitespace && !self.whitespace {
            self.put(' ');
        }
        self.write(text);
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
        self.open_ended = false;
    }

    /// One level in; returns what to set `indent` back to.
    fn increase_indent(&mut self, flow: bool, indentless: bool) -> i64 {
        let before = self.indent;
        if self.indent < 0 {
            self.indent = if flow { STEP } else { 0 };
        } else if !indentless {
            self.indent += STEP;
        }
        before
    }

    fn node(&mut self, value: &Value, context: Context) {
        match value.data() {
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => self.sequence(items, context),
            Data::Map(_, entries) | Data::Object(entries) => self.mapping(entries),
            Data::String(text) => self.text(text, context),
            Data::Bool(value) => self.plain(if *value { "true" } else { "false" }, context),
            Data::Number(number) => self.plain(&number.to_string(), context),
            Data::Null(_) | Data::Unknown(..) => self.plain("null", context),
        }
    }

    fn sequence(&mut self, items: &[Value], context: Context) {
        if items.is_empty() {
            self.indicator("[", true, true, false);
            self.indicator("]", false, false, false);
            return;
        }
        let indentless = context == Context::Mapping && !self.indention;
        let before = self.increase_indent(false, indentless);
        for item in items {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, Context::Item);
        }
        self.indent = before;
    }

    fn mapping(&mut self, entries: &Entries) {
        if entries.is_empty() {
            self.indicator("{", true, true, false);
            self.indicator("}", false, false, false);
            return;
        }
        let before = self.increase_indent(false, false);
        for (key, value) in entries {
            self.write_indent();
            if key.len() <= LONGEST_KEY && !key.contains(is_break) {
                self.text(key, Context::SimpleKey);
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, true);
                self.text(key, Context::Mapping);
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            self.node(value, Context::Mapping);
        }
        self.indent = before;
    }

    fn plain(&mut self, text: &str, context: Context) {
        if !self.whitespace {
            self.put(' ');
        }
        self.write(text);
        self.whitespace = false;
        self.indention = false;
        self.open_ended = context == Context::Root;
    }

    fn text(&mut self, text: &str, context: Context) {
        let before = self.increase_indent(true, false);
        if context != Context::SimpleKey && text.contains('\n') && block_allowed(text) {
            self.literal(text);
        } else {
            self.double_quoted(text, context != Context::SimpleKey);
        }
        self.indent = before;
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with([' ', '\n', '\u{2028}', '\u{2029}']) {
            self.put('2');
        }
        let mut reversed = text.chars().rev();
        match (reversed.next().is_some_and(is_break), reversed.next().is_none_or(is_break)) {
            (false, _) => self.put('-'),
            (true, true) => self.put('+'),
            (true, false) => {}
        }
        self.put_break();
        self.indention = true;
        self.whitespace = true;
        let mut at_start = true;
        for character in text.chars() {
            if character == '\n' {
                self.put_break();
                self.indention = true;
                at_start = true;
            } else if is_break(character) {
                self.out.push(character);
                self.column = 0;
                self.indention = true;
                at_start = true;
            } else {
                if at_start {
                    self.write_indent();
                }
                self.put(character);
                self.indention = false;
                at_start = false;
            }
        }
    }

    fn double_quoted(&mut self, text: &str, allow_breaks: bool) {
        self.indicator("\"", true, false, false);
        let mut spaces = false;
        let mut rest = text.chars();
        let mut first = true;
        while let Some(character) = rest.next() {
            if let Some(escaped) = escape(character) {
                self.write(&escaped);
                spaces = false;
            } else if character == ' ' {
                let last = rest.as_str().is_empty();
                if allow_breaks && !spaces && self.column > WIDTH && !first && !last {
                    self.write_indent();
                    if rest.as_str().starts_with(' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(character);
                spaces = false;
            }
            first = false;
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && character != '\u{feff}'
}

/// Whether a text can stand as a block, all its characters as they are.
fn block_allowed(text: &str) -> bool {
    let mut previous = '\0';
    for character in text.chars() {
        // A space before a break would be lost on a reader.
        if !is_printable(character) || (previous == ' ' && is_break(character)) {
            return false;
        }
        previous = character;
    }
    previous != ' '
}

fn escape(character: char) -> Option<String> {
    if is_printable(character) && !is_break(character) && character != '"' && character != '\\' {
        return None;
    }
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let code = u32::from(other);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(format!("\\{short}"))
}
