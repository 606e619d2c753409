//! The example of tf 1.2.0: protocol 6, a certificate with a key of 1024 bits, and results that are not what was
//! planned.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use retrue_provider_api::process::still_running;
use retrue_provider_api::{
    ConfigureRequest, Context, Outcome, Path, Provider, ProviderError, ReadRequest, Subject, Type, ValidateRequest,
    Value,
};
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::json;

use crate::support::{World, block_on, cache, full, patient, there};

async fn world(test: &str) -> Option<World> {
    Some(World::new(Launch::file("example", there(test, "tf/terraform-provider-example")?), json!({})).await)
}

pub fn a_key_that_is_too_short() {
    block_on(async {
        let Some(world) = world("short key").await else { return };
        assert_eq!(world.terraform.is_encrypted().await, Some(true));
        let made = world.create("test_math", json!({"a": 2, "b": 5})).await;
        assert_eq!(made.state.get("sum"), Some(&Value::from(7i64)));
        world.assert_no_change(&made).await;
        let config = world.config("test_math", json!({"a": 2, "b": 6}));
        let plan = world.plan("test_math", Some(&made), &config).await.unwrap();
        assert_eq!(plan.requires_replace, [Path::attribute("b")]);
        world.delete(&made).await;
    });
}

pub fn a_result_that_was_not_planned() {
    block_on(async {
        let Some(world) = world("result").await else { return };
        let made = world.create("test_math", json!({"a": 2, "b": 5})).await;
        let config = world.config("test_math", json!({"a": 4, "b": 5}));
        let plan = world.plan("test_math", Some(&made), &config).await.unwrap();
        let outcome = world.change("test_math", Some(&made), &config, plan).await;
        let Outcome::Partial { applied, error } = outcome else { panic!("{outcome:?}") };
        assert_eq!(applied.state.get("sum"), Some(&Value::from(9i64)), "the state is kept");
        assert!(error.message.contains("not what was planned"), "{error}");
        assert!(!error.retry);
    });
}

pub fn a_create_that_fails() {
    block_on(async {
        let Some(world) = world("failing create").await else { return };
        let config = world.config("test_errorsalot", json!({"a": 4, "b": 5}));
        let plan = world.plan("test_errorsalot", None, &config).await.unwrap();
        let outcome = world.change("test_errorsalot", None, &config, plan).await;
        let (Outcome::Partial { error, .. } | Outcome::NotApplied(error) | Outcome::Unknown { error, .. }) = outcome
        else {
            panic!("{outcome:?}")
        };
        assert!(error.message.contains("Create failed"), "{error}");
    });
}

/// The example, but one of its methods does something else.
fn bad(directory: &std::path::Path, method: &str, instead: &str) -> Launch {
    let path = directory.join("terraform-provider-example");
    let script = format!(
        "#!{}
import os, time
from tf.gen import tfplugin_pb2 as pb
from tf.provider import ProviderServicer
from tf.runner import run_provider
from tf.tests.test_provider import ExampleProvider
def instead(self, request, context):
    {instead}
ProviderServicer.{method} = instead
run_provider(ExampleProvider())
",
        cache().join("tf/venv/bin/python").display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Launch { answer_within: Duration::from_secs(2), ..Launch::file("example", path) }
}

/// Goes through the life of an object until something goes wrong; tells where, and what.
async fn life(terraform: &Terraform) -> (&'static str, ProviderError) {
    let context = || Context { deadline: Instant::now() + Duration::from_secs(4), ..patient() };
    let schema = match terraform.schema().await {
        Ok(schema) => schema,
        Err(error) => return ("schema", error),
    };
    let config = full(&schema.provider.block, &json!({}));
    if let Err(error) = terraform.configure(ConfigureRequest { config, directory: "/tmp".into() }).await {
        return ("configure", error);
    }
    let block = &schema.resources["test_math"].block;
    let config = full(block, &json!({"a": 1, "b": 2}));
    let request = ValidateRequest { subject: Subject::Resource, type_name: "test_math".into(), config: config.clone() };
    if let Err(error) = terraform.validate(request).await {
        return ("validate", error);
    }
    let null = || Value::null(Type::Dynamic);
    let request = retrue_provider_api::PlanRequest {
        type_name: "test_math".into(),
        config: config.clone(),
        prior: null(),
        proposed: config.clone(),
        prior_private: Default::default(),
    };
    let plan = match terraform.plan(&context(), request).await {
        Ok(plan) => plan,
        Err(error) => return ("plan", error),
    };
    let change = retrue_provider_api::Change {
        type_name: "test_math".into(),
        effect: retrue_provider_api::Effect::Create,
        config: config.clone(),
        prior: null(),
        prior_private: Default::default(),
        planned: plan.planned,
        planned_private: plan.planned_private,
        identity: None,
        restore: None,
    };
    let applied = match terraform.apply(&context(), change).await {
        Outcome::Applied(applied) => applied,
        Outcome::Unknown { error, .. } => return ("apply: unknown", error),
        Outcome::Partial { error, .. } => return ("apply: partial", error),
        Outcome::NotApplied(error) => return ("apply: not applied", error),
    };
    let request = ReadRequest {
        type_name: "test_math".into(),
        state: applied.state,
        config,
        private: applied.private,
        identity: None,
    };
    match terraform.read(&context(), request).await {
        Ok(_) => panic!("nothing went wrong"),
        Err(error) => ("read", error),
    }
}

const METHODS: [(&str, &str); 7] = [
    ("GetProviderSchema", "schema"),
    ("ConfigureProvider", "configure"),
    ("ValidateResourceConfig", "validate"),
    ("PlanResourceChange", "plan"),
    ("ApplyResourceChange", "apply: unknown"),
    ("UpgradeResourceState", "read"),
    ("ReadResource", "read"),
];

fn check(method: &str, instead: &str, place: &str, parts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let terraform = Terraform::new(bad(directory.path(), method, instead));
        let began = Instant::now();
        let (at, error) = life(&terraform).await;
        assert_eq!(at, place, "{method}: {error:#}");
        let text = format!("{error:#}");
        assert!(parts.iter().any(|part| text.contains(part)), "{method}: {text}");
        assert!(began.elapsed() < Duration::from_secs(60), "{method}");
        let child = terraform.process().await;
        terraform.shut_down().await;
        assert!(child.is_none_or(|child| !still_running(&child)), "{method}: something is left");
    });
}

pub fn a_hang_in_each_call() {
    let Some(_) = there("hangs", "tf/terraform-provider-example") else { return };
    for (method, place) in METHODS {
        check(method, "time.sleep(1000)", place, &["did not answer"]);
    }
}

pub fn a_crash_in_each_call() {
    let Some(_) = there("crashes", "tf/terraform-provider-example") else { return };
    for (method, place) in METHODS {
        check(method, "os._exit(7)", place, &["the provider ended (exit status 7)"]);
    }
}

pub fn nonsense_in_answers() {
    let Some(_) = there("nonsense", "tf/terraform-provider-example") else { return };
    let cannot = ["cannot be read", "mistake"];
    check(
        "PlanResourceChange",
        "return pb.PlanResourceChange.Response(planned_state=pb.DynamicValue(msgpack=b'\\xdf\\xff\\xff\\xff\\xff'))",
        "plan",
        &cannot,
    );
    check(
        "ApplyResourceChange",
        "return pb.ApplyResourceChange.Response(new_state=pb.DynamicValue(msgpack=b'\\x81\\xa1a\\xa1x'))",
        "apply: unknown",
        &cannot,
    );
    check("PlanResourceChange", "return pb.PlanResourceChange.Response()", "plan", &["invalid plan"]);
    check("ApplyResourceChange", "return pb.ApplyResourceChange.Response()", "apply: unknown", &["gives no error"]);
    check("ReadResource", "raise Exception('oh')", "read", &["oh"]);
    // Text of 100 MB in a schema that cannot be understood.
    check(
        "GetProviderSchema",
        "return pb.GetProviderSchema.Response(provider=pb.Schema(block=pb.Schema.Block(description='x' * 100000000, \
         attributes=[pb.Schema.Attribute(name='a', type=b'\"nonsense\"')])))",
        "schema",
        &["is not a type", "did not answer"],
    );
}
