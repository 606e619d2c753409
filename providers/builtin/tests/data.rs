//! `retrue_data` through the contract, as the core calls it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use retrue_provider_api::testing::context;
use retrue_provider_api::{
    Change, ConfigureRequest, Effect, FindRequest, Found, Image, ImportRequest, Outcome, Path, PlanRequest, Private,
    Provider, ReadRequest, Type, Value, proposed_state,
};

const TYPE: &str = "retrue_data";

fn null() -> Value {
    Value::null(Type::Dynamic)
}

fn config(input: Value, triggers: Value) -> Value {
    Value::object([
        ("id", Value::null(Type::String)),
        ("input", input),
        ("output", null()),
        ("triggers_replace", triggers),
    ])
}

async fn plan(provider: &dyn Provider, prior: &Value, config: &Value) -> (Value, Vec<Path>) {
    let schema = provider.schema().await.unwrap();
    let proposed = proposed_state(&schema.resources.get(TYPE).unwrap().block, prior, config);
    let request = PlanRequest {
        type_name: TYPE.into(),
        config: config.clone(),
        prior: prior.clone(),
        proposed,
        prior_private: Private::default(),
    };
    let response = provider.plan(&context(), request).await.unwrap();
    (response.planned, response.requires_replace)
}

fn change(effect: Effect, config: &Value, prior: &Value, planned: &Value) -> Change {
    Change {
        type_name: TYPE.into(),
        effect,
        config: config.clone(),
        prior: prior.clone(),
        prior_private: Private::default(),
        planned: planned.clone(),
        planned_private: Private::default(),
        identity: None,
        restore: None,
    }
}

async fn apply(provider: &dyn Provider, key: &str, change: Change) -> Value {
    let mut context = context();
    context.idempotency_key = key.into();
    match provider.apply(&context, change).await {
        Outcome::Applied(applied) => applied.state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_life_from_create_to_undo() {
    let provider = retrue_provider_builtin::provider();
    let request = ConfigureRequest { config: Value::object::<&str>([]), directory: PathBuf::new() };
    provider.configure(request).await.unwrap();

    let first = config(Value::from(1i64), null());
    let (planned, replace) = plan(&*provider, &null(), &first).await;
    assert!(replace.is_empty());
    assert_eq!(planned.get("output"), Some(&Value::from(1i64)));
    assert_eq!(planned.unknown_paths(), [Path::attribute("id")]);

    let made = apply(&*provider, "k1", change(Effect::Create, &first, &null(), &planned)).await;
    assert!(made.is_wholly_known());
    let again = apply(&*provider, "k1", change(Effect::Create, &first, &null(), &planned)).await;
    assert_eq!(made, again, "the same unit of work makes the same id");
    let other = apply(&*provider, "k2", change(Effect::Create, &first, &null(), &planned)).await;
    assert_ne!(made.get("id"), other.get("id"));

    assert_eq!(plan(&*provider, &made, &first).await, (made.clone(), vec![]), "no change, no step");

    let second = config(Value::from("two"), null());
    let (planned, replace) = plan(&*provider, &made, &second).await;
    assert!(replace.is_empty());
    let updated = apply(&*provider, "k3", change(Effect::Update, &second, &made, &planned)).await;
    assert_eq!(updated.get("output"), Some(&Value::from("two")));
    assert_eq!(updated.get("id"), made.get("id"));

    let third = config(Value::from("two"), Value::tuple([Value::from("x")]));
    let (_, replace) = plan(&*provider, &updated, &third).await;
    assert_eq!(replace, [Path::attribute("triggers_replace")]);

    let mut undo = change(Effect::Create, &null(), &null(), &null());
    undo.restore = Some(Image { state: updated.clone(), private: Private::default(), blobs: vec![] });
    assert_eq!(apply(&*provider, "k4", undo).await, updated, "what is brought back has its old id");
    assert!(apply(&*provider, "k5", change(Effect::Delete, &null(), &updated, &null())).await.is_null());
}

#[tokio::test]
async fn unknown_input_is_unknown_output() {
    let provider = retrue_provider_builtin::provider();
    let partly = Value::object([("a", Value::from(true)), ("b", Value::unknown(Type::Number))]);
    let (planned, _) = plan(&*provider, &null(), &config(partly.clone(), null())).await;
    assert_eq!(planned.get("output"), Some(&partly));

    let made = config(Value::from(1i64), Value::from("t")).with_attribute("id", Value::from("i"));
    let unknown = config(Value::unknown(Type::Dynamic), Value::unknown(Type::Dynamic));
    let (planned, replace) = plan(&*provider, &made, &unknown).await;
    assert!(!planned.get("output").unwrap().is_known());
    assert_eq!(replace, [Path::attribute("triggers_replace")], "what may differ is taken to differ");
}

#[tokio::test]
async fn nothing_is_outside() {
    let provider = retrue_provider_builtin::provider();
    let state = config(null(), null()).with_attribute("id", Value::from("i"));
    let find = FindRequest { type_name: TYPE.into(), config: state.clone(), marker: None };
    assert_eq!(provider.find(&context(), find).await.unwrap(), Found::None);
    let read = ReadRequest {
        type_name: TYPE.into(),
        state: state.clone(),
        config: null(),
        private: Private::default(),
        identity: None,
    };
    assert_eq!(provider.read(&context(), read.clone()).await.unwrap().unwrap().state, state);
    let import = ImportRequest { type_name: TYPE.into(), id: "i".into() };
    assert_eq!(provider.import(&context(), import).await.unwrap()[0].object.state, state);
    let wrong = ReadRequest { type_name: "retrue_other".into(), ..read };
    assert!(provider.read(&context(), wrong).await.unwrap_err().message.contains("retrue_other"));
}

#[tokio::test]
async fn ten_thousand_are_planned_and_made_in_a_moment() {
    let provider = retrue_provider_builtin::provider();
    let began = Instant::now();
    for number in 0..10_000i64 {
        let config = config(Value::from(number), null());
        let (planned, _) = plan(&*provider, &null(), &config).await;
        apply(&*provider, &number.to_string(), change(Effect::Create, &config, &null(), &planned)).await;
    }
    // Generous: it takes a fraction of a second, without optimisation and on a busy machine.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
