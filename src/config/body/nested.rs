//! Nested blocks and nested attributes: single, group, list, set, map.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{NestedBlock, Nesting, Type, Value};

use super::part::{Opened, Part};
use super::{Content, Shaper, article};
use crate::config::codes;
use crate::span::Span;

impl Shaper<'_> {
    /// A nested block; what is absent is empty, null, or an object of nulls.
    pub(super) fn nested_block(
        &mut self,
        name: &str,
        nested: &NestedBlock,
        given: Option<(Span, Part<'_>)>,
        span: Span,
    ) -> Value {
        let content = Content::of_block(&nested.block);
        let place = given.as_ref().map_or(span, |(key_span, _)| *key_span);
        let value = given.and_then(|(_, part)| self.nested(name, nested.nesting, &content, part, true));
        let value = value.unwrap_or_else(|| empty(nested));
        self.count(name, nested, &value, place);
        value
    }

    /// The value of what is given; `None` for null.
    pub(super) fn nested(
        &mut self,
        name: &str,
        nesting: Nesting,
        content: &Content<'_>,
        part: Part<'_>,
        is_block: bool,
    ) -> Option<Value> {
        let span = part.span();
        let (opened, marks) = self.open(part);
        let one = content.value_type();
        let unknown = || Some(Value::unknown(whole_type(nesting, &one, is_block)).with_marks(marks));
        let value = match (nesting, opened) {
            (_, Opened::Null) => return None,
            (_, Opened::Unknown | Opened::Wrong) => return unknown(),
            (_, Opened::Other(value)) => {
                let wanted = if nesting == Nesting::Map { "a table of tables" } else { "a table" };
                let found = article(&value.kind().friendly_name());
                self.error(codes::TYPE_MISMATCH, format!("`{name}` takes {wanted}, and this is {found}"), span);
                return unknown();
            }
            (Nesting::Single | Nesting::Group, Opened::Table(entries)) => self.table(entries, content, span),
            (Nesting::Single | Nesting::Group, Opened::List(items)) => {
                let count = items.len();
                let mut items = items.into_iter();
                match (items.next(), count) {
                    (None, _) => return None,
                    (Some(item), 1) => self.block(item, content, span),
                    _ => {
                        self.error(codes::BLOCK_COUNT, format!("there is one `{name}` at most, not {count}"), span);
                        return unknown();
                    }
                }
            }
            (Nesting::List | Nesting::Set, Opened::Table(entries)) => {
                let item = self.table(entries, content, span);
                collect(nesting, one, vec![item], is_block)
            }
            (Nesting::List | Nesting::Set, Opened::List(items)) => {
                let items = items.into_iter().map(|item| self.item(name, item, content)).collect();
                collect(nesting, one, items, is_block)
            }
            (Nesting::Map, Opened::Table(entries)) => {
                let mut values: BTreeMap<Arc<str>, Value> = BTreeMap::new();
                for (key, _, item) in entries {
                    values.insert(key, self.item(name, item, content));
                }
                if is_block && one.has_dynamic() { Value::object(values) } else { Value::map(one, values) }
            }
            (Nesting::Map, Opened::List(_)) => {
                self.error(codes::TYPE_MISMATCH, format!("`{name}` takes a table of tables, and this is a list"), span);
                return unknown();
            }
        };
        Some(value.with_marks(marks))
    }

    /// One of several; none of them is null.
    fn item(&mut self, name: &str, part: Part<'_>, content: &Content<'_>) -> Value {
        let span = part.span();
        let value = self.block(part, content, span);
        if value.is_null() {
            self.error(codes::TYPE_MISMATCH, format!("`{name}` takes tables, and one of these is null"), span);
        }
        value
    }

    fn count(&mut self, name: &str, nested: &NestedBlock, value: &Value, span: Span) {
        if !value.is_known() {
            return;
        }
        let count = match (value.as_items(), value.as_entries(), nested.nesting) {
            (Some(items), _, _) => items.len(),
            (_, Some(entries), Nesting::Map) => entries.len(),
            (_, Some(_), _) => 1,
            _ => 0,
        };
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let (least, most) = (nested.minimum, nested.maximum);
        if count < least {
            let message = match (least, count) {
                (1, _) => format!("the block `{name}` is required"),
                _ => format!("there are at least {least} `{name}`, not {count}"),
            };
            self.error(codes::BLOCK_COUNT, message, span);
        } else if most != 0 && count > most {
            self.error(codes::BLOCK_COUNT, format!("there are at most {most} `{name}`, not {count}"), span);
        }
    }
}

/// What an absent block is.
fn empty(nested: &NestedBlock) -> Value {
    let content = Content::of_block(&nested.block);
    let one = content.value_type();
    match nested.nesting {
        Nesting::Single => Value::null(one),
        Nesting::Group => nulls(&nested.block),
        nesting @ (Nesting::List | Nesting::Set) => collect(nesting, one, Vec::new(), true),
        Nesting::Map if one.has_dynamic() => Value::object::<Arc<str>>([]),
        Nesting::Map => Value::map::<Arc<str>>(one, []),
    }
}

/// An object in which nothing is set.
fn nulls(block: &retrue_provider_api::Block) -> Value {
    let attributes = block.attributes.iter().map(|(name, attribute)| (name, Value::null(attribute.value_type())));
    let blocks = block.blocks.iter().map(|(name, nested)| (name, empty(nested)));
    Value::object(attributes.chain(blocks).map(|(name, value)| (Arc::<str>::from(name.as_str()), value)))
}

/// A list, set or tuple. A list of blocks with `dynamic` in them is a tuple: each has its own type.
fn collect(nesting: Nesting, one: Type, items: Vec<Value>, is_block: bool) -> Value {
    match nesting {
        Nesting::Set => Value::set(one, items),
        _ if is_block && one.has_dynamic() => Value::tuple(items),
        _ => Value::list(one, items),
    }
}

fn whole_type(nesting: Nesting, one: &Type, is_block: bool) -> Type {
    match nesting {
        Nesting::List | Nesting::Map if is_block && one.has_dynamic() => Type::Dynamic,
        nesting => nesting.wrap(one.clone()),
    }
}
