//! Each recipe: nothing is found before, one and the same afterwards, nothing when it is gone.

use retrue_provider_api::{
    Change, Context, Effect, FindRequest, Findable, Found, Image, Marker, Outcome, Provider, Type, Value,
};
use serde_json::{Value as Json, json};

use crate::aws::world;
use crate::support::{Object, World, applied, block_on, differing_values, object, patient};

fn marker(generation: u64) -> Marker {
    Marker {
        lineage: "2f3a".into(),
        environment: "default".into(),
        generation,
        object: "current".into(),
        address: "aws.x".into(),
    }
}

async fn find(world: &World, type_name: &str, config: &Value, generation: u64) -> Found {
    let by_marker = world.terraform.capability(type_name, config).findable == Findable::ByMarker;
    let marker = by_marker.then(|| marker(generation));
    let request = FindRequest { type_name: type_name.into(), config: config.clone(), marker };
    let found = world.terraform.find(&world.context, request).await;
    found.unwrap_or_else(|error| panic!("{type_name}: {error:#}"))
}

/// Makes an object, looks for it, changes nothing about it, and leaves it.
async fn made(world: &mut World, type_name: &str, json: Json) -> Object {
    world.context.marker = Some(marker(1));
    let config = world.config(type_name, json.clone());
    let findable = world.terraform.capability(type_name, &config).findable;
    assert!(matches!(findable, Findable::ByIdentity | Findable::ByMarker), "{type_name}: {findable:?}");
    let before = find(world, type_name, &config, 1).await;
    assert!(matches!(before, Found::None), "{type_name}: {before:#?}");
    let made = world.create(type_name, json).await;
    assert!(!format!("{:?}", made.state).contains("retrue:object"), "{type_name}: the marker is seen");
    world.assert_no_change(&made).await;
    let Found::One(found) = find(world, type_name, &config, 1).await else { panic!("{type_name}: it is not found") };
    assert_eq!(found.state.get("id"), made.state.get("id"), "{type_name}");
    let settable = |state: &Value| {
        let attributes = world.block(type_name).attributes.iter().filter(|(_, attribute)| !attribute.computed);
        Value::object(attributes.filter_map(|(name, _)| Some((name.clone(), state.get(name)?.clone()))))
    };
    let differing = differing_values(&settable(&made.state), &settable(&found.state));
    println!("{type_name}: {findable:?}, as found it differs in {differing:?}");
    if findable == Findable::ByMarker {
        assert!(matches!(find(world, type_name, &config, 2).await, Found::None), "{type_name}: another generation");
    } else {
        let identity = world.terraform.identity(type_name, &config);
        assert!(identity.is_some(), "{type_name}");
        assert_eq!(identity, world.terraform.identity(type_name, &made.state), "{type_name}");
    }
    made
}

async fn gone(world: &World, object: &Object) {
    world.delete(object).await;
    let found = find(world, &object.type_name, &object.config, 1).await;
    assert!(matches!(found, Found::None), "{}: {found:#?}", object.type_name);
}

pub fn what_has_a_name() {
    block_on(async {
        let Some(mut world) = world("what_has_a_name").await else { return };
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"}}]}"#;
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Action":"s3:*","Effect":"Allow","Resource":"*"}]}"#;
        for (type_name, json) in [
            ("aws_sqs_queue", json!({"name": "found", "delay_seconds": 3})),
            ("aws_ssm_parameter", json!({"name": "/found", "type": "String", "value": "v"})),
            ("aws_s3_bucket", json!({"bucket": "retrue-found"})),
            (
                "aws_dynamodb_table",
                json!({"name": "found", "hash_key": "id", "billing_mode": "PAY_PER_REQUEST", "attribute": [{"name": "id", "type": "S"}]}),
            ),
            ("aws_iam_role", json!({"name": "found", "assume_role_policy": trust, "tags": {"a": "b"}})),
            ("aws_iam_user", json!({"name": "found"})),
            ("aws_iam_group", json!({"name": "found"})),
            ("aws_iam_instance_profile", json!({"name": "found"})),
            ("aws_iam_policy", json!({"name": "found", "policy": policy})),
            ("aws_sns_topic", json!({"name": "found"})),
            ("aws_cloudwatch_log_group", json!({"name": "found"})),
            ("aws_ecr_repository", json!({"name": "found"})),
        ] {
            let object = made(&mut world, type_name, json).await;
            gone(&world, &object).await;
        }
        let key = world.create("aws_kms_key", json!({})).await;
        let id = key.state.get("id").and_then(Value::as_str).unwrap();
        let alias = made(&mut world, "aws_kms_alias", json!({"name": "alias/found", "target_key_id": id})).await;
        gone(&world, &alias).await;

        let role = world.create("aws_iam_role", json!({"name": "runs", "assume_role_policy": trust})).await;
        let arn = role.state.get("arn").and_then(Value::as_str).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("empty.zip");
        std::fs::write(&file, [&b"PK\x05\x06"[..], &[0; 18]].concat()).unwrap();
        let function =
            json!({"function_name": "found", "role": arn, "handler": "a.b", "runtime": "python3.8", "filename": file});
        let function = made(&mut world, "aws_lambda_function", function).await;
        gone(&world, &function).await;
    });
}

/// What is wrong with the recipe of one object that is made here; with the object, unless that could not be made.
async fn proved(world: &World, one: &Made, config: &Value, generation: u64) -> (Option<Object>, Vec<String>) {
    let type_name = &one.type_name;
    let mut wrong = Vec::new();
    let findable = world.terraform.capability(type_name, config).findable;
    if !matches!(findable, Findable::ByIdentity | Findable::ByMarker) {
        wrong.push(format!("it cannot be looked for: {findable:?}"));
    }
    match looked_for(world, type_name, config, generation).await {
        Ok(Found::None) => {}
        Ok(_) => wrong.push("it is found before it is made".into()),
        Err(error) => wrong.push(format!("before: {error}")),
    }
    let made = match world.try_create(type_name, config).await {
        Ok(made) => made,
        Err(error) => {
            wrong.push(format!("it is not made: {error}"));
            return (None, wrong);
        }
    };
    if format!("{:?}", made.state).contains("retrue:object") {
        wrong.push("the marker is seen".into());
    }
    match looked_for(world, type_name, config, generation).await {
        Ok(Found::One(found)) if one.other_id || found.state.get("id") == made.state.get("id") => {}
        Ok(found) => wrong.push(format!("afterwards it is not found: {found:?}").chars().take(600).collect()),
        Err(error) => wrong.push(format!("afterwards: {error}")),
    }
    if findable == Findable::ByMarker {
        match looked_for(world, type_name, config, generation + 1).await {
            Ok(Found::None) => {}
            found => wrong.push(format!("another generation: {found:?}").chars().take(600).collect()),
        }
    } else if world.terraform.identity(type_name, config) != world.terraform.identity(type_name, &made.state) {
        wrong.push("what is recorded has another identity".into());
    }
    (Some(made), wrong)
}

async fn looked_for(world: &World, type_name: &str, config: &Value, generation: u64) -> Result<Found, String> {
    let by_marker = world.terraform.capability(type_name, config).findable == Findable::ByMarker;
    let marker = by_marker.then(|| marker(generation));
    let request = FindRequest { type_name: type_name.into(), config: config.clone(), marker };
    world.terraform.find(&world.context, request).await.map_err(|error| format!("{error:#}"))
}

/// Text with the attributes of what was made in the place of `{NAME.ATTRIBUTE}`.
fn filled(template: &Json, made: &std::collections::BTreeMap<String, Object>, file: &str) -> Json {
    match template {
        Json::String(text) => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some("EMPTY_ZIP") => json!(file),
            Some(path) => match path.split_once('.').and_then(|(name, attribute)| Some((made.get(name)?, attribute))) {
                Some((object, attribute)) => json!(object.state.get(attribute).and_then(Value::as_str)),
                None => template.clone(),
            },
            None => template.clone(),
        },
        Json::Array(items) => items.iter().map(|item| filled(item, made, file)).collect(),
        Json::Object(entries) => {
            entries.iter().map(|(name, value)| (name.clone(), filled(value, made, file))).collect()
        }
        _ => template.clone(),
    }
}

/// The names of those that a configuration needs.
fn needs(config: &serde_json::Map<String, Json>) -> Vec<String> {
    let text = Json::Object(config.clone()).to_string();
    let parts = text.split("\"{").skip(1).filter_map(|rest| rest.split_once('.'));
    parts.map(|(name, _)| name.to_owned()).collect()
}

#[derive(serde::Deserialize)]
struct Listed {
    object: Vec<Made>,
}

/// An object of the list.
#[derive(serde::Deserialize)]
struct Made {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    config: serde_json::Map<String, Json>,
    #[serde(default = "yes")]
    proved: bool,
    #[serde(default)]
    other_id: bool,
    #[serde(default)]
    slow: bool,
}

fn yes() -> bool {
    true
}

pub fn each_recipe() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/recipes.toml");
    let listed: Listed = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty.zip");
    std::fs::write(&file, [&b"PK\x05\x06"[..], &[0; 18]].concat()).unwrap();
    block_on(async {
        let Some(mut world) = world("each_recipe").await else { return };
        let full = std::env::var_os("RETRUE_TEST_FULL").is_some();
        let mut left_out = std::collections::BTreeSet::new();
        let mut made = std::collections::BTreeMap::new();
        let mut wrong = Vec::new();
        for (place, one) in (0u64..).zip(&listed.object) {
            let generation = 2 * place + 1;
            world.context = Context { marker: Some(marker(generation)), ..patient() };
            let began = std::time::Instant::now();
            let needed = needs(&one.config);
            if one.slow && !full || needed.iter().any(|name| left_out.contains(name)) {
                left_out.insert(one.name.clone());
                continue;
            }
            let config = filled(&Json::Object(one.config.clone()), &made, file.to_str().unwrap());
            let config = world.config(&one.type_name, config);
            let (object, mistakes) = match one.proved {
                true => proved(&world, one, &config, generation).await,
                false => match world.try_create(&one.type_name, &config).await {
                    Ok(object) => (Some(object), Vec::new()),
                    Err(error) => (None, vec![error]),
                },
            };
            wrong.extend(mistakes.into_iter().map(|mistake| format!("{}: {mistake}", one.type_name)));
            made.extend(object.map(|object| (one.name.clone(), object)));
            println!("{}: {} ms", one.name, began.elapsed().as_millis());
        }
        for (place, one) in (0u64..).zip(&listed.object).collect::<Vec<_>>().into_iter().rev() {
            world.context = patient();
            let generation = 2 * place + 1;
            let Some(object) = made.remove(&one.name) else { continue };
            if let Err(error) = world.try_delete(&object).await {
                wrong.push(format!("{}: it is not deleted: {error}", one.type_name));
                continue;
            }
            let found = looked_for(&world, &one.type_name, &object.config, generation).await;
            if one.proved && !matches!(found, Ok(Found::None)) {
                wrong.push(format!("{}: when it is gone: {found:?}", one.type_name).chars().take(600).collect());
            }
        }
        if !left_out.is_empty() {
            println!("SKIPPED: each_recipe: {left_out:?} take long: RETRUE_TEST_FULL=1 makes them");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

pub fn what_carries_a_marker() {
    block_on(async {
        let Some(mut world) = world("what_carries_a_marker").await else { return };
        let vpc = made(&mut world, "aws_vpc", json!({"cidr_block": "10.9.0.0/16"})).await;
        let id = vpc.state.get("id").and_then(Value::as_str).unwrap().to_owned();
        let subnet = made(&mut world, "aws_subnet", json!({"vpc_id": id, "cidr_block": "10.9.1.0/24"})).await;
        let group =
            made(&mut world, "aws_security_group", json!({"name": "g", "vpc_id": id, "tags": {"Name": "g"}})).await;
        let subnet_id = subnet.state.get("id").and_then(Value::as_str).unwrap();
        let machine = json!({"ami": "ami-12c6146b", "instance_type": "t2.micro", "subnet_id": subnet_id});
        let machine = made(&mut world, "aws_instance", machine).await;
        // An update takes nothing away from it.
        let changed = world.update(&group, json!({"name": "g", "vpc_id": id, "tags": {"Name": "h"}})).await;
        assert!(!format!("{:?}", changed.state).contains("retrue:object"));
        assert!(matches!(find(&world, "aws_security_group", &changed.config, 1).await, Found::One(_)));
        let changed = world.update(&changed, json!({"name": "g", "vpc_id": id})).await;
        assert!(matches!(find(&world, "aws_security_group", &changed.config, 1).await, Found::One(_)));
        gone(&world, &machine).await;
        gone(&world, &changed).await;

        // What is made again by an undo is marked, too.
        gone(&world, &subnet).await;
        let again = Change {
            type_name: "aws_subnet".into(),
            effect: Effect::Create,
            config: subnet.config.clone(),
            prior: Value::null(Type::Dynamic),
            prior_private: Default::default(),
            planned: subnet.state.clone(),
            planned_private: Default::default(),
            identity: None,
            restore: Some(Image { state: subnet.state.clone(), private: subnet.private.clone(), blobs: Vec::new() }),
        };
        world.context.marker = Some(marker(7));
        let outcome: Outcome = world.terraform.apply(&world.context, again).await;
        let again = object("aws_subnet", subnet.config.clone(), applied(outcome));
        assert_eq!(again.state.get("tags"), subnet.state.get("tags"));
        let Found::One(found) = find(&world, "aws_subnet", &again.config, 7).await else { panic!("it is not found") };
        assert_eq!(found.state.get("id"), again.state.get("id"));
        world.delete(&again).await;
        gone(&world, &vpc).await;
    });
}
