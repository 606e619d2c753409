//! `retrue_data`: nothing exists outside.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use retrue_provider_api::{ConfigureRequest, Provider, Value};
use serde_json::{Value as Json, json};

use crate::values::value_of;
use crate::world::World;

pub struct Builtin {
    provider: Arc<dyn Provider>,
    block: retrue_provider_api::Block,
}

pub async fn start() -> Builtin {
    let provider = retrue_provider_builtin::provider();
    let config = Value::object::<&str>([]);
    provider.configure(ConfigureRequest { config, directory: PathBuf::from("/") }).await.expect("configured");
    let schema = provider.schema().await.expect("a schema");
    Builtin { provider, block: schema.resources.get("retrue_data").unwrap().block.clone() }
}

#[async_trait]
impl World for Builtin {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    fn type_name(&self) -> &str {
        "retrue_data"
    }

    fn config(&self) -> Value {
        value_of(&self.block, &json!({"input": {"a": [1, true, null]}, "triggers_replace": ["one"]}))
    }

    fn alternatives(&self) -> Vec<(String, Value)> {
        vec![("input".into(), Value::from("another")), ("triggers_replace".into(), Value::from(2i64))]
    }

    async fn truth(&self) -> Vec<Json> {
        Vec::new()
    }

    async fn clear(&self) {}

    fn import_id(&self, state: &Value) -> Option<String> {
        state.get("id").and_then(Value::as_str).map(str::to_owned)
    }
}
