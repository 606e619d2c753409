//! The defaults of optional attributes, filled in before a value is converted.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, Value, convert, unify};

/// The defaults somewhere in a type: a tree that follows the type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Defaults {
    /// Those in the elements of a list, set or map.
    Elements(Arc<Defaults>),
    /// Those in the elements of a tuple.
    Tuple(Vec<Option<Defaults>>),
    /// Those of the attributes of an object, and those in them.
    Object { values: BTreeMap<Arc<str>, Value>, children: BTreeMap<Arc<str>, Defaults> },
}

impl Defaults {
    pub(super) fn of_elements(elements: Defaults) -> Self {
        Defaults::Elements(Arc::new(elements))
    }

    pub(super) fn of_tuple(elements: Vec<Option<Defaults>>) -> Option<Self> {
        elements.iter().any(Option::is_some).then_some(Defaults::Tuple(elements))
    }

    pub(super) fn of_object(values: BTreeMap<Arc<str>, Value>, children: BTreeMap<Arc<str>, Defaults>) -> Option<Self> {
        (!values.is_empty() || !children.is_empty()).then_some(Defaults::Object { values, children })
    }

    fn of_key(&self, key: &str) -> Option<&Defaults> {
        match self {
            Defaults::Elements(elements) => Some(elements),
            Defaults::Object { children, .. } => children.get(key),
            Defaults::Tuple(_) => None,
        }
    }

    fn of_index(&self, index: usize) -> Option<&Defaults> {
        match self {
            Defaults::Elements(elements) => Some(elements),
            Defaults::Tuple(elements) => elements.get(index)?.as_ref(),
            Defaults::Object { .. } => None,
        }
    }

    /// The value with defaults in place of attributes that are missing or null. Values that are null
    /// or unknown as a whole stay so; what does not fit the type is left for the conversion to tell.
    pub(super) fn apply(&self, value: &Value) -> Value {
        let filled = match value.data() {
            Data::List(kind, items) | Data::Set(kind, items) => {
                let items: Vec<Value> = self.items(items);
                let is_set = matches!(value.data(), Data::Set(..));
                match of_one_type(&items) {
                    Some(items) if is_set => Value::set(items.first().map_or_else(|| kind.clone(), Value::kind), items),
                    Some(items) => Value::list(items.first().map_or_else(|| kind.clone(), Value::kind), items),
                    None => Value::tuple(items),
                }
            }
            Data::Tuple(items) => Value::tuple(self.items(items)),
            Data::Map(kind, entries) => {
                let entries = self.entries(entries);
                let (keys, items): (Vec<Arc<str>>, Vec<Value>) = entries.into_iter().unzip();
                match of_one_type(&items) {
                    Some(items) => {
                        Value::map(items.first().map_or_else(|| kind.clone(), Value::kind), keys.into_iter().zip(items))
                    }
                    None => Value::object(keys.into_iter().zip(items)),
                }
            }
            Data::Object(entries) => Value::object(self.entries(entries)),
            _ => return value.clone(),
        };
        filled.with_marks(value.marks())
    }

    fn items(&self, items: &[Value]) -> Vec<Value> {
        items
            .iter()
            .enumerate()
            .map(|(index, item)| match self.of_index(index) {
                Some(defaults) => defaults.apply(item),
                None => item.clone(),
            })
            .collect()
    }

    fn entries(&self, entries: &BTreeMap<Arc<str>, Value>) -> BTreeMap<Arc<str>, Value> {
        let mut filled: BTreeMap<Arc<str>, Value> = entries
            .iter()
            .map(|(key, item)| match self.of_key(key) {
                Some(defaults) => (Arc::clone(key), defaults.apply(item)),
                None => (Arc::clone(key), item.clone()),
            })
            .collect();
        if let Defaults::Object { values, .. } = self {
            for (name, value) in values {
                if filled.get(name).is_none_or(Value::is_null) {
                    let value = self.of_key(name).map_or_else(|| value.clone(), |defaults| defaults.apply(value));
                    filled.insert(Arc::clone(name), value);
                }
            }
        }
        filled
    }
}

/// The items, converted to the type that they have in common.
fn of_one_type(items: &[Value]) -> Option<Vec<Value>> {
    if items.is_empty() {
        return Some(Vec::new());
    }
    let kinds: Vec<_> = items.iter().map(Value::kind).collect();
    let kind = unify(&kinds)?;
    items.iter().map(|item| convert(item, &kind).ok()).collect()
}
