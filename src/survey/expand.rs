//! From a block to its instances: `count`, `for_each` and `enabled`.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Type, Value, convert};

use crate::address::InstanceKey;
use crate::config::{Repetition, ResourceBlock};
use crate::diagnostic::Diagnostic;
use crate::expression::evaluate;
use crate::plan::codes;
use crate::span::Span;
use crate::survey::scope::{BlockScope, Known};

/// The largest number of instances of one block.
const MAXIMUM: u64 = 1_000_000;

/// One instance of a block, with what `each` and `count` are in it.
#[derive(Clone, Debug)]
pub(super) struct Expanded {
    /// Its key.
    pub key: Option<InstanceKey>,
    /// The key and value of `each`.
    pub each: Option<(Value, Value)>,
    /// The number of `count`.
    pub index: Option<u64>,
}

impl Expanded {
    /// The scope that it is evaluated in.
    pub(super) fn scope<'a>(&self, known: &'a Known<'a>) -> BlockScope<'a> {
        BlockScope { each: self.each.clone(), index: self.index, ..BlockScope::plain(known) }
    }
}

/// The instances that a block has now, in the order of their keys; none when it is not enabled.
pub(super) fn expand(block: &ResourceBlock, known: &Known<'_>) -> Result<Vec<Expanded>, Vec<Diagnostic>> {
    let scope = BlockScope::plain(known);
    let value_of = |expression: &crate::expression::Expression| {
        evaluate(expression, &scope).map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())
    };
    if let Some(enabled) = &block.lifecycle.enabled {
        let value = value_of(enabled)?;
        let converted = convert(&value, &Type::Bool).ok().map(|value| value.unmark().0);
        match converted.as_ref().map(Value::data) {
            Some(Data::Bool(false)) => return Ok(Vec::new()),
            Some(Data::Bool(true)) => {}
            Some(Data::Unknown(..)) => return Err(vec![unknown("enabled", enabled.span())]),
            _ => return Err(vec![invalid("`enabled` is neither true nor false", enabled.span())]),
        }
    }
    match &block.repetition {
        Repetition::One => Ok(vec![Expanded { key: None, each: None, index: None }]),
        Repetition::Count(expression) => count(&value_of(expression)?, expression.span()).map_err(|error| vec![error]),
        Repetition::ForEach(expression) => {
            for_each(&value_of(expression)?, expression.span()).map_err(|error| vec![error])
        }
    }
}

fn unknown(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::REPETITION_UNKNOWN, format!("`{what}` is not known while planning")).at(span).hint(
        "it decides which instances there are: let it depend on variables and locals, or apply what it depends on \
         first, with --target",
    )
}

fn invalid(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::error(codes::REPETITION_INVALID, message).at(span)
}

fn count(value: &Value, span: Span) -> Result<Vec<Expanded>, Diagnostic> {
    if value.marks_deep().sensitive {
        return Err(invalid("`count` is sensitive, and instances show how many there are", span)
            .hint("use nonsensitive() where that is no secret"));
    }
    let number = convert(value, &Type::Number)
        .map_err(|error| invalid(format!("`count` is no number: {}", error.message), span))?;
    if !number.is_known() {
        return Err(unknown("count", span));
    }
    let count = number.as_number().and_then(retrue_provider_api::Number::as_u64);
    match count {
        Some(count) if count <= MAXIMUM => Ok((0..count)
            .map(|index| Expanded { key: Some(InstanceKey::Index(index)), each: None, index: Some(index) })
            .collect()),
        Some(_) => Err(invalid(format!("`count` is above {MAXIMUM}"), span)),
        None => Err(invalid("`count` is no whole number from 0 on", span)),
    }
}

fn for_each(value: &Value, span: Span) -> Result<Vec<Expanded>, Diagnostic> {
    if value.marks_deep().sensitive {
        return Err(invalid("`for_each` is sensitive, and its keys are shown in addresses", span)
            .hint("use nonsensitive() for the keys, and look the values up by them"));
    }
    let entries: BTreeMap<Arc<str>, Value> = match value.data() {
        Data::Unknown(..) => return Err(unknown("for_each", span)),
        Data::Map(_, entries) | Data::Object(entries) => {
            entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())).collect()
        }
        Data::Set(_, items) | Data::List(_, items) | Data::Tuple(items) => {
            let mut entries = BTreeMap::new();
            for item in items.iter() {
                let text = match item.data() {
                    Data::String(text) => Arc::clone(text),
                    Data::Unknown(..) => return Err(unknown("for_each", span)),
                    Data::Null(_) => return Err(invalid("`for_each` has a null in it", span)),
                    _ => {
                        return Err(invalid(
                            format!("`for_each` takes texts, and there is a {}", item.kind().friendly_name()),
                            span,
                        )
                        .hint("use a map, whose keys are texts"));
                    }
                };
                if entries.insert(Arc::clone(&text), item.clone()).is_some() {
                    return Err(invalid(format!("`for_each` has \"{text}\" twice"), span));
                }
            }
            entries
        }
        Data::Null(_) => return Err(invalid("`for_each` is null", span).hint("for no instances, use an empty list")),
        _ => {
            return Err(invalid(
                format!(
                    "`for_each` takes a map, a set or a list of texts, and this is a {}",
                    value.kind().friendly_name()
                ),
                span,
            ));
        }
    };
    Ok(entries
        .into_iter()
        .map(|(key, value)| Expanded {
            each: Some((Value::from(key.as_ref()), value)),
            key: Some(InstanceKey::Name(key)),
            index: None,
        })
        .collect())
}
