//! Values: what is written out becomes TOML, everything else stays an expression.

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, Object, ObjectKey, UnaryOperator};
use hcl_edit::template::{Element, HeredocTemplate, StringTemplate, Strip, Template};
use hcl_edit::visit::Visit as _;

use super::Converter;
use crate::diagnostic::Diagnostic;
use crate::migrate::codes;
use crate::migrate::json::{Data, Json};
use crate::migrate::native::comments;
use crate::migrate::rewrite;
use crate::migrate::source::{Comments, Place, Text, Value};
use crate::migrate::written::{Written, escaped, in_quotes};

impl Converter<'_> {
    /// A value, to be written.
    pub(in crate::migrate) fn value(&mut self, value: &Value) -> Written {
        match value {
            Value::Native(expression, text) => self.native(expression, text),
            Value::Json(json) => self.json(json),
        }
    }

    /// A value as an expression.
    pub(super) fn expression(&mut self, value: &Value) -> String {
        match value {
            Value::Native(expression, text) => self.source(expression, text),
            Value::Json(json) => self.json_expression(json),
        }
    }

    fn source(&mut self, expression: &Expression, text: &Text) -> String {
        rewrite::expression(expression, text, self.around.context(self.providers), &mut self.findings)
    }

    fn native(&mut self, expression: &Expression, text: &Text) -> Written {
        match expression {
            Expression::Null(_) => Written::Null,
            Expression::Bool(value) => Written::Literal(value.value().to_string()),
            Expression::Number(_) => self.number(text.get(expression.span()).trim().to_owned()),
            Expression::UnaryOp(operation)
                if *operation.operator.value() == UnaryOperator::Neg
                    && matches!(operation.expr, Expression::Number(_)) =>
            {
                self.number(text.get(expression.span()).replace(' ', ""))
            }
            Expression::String(value) => Written::plain(value.value()),
            Expression::StringTemplate(template) => self.quoted(template, expression, text),
            Expression::HeredocTemplate(template) => self.heredoc(template, expression, text),
            Expression::Array(items) => {
                let spans = items.iter().map(|item| item.span().unwrap_or_default()).collect::<Vec<_>>();
                let values: Vec<Written> = items.iter().map(|item| self.native(item, text)).collect();
                let whole = expression.span().unwrap_or_default();
                Written::List(noted(values, &spans, &spans, whole, text))
            }
            Expression::Object(object) => self.object(object, expression.span().unwrap_or_default(), text),
            other => self.native_expression(other, text),
        }
    }

    /// A number where TOML has it, else an expression.
    fn number(&self, written: String) -> Written {
        let digits = written.strip_prefix('-').unwrap_or(&written);
        let (whole, _) = digits.split_once(['.', 'e', 'E']).unwrap_or((digits, ""));
        let sound = (whole == "0" || !whole.starts_with('0'))
            && toml::from_str::<toml::Table>(&format!("a = {written}")).is_ok();
        if sound { Written::Literal(written) } else { Written::Expression(written) }
    }

    fn quoted(&mut self, template: &StringTemplate, expression: &Expression, text: &Text) -> Written {
        let elements: Vec<&Element> = template.iter().collect();
        if let [Element::Interpolation(interpolation)] = elements.as_slice()
            && interpolation.strip == Strip::None
        {
            // It keeps the type of its value, and so it does in a stack.
            return self.native_expression(&interpolation.expr, text);
        }
        let plain = elements.iter().all(|element| match element {
            Element::Literal(_) => true,
            Element::Interpolation(interpolation) => interpolation.strip == Strip::None,
            // White space and escapes of what is in quotes are others than those of a template of TOML.
            Element::Directive(_) => false,
        });
        if !plain {
            return Written::Expression(self.source(expression, text));
        }
        let mut content = String::new();
        for element in elements {
            match element {
                Element::Literal(literal) => content.push_str(&escaped(literal.value())),
                other => content.push_str(&self.element(other, text)),
            }
        }
        Written::Text(content)
    }

    /// An expression that stays one, also where it could be written out.
    fn native_expression(&mut self, expression: &Expression, text: &Text) -> Written {
        let source = self.source(expression, text);
        // A text came of a name, such as "." of `path.module`.
        match source.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inside) if !inside.contains(['"', '\\', '$', '%']) => Written::Text(inside.to_owned()),
            _ => Written::Expression(source),
        }
    }

    fn element(&mut self, element: &Element, text: &Text) -> String {
        rewrite::part(element.span(), text, self.around.context(self.providers), &mut self.findings, |rewriter| {
            rewriter.visit_element(element);
        })
    }

    /// The text of a heredoc: its lines are those of a template of TOML.
    fn heredoc(&mut self, template: &HeredocTemplate, expression: &Expression, text: &Text) -> Written {
        let source = text.get(expression.span());
        let whole = |this: &mut Self| Written::Expression(format!("{}\n", this.source(expression, text)));
        if source.starts_with("<<-") {
            let literals: Vec<&str> = template
                .template
                .iter()
                .filter_map(|element| element.as_literal())
                .map(|literal| text.get(literal.span()))
                .collect();
            let simple = literals.len() == template.template.len();
            if !simple {
                return self.indented(template, expression, text);
            }
            return Written::Text(dedented(&literals.concat()));
        }
        let range = template.template.iter().fold(None, |range: Option<std::ops::Range<usize>>, element| {
            let span = element.span()?;
            Some(range.map_or(span.clone(), |range| range.start..span.end))
        });
        if template.template.is_empty() {
            return Written::Text(String::new());
        }
        if range.is_none() {
            return whole(self);
        }
        Written::Text(rewrite::part(range, text, self.around.context(self.providers), &mut self.findings, |rewriter| {
            rewriter.visit_template(&template.template);
        }))
    }

    /// A heredoc that is moved to the left, with interpolations in it.
    fn indented(&mut self, template: &HeredocTemplate, expression: &Expression, text: &Text) -> Written {
        let mut pieces: Vec<(bool, String)> = Vec::new();
        for element in template.template.iter() {
            match element {
                Element::Literal(literal) => pieces.push((true, text.get(literal.span()).to_owned())),
                Element::Interpolation(interpolation) if interpolation.strip == Strip::None => {
                    pieces.push((false, self.element(element, text)));
                }
                // What directives and markers strip is decided before the text is moved.
                _ => return Written::Expression(format!("{}\n", self.source(expression, text))),
            }
        }
        let mut starts = Vec::new();
        let mut at_start = true;
        for (is_literal, piece) in &pieces {
            if !is_literal {
                if std::mem::take(&mut at_start) {
                    starts.push(0);
                }
                continue;
            }
            for line in piece.split_inclusive('\n') {
                if std::mem::take(&mut at_start) {
                    starts.extend(indentation(line));
                }
                at_start = line.ends_with('\n');
            }
        }
        let smallest = starts.into_iter().min().unwrap_or(0);
        let mut content = String::new();
        let mut at_start = true;
        for (is_literal, piece) in pieces {
            if !is_literal {
                at_start = false;
                content.push_str(&piece);
                continue;
            }
            for line in piece.split_inclusive('\n') {
                content.push_str(if std::mem::take(&mut at_start) { moved(line, smallest) } else { line });
                at_start = line.ends_with('\n');
            }
        }
        Written::Text(content)
    }

    fn object(&mut self, object: &Object, whole: Range<usize>, text: &Text) -> Written {
        let mut entries: Vec<(String, Written)> = Vec::with_capacity(object.len());
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        for (key, value) in object {
            let name = match key {
                ObjectKey::Ident(name) => name.value().to_string(),
                ObjectKey::Expression(expression) => match self.native(expression, text) {
                    Written::Text(text) => text,
                    Written::Literal(literal) => literal,
                    Written::Expression(expression) => {
                        let bare = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                        format!("${{{}}}", bare.unwrap_or(&expression))
                    }
                    Written::Null => "null".to_owned(),
                    Written::List(_) | Written::Object(_) | Written::Noted(..) => {
                        let span = text.span(expression.span());
                        self.findings.refuse(span, "this is no key", "a key is a text");
                        continue;
                    }
                },
            };
            starts.push(key_span(key).unwrap_or_default());
            ends.push(value.expr().span().unwrap_or_default());
            let value = self.native(value.expr(), text);
            entries.push((name, value));
        }
        let (names, values): (Vec<String>, Vec<Written>) = entries.into_iter().unzip();
        let values = noted(values, &starts, &ends, whole, text);
        let mut entries: Vec<(String, Written)> = Vec::with_capacity(values.len());
        for (name, value) in names.into_iter().zip(values) {
            // What is written twice is an error in TOML; the last one counts.
            entries.retain(|(known, _)| *known != name);
            entries.push((name, value));
        }
        Written::Object(entries)
    }

    fn json(&mut self, json: &Json) -> Written {
        match &json.data {
            Data::Null => Written::Null,
            Data::Bool(value) => Written::Literal(value.to_string()),
            Data::Number(number) => self.number(number.clone()),
            Data::String(content) => self.json_text(content, json),
            Data::Array(items) => Written::List(items.iter().map(|item| self.json(item)).collect()),
            Data::Object(entries) => {
                let mut written: Vec<(String, Written)> = Vec::with_capacity(entries.len());
                for (name, value) in entries {
                    if name == "//" {
                        // It is a comment in a block, and a key in a map; which of the two this is, only a schema says.
                        let hint = "in a map it is a key: write it there";
                        self.findings.differs(json.span, "`//` is left out, as a comment", hint);
                        continue;
                    }
                    let name = match self.json_text(name, json) {
                        Written::Expression(expression) => format!("${{{expression}}}"),
                        Written::Text(text) => text,
                        _ => continue,
                    };
                    let value = self.json(value);
                    written.retain(|(known, _)| *known != name);
                    written.push((name, value));
                }
                Written::Object(written)
            }
        }
    }

    /// A string of JSON, which is a template.
    fn json_text(&mut self, content: &str, json: &Json) -> Written {
        let Some((template, text)) = self.json_template(content, json) else {
            return Written::Text(content.to_owned());
        };
        if let Some(Element::Interpolation(interpolation)) = template.as_single_element()
            && interpolation.strip == Strip::None
        {
            return self.native_expression(&interpolation.expr, &text);
        }
        Written::Text(rewrite::part(
            Some(0..content.len()),
            &text,
            self.around.context(self.providers),
            &mut self.findings,
            |rewriter| {
                rewriter.visit_template(&template);
            },
        ))
    }

    /// The template that a string of JSON is; nothing where it is a plain text, or wrong.
    fn json_template(&mut self, content: &str, json: &Json) -> Option<(Template, Text)> {
        if !content.contains("${") && !content.contains("%{") {
            return None;
        }
        match hcl_edit::parser::parse_template(content) {
            Ok(template) => Some((template, Text { text: content.into(), place: Place::Inside(json.span) })),
            Err(error) => {
                let message = format!("this is no template: {}", error.message());
                let hint = "a `${` that is meant as text is written `$${`";
                self.findings.add(Diagnostic::error(codes::SYNTAX, message).at(json.span).hint(hint));
                None
            }
        }
    }

    fn json_expression(&mut self, json: &Json) -> String {
        let written = self.json(json);
        as_expression(&written)
    }
}

fn key_span(key: &ObjectKey) -> Option<Range<usize>> {
    match key {
        ObjectKey::Ident(name) => name.span(),
        ObjectKey::Expression(expression) => expression.span(),
    }
}

/// Parts of a whole with the comments that stand between them: what is on the line of a part is behind it, the
/// rest before the next one.
fn noted(
    parts: Vec<Written>,
    starts: &[Range<usize>],
    ends: &[Range<usize>],
    whole: Range<usize>,
    text: &Text,
) -> Vec<Written> {
    let gap = |from: usize, to: usize| text.get(Some(from..to.max(from)));
    let mut before = comments(gap(whole.start + 1, starts.first().map_or(whole.end, |first| first.start)));
    let mut result = Vec::with_capacity(parts.len());
    for (index, part) in parts.into_iter().enumerate() {
        let end = ends.get(index).map_or(whole.end, |span| span.end);
        let next = starts.get(index + 1).map_or(whole.end.saturating_sub(1), |next| next.start);
        let between = gap(end, next);
        let (line, rest) = between.split_once('\n').unwrap_or((between, ""));
        let mut own = Comments { before: std::mem::take(&mut before), behind: comments(line).pop() };
        before = comments(rest);
        // What stands behind the last one is put before it.
        if index + 1 == starts.len() {
            own.before.append(&mut before);
        }
        result.push(match own == Comments::default() {
            true => part,
            false => Written::Noted(Box::new(part), own),
        });
    }
    result
}

/// What is written, as an expression.
pub(super) fn as_expression(written: &Written) -> String {
    match written {
        Written::Noted(inner, _) => as_expression(inner),
        Written::Null => "null".to_owned(),
        Written::Literal(text) | Written::Expression(text) => text.clone(),
        Written::Text(template) => in_quotes(template),
        Written::List(items) => format!("[{}]", items.iter().map(as_expression).collect::<Vec<_>>().join(", ")),
        Written::Object(entries) => {
            let entries =
                entries.iter().map(|(name, value)| format!("{} = {}", object_key(name), as_expression(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A key of an object in an expression.
pub(super) fn object_key(name: &str) -> String {
    if crate::address::is_identifier(name) { name.to_owned() } else { in_quotes(name) }
}

/// How far a line is moved to the right; nothing for a blank one, which does not count.
fn indentation(line: &str) -> Option<usize> {
    let content = line.trim_start();
    (!content.is_empty() || !line.ends_with('\n')).then(|| line.chars().count() - content.chars().count())
}

/// A line without so many characters of indentation; a blank one stays.
fn moved(line: &str, by: usize) -> &str {
    match indentation(line) {
        None => line,
        Some(_) => line.char_indices().nth(by).and_then(|(at, _)| line.get(at..)).unwrap_or(""),
    }
}

/// Lines moved to the left by what all of them are moved to the right.
fn dedented(text: &str) -> String {
    let smallest = text.split_inclusive('\n').filter_map(indentation).min().unwrap_or(0);
    text.split_inclusive('\n').map(|line| moved(line, smallest)).collect()
}
