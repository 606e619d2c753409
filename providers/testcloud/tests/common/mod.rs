//! What the tests of this crate share.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use retrue_provider_api::*;
use retrue_provider_testcloud::cloud::{Cloud, lock};
use retrue_provider_testcloud::{Config, DirectTransport, Server, TestCloud};

pub fn marker(generation: u64) -> Marker {
    Marker {
        lineage: "lineage".into(),
        environment: "default".into(),
        generation,
        object: "current".into(),
        address: "testcloud_instance.a".into(),
    }
}

pub fn context() -> Context {
    Context { marker: Some(marker(1)), ..retrue_provider_api::testing::context() }
}

pub async fn over_http(server: &Server) -> Arc<dyn Provider> {
    let provider = retrue_provider_testcloud::provider();
    let config = Value::object([
        ("url", Value::from(server.url())),
        ("token", Value::null(Type::String)),
        ("settles_within", Value::null(Type::Number)),
    ]);
    provider.configure(ConfigureRequest { config, directory: PathBuf::from("/") }).await.unwrap();
    provider
}

pub struct Direct {
    pub cloud: Arc<Mutex<Cloud>>,
    pub provider: TestCloud,
}

impl Direct {
    pub fn new() -> Self {
        let cloud = Arc::new(Mutex::new(Cloud::default()));
        let provider = TestCloud::with_config(Config::over(Arc::new(DirectTransport(Arc::clone(&cloud)))));
        Direct { cloud, provider }
    }

    pub fn cloud(&self) -> std::sync::MutexGuard<'_, Cloud> {
        lock(&self.cloud)
    }
}

/// A configuration from JSON: what is left out is null.
pub async fn config(provider: &dyn Provider, type_name: &str, json: serde_json::Value) -> Value {
    let block = provider.schema().await.unwrap().resources.get(type_name).unwrap().block.clone();
    let mut object = Vec::new();
    for name in block.attributes.keys() {
        object.push((name.clone(), json.get(name).cloned().unwrap_or_default()));
    }
    for (name, nested) in &block.blocks {
        let mut items = Vec::new();
        for item in json.get(name).and_then(|items| items.as_array()).into_iter().flatten() {
            let item =
                nested.block.attributes.keys().map(|key| (key.clone(), item.get(key).cloned().unwrap_or_default()));
            items.push(item.collect::<serde_json::Map<_, _>>().into());
        }
        object.push((name.clone(), serde_json::Value::Array(items)));
    }
    let object = serde_json::Value::Object(object.into_iter().collect());
    convert(&from_plain_json(&object).unwrap(), &block.value_type()).unwrap()
}

/// Plans a change and carries it out.
pub async fn change(provider: &dyn Provider, type_name: &str, prior: Value, config: Value) -> Outcome {
    change_in(&context(), provider, type_name, prior, config).await
}

pub async fn change_in(
    context: &Context,
    provider: &dyn Provider,
    type_name: &str,
    prior: Value,
    config: Value,
) -> Outcome {
    let block = provider.schema().await.unwrap().resources.get(type_name).unwrap().block.clone();
    let effect = match (prior.is_null(), config.is_null()) {
        (true, _) => Effect::Create,
        (_, true) => Effect::Delete,
        _ => Effect::Update,
    };
    let request = PlanRequest {
        type_name: type_name.into(),
        config: config.clone(),
        prior: prior.clone(),
        proposed: proposed_state(&block, &prior, &config),
        prior_private: Private::default(),
    };
    let planned = provider.plan(context, request).await.unwrap();
    let change = Change {
        type_name: type_name.into(),
        effect,
        config,
        prior,
        prior_private: Private::default(),
        planned: planned.planned,
        planned_private: planned.planned_private,
        identity: None,
        restore: None,
    };
    provider.apply(context, change).await
}

pub fn applied(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Applied(applied) => applied.state,
        other => panic!("not applied: {other:?}"),
    }
}

pub fn nothing() -> Value {
    Value::null(Type::Dynamic)
}

pub fn text<'v>(state: &'v Value, name: &str) -> &'v str {
    state.get(name).and_then(Value::as_str).unwrap_or_default()
}
