//! pyvider 0.8.1: protocol 6, not of the first SDK.

use retrue_provider_api::{DataRequest, Private, Provider, Subject, Type, ValidateRequest, Value, from_plain_json};
use retrue_provider_terraform::Launch;
use serde_json::{Value as Json, json};

use crate::support::{World, block_on, full, there};

const FILE: &str = "pyvider/terraform-provider-pyvider";

async fn world(test: &str) -> Option<World> {
    let launch = Launch::file("pyvider", there(test, FILE)?)
        .with_variable("PYVIDER_TESTMODE", "true")
        .with_variable("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests");
    Some(World::new(launch, json!({"pyvider_testmode": true})).await)
}

pub fn private_state() {
    block_on(async {
        let Some(world) = world("private state").await else { return };
        let made = world.create("pyvider_private_state_verifier", json!({"input_value": "abc"})).await;
        // The provider made it while planning, and read it back while applying.
        assert_eq!(made.state.get("decrypted_token"), Some(&Value::from("SECRET_FOR_ABC")));
        world.delete(&made).await;
    });
}

pub fn write_only() {
    block_on(async {
        let Some(world) = world("write-only").await else { return };
        let block = world.block("pyvider_secret_note");
        assert!(block.attributes["secret_value"].write_only);
        let config = json!({"name": "n", "secret_value": "hush", "secret_version": "1"});
        let request = ValidateRequest {
            subject: Subject::Resource,
            type_name: "pyvider_secret_note".into(),
            config: world.config("pyvider_secret_note", config.clone()),
        };
        let said = world.terraform.validate(request).await.unwrap();
        assert!(!said.iter().any(|diagnostic| diagnostic.error), "{said:?}");
        let made = world.create("pyvider_secret_note", config).await;
        assert!(made.state.get("secret_value").is_some_and(Value::is_null), "it is not recorded");
        assert!(made.state.get("digest").and_then(Value::as_str).is_some());
        assert_eq!(made.identity.as_ref().and_then(|identity| identity.get("name")), Some(&Value::from("n")));
        world.assert_no_change(&made).await;
        let changed = world.update(&made, json!({"name": "n", "secret_value": "other", "secret_version": "2"})).await;
        assert_ne!(changed.state.get("digest"), made.state.get("digest"));
        world.delete(&changed).await;
    });
}

pub fn nested_and_dynamic() {
    block_on(async {
        let Some(world) = world("nested").await else { return };
        let service = |name: &str, port: u16| json!({"service": name, "port": port, "protocol": "tcp"});
        let config = json!({
            "resource_name": "gateway",
            "configuration": {"region": "eu", "replicas": 3},
            "nested_configs": [service("http", 80), service("https", 443)],
        });
        let made = world.create("pyvider_nested_resource_test", config).await;
        let blocks = made.state.get("nested_configs").and_then(Value::as_items).unwrap();
        assert_eq!(blocks[1].get("port"), Some(&Value::from(443i64)));
        assert_eq!(made.state.get("configuration").unwrap().get("replicas"), Some(&Value::from(3i64)));
        assert_eq!(made.state.get("resource_id"), Some(&Value::from("resource_gateway")));
        world.assert_no_change(&made).await;
        world.delete(&made).await;
    });
}

pub fn functions() {
    block_on(async {
        let Some(world) = world("functions").await else { return };
        let upper = &world.schema.functions["upper"];
        assert_eq!((upper.parameters.len(), &upper.result), (1, &Type::String));
        let call = async |name: &str, arguments: Json| {
            let arguments = from_plain_json(&arguments).unwrap().as_items().unwrap().to_vec();
            world.terraform.call(name, arguments).await
        };
        assert_eq!(call("upper", json!(["shout"])).await.unwrap(), Value::from("SHOUT"));
        assert!(call("upper", json!([])).await.unwrap_err().message.contains("takes 1 arguments"));
        assert!(call("uper", json!(["x"])).await.unwrap_err().message.contains("no such function"));
        let unknown = world.terraform.call("upper", vec![Value::unknown(Type::String)]).await.unwrap();
        assert!(!unknown.is_known());
    });
}

pub fn files_and_directories() {
    block_on(async {
        let Some(world) = world("files").await else { return };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file").to_str().unwrap().to_owned();
        let made = world.create("pyvider_file_content", json!({"filename": path, "content": "one"})).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one");
        world.assert_no_change(&made).await;
        let changed = world.update(&made, json!({"filename": path, "content": "two"})).await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        std::fs::write(&path, "by hand").unwrap();
        let observed = world.read(&changed).await.unwrap();
        assert_eq!(observed.state.get("content"), Some(&Value::from("by hand")));
        world.delete(&changed).await;
        assert!(world.read(&changed).await.is_none());
    });
}

pub fn ephemeral() {
    block_on(async {
        let Some(world) = world("ephemeral").await else { return };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lease");
        let block = &world.schema.ephemeral.get("pyvider_lease").unwrap().block;
        let config = full(block, &json!({"name": "l", "path": path.to_str().unwrap(), "ttl_seconds": 60}));
        let request = DataRequest { type_name: "pyvider_lease".into(), config };
        let opened = world.terraform.open(&world.context, request).await.unwrap();
        assert!(opened.value.get("lease_id").and_then(Value::as_str).is_some());
        assert!(opened.renew_at.is_some());
        let private = || Private(opened.private.0.clone());
        assert!(world.terraform.renew(&world.context, "pyvider_lease", private()).await.unwrap().is_some());
        world.terraform.renew(&world.context, "pyvider_lease", private()).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("#1") && text.contains("#2"), "its newest bytes go with each renewal: {text}");
        world.terraform.close(&world.context, "pyvider_lease", private()).await.unwrap();
        assert!(!path.exists());
    });
}
