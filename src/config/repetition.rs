//! From `count` and `for_each` to instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Number, Type, Value, convert};

use super::codes;
use super::ephemeral::kept;
use super::stack::Repetition;
use crate::address::InstanceKey;
use crate::diagnostic::Diagnostic;
use crate::expression::{Scope, evaluate};
use crate::span::Span;

/// So many instances a block may have.
pub const MAX_INSTANCES: u64 = 1_000_000;

/// The instances of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instances {
    /// These, in the order of their keys.
    Known(Vec<Instance>),
    /// They are not known yet.
    Unknown,
}

/// One instance of a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its key; `None` for the only one, or where it is not known.
    pub key: Option<InstanceKey>,
    /// What `each.value` is in it.
    pub value: Option<Value>,
    unknown_key: Option<Type>,
}

impl Instance {
    /// One that stands for instances of which nothing is known.
    pub fn unknown(repetition: &Repetition) -> Self {
        match repetition {
            Repetition::One => Instance::default(),
            Repetition::Count(_) => Instance { unknown_key: Some(Type::Number), ..Instance::default() },
            Repetition::ForEach(_) => Instance {
                unknown_key: Some(Type::String),
                value: Some(Value::unknown(Type::Dynamic)),
                ..Instance::default()
            },
        }
    }

    /// What `each.key`, or `count.index`, is in it; `None` for the only one.
    pub fn key_value(&self) -> Option<Value> {
        match &self.key {
            Some(InstanceKey::Index(index)) => Some(Value::from(*index)),
            Some(InstanceKey::Name(name)) => Some(Value::from(name.as_ref())),
            None => self.unknown_key.clone().map(Value::unknown),
        }
    }

    fn named(name: Arc<str>, value: Value) -> Self {
        Instance { key: Some(InstanceKey::Name(name)), value: Some(value), unknown_key: None }
    }
}

/// The instances that a block has.
///
/// `for_each` takes a set or list of texts, without duplicates, or a map; `count` a whole number. Nothing
/// sensitive: keys are shown everywhere.
///
/// # Errors
/// The expression cannot be evaluated, or is nothing of the kind.
pub fn instances(repetition: &Repetition, scope: &dyn Scope) -> Result<Instances, Vec<Diagnostic>> {
    let Some(expression) = repetition.expression() else {
        return Ok(Instances::Known(vec![Instance::default()]));
    };
    let value =
        evaluate(expression, scope).map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())?;
    let span = expression.span();
    let found = match repetition {
        Repetition::Count(_) => count(value, span),
        _ => for_each(value, span),
    };
    found.map_err(|wrong| vec![*wrong])
}

fn wrong(message: impl Into<String>, span: Span) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::REPETITION, message).at(span))
}

fn advised(message: impl Into<String>, span: Span, hint: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(codes::REPETITION, message).at(span).hint(hint))
}

fn count(value: Value, span: Span) -> Result<Instances, Box<Diagnostic>> {
    if value.marks_deep().ephemeral {
        return Err(Box::new(kept("`count`", span)));
    }
    if value.marks_deep().sensitive {
        return Err(wrong("`count` is sensitive, and the number of instances shows", span));
    }
    let value = convert(&value, &Type::Number).map_err(|_| {
        wrong(format!("`count` takes a number, and this is of the type {}", value.kind().friendly_name()), span)
    })?;
    match value.data() {
        Data::Unknown(..) => Ok(Instances::Unknown),
        Data::Number(number) => match Number::as_u64(number) {
            Some(count) if count <= MAX_INSTANCES => Ok(Instances::Known(
                (0..count)
                    .map(|index| Instance { key: Some(InstanceKey::Index(index)), ..Instance::default() })
                    .collect(),
            )),
            Some(_) => Err(wrong(format!("`count` is above {MAX_INSTANCES}"), span)),
            None => Err(wrong("`count` takes a whole number that is not negative", span)),
        },
        _ => Err(advised("`count` is null", span, "for no instances, write 0")),
    }
}

fn for_each(value: Value, span: Span) -> Result<Instances, Box<Diagnostic>> {
    let marks = match value.data() {
        // Only the keys of a map show.
        Data::Map(..) | Data::Object(_) => value.marks(),
        _ => value.marks_deep(),
    };
    if marks.ephemeral {
        return Err(Box::new(kept("a key of `for_each`", span)));
    }
    if marks.sensitive {
        let hint = "`nonsensitive` makes the keys public, where they are no secret";
        return Err(advised("`for_each` is sensitive, and its keys show", span, hint));
    }
    let found: BTreeMap<Arc<str>, Value> = match value.data() {
        Data::Unknown(..) => return Ok(Instances::Unknown),
        Data::Map(_, entries) | Data::Object(entries) => {
            entries.iter().map(|(key, value)| (Arc::clone(key), value.clone())).collect()
        }
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            let mut found = BTreeMap::new();
            for item in items.iter() {
                let text = match item.data() {
                    Data::String(text) => text,
                    Data::Unknown(..) => return Ok(Instances::Unknown),
                    Data::Null(_) => return Err(wrong("there is a null in `for_each`", span)),
                    _ => {
                        let message = format!(
                            "`for_each` takes a map, or a list or set of texts, and this holds one of the type {}",
                            item.kind().friendly_name()
                        );
                        return Err(advised(message, span, "use a map, whose keys are texts"));
                    }
                };
                if found.insert(Arc::clone(text), item.clone()).is_some() {
                    let hint = "each key names one instance; `toset` or `distinct` drop repetitions";
                    return Err(advised(format!("`for_each` has \"{text}\" twice"), span, hint));
                }
            }
            found
        }
        Data::Null(_) => return Err(advised("`for_each` is null", span, "for no instances, write an empty list")),
        _ => {
            let kind = value.kind().friendly_name();
            let message = format!("`for_each` takes a map, or a list or set of texts, and this is of the type {kind}");
            return Err(wrong(message, span));
        }
    };
    if u64::try_from(found.len()).unwrap_or(u64::MAX) > MAX_INSTANCES {
        return Err(wrong(format!("`for_each` has more than {MAX_INSTANCES} elements"), span));
    }
    Ok(Instances::Known(found.into_iter().map(|(name, value)| Instance::named(name, value)).collect()))
}
