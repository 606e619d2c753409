//! Types of values, and their JSON form.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Value as Json, json};

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// Not known yet, or free: the value brings its own type.
    Dynamic,
    /// `true` or `false`.
    Bool,
    /// A [`Number`](crate::Number).
    Number,
    /// Unicode text in normalisation form C.
    String,
    /// Ordered, all elements of one type.
    List(Arc<Type>),
    /// Without order or duplicates, all elements of one type.
    Set(Arc<Type>),
    /// Text keys, all values of one type.
    Map(Arc<Type>),
    /// Ordered, a type for each element.
    Tuple(Arc<[Type]>),
    /// Named attributes, a type for each.
    Object(Arc<ObjectType>),
}

/// The attributes of an object type.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectType {
    /// Attribute names and their types.
    pub attributes: BTreeMap<Arc<str>, Type>,
    /// Names that may be left out when a value is converted to this type.
    pub optional: BTreeSet<Arc<str>>,
}

impl Type {
    /// A list of `element`.
    pub fn list(element: Type) -> Self {
        Type::List(Arc::new(element))
    }

    /// A set of `element`.
    pub fn set(element: Type) -> Self {
        Type::Set(Arc::new(element))
    }

    /// A map of `element`.
    pub fn map(element: Type) -> Self {
        Type::Map(Arc::new(element))
    }

    /// A tuple of `elements`.
    pub fn tuple(elements: impl IntoIterator<Item = Type>) -> Self {
        Type::Tuple(elements.into_iter().collect())
    }

    /// An object without optional attributes.
    pub fn object<K: Into<Arc<str>>>(attributes: impl IntoIterator<Item = (K, Type)>) -> Self {
        Type::Object(Arc::new(ObjectType {
            attributes: attributes.into_iter().map(|(name, kind)| (name.into(), kind)).collect(),
            optional: BTreeSet::new(),
        }))
    }

    /// Whether it is `bool`, `number` or `string`.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Type::Bool | Type::Number | Type::String)
    }

    /// Whether it is a list, set, map, tuple or object.
    pub fn is_composite(&self) -> bool {
        !self.is_primitive() && *self != Type::Dynamic
    }

    /// Whether `dynamic` stands anywhere in it.
    pub fn has_dynamic(&self) -> bool {
        match self {
            Type::Dynamic => true,
            Type::Bool | Type::Number | Type::String => false,
            Type::List(element) | Type::Set(element) | Type::Map(element) => element.has_dynamic(),
            Type::Tuple(elements) => elements.iter().any(Type::has_dynamic),
            Type::Object(object) => object.attributes.values().any(Type::has_dynamic),
        }
    }

    /// The same type with no attribute optional.
    #[must_use]
    pub fn without_optional(&self) -> Type {
        match self {
            Type::List(element) => Type::list(element.without_optional()),
            Type::Set(element) => Type::set(element.without_optional()),
            Type::Map(element) => Type::map(element.without_optional()),
            Type::Tuple(elements) => Type::tuple(elements.iter().map(Type::without_optional)),
            Type::Object(object) => {
                Type::object(object.attributes.iter().map(|(name, kind)| (Arc::clone(name), kind.without_optional())))
            }
            primitive => primitive.clone(),
        }
    }

    /// The type of elements of a list, set or map.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::List(element) | Type::Set(element) | Type::Map(element) => Some(element),
            _ => None,
        }
    }

    /// The JSON form that `cty` has: `"string"`, `["list","string"]`, `["object",{…},["optional"]]`.
    pub fn to_json(&self) -> Json {
        match self {
            Type::Dynamic => json!("dynamic"),
            Type::Bool => json!("bool"),
            Type::Number => json!("number"),
            Type::String => json!("string"),
            Type::List(element) => json!(["list", element.to_json()]),
            Type::Set(element) => json!(["set", element.to_json()]),
            Type::Map(element) => json!(["map", element.to_json()]),
            Type::Tuple(elements) => json!(["tuple", elements.iter().map(Type::to_json).collect::<Vec<_>>()]),
            Type::Object(object) => {
                let attributes: serde_json::Map<String, Json> =
                    object.attributes.iter().map(|(name, kind)| (name.to_string(), kind.to_json())).collect();
                if object.optional.is_empty() {
                    json!(["object", attributes])
                } else {
                    json!([
                        "object",
                        attributes,
                        object.optional.iter().map(|name| name.as_ref()).collect::<Vec<&str>>()
                    ])
                }
            }
        }
    }

    /// Reads the form that [`Type::to_json`] writes; `None` for anything else.
    pub fn from_json(json: &Json) -> Option<Type> {
        match json {
            Json::String(name) => match name.as_str() {
                "dynamic" => Some(Type::Dynamic),
                "bool" => Some(Type::Bool),
                "number" => Some(Type::Number),
                "string" => Some(Type::String),
                _ => None,
            },
            Json::Array(parts) => {
                let kind = parts.first()?.as_str()?;
                let inner = parts.get(1)?;
                match kind {
                    "list" => Some(Type::list(Type::from_json(inner)?)),
                    "set" => Some(Type::set(Type::from_json(inner)?)),
                    "map" => Some(Type::map(Type::from_json(inner)?)),
                    "tuple" => {
                        let elements: Option<Vec<Type>> = inner.as_array()?.iter().map(Type::from_json).collect();
                        Some(Type::tuple(elements?))
                    }
                    "object" => {
                        let attributes: Option<BTreeMap<Arc<str>, Type>> = inner
                            .as_object()?
                            .iter()
                            .map(|(name, kind)| Some((Arc::from(name.as_str()), Type::from_json(kind)?)))
                            .collect();
                        let optional = match parts.get(2) {
                            Some(names) => names
                                .as_array()?
                                .iter()
                                .map(|name| name.as_str().map(Arc::from))
                                .collect::<Option<BTreeSet<Arc<str>>>>()?,
                            None => BTreeSet::new(),
                        };
                        Some(Type::Object(Arc::new(ObjectType { attributes: attributes?, optional })))
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The words for messages, without detail of what is inside: `list of string`, `object`.
    pub fn friendly_name(&self) -> String {
        match self {
            Type::Dynamic => "dynamic".into(),
            Type::Bool => "bool".into(),
            Type::Number => "number".into(),
            Type::String => "string".into(),
            Type::List(element) => format!("list of {}", element.friendly_name()),
            Type::Set(element) => format!("set of {}", element.friendly_name()),
            Type::Map(element) => format!("map of {}", element.friendly_name()),
            Type::Tuple(_) => "tuple".into(),
            Type::Object(_) => "object".into(),
        }
    }
}

impl fmt::Display for Type {
    /// The form of a type expression: `map(object({ a = number, b = optional(string) }))`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dynamic => f.write_str("any"),
            Type::Bool => f.write_str("bool"),
            Type::Number => f.write_str("number"),
            Type::String => f.write_str("string"),
            Type::List(element) => write!(f, "list({element})"),
            Type::Set(element) => write!(f, "set({element})"),
            Type::Map(element) => write!(f, "map({element})"),
            Type::Tuple(elements) => {
                f.write_str("tuple([")?;
                for (index, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("])")
            }
            Type::Object(object) => {
                f.write_str("object({")?;
                for (index, (name, kind)) in object.attributes.iter().enumerate() {
                    let comma = if index == 0 { " " } else { ", " };
                    if object.optional.contains(name) {
                        write!(f, "{comma}{name} = optional({kind})")?;
                    } else {
                        write!(f, "{comma}{name} = {kind}")?;
                    }
                }
                f.write_str(if object.attributes.is_empty() { "})" } else { " })" })
            }
        }
    }
}

impl Serialize for Type {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(deserializer)?;
        Type::from_json(&json).ok_or_else(|| D::Error::custom(format!("not a type: {json}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_form_reads_back() {
        let object = Type::Object(Arc::new(ObjectType {
            attributes: [("a".into(), Type::Number), ("b".into(), Type::list(Type::Dynamic))].into(),
            optional: ["b".into()].into(),
        }));
        for kind in [Type::Bool, Type::map(Type::set(object.clone())), Type::tuple([Type::String, object])] {
            assert_eq!(Type::from_json(&kind.to_json()), Some(kind));
        }
        assert_eq!(Type::from_json(&json!(["list"])), None);
        assert_eq!(Type::from_json(&json!("text")), None);
    }
}
