//! Values: known, null or unknown, with marks.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::number::Number;
use crate::path::{Path, PathStep};
use crate::types::Type;

/// The entries of a map or the attributes of an object.
pub type Entries = BTreeMap<Arc<str>, Value>;

/// A value with its marks. Cloning is cheap: collections are shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    data: Data,
    marks: Marks,
}

/// What a value holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// Nothing, of a type.
    Null(Type),
    /// Not known yet; perhaps something is known about it.
    Unknown(Type, Option<Arc<Refinement>>),
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text in normalisation form C.
    String(Arc<str>),
    /// The element type and the elements.
    List(Type, Arc<[Value]>),
    /// The element type and the elements, in canonical order and without duplicates.
    Set(Type, Arc<[Value]>),
    /// The element type and the entries.
    Map(Type, Arc<Entries>),
    /// Elements, each with a type of its own.
    Tuple(Arc<[Value]>),
    /// Attributes, each with a type of its own.
    Object(Arc<Entries>),
}

/// What is known about an unknown value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Refinement {
    /// It is certainly not null.
    pub not_null: bool,
    /// It begins with this text.
    pub prefix: Option<Arc<str>>,
    /// It is not below this number (the flag: or equal to it).
    pub minimum: Option<(Number, bool)>,
    /// It is not above this number (the flag: or equal to it).
    pub maximum: Option<(Number, bool)>,
    /// A collection with at least so many elements.
    pub minimum_length: Option<u64>,
    /// A collection with at most so many elements.
    pub maximum_length: Option<u64>,
    /// The provider's own bytes, to be given back unchanged.
    pub opaque: Option<Arc<[u8]>>,
}

/// What must be remembered about where a value came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marks {
    /// It must not be shown, and rests only sealed.
    pub sensitive: bool,
    /// It must not rest at all.
    pub ephemeral: bool,
}

impl Marks {
    /// No mark.
    pub const NONE: Marks = Marks { sensitive: false, ephemeral: false };
    /// Only the mark `sensitive`.
    pub const SENSITIVE: Marks = Marks { sensitive: true, ephemeral: false };
    /// Only the mark `ephemeral`.
    pub const EPHEMERAL: Marks = Marks { sensitive: false, ephemeral: true };

    /// The marks of both.
    #[must_use]
    pub fn union(self, other: Marks) -> Marks {
        Marks { sensitive: self.sensitive || other.sensitive, ephemeral: self.ephemeral || other.ephemeral }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self == Marks::NONE
    }
}

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Value { data, marks: Marks::NONE }
    }
}

impl Value {
    /// Null of a type.
    pub fn null(kind: Type) -> Self {
        Data::Null(kind).into()
    }

    /// Unknown of a type, with nothing known about it.
    pub fn unknown(kind: Type) -> Self {
        Data::Unknown(kind, None).into()
    }

    /// Unknown of a type, with what is known about it.
    pub fn unknown_refined(kind: Type, refinement: Refinement) -> Self {
        let refinement = (refinement != Refinement::default()).then(|| Arc::new(refinement));
        Data::Unknown(kind, refinement).into()
    }

    /// Text, brought to normalisation form C.
    pub fn string(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let text: Arc<str> = if is_normal(text) { text.into() } else { text.nfc().collect::<String>().into() };
        Data::String(text).into()
    }

    /// A list. The elements must be of the element type.
    pub fn list(element: Type, items: impl IntoIterator<Item = Value>) -> Self {
        Data::List(element, items.into_iter().collect()).into()
    }

    /// A set: sorted, without duplicates; marks anywhere in the elements are lifted to the set.
    pub fn set(element: Type, items: impl IntoIterator<Item = Value>) -> Self {
        let mut marks = Marks::NONE;
        let mut items: Vec<Value> = items
            .into_iter()
            .map(|item| {
                let (item, lifted) = item.unmark_deep();
                marks = marks.union(lifted);
                item
            })
            .collect();
        items.sort_by(Value::canonical_cmp);
        // Two unknown elements may turn out different: they are not one.
        items.dedup_by(|a, b| a == b && a.is_wholly_known());
        Value { data: Data::Set(element, items.into()), marks }
    }

    /// A map. The values must be of the element type.
    pub fn map<K: Into<Arc<str>>>(element: Type, entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (normalised(key.into()), value)).collect();
        Data::Map(element, Arc::new(entries)).into()
    }

    /// A tuple.
    pub fn tuple(items: impl IntoIterator<Item = Value>) -> Self {
        Data::Tuple(items.into_iter().collect()).into()
    }

    /// An object.
    pub fn object<K: Into<Arc<str>>>(attributes: impl IntoIterator<Item = (K, Value)>) -> Self {
        let entries = attributes.into_iter().map(|(key, value)| (normalised(key.into()), value)).collect();
        Data::Object(Arc::new(entries)).into()
    }

    /// What it holds, without its marks.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// What it holds, by value.
    pub fn into_data(self) -> Data {
        self.data
    }

    /// The marks on this value itself (not on its parts).
    pub fn marks(&self) -> Marks {
        self.marks
    }

    /// The same value with these marks added. What is marked is known as [secret](crate::secrets) from here on.
    #[must_use]
    pub fn with_marks(mut self, marks: Marks) -> Self {
        let marks = self.marks.union(marks);
        if marks != self.marks {
            self.marks = marks;
            crate::secrets::learn(&self);
        }
        self
    }

    /// The same value with the mark `sensitive`.
    #[must_use]
    pub fn sensitive(self) -> Self {
        self.with_marks(Marks::SENSITIVE)
    }

    /// The value without the marks on itself, and these marks.
    pub fn unmark(self) -> (Value, Marks) {
        (Value { data: self.data, marks: Marks::NONE }, self.marks)
    }

    /// The marks on it and on everything in it.
    pub fn marks_deep(&self) -> Marks {
        match &self.data {
            Data::List(_, items) | Data::Tuple(items) | Data::Set(_, items) => {
                items.iter().fold(self.marks, |marks, item| marks.union(item.marks_deep()))
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.values().fold(self.marks, |marks, item| marks.union(item.marks_deep()))
            }
            _ => self.marks,
        }
    }

    /// The value without any marks in it, and the union of all that were.
    pub fn unmark_deep(self) -> (Value, Marks) {
        let marks = self.marks_deep();
        if marks.is_empty() {
            return (self, marks);
        }
        (self.map_parts(&mut |_, value| value.unmark().0), marks)
    }

    /// The value without any marks in it, and the outermost paths that had some.
    pub fn unmark_with_paths(self) -> (Value, BTreeMap<Path, Marks>) {
        if self.marks_deep().is_empty() {
            return (self, BTreeMap::new());
        }
        let mut paths = BTreeMap::new();
        let value = self.map_parts(&mut |path, value| {
            let (value, marks) = value.unmark();
            if !marks.is_empty() {
                paths.insert(path.clone(), marks);
            }
            value
        });
        (value, paths)
    }

    /// The value with marks put on at paths; what leads nowhere marks the nearest part on its way.
    #[must_use]
    pub fn with_marked_paths<'p>(self, paths: impl IntoIterator<Item = (&'p Path, Marks)>) -> Self {
        let mut value = self;
        for (path, marks) in paths {
            value = value.mark_at(&path.0, marks);
        }
        value
    }

    fn mark_at(self, steps: &[PathStep], marks: Marks) -> Self {
        let Some((first, rest)) = steps.split_first() else {
            return self.with_marks(marks);
        };
        let own = self.marks;
        let data = match (self.data, first) {
            (Data::Object(entries), PathStep::Attribute(name) | PathStep::Key(name)) if entries.contains_key(name) => {
                Data::Object(mark_entry(entries, name, rest, marks))
            }
            (Data::Map(kind, entries), PathStep::Attribute(name) | PathStep::Key(name))
                if entries.contains_key(name) =>
            {
                Data::Map(kind, mark_entry(entries, name, rest, marks))
            }
            (Data::List(kind, items), PathStep::Index(index)) if *index < items.len() => {
                Data::List(kind, mark_item(&items, *index, rest, marks))
            }
            (Data::Tuple(items), PathStep::Index(index)) if *index < items.len() => {
                Data::Tuple(mark_item(&items, *index, rest, marks))
            }
            (data, _) => return Value { data, marks: own }.with_marks(marks),
        };
        Value { data, marks: own }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null(_))
    }

    /// Whether it is itself known (its parts may not be).
    pub fn is_known(&self) -> bool {
        !matches!(self.data, Data::Unknown(..))
    }

    /// Whether it and everything in it is known.
    pub fn is_wholly_known(&self) -> bool {
        match &self.data {
            Data::Unknown(..) => false,
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => items.iter().all(Value::is_wholly_known),
            Data::Map(_, entries) | Data::Object(entries) => entries.values().all(Value::is_wholly_known),
            _ => true,
        }
    }

    /// The paths of all unknown parts; unknowns in a set are reported as the set.
    pub fn unknown_paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.visit(&mut |path, value| match value.data() {
            Data::Unknown(..) => {
                paths.push(path.clone());
                false
            }
            Data::Set(_, items) => {
                if !items.iter().all(Value::is_wholly_known) {
                    paths.push(path.clone());
                }
                false
            }
            _ => true,
        });
        paths
    }

    /// The type. Objects and tuples have the types of their parts.
    pub fn kind(&self) -> Type {
        match &self.data {
            Data::Null(kind) | Data::Unknown(kind, _) => kind.clone(),
            Data::Bool(_) => Type::Bool,
            Data::Number(_) => Type::Number,
            Data::String(_) => Type::String,
            Data::List(element, _) => Type::list(element.clone()),
            Data::Set(element, _) => Type::set(element.clone()),
            Data::Map(element, _) => Type::map(element.clone()),
            Data::Tuple(items) => Type::tuple(items.iter().map(Value::kind)),
            Data::Object(entries) => Type::object(entries.iter().map(|(name, value)| (Arc::clone(name), value.kind()))),
        }
    }

    /// The truth value, when it is a known one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The text, when it is known text.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The text, when it is known text, to be shared.
    pub fn as_shared_str(&self) -> Option<&Arc<str>> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, when it is a known one.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements of a known list, set or tuple.
    pub fn as_items(&self) -> Option<&[Value]> {
        match &self.data {
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a known map or object.
    pub fn as_entries(&self) -> Option<&Entries> {
        match &self.data {
            Data::Map(_, entries) | Data::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// One attribute of an object, or entry of a map.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_entries()?.get(name)
    }

    /// The object with one attribute set. Anything but an object or map is returned unchanged.
    #[must_use]
    pub fn with_attribute(self, name: &str, value: Value) -> Self {
        let marks = self.marks;
        let insert = |mut entries: Arc<Entries>| {
            Arc::make_mut(&mut entries).insert(name.into(), value);
            entries
        };
        let data = match self.data {
            Data::Object(entries) => Data::Object(insert(entries)),
            Data::Map(kind, entries) => Data::Map(kind, insert(entries)),
            other => other,
        };
        Value { data, marks }
    }

    /// Visits the value and its parts from the outside in; `visitor` tells whether to go deeper.
    ///
    /// The elements of a set are visited at the path of the set.
    pub fn visit(&self, visitor: &mut impl FnMut(&Path, &Value) -> bool) {
        self.visit_at(&mut Path::root(), visitor);
    }

    fn visit_at(&self, path: &mut Path, visitor: &mut impl FnMut(&Path, &Value) -> bool) {
        if !visitor(path, self) {
            return;
        }
        match &self.data {
            Data::Set(_, items) => items.iter().for_each(|item| item.visit_at(path, visitor)),
            Data::List(_, items) | Data::Tuple(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.0.push(PathStep::Index(index));
                    item.visit_at(path, visitor);
                    path.0.pop();
                }
            }
            Data::Map(_, entries) => {
                for (key, item) in entries.iter() {
                    path.0.push(PathStep::Key(Arc::clone(key)));
                    item.visit_at(path, visitor);
                    path.0.pop();
                }
            }
            Data::Object(entries) => {
                for (name, item) in entries.iter() {
                    path.0.push(PathStep::Attribute(Arc::clone(name)));
                    item.visit_at(path, visitor);
                    path.0.pop();
                }
            }
            _ => {}
        }
    }

    /// Rebuilds the value from the inside out, each part as `change` makes it.
    ///
    /// Set elements keep the path of their set; a rebuilt set is sorted again.
    #[must_use]
    pub fn map_parts(self, change: &mut impl FnMut(&Path, Value) -> Value) -> Value {
        self.map_at(&mut Path::root(), change)
    }

    fn map_at(self, path: &mut Path, change: &mut impl FnMut(&Path, Value) -> Value) -> Value {
        let marks = self.marks;
        let data = match self.data {
            Data::Set(kind, items) => {
                let items: Vec<Value> = items.iter().cloned().map(|item| item.map_at(path, change)).collect();
                let rebuilt = Value::set(kind, items).with_marks(marks);
                return change(path, rebuilt);
            }
            Data::List(kind, items) => Data::List(kind, map_items(&items, path, change)),
            Data::Tuple(items) => Data::Tuple(map_items(&items, path, change)),
            Data::Map(kind, entries) => {
                let entries = map_entries(&entries, path, PathStep::Key, change);
                Data::Map(kind, entries)
            }
            Data::Object(entries) => Data::Object(map_entries(&entries, path, PathStep::Attribute, change)),
            leaf => leaf,
        };
        change(path, Value { data, marks })
    }

    /// A total order over values that ignores marks: the order of elements in a set and in digests.
    pub fn canonical_cmp(&self, other: &Self) -> Ordering {
        fn rank(data: &Data) -> u8 {
            // In Terraform's sets, too, unknown stands behind all that is known, and null comes last.
            match data {
                Data::Bool(_) => 0,
                Data::Number(_) => 1,
                Data::String(_) => 2,
                Data::Tuple(_) => 3,
                Data::List(..) => 4,
                Data::Set(..) => 5,
                Data::Map(..) => 6,
                Data::Object(_) => 7,
                Data::Unknown(..) => 8,
                Data::Null(_) => 9,
            }
        }
        fn items(a: &[Value], b: &[Value]) -> Ordering {
            a.iter()
                .zip(b)
                .map(|(a, b)| a.canonical_cmp(b))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        fn entries(a: &Entries, b: &Entries) -> Ordering {
            a.iter()
                .zip(b)
                .map(|((ka, va), (kb, vb))| ka.cmp(kb).then_with(|| va.canonical_cmp(vb)))
                .find(|order| order.is_ne())
                .unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        match (&self.data, &other.data) {
            (Data::Null(a), Data::Null(b)) => a.cmp(b),
            (Data::Unknown(a, _), Data::Unknown(b, _)) => a.cmp(b),
            (Data::Bool(a), Data::Bool(b)) => a.cmp(b),
            (Data::Number(a), Data::Number(b)) => a.cmp(b),
            (Data::String(a), Data::String(b)) => a.cmp(b),
            (Data::Tuple(a), Data::Tuple(b)) => items(a, b),
            (Data::List(ka, a), Data::List(kb, b)) | (Data::Set(ka, a), Data::Set(kb, b)) => {
                items(a, b).then_with(|| ka.cmp(kb))
            }
            (Data::Map(ka, a), Data::Map(kb, b)) => entries(a, b).then_with(|| ka.cmp(kb)),
            (Data::Object(a), Data::Object(b)) => entries(a, b),
            (a, b) => rank(a).cmp(&rank(b)),
        }
    }

    /// Whether both hold the same, whatever their marks.
    pub fn same(&self, other: &Self) -> bool {
        self.canonical_cmp(other).is_eq()
    }
}

/// Whether a text is in normalisation form C. Nearly every text is plain ASCII, which is told much faster.
fn is_normal(text: &str) -> bool {
    text.is_ascii() || is_nfc(text)
}

fn normalised(key: Arc<str>) -> Arc<str> {
    if is_normal(&key) { key } else { key.nfc().collect::<String>().into() }
}

fn mark_entry(mut entries: Arc<Entries>, name: &str, rest: &[PathStep], marks: Marks) -> Arc<Entries> {
    if let Some(entry) = Arc::make_mut(&mut entries).get_mut(name) {
        *entry = entry.clone().mark_at(rest, marks);
    }
    entries
}

fn mark_item(items: &[Value], index: usize, rest: &[PathStep], marks: Marks) -> Arc<[Value]> {
    items
        .iter()
        .enumerate()
        .map(|(at, item)| if at == index { item.clone().mark_at(rest, marks) } else { item.clone() })
        .collect()
}

fn map_items(items: &[Value], path: &mut Path, change: &mut impl FnMut(&Path, Value) -> Value) -> Arc<[Value]> {
    let mut rebuilt = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        path.0.push(PathStep::Index(index));
        rebuilt.push(item.clone().map_at(path, change));
        path.0.pop();
    }
    rebuilt.into()
}

fn map_entries(
    entries: &Entries,
    path: &mut Path,
    step: impl Fn(Arc<str>) -> PathStep,
    change: &mut impl FnMut(&Path, Value) -> Value,
) -> Arc<Entries> {
    let mut rebuilt = Entries::new();
    for (key, item) in entries {
        path.0.push(step(Arc::clone(key)));
        rebuilt.insert(Arc::clone(key), item.clone().map_at(path, change));
        path.0.pop();
    }
    Arc::new(rebuilt)
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Data::Bool(value).into()
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Data::Number(value).into()
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Data::Number(value.into()).into()
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Data::Number(value.into()).into()
    }
}

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Data::Number(value.into()).into()
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::string(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::string(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_sorted_deduplicated_and_lift_marks() {
        let set = Value::set(Type::String, [Value::from("b"), Value::from("a").sensitive(), Value::from("b")]);
        assert_eq!(set.marks(), Marks::SENSITIVE);
        let items: Vec<&str> = set.as_items().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(items, ["a", "b"]);
    }

    #[test]
    fn strings_are_normalised() {
        assert_eq!(Value::from("e\u{301}"), Value::from("\u{e9}"));
    }

    #[test]
    fn marks_leave_and_return_by_path() {
        let value = Value::object([
            ("a", Value::tuple([Value::from(1i64), Value::from("s").sensitive()])),
            ("b", Value::from(true)),
        ]);
        let (plain, paths) = value.clone().unmark_with_paths();
        assert_eq!(plain.marks_deep(), Marks::NONE);
        assert_eq!(paths.keys().map(Path::to_string).collect::<Vec<_>>(), ["a[1]"]);
        assert_eq!(plain.with_marked_paths(paths.iter().map(|(path, marks)| (path, *marks))), value);
    }

    #[test]
    fn unknowns_are_found_by_path() {
        let value = Value::object([
            ("a", Value::list(Type::String, [Value::from("x"), Value::unknown(Type::String)])),
            ("s", Value::set(Type::String, [Value::unknown(Type::String)])),
        ]);
        assert_eq!(value.unknown_paths().iter().map(Path::to_string).collect::<Vec<_>>(), ["a[1]", "s"]);
        assert!(!value.is_wholly_known());
    }
}
