//! aws 3.39.0: protocol 5, against a server that stands for AWS.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use retrue_provider_api::process::still_running;
use retrue_provider_api::{
    Category, Change, DataRequest, Effect, Image, ImageRequest, Outcome, Path, Provider, ReadRequest, Reversibility,
    Subject, Type, ValidateRequest, Value,
};
use retrue_provider_terraform::Launch;
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Object, World, applied, block_on, cache, object, there};

pub const FILE: &str = "bin/terraform-provider-aws_v3.39.0_x5";

static SERVER: OnceLock<Option<String>> = OnceLock::new();
static PROCESS: Mutex<Option<Server>> = Mutex::new(None);

/// A server that stands for AWS, with a world of its own.
pub struct Server {
    pub address: String,
    child: Child,
}

impl Server {
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(cache().join("tools/bin/moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Server { address: format!("http://127.0.0.1:{port}"), child }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of the server that the tests share; it is started once.
fn server() -> Option<String> {
    let start = || {
        cache().join("tools/bin/moto_server").exists().then(|| {
            let server = Server::start();
            let address = server.address.clone();
            *PROCESS.lock().unwrap() = Some(server);
            address
        })
    };
    SERVER.get_or_init(start).clone()
}

pub fn stop_server() {
    drop(PROCESS.lock().unwrap().take());
}

pub fn settings(endpoint: &str) -> Json {
    let names = "s3 ec2 iam sqs sts dynamodb ssm sns kms ecr lambda cloudwatchlogs cloudwatch cloudwatchevents elb route53 \
                 ecs rds autoscaling secretsmanager stepfunctions kinesis elasticache efs";
    let names: Vec<&str> = names.split_ascii_whitespace().collect();
    let endpoints: serde_json::Map<String, Json> = names.iter().map(|name| ((*name).into(), json!(endpoint))).collect();
    json!({
        "region": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
        "s3_force_path_style": true,
        "skip_credentials_validation": true,
        "skip_metadata_api_check": true,
        "skip_requesting_account_id": true,
        "skip_get_ec2_platforms": true,
        "skip_region_validation": true,
        "max_retries": 1,
        "endpoints": [endpoints],
    })
}

pub async fn world(test: &str) -> Option<World> {
    there(test, "tools/bin/moto_server")?;
    Some(World::new(launch(test)?, settings(&server()?)).await)
}

/// The provider that is fetched, or the one that `RETRUE_TEST_AWS` names: another release of it.
pub fn launch(test: &str) -> Option<Launch> {
    let named = std::env::var_os("RETRUE_TEST_AWS").map(std::path::PathBuf::from);
    named.or_else(|| there(test, FILE)).map(|path| Launch::file("aws", path))
}

fn text<'o>(object: &'o Object, name: &str) -> &'o str {
    object.state.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub fn vpc() {
    block_on(async {
        let Some(world) = world("vpc").await else { return };
        let made = world.create("aws_vpc", json!({"cidr_block": "10.1.0.0/16", "tags": {"Name": "a"}})).await;
        assert!(text(&made, "id").starts_with("vpc-"));
        assert!(!made.private.0.is_empty(), "the provider keeps the version of its schema there");
        world.assert_no_change(&made).await;
        // What the schema does not have any more is dropped, at the same version, too.
        let recorded = retrue_provider_api::to_wire(&made.state.clone().with_attribute("bogus", Value::from("x")));
        let version = world.schema.resources.get("aws_vpc").unwrap().version;
        let upgraded = world.terraform.upgrade_state("aws_vpc", version, recorded).await.unwrap();
        assert_eq!(crate::support::differing_values(&made.state, &upgraded), Vec::<String>::new());
        assert_eq!(upgraded.get("bogus"), None);

        let changed = world.update(&made, json!({"cidr_block": "10.1.0.0/16", "tags": {"Name": "b"}})).await;
        assert_eq!(text(&changed, "id"), text(&made, "id"));
        world.assert_no_change(&changed).await;
        let config = world.config("aws_vpc", json!({"cidr_block": "10.2.0.0/16"}));
        let plan = world.plan("aws_vpc", Some(&changed), &config).await.unwrap();
        assert_eq!(plan.requires_replace, [Path::attribute("cidr_block")]);
        world.delete(&changed).await;
        assert!(world.read(&changed).await.is_none(), "it is gone");
    });
}

pub fn security_group_with_rules_as_attributes() {
    block_on(async {
        let Some(world) = world("security group").await else { return };
        let vpc = world.create("aws_vpc", json!({"cidr_block": "10.3.0.0/16"})).await;
        let rule = |port: u16, cidr: &str| json!({"from_port": port, "to_port": port, "protocol": "tcp", "cidr_blocks": [cidr]});
        let config = |rules: Json| json!({"name": "web", "vpc_id": text(&vpc, "id"), "ingress": rules, "egress": []});
        let made =
            world.create("aws_security_group", config(json!([rule(80, "0.0.0.0/0"), rule(443, "10.0.0.0/8")]))).await;
        assert_eq!(made.state.get("ingress").and_then(Value::as_items).map(<[Value]>::len), Some(2));
        // Another order is no change.
        let turned =
            world.config("aws_security_group", config(json!([rule(443, "10.0.0.0/8"), rule(80, "0.0.0.0/0")])));
        assert!(turned.same(&made.config));
        world.assert_no_change(&made).await;
        let changed = world.update(&made, config(json!([rule(8080, "0.0.0.0/0")]))).await;
        world.assert_no_change(&changed).await;
        world.delete(&changed).await;
        world.delete(&vpc).await;
    });
}

pub fn bucket() {
    block_on(async {
        let Some(world) = world("bucket").await else { return };
        let config = json!({"bucket": "retrue-test-bucket", "acl": "private", "versioning": {"enabled": true}});
        let made = world.create("aws_s3_bucket", config).await;
        assert_eq!(text(&made, "arn"), "arn:aws:s3:::retrue-test-bucket");
        world.assert_no_change(&made).await;
        let changed = world
            .update(&made, json!({"bucket": "retrue-test-bucket", "acl": "private", "tags": {"a": "b"}, "versioning": {"enabled": true}}))
            .await;
        world.assert_no_change(&changed).await;
        let plan = world
            .terraform
            .plan(
                &world.context,
                retrue_provider_api::PlanRequest {
                    type_name: "aws_s3_bucket".into(),
                    config: Value::null(Type::Dynamic),
                    prior: changed.state.clone(),
                    proposed: Value::null(Type::Dynamic),
                    prior_private: changed.private.clone(),
                },
            )
            .await
            .unwrap();
        assert!(plan.planned.is_null());
        assert!(matches!(plan.reversibility, Reversibility::Lossy(reason) if reason.contains("data")));
        world.delete(&changed).await;
    });
}

pub fn table() {
    block_on(async {
        let Some(world) = world("table").await else { return };
        let attribute = |name: &str| json!({"name": name, "type": "S"});
        let config = |read: u32| {
            json!({
                "name": "people", "hash_key": "id", "billing_mode": "PROVISIONED",
                "read_capacity": read, "write_capacity": 1,
                "attribute": [attribute("id"), attribute("mail")],
                "global_secondary_index": [{
                    "name": "by-mail", "hash_key": "mail", "projection_type": "ALL",
                    "read_capacity": 1, "write_capacity": 1,
                }],
                "timeouts": {"create": "15m"},
            })
        };
        let made = world.create("aws_dynamodb_table", config(1)).await;
        world.assert_no_change(&made).await;
        let changed = world.update(&made, config(2)).await;
        world.assert_no_change(&changed).await;
        world.delete(&changed).await;
    });
}

pub fn import_of_a_queue() {
    block_on(async {
        let Some(world) = world("queue").await else { return };
        let config = json!({"name": "work", "delay_seconds": 5, "visibility_timeout_seconds": 60});
        let made = world.create("aws_sqs_queue", config).await;
        let found = world.import("aws_sqs_queue", text(&made, "id")).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].state.get("delay_seconds"), Some(&Value::from(5i64)));
        let imported = Object { state: found[0].state.clone(), private: found[0].private.clone(), ..made.clone() };
        world.assert_no_change(&imported).await;
        let error = world.import("aws_sqs_queue", &format!("{}-not", text(&made, "id"))).await.unwrap_err();
        assert_eq!(error.category, Category::NotFound, "{error}");
        world.delete(&made).await;
    });
}

pub fn a_delete_does_not_change_how_others_are_read() {
    block_on(async {
        let Some(world) = world("a delete and others").await else { return };
        let stays = world.create("aws_sqs_queue", json!({"name": "stays"})).await;
        let goes = world.create("aws_sqs_queue", json!({"name": "goes"})).await;
        world.delete(&goes).await;
        // It has no tags, which a read says as an empty map.
        world.assert_no_change(&stays).await;
        world.delete(&stays).await;
    });
}

pub fn data_and_validation() {
    block_on(async {
        let Some(world) = world("data").await else { return };
        let block = &world.schema.data.get("aws_caller_identity").unwrap().block;
        let request =
            DataRequest { type_name: "aws_caller_identity".into(), config: crate::support::full(block, &json!({})) };
        let state = world.terraform.read_data(&world.context, request).await.unwrap();
        assert_eq!(state.get("account_id"), Some(&Value::from("123456789012")));

        let config = world.config("aws_vpc", json!({"cidr_block": "nonsense"}));
        let request = ValidateRequest { subject: Subject::Resource, type_name: "aws_vpc".into(), config };
        let said = world.terraform.validate(request).await.unwrap();
        assert!(said[0].error);
        assert_eq!(said[0].path, Some(Path::attribute("cidr_block")));

        let config = crate::support::full(&world.schema.provider.block, &json!({"region": "us-east-1"}));
        let request = ValidateRequest { subject: Subject::Provider, type_name: String::new(), config };
        assert_eq!(world.terraform.validate(request).await.unwrap(), []);
    });
}

/// A server that takes requests and never answers.
fn black_hole() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer);
            let _ = sender.send(());
            open.push(stream);
        }
    });
    (address, receiver)
}

async fn hanging(test: &str) -> Option<(World, std::sync::mpsc::Receiver<()>)> {
    let launch = launch(test)?;
    let (address, reached) = black_hole();
    Some((World::new(launch, settings(&address)).await, reached))
}

/// The process of the provider: what the guard guards.
fn provider_process(guard: i32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap_or_default();
    let other: Vec<i32> = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            parent == Some(guard)
        })
        .collect();
    text.split_whitespace().next().and_then(|pid| pid.parse().ok()).or(other.first().copied()).unwrap()
}

pub fn killed_while_it_applies() {
    block_on(async {
        let Some((world, reached)) = hanging("killed").await else { return };
        let guard = world.terraform.process().await.unwrap();
        let pid = provider_process(guard.pid);
        let config = world.config("aws_sqs_queue", json!({"name": "q"}));
        let plan = world.plan("aws_sqs_queue", None, &config).await.unwrap();
        let killer = tokio::task::spawn_blocking(move || {
            reached.recv().unwrap();
            assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        });
        let outcome = world.change("aws_sqs_queue", None, &config, plan).await;
        killer.await.unwrap();
        let Outcome::Unknown { error, best_known } = outcome else { panic!("{outcome:?}") };
        assert!(error.message.contains("signal 9"), "{error:#}");
        assert_eq!(best_known.unwrap().state.get("name"), Some(&Value::from("q")));
        // It is started again, with its configuration.
        assert!(world.plan("aws_sqs_queue", None, &config).await.is_ok());
        assert!(world.terraform.process().await.unwrap() != guard);
        assert!(!still_running(&guard));
    });
}

pub fn cancelled_while_it_applies() {
    block_on(async {
        let Some((mut world, reached)) = hanging("cancelled").await else { return };
        let token = CancellationToken::new();
        world.context.cancellation = token.clone();
        let guard = world.terraform.process().await.unwrap();
        let config = world.config("aws_sqs_queue", json!({"name": "q"}));
        let plan = world.plan("aws_sqs_queue", None, &config).await.unwrap();
        let terraform = world.terraform.clone();
        let canceller = tokio::spawn(async move {
            tokio::task::spawn_blocking(move || reached.recv().unwrap()).await.unwrap();
            terraform.stop().await;
            token.cancel();
        });
        let outcome = world.change("aws_sqs_queue", None, &config, plan).await;
        canceller.await.unwrap();
        let Outcome::Unknown { error, .. } = outcome else { panic!("{outcome:?}") };
        // Newer releases answer as soon as they are asked to stop, and are not killed.
        if !error.message.contains("cancelled while it ran") {
            return;
        }
        for _ in 0..1000 {
            if !still_running(&guard) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("what was cancelled still runs");
    });
}

/// A server that answers everything with one error.
fn refusing(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 8192];
            let _ = stream.read(&mut buffer);
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    address
}

pub fn errors_are_classified() {
    block_on(async {
        let Some(launch) = launch("errors") else { return };
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        let world = World::new(launch, settings(&refusing("403 Forbidden", body))).await;
        let config = world.config("aws_sqs_queue", json!({"name": "q"}));
        let plan = world.plan("aws_sqs_queue", None, &config).await.unwrap();
        let outcome = world.change("aws_sqs_queue", None, &config, plan).await;
        let Outcome::NotApplied(error) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.category, Category::Authentication, "{error:#}");
    });
}

pub fn undo_of_an_update_and_of_a_delete() {
    block_on(async {
        let Some(world) = world("undo").await else { return };
        let before =
            world.create("aws_sqs_queue", json!({"name": "undo", "delay_seconds": 5, "tags": {"a": "1"}})).await;
        let request = ReadRequest {
            type_name: "aws_sqs_queue".into(),
            state: before.state.clone(),
            config: before.config.clone(),
            private: before.private.clone(),
            identity: None,
        };
        let image = world
            .terraform
            .image(&world.context, ImageRequest { object: request, effect: None, planned: before.state.clone() })
            .await
            .unwrap();
        let after =
            world.update(&before, json!({"name": "undo", "delay_seconds": 9, "tags": {"a": "2", "b": "3"}})).await;
        let back = |effect, prior: Option<&Object>, image: &Image| Change {
            type_name: "aws_sqs_queue".into(),
            effect,
            config: before.config.clone(),
            prior: prior.map_or_else(|| Value::null(Type::Dynamic), |prior| prior.state.clone()),
            prior_private: prior.map(|prior| prior.private.clone()).unwrap_or_default(),
            planned: image.state.clone(),
            planned_private: image.private.clone(),
            identity: None,
            restore: Some(image.clone()),
        };
        let outcome = world.terraform.apply(&world.context, back(Effect::Update, Some(&after), &image)).await;
        let restored = object("aws_sqs_queue", before.config.clone(), applied(outcome));
        assert_eq!(crate::support::differing_values(&image.state, &restored.state), Vec::<String>::new());
        world.assert_no_change(&restored).await;

        world.delete(&restored).await;
        let outcome = world.terraform.apply(&world.context, back(Effect::Create, None, &image)).await;
        let again = object("aws_sqs_queue", before.config.clone(), applied(outcome));
        assert_eq!(crate::support::differing_values(&image.state, &again.state), Vec::<String>::new());
        world.assert_no_change(&again).await;
        world.delete(&again).await;
        // Deleting what is gone succeeds.
        world.delete(&again).await;
    });
}
