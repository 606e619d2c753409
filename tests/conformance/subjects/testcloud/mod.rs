//! The types of the fake cloud.

pub mod cases;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{Block, Category, ConfigureRequest, Effect, Provider, Value, to_plain_json};
use retrue_provider_testcloud::cloud::{Action, Attributes, Cloud, Fault, Method, lock};
use retrue_provider_testcloud::{Config, DirectTransport, Server, TestCloud};
use serde_json::{Value as Json, json};

use crate::values::value_of;
use crate::world::{DataCase, Failure, FailureKind, World};
use cases::Case;

const TOKEN: &str = "planted-provider-token";
const LOST_HALFWAY: &str = "an answer that is lost half-way";

/// A cloud of its own with the provider for it, and one of its types.
pub struct TestCloudWorld {
    case: &'static Case,
    cloud: Holder,
    provider: Arc<dyn Provider>,
    block: Block,
    config: Json,
}

enum Holder {
    Http(Server),
    Direct(Arc<Mutex<Cloud>>),
}

/// Over HTTP, as in earnest.
pub async fn over_http(case: &'static Case) -> TestCloudWorld {
    http(case, 0).await
}

/// Over HTTP, in a cloud whose reads lag behind.
pub async fn late(case: &'static Case) -> TestCloudWorld {
    let world = http(case, 5).await;
    world.cloud().settings().lag_reads = 2;
    world
}

async fn http(case: &'static Case, settles_within: i64) -> TestCloudWorld {
    let server = Server::start().expect("a server");
    let provider = retrue_provider_testcloud::provider();
    let config = Value::object([
        ("url", Value::from(server.url())),
        ("token", Value::from(TOKEN)),
        ("settles_within", Value::from(settles_within)),
    ]);
    provider.configure(ConfigureRequest { config, directory: PathBuf::from("/") }).await.expect("configured");
    prepare(case, Holder::Http(server), provider).await
}

/// Without a network: fast, for the providers that are broken on purpose.
pub async fn direct(case: &'static Case) -> TestCloudWorld {
    let cloud = Arc::new(Mutex::new(Cloud::default()));
    let config = Config { token: Some(TOKEN.into()), ..Config::over(Arc::new(DirectTransport(Arc::clone(&cloud)))) };
    prepare(case, Holder::Direct(cloud), Arc::new(TestCloud::with_config(config))).await
}

async fn prepare(case: &'static Case, cloud: Holder, provider: Arc<dyn Provider>) -> TestCloudWorld {
    let schema = provider.schema().await.expect("a schema");
    let block = schema.resources.get(case.type_name).unwrap().block.clone();
    let world = TestCloudWorld { case, cloud, provider, block, config: (case.config)() };
    world.cloud().settings().token = Some(TOKEN.into());
    world.surroundings();
    world
}

impl TestCloudWorld {
    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        match &self.cloud {
            Holder::Http(server) => server.cloud(),
            Holder::Direct(cloud) => lock(cloud),
        }
    }

    /// What instances refer to.
    fn surroundings(&self) {
        for (id, name) in [("net-a", "a"), ("net-b", "b")] {
            let set = [("name", json!(name)), ("cidr", json!("10.0.0.0/8"))];
            let set: Attributes = set.map(|(name, value)| (name.to_owned(), value)).into();
            if self.case.collection == "instances" {
                self.cloud().put_object("networks", id, &set);
            }
        }
    }

    fn key(&self, state: &Value) -> String {
        state.get(self.case.key).and_then(Value::as_str).expect("a known key").to_owned()
    }

    fn value(&self, json: &Json) -> Value {
        value_of(&self.block, json)
    }

    /// The fault for a failure: which call, and what happens to it.
    fn fault(&self, failure: &Failure) -> Fault {
        let method = match failure.effect {
            Effect::Create => Method::Post,
            Effect::Update => Method::Patch,
            Effect::Delete => Method::Delete,
        };
        let action = match failure.kind {
            FailureKind::Refused(category, retry_after) => {
                let status = match category {
                    Category::RateLimited => 429,
                    Category::Authentication => 403,
                    _ => 409,
                };
                Action::ErrorBefore { status, retry_after: retry_after.map(|wait| wait.as_secs()) }
            }
            FailureKind::Before => Action::Reset,
            FailureKind::After => Action::ErrorAfter { status: 500 },
            FailureKind::AnswerLost => Action::LoseAnswer,
            FailureKind::Halfway if failure.name == LOST_HALFWAY => Action::LoseAnswer,
            FailureKind::Halfway => {
                let refuse = Action::ErrorBefore { status: 500, retry_after: None };
                return Fault::at(Method::Put, self.case.collection, refuse);
            }
        };
        Fault::at(method, self.case.collection, action)
    }
}

#[async_trait]
impl World for TestCloudWorld {
    fn provider(&self) -> Arc<dyn Provider> {
        Arc::clone(&self.provider)
    }

    fn type_name(&self) -> &str {
        self.case.type_name
    }

    fn config(&self) -> Value {
        self.value(&self.config)
    }

    fn alternatives(&self) -> Vec<(String, Value)> {
        let with = |(name, other): &(&str, Json)| {
            let mut config = self.config.clone();
            config[*name] = other.clone();
            ((*name).to_owned(), self.value(&config).get(name).expect("an attribute").clone())
        };
        (self.case.alternatives)().iter().map(with).collect()
    }

    fn invalid(&self) -> Vec<(Value, String)> {
        let with = |(name, path, other): &(&str, &str, Json)| {
            let mut config = self.config.clone();
            config[*name] = other.clone();
            (self.value(&config), (*path).to_owned())
        };
        (self.case.invalid)().iter().map(with).collect()
    }

    async fn truth(&self) -> Vec<Json> {
        let of_the_type =
            |object: &retrue_provider_testcloud::cloud::TruthObject| object.collection == self.case.collection;
        let mut truth = Vec::new();
        for mut object in self.cloud().truth().into_iter().filter(of_the_type) {
            object.attributes.remove("reads");
            truth.push(serde_json::to_value(object).expect("JSON"));
        }
        truth
    }

    fn lasting(&self, truth: &[Json]) -> Vec<Json> {
        let strip = |object: &Json| {
            let mut object = object.clone();
            object["rows"] = Json::Null;
            if self.case.key == "id" {
                object["id"] = Json::Null;
            }
            for lost in ["id", "address", "secret"] {
                object["attributes"][lost] = Json::Null;
            }
            object
        };
        truth.iter().map(strip).collect()
    }

    async fn make(&self, config: &Value) -> bool {
        let Some(id) = self.case.natural_id else { return false };
        let Some(Json::Object(set)) = to_plain_json(config) else { return false };
        let set = set.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let mut cloud = self.cloud();
        cloud.put_object(self.case.collection, id, &set);
        cloud.settle();
        true
    }

    async fn drift(&self, state: &Value) -> bool {
        let key = self.key(state);
        let mut drift: Attributes =
            (self.case.drift)().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut cloud = self.cloud();
        let truth = cloud.truth();
        let marker = truth.iter().find(|object| object.id == key).and_then(|object| object.marker());
        // Somebody else leaves our marker where it is.
        if let (Some(Json::Object(tags)), Some(marker)) = (drift.get_mut("tags"), marker) {
            tags.insert(retrue_provider_testcloud::cloud::MARKER_TAG.into(), json!(marker));
        }
        cloud.put_object(self.case.collection, &key, &drift);
        cloud.settle();
        true
    }

    async fn remove(&self, state: &Value) -> bool {
        let mut cloud = self.cloud();
        cloud.remove_object(self.case.collection, &self.key(state));
        cloud.settle();
        true
    }

    async fn settle(&self) {
        self.cloud().settle();
    }

    async fn clear(&self) {
        let mut cloud = self.cloud();
        for object in cloud.truth().iter().filter(|object| object.collection == self.case.collection) {
            cloud.remove_object(&object.collection, &object.id);
        }
        cloud.settle();
    }

    fn import_id(&self, state: &Value) -> Option<String> {
        Some(self.key(state))
    }

    fn strange_id(&self) -> Option<String> {
        Some("nowhere".into())
    }

    fn failures(&self) -> Vec<Failure> {
        let wait = Duration::from_secs(3);
        let mut failures = Vec::new();
        for effect in [Effect::Create, Effect::Update, Effect::Delete] {
            let kinds = [
                ("too many requests", FailureKind::Refused(Category::RateLimited, Some(wait))),
                ("wrong credentials", FailureKind::Refused(Category::Authentication, None)),
                ("a conflict", FailureKind::Refused(Category::Conflict, None)),
                ("a connection that is reset", FailureKind::Before),
                ("an error after the effect", FailureKind::After),
                ("a lost answer", FailureKind::AnswerLost),
            ];
            failures.extend(kinds.map(|(name, kind)| Failure { name, effect, kind }));
        }
        if self.case.collection == "instances" {
            // What is lost after the first of several calls is lost half-way.
            let after = |failure: &Failure| matches!(failure.kind, FailureKind::After | FailureKind::AnswerLost);
            failures.retain(|failure| failure.effect != Effect::Create || !after(failure));
            let halfway = [LOST_HALFWAY, "rules that are refused"];
            let kind = FailureKind::Halfway;
            failures.extend(halfway.map(|name| Failure { name, effect: Effect::Create, kind }));
        }
        failures
    }

    async fn arm(&self, failure: &Failure) {
        let fault = self.fault(failure);
        self.cloud().add_fault(fault);
    }

    async fn disarm(&self) {
        self.cloud().clear_faults();
    }

    async fn hang(&self) -> bool {
        self.cloud().add_fault(Fault::at(Method::Post, self.case.collection, Action::HangAfter));
        true
    }

    async fn effects(&self) -> Option<u64> {
        self.cloud().audit().iter().filter(|entry| !entry.by_other).map(|_| 1u64).sum::<u64>().into()
    }

    fn effects_of_a_change(&self) -> u64 {
        if self.case.collection == "instances" { 2 } else { 1 }
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![TOKEN.to_owned()];
        secrets.extend(self.config.get("password").and_then(Json::as_str).map(str::to_owned));
        secrets
    }

    fn data(&self) -> Option<DataCase> {
        let named = |name: &str| {
            let null = |kind| Value::null(kind);
            Value::object([
                ("name", Value::from(name)),
                ("id", null(retrue_provider_api::Type::String)),
                ("size", null(retrue_provider_api::Type::Number)),
            ])
        };
        (self.case.collection == "instances").then(|| DataCase {
            type_name: "testcloud_image".into(),
            config: named("debian-13"),
            expected: ("id".into(), Value::from("img-2")),
            missing: named("nothing"),
        })
    }
}
