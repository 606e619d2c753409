//! Paths to a part of a value.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::value::{Data, Value};

/// One step into a value. A set has no steps: what lies inside one is addressed by the set itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathStep {
    /// An attribute of an object.
    Attribute(Arc<str>),
    /// An element of a list or tuple.
    Index(usize),
    /// A key of a map.
    Key(Arc<str>),
}

/// The way from a value to a part of it: `listener[0].tags["a.b"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(pub Vec<PathStep>);

impl Path {
    /// The path of the value itself.
    pub fn root() -> Self {
        Path(Vec::new())
    }

    /// The path of one attribute of an object.
    pub fn attribute(name: impl Into<Arc<str>>) -> Self {
        Path(vec![PathStep::Attribute(name.into())])
    }

    /// This path with one more step.
    #[must_use]
    pub fn child(&self, step: PathStep) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Path(steps)
    }

    /// Whether it leads to `other`, or to something that `other` is part of.
    pub fn is_prefix_of(&self, other: &Path) -> bool {
        other.0.starts_with(&self.0)
    }

    /// The name of the outermost attribute, if it begins with one.
    pub fn first_attribute(&self) -> Option<&str> {
        match self.0.first() {
            Some(PathStep::Attribute(name)) => Some(name),
            _ => None,
        }
    }

    /// The part of `value` that it leads to; `None` where there is none.
    pub fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        let mut current = value;
        for step in &self.0 {
            current = match (step, current.data()) {
                (PathStep::Attribute(name) | PathStep::Key(name), Data::Object(entries)) => entries.get(name)?,
                (PathStep::Attribute(name) | PathStep::Key(name), Data::Map(_, entries)) => entries.get(name)?,
                (PathStep::Index(index), Data::List(_, items) | Data::Tuple(items)) => items.get(*index)?,
                _ => return None,
            };
        }
        Some(current)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Attribute(name) if position == 0 => f.write_str(name)?,
                PathStep::Attribute(name) => write!(f, ".{name}")?,
                PathStep::Index(index) => write!(f, "[{index}]")?,
                PathStep::Key(key) => write!(f, "[{}]", serde_json::Value::from(key.as_ref()))?,
            }
        }
        Ok(())
    }
}

impl FromStr for Path {
    type Err = String;

    /// Reads what [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        let wrong = || format!("`{text}` is not a path");
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                if inside.starts_with('"') {
                    let mut stream = serde_json::Deserializer::from_str(inside).into_iter::<String>();
                    let key = stream.next().and_then(Result::ok).ok_or_else(wrong)?;
                    let after = inside.get(stream.byte_offset()..).ok_or_else(wrong)?;
                    rest = after.strip_prefix(']').ok_or_else(wrong)?;
                    steps.push(PathStep::Key(key.into()));
                } else {
                    let (index, after) = inside.split_once(']').ok_or_else(wrong)?;
                    steps.push(PathStep::Index(index.parse().map_err(|_| wrong())?));
                    rest = after;
                }
            } else {
                let body = if steps.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(wrong)? };
                let end = body.find(['.', '[']).unwrap_or(body.len());
                let (name, after) = body.split_at(end);
                if name.is_empty() {
                    return Err(wrong());
                }
                steps.push(PathStep::Attribute(name.into()));
                rest = after;
            }
        }
        Ok(Path(steps))
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_reads_back() {
        for text in ["", "a", "a.b", "a[0].b", "tags[\"a.b]\\\"\"].c", "[\"k\"]", "[3][4]"] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
        for text in ["a..b", "[", "a[x]", "a[\"k\"", ".a"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
    }
}
