//! The examples of tf-provider 0.2.2, a framework in Rust: protocol 6 over TCP.

use retrue_provider_api::process::still_running;
use retrue_provider_api::{Path, Provider, Type, Value};
use retrue_provider_terraform::Launch;
use serde_json::json;

use crate::support::{World, applied, block_on, object, there};

const NULL: &str = "rust/bin/terraform-provider-null";
const FN: &str = "rust/bin/terraform-provider-fn";

pub fn create_replace_destroy() {
    let Some(program) = there("create_replace_destroy", NULL) else { return };
    block_on(async {
        let world = World::new(Launch::file("null", program), json!({})).await;
        assert_eq!(world.terraform.is_encrypted().await, Some(true));
        let id = |object: &crate::support::Object| object.state.get("id").and_then(Value::as_str).unwrap().to_owned();
        let made = world.create("null_resource", json!({"triggers": {"a": "1"}})).await;
        assert_eq!(id(&made).len(), 30);
        world.assert_no_change(&made).await;

        let config = world.config("null_resource", json!({"triggers": {"a": "2"}}));
        let plan = world.plan("null_resource", Some(&made), &config).await.unwrap();
        assert_eq!(plan.requires_replace, [Path::attribute("triggers")]);
        world.delete(&made).await;
        let plan = world.plan("null_resource", None, &config).await.unwrap();
        assert!(!plan.planned.get("id").unwrap().is_known());
        let outcome = world.change("null_resource", None, &config, plan).await;
        let again = object("null_resource", config, applied(outcome));
        assert_ne!(id(&again), id(&made));
        world.assert_no_change(&again).await;
        world.delete(&again).await;
        let child = world.terraform.process().await.unwrap();
        world.terraform.shut_down().await;
        assert!(!still_running(&child));
    });
}

pub fn a_function() {
    let Some(program) = there("a_function", FN) else { return };
    block_on(async {
        let world = World::new(Launch::file("fn", program), json!({})).await;
        let add = async |a: Value, b: i64| world.terraform.call("add", vec![a, Value::from(b)]).await;
        let number = |n: i64| Value::from(n);
        assert_eq!(add(number(20), 22).await.unwrap(), number(42));
        // It takes whole numbers of 32 bits.
        let error = add(number(1 << 40), 1).await.unwrap_err();
        assert!(!error.message.is_empty(), "{error:?}");
        assert!(!add(Value::unknown(Type::Number), 1).await.unwrap().is_known());
        // It is alive, and right, after a refusal.
        assert_eq!(add(number(1), 1).await.unwrap(), number(2));
    });
}
