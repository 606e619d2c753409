//! What a user knows of the types and errors of a provider beyond what it says itself. It comes before what is shipped
//! (`recipes.toml`, `errors.txt`, `data_types.txt`).

use std::collections::BTreeMap;

use retrue_provider_api::Category;
use serde_json::{Map, Value as Json};

use crate::classification::classify;
use crate::data_types::{fits, holds_data};
use crate::recipes::{Recipe, among, shipped};

/// The keys of a provider's block that hold tables.
pub const KEYS: &[&str] = &["errors", "recipes", "data_types"];

/// The tables of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// Parts of texts in lower case, in the order of the categories.
    errors: Vec<(Category, String)>,
    recipes: BTreeMap<String, Recipe>,
    /// Patterns of names.
    data_types: Vec<String>,
}

/// Something wrong in tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where: keys and numbers of items.
    pub path: Vec<String>,
    /// What is wrong there.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Tables {
    /// Reads tables: an object with some of [`KEYS`].
    ///
    /// # Errors
    /// All that is wrong with them.
    pub fn read(tables: &Json) -> Result<Self, Vec<Mistake>> {
        let mut reader = Reader::default();
        let mut read = Tables::default();
        let none = Map::new();
        for (key, table) in tables.as_object().unwrap_or(&none) {
            match key.as_str() {
                "errors" => read.errors = reader.errors(&[key], table),
                "recipes" => read.recipes = reader.recipes(&[key], table),
                "data_types" => {
                    read.data_types = reader.texts(&[key], table);
                    for (at, pattern) in read.data_types.iter().enumerate() {
                        reader.pattern(&[key, &at.to_string()], pattern);
                    }
                }
                _ => reader.unknown(&[key], KEYS),
            }
        }
        if reader.mistakes.is_empty() { Ok(read) } else { Err(reader.mistakes) }
    }

    /// The recipe for a type.
    pub(crate) fn recipe(&self, type_name: &str) -> Option<&Recipe> {
        among(&self.recipes, type_name).or_else(|| among(shipped(), type_name))
    }

    /// Whether a delete of an object of the type loses data.
    pub(crate) fn holds_data(&self, type_name: &str) -> bool {
        self.data_types.iter().any(|pattern| fits(pattern, type_name)) || holds_data(type_name)
    }

    /// The category that a text of an error means; `None` when nothing fits.
    pub(crate) fn category_of(&self, text: &str) -> Option<Category> {
        let lower = text.to_lowercase();
        let own = self.errors.iter().find(|(_, part)| lower.contains(part.as_str()));
        own.map(|(category, _)| *category).or_else(|| classify(text))
    }
}

/// What stands behind a key of a recipe.
#[derive(Clone, Copy)]
enum Kind {
    Flag,
    Count,
    Text,
    Texts,
    /// A table of texts.
    TextTable,
    /// A table of lists of texts.
    TextsTable,
    Lookup,
    Unfinished,
}

const RECIPE_KEYS: &[(&str, Kind)] = &[
    ("nothing_outside", Kind::Flag),
    ("identity", Kind::Texts),
    ("defaults", Kind::TextTable),
    ("unless", Kind::Texts),
    ("lookup", Kind::Lookup),
    ("import", Kind::Text),
    ("absent", Kind::Texts),
    ("marker", Kind::Text),
    ("deleted", Kind::TextsTable),
    ("unfinished", Kind::Unfinished),
    ("settles", Kind::Count),
];

const LOOKUP_KEYS: &[&str] = &["data", "config", "id", "none"];
const UNFINISHED: &[&str] = &["updated", "replaced", "always_replaced"];

/// Reads, and collects what is wrong.
#[derive(Default)]
struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn report(&mut self, path: &[&str], what: impl Into<String>, hint: impl Into<String>) {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        self.mistakes.push(Mistake { path, what: what.into(), hint: hint.into() });
    }

    fn unknown(&mut self, path: &[&str], known: &[&str]) {
        let name = path.last().copied().unwrap_or_default();
        self.report(path, format!("`{name}` is not known here"), format!("there are {}", known.join(", ")));
    }

    fn wrong_kind(&mut self, path: &[&str], wanted: &str) {
        let name = path.iter().rev().find(|part| part.parse::<usize>().is_err()).copied().unwrap_or_default();
        self.report(path, format!("`{name}` takes {wanted}"), "the guide on Terraform's providers shows these tables");
    }

    fn table<'j>(&mut self, path: &[&str], json: &'j Json) -> Vec<(&'j String, &'j Json)> {
        match json.as_object() {
            Some(table) => table.iter().collect(),
            None => {
                self.wrong_kind(path, "a table");
                Vec::new()
            }
        }
    }

    /// A text that is not empty.
    fn text(&mut self, path: &[&str], json: &Json) -> Option<String> {
        match json.as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => {
                self.wrong_kind(path, "text that is not empty");
                None
            }
        }
    }

    fn texts(&mut self, path: &[&str], json: &Json) -> Vec<String> {
        let Some(items) = json.as_array() else {
            self.wrong_kind(path, "a list of texts");
            return Vec::new();
        };
        let texts = items.iter().enumerate().filter_map(|(at, item)| {
            let at = at.to_string();
            self.text(&[path, &[&at]].concat(), item)
        });
        texts.collect()
    }

    /// The name of a type, in which `*` may stand for anything.
    fn pattern(&mut self, path: &[&str], name: &str) {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '*');
        if !name.chars().all(fits) {
            self.report(path, format!("`{name}` names no type"), "like `aws_vpc`; `*` stands for anything");
        }
    }

    fn errors(&mut self, path: &[&str], json: &Json) -> Vec<(Category, String)> {
        let mut errors = Vec::new();
        for (word, parts) in self.table(path, json) {
            let path = [path, &[word]].concat();
            match Category::named(word) {
                Some(category) => {
                    let parts = self.texts(&path, parts);
                    errors.extend(parts.into_iter().map(|part| (category, part.to_lowercase())));
                }
                None => {
                    let known = Category::ALL.map(|category| category.to_string());
                    self.unknown(&path, &known.each_ref().map(String::as_str));
                }
            }
        }
        // Of two parts of one text the longer one says more.
        errors.sort_by_key(|(_, part)| std::cmp::Reverse(part.len()));
        errors
    }

    fn recipes(&mut self, path: &[&str], json: &Json) -> BTreeMap<String, Recipe> {
        let mut recipes = BTreeMap::new();
        for (name, json) in self.table(path, json) {
            let path = [path, &[name]].concat();
            self.pattern(&path, name);
            let before = self.mistakes.len();
            for (key, value) in self.table(&path, json) {
                self.recipe_key(&[&path[..], &[key]].concat(), key, value);
            }
            if self.mistakes.len() > before {
                continue;
            }
            match serde_json::from_value::<Recipe>(json.clone()) {
                Ok(recipe) => {
                    for (key, what) in recipe.mistakes() {
                        let path = if key.is_empty() { path.clone() } else { [&path[..], &[key]].concat() };
                        self.report(&path, what, "the guide on Terraform's providers says what recipes hold");
                    }
                    recipes.insert(name.clone(), recipe);
                }
                Err(error) => self.report(&path, error.to_string(), "the guide on Terraform's providers shows recipes"),
            }
        }
        recipes
    }

    fn recipe_key(&mut self, path: &[&str], key: &str, value: &Json) {
        let Some((_, kind)) = RECIPE_KEYS.iter().find(|(name, _)| *name == key) else {
            let known: Vec<&str> = RECIPE_KEYS.iter().map(|(name, _)| *name).collect();
            return self.unknown(path, &known);
        };
        match kind {
            Kind::Flag if value.is_boolean() => {}
            Kind::Flag => self.wrong_kind(path, "true or false"),
            Kind::Count if value.as_u64().is_some_and(|seconds| seconds <= 3600) => {}
            Kind::Count => self.wrong_kind(path, "a number of seconds, at most 3600"),
            Kind::Text => drop(self.text(path, value)),
            Kind::Texts => drop(self.texts(path, value)),
            Kind::TextTable => {
                for (name, value) in self.table(path, value) {
                    self.text(&[path, &[name]].concat(), value);
                }
            }
            Kind::TextsTable => {
                for (name, value) in self.table(path, value) {
                    // Empty text may be what says that something is gone.
                    if !value.as_array().is_some_and(|items| items.iter().all(Json::is_string)) {
                        self.wrong_kind(&[path, &[name]].concat(), "a list of texts");
                    }
                }
            }
            Kind::Unfinished if value.as_str().is_some_and(|word| UNFINISHED.contains(&word)) => {}
            Kind::Unfinished => self.wrong_kind(path, &format!("one of {}", UNFINISHED.join(", "))),
            Kind::Lookup => self.lookup(path, value),
        }
    }

    fn lookup(&mut self, path: &[&str], value: &Json) {
        let entries = self.table(path, value);
        if entries.is_empty() {
            return;
        }
        for needed in ["data", "config", "id"] {
            if !entries.iter().any(|(key, _)| *key == needed) {
                self.report(path, format!("a lookup needs `{needed}`"), "it has `data`, `config` and `id`");
            }
        }
        for (key, value) in entries {
            let path = [path, &[key.as_str()]].concat();
            match key.as_str() {
                "data" | "id" => drop(self.text(&path, value)),
                "none" => drop(self.texts(&path, value)),
                "config" => drop(self.table(&path, value)),
                _ => self.unknown(&path, LOOKUP_KEYS),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistakes(tables: Json) -> Vec<(String, String)> {
        let mistakes = Tables::read(&tables).unwrap_err();
        mistakes.into_iter().map(|mistake| (mistake.path.join("."), mistake.what)).collect()
    }

    #[test]
    fn what_the_user_knows_comes_first() {
        let tables = Tables::read(&json!({
            "errors": {"rate-limited": ["Please Slow", "please slow down a lot"], "not-found": ["throttled by no one"]},
            "recipes": {
                "acme_*": {"identity": ["name"], "import": "{name}"},
                "aws_vpc": {"identity": ["cidr_block"], "import": "{cidr_block}"},
                "acme_marked": {"marker": "labels", "lookup": {"data": "acme_x", "config": {"a": 1}, "id": "id"}},
            },
            "data_types": ["acme_disk*"],
        }))
        .unwrap();
        assert_eq!(tables.category_of("502: please SLOW down"), Some(Category::RateLimited));
        assert_eq!(tables.category_of("throttled by no one"), Some(Category::NotFound), "it is shipped as another one");
        assert_eq!(tables.category_of("connection refused"), Some(Category::Network), "what is shipped is there");
        assert_eq!(tables.category_of("anything"), None);
        assert!(tables.recipe("aws_vpc").unwrap().marker.is_none());
        assert_eq!(tables.recipe("acme_marked").unwrap().marker.as_deref(), Some("labels"));
        assert_eq!(tables.recipe("acme_other").unwrap().import.as_deref(), Some("{name}"));
        assert!(tables.recipe("aws_subnet").is_some() && tables.recipe("other_thing").is_none());
        assert!(
            tables.holds_data("acme_disk_2") && tables.holds_data("aws_s3_bucket") && !tables.holds_data("acme_vm")
        );
    }

    #[test]
    fn what_is_wrong_is_told_at_its_place() {
        for (tables, place, part) in [
            (json!({"errors": {"slow": ["x"]}}), "errors.slow", "not known"),
            (json!({"errors": {"network": "x"}}), "errors.network", "a list of texts"),
            (json!({"errors": {"network": ["x", ""]}}), "errors.network.1", "not empty"),
            (json!({"errors": 1}), "errors", "a table"),
            (json!({"data_types": ["a b"]}), "data_types.0", "names no type"),
            (json!({"data_types": {}}), "data_types", "a list"),
            (json!({"recipes": {"a_b": {}}}), "recipes.a_b", "no way of finding"),
            (json!({"recipes": {"a/b": {"nothing_outside": true}}}), "recipes.a/b", "names no type"),
            (json!({"recipes": {"a_b": {"identiy": ["name"]}}}), "recipes.a_b.identiy", "not known"),
            (json!({"recipes": {"a_b": {"identity": ["name"]}}}), "recipes.a_b.identity", "neither"),
            (json!({"recipes": {"a_b": {"identity": "name"}}}), "recipes.a_b.identity", "a list"),
            (json!({"recipes": {"a_b": {"marker": "tags"}}}), "recipes.a_b.marker", "there is none"),
            (
                json!({"recipes": {"a_b": {"marker": "tags", "lookup": {"data": "x"}}}}),
                "recipes.a_b.lookup",
                "`config`",
            ),
            (json!({"recipes": {"a_b": {"nothing_outside": true, "settles": -1}}}), "recipes.a_b.settles", "seconds"),
            (
                json!({"recipes": {"a_b": {"nothing_outside": true, "marker": "x", "lookup": {"data": "x", "config": {}, "id": "id"}}}}),
                "recipes.a_b.nothing_outside",
                "can be found",
            ),
            (json!({"recipes": {"a_b": {"unfinished": "no"}}}), "recipes.a_b.unfinished", "one of"),
            (
                json!({"recipes": {"a_b": {"identity": ["a"], "import": "{a}", "absent": ["Not"]}}}),
                "recipes.a_b.absent",
                "lower case",
            ),
            (json!({"other": {}}), "other", "not known"),
        ] {
            let found = mistakes(tables.clone());
            let told = found.iter().any(|(path, what)| path == place && what.contains(part));
            assert!(told, "{tables}: {found:?}");
        }
        assert_eq!(mistakes(json!({"errors": {"a": [], "b": []}, "data_types": 1})).len(), 3);
    }
}
