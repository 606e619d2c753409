//! Modules of the real Terraform are taken over into one flat stack.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::environment::peers::Aws;
use crate::environment::terraform::Beside;

const MAIN: &str = r#"
terraform {
  required_providers {
    null = {
      source  = "hashicorp/null"
      version = "~> 2.1"
    }
  }
}

variable "release" {
  default = "1"
}

resource "null_resource" "first" {
  triggers = { release = var.release }
}

module "shop" {
  source     = "./modules/shop"
  name       = "shop-${null_resource.first.id}"
  replicas   = "2"
  release    = var.release
  rules      = [{ port = 80 }, { port = 443, cidr = "10.0.0.0/8" }]
  password   = "planted-module-4Dn8"
  depends_on = [null_resource.first]
}

module "fleet" {
  source   = "./modules/ship"
  for_each = { a = "one", b = "two" }
  name     = "${each.key}-${each.value}-${module.shop.id}"
}

module "spare" {
  source = "./modules/ship"
  count  = var.release == "0" ? 0 : 2
  name   = "spare-${count.index}-${var.release}"
}

resource "terraform_data" "uses" {
  input = {
    shop  = module.shop.id
    all   = { for key, one in module.fleet : key => one.id }
    one   = module.fleet["b"].cargo
    first = try(module.spare[0].id, "none")
    every = module.spare[*].cargo
    whole = module.shop.ports
  }
  depends_on = [module.fleet]
}

output "cargo" {
  value = [for one in module.spare : one.cargo]
}

check "ships" {
  assert {
    condition     = length(module.fleet) == 2
    error_message = "There are ${length(module.fleet)} ships."
  }
}
"#;

const SHOP: &str = r#"
variable "name" {
  type = string
  validation {
    condition     = startswith(var.name, "shop")
    error_message = "Not a shop."
  }
}

variable "release" {
  type = string
}

variable "replicas" {
  type = number
}

variable "password" {
  sensitive = true
}

variable "rules" {
  type = list(object({
    port = number
    cidr = optional(string, "0.0.0.0/0")
  }))
}

locals {
  name = upper(var.name)
}

resource "null_resource" "this" {
  triggers = {
    name     = local.name
    file     = filesha1("${path.module}/file.txt")
    path     = path.module
    rules    = jsonencode(var.rules)
    password = var.password
  }
}

resource "null_resource" "many" {
  count    = var.replicas
  triggers = { of = null_resource.this.id, n = count.index, release = var.release }
  lifecycle {
    create_before_destroy = true
  }
}

module "inner" {
  source = "./inner"
  given  = [for one in null_resource.many : one.id]
}

output "id" {
  value = null_resource.this.id
}

output "ports" {
  value = { for index, rule in var.rules : rule.port => [module.inner.given[index], rule.cidr] }
}
"#;

const INNER: &str = r#"
variable "given" {
  type = list(string)
}

resource "terraform_data" "in" {
  input = var.given
}

output "given" {
  value = terraform_data.in.output
}
"#;

const SHIP: &str = r#"
variable "name" {}

locals {
  upper = upper(var.name)
}

resource "null_resource" "ship" {
  triggers = { name = local.upper }
}

module "cargo" {
  source = "../shop/inner"
  given  = [null_resource.ship.id, var.name]
}

output "id" {
  value = null_resource.ship.id
}

output "cargo" {
  value = module.cargo.given
}
"#;

/// `module.a["k"].module.b.TYPE.NAME` is `TYPE.a_b_NAME["k"]`.
fn flat(address: &str) -> String {
    let mut prefix = String::new();
    let mut key = String::new();
    let mut rest = address;
    while let Some(after) = rest.strip_prefix("module.") {
        let (module, after) = after.split_at(after.find(['.', '[']).unwrap());
        prefix.push_str(module);
        prefix.push('_');
        let end = if after.starts_with('[') { after.find("].").unwrap() + 1 } else { 0 };
        key.push_str(&after[..end]);
        rest = &after[end + 1..];
    }
    let (kind, name) = rest.split_once('.').unwrap();
    format!("{kind}.{prefix}{name}{key}")
}

const KEPT: &str = r#"
resource "null_resource" "stays" {}
resource "null_resource" "kept" {}
module "m" {
  source   = "./m"
  for_each = toset(["a", "b"])
}
"#;

const REMOVED: &str = r#"
resource "null_resource" "stays" {}
removed {
  from = null_resource.kept
  lifecycle {
    destroy = false
  }
}
removed {
  from = module.m
  lifecycle {
    destroy = false
  }
}
check "stays" {
  data "null_data_source" "scoped" {
    inputs = { id = null_resource.stays.id }
  }
  assert {
    condition     = data.null_data_source.scoped.outputs.id == null_resource.stays.id
    error_message = "It is another."
  }
  assert {
    condition     = data.null_data_source.scoped.outputs.id == "wrong"
    error_message = "It is right."
  }
}
"#;

#[test]
fn what_is_not_to_be_destroyed_is_not_taken_over() {
    let Some(beside) = Beside::new("what_is_not_to_be_destroyed_is_not_taken_over") else { return };
    let module = "resource \"null_resource\" \"x\" {}\n";
    beside.make(&[("main.tf", KEPT), ("m/main.tf", module)]);
    beside.place.write("infra/main.tf", REMOVED);
    let shown = beside.place.run(&["migrate", "infra"]).ends(0);
    for told in ["`null_resource.kept` is not taken over", "`module.m` is not taken over, and not destroyed (2"] {
        assert!(shown.stderr.contains(told), "{}", shown.screen());
    }
    assert_eq!(beside.place.recorded(), ["null_resource.stays"]);
    beside.nothing_to_do();
    // As Terraform does, it warns.
    let shown = beside.run(&["check"]).ends(0).all();
    assert!(
        shown.contains("stays_2") && shown.contains("It is right.") && !shown.contains("It is another."),
        "{shown}"
    );
}

#[test]
fn what_became_of_modules_is_told() {
    let place = crate::environment::Environment::new();
    place.write("infra/main.tf", "module \"a\" {\n  source = \"./a\"\n  name = \"x\"\n}\n");
    let inside = "variable \"name\" {}\nresource \"terraform_data\" \"x\" {\n  input = var.name\n}\n";
    place.write("infra/a/main.tf", inside);
    let instance = serde_json::json!({"schema_version": 0, "private": "YWJj", "attributes": {
        "id": "1", "input": {"value": "x", "type": "string"}, "output": {"value": "x", "type": "string"},
        "triggers_replace": null}});
    let state = serde_json::json!({"version": 4, "resources": [{"module": "module.a", "mode": "managed",
        "type": "terraform_data", "name": "x", "provider": "provider[\"terraform.io/builtin/terraform\"]",
        "instances": [instance]}]});
    place.write("infra/terraform.tfstate", state.to_string());
    let shown = place.run(&["migrate", "infra"]).ends(0);
    insta::assert_snapshot!(format!("{}\n{}", shown.screen(), place.read("module.a.retrue.toml")));
    place.run(&["plan", "--detailed-exitcode"]).ends(0);
    let again = crate::environment::Environment::new();
    for file in ["main.tf", "a/main.tf", "terraform.tfstate"] {
        again.write(&format!("infra/{file}"), place.read(&format!("infra/{file}")));
    }
    let document = again.run(&["migrate", "infra", "--json"]).ends(0).json();
    let expect = serde_json::json!([{"module": "module.a", "prefix": "a", "file": "module.a.retrue.toml"}]);
    assert_eq!(document["modules"], expect);
}

/// What Terraform plans, by the addresses of the stack.
pub(super) fn their_plan(beside: &Beside, flat: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    beside.terraform(&["plan", "-input=false", "-out=plan"]).ends(0);
    let shown = beside.terraform(&["show", "-json", "plan"]).ends(0).json();
    let changes = shown["resource_changes"].as_array().unwrap().iter().filter(|change| change["mode"] == "managed");
    let changes = changes.map(|change| {
        let actions: Vec<&str> =
            change["change"]["actions"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
        let action = match actions.as_slice() {
            [_, _] => "replace",
            ["no-op"] => "no-op",
            [one] => one,
            _ => panic!("{change}"),
        };
        let address = flat(change["address"].as_str().unwrap()).replacen("terraform_data.", "retrue_data.", 1);
        (address, action.to_owned())
    });
    changes.filter(|(_, action)| action != "no-op").collect()
}

pub(super) fn our_plan(beside: &Beside) -> BTreeMap<String, String> {
    let plan = beside.run(&["plan", "--json"]).ends(0).json();
    // Data that is read again is no change.
    let changes = plan["changes"].as_array().unwrap().iter().filter(|change| change["action"] != "read");
    let text = |change: &Json, name: &str| change[name].as_str().unwrap().to_owned();
    changes.map(|change| (text(change, "address"), text(change, "action"))).collect()
}

#[test]
fn modules_are_taken_over_with_nothing_to_do() {
    let Some(beside) = Beside::new("modules_are_taken_over_with_nothing_to_do") else { return };
    // Files are where the modules have them.
    beside.place.write("infra/modules/shop/file.txt", "x");
    beside.place.write("modules/shop/file.txt", "x");
    beside.make(&[
        ("main.tf", MAIN),
        ("modules/shop/main.tf", SHOP),
        ("modules/shop/inner/main.tf", INNER),
        ("modules/ship/main.tf", SHIP),
    ]);
    beside.migrate_with(flat);
    assert_eq!(beside.place.recorded().len(), 14);
    beside.run(&["check"]).ends(0);
    let shown = beside.run(&["show"]).ends(0).all();
    assert!(!shown.contains("planted-module-4Dn8"), "{shown}");
    let theirs: Json = beside.terraform(&["output", "-json", "cargo"]).ends(0).json();
    assert_eq!(beside.place.run(&["output", "cargo", "--json"]).ends(0).json(), theirs);

    // A change of a variable does here what it does there.
    for release in ["2", "0"] {
        let change = |file: &str, text: String| beside.place.write(file, text);
        let (stack, main) = (beside.place.read("retrue.toml"), beside.place.read("infra/main.tf"));
        assert!(stack.contains("default = \"1\""), "{stack}");
        change("retrue.toml", stack.replace("default = \"1\"", &format!("default = \"{release}\"")));
        change("infra/main.tf", main.replace("default = \"1\"", &format!("default = \"{release}\"")));
        let (ours, theirs) = (our_plan(&beside), their_plan(&beside, flat));
        assert!(ours.len() > 5, "{ours:?}");
        assert_eq!(ours, theirs);
        change("retrue.toml", stack);
        change("infra/main.tf", main);
    }
    // Back again, all is made anew, and its names are as they were.
    let stack = beside.place.read("retrue.toml");
    beside.place.write("retrue.toml", stack.replace("default = \"1\"", "default = \"0\""));
    beside.run(&["apply", "--yes"]).ends(0);
    assert_eq!(beside.place.recorded().len(), 10);
    beside.nothing_to_do();
    beside.place.write("retrue.toml", stack);
    beside.run(&["apply", "--yes"]).ends(0);
    beside.nothing_to_do();
    assert_eq!(beside.place.recorded().len(), 14);
    // What a module refuses is refused still.
    let text = beside.place.read("module.shop.retrue.toml");
    beside.place.write("module.shop.retrue.toml", text.replace("\"shop-${", "\"inn-${"));
    beside.run(&["plan"]).ends(1).tells("RT0412", &["Not a shop."]);
    beside.place.write("module.shop.retrue.toml", text);
    beside.end();
}

const REGIONS: &str = r#"
module "here" {
  source = "./vpc"
  cidr   = "10.0.0.0/16"
}

module "there" {
  source    = "./vpc"
  cidr      = "10.1.0.0/16"
  providers = { aws = aws.west }
}

module "both" {
  source = "./both"
  providers = {
    aws.first  = aws
    aws.second = aws.west
  }
  cidrs = [module.here.cidr, module.there.cidr]
}
"#;

const VPC: &str = r#"
variable "cidr" {
  type = string
}

resource "aws_vpc" "main" {
  cidr_block = var.cidr
}

data "aws_vpc" "again" {
  id = aws_vpc.main.id
}

output "cidr" {
  value = data.aws_vpc.again.cidr_block
}
"#;

const BOTH: &str = r#"
terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.first, aws.second]
    }
  }
}

variable "cidrs" {
  type = list(string)
}

resource "aws_sqs_queue" "first" {
  provider = aws.first
  name     = replace(join("-", var.cidrs), "/[./]/", "_")
}

module "inner" {
  source    = "../vpc"
  providers = { aws = aws.second }
  cidr      = "10.2.0.0/16"
}
"#;

#[test]
fn modules_get_the_providers_that_are_handed_to_them() {
    let test = "modules_get_the_providers_that_are_handed_to_them";
    let Some(server) = Aws::start(test) else { return };
    let Some(beside) = Beside::new(test) else { return };
    let before = server.truth();
    beside.make(&[
        ("provider.tf", &crate::scenarios::migrate_cloud::provider(server.port())),
        ("main.tf", REGIONS),
        ("vpc/main.tf", VPC),
        ("both/main.tf", BOTH),
    ]);
    beside.migrate_with(flat);
    let made: Vec<String> = server.things().into_iter().map(|thing| thing.what).collect();
    let file = "module.both.inner.retrue.toml";
    let text = beside.place.read(file);
    assert!(text.contains("provider = \"aws_west\""), "{text}");
    beside.place.write(file, text.replace("[data", "tags = { a = \"b\" }\n[data"));
    let plan = our_plan(&beside);
    let changes: Vec<(&str, &str)> = plan.iter().map(|(address, action)| (address.as_str(), action.as_str())).collect();
    assert_eq!(changes, [("aws_vpc.both_inner_main", "update")]);
    beside.run(&["apply", "--yes"]).ends(0);
    beside.run(&["compensate", "--yes"]).ends(0);
    beside.place.write(file, text);
    beside.nothing_to_do();
    assert_eq!(server.things().into_iter().map(|thing| thing.what).collect::<Vec<_>>(), made);
    beside.end();
    assert_eq!(server.truth(), before);
}

const OWN: &str = r#"
terraform {
  required_providers {
    amazon = { source = "hashicorp/aws" }
  }
}

provider "amazon" {
  alias  = "own"
PROVIDER
}

resource "amazon_sqs_queue" "q" {
  provider = amazon.own
  name     = "own"
}
"#;

/// What only shows with real providers: a configuration inside of a module, a move of it that Terraform has not carried
/// out, an import that it has not.
#[test]
fn a_module_brings_its_provider_and_moves_with_it() {
    let test = "a_module_brings_its_provider_and_moves_with_it";
    let Some(server) = Aws::start(test) else { return };
    let Some(beside) = Beside::new(test) else { return };
    let before = server.truth();
    let provider = crate::scenarios::migrate_cloud::provider(server.port());
    let (_, inside) = provider.split_once("provider \"aws\" {\n").unwrap();
    let (inside, _) = inside.split_once("\n}\n").unwrap();
    let module = OWN.replace("PROVIDER", inside).replace("amazon_sqs", "aws_sqs");
    let call = |name: &str| format!("module \"{name}\" {{\n  source = \"./own\"\n}}\n");
    let main = |name: &str| format!("resource \"aws_sqs_queue\" \"kept\" {{\n  name = \"kept\"\n}}\n{}", call(name));
    beside.make(&[("provider.tf", &provider), ("main.tf", &main("first")), ("own/main.tf", &module)]);
    let url = beside.terraform(&["state", "show", "aws_sqs_queue.kept"]).ends(0).stdout;
    let url = url.lines().find_map(|line| line.trim().strip_prefix("id ")).unwrap();
    let url = url.trim_start_matches([' ', '=']).trim_matches('"').to_owned();
    beside.terraform(&["state", "rm", "aws_sqs_queue.kept"]).ends(0);
    let moved = "moved {\n  from = module.first\n  to   = module.second\n}\n";
    let import = format!("import {{\n  to = aws_sqs_queue.kept\n  id = \"{url}\"\n}}\n");
    beside.place.write("infra/main.tf", format!("{}{moved}{import}", main("second")));
    let shown = beside.place.run(&["migrate", "infra"]).ends(0);
    assert!(shown.stderr.contains("is carried out (1 in the state)"), "{}", shown.screen());
    assert_eq!(beside.place.recorded(), ["aws_sqs_queue.second_q"]);
    assert_eq!(our_plan(&beside), BTreeMap::from([("aws_sqs_queue.kept".to_owned(), "import".to_owned())]));
    beside.run(&["apply", "--yes"]).ends(0);
    beside.nothing_to_do();
    // What was imported was adopted, and stays.
    beside.end();
    let left: Vec<String> = server.truth().into_iter().filter(|thing| !before.contains(thing)).collect();
    assert!(matches!(left.as_slice(), [kept] if kept.contains("kept")), "{left:#?}");
}
