//! `local_command`, with one file that its commands make.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{Block, Effect, Provider, Value};
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{provider_in, tree};
use crate::values::value_of;
use crate::world::{DataCase, Failure, FailureKind, World};

/// What the commands make.
const THING: &str = "thing";

/// One way of using it.
pub struct Case {
    /// The attributes that are set beside `create`, `delete` and `inputs`.
    more: fn() -> Json,
    /// A change of the inputs replaces.
    replaces: bool,
    /// Whether a look tells what is in the thing.
    sees: bool,
}

/// With everything that it can have.
pub const WHOLE: Case = Case {
    more: || json!({"read": "cat thing 2>/dev/null || exit 44", "update": line("test -e thing || exit 9")}),
    replaces: false,
    sees: true,
};

/// Looked at by a path, and never updated.
pub const GUARDED: Case = Case { more: || json!({"creates": THING}), replaces: true, sees: false };

/// Never looked at.
pub const BLIND: Case = Case { more: || json!({"update": line("true")}), replaces: false, sees: false };

/// A command that makes the thing, and goes wrong where a file beside it says so.
fn line(first: &str) -> String {
    let fail = |when: &str| format!("test ! -e beside/fail-{when} || exit 7");
    let hang = "test ! -e beside/hang || sleep 1000";
    format!("{first}; {}; printf '%s' \"$RETRUE_INPUTS\" > thing; {}; {hang}", fail("before"), fail("after"))
}

pub struct CommandWorld {
    case: &'static Case,
    directory: TempDir,
    provider: Arc<dyn Provider>,
    block: Block,
    data: Block,
}

pub async fn start(case: &'static Case) -> CommandWorld {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(directory.path().join(tree::BESIDE)).expect("a directory");
    let provider = provider_in(directory.path().to_owned()).await;
    let schema = provider.schema().await.expect("a schema");
    let block = schema.resources.get("local_command").unwrap().block.clone();
    let data = schema.data.get("local_command").unwrap().block.clone();
    CommandWorld { case, directory, provider, block, data }
}

impl CommandWorld {
    fn with(&self, name: &str, other: Json) -> Value {
        let delete = "test ! -e beside/fail-before || exit 7; rm -f thing; test ! -e beside/fail-after || exit 7";
        let mut config =
            json!({"create": line("true"), "delete": delete, "inputs": {"a": [1, "two"]}, "timeout": "60s"});
        for (name, value) in (self.case.more)().as_object().expect("attributes") {
            config[name.as_str()] = value.clone();
        }
        config[name] = other;
        value_of(&self.block, &config)
    }

    fn thing(&self) -> PathBuf {
        self.directory.path().join(THING)
    }

    fn flag(&self, name: &str) {
        std::fs::write(self.directory.path().join(tree::BESIDE).join(name), b"").expect("a file");
    }
}

#[async_trait]
impl World for CommandWorld {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    fn type_name(&self) -> &str {
        "local_command"
    }

    fn config(&self) -> Value {
        self.with("environment", json!({"A": "1"}))
    }

    fn alternatives(&self) -> Vec<(String, Value)> {
        let others = [
            ("inputs", json!("plain")),
            ("environment", json!({"A": "2"})),
            ("timeout", json!(30)),
            ("delete", json!(["rm", "-f", THING])),
        ];
        let value = |name: &str, other: Json| self.with(name, other).get(name).expect("an attribute").clone();
        others.map(|(name, other)| (name.to_owned(), value(name, other))).into()
    }

    fn replaced(&self) -> &'static [&'static str] {
        if self.case.replaces { &["inputs"] } else { &[] }
    }

    fn invalid(&self) -> Vec<(Value, String)> {
        let wrong = [
            ("create", json!("  ")),
            ("create", json!([])),
            ("timeout", json!("soon")),
            ("absent_exit_code", json!(0)),
            ("environment", json!({"A=B": "1"})),
        ];
        wrong.map(|(name, other)| (self.with(name, other), name.to_owned())).into()
    }

    fn follows_commands(&self) -> bool {
        true
    }

    async fn truth(&self) -> Vec<Json> {
        tree::entries(self.directory.path())
    }

    async fn make(&self, _: &Value) -> bool {
        std::fs::write(self.thing(), "{\"a\":[1,\"two\"]}").expect("a file");
        true
    }

    async fn drift(&self, _: &Value) -> bool {
        if self.case.sees {
            std::fs::write(self.thing(), "by hand").expect("a file");
        }
        self.case.sees
    }

    async fn remove(&self, _: &Value) -> bool {
        tree::remove(&self.thing());
        true
    }

    async fn clear(&self) {
        for name in tree::names(self.directory.path()) {
            tree::remove(&self.directory.path().join(name));
        }
    }

    fn failures(&self) -> Vec<Failure> {
        let effects = if self.case.replaces {
            &[Effect::Create, Effect::Delete][..]
        } else {
            &[Effect::Create, Effect::Update, Effect::Delete]
        };
        let mut failures = Vec::new();
        for effect in effects.iter().copied() {
            failures.push(Failure { name: "a command that fails at once", effect, kind: FailureKind::Before });
            // Without a look the word of the command is all there is, and it says that it failed.
            if self.case.sees {
                failures.push(Failure { name: "a command that fails at its end", effect, kind: FailureKind::After });
            }
        }
        failures
    }

    async fn arm(&self, failure: &Failure) {
        self.flag(if failure.kind == FailureKind::Before { "fail-before" } else { "fail-after" });
    }

    async fn disarm(&self) {
        for name in ["fail-before", "fail-after", "hang"] {
            tree::remove(&self.directory.path().join(tree::BESIDE).join(name));
        }
    }

    async fn hang(&self) -> bool {
        self.flag("hang");
        true
    }

    fn data(&self) -> Option<DataCase> {
        let command = |command: Json| value_of(&self.data, &json!({ "command": command }));
        Some(DataCase {
            type_name: "local_command".into(),
            config: command(json!(["printf", "[1]"])),
            expected: ("output".into(), Value::tuple([Value::from(1i64)])),
            missing: command(json!("exit 3")),
        })
    }
}
