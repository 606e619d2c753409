//! `[[import]]`: what exists becomes ours by its id, in a plan that says so, and can be undone.

use insta::assert_snapshot;
use retrue_provider_testcloud::Server;
use serde_json::json;

use crate::environment::peers::{Aws, mirror};
use crate::environment::terraform::Beside;
use crate::environment::{Environment, stack};

/// A stack of instances in a cloud, which cannot be found by what they are called.
fn cloud(server: &Server, blocks: &str) -> String {
    format!("[provider.testcloud]\nurl = \"{}\"\n{blocks}", server.url())
}

/// Instances that nobody owns.
fn unowned(server: &Server, ids: &[&str]) {
    for id in ids {
        let set = [("image", json!("debian-13")), ("size", json!("small")), ("disk", json!([]))];
        let set = set.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        server.cloud().put_object("instances", id, &set);
    }
}

fn ids(server: &Server) -> Vec<String> {
    server.cloud().truth().into_iter().map(|object| object.id).collect()
}

const INSTANCE: &str = "[resource.testcloud_instance.i]\nimage = \"debian-13\"\nsize = \"small\"\n";

#[test]
fn an_import_is_planned_applied_once_and_undone_by_forgetting() {
    let server = Server::start().unwrap();
    unowned(&server, &["i-1"]);
    let import = "[variable.id]\ntype = \"string\"\n[[import]]\nto = \"testcloud_instance.i\"\nid = \"${var.id}\"\n";
    let place = Environment::with(&cloud(&server, &format!("{INSTANCE}{import}")));
    let given = ["--var", "id=i-1"];
    let with = |verb: &[&'static str]| [verb, &given].concat();
    assert_snapshot!("plan", place.run(&with(&["plan"])).ends(0).screen());
    let plan = place.run(&with(&["plan", "--json"])).ends(0).json();
    assert_eq!((&plan["summary"]["import"], &plan["summary"]["create"]), (&json!(1), &json!(0)), "{plan:#}");
    assert_eq!(plan["changes"][0]["action"], "import");
    assert_eq!(plan["changes"][0]["import"]["id"], "i-1");
    assert_eq!(plan["changes"][0]["reversible"], "full");
    assert_snapshot!("apply", place.run(&with(&["apply", "--yes"])).ends(0).screen());
    assert_eq!(place.run(&["state", "list", "--json"]).ends(0).json()[0]["id"], "i-1");
    // What is recorded is imported already.
    place.run(&with(&["plan", "--detailed-exitcode"])).ends(0);
    let before = server.cloud().truth();
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert_eq!(json!(server.cloud().truth()), json!(before), "nothing was changed or deleted");
}

#[test]
fn what_an_import_changes_goes_through_a_plan_file_and_comes_back() {
    let server = Server::start().unwrap();
    unowned(&server, &["i-1"]);
    let before = json!(server.cloud().truth());
    let import = "[[import]]\nto = \"testcloud_instance.i\"\nid = \"i-1\"\n";
    let larger = INSTANCE.replace("small", "large");
    let place = Environment::with(&cloud(&server, &format!("{larger}{import}")));
    place.run(&["plan", "-o", "kept.plan"]).ends(0);
    let shown = place.run(&["show", "kept.plan", "--json"]).ends(0).json();
    assert_eq!(shown["changes"][0]["import"]["id"], "i-1", "{shown:#}");
    let events = place.run(&["apply", "kept.plan", "--yes", "--json"]).ends(0).json_lines();
    assert!(events.iter().any(|event| event["event"] == "step_finished" && event["action"] == "import"), "{events:#?}");
    assert_eq!(ids(&server), ["i-1"]);
    assert_eq!(server.cloud().truth()[0].attributes["size"], "large");
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert_eq!(json!(server.cloud().truth()), before);
}

#[test]
fn several_are_imported_at_once_each_by_its_key() {
    let server = Server::start().unwrap();
    unowned(&server, &["i-1", "i-2", "i-3"]);
    let repeated = format!("{INSTANCE}for_each = [\"a\", \"b\", \"c\"]\n");
    let import = "[[import]]\nfor_each = { a = \"1\", b = \"2\" }\nto = \"testcloud_instance.i[each.key]\"\nid = \"i-${each.value}\"\n\
        [[import]]\nto = 'testcloud_instance.i[\"c\"]'\nid = \"i-3\"\n";
    let place = Environment::with(&cloud(&server, &format!("{repeated}{import}")));
    place.run(&["apply", "--yes"]).ends(0);
    let listed = place.run(&["state", "list", "--json"]).ends(0).json();
    let listed: Vec<_> = listed.as_array().unwrap().iter().map(|one| (&one["address"], &one["id"])).collect();
    let expected = ["a", "b", "c"].map(|key| json!(format!("testcloud_instance.i[\"{key}\"]")));
    let ids = ["i-1", "i-2", "i-3"].map(|id| json!(id));
    assert_eq!(listed, expected.iter().zip(&ids).collect::<Vec<_>>());
    // What is destroyed is let go of as it was found: nobody said that it is ours to delete.
    place.run(&["destroy", "--yes"]).ends(0);
    assert_eq!(self::ids(&server), ["i-1", "i-2", "i-3"]);
}

#[test]
fn an_object_has_one_owner_also_when_it_is_imported() {
    let server = Server::start().unwrap();
    unowned(&server, &["i-1"]);
    let import = |to: &str| format!("[[import]]\nto = \"testcloud_instance.{to}\"\nid = \"i-1\"\n");
    let twin = INSTANCE.replace(".i]", ".twin]");
    let both = format!("{INSTANCE}{twin}{}{}", import("i"), import("twin"));
    let place = Environment::with(&cloud(&server, &both));
    place.run(&["plan"]).ends(1).tells("RT0408", &["testcloud_instance.i", "testcloud_instance.twin"]);
    place.write("retrue.toml", stack(&cloud(&server, &format!("{INSTANCE}{}", import("i")))));
    place.run(&["apply", "--yes"]).ends(0);
    place.write("retrue.toml", stack(&cloud(&server, &format!("{twin}{}", import("twin")))));
    place.run(&["plan"]).ends(1).tells("RT0409", &["recorded as `testcloud_instance.i`", "[[moved]]"]);
}

#[test]
fn imports_that_cannot_hold_are_told_at_their_places() {
    let server = Server::start().unwrap();
    unowned(&server, &["i-1"]);
    let blocks = r#"
[resource.testcloud_instance.many]
for_each = ["a"]
image = "debian-13"
size = "small"

[[import]]
to = "testcloud_instance.none"
id = "i-1"

[[import]]
to = "testcloud_instance.many"
id = "i-1"

[[import]]
to = "testcloud_instance.i"
id = "i-1"
provider = "retrue"

[[import]]
to = "testcloud_instance.i"
id = "i-2"

[[import]]
to = "data.testcloud_image.x"
id = "1"

[[import]]
to = "${testcloud_instance.i}"
id = "i-1"

[[import]]
to = "testcloud_instance.i"

[[import]]
to = 'testcloud_instance.many["b"]'
id = "${each.value}"
ident = "x"
"#;
    let place = Environment::with(&cloud(&server, &format!("{INSTANCE}{blocks}")));
    let shown = place.run(&["validate"]).ends(1);
    assert_snapshot!("forms", shown.screen().replace(&server.url(), "[URL]"));

    let blocks = r#"
[resource.testcloud_instance.made]
image = "debian-13"
size = "small"

[[import]]
to = "testcloud_instance.i"
id = "i-none"

[resource.testcloud_instance.many]
for_each = ["a", "b", "c", "d"]
image = "debian-13"
size = "small"

[[import]]
to = 'testcloud_instance.many["a"]'
id = "${testcloud_instance.made.id}"

[variable.secret]
type = "string"
sensitive = true
default = "i-secret"

[[import]]
to = 'testcloud_instance.many["b"]'
id = "${var.secret}"

[[import]]
to = 'testcloud_instance.many["c"]'
id = "${null}"

[[import]]
for_each = ["e"]
to = 'testcloud_instance.many[each.key]'
id = "i-1"
"#;
    place.write("retrue.toml", stack(&cloud(&server, &format!("{INSTANCE}{blocks}"))));
    let shown = place.run(&["plan"]).ends(1);
    assert!(!shown.screen().contains("i-secret\""), "{}", shown.screen());
    assert_snapshot!("plan_errors", shown.screen().replace(&server.url(), "[URL]"));
}

#[test]
fn an_import_of_a_real_provider_takes_one_and_tells_what_else_its_id_stands_for() {
    let test = "an_import_of_a_real_provider_takes_one_and_tells_what_else_its_id_stands_for";
    let Some(aws) = Aws::start(test) else { return };
    // Up to version 2 the import of a security group yields its rules as well, each an object of its own.
    let provider = aws.provider().replace("~> 3.39", "~> 2.70");
    let group = r#"
[resource.aws_security_group.web]
name = "web"
description = "web"

[[resource.aws_security_group.web.ingress]]
from_port = 443
to_port = 443
protocol = "tcp"
cidr_blocks = ["10.0.0.0/8"]
"#;
    let mut place = Environment::with(&format!("{provider}{group}"));
    if mirror(test, &mut place).is_none() {
        return;
    }
    if place.run(&["providers", "install"]).code != 0 {
        println!(
            "SKIPPED: {test}: version 2.70 of the provider is not there; providers/terraform/tests/fetch brings it"
        );
        return;
    }
    place.run(&["apply", "--yes"]).ends(0);
    let listed = place.run(&["state", "list", "--json"]).ends(0).json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    place.run(&["state", "rm", "aws_security_group.web"]).ends(0);
    let made = aws.truth();
    let import = format!("[[import]]\nto = \"aws_security_group.web\"\nid = \"{id}\"\n");
    place.write("retrue.toml", stack(&format!("{provider}{group}{import}")));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    let change = &plan["changes"][0];
    assert_eq!((&change["action"], &change["import"]["id"]), (&json!("import"), &json!(id)), "{plan:#}");
    let warnings = change["warnings"].to_string();
    assert!(warnings.contains("aws_security_group_rule `sgrule-"), "{warnings}");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    assert_eq!(place.recorded(), ["aws_security_group.web"]);
    place.run(&["compensate", "--yes"]).ends(0);
    assert!(place.recorded().is_empty());
    assert_eq!(aws.truth(), made, "nothing was changed or deleted");
}

const MADE_ELSEWHERE: &str = r#"
resource "aws_s3_bucket" "b" {
  bucket = "made-elsewhere"
  tags   = { owner = "somebody" }
  lifecycle_rule {
    id      = "old"
    enabled = true
    prefix  = "log/"
    expiration {
      days = 90
    }
  }
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["https://example.org"]
  }
}

resource "aws_sqs_queue" "q" {
  name = "made-elsewhere"
  tags = { owner = "somebody" }
}
"#;

/// What nothing in the stack says of an imported object is not lost when it is let go of, or when a change is undone.
#[test]
fn what_was_set_elsewhere_outlives_a_destroy_and_an_undo() {
    let test = "what_was_set_elsewhere_outlives_a_destroy_and_an_undo";
    let Some(server) = Aws::start(test) else { return };
    let Some(beside) = Beside::new(test) else { return };
    beside.make(&[
        ("provider.tf", &crate::scenarios::migrate_cloud::provider(server.port())),
        ("main.tf", MADE_ELSEWHERE),
    ]);
    let truth = || server.things().into_iter().map(|thing| thing.what).collect::<Vec<_>>();
    let made = truth();
    assert!(made.iter().any(|thing| thing.contains("somebody") && thing.contains("example.org")), "{made:#?}");
    let place = &beside.place;
    let url = format!("http://127.0.0.1:{}/123456789012/made-elsewhere", server.port());
    let blocks = "[variable.delay]\ntype = \"number\"\ndefault = 0\n\
        [resource.aws_s3_bucket.b]\nbucket = \"made-elsewhere\"\n\
        [resource.aws_s3_bucket.b.lifecycle]\nignore_changes = [\"tags\", \"tags_all\", \"lifecycle_rule\", \"cors_rule\"]\n\
        [resource.aws_sqs_queue.q]\nname = \"made-elsewhere\"\ndelay_seconds = \"${var.delay}\"\n\
        [resource.aws_sqs_queue.q.lifecycle]\nignore_changes = [\"tags\", \"tags_all\"]\n";
    for ignored in [true, false] {
        let blocks = if ignored { blocks.to_owned() } else { without_lifecycle(blocks) };
        place.write("retrue.toml", stack(&format!("{}{blocks}", server.provider())));
        place.run(&["providers", "install"]).ends(0);
        place.run(&["import", "aws_s3_bucket.b", "made-elsewhere"]).ends(0);
        place.run(&["import", "aws_sqs_queue.q", &url]).ends(0);
        place.run(&["apply", "--yes", "--var", "delay=5"]).ends(0);
        assert_ne!(truth(), made);
        place.run(&["compensate", "--yes"]).ends(0);
        assert_eq!(truth(), made, "an undo: {ignored}");
        place.run(&["destroy", "--yes"]).ends(0);
        assert_eq!(truth(), made, "a destroy: {ignored}");
    }
}

fn without_lifecycle(blocks: &str) -> String {
    let lines = blocks.lines().filter(|line| !line.contains("lifecycle]") && !line.starts_with("ignore_changes"));
    lines.map(|line| format!("{line}\n")).collect()
}
