//! Values for programs: plain JSON, without what is secret or not known.

use std::collections::BTreeSet;

use retrue_provider_api::{Data, Path, PathStep, Value, to_plain_json};
use serde_json::{Map, Value as Json};

/// What can be shown of a value, and the paths of what was left out.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// The paths of what is secret.
    pub(crate) sensitive: BTreeSet<Path>,
    /// The paths of what is not known yet.
    pub(crate) unknown: BTreeSet<Path>,
}

impl Shown {
    /// Plain JSON of a value. What is left out is missing from objects and null in lists, so that
    /// positions stay what they are.
    pub(crate) fn json(&mut self, value: &Value) -> Json {
        self.part(&Path::root(), value).unwrap_or(Json::Null)
    }

    fn part(&mut self, path: &Path, value: &Value) -> Option<Json> {
        let marks = value.marks();
        if marks.sensitive || marks.ephemeral {
            self.sensitive.insert(path.clone());
            if !value.is_wholly_known() {
                self.unknown.insert(path.clone());
            }
            return None;
        }
        match value.data() {
            Data::Unknown(..) => {
                self.unknown.insert(path.clone());
                None
            }
            Data::Null(_) | Data::Bool(_) | Data::Number(_) | Data::String(_) => to_plain_json(value),
            // What lies inside a set has no path of its own.
            Data::Set(_, items) => {
                let marks = items.iter().fold(marks, |marks, item| marks.union(item.marks_deep()));
                if !marks.is_empty() {
                    self.sensitive.insert(path.clone());
                    return None;
                }
                if !value.is_wholly_known() {
                    self.unknown.insert(path.clone());
                    return None;
                }
                to_plain_json(value)
            }
            Data::List(_, items) | Data::Tuple(items) => Some(Json::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.part(&path.child(PathStep::Index(index)), item).unwrap_or(Json::Null))
                    .collect(),
            )),
            Data::Map(_, entries) => {
                let step = |name: &std::sync::Arc<str>| PathStep::Key(name.clone());
                Some(Json::Object(self.entries(path, entries, step)))
            }
            Data::Object(entries) => {
                let step = |name: &std::sync::Arc<str>| PathStep::Attribute(name.clone());
                Some(Json::Object(self.entries(path, entries, step)))
            }
        }
    }

    fn entries(
        &mut self,
        path: &Path,
        entries: &retrue_provider_api::Entries,
        step: impl Fn(&std::sync::Arc<str>) -> PathStep,
    ) -> Map<String, Json> {
        entries
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), self.part(&path.child(step(name)), value)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::Type;

    use super::*;

    #[test]
    fn secrets_and_unknowns_are_left_out_and_named() {
        let value = Value::object([
            ("a", Value::from(1i64)),
            ("secret", Value::from("hunter2").sensitive()),
            ("list", Value::tuple([Value::unknown(Type::String), Value::from("x")])),
            ("map", Value::map(Type::String, [("k", Value::from("hunter3").sensitive())])),
            ("set", Value::set(Type::String, [Value::unknown(Type::String)])),
        ]);
        let mut shown = Shown::default();
        assert_eq!(shown.json(&value).to_string(), r#"{"a":1,"list":[null,"x"],"map":{}}"#);
        let texts = |paths: &BTreeSet<Path>| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&shown.sensitive), ["map[\"k\"]", "secret"]);
        assert_eq!(texts(&shown.unknown), ["list[0]", "set"]);
    }
}
