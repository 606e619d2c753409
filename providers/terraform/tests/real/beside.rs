//! Beside `terraform` (1.11.4 was tried): the same configurations, the same provider, the same server. What is planned, what is replaced
//! and what is recorded must be equal.

use std::path::Path;
use std::process::Command;

use retrue_provider_api::{Data, Value};
use serde_json::{Map, Value as Json, json};

use crate::aws;
use crate::support::{World, applied, block_on, cache, object, there};

/// One resource: how it is first, and how it is then.
struct Case {
    type_name: &'static str,
    first: Json,
    then: Json,
}

fn cases() -> Vec<Case> {
    let case = |type_name, first, then| Case { type_name, first, then };
    let rule = |port: u16, cidr: &str| {
        json!({
            "from_port": port, "to_port": port, "protocol": "tcp", "cidr_blocks": [cidr], "description": "",
            "ipv6_cidr_blocks": [], "prefix_list_ids": [], "security_groups": [], "self": false,
        })
    };
    let attribute = |name: &str| json!({"name": name, "type": "S"});
    let table = |read: u32| {
        json!({
            "name": "beside", "hash_key": "id", "billing_mode": "PROVISIONED", "read_capacity": read,
            "write_capacity": 1, "attribute": [attribute("id")],
            "timeouts": {"create": "15m"}, "tags": {"read": read.to_string()},
        })
    };
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let allowed = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}]}"#;
    vec![
        case("aws_vpc", json!({"cidr_block": "10.0.0.0/16", "tags": {"a": "b"}}), json!({"cidr_block": "10.0.0.0/16"})),
        case(
            "aws_vpc",
            json!({"cidr_block": "10.0.0.0/16"}),
            json!({"cidr_block": "10.9.0.0/16", "enable_dns_hostnames": true}),
        ),
        case(
            "aws_security_group",
            json!({"name": "beside", "ingress": [rule(80, "0.0.0.0/0"), rule(22, "10.0.0.0/8")]}),
            json!({"name": "beside", "ingress": [rule(443, "0.0.0.0/0")], "tags": {"a": "b"}}),
        ),
        case("aws_security_group", json!({"name_prefix": "beside-"}), json!({"name": "other", "description": "x"})),
        case(
            "aws_s3_bucket",
            json!({"bucket": "retrue-beside", "versioning": [{"enabled": true}], "lifecycle_rule": [{"enabled": true, "id": "r", "prefix": "a/", "expiration": [{"days": 3}]}]}),
            json!({"bucket": "retrue-beside", "tags": {"x": "y"}, "cors_rule": [{"allowed_methods": ["GET"], "allowed_origins": ["*"]}]}),
        ),
        case("aws_dynamodb_table", table(1), table(2)),
        case(
            "aws_sqs_queue",
            json!({"name": "beside"}),
            json!({"name": "beside", "delay_seconds": 5, "tags": {"a": "b"}}),
        ),
        case(
            "aws_sqs_queue",
            json!({"name": "beside.fifo", "fifo_queue": true}),
            json!({"name": "beside", "fifo_queue": false}),
        ),
        case(
            "aws_iam_role",
            json!({"name": "beside", "assume_role_policy": policy}),
            json!({"name": "beside", "assume_role_policy": policy, "description": "d", "inline_policy": [{"name": "p", "policy": allowed}]}),
        ),
        case(
            "aws_ssm_parameter",
            json!({"name": "/beside", "type": "String", "value": "one"}),
            json!({"name": "/beside", "type": "SecureString", "value": "two", "description": "d"}),
        ),
        case(
            "aws_ebs_volume",
            json!({"availability_zone": "us-east-1a", "size": 1}),
            json!({"availability_zone": "us-east-1b", "size": 2}),
        ),
    ]
}

/// What is compared: made-up ids are one word, sets and lists are sorted. Null and empty are one: a read of this
/// provider turns `tags` from null into empty, which Terraform takes over and we do not.
fn comparable(json: Json) -> Json {
    match json {
        Json::Array(items) if items.is_empty() => Json::Null,
        Json::Object(entries) if entries.is_empty() => Json::Null,
        Json::Array(items) => {
            let mut items: Vec<Json> = items.into_iter().map(comparable).collect();
            items.sort_by_key(ToString::to_string);
            Json::Array(items)
        }
        Json::Object(entries) => entries.into_iter().map(|(key, value)| (key, comparable(value))).collect(),
        // An id, an address with one in it, or a name that was made up.
        Json::String(text) => {
            let digits = text.chars().filter(char::is_ascii_hexdigit).count();
            let made_up = |part: &str| part.len() >= 8 && part.chars().all(|c| c.is_ascii_hexdigit());
            if digits >= 8 && text.split(['-', '/', ':', '.']).any(made_up) || text.starts_with("AROA") {
                return Json::from("MADE UP");
            }
            if text.starts_with("http://127.0.0.1:") {
                return Json::from(text.split('/').skip(3).collect::<Vec<_>>().join("/"));
            }
            if text.starts_with("20") && text.contains('T') && text.ends_with('Z') {
                return Json::from("A TIME");
            }
            Json::String(text)
        }
        other => other,
    }
}

fn plain(value: &Value) -> Json {
    match value.data() {
        Data::Unknown(..) => json!("UNKNOWN"),
        Data::Null(_) => Json::Null,
        Data::Bool(value) => json!(value),
        Data::Number(number) => serde_json::from_str(&number.to_string()).unwrap(),
        Data::String(text) => json!(text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => items.iter().map(plain).collect(),
        Data::Map(_, entries) | Data::Object(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.to_string(), plain(value))).collect::<Map<_, _>>())
        }
    }
}

/// What Terraform plans, with what is unknown in it.
fn with_unknown(after: &Json, unknown: &Json) -> Json {
    match (after, unknown) {
        (_, Json::Bool(true)) => json!("UNKNOWN"),
        (Json::Object(entries), Json::Object(unknowns)) => {
            let mut merged: Map<String, Json> = entries
                .iter()
                .map(|(key, value)| (key.clone(), with_unknown(value, unknowns.get(key).unwrap_or(&Json::Null))))
                .collect();
            for (key, unknown) in unknowns {
                if !entries.contains_key(key) {
                    let value = with_unknown(&Json::Null, unknown);
                    if !value.is_null() {
                        merged.insert(key.clone(), value);
                    }
                }
            }
            Json::Object(merged)
        }
        (Json::Array(items), Json::Array(unknowns)) => items
            .iter()
            .enumerate()
            .map(|(index, item)| with_unknown(item, unknowns.get(index).unwrap_or(&Json::Null)))
            .collect(),
        (after, _) => after.clone(),
    }
}

struct Terraform<'d> {
    directory: &'d Path,
}

impl Terraform<'_> {
    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("terraform")
            .args(arguments)
            .current_dir(self.directory)
            .env("TF_CLI_CONFIG_FILE", self.directory.join("settings.tfrc"))
            .env("HOME", self.directory)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    fn write(&self, case: &Case, config: &Json, settings: &Json) {
        let text = json!({
            "terraform": {"required_providers": {"aws": {"source": "hashicorp/aws", "version": "3.39.0"}}},
            "provider": {"aws": settings},
            "resource": {case.type_name: {"x": config}},
        });
        std::fs::write(self.directory.join("main.tf.json"), text.to_string()).unwrap();
    }

    /// The change that is planned, and what is there after it.
    fn step(&self) -> (Json, Json) {
        self.run(&["plan", "-out=plan", "-input=false"]);
        let plan: Json = serde_json::from_str(&self.run(&["show", "-json", "plan"])).unwrap();
        self.run(&["apply", "-input=false", "plan"]);
        let state: Json = serde_json::from_str(&self.run(&["show", "-json"])).unwrap();
        (
            plan["resource_changes"][0]["change"].clone(),
            state["values"]["root_module"]["resources"][0]["values"].clone(),
        )
    }
}

pub fn the_same_as_terraform() {
    let name = "beside terraform";
    if std::env::var_os("RETRUE_TEST_FULL").is_none() {
        println!("SKIPPED: {name}: it takes minutes; RETRUE_TEST_FULL=1 runs it");
        return;
    }
    if Command::new("terraform").arg("version").output().is_err() {
        println!("SKIPPED: {name}: there is no `terraform`");
        return;
    }
    let (Some(program), Some(_)) = (there(name, aws::FILE), there(name, "tools/bin/moto_server")) else { return };
    // A world for each: the server does not forget all of what is deleted.
    let (server, other) = (aws::Server::start(), aws::Server::start());
    let (settings, other_settings) = (aws::settings(&server.address), aws::settings(&other.address));
    let directory = tempfile::Builder::new().prefix("beside-").tempdir_in(cache()).unwrap();
    let mirror = directory.path().join("mirror/registry.terraform.io/hashicorp/aws/3.39.0/linux_amd64");
    std::fs::create_dir_all(&mirror).unwrap();
    std::os::unix::fs::symlink(program, mirror.join("terraform-provider-aws_v3.39.0_x5")).unwrap();
    let rc = format!(
        "provider_installation {{\n filesystem_mirror {{\n path = \"{}\"\n include = [\"*/*/*\"]\n }}\n}}\n",
        directory.path().join("mirror").display()
    );
    std::fs::write(directory.path().join("settings.tfrc"), rc).unwrap();
    let terraform = Terraform { directory: directory.path() };
    let mut wrong = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        terraform.write(case, &case.first, &settings);
        if number == 0 {
            terraform.run(&["init", "-input=false"]);
        }
        let first = terraform.step();
        terraform.write(case, &case.then, &settings);
        let then = terraform.step();
        terraform.run(&["destroy", "-auto-approve", "-input=false"]);
        let ours = block_on(ours(case, &other_settings));
        for (step, (theirs, ours)) in [first, then].iter().zip(&ours).enumerate() {
            compare(&format!("{number} {} step {step}", case.type_name), theirs, ours, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Ours {
    planned: Json,
    replaces: bool,
    state: Json,
}

async fn ours(case: &Case, settings: &Json) -> Vec<Ours> {
    let world = World::new(aws::launch("beside").unwrap(), settings.clone()).await;
    let mut steps = Vec::new();
    let mut prior = None;
    for config in [&case.first, &case.then] {
        let config = world.config(case.type_name, config.clone());
        let mut plan = world.plan(case.type_name, prior.as_ref(), &config).await.unwrap();
        let replaces = !plan.requires_replace.is_empty();
        if replaces {
            world.delete(&prior.take().unwrap()).await;
            plan = world.plan(case.type_name, None, &config).await.unwrap();
        }
        let planned = plain(&plan.planned);
        let outcome = world.change(case.type_name, prior.as_ref(), &config, plan).await;
        let made = object(case.type_name, config, applied(outcome));
        world.assert_no_change(&made).await;
        steps.push(Ours { planned, replaces, state: plain(&made.state) });
        prior = Some(made);
    }
    world.delete(&prior.unwrap()).await;
    steps
}

fn compare(place: &str, (change, state): &(Json, Json), ours: &Ours, wrong: &mut Vec<String>) {
    let replaces = change["actions"].as_array().is_some_and(|actions| actions.len() == 2);
    if replaces != ours.replaces {
        wrong.push(format!("{place}: terraform replaces: {replaces}, we: {}", ours.replaces));
    }
    let planned = with_unknown(&change["after"], &change["after_unknown"]);
    for (what, theirs, ours) in [("planned", &planned, &ours.planned), ("state", state, &ours.state)] {
        let (theirs, ours) = (comparable(theirs.clone()), comparable(ours.clone()));
        let mut keys: Vec<&String> =
            theirs.as_object().into_iter().chain(ours.as_object()).flat_map(Map::keys).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (theirs, ours) = (&theirs[key], &ours[key]);
            if theirs != ours {
                wrong.push(format!("{place}: {what} `{key}`: terraform {theirs}, we {ours}"));
            }
        }
    }
}
