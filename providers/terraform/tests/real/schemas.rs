//! Providers of several frameworks and ages: what they say of themselves is understood, and some flows of theirs.

use retrue_provider_api::process::still_running;
use retrue_provider_api::{Provider, Subject, ValidateRequest};
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::json;

use crate::aws::{self, settings};
use crate::support::{World, block_on, full, there};

const AWS_2: &str = "bin/terraform-provider-aws_v2.70.0_x4";

pub fn what_they_say_of_themselves() {
    for (file, resources, data, functions, some) in [
        (aws::FILE, 711, 246, 0, "aws_vpc"),
        (AWS_2, 583, 191, 0, "aws_vpc"),
        ("bin/terraform-provider-lxd_v1.5.0", 10, 0, 0, "lxd_container"),
        ("bin/terraform-provider-vsphere_v2.0.2_x5", 39, 23, 0, "vsphere_virtual_machine"),
        ("bin/terraform-provider-workato_v0.16.0", 14, 0, 3, "workato_folder"),
    ] {
        let Some(program) = there("what_they_say_of_themselves", file) else { continue };
        block_on(async {
            let terraform = Terraform::new(Launch::file("said", program));
            let schema = terraform.schema().await.unwrap();
            let found = (schema.resources.len(), schema.functions.len());
            assert_eq!(found, (resources, functions), "{file}");
            if data > 0 {
                assert_eq!(schema.data.len(), data, "{file}");
            }
            assert!(schema.resources.contains_key(some), "{file}");
            // Each type is asked about with nothing set: it answers, and is alive at the end.
            let mut refused = 0;
            for (name, kind) in schema.resources.iter() {
                let config = full(&kind.block, &json!({}));
                let request = ValidateRequest { subject: Subject::Resource, type_name: name.clone(), config };
                let said = terraform.validate(request).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
                refused += usize::from(said.iter().any(|said| said.error));
            }
            assert!(refused > 0, "{file}: nothing is missing anywhere");
            let child = terraform.process().await.unwrap();
            terraform.shut_down().await;
            assert!(!still_running(&child), "{file}");
        });
    }
}

pub fn flows_of_an_older_release() {
    let test = "flows_of_an_older_release";
    let Some(program) = there(test, AWS_2) else { return };
    let Some(_) = there(test, "tools/bin/moto_server") else { return };
    let server = aws::Server::start();
    block_on(async {
        let world = World::new(Launch::file("aws", program), settings(&server.address)).await;
        let vpc = world.create("aws_vpc", json!({"cidr_block": "10.1.0.0/16", "tags": {"Name": "a"}})).await;
        world.assert_no_change(&vpc).await;
        let vpc = world.update(&vpc, json!({"cidr_block": "10.1.0.0/16", "tags": {"Name": "b"}})).await;
        world.assert_no_change(&vpc).await;
        let queue = world.create("aws_sqs_queue", json!({"name": "old", "delay_seconds": 3})).await;
        world.assert_no_change(&queue).await;
        let id = queue.state.get("id").and_then(retrue_provider_api::Value::as_str).unwrap().to_owned();
        let imported = world.import("aws_sqs_queue", &id).await.unwrap();
        assert_eq!(imported[0].state.get("name"), queue.state.get("name"));
        world.delete(&queue).await;
        world.delete(&vpc).await;
        assert!(world.read(&vpc).await.is_none(), "it is gone");
        world.terraform.shut_down().await;
    });
}
