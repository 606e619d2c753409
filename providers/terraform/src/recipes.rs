//! How objects are found again: recipes, which are data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use retrue_provider_api::{Data, Findable, Type, Unfinished, Value};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::data_types::fits;

/// A table for each type.
const TABLE: &str = include_str!("recipes.toml");

/// How objects of a type are found again. `recipes.toml` says what the parts mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Recipe {
    nothing_outside: bool,
    identity: Vec<String>,
    defaults: BTreeMap<String, String>,
    unless: Vec<String>,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) import: Option<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) marker: Option<String>,
    pub(crate) deleted: BTreeMap<String, Vec<String>>,
    unfinished: After,
    pub(crate) settles: u64,
}

/// A data source that knows more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub(crate) data: String,
    pub(crate) config: serde_json::Map<String, Json>,
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) none: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum After {
    #[default]
    Updated,
    Replaced,
    AlwaysReplaced,
}

/// The recipes that are shipped, by type, with `*` in some names.
pub(crate) fn shipped() -> &'static BTreeMap<String, Recipe> {
    static RECIPES: LazyLock<BTreeMap<String, Recipe>> = LazyLock::new(|| {
        // A test reads the table; without it, nothing would be found, and a person asked.
        toml::from_str(TABLE).unwrap_or_default()
    });
    &RECIPES
}

/// The recipe for a type among some: that of its own name before any with a `*`.
pub(crate) fn among<'r>(recipes: &'r BTreeMap<String, Recipe>, type_name: &str) -> Option<&'r Recipe> {
    recipes.get(type_name).or_else(|| {
        recipes.iter().find(|(pattern, _)| pattern.contains('*') && fits(pattern, type_name)).map(|(_, recipe)| recipe)
    })
}

impl Recipe {
    /// How an object with this configuration is found.
    pub(crate) fn findable(&self, config: &Value) -> Findable {
        if self.nothing_outside {
            return Findable::NothingOutside;
        }
        if !self.fits(config) {
            return Findable::No;
        }
        match (self.identity_of(config), &self.marker) {
            (Some(_), _) => Findable::ByIdentity,
            (None, Some(_)) => Findable::ByMarker,
            (None, None) => Findable::No,
        }
    }

    /// Whether it is for objects with this configuration: none of the attributes is set that make it another kind.
    pub(crate) fn fits(&self, config: &Value) -> bool {
        let is_set = |value: &Value| match (value.as_items(), value.as_entries()) {
            (Some(items), _) => !items.is_empty(),
            (_, Some(entries)) => !entries.is_empty(),
            // Providers that do not tell null from empty record nothing so.
            _ => !value.is_null() && value.as_str() != Some("") && value.as_bool() != Some(false),
        };
        !self.unless.iter().any(|name| config.get(name).is_some_and(is_set))
    }

    /// What names an object; `None` where something of it is not set. It may be unknown.
    pub(crate) fn identity_of(&self, config: &Value) -> Option<Value> {
        if self.identity.is_empty() || !self.fits(config) {
            return None;
        }
        let named = |name: &String| Some((name.clone(), self.attribute(name, config)?));
        Some(Value::object(self.identity.iter().map(named).collect::<Option<Vec<_>>>()?))
    }

    pub(crate) fn unfinished(&self) -> Unfinished {
        match self.unfinished {
            After::Updated => Unfinished::Updated,
            After::Replaced => Unfinished::Replaced,
            After::AlwaysReplaced => Unfinished::AlwaysReplaced,
        }
    }

    fn attribute(&self, name: &str, config: &Value) -> Option<Value> {
        let set = config.get(name).filter(|value| !value.is_null()).cloned();
        set.or_else(|| self.defaults.get(name).map(Value::string))
    }

    /// A template with values in it; `None` where one of them is not there. `more` comes before attributes.
    pub(crate) fn fill(&self, template: &str, config: &Value, more: &[(&str, &str)]) -> Option<String> {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            filled.push_str(before);
            match more.iter().find(|(own, _)| *own == name) {
                Some((_, value)) => filled.push_str(value),
                None => filled.push_str(&plain(&self.attribute(name, config)?)?),
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// The configuration of a data source.
    pub(crate) fn filled(
        &self,
        table: &serde_json::Map<String, Json>,
        config: &Value,
        more: &[(&str, &str)],
    ) -> Option<Value> {
        let entries = table.iter().map(|(name, value)| Some((name.clone(), self.value(value, config, more)?)));
        Some(Value::object(entries.collect::<Option<Vec<_>>>()?))
    }

    fn value(&self, template: &Json, config: &Value, more: &[(&str, &str)]) -> Option<Value> {
        Some(match template {
            Json::String(text) => Value::string(self.fill(text, config, more)?),
            Json::Bool(flag) => Value::from(*flag),
            Json::Number(number) => Value::from(number.as_i64()?),
            Json::Array(items) => {
                Value::tuple(items.iter().map(|item| self.value(item, config, more)).collect::<Option<Vec<_>>>()?)
            }
            Json::Object(table) => self.filled(table, config, more)?,
            Json::Null => return None,
        })
    }

    /// What is wrong with it: keys, and what is wrong there.
    pub(crate) fn mistakes(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let named = !self.identity.is_empty();
        if !self.nothing_outside && !named && self.marker.is_none() {
            found.push(("", "it says no way of finding: `nothing_outside`, `identity` or `marker`".into()));
        }
        if self.nothing_outside && (named || self.marker.is_some()) {
            let what = "with `nothing_outside` nothing can be found, and there is an `identity` or a `marker`";
            found.push(("nothing_outside", what.into()));
        }
        if named && self.import.is_none() && self.lookup.is_none() {
            found.push(("identity", "what is named so is found by `lookup` or `import`, and there is neither".into()));
        }
        if self.marker.is_some() && self.lookup.is_none() {
            found.push(("marker", "what carries it is found by `lookup`, and there is none".into()));
        }
        let texts = self.absent.iter().map(|text| ("absent", text));
        let texts = texts.chain(self.lookup.iter().flat_map(|lookup| &lookup.none).map(|text| ("lookup", text)));
        for (key, text) in texts {
            if *text != text.to_lowercase() {
                found.push((key, format!("`{text}` is compared with texts in lower case, and never fits")));
            }
        }
        found
    }

    /// Whether what was found is as good as gone.
    pub(crate) fn is_deleted(&self, state: &Value) -> bool {
        let is = |name: &str| state.get(name).and_then(Value::as_str);
        self.deleted.iter().any(|(name, values)| is(name).is_some_and(|is| values.iter().any(|value| value == is)))
    }
}

/// A value as part of an id: a number as it is written, several texts with `_` between them.
fn plain(value: &Value) -> Option<String> {
    match value.data() {
        Data::String(text) => Some(text.to_string()),
        Data::Number(number) => Some(number.to_string()),
        Data::List(..) | Data::Set(..) => {
            let texts = texts(value);
            (!texts.is_empty() && value.as_items().is_some_and(|items| items.len() == texts.len()))
                .then(|| texts.join("_"))
        }
        _ => None,
    }
}

/// The texts in a value that is one text, or a collection of them.
pub(crate) fn texts(value: &Value) -> Vec<String> {
    match value.data() {
        Data::String(text) => vec![text.to_string()],
        Data::List(Type::String, items) | Data::Set(Type::String, items) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(type_name: &str) -> Option<&'static Recipe> {
        among(shipped(), type_name)
    }

    #[test]
    fn the_table_is_sound() {
        let recipes: BTreeMap<String, Recipe> = toml::from_str(TABLE).unwrap();
        for (name, recipe) in recipes {
            assert_eq!(recipe.mistakes(), [], "{name}");
        }
    }

    #[test]
    fn what_names_an_object() {
        let config = |name: Value| Value::object([("name", name), ("path", Value::null(Type::String))]);
        let policy = recipe("aws_iam_policy").unwrap();
        let named = config(Value::from("p"));
        assert_eq!(policy.findable(&named), Findable::ByIdentity);
        let template = policy.import.as_deref().unwrap();
        assert_eq!(
            policy.fill(template, &named, &[("id.1", "aws"), ("id.4", "1")]).as_deref(),
            Some("arn:aws:iam::1:policy/p")
        );
        let unknown = config(Value::unknown(Type::String));
        assert!(policy.identity_of(&unknown).is_some_and(|identity| !identity.is_wholly_known()));
        assert_eq!(policy.findable(&config(Value::null(Type::String))), Findable::No);
        assert_eq!(recipe("aws_vpc").unwrap().findable(&config(Value::from("p"))), Findable::ByMarker);
        assert_eq!(recipe("random_pet").unwrap().findable(&named), Findable::NothingOutside);
        assert!(recipe("aws_cloudfront_distribution").is_none());
    }
}
