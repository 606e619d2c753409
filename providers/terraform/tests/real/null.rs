//! null 2.1.2: protocol 5, nothing outside.

use retrue_provider_api::process::still_running;
use retrue_provider_api::{
    ConfigureRequest, Path, Provider, ReadRequest, Reversibility, Subject, Type, ValidateRequest, Value,
};
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::json;

use crate::support::{World, block_on, object, there};

pub const FILE: &str = "bin/terraform-provider-null_v2.1.2_x4";

fn launch(test: &str) -> Option<Launch> {
    there(test, FILE).map(|path| Launch::file("null", path))
}

pub fn create_plan_again_replace_destroy() {
    let Some(launch) = launch("null") else { return };
    block_on(async {
        let world = World::new(launch, json!({})).await;
        let made = world.create("null_resource", json!({"triggers": {"a": "1"}})).await;
        assert!(made.state.get("id").and_then(Value::as_str).is_some_and(|id| !id.is_empty()));
        world.assert_no_change(&made).await;

        let config = world.config("null_resource", json!({"triggers": {"a": "2"}}));
        let plan = world.plan("null_resource", Some(&made), &config).await.unwrap();
        assert_eq!(plan.requires_replace, [Path::attribute("triggers")]);
        world.delete(&made).await;
        let plan = world.plan("null_resource", None, &config).await.unwrap();
        assert!(!plan.planned.get("id").unwrap().is_known());
        assert_eq!(plan.reversibility, Reversibility::Full);
        let outcome = world.change("null_resource", None, &config, plan).await;
        let made = object("null_resource", config, crate::support::applied(outcome));
        world.assert_no_change(&made).await;

        let capability = world.terraform.capability("null_resource", &made.config);
        assert!(capability.reads_back && capability.observes && capability.by_processes && !capability.holds_data);
        world.delete(&made).await;
    });
}

pub fn both_sides_show_certificates() {
    let Some(launch) = launch("certificates") else { return };
    block_on(async {
        let world = World::new(launch, json!({})).await;
        assert_eq!(world.terraform.is_encrypted().await, Some(true));
    });
}

pub fn it_ends_with_us() {
    let Some(launch) = launch("it ends with us") else { return };
    let child = block_on(async {
        let world = World::new(launch.clone(), json!({})).await;
        let child = world.terraform.process().await.unwrap();
        assert!(still_running(&child));
        world.terraform.shut_down().await;
        assert!(!still_running(&child), "it was asked to end");
        // It is started again when it is needed, with its configuration.
        world.create("null_resource", json!({})).await;
        world.terraform.process().await.unwrap()
    });
    // The runtime is gone, and nobody asked: the guard notices.
    for _ in 0..500 {
        if !still_running(&child) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it outlived us");
}

pub fn parallel_calls() {
    let Some(launch) = launch("parallel calls") else { return };
    block_on(async {
        let world = std::sync::Arc::new(World::new(launch, json!({})).await);
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let world = world.clone();
                tokio::spawn(async move {
                    let made = world.create("null_resource", json!({"triggers": {"n": number.to_string()}})).await;
                    world.assert_no_change(&made).await;
                    world.delete(&made).await;
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// The provider has no attributes of its own: an unknown configuration is made up of the whole being unknown.
pub fn a_configuration_that_is_not_known_yet() {
    let Some(launch) = launch("unknown configuration") else { return };
    block_on(async {
        let terraform = Terraform::new(launch);
        let schema = terraform.schema().await.unwrap();
        let unknown = Value::unknown(schema.provider.block.value_type());
        let configure = |config| terraform.configure(ConfigureRequest { config, directory: "/tmp".into() });
        configure(unknown).await.unwrap();
        let world = World {
            terraform: Terraform::new(Launch::file("x", "/")).into(),
            schema,
            context: crate::support::patient(),
        };
        let config = world.config("null_resource", json!({"triggers": {"a": "b"}}));
        let request = retrue_provider_api::PlanRequest {
            type_name: "null_resource".into(),
            config: config.clone(),
            prior: Value::null(Type::Dynamic),
            proposed: config.clone(),
            prior_private: Default::default(),
        };
        let plan = terraform.plan(&world.context, request).await.unwrap();
        assert!(plan.deferred.is_some());
        assert!(!plan.planned.get("id").unwrap().is_known());
        let read = ReadRequest {
            type_name: "null_resource".into(),
            state: config.clone(),
            config: config.clone(),
            private: Default::default(),
            identity: None,
        };
        let error = terraform.read(&world.context, read.clone()).await.unwrap_err();
        assert!(error.message.contains("not known yet"), "{error}");
        configure(Value::object::<&str>([])).await.unwrap();
        assert!(terraform.read(&world.context, read).await.is_ok());
        let request = ValidateRequest { subject: Subject::Resource, type_name: "null_resourc".into(), config };
        assert!(terraform.validate(request).await.unwrap_err().message.contains("no type `null_resourc`"));
    });
}

pub fn attached_to_one_that_runs() {
    let Some(path) = there("attached", FILE) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(path)
        .env("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2")
        .env("PLUGIN_PROTOCOL_VERSIONS", "5")
        .env("TMPDIR", directory.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let socket = line.split('|').nth(3).unwrap();
    let value = json!({"hashicorp/null": {
        "Protocol": "grpc", "ProtocolVersion": 5, "Pid": child.id(), "Test": true,
        "Addr": {"Network": "unix", "String": socket},
    }});
    let attached = retrue_provider_terraform::install::attached(&value.to_string()).unwrap();
    let (address, attached) = attached.into_iter().next().unwrap();
    block_on(async {
        let world = World::new(Launch::attached(address.name, attached), json!({})).await;
        assert_eq!(world.terraform.is_encrypted().await, Some(false));
        assert_eq!(world.terraform.process().await, None);
        let made = world.create("null_resource", json!({})).await;
        world.assert_no_change(&made).await;
        world.terraform.shut_down().await;
    });
    assert!(child.try_wait().unwrap().is_none(), "what is not ours goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}
