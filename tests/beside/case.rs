//! A configuration of the corpus: a file of steps, each of which is written once and rendered for both programs.
//!
//! ```toml
//! about = "what it shows"
//!
//! [[step]]
//! [step.resource.aws_vpc.main]
//! cidr_block = "10.0.0.0/16"
//!
//! [[step]]
//! outside = 'ec2.delete_tags(Resources=[id("aws_vpc.main")])'
//! resource.aws_vpc.main.tags = { a = "b" }
//! ```
//!
//! A step is merged into the one before it, tables key by key; `without` names, by dots, what goes first. Besides the
//! blocks of a stack it may have: `outside`, what somebody else does before it (Python, see `server.py`); `import`,
//! an address for each expression of Python that is an id; `replace` and `targets`, addresses; `refused` and `fails`,
//! whether the plan or the apply is to fail.
//! `@files@` is a directory for files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value as Json, json};
use toml::Value as Toml;

/// One of them.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Whether it is run by default.
    pub(crate) quick: bool,
    pub(crate) steps: Vec<Step>,
}

/// What is declared at a time, and what is done then.
#[derive(Clone, Default)]
pub(crate) struct Step {
    pub(crate) blocks: toml::Table,
    pub(crate) outside: Option<String>,
    pub(crate) imports: BTreeMap<String, String>,
    pub(crate) replace: Vec<String>,
    pub(crate) targets: Vec<String>,
    pub(crate) refused: bool,
    pub(crate) fails: bool,
}

/// All that there are, by name.
pub(crate) fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/beside/cases");
    let mut files: Vec<_> = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| Case::read(path)).collect()
}

impl Case {
    fn read(path: &Path) -> Case {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut file: toml::Table =
            toml::from_str(&fs_err::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(file.remove("about").is_some_and(|about| about.is_str()), "{name}: say what it is about");
        let quick = file.remove("quick").is_some_and(|quick| quick.as_bool().unwrap());
        let Some(Toml::Array(written)) = file.remove("step") else { panic!("{name}: it has no steps") };
        assert!(file.is_empty(), "{name}: {:?}", file.keys().collect::<Vec<_>>());
        let mut steps: Vec<Step> = Vec::new();
        for step in written {
            let Toml::Table(table) = step else { panic!("{name}: a step is a table") };
            let before = steps.last().map(|step| step.blocks.clone()).unwrap_or_default();
            steps.push(Step::read(before, table));
        }
        Case { name, quick, steps }
    }

    /// The providers that it needs, by the prefix of their types.
    pub(crate) fn providers(&self) -> BTreeSet<String> {
        let kinds = |step: &Step| -> Vec<String> {
            let tables = ["resource", "data"].iter().filter_map(|mode| step.blocks.get(*mode)?.as_table());
            tables.flat_map(toml::Table::keys).map(|kind| kind.split('_').next().unwrap().to_owned()).collect()
        };
        self.steps.iter().flat_map(kinds).collect()
    }

    /// Whether it uses the second configuration of aws.
    pub(crate) fn uses_west(&self) -> bool {
        self.steps.iter().any(|step| toml::to_string(&step.blocks).unwrap().contains("provider = \"west\""))
    }
}

impl Step {
    /// Blocks, and nothing else.
    pub(crate) fn of(blocks: &str) -> Step {
        Step { blocks: toml::from_str(blocks).unwrap(), ..Step::default() }
    }

    fn read(mut blocks: toml::Table, mut table: toml::Table) -> Step {
        for path in texts(table.remove("without")) {
            remove(&mut blocks, &path);
        }
        let imports = match table.remove("import") {
            Some(Toml::Table(imports)) => {
                imports.into_iter().map(|(address, id)| (address, id.as_str().unwrap().to_owned())).collect()
            }
            _ => BTreeMap::new(),
        };
        let mut flag = |name: &str| table.remove(name).is_some_and(|flag| flag.as_bool().unwrap());
        let (refused, fails) = (flag("refused"), flag("fails"));
        let outside = table.remove("outside").map(|text| text.as_str().unwrap().to_owned());
        let (replace, targets) = (texts(table.remove("replace")), texts(table.remove("targets")));
        // A rename is of its step alone.
        blocks.remove("moved");
        merge(&mut blocks, table);
        Step { blocks, outside, imports, replace, targets, refused, fails }
    }

    /// The stack, with what configures its providers before it.
    pub(crate) fn stack(&self, settings: &str) -> String {
        format!("{settings}\n{}", toml::to_string(&self.blocks).unwrap())
    }

    /// The same for Terraform, with what configures its providers.
    pub(crate) fn terraform(&self, required: &Json, settings: &Json) -> Json {
        let mut blocks = Map::new();
        for (word, block) in &self.blocks {
            let word = if word == "local" { "locals" } else { word };
            blocks.insert(word.to_owned(), serde_json::to_value(block).unwrap());
        }
        for mode in ["resource", "data"] {
            let kinds = blocks.get_mut(mode).and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut);
            for block in kinds.filter_map(Json::as_object_mut).flat_map(Map::values_mut) {
                if let Some(keys @ Json::Array(_)) = block.get("for_each") {
                    block["for_each"] = json!(format!("${{toset({keys})}}"));
                }
                if block.get("provider").is_some_and(|name| name == "west") {
                    block["provider"] = json!("aws.west");
                }
                if let Some(lifecycle) = block.get_mut("lifecycle").and_then(Json::as_object_mut) {
                    // A word of ours; Terraform deletes whatever it is.
                    lifecycle.remove("on_destroy");
                }
                let lifecycle = block.get_mut("lifecycle").and_then(Json::as_object_mut).into_iter().flatten();
                let conditions = lifecycle.filter(|(word, _)| word.ends_with("condition"));
                for condition in conditions.filter_map(|(_, list)| list.as_array_mut()).flatten() {
                    condition["error_message"] = condition["message"].take();
                    condition.as_object_mut().unwrap().remove("message");
                }
            }
        }
        blocks.insert("terraform".into(), json!({"required_providers": required}));
        blocks.insert("provider".into(), settings.clone());
        Json::Object(blocks)
    }
}

fn texts(list: Option<Toml>) -> Vec<String> {
    let items = list.map(|list| list.as_array().unwrap().clone()).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Toml::Table(into)), Toml::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn remove(from: &mut toml::Table, path: &str) {
    match path.split_once('.') {
        Some((first, rest)) => remove(from.get_mut(first).and_then(Toml::as_table_mut).expect(path), rest),
        None => assert!(from.remove(path).is_some(), "there is no {path}"),
    }
}
