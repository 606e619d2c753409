//! Taken over from the real Terraform with real providers, changed, taken back, handed back, ended.

use crate::environment::peers::there;
use crate::environment::terraform::{Beside, PYVIDER};

const NULL: &str = r#"
terraform {
  required_providers {
    null = {
      source  = "hashicorp/null"
      version = "~> 2.1"
    }
  }
}

variable "names" {
  type    = list(string)
  default = ["a"]
}

variable "password" {
  sensitive = true
}

resource "null_resource" "one" {
  triggers = {
    release = "1"
    secret  = var.password
  }
}

resource "null_resource" "counted" {
  count = length(var.names)
  triggers = {
    name = "${var.names[count.index]}-${null_resource.one.id}"
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "terraform_data" "rests" {
  for_each         = toset(var.names)
  input            = { id = null_resource.one.id, n = 1.5, list = ["x", null] }
  triggers_replace = [null_resource.counted[0].id]
}

output "ids" {
  value = [for one in null_resource.counted : one.triggers.name]
}

output "password" {
  value     = var.password
  sensitive = true
}
"#;

#[test]
fn from_terraform_and_back_with_nothing_outside() {
    let Some(beside) = Beside::new("from_terraform_and_back_with_nothing_outside") else { return };
    let values = "names = [\"a\", \"b\"]\npassword = \"planted-null-5Kw2\"\n";
    beside.make(&[("main.tf", NULL), ("terraform.tfvars", values)]);
    beside.migrate();
    // The version is the one that Terraform had locked.
    assert!(beside.place.read(".retrue.lock.toml").contains("version = \"2.1.2\""));
    beside.hand_back();
    beside.there_and_back("n = 1.5", "n = 2.5");
    beside.hand_back();
    // What is made anew has ids of its own, and Terraform goes on with those.
    beside.run(&["apply", "--yes", "--replace", "null_resource.one"]).ends(0);
    beside.nothing_to_do();
    beside.hand_back();
    beside.end();
}

const NESTED: &str = r#"
terraform {
  required_providers {
    pyvider = { source = "local/providers/pyvider" }
  }
}

provider "pyvider" {
  pyvider_testmode = true
}

variable "services" {
  default = { http = 80, https = 443 }
}

resource "pyvider_file_content" "file" {
  filename = "made"
  content  = provider::pyvider::lower("ONE")
}

ephemeral "pyvider_lease" "lease" {
  name = "lease"
  path = "PATH"
}

resource "pyvider_private_state_verifier" "private" {
  input_value = "abc"
}

resource "pyvider_nested_resource_test" "nested" {
  resource_name = "gateway"
  configuration = { region = "eu", replicas = 3 }
  nested_configs {
    service  = "first"
    port     = 22
    protocol = "tcp"
  }
  dynamic "nested_configs" {
    for_each = var.services
    content {
      service  = nested_configs.key
      port     = nested_configs.value
      protocol = "tcp"
    }
  }
}

resource "pyvider_secret_note" "note" {
  name           = "n"
  secret_value   = "planted-write-only-3Fz8-${ephemeral.pyvider_lease.lease.name}"
  secret_version = "1"
}
"#;

#[test]
fn from_terraform_and_back_with_protocol_6() {
    let test = "from_terraform_and_back_with_protocol_6";
    let Some(program) = there(test, "pyvider/terraform-provider-pyvider") else { return };
    let Some(mut beside) = Beside::new(test) else { return };
    let settings = format!(
        "provider_installation {{\n  dev_overrides {{\n    \"local/providers/pyvider\" = \"{}\"\n  }}\n}}\n",
        program.parent().unwrap().display()
    );
    fs_err::write(&beside.settings, settings).unwrap();
    PYVIDER.iter().for_each(|(name, value)| beside.place.set(name, value));
    let file = beside.place.path("made");
    let main = NESTED.replace("\"made\"", &format!("\"{}\"", file.display()));
    let main = main.replace("PATH", &beside.place.path("held.lease").display().to_string());
    beside.place.write("infra/main.tf", main);
    beside.terraform(&["apply", "-input=false", "-auto-approve"]).ends(0);
    beside.migrate();
    beside.hand_back();
    beside.there_and_back("replicas = 3", "replicas = 4");
    beside.hand_back();
    beside.end();
    assert!(!file.exists());
}

#[test]
fn what_was_replaced_and_what_is_tainted_is_taken_over() {
    let test = "what_was_replaced_and_what_is_tainted_is_taken_over";
    let Some(beside) = Beside::new(test) else { return };
    if there(test, "bin/terraform-provider-null_v2.1.2_x4").is_none() {
        return;
    }
    let main = "resource \"null_resource\" \"x\" {\n  count = 2\n  triggers = { n = count.index }\n}\n";
    beside.make(&[("main.tf", main)]);
    beside.terraform(&["taint", "null_resource.x[1]"]).ends(0);
    beside.place.run(&["migrate", "infra"]).ends(0);
    let plan = beside.run(&["plan", "--json"]).ends(0).json();
    assert_eq!(plan["summary"]["replace"], 1, "{plan}");
    assert_eq!(plan["changes"][0]["address"], "null_resource.x[1]");
    beside.run(&["apply", "--yes"]).ends(0);
    beside.nothing_to_do();
    beside.end();
}
