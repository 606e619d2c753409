//! The example of tf 1.2.0: protocol 6, a certificate with a key of 1024 bits, and results that are not what was
//! planned.

use retrue_provider_api::{Outcome, Path, Value};
use retrue_provider_terraform::Launch;
use serde_json::json;

use crate::support::{World, block_on, there};

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
        let (Outcome::Partial { error, .. } | Outcome::NotApplied(error) | Outcome::Unknown { error, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(error.message.contains("Create failed"), "{error}");
    });
}
