//! Modules with instances, in which resources, data and further modules have instances of their own.

use serde_json::Value as Json;

use crate::environment::terraform::Beside;
use crate::scenarios::migrate_modules::{our_plan, their_plan};

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

variable "extra" {
  default = false
}

module "region" {
  source = "./region"
  for_each = {
    north = { zones = ["a", "b"], hosts = { web = 2, db = 1 } }
    south = { zones = var.extra ? ["a", "c"] : ["a"], hosts = {} }
  }
  name    = each.key
  release = var.release
  zones   = each.value.zones
  hosts   = each.value.hosts
}

module "once" {
  source  = "./region"
  count   = 1
  name    = "once-${count.index}"
  release = var.release
  zones   = ["z"]
  hosts   = { only = 1 }
}

module "never" {
  source  = "./region"
  count   = var.extra ? 1 : 0
  name    = "never"
  release = var.release
  zones   = ["z"]
  hosts   = { only = 1 }
}

output "all" {
  value = {
    regions = module.region
    once    = module.once
    never   = one(module.never[*].name)
    zones   = { for key, region in module.region : key => region.zones }
    picked  = module.region["north"].hosts.web.ids[1] == module.region["north"].hosts["web"].ids[1]
    first   = module.once[0].hosts.only.first
  }
}
"#;

const REGION: &str = r#"
variable "name" {
  type = string
  validation {
    condition     = length(var.name) > 3
    error_message = "A name is longer."
  }
}

variable "release" {}

variable "zones" {
  type = list(string)
}

variable "hosts" {
  type = map(number)
}

locals {
  main = length(var.zones) > 1 ? 1 : 0
  ids  = null_resource.zone[*].id
}

resource "null_resource" "region" {
  triggers = { name = var.name }
}

# As many as there are zones.
resource "null_resource" "zone" {
  count = length(var.zones) # so many
  triggers = {
    region = null_resource.region.id
    zone   = var.zones[count.index]
    text   = "${var.name}/${count.index}"
  }
}

resource "null_resource" "beside" {
  count = length(var.zones)
  triggers = {
    zone    = null_resource.zone[count.index].id
    first   = null_resource.zone[0].id
    next    = null_resource.zone[(count.index + 1) % length(var.zones)].id
    all     = join(",", null_resource.zone.*.id)
    count   = length(null_resource.zone)
    try     = try(null_resource.main[0].id, "none")
    release = var.release
  }
  depends_on = [null_resource.main]
  lifecycle {
    create_before_destroy = true
    precondition {
      condition     = count.index < length(var.zones)
      error_message = "There is no zone ${count.index}."
    }
  }
}

resource "null_resource" "main" {
  count    = local.main
  triggers = { ids = join(",", local.ids) }
}

resource "terraform_data" "named" {
  for_each = toset(var.zones)
  input = {
    key   = each.key
    value = each.value
    ids   = [for one in null_resource.zone : one.id]
  }
  triggers_replace = [var.release]
}

data "null_data_source" "zone" {
  for_each = { for index, zone in var.zones : zone => index }
  inputs = {
    zone  = each.key
    index = each.value
    id    = terraform_data.named[each.key].id
  }
}

module "host" {
  source   = "./host"
  for_each = var.hosts
  name     = "${var.name}-${each.key}"
  number   = each.value
  given    = null_resource.region.id
  zones    = [for zone in terraform_data.named : zone.id if zone.input.key != "none"]
}

module "plain" {
  source = "./host"
  name   = "${var.name}-plain"
  number = 1
  given  = one(null_resource.main[*].id)
}

resource "terraform_data" "follows" {
  count = length(var.zones)
  lifecycle {
    replace_triggered_by = [null_resource.beside[count.index], terraform_data.once.output]
  }
}

resource "terraform_data" "once" {
  input = var.release
}

check "zones" {
  assert {
    condition     = length(null_resource.zone) > 0 && null_resource.region.triggers.name == var.name
    error_message = "${var.name} has no zone."
  }
}

output "name" {
  value = var.name
}

output "zones" {
  value = {
    ids    = local.ids
    named  = { for key, one in terraform_data.named : key => one.output.value }
    data   = values(data.null_data_source.zone)[*].outputs.index
    "${var.name}" = data.null_data_source.zone[var.zones[0]].outputs["zone"]
  }
}

output "hosts" {
  value = module.host
}

output "plain" {
  value = { all = module.plain, ids = module.plain.ids }
}
"#;

const HOST: &str = r#"
variable "name" {}
variable "number" {}
variable "given" {
  default = null
}
variable "zones" {
  default = []
}

resource "null_resource" "host" {
  count    = var.number
  triggers = { name = "${var.name}-${count.index}", given = var.given, zones = join(",", var.zones) }
}

module "leaf" {
  source   = "../leaf"
  count    = var.number
  name     = "${var.name}.${count.index}"
  host     = null_resource.host[count.index].id
}

output "ids" {
  value = null_resource.host[*].id
}

output "first" {
  value = try(module.leaf[0].id, null)
}

output "leaves" {
  value = [for leaf in module.leaf : leaf.id]
}
"#;

const LEAF: &str = r#"
variable "name" {}
variable "host" {}
resource "terraform_data" "leaf" {
  input = { name = var.name, host = var.host }
}
resource "terraform_data" "more" {
  for_each = { x = 1, "y z" = 2 }
  input    = "${terraform_data.leaf.id} ${each.key} ${each.value}"
}
output "id" {
  value = { leaf = terraform_data.leaf.id, more = terraform_data.more["y z"].output }
}
"#;

/// `module.a["k"].module.b.TYPE.NAME[0]` is `TYPE.a_b_NAME["k/0"]`.
fn flat(address: &str) -> String {
    let address: retrue::address::Address = address.parse().unwrap();
    let modules = &address.block.modules;
    let keys = modules.iter().filter_map(|(_, key)| key.as_ref()).chain(&address.key);
    let keys: Vec<String> = keys.map(|key| key.to_string().trim_matches(['[', ']', '"']).to_owned()).collect();
    let prefix: String = modules.iter().map(|(name, _)| format!("{name}_")).collect();
    let block = format!("{}.{prefix}{}", address.block.type_name, address.block.name);
    match keys.as_slice() {
        [] => block,
        [one] if one.parse::<u64>().is_ok() => format!("{block}[{one}]"),
        keys => format!("{block}[\"{}\"]", keys.join("/")),
    }
}

#[test]
fn instances_inside_of_instances_are_taken_over_with_nothing_to_do() {
    let Some(beside) = Beside::new("instances_inside_of_instances_are_taken_over_with_nothing_to_do") else { return };
    beside.make(&[
        ("main.tf", MAIN),
        ("region/main.tf", REGION),
        ("region/host/main.tf", HOST),
        ("region/leaf/main.tf", LEAF),
    ]);
    beside.migrate_with(flat);
    insta::assert_snapshot!(beside.place.read("module.region.retrue.toml"));
    let output = |beside: &Beside| -> (Json, Json) {
        let theirs = beside.terraform(&["output", "-json", "all"]).ends(0).json();
        (beside.place.run(&["output", "all", "--json"]).ends(0).json(), theirs)
    };
    let (ours, theirs) = output(&beside);
    assert_eq!(ours, theirs);
    // A change does here what it does there.
    for (from, to) in [("default = \"1\"", "default = \"2\""), ("default = false", "default = true")] {
        let (stack, main) = (beside.place.read("retrue.toml"), beside.place.read("infra/main.tf"));
        assert!(stack.contains(from), "{stack}");
        beside.place.write("retrue.toml", stack.replace(from, to));
        beside.place.write("infra/main.tf", main.replace(from, to));
        let (ours, theirs) = (our_plan(&beside), their_plan(&beside, flat));
        assert!(ours.len() > 5, "{ours:?}");
        assert_eq!(ours, theirs);
        beside.run(&["apply", "--yes"]).ends(0);
        beside.nothing_to_do();
        // And back.
        beside.place.write("retrue.toml", stack);
        beside.place.write("infra/main.tf", main);
        beside.run(&["apply", "--yes"]).ends(0);
        beside.nothing_to_do();
    }
    // A check is about all of them, and says which.
    beside.run(&["check"]).ends(0);
    let text = beside.place.read("module.region.retrue.toml");
    beside.place.write("module.region.retrue.toml", text.replace("> 0 &&", "> 1 &&"));
    let shown = beside.run(&["check"]).ends(0).all();
    assert!(shown.contains("south has no zone.") && !shown.contains("north has no zone."), "{shown}");
    beside.place.write("module.region.retrue.toml", text);
    // What a module refuses is refused still.
    let main = beside.place.read("module.region.retrue.toml");
    beside.place.write("module.region.retrue.toml", main.replace("> 3", "> 5"));
    beside.run(&["plan"]).ends(1).tells("RT0412", &["A name is longer."]);
    beside.place.write("module.region.retrue.toml", main);
    beside.end();
}

#[test]
fn keys_that_lead_to_two_instances_are_refused() {
    let Some(beside) = Beside::new("keys_that_lead_to_two_instances_are_refused") else { return };
    let main = "module \"m\" {\n  source = \"./m\"\n  for_each = toset([\"a\", \"a/b\"])\n  key = each.key\n}\n";
    let module = r#"
variable "key" {}
resource "terraform_data" "x" {
  for_each = toset([var.key == "a" ? "b/c" : "c"])
  input    = each.key
}
"#;
    beside.make(&[("main.tf", main), ("m/main.tf", module)]);
    let shown = beside.place.run(&["migrate", "infra"]).ends(1);
    shown.tells("RT1008", &["module.m[\"a/b\"].terraform_data.x[\"c\"]"]);
    assert!(!beside.place.path("retrue.toml").exists());
}
