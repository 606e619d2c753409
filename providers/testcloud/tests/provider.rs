//! The provider against a cloud in the same process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use retrue_provider_api::*;
use retrue_provider_testcloud::cloud::{Action, EffectKind, Fault, Method};
use serde_json::json;

#[tokio::test]
async fn an_instance_is_waited_for_and_gets_its_rules() {
    let world = Direct::new();
    world.cloud().settings().polls = 3;
    let wanted = json!({"image": "debian-12", "size": "small", "disk": [{"size": 5}], "rule": [{"port": 80}]});
    let config = config(&world.provider, "testcloud_instance", wanted).await;
    let state = applied(change(&world.provider, "testcloud_instance", nothing(), config).await);
    assert_eq!(text(&state, "status"), "running");
    assert_eq!(text(&state, "zone"), "a");
    assert_eq!(text(&state.get("disk").unwrap().as_items().unwrap()[0], "device"), "disk0");
    assert_eq!(text(&state.get("rule").unwrap().as_items().unwrap()[0], "protocol"), "tcp");
    assert!(state.get("tags").unwrap().is_null(), "the marker is not shown among the tags");
    let truth = world.cloud().truth();
    assert_eq!(truth[0].marker(), Some(marker(1).to_string().as_str()));
    let effects: Vec<EffectKind> = world.cloud().audit().iter().map(|entry| entry.effect).collect();
    assert_eq!(effects, [EffectKind::Create, EffectKind::Update]);
}

#[tokio::test]
async fn rules_that_are_refused_leave_a_partial_instance() {
    let world = Direct::new();
    let refuse = Action::ErrorBefore { status: 500, retry_after: None };
    world.cloud().add_fault(Fault::at(Method::Put, "instances", refuse).path_end("/rule"));
    let wanted = json!({"image": "debian-12", "size": "small", "rule": [{"port": 80}]});
    let config = config(&world.provider, "testcloud_instance", wanted).await;
    match change(&world.provider, "testcloud_instance", nothing(), config).await {
        Outcome::Partial { applied, error } => {
            assert_eq!(text(&applied.state, "id"), "i-1");
            assert_eq!(error.category, Category::ServerError);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn provisioning_that_fails_is_partial() {
    let world = Direct::new();
    world.cloud().add_fault(Fault::at(Method::Post, "instances", Action::FailProvisioning));
    let config = config(&world.provider, "testcloud_instance", json!({"image": "x", "size": "small"})).await;
    let outcome = change(&world.provider, "testcloud_instance", nothing(), config).await;
    assert!(matches!(outcome, Outcome::Partial { .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_an_error_means_depends_on_what_was_sent() {
    let before = |status| Action::ErrorBefore { status, retry_after: Some(7) };
    let cases = [
        (before(429), "not applied", Category::RateLimited),
        (before(401), "not applied", Category::Authentication),
        (before(409), "not applied", Category::Conflict),
        (before(422), "not applied", Category::Validation),
        (before(503), "unknown", Category::Transient),
        (before(500), "unknown", Category::ServerError),
        (Action::ErrorAfter { status: 502 }, "unknown", Category::ServerError),
        (Action::LoseAnswer, "unknown", Category::Network),
        (Action::Reset, "unknown", Category::Network),
    ];
    for (action, expected, category) in cases {
        let world = Direct::new();
        world.cloud().add_fault(Fault::at(Method::Post, "tokens", action.clone()));
        let config = config(&world.provider, "testcloud_token", json!({"scope": "read"})).await;
        let (word, error) = match change(&world.provider, "testcloud_token", nothing(), config).await {
            Outcome::NotApplied(error) => ("not applied", error),
            Outcome::Unknown { error, .. } => ("unknown", error),
            other => panic!("{action:?}: {other:?}"),
        };
        assert_eq!((word, error.category), (expected, category), "{action:?}");
        if category == Category::RateLimited {
            assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
        }
        assert!(world.cloud().audit().len() <= 1, "{action:?}: sent more than once");
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_that_hangs() {
    let world = Direct::new();
    world.cloud().add_fault(Fault::at(Method::Post, "buckets", Action::HangAfter));
    let config = config(&world.provider, "testcloud_bucket", json!({"name": "b"})).await;
    let context = Context { deadline: Instant::now() + Duration::from_secs(1), ..context() };
    match change_in(&context, &world.provider, "testcloud_bucket", nothing(), config).await {
        Outcome::Unknown { error, .. } => assert_eq!(error.category, Category::TimeOut),
        other => panic!("{other:?}"),
    }
    world.cloud().clear_faults();
    assert_eq!(world.cloud().truth().len(), 1);
}

#[tokio::test]
async fn an_update_sends_what_differs_and_an_undo_brings_it_back() {
    let world = Direct::new();
    let provider = &world.provider;
    let one = config(provider, "testcloud_database", json!({"name": "d", "engine": "mysql", "password": "one"})).await;
    let prior = applied(change(provider, "testcloud_database", nothing(), one.clone()).await);
    let before = world.cloud().truth();
    let request = ReadRequest {
        type_name: "testcloud_database".into(),
        state: prior.clone(),
        config: one,
        private: Private::default(),
        identity: None,
    };
    let image =
        provider.image(&context(), ImageRequest { object: request, effect: None, planned: nothing() }).await.unwrap();
    let wanted = json!({"name": "d", "engine": "mysql", "password": "two", "size": 20, "tags": {"a": "b"}});
    let two = config(provider, "testcloud_database", wanted).await;
    let after = applied(change(provider, "testcloud_database", prior, two).await);
    assert_eq!(world.cloud().truth()[0].attributes["password"], "two");
    let undo = Change {
        type_name: "testcloud_database".into(),
        effect: Effect::Update,
        config: nothing(),
        prior: after,
        prior_private: Private::default(),
        planned: image.state.clone(),
        planned_private: Private::default(),
        identity: None,
        restore: Some(image),
    };
    applied(provider.apply(&context(), undo).await);
    assert_eq!(world.cloud().truth(), before);
}

#[tokio::test]
async fn a_network_in_use_cannot_be_deleted() {
    let world = Direct::new();
    let provider = &world.provider;
    let network = config(provider, "testcloud_network", json!({"name": "n", "cidr": "10.0.0.0/8"})).await;
    let network = applied(change(provider, "testcloud_network", nothing(), network).await);
    let wanted = json!({"image": "debian-12", "size": "small", "network_id": text(&network, "id")});
    let instance = config(provider, "testcloud_instance", wanted).await;
    let instance = applied(change(provider, "testcloud_instance", nothing(), instance).await);
    assert_eq!(text(&instance, "address"), "i-1.net-1.testcloud.invalid");
    match change(provider, "testcloud_network", network.clone(), nothing()).await {
        Outcome::NotApplied(error) => assert_eq!(error.category, Category::Conflict),
        other => panic!("{other:?}"),
    }
    applied(change(provider, "testcloud_instance", instance, nothing()).await);
    applied(change(provider, "testcloud_network", network, nothing()).await);
    assert_eq!(world.cloud().truth(), []);
}

#[tokio::test]
async fn data_is_read_and_what_is_missing_is_named() {
    let world = Direct::new();
    let read = async |name: &str| {
        let config = Value::object([("name", Value::from(name))]);
        let request = DataRequest { type_name: "testcloud_image".into(), config };
        world.provider.read_data(&context(), request).await
    };
    assert_eq!(text(&read("debian-13").await.unwrap(), "id"), "img-2");
    let error = read("nothing").await.unwrap_err();
    assert_eq!((error.category, error.path), (Category::NotFound, Some(Path::attribute("name"))));
}

#[tokio::test]
async fn a_changed_network_makes_the_address_unknown() {
    let world = Direct::new();
    let provider = &world.provider;
    let schema = provider.schema().await.unwrap();
    let block = &schema.resources.get("testcloud_instance").unwrap().block;
    let one = config(provider, "testcloud_instance", json!({"image": "debian-12", "size": "small"})).await;
    let prior = applied(change(provider, "testcloud_instance", nothing(), one.clone()).await);
    let two = one.with_attribute("network_id", Value::from("net-1"));
    let request = PlanRequest {
        type_name: "testcloud_instance".into(),
        proposed: proposed_state(block, &prior, &two),
        config: two,
        prior,
        prior_private: Private::default(),
    };
    let planned = provider.plan(&context(), request).await.unwrap();
    assert_eq!(planned.planned.unknown_paths(), [Path::attribute("address")]);
    assert_eq!(planned.requires_replace, []);
}

#[tokio::test]
async fn without_a_url_nothing_but_planning_works() {
    let provider = retrue_provider_testcloud::provider();
    let request = FindRequest {
        type_name: "testcloud_bucket".into(),
        config: Value::object([("name", Value::from("b"))]),
        marker: None,
    };
    assert_eq!(provider.find(&context(), request).await.unwrap_err().category, Category::Validation);
}
