//! The example of tf 1.2.0: protocol 6, a certificate with a key of 1024 bits, and results that are not what was
//! planned.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use retrue_provider_api::process::still_running;
use retrue_provider_api::{
    ConfigureRequest, Context, DataRequest, ImportRequest, Observed, Outcome, Path, Provider, ProviderError,
    ReadRequest, Subject, Type, ValidateRequest, Value,
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

/// The example, with a data source, a function and a move added, so that each method is asked for; one of its methods
/// does something else.
fn bad(directory: &std::path::Path, method: &str, instead: &str) -> Launch {
    let path = directory.join("terraform-provider-example");
    let script = format!(
        r#"#!{}
import msgpack, os, time
from tf.gen import tfplugin_pb2 as pb
from tf.provider import ProviderServicer as Servicer
from tf.runner import run_provider
from tf.tests.test_provider import ExampleProvider

schema, apply, last = Servicer.GetProviderSchema, Servicer.ApplyResourceChange, []
def with_more(self, request, context):
    answer = schema(self, request, context)
    attribute = pb.Schema.Attribute(name='a', type=b'"string"', optional=True)
    answer.data_source_schemas['test_data'].CopyFrom(pb.Schema(block=pb.Schema.Block(attributes=[attribute])))
    function = pb.Function()
    getattr(function, 'return').type = b'"string"'
    answer.functions['f'].CopyFrom(function)
    answer.server_capabilities.move_resource_state = True
    return answer
def remembered(self, request, context):
    answer = apply(self, request, context)
    last.append(answer.new_state)
    return answer
def imported(self, request, context):
    one = pb.ImportResourceState.ImportedResource(type_name=request.type_name, state=last[0])
    return pb.ImportResourceState.Response(imported_resources=[one])
Servicer.GetProviderSchema = with_more
Servicer.ApplyResourceChange = remembered
Servicer.ImportResourceState = imported
Servicer.ValidateDataResourceConfig = lambda self, request, context: pb.ValidateDataResourceConfig.Response()
Servicer.ReadDataSource = lambda self, request, context: pb.ReadDataSource.Response(state=request.config)
Servicer.MoveResourceState = lambda self, request, context: pb.MoveResourceState.Response(target_state=last[0])
Servicer.CallFunction = lambda self, request, context: pb.CallFunction.Response(result=pb.DynamicValue(msgpack=b'\xa1x'))
def instead(self, request, context):
    {instead}
Servicer.{method} = instead
run_provider(ExampleProvider())
"#,
        cache().join("tf/venv/bin/python").display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    Launch { answer_within: Duration::from_secs(2), ..Launch::file("example", path) }
}

/// Goes through all that can be asked until something goes wrong; tells where, and what.
async fn life(terraform: &Terraform) -> Result<(), (&'static str, ProviderError)> {
    let at = |place: &'static str| move |error: ProviderError| (place, error);
    let context = || Context { deadline: Instant::now() + Duration::from_secs(4), ..patient() };
    let schema = terraform.schema().await.map_err(at("schema"))?;
    let config = full(&schema.provider.block, &json!({}));
    let request = ValidateRequest { subject: Subject::Provider, type_name: String::new(), config: config.clone() };
    terraform.validate(request).await.map_err(at("validate provider"))?;
    let request = ConfigureRequest { config, directory: "/tmp".into() };
    terraform.configure(request).await.map_err(at("configure"))?;
    let config = full(&schema.resources.get("test_math").unwrap().block, &json!({"a": 1, "b": 2}));
    let request = ValidateRequest { subject: Subject::Resource, type_name: "test_math".into(), config: config.clone() };
    terraform.validate(request).await.map_err(at("validate"))?;
    let null = || Value::null(Type::Dynamic);
    let request = retrue_provider_api::PlanRequest {
        type_name: "test_math".into(),
        config: config.clone(),
        prior: null(),
        proposed: config.clone(),
        prior_private: Default::default(),
    };
    let plan = terraform.plan(&context(), request).await.map_err(at("plan"))?;
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
        Outcome::Unknown { error, .. } => return Err(("apply: unknown", error)),
        Outcome::Partial { error, .. } => return Err(("apply: partial", error)),
        Outcome::NotApplied(error) => return Err(("apply: not applied", error)),
    };
    let state = applied.state.clone();
    let request = ReadRequest {
        type_name: "test_math".into(),
        state: applied.state,
        config,
        private: applied.private,
        identity: None,
    };
    terraform.read(&context(), request).await.map_err(at("read"))?;
    let config = full(&schema.data.get("test_data").unwrap().block, &json!({"a": "x"}));
    let request = ValidateRequest { subject: Subject::Data, type_name: "test_data".into(), config: config.clone() };
    terraform.validate(request).await.map_err(at("validate data"))?;
    let request = DataRequest { type_name: "test_data".into(), config };
    terraform.read_data(&context(), request).await.map_err(at("data"))?;
    let request = ImportRequest { type_name: "test_math".into(), id: "x".into() };
    terraform.import(&context(), request).await.map_err(at("import"))?;
    terraform.move_state("test_math", "test_math", Observed::of(state)).await.map_err(at("move"))?;
    terraform.call("f", Vec::new()).await.map_err(at("call"))?;
    // Only a request: whatever comes of it is no error, and takes no time.
    terraform.stop().await;
    Ok(())
}

/// Each method, and where it is noticed. What is only a request is never an error.
const METHODS: [(&str, Option<&str>); 14] = [
    ("GetProviderSchema", Some("schema")),
    ("ValidateProviderConfig", Some("validate provider")),
    ("ConfigureProvider", Some("configure")),
    ("ValidateResourceConfig", Some("validate")),
    ("PlanResourceChange", Some("plan")),
    ("ApplyResourceChange", Some("apply: unknown")),
    ("UpgradeResourceState", Some("read")),
    ("ReadResource", Some("read")),
    ("ValidateDataResourceConfig", Some("validate data")),
    ("ReadDataSource", Some("data")),
    ("ImportResourceState", Some("import")),
    ("MoveResourceState", Some("move")),
    ("CallFunction", Some("call")),
    ("StopProvider", None),
];

fn check(method: &str, instead: &str, place: Option<&str>, parts: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    block_on(async {
        let terraform = Terraform::new(bad(directory.path(), method, instead));
        let began = Instant::now();
        let ended = life(&terraform).await;
        match (ended, place) {
            (Ok(()), None) => {}
            (Err((at, error)), Some(place)) => {
                assert_eq!(at, place, "{method}: {error:#}");
                let text = format!("{error:#}");
                assert!(parts.iter().any(|part| text.contains(part)), "{method}: {text}");
            }
            (ended, place) => panic!("{method}: {ended:?} in place of {place:?}"),
        }
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
        Some("plan"),
        &cannot,
    );
    check(
        "ApplyResourceChange",
        "return pb.ApplyResourceChange.Response(new_state=pb.DynamicValue(msgpack=b'\\x81\\xa1a\\xa1x'))",
        Some("apply: unknown"),
        &cannot,
    );
    check("PlanResourceChange", "return pb.PlanResourceChange.Response()", Some("plan"), &["invalid plan"]);
    check(
        "ApplyResourceChange",
        "return pb.ApplyResourceChange.Response()",
        Some("apply: unknown"),
        &["gives no error"],
    );
    check("ReadResource", "raise Exception('oh')", Some("read"), &["oh"]);
    // Text of 200 MB in a schema that cannot be understood.
    check(
        "GetProviderSchema",
        "return pb.GetProviderSchema.Response(provider=pb.Schema(block=pb.Schema.Block(description='x' * 200000000, \
         attributes=[pb.Schema.Attribute(name='a', type=b'\"nonsense\"')])))",
        Some("schema"),
        &["is not a type", "did not answer"],
    );
    // What is planned is not what is configured, or of another type.
    let planned = "x = msgpack.unpackb(request.proposed_new_state.msgpack); x['a'] = VALUE; \
                   return pb.PlanResourceChange.Response(planned_state=pb.DynamicValue(msgpack=msgpack.packb(x)))";
    check("PlanResourceChange", &planned.replace("VALUE", "99"), Some("plan"), &["invalid plan"]);
    check("PlanResourceChange", &planned.replace("VALUE", "'text'"), Some("plan"), &cannot);
    check("PlanResourceChange", &planned.replace("VALUE", "[1]"), Some("plan"), &cannot);
    check("ReadDataSource", "return pb.ReadDataSource.Response()", Some("data"), &["cannot be read", "mistake", "no"]);
    check(
        "CallFunction",
        "return pb.CallFunction.Response(result=pb.DynamicValue(msgpack=b'\\x93'))",
        Some("call"),
        &cannot,
    );
}
