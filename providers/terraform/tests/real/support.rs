//! What the tests share: providers that are there or not, and one object in its life.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retrue_provider_api::testing::context;
use retrue_provider_api::{
    Applied, Attribute, Block, Change, ConfigureRequest, Context, Effect, ImportRequest, Nesting, Observed, Outcome,
    PlanRequest, PlanResponse, Private, Provider, ProviderError, ProviderSchema, ReadRequest, Type, Value, convert,
    from_plain_json, proposed_state,
};
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::Value as Json;

/// Where `tests/fetch` puts things.
pub fn cache() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    variable("RETRUE_TEST_CACHE").unwrap_or_else(|| {
        variable("XDG_CACHE_HOME")
            .unwrap_or_else(|| variable("HOME").unwrap_or_default().join(".cache"))
            .join("retrue-tests")
    })
}

/// A file of the cache; `None`, and loudly, when it is not there.
pub fn there(test: &str, file: &str) -> Option<PathBuf> {
    let path = cache().join(file);
    if path.exists() {
        return Some(path);
    }
    let all = if file.starts_with("rust/") { " all" } else { "" };
    println!("SKIPPED: {test}: {} is not there; `providers/terraform/tests/fetch{all}` brings it", path.display());
    None
}

pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Time enough for a slow machine.
pub fn patient() -> Context {
    Context { deadline: Instant::now() + Duration::from_secs(240), ..context() }
}

/// A configured provider.
pub struct World {
    pub terraform: Arc<Terraform>,
    pub schema: Arc<ProviderSchema>,
    pub context: Context,
}

/// One object, as a store would remember it.
#[derive(Clone, Debug)]
pub struct Object {
    pub type_name: String,
    pub config: Value,
    pub state: Value,
    pub private: Private,
    pub identity: Option<Value>,
}

impl World {
    pub async fn new(launch: Launch, config: Json) -> Self {
        let terraform = Arc::new(Terraform::new(launch));
        let schema = terraform.schema().await.unwrap();
        let mut config = config;
        // Releases of a provider differ in what can be set.
        let known = |name: &String| {
            let block = &schema.provider.block;
            block.attributes.contains_key(name) || block.blocks.contains_key(name)
        };
        let set = config.as_object_mut().unwrap();
        if let Some(style) = set.get("s3_force_path_style").cloned() {
            set.insert("s3_use_path_style".into(), style);
        }
        set.retain(|name, _| known(name));
        let config = full(&schema.provider.block, &config);
        terraform.configure(ConfigureRequest { config, directory: "/tmp".into() }).await.unwrap();
        World { terraform, schema, context: patient() }
    }

    pub fn block(&self, type_name: &str) -> &Block {
        &self.schema.resources.get(type_name).unwrap().block
    }

    pub fn config(&self, type_name: &str, json: Json) -> Value {
        full(self.block(type_name), &json)
    }

    /// A plan as the engine asks for it; `prior` is null for a create.
    pub async fn plan(
        &self,
        type_name: &str,
        prior: Option<&Object>,
        config: &Value,
    ) -> Result<PlanResponse, ProviderError> {
        let state = prior.map_or_else(|| Value::null(Type::Dynamic), |prior| prior.state.clone());
        let request = PlanRequest {
            type_name: type_name.into(),
            config: config.clone(),
            proposed: proposed_state(self.block(type_name), &state, config),
            prior: state,
            prior_private: prior.map_or_else(Private::default, |prior| prior.private.clone()),
        };
        self.terraform.plan(&self.context, request).await
    }

    pub async fn change(&self, type_name: &str, prior: Option<&Object>, config: &Value, plan: PlanResponse) -> Outcome {
        let change = Change {
            type_name: type_name.into(),
            effect: if prior.is_some() { Effect::Update } else { Effect::Create },
            config: config.clone(),
            prior: prior.map_or_else(|| Value::null(Type::Dynamic), |prior| prior.state.clone()),
            prior_private: prior.map_or_else(Private::default, |prior| prior.private.clone()),
            planned: plan.planned,
            planned_private: plan.planned_private,
            identity: prior.and_then(|prior| prior.identity.clone()),
            restore: None,
        };
        self.terraform.apply(&self.context, change).await
    }

    /// Plans and makes an object.
    pub async fn create(&self, type_name: &str, json: Json) -> Object {
        let config = self.config(type_name, json);
        let plan = self.plan(type_name, None, &config).await.unwrap();
        assert_eq!(plan.requires_replace, []);
        object(type_name, config.clone(), applied(self.change(type_name, None, &config, plan).await))
    }

    /// Plans and makes an object; why not, when it cannot be had.
    pub async fn try_create(&self, type_name: &str, config: &Value) -> Result<Object, String> {
        let plan = self.plan(type_name, None, config).await.map_err(|error| format!("{error:#}"))?;
        match self.change(type_name, None, config, plan).await {
            Outcome::Applied(applied) => Ok(object(type_name, config.clone(), applied)),
            other => Err(format!("{other:?}").chars().take(1500).collect()),
        }
    }

    /// Deletes an object; why not, when it is still there.
    pub async fn try_delete(&self, prior: &Object) -> Result<(), String> {
        match self.terraform.apply(&self.context, self.delete_change(prior)).await {
            Outcome::Applied(gone) if gone.state.is_null() => Ok(()),
            other => Err(format!("{other:?}").chars().take(1500).collect()),
        }
    }

    /// Plans and changes an object in place.
    pub async fn update(&self, prior: &Object, json: Json) -> Object {
        let config = self.config(&prior.type_name, json);
        let plan = self.plan(&prior.type_name, Some(prior), &config).await.unwrap();
        assert_eq!(plan.requires_replace, []);
        assert!(!plan.planned.same(&prior.state), "nothing is to be changed");
        object(
            &prior.type_name,
            config.clone(),
            applied(self.change(&prior.type_name, Some(prior), &config, plan).await),
        )
    }

    pub fn delete_change(&self, prior: &Object) -> Change {
        Change {
            type_name: prior.type_name.clone(),
            effect: Effect::Delete,
            config: Value::null(Type::Dynamic),
            prior: prior.state.clone(),
            prior_private: prior.private.clone(),
            planned: Value::null(Type::Dynamic),
            planned_private: Private::default(),
            identity: prior.identity.clone(),
            restore: None,
        }
    }

    pub async fn delete(&self, prior: &Object) {
        let gone = applied(self.terraform.apply(&self.context, self.delete_change(prior)).await);
        assert!(gone.state.is_null());
    }

    pub async fn read(&self, object: &Object) -> Option<Observed> {
        let request = ReadRequest {
            type_name: object.type_name.clone(),
            state: object.state.clone(),
            config: object.config.clone(),
            private: object.private.clone(),
            identity: object.identity.clone(),
        };
        self.terraform.read(&self.context, request).await.unwrap()
    }

    /// What a second plan changes, after a read: nothing.
    pub async fn assert_no_change(&self, object: &Object) {
        let observed = self.read(object).await.expect("it is there");
        let differing = differing(&object.state, &observed.state);
        assert_eq!(differing, Vec::<String>::new(), "a read finds it changed");
        let now = Object { state: observed.state, private: observed.private, ..object.clone() };
        let plan = self.plan(&object.type_name, Some(&now), &object.config).await.unwrap();
        assert_eq!(
            differing_values(&now.state, &plan.planned),
            Vec::<String>::new(),
            "a second plan changes something"
        );
    }

    pub async fn import(&self, type_name: &str, id: &str) -> Result<Vec<Observed>, ProviderError> {
        let request = ImportRequest { type_name: type_name.into(), id: id.into() };
        let imported = self.terraform.import(&self.context, request).await?;
        Ok(imported.into_iter().map(|imported| imported.object).collect())
    }
}

fn differing(a: &Value, b: &Value) -> Vec<String> {
    differing_values(a, b)
}

/// Where two values differ, and how.
pub fn differing_values(a: &Value, b: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", a, b, &mut found);
    found
}

fn compare(path: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    if a.same(b) {
        return;
    }
    match (a.as_entries(), b.as_entries(), a.as_items(), b.as_items()) {
        (Some(a), Some(b), ..) if a.keys().eq(b.keys()) => {
            a.iter().zip(b.values()).for_each(|((name, a), b)| compare(&format!("{path}.{name}"), a, b, found));
        }
        (_, _, Some(a), Some(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(index, (a, b))| compare(&format!("{path}[{index}]"), a, b, found));
        }
        _ => found.push(format!("{path}: {:?} / {:?}", a.data(), b.data())),
    }
}

pub fn object(type_name: &str, config: Value, applied: Applied) -> Object {
    Object {
        type_name: type_name.into(),
        config,
        state: applied.state,
        private: applied.private,
        identity: applied.identity,
    }
}

pub fn applied(outcome: Outcome) -> Applied {
    match outcome {
        Outcome::Applied(applied) => applied,
        other => panic!("not applied: {other:#?}"),
    }
}

/// A configuration of the schema's type, with null for what is not set and empty blocks.
pub fn full(block: &Block, json: &Json) -> Value {
    let set = from_plain_json(json).unwrap();
    full_value(block, &set)
}

fn full_value(block: &Block, set: &Value) -> Value {
    let mut entries = Vec::new();
    for name in set.as_entries().unwrap().keys() {
        assert!(block.attributes.contains_key(&**name) || block.blocks.contains_key(&**name), "no attribute {name}");
    }
    for (name, attribute) in &block.attributes {
        let kind = attribute.value_type();
        let value = set.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic));
        let value = nested_nulls(attribute, value);
        entries.push((name.clone(), convert(&value, &kind).unwrap_or_else(|error| panic!("{name}: {error}"))));
    }
    for (name, nested) in &block.blocks {
        let kind = nested.block.value_type().without_optional();
        let items: Vec<Value> = match set.get(name) {
            None => Vec::new(),
            Some(value) => match value.as_items() {
                Some(items) => items.iter().map(|item| full_value(&nested.block, item)).collect(),
                None => vec![full_value(&nested.block, value)],
            },
        };
        let value = match nested.nesting {
            Nesting::Single => items.into_iter().next().unwrap_or_else(|| Value::null(kind)),
            Nesting::Group => {
                items.into_iter().next().unwrap_or_else(|| full_value(&nested.block, &Value::object::<&str>([])))
            }
            Nesting::List if kind.has_dynamic() => Value::tuple(items),
            Nesting::List => Value::list(kind, items),
            Nesting::Set => Value::set(kind, items),
            Nesting::Map => Value::map::<&str>(kind, []),
        };
        entries.push((name.clone(), value));
    }
    Value::object(entries.into_iter().map(|(name, value)| (Arc::<str>::from(name), value)))
}

/// Nested attributes may leave out what is optional.
fn nested_nulls(attribute: &Attribute, value: Value) -> Value {
    use retrue_provider_api::AttributeKind::Nested;
    let Nested(nesting, inner) = &attribute.kind else { return value };
    let one = |value: &Value| -> Value {
        let Some(entries) = value.as_entries() else { return value.clone() };
        Value::object(inner.iter().map(|(name, attribute)| {
            let value = entries.get(name.as_str()).cloned().unwrap_or_else(|| Value::null(Type::Dynamic));
            (Arc::<str>::from(name.as_str()), nested_nulls(attribute, value))
        }))
    };
    match (nesting, value.as_items(), value.as_entries()) {
        (Nesting::Single, ..) => one(&value),
        (Nesting::Map, _, Some(entries)) => Value::object(entries.iter().map(|(key, value)| (key.clone(), one(value)))),
        (_, Some(items), _) => Value::tuple(items.iter().map(one)),
        _ => value,
    }
}
