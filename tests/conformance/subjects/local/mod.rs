//! The types of this machine.

pub mod cases;
pub mod command;
mod tree;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{Block, Category, ConfigureRequest, Effect, Provider, Value};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::values::value_of;
use crate::world::{DataCase, Failure, FailureKind, World};
use cases::Case;

/// A directory of its own, with what is found by a path in it.
pub struct PathWorld {
    case: &'static Case,
    directory: TempDir,
    provider: Arc<dyn Provider>,
    block: Block,
    data: Block,
}

/// A fresh directory for a type.
pub async fn start(case: &'static Case) -> PathWorld {
    let directory = tempfile::tempdir().expect("a directory");
    let provider = provider_in(directory.path().to_owned()).await;
    let schema = provider.schema().await.expect("a schema");
    let block = schema.resources.get(case.type_name).unwrap().block.clone();
    let data = schema.data.get("local_file").unwrap().block.clone();
    let world = PathWorld { case, directory, provider, block, data };
    // Beside the objects, and no part of the truth.
    let sources = world.directory.path().join(tree::BESIDE);
    std::fs::create_dir(&sources).expect("a directory");
    std::fs::write(sources.join("one"), b"from a source \xff").expect("a file");
    std::fs::write(sources.join("two"), b"from another source").expect("a file");
    world
}

/// The provider for a directory.
pub async fn provider_in(directory: PathBuf) -> Arc<dyn Provider> {
    let provider = retrue_provider_local::provider();
    let config = Value::object::<&str>([]);
    provider.configure(ConfigureRequest { config, directory }).await.expect("configured");
    provider
}

impl PathWorld {
    fn value(&self, json: &Json) -> Value {
        value_of(&self.block, json)
    }

    fn with(&self, name: &str, other: &Json) -> Value {
        let mut config = (self.case.config)();
        config[name] = other.clone();
        self.value(&config)
    }

    fn place(&self, state: &Value) -> PathBuf {
        self.directory.path().join(state.get("path").and_then(Value::as_str).expect("a path"))
    }
}

#[async_trait]
impl World for PathWorld {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    fn type_name(&self) -> &str {
        self.case.type_name
    }

    fn config(&self) -> Value {
        self.value(&(self.case.config)())
    }

    fn alternatives(&self) -> Vec<(String, Value)> {
        let with = |(name, other): &(&str, Json)| {
            ((*name).to_owned(), self.with(name, other).get(name).expect("an attribute").clone())
        };
        (self.case.alternatives)().iter().map(with).collect()
    }

    fn invalid(&self) -> Vec<(Value, String)> {
        let with = |(name, other): &(&str, Json)| (self.with(name, other), (*name).to_owned());
        (self.case.invalid)().iter().map(with).collect()
    }

    fn wishes(&self) -> &'static [&'static str] {
        self.case.wishes
    }

    async fn truth(&self) -> Vec<Json> {
        tree::entries(self.directory.path())
    }

    async fn make(&self, config: &Value) -> bool {
        (self.case.make)(&self.place(config));
        true
    }

    async fn drift(&self, state: &Value) -> bool {
        (self.case.drift)(&self.place(state));
        true
    }

    async fn remove(&self, state: &Value) -> bool {
        tree::remove(&self.place(state));
        true
    }

    async fn clear(&self) {
        for name in tree::names(self.directory.path()) {
            tree::remove(&self.directory.path().join(name));
        }
    }

    fn import_id(&self, state: &Value) -> Option<String> {
        state.get("path").and_then(Value::as_str).map(str::to_owned)
    }

    fn strange_id(&self) -> Option<String> {
        Some("nothing-is-here".into())
    }

    fn failures(&self) -> Vec<Failure> {
        let kind = FailureKind::Refused(Category::Conflict, None);
        [Effect::Create, Effect::Update, Effect::Delete]
            .map(|effect| Failure { name: "something else in its place", effect, kind })
            .into()
    }

    async fn arm(&self, _: &Failure) {
        let place = self.place(&self.config());
        tree::remove(&place);
        if self.case.type_name == "local_directory" {
            std::fs::write(&place, b"in the way").expect("a file");
        } else {
            std::fs::create_dir(&place).expect("a directory");
        }
    }

    async fn disarm(&self) {
        self.clear().await;
    }

    fn secrets(&self) -> Vec<String> {
        let config = (self.case.config)();
        config.get("sensitive_content").and_then(Json::as_str).map(str::to_owned).into_iter().collect()
    }

    fn data(&self) -> Option<DataCase> {
        let at = |path: &str| value_of(&self.data, &json!({ "path": path }));
        (self.case.type_name == "local_file").then(|| DataCase {
            type_name: "local_file".into(),
            config: at("beside/one"),
            expected: ("size".into(), Value::from(15i64)),
            missing: at("beside/nothing"),
        })
    }
}
