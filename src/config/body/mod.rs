//! From the body of a block to the value that its provider is given.
//!
//! The result has every attribute and nested block of the schema: what is not set is null, or empty.
//! A nested block may be written as a table, as an array of tables, or as one expression.

mod nested;
mod part;

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Attribute, AttributeKind, Block, Data, Entries, Type, Value, convert};

use super::codes;
use crate::address::is_identifier;
use crate::diagnostic::{Diagnostic, sort};
use crate::expression::{Expression, Scope, evaluate, nearest};
use crate::span::Span;
use part::{Opened, Part, locate};

/// Evaluates the body of a block and brings it to the form of a schema: nested blocks in shape, values
/// converted to their types. Marks are kept; unknown values stay unknown, of the right type.
///
/// Call it inside [`with_deep_stack`](crate::expression::with_deep_stack).
///
/// # Errors
/// Everything that is wrong, at its place: expressions that cannot be evaluated, unknown keys, missing
/// or unsettable attributes, values that do not convert, too few or too many blocks.
pub fn evaluate_body(body: &Expression, block: &Block, scope: &dyn Scope) -> Result<Value, Vec<Diagnostic>> {
    let mut shaper = Shaper { scope, diagnostics: Vec::new() };
    let value = shaper.block(Part::Written(body), &Content::of_block(block), body.span());
    if shaper.diagnostics.is_empty() {
        return Ok(value);
    }
    sort(&mut shaper.diagnostics);
    Err(shaper.diagnostics)
}

/// What a block, or a nested attribute, consists of.
struct Content<'b> {
    attributes: &'b BTreeMap<String, Attribute>,
    block: Option<&'b Block>,
}

impl<'b> Content<'b> {
    fn of_block(block: &'b Block) -> Self {
        Content { attributes: &block.attributes, block: Some(block) }
    }

    fn of_attributes(attributes: &'b BTreeMap<String, Attribute>) -> Self {
        Content { attributes, block: None }
    }

    fn names(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        let blocks = self.block.into_iter().flat_map(|block| block.blocks.keys());
        let settable = self.attributes.iter().filter(|(_, attribute)| attribute.settable()).map(|(name, _)| name);
        settable.chain(blocks).map(String::as_str)
    }

    fn value_type(&self) -> Type {
        match self.block {
            Some(block) => block.value_type(),
            None => Type::object(
                self.attributes
                    .iter()
                    .map(|(name, attribute)| (Arc::<str>::from(name.as_str()), attribute.value_type())),
            ),
        }
    }
}

struct Shaper<'s> {
    scope: &'s dyn Scope,
    diagnostics: Vec<Diagnostic>,
}

impl Shaper<'_> {
    /// One block or object. Unknown and null stay so; anything but a table is an error.
    fn block(&mut self, part: Part<'_>, content: &Content<'_>, span: Span) -> Value {
        let (opened, marks) = self.open(part);
        let value = match opened {
            Opened::Table(entries) => self.table(entries, content, span),
            Opened::Unknown => Value::unknown(content.value_type()),
            Opened::Null => Value::null(content.value_type()),
            Opened::Wrong => Value::unknown(content.value_type()),
            Opened::List(_) => self.not_a_table("a list", span, content),
            Opened::Other(value) => self.not_a_table(&value.kind().friendly_name(), span, content),
        };
        value.with_marks(marks)
    }

    fn not_a_table(&mut self, found: &str, span: Span, content: &Content<'_>) -> Value {
        self.error(codes::TYPE_MISMATCH, format!("a table is required, and this is {}", article(found)), span);
        Value::unknown(content.value_type())
    }

    fn table(&mut self, entries: Vec<(Arc<str>, Span, Part<'_>)>, content: &Content<'_>, span: Span) -> Value {
        let mut given: BTreeMap<Arc<str>, (Span, Part<'_>)> = BTreeMap::new();
        for (name, key_span, part) in entries {
            self.known_name(&name, key_span, &part, content);
            given.insert(name, (key_span, part));
        }
        let mut values = Entries::new();
        for (name, attribute) in content.attributes {
            let value = match given.remove(name.as_str()) {
                Some((_, part)) => self.attribute(name, attribute, part),
                None => {
                    if attribute.required {
                        let message = format!("the attribute `{name}` is required");
                        let missing = Diagnostic::error(codes::MISSING_ATTRIBUTE, message).at(span);
                        self.diagnostics.push(missing.hint(needed(name, attribute)));
                    }
                    Value::null(attribute.value_type())
                }
            };
            values.insert(name.as_str().into(), value);
        }
        for (name, nested) in content.block.into_iter().flat_map(|block| &block.blocks) {
            let value = self.nested_block(name, nested, given.remove(name.as_str()), span);
            values.insert(name.as_str().into(), value);
        }
        Value::from(Data::Object(Arc::new(values)))
    }

    /// Reports a key that is not one of the schema, or that only the provider sets. A null sets nothing.
    fn known_name(&mut self, name: &str, span: Span, part: &Part<'_>, content: &Content<'_>) {
        match content.attributes.get(name) {
            Some(attribute) if attribute.settable() || part.is_null() => {}
            Some(_) => self.error(codes::NOT_SETTABLE, format!("`{name}` is set by the provider, not here"), span),
            None if content.block.is_some_and(|block| block.blocks.contains_key(name)) => {}
            None => {
                let diagnostic =
                    Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, format!("there is no attribute `{name}` here"))
                        .at(span);
                self.diagnostics.push(with_known(diagnostic, name, content.names()));
            }
        }
    }

    fn attribute(&mut self, name: &str, attribute: &Attribute, part: Part<'_>) -> Value {
        let span = part.span();
        let value = match &attribute.kind {
            AttributeKind::Value(kind) => self.plain(name, kind, part),
            AttributeKind::Nested(nesting, attributes) => {
                let content = Content::of_attributes(attributes);
                self.nested(name, *nesting, &content, part, false)
                    .unwrap_or_else(|| Value::null(attribute.value_type()))
            }
        };
        if attribute.required && value.is_null() {
            self.error(codes::MISSING_ATTRIBUTE, format!("the attribute `{name}` is required, and this is null"), span);
        }
        value
    }

    /// An attribute of a plain type.
    fn plain(&mut self, name: &str, kind: &Type, part: Part<'_>) -> Value {
        let span = part.span();
        let written = part.written();
        if let Some(expression) = written {
            self.known_keys(expression, kind);
        }
        let Some(value) = self.value(part) else { return Value::unknown(kind.clone()) };
        let value = if is_block_like(kind) { fill(value, kind) } else { value };
        convert(&value, kind).unwrap_or_else(|error| {
            let culprits = self.diagnostics.len();
            if let Some(expression) = written {
                self.blame(name, expression, kind);
            }
            if self.diagnostics.len() == culprits {
                let culprit = written.and_then(|expression| locate(expression, &error.path));
                let at = culprit.map_or(span, Expression::span);
                let path = format!("{name}{}", suffix(&error.path.to_string()));
                self.mismatch(&path, &error.message, at, None);
            }
            Value::unknown(kind.clone())
        })
    }

    /// Finds the parts of what is written out that do not convert, and reports those instead of the whole.
    fn blame(&mut self, path: &str, expression: &Expression, kind: &Type) {
        let parts: Vec<(String, &Expression, &Type)> = match kind {
            Type::Map(element) => {
                named_parts(expression).map(|(name, value)| (name, value, element.as_ref())).collect()
            }
            Type::Object(object) => named_parts(expression)
                .filter_map(|(name, value)| object.attributes.get(name.as_str()).map(|kind| (name, value, kind)))
                .collect(),
            Type::List(element) | Type::Set(element) => {
                let items = expression.as_list().unwrap_or_default().iter().enumerate();
                items.map(|(index, item)| (index.to_string(), item, element.as_ref())).collect()
            }
            _ => return,
        };
        for (step, part, kind) in parts {
            let Ok(value) = evaluate(part, self.scope) else { continue };
            let value = if is_block_like(kind) { fill(value, kind) } else { value };
            let Err(error) = convert(&value, kind) else { continue };
            let path = match kind_of_step(&step, expression) {
                Step::Index => format!("{path}[{step}]"),
                Step::Name => format!("{path}.{step}"),
                Step::Key => format!("{path}[{:?}]", step),
            };
            let before = self.diagnostics.len();
            self.blame(&path, part, kind);
            if self.diagnostics.len() == before {
                let culprit = locate(part, &error.path).unwrap_or(part);
                let path = format!("{path}{}", suffix(&error.path.to_string()));
                let quoted = dotted_key(culprit).map(|rest| format!("{step}.{rest}"));
                self.mismatch(&path, &error.message, culprit.span(), quoted);
            }
        }
    }

    fn mismatch(&mut self, path: &str, message: &str, span: Span, dotted_key: Option<String>) {
        let diagnostic = Diagnostic::error(codes::TYPE_MISMATCH, format!("`{path}`: {message}")).at(span);
        self.diagnostics.push(match dotted_key {
            Some(key) => diagnostic.hint(format!("a key with dots makes tables; quote it: \"{key}\" = …")),
            None => diagnostic,
        });
    }

    /// Reports keys of tables that are written out and that an object type does not have; a conversion
    /// would drop them without a word.
    fn known_keys(&mut self, expression: &Expression, kind: &Type) {
        match kind {
            Type::Object(object) => {
                for (key, value) in expression.as_table().unwrap_or_default() {
                    let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
                    match object.attributes.get(name) {
                        Some(kind) => self.known_keys(value, kind),
                        None => {
                            let message = format!("there is no attribute `{name}` here");
                            let diagnostic = Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, message).at(key.span());
                            let known = object.attributes.keys().map(AsRef::as_ref);
                            self.diagnostics.push(with_known(diagnostic, name, known));
                        }
                    }
                }
            }
            Type::Map(element) => {
                for (_, value) in expression.as_table().unwrap_or_default() {
                    self.known_keys(value, element);
                }
            }
            Type::List(element) | Type::Set(element) => match expression.as_list() {
                Some(items) => items.iter().for_each(|item| self.known_keys(item, element)),
                None => self.known_keys(expression, element),
            },
            _ => {}
        }
    }

    fn error(&mut self, code: &'static str, message: String, span: Span) {
        self.diagnostics.push(Diagnostic::error(code, message).at(span));
    }
}

/// How to give an attribute that is missing.
fn needed(name: &str, attribute: &Attribute) -> String {
    let text = attribute.documentation.trim_end_matches('.');
    if text.is_empty() { format!("write `{name} = …`") } else { format!("write `{name} = …`: {text}") }
}

/// Whether users write values of the type as blocks, with only the attributes that matter to them.
fn is_block_like(kind: &Type) -> bool {
    matches!(kind, Type::List(element) | Type::Set(element) if matches!(element.as_ref(), Type::Object(_)))
}

/// Brings what is written like a block to the form of a list or set of objects: one object becomes a
/// list of it, and attributes that are left out become null.
fn fill(value: Value, kind: &Type) -> Value {
    let (value, marks) = value.unmark();
    let filled = match (kind, value.data()) {
        (Type::List(element) | Type::Set(element), Data::Object(_) | Data::Map(..))
            if matches!(element.as_ref(), Type::Object(_)) =>
        {
            Value::tuple([fill(value, element)])
        }
        (Type::List(element) | Type::Set(element), Data::Tuple(items) | Data::List(_, items) | Data::Set(_, items)) => {
            Value::tuple(items.iter().map(|item| fill(item.clone(), element)).collect::<Vec<_>>())
        }
        (Type::Object(object), Data::Object(entries) | Data::Map(_, entries)) => {
            Value::object(object.attributes.iter().map(|(name, kind)| {
                let value = entries.get(name).map(|value| fill(value.clone(), kind));
                (Arc::clone(name), value.unwrap_or_else(|| Value::null(kind.clone())))
            }))
        }
        _ => value,
    };
    filled.with_marks(marks)
}

/// The entries of a table that is written out, with names that are.
fn named_parts(expression: &Expression) -> impl Iterator<Item = (String, &Expression)> {
    let entries = expression.as_table().unwrap_or_default().iter();
    entries.filter_map(|(key, value)| Some((key.as_literal()?.as_str()?.to_owned(), value)))
}

/// How a step is shown in a path.
enum Step {
    Index,
    Name,
    Key,
}

fn kind_of_step(step: &str, parent: &Expression) -> Step {
    match (parent.as_list(), is_identifier(step)) {
        (Some(_), _) => Step::Index,
        (None, true) => Step::Name,
        (None, false) => Step::Key,
    }
}

/// The rest of a path, to be put behind a name.
fn suffix(path: &str) -> String {
    if path.is_empty() || path.starts_with('[') { path.to_owned() } else { format!(".{path}") }
}

/// The dotted key that probably made a table where a plain value is wanted; the first of several that
/// begin alike.
fn dotted_key(expression: &Expression) -> Option<String> {
    let mut steps = Vec::new();
    let mut current = expression;
    while let Some((key, value)) = current.as_table().and_then(|entries| entries.first()) {
        steps.push(key.as_literal()?.as_str()?.to_owned());
        current = value;
    }
    (!steps.is_empty()).then(|| steps.join("."))
}

fn with_known<'n>(diagnostic: Diagnostic, name: &str, known: impl Iterator<Item = &'n str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return diagnostic.hint(format!("did you mean `{near}`?"));
    }
    if known.is_empty() || known.len() > 16 {
        return diagnostic;
    }
    let known: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    diagnostic.hint(format!("known here: {}", known.join(", ")))
}

fn article(noun: &str) -> String {
    let vowel = noun.starts_with(['a', 'e', 'i', 'o', 'u']);
    match noun.starts_with("a ") {
        true => noun.to_owned(),
        false => format!("{} {noun}", if vowel { "an" } else { "a" }),
    }
}

#[cfg(test)]
mod tests;
