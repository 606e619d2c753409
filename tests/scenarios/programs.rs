//! Providers of Terraform's: found, locked, checked, planned, applied, unwound, like any other.

use insta::assert_snapshot;

use crate::environment::peers::{Aws, mirror, there};
use crate::environment::{Environment, stack};

const NULL: &str = r#"
[provider.null]
source = "hashicorp/null"
version = "~> 2.1"

[resource.null_resource.one]
triggers = { release = "1" }

[resource.retrue_data.uses]
input = "${null_resource.one.id}"
"#;

#[test]
fn programs_of_providers_are_found_locked_and_checked() {
    let mut place = Environment::with(NULL);
    let Some(mirror) = mirror("programs_of_providers_are_found_locked_and_checked", &mut place) else { return };
    // Nothing is run that was not chosen before.
    place.run(&["plan"]).ends(1).tells("RT0425", &["providers install"]);
    let shown = place.run(&["providers", "install"]).ends(0);
    assert_eq!(shown.stdout, "registry.opentofu.org/hashicorp/null 2.1.2\n");
    let lock = place.read(".retrue.lock.toml");
    assert!(lock.contains("h1:CFnENdqQu4g3LJNevA32aDxcUz2qGkRGQpFfkI8TCdE="), "{lock}");
    let again = place.run(&["providers", "install", "--upgrade", "--json"]).ends(0).json();
    assert_eq!((again[0]["version"].as_str(), again[0]["changed"].as_bool()), (Some("2.1.2"), Some(false)));
    let listed = place.run(&["providers", "list"]).ends(0);
    assert!(listed.stdout.contains("null_resource"), "{}", listed.screen());
    let schema = place.run(&["providers", "schema", "null_resource"]).ends(0);
    assert!(schema.stdout.contains("triggers"), "{}", schema.screen());
    assert!(place.run(&["schema"]).ends(0).stdout.contains("null_resource"));
    place.run(&["validate"]).ends(0);
    place.run(&["plan", "-o", "chosen.plan"]).ends(0);

    // Another program under the same name is refused before it is run.
    let program =
        mirror.join("registry.terraform.io/hashicorp/null/2.1.2/linux_amd64/terraform-provider-null_v2.1.2_x4");
    let mut bytes = fs_err::read(&program).unwrap();
    bytes.push(0);
    // What still ends is not written over.
    fs_err::remove_file(&program).unwrap();
    fs_err::write(&program, bytes).unwrap();
    place.run(&["plan"]).ends(1).tells("RT0425", &["not the one that is locked"]);
    // Nor does what is known of it from before hide that.
    place.run(&["providers", "schema", "null_resource"]).ends(1).tells("RT0425", &["not the one that is locked"]);
    place.run(&["apply", "--yes", "chosen.plan"]).ends(1).tells("RT0425", &["not the one that was chosen"]);

    place.write("retrue.toml", stack(&NULL.replace("~> 2.1", "~> 3.0")));
    place.run(&["providers", "install"]).ends(1).tells("RT0425", &["no version", "2.1.2"]);
}

#[test]
fn mistakes_about_a_type_of_a_program_are_told_at_their_place() {
    let test = "mistakes_about_a_type_of_a_program_are_told_at_their_place";
    let Some(program) = there(test, "bin/terraform-provider-null_v2.1.2_x4") else { return };
    let place = Environment::with(&format!(
        "[provider.null]\npath = \"{}\"\n[resource.null_resource.one]\ntrigers = {{ a = \"1\" }}\n[resource.null_resorce.two]\n",
        program.display()
    ));
    let shown = place.run(&["validate"]).ends(1);
    let screen = shown.screen().replace(&program.display().to_string(), "[PROGRAM]");
    assert_snapshot!(screen);
    place.write("retrue.toml", stack("[provider.null]\npath = \"nowhere\"\n[resource.null_resource.one]\n"));
    place.run(&["plan"]).ends(1).tells("RT0425", &["nowhere"]);
}

#[test]
fn a_resource_of_a_program_is_made_kept_replaced_and_unwound() {
    let mut place = Environment::with(NULL);
    let test = "a_resource_of_a_program_is_made_kept_replaced_and_unwound";
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.write("retrue.toml", stack(&NULL.replace("release = \"1\"", "release = \"2\"")));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["summary"]["replace"], 1, "{plan:#}");
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let first = place.runs().last().unwrap().clone();
    let past = ["compensate", "--yes", "--through", &first, "--past", "null_resource.one"];
    place.run(&past).ends(0);
    assert!(place.recorded().is_empty());
}

#[test]
fn tables_of_a_stack_are_checked_used_and_kept() {
    let test = "tables_of_a_stack_are_checked_used_and_kept";
    let Some(program) = there(test, "bin/terraform-provider-null_v2.1.2_x4") else { return };
    let place = Environment::with("");
    let write = |tables: &str| {
        let block = format!("[provider.null]\npath = \"{}\"\n{tables}[resource.null_resource.a]\n", program.display());
        place.write("retrue.toml", stack(&block));
    };
    write(
        "data_types = [\"a b\"]\n[provider.null.errors]\nslow = [\"x\"]\n[provider.null.recipes.null_x]\nidentiy = [\"${a}\"]\n",
    );
    let shown = place.run(&["validate"]).ends(1);
    let screen = shown.screen().replace(&program.display().to_string(), "[PROGRAM]");
    assert_snapshot!(screen);
    write("[provider.null.recipes.null_x]\nidentity = [\"${a}\"]\nimport = \"{a}\"\n");
    place.run(&["validate"]).ends(1).tells("RT0112", &["no template"]);
    write("[provider.null.recipes.null_x]\nmarker = \"tags\"\n");
    place.run(&["plan"]).ends(1).tells("RT0427", &["there is none"]);

    write("data_types = [\"null_*\"]\n");
    place.run(&["validate"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    let plan = place.run(&["plan", "--destroy", "--json"]).ends(0);
    assert!(plan.stdout.contains("its data is gone"), "{}", plan.screen());
    // A plan keeps them, whatever the stack says when it is carried out.
    place.run(&["plan", "--destroy", "-o", "kept.plan"]).ends(0);
    assert!(place.read("kept.plan").contains("null_*"));
    write("");
    let plan = place.run(&["plan", "--destroy", "--json"]).ends(0);
    assert!(!plan.stdout.contains("its data is gone"), "{}", plan.screen());
}

const CLOUD: &str = r#"
[resource.aws_vpc.main]
cidr_block = "10.0.0.0/16"
tags = { Name = "main" }

[resource.aws_subnet.a]
vpc_id = "${aws_vpc.main.id}"
cidr_block = "10.0.1.0/24"

[resource.aws_security_group.web]
name = "web"
vpc_id = "${aws_vpc.main.id}"

[[resource.aws_security_group.web.ingress]]
from_port = 443
to_port = 443
protocol = "tcp"
cidr_blocks = ["0.0.0.0/0"]

[resource.aws_sqs_queue.jobs]
for_each = ["low", "high"]
name = "jobs-${each.key}"

[resource.aws_s3_bucket.logs]
bucket = "retrue-logs"

[resource.aws_s3_bucket.logs.versioning]
enabled = true

[resource.aws_dynamodb_table.state]
name = "state"
billing_mode = "PAY_PER_REQUEST"
hash_key = "id"
attribute = { name = "id", type = "S" }

[data.aws_caller_identity.me]

[output.account]
value = "${data.aws_caller_identity.me.account_id}"
"#;

#[test]
fn a_stack_in_the_cloud_is_made_changed_and_unwound_and_no_secret_rests_in_the_clear() {
    let test = "a_stack_in_the_cloud_is_made_changed_and_unwound";
    let Some(aws) = Aws::start(test) else { return };
    let mut place = Environment::with(&format!("{}{CLOUD}", aws.provider()));
    if mirror(test, &mut place).is_none() {
        return;
    }
    let before = aws.truth();
    place.run(&["providers", "install"]).ends(0);
    let applied = place.run(&["apply", "--yes"]).ends(0);
    assert!(applied.stdout.contains("Applied: 7 created."), "{}", applied.screen());
    assert_eq!(aws.truth().len(), before.len() + 8, "the group of the network is the cloud's: {:#?}", aws.truth());
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["reconcile"]).ends(0);
    let made = aws.truth();

    let changed = CLOUD.replace("Name = \"main\"", "Name = \"other\"").replace("enabled = true", "enabled = false");
    place.write("retrue.toml", stack(&format!("{}{changed}", aws.provider())));
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(
        (plan["summary"]["update"].as_u64(), plan["summary"]["replace"].as_u64()),
        (Some(2), Some(0)),
        "{plan:#}"
    );
    place.run(&["apply", "--yes"]).ends(0);
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(aws.truth(), made);
    place.write("retrue.toml", stack(&format!("{}{CLOUD}", aws.provider())));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);

    // What fails is taken back at once.
    let failing = "[resource.aws_sqs_queue.more]\nname = \"more\"\n[resource.local_command.no]\ncreate = \"exit 1\"\ndepends_on = [\"aws_sqs_queue.more\"]\n";
    place.write("retrue.toml", stack(&format!("{}{CLOUD}{failing}", aws.provider())));
    place.run(&["apply", "--yes", "--on-failure", "compensate"]).ends(3);
    assert_eq!(aws.truth(), made);

    place.write("retrue.toml", stack(&format!("{}{CLOUD}", aws.provider())));
    place.run(&["compensate", "--yes"]).ends(0);
    assert_eq!(aws.truth(), before);
    assert!(place.recorded().is_empty());
    for entry in walkdir::WalkDir::new(place.path(".retrue")) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs_err::read(entry.path()).unwrap();
            let found = bytes.windows(18).any(|window| window == b"planted-secret-key");
            assert!(!found, "{}", entry.path().display());
        }
    }
}

#[test]
fn what_exists_is_imported_by_its_id_and_has_one_owner() {
    let test = "what_exists_is_imported_by_its_id_and_has_one_owner";
    let Some(aws) = Aws::start(test) else { return };
    let queue = "[resource.aws_sqs_queue.jobs]\nname = \"jobs\"\n";
    let mut place = Environment::with(&format!("{}{queue}", aws.provider()));
    if mirror(test, &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    place.run(&["apply", "--yes"]).ends(0);
    let state = place.run(&["state", "list", "--json"]).ends(0).json();
    let id = state[0]["id"].as_str().unwrap().to_owned();
    let made = aws.truth();
    place.run(&["import", "aws_sqs_queue.jobs", &id]).ends(1).tells("RT0615", &["state rm"]);
    place.run(&["state", "rm", "aws_sqs_queue.jobs"]).ends(0);
    // It is found by its name, and shown as what it is.
    let plan = place.run(&["plan", "--json"]).ends(0).json();
    assert_eq!((plan["summary"]["adopt"].as_u64(), plan["summary"]["create"].as_u64()), (Some(1), Some(0)), "{plan:#}");
    place.run(&["import", "aws_sqs_queue.none", &id]).ends(1).tells_plainly("RT0611");
    place.run(&["import", "aws_sqs_queue.jobs", &format!("{id}-not")]).ends(1).tells_plainly("RT0413");
    let shown = place.run(&["import", "aws_sqs_queue.jobs", &id]).ends(0);
    assert_eq!(shown.stdout, "aws_sqs_queue.jobs: imported\n");
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    place.write("retrue.toml", stack(&format!("{}{queue}{}", aws.provider(), queue.replace(".jobs]", ".twin]"))));
    place
        .run(&["import", "aws_sqs_queue.twin", &id])
        .ends(1)
        .tells("RT0409", &["recorded as `aws_sqs_queue.jobs`", "moved"]);
    assert_eq!(aws.truth(), made);
}

#[test]
fn a_plan_does_not_rest_on_parts_of_data_that_nothing_uses() {
    let mut place = Environment::with(
        r#"
[provider.null]
source = "hashicorp/null"

[data.null_data_source.x]
count = 20
inputs = { a = "b" }

[resource.null_resource.y]
triggers = { a = "${data.null_data_source.x[0].outputs.a}" }
"#,
    );
    if mirror("a_plan_does_not_rest_on_parts_of_data_that_nothing_uses", &mut place).is_none() {
        return;
    }
    place.run(&["providers", "install"]).ends(0);
    // `random` is another for each each time that they are read.
    place.run(&["plan", "-o", "plan"]).ends(0);
    place.run(&["apply", "plan", "--yes"]).ends(0);
}
