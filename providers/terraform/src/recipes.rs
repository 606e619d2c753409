//! How objects are found again: recipes, which are data.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use retrue_provider_api::{Data, Findable, Type, Unfinished, Value};
use serde::Deserialize;

use crate::data_types::fits;

/// A table for each type.
const TABLE: &str = include_str!("recipes.toml");

/// How objects of a type are found again. `recipes.toml` says what the parts mean.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Recipe {
    nothing_outside: bool,
    identity: Vec<String>,
    defaults: BTreeMap<String, String>,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) import: Option<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) marker: Option<String>,
    pub(crate) deleted: BTreeMap<String, Vec<String>>,
    unfinished: After,
    pub(crate) settles: u64,
}

/// A data source that knows more.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub(crate) data: String,
    pub(crate) config: toml::Table,
    pub(crate) id: String,
    pub(crate) none: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum After {
    #[default]
    Updated,
    Replaced,
    AlwaysReplaced,
}

type Table = Result<BTreeMap<String, Recipe>, toml::de::Error>;

static RECIPES: LazyLock<Table> = LazyLock::new(|| toml::from_str(TABLE));

/// The recipe for a type: that of its own name before any with a `*`.
pub(crate) fn recipe(type_name: &str) -> Option<&'static Recipe> {
    // A test reads the table; without it, nothing would be found, and a person asked.
    let recipes = RECIPES.as_ref().ok()?;
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
        match (self.identity_of(config), &self.marker) {
            (Some(_), _) => Findable::ByIdentity,
            (None, Some(_)) => Findable::ByMarker,
            (None, None) => Findable::No,
        }
    }

    /// What names an object; `None` where something of it is not set. It may be unknown.
    pub(crate) fn identity_of(&self, config: &Value) -> Option<Value> {
        if self.identity.is_empty() {
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
                None => filled.push_str(self.attribute(name, config)?.as_str()?),
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    /// The configuration of a data source.
    pub(crate) fn filled(&self, table: &toml::Table, config: &Value, more: &[(&str, &str)]) -> Option<Value> {
        let entries = table.iter().map(|(name, value)| Some((name.clone(), self.value(value, config, more)?)));
        Some(Value::object(entries.collect::<Option<Vec<_>>>()?))
    }

    fn value(&self, template: &toml::Value, config: &Value, more: &[(&str, &str)]) -> Option<Value> {
        Some(match template {
            toml::Value::String(text) => Value::string(self.fill(text, config, more)?),
            toml::Value::Boolean(flag) => Value::from(*flag),
            toml::Value::Integer(number) => Value::from(*number),
            toml::Value::Array(items) => {
                Value::tuple(items.iter().map(|item| self.value(item, config, more)).collect::<Option<Vec<_>>>()?)
            }
            toml::Value::Table(table) => self.filled(table, config, more)?,
            toml::Value::Float(_) | toml::Value::Datetime(_) => return None,
        })
    }

    /// Whether what was found is as good as gone.
    pub(crate) fn is_deleted(&self, state: &Value) -> bool {
        let is = |name: &str| state.get(name).and_then(Value::as_str);
        self.deleted.iter().any(|(name, values)| is(name).is_some_and(|is| values.iter().any(|value| value == is)))
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

    #[test]
    fn the_table_is_sound() {
        let recipes = RECIPES.as_ref().unwrap_or_else(|error| panic!("{error}"));
        for (name, recipe) in recipes {
            let ways = [recipe.nothing_outside, !recipe.identity.is_empty(), recipe.marker.is_some()];
            assert!(ways.iter().any(|way| *way), "{name}: no way of finding");
            assert!(!recipe.nothing_outside || !ways[1] && !ways[2], "{name}: nothing, and something");
            assert!(recipe.identity.is_empty() || recipe.import.is_some() || recipe.lookup.is_some(), "{name}");
            assert!(recipe.marker.is_none() || recipe.lookup.is_some(), "{name}: a marker, and nothing to ask");
            let texts = recipe.absent.iter().chain(recipe.lookup.iter().flat_map(|lookup| &lookup.none));
            texts.for_each(|text| assert_eq!(*text, text.to_lowercase(), "{name}"));
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
        assert!(recipe("aws_route53_zone").is_none());
    }
}
