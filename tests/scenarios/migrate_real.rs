//! Taken over from the real Terraform with real providers, changed, taken back, handed back, ended.

use std::process::Command;

use crate::environment::peers::{Aws, mirror, there};
use crate::environment::{Environment, Shown};

/// What the provider of protocol 6 needs for its types that are there for tests.
const PYVIDER: [(&str, &str); 2] =
    [("PYVIDER_TESTMODE", "true"), ("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests")];

/// A directory of Terraform's beside a stack.
struct Beside {
    place: Environment,
    settings: String,
}

impl Beside {
    /// With the null provider, and that of AWS where it is there; `None`, and loudly, without Terraform.
    fn new(test: &str) -> Option<Self> {
        if Command::new("terraform").arg("version").output().is_err() {
            println!("SKIPPED: {test}: there is no `terraform`");
            return None;
        }
        let mut place = Environment::new();
        mirror(test, &mut place)?;
        let settings = place.root().join("terraformrc").display().to_string();
        Some(Beside { place, settings })
    }

    /// Runs Terraform in its directory.
    #[track_caller]
    fn terraform(&self, arguments: &[&str]) -> Shown {
        let output = Command::new("terraform")
            .args(arguments)
            .arg("-no-color")
            .current_dir(self.place.path("infra"))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.place.root().join("home"))
            .env("TF_CLI_CONFIG_FILE", &self.settings)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .envs(PYVIDER)
            .output()
            .unwrap();
        self.place.shown(output)
    }

    /// Makes what a configuration says, with Terraform, which then has nothing more to do.
    #[track_caller]
    fn make(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            self.place.write(&format!("infra/{name}"), text);
        }
        self.terraform(&["init", "-input=false"]).ends(0);
        self.terraform(&["apply", "-input=false", "-auto-approve"]).ends(0);
        self.terraform(&["plan", "-input=false", "-detailed-exitcode"]).ends(0);
    }

    /// Takes it over: the same addresses, and nothing to do.
    #[track_caller]
    fn migrate(&self) {
        let listed = self.terraform(&["state", "list"]).ends(0);
        let mut theirs: Vec<String> = listed
            .stdout
            .lines()
            .filter(|line| !line.starts_with("data."))
            .map(|line| line.replacen("terraform_data.", "retrue_data.", 1))
            .collect();
        theirs.sort();
        self.place.run(&["migrate", "infra"]).ends(0);
        let mut ours = self.place.recorded();
        ours.sort();
        assert_eq!(ours, theirs);
        self.nothing_to_do();
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Shown {
        let values = self.place.path("terraform.vars.toml").exists();
        let values: &[&str] = if values { &["--var-file", "terraform.vars.toml"] } else { &[] };
        self.place.run(&[arguments, values].concat())
    }

    /// No change, and no record that is to be brought up to date either.
    #[track_caller]
    fn nothing_to_do(&self) {
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
        self.run(&["reconcile"]).ends(0);
        self.run(&["plan", "-o", "plan"]).ends(0);
        let plan = self.place.run(&["show", "plan", "--json"]).ends(0).json();
        assert_eq!(plan["changes"], serde_json::json!([]), "{plan}");
    }

    /// Terraform goes on with the state that is handed to it, and has nothing to do.
    #[track_caller]
    fn hand_back(&self) {
        let shown = self.place.run(&["state", "export", "--format", "tfstate"]).ends(0);
        let before = self.place.read("infra/terraform.tfstate");
        self.place.write("infra/terraform.tfstate", &shown.stdout);
        let planned = self.terraform(&["plan", "-input=false", "-detailed-exitcode"]);
        self.place.write("infra/terraform.tfstate", before);
        planned.ends(0);
    }

    /// Changes the stack, applies that, takes it back.
    #[track_caller]
    fn there_and_back(&self, from: &str, to: &str) {
        let stack = self.place.read("retrue.toml");
        assert!(stack.contains(from), "{stack}");
        self.place.write("retrue.toml", stack.replace(from, to));
        self.run(&["plan", "--detailed-exitcode"]).ends(2);
        self.run(&["apply", "--yes"]).ends(0);
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
        self.run(&["compensate", "--yes"]).ends(0);
        self.place.write("retrue.toml", stack);
        self.run(&["plan", "--detailed-exitcode"]).ends(0);
    }

    #[track_caller]
    fn end(&self) {
        self.run(&["destroy", "--yes"]).ends(0);
        assert!(self.place.recorded().is_empty());
    }
}

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

/// The provider of AWS, with all of it at one server.
fn provider(port: u16) -> String {
    let url = format!("http://127.0.0.1:{port}");
    let endpoints: String =
        ["s3", "ec2", "iam", "sqs", "sts", "dynamodb", "ssm"].map(|name| format!("    {name} = \"{url}\"\n")).concat();
    format!(
        r#"terraform {{
  required_providers {{
    aws = {{
      source  = "hashicorp/aws"
      version = "~> 3.39"
    }}
  }}
}}

provider "aws" {{
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "planted-secret-key"
  s3_force_path_style         = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_get_ec2_platforms      = true
  skip_region_validation      = true
  endpoints {{
{endpoints}  }}
}}

provider "aws" {{
  alias                       = "west"
  region                      = "us-west-1"
  access_key                  = "test"
  secret_key                  = "planted-secret-key"
  s3_force_path_style         = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  skip_get_ec2_platforms      = true
  skip_region_validation      = true
  endpoints {{
{endpoints}  }}
}}
"#
    )
}

/// One configuration, with a change of what it becomes.
struct Case {
    name: &'static str,
    main: &'static str,
    change: (&'static str, &'static str),
}

const CASES: &[Case] = &[
    Case {
        name: "a network, with blocks of all kinds",
        main: r#"
variable "ports" {
  type = map(object({ port = number, cidr = optional(string, "0.0.0.0/0") }))
  default = {
    http  = { port = 80 }
    https = { port = 443, cidr = "10.0.0.0/8" }
  }
}

locals {
  tags = { Env = "dev", "a.b" = "dots" }
}

resource "aws_vpc" "main" {
  cidr_block = "10.0.0.0/16"
  tags       = merge(local.tags, { Name = "shop" })
}

resource "aws_subnet" "a" {
  count      = 2
  vpc_id     = aws_vpc.main.id
  cidr_block = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
}

resource "aws_security_group" "web" {
  name        = "web"
  description = "web"
  vpc_id      = aws_vpc.main.id

  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["10.0.0.0/8"]
  }

  dynamic "ingress" {
    for_each = var.ports
    content {
      description = ingress.key
      from_port   = ingress.value.port
      to_port     = ingress.value.port
      protocol    = "tcp"
      cidr_blocks = [ingress.value.cidr]
    }
  }
}

data "aws_vpc" "again" {
  id = aws_vpc.main.id
}

output "cidr" {
  value = data.aws_vpc.again.cidr_block
}
"#,
        change: ("Name = \"shop\"", "Name = \"other\""),
    },
    Case {
        name: "a group of rules as blocks",
        main: r#"
resource "aws_security_group" "g" {
  name = "rules"
  ingress {
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}
"#,
        change: ("from_port = 80\nto_port = 80", "from_port = 81\nto_port = 81"),
    },
    Case {
        name: "a bucket with lists of blocks in blocks",
        main: r#"
resource "aws_s3_bucket" "b" {
  bucket = "migrated-bucket"
  versioning {
    enabled = true
  }
  cors_rule {
    allowed_methods = ["GET"]
    allowed_origins = ["*"]
  }
  tags = {
    a = "b"
  }
}
"#,
        change: ("a = \"b\"", "a = \"c\""),
    },
    Case {
        name: "a table with sets of blocks and timeouts",
        main: r#"
resource "aws_dynamodb_table" "t" {
  name           = "migrated"
  hash_key       = "id"
  range_key      = "at"
  billing_mode   = "PROVISIONED"
  read_capacity  = 1
  write_capacity = 1
  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "at"
    type = "N"
  }
  timeouts {
    create = "15m"
  }
}
"#,
        change: ("read_capacity = 1", "read_capacity = 2"),
    },
    Case {
        name: "queues by key, with a heredoc",
        main: r#"
resource "aws_sqs_queue" "q" {
  for_each      = toset(["low", "high"])
  name          = "migrated-${each.key}"
  delay_seconds = each.key == "low" ? 5 : 0
  tags = {
    text = <<-EOT
      two
        lines
    EOT
  }
}

output "urls" {
  value = { for key, queue in aws_sqs_queue.q : key => queue.id }
}
"#,
        change: ("? 5 : 0", "? 6 : 0"),
    },
    Case {
        name: "a role with a policy in JSON",
        main: r#"
resource "aws_iam_role" "r" {
  name = "migrated"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
  description = "first"
}
"#,
        change: ("description = \"first\"", "description = \"second\""),
    },
    Case {
        name: "a secret parameter, generated from a resource",
        main: r#"
resource "terraform_data" "password" {
  input = "planted-parameter-9Bd4"
}

resource "aws_ssm_parameter" "p" {
  name        = "/migrated/p"
  type        = "SecureString"
  value       = terraform_data.password.output
  description = "first"
  lifecycle {
    ignore_changes = [tags]
  }
}
"#,
        change: ("description = \"first\"", "description = \"second\""),
    },
    Case {
        name: "volumes in two regions",
        main: r#"
resource "aws_ebs_volume" "east" {
  availability_zone = "us-east-1a"
  size              = 1
}

resource "aws_ebs_volume" "west" {
  provider          = aws.west
  availability_zone = "us-west-1a"
  size              = 2
  lifecycle {
    create_before_destroy = true
  }
}
"#,
        change: ("size = 1\n", "size = 1\ntags = { a = \"b\" }\n"),
    },
];

fn run(beside: &Beside, server: &Aws, case: &Case) {
    println!("{}", case.name);
    let before = server.truth();
    beside.make(&[("provider.tf", &provider(server.port())), ("main.tf", case.main)]);
    beside.migrate();
    beside.hand_back();
    let made = server.things().iter().map(|thing| thing.what.clone()).collect::<Vec<_>>();
    beside.there_and_back(case.change.0, case.change.1);
    assert_eq!(server.things().iter().map(|thing| thing.what.clone()).collect::<Vec<_>>(), made, "{}", case.name);
    beside.hand_back();
    beside.end();
    assert_eq!(server.truth(), before, "{}", case.name);
}

#[test]
fn from_terraform_and_back_in_the_cloud() {
    let test = "from_terraform_and_back_in_the_cloud";
    let Some(server) = Aws::start(test) else { return };
    let full = std::env::var_os("RETRUE_TEST_FULL").is_some();
    if !full {
        println!("SKIPPED: {test}: all but one configuration; RETRUE_TEST_FULL=1 runs them");
    }
    for case in CASES.iter().take(if full { CASES.len() } else { 1 }) {
        let Some(beside) = Beside::new(test) else { return };
        run(&beside, &server, case);
    }
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
  content  = "one"
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
  secret_value   = "planted-write-only-3Fz8"
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
