//! Each recipe: nothing is found before, one and the same afterwards, nothing when it is gone.

use retrue_provider_api::{
    Change, Effect, FindRequest, Findable, Found, Image, Marker, Outcome, Provider, Type, Value,
};
use serde_json::{Value as Json, json};

use crate::aws::world;
use crate::support::{Object, World, applied, block_on, differing_values, object};

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
