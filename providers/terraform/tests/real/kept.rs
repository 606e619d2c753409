//! What providers say of themselves, kept from run to run.

use std::path::Path;

use retrue_provider_api::{ConfigureRequest, Provider};
use retrue_provider_terraform::config::Kept;
use retrue_provider_terraform::{Launch, Terraform};
use serde_json::json;

use crate::null;
use crate::support::{World, block_on, full, there};

fn launch(test: &str, file: &str, directory: &Path, hash: &str) -> Option<Launch> {
    let program = there(test, file)?;
    Some(Launch::file("kept", program).keeping(Kept { directory: directory.into(), hash: hash.into() }))
}

/// Asks for the types; whether the provider was started for that.
async fn is_started(launch: &Launch) -> bool {
    let terraform = Terraform::new(launch.clone());
    terraform.schema().await.unwrap();
    let started = terraform.process().await.is_some();
    terraform.shut_down().await;
    started
}

pub fn what_a_provider_said_is_known_without_it() {
    let test = "what_a_provider_said_is_known_without_it";
    let files = [null::FILE, crate::aws::FILE, "tf/terraform-provider-example", "pyvider/terraform-provider-pyvider"];
    for file in files {
        let directory = tempfile::tempdir().unwrap();
        let Some(launch) = launch(test, file, directory.path(), "h1:a") else { continue };
        block_on(async {
            let asked = Terraform::new(launch.clone());
            let schema = asked.schema().await.unwrap();
            asked.shut_down().await;
            let known = Terraform::new(launch.clone());
            assert_eq!(known.schema().await.unwrap(), schema, "{file}");
            assert!(known.process().await.is_none(), "{file} was started to tell what is known");
            let other = Launch { kept: Some(Kept { hash: "h1:b".into(), ..launch.kept.clone().unwrap() }), ..launch };
            assert!(is_started(&other).await, "{file}: of another program nothing is known");
        });
    }
    let directory = tempfile::tempdir().unwrap();
    let Some(launch) = launch(test, null::FILE, directory.path(), "h1:a") else { return };
    block_on(async {
        assert!(is_started(&launch).await);
        // It works as one that was asked.
        let world = World::new(launch, json!({})).await;
        let made = world.create("null_resource", json!({"triggers": {"a": "1"}})).await;
        world.assert_no_change(&made).await;
        world.delete(&made).await;
    });
}

pub fn what_it_says_otherwise_is_told() {
    let test = "what_it_says_otherwise_is_told";
    let directory = tempfile::tempdir().unwrap();
    let Some(first) = launch(test, null::FILE, directory.path(), "h1:same") else { return };
    let Some(second) = launch(test, crate::aws::FILE, directory.path(), "h1:same") else { return };
    block_on(async {
        assert!(is_started(&first).await);
        let terraform = Terraform::new(second.clone());
        let schema = terraform.schema().await.unwrap();
        let config = full(&schema.provider.block, &json!({}));
        let request = ConfigureRequest { config, directory: "/tmp".into() };
        let error = terraform.configure(request).await.unwrap_err();
        assert!(error.to_string().contains("other types than it had"), "{error}");
        terraform.shut_down().await;
        // The next run asks again, and is right.
        assert!(is_started(&second).await);
        assert!(Terraform::new(second).schema().await.unwrap().resources.contains_key("aws_vpc"));
    });
}

pub fn what_is_damaged_is_asked_again() {
    let directory = tempfile::tempdir().unwrap();
    let Some(launch) = launch("what_is_damaged_is_asked_again", null::FILE, directory.path(), "h1:a") else { return };
    block_on(async {
        assert!(is_started(&launch).await);
        let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&file).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            std::fs::write(&file, damaged).unwrap();
            assert!(is_started(&launch).await, "byte {at}");
            std::fs::write(&file, &whole[..at]).unwrap();
            assert!(is_started(&launch).await, "cut at {at}");
        }
        assert!(!is_started(&launch).await);
    });
}
