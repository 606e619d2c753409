//! Taken over from the real Terraform with the provider of AWS, changed, taken back, handed back, ended.

use regex::Regex;

use crate::environment::peers::Aws;
use crate::environment::terraform::Beside;

/// The provider of AWS, with all of it at one server.
pub(crate) fn provider(port: u16) -> String {
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
    main: &'static str,
    change: (&'static str, &'static str),
}

const NETWORK: Case = Case {
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
};

const RULES: Case = Case {
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
};

const BUCKET: Case = Case {
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
};

const TABLE: Case = Case {
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
};

const QUEUES: Case = Case {
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
};

const ROLE: Case = Case {
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
};

const PARAMETER: Case = Case {
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
};

const VOLUMES: Case = Case {
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
};

/// What the server holds, in full; a parameter counts how often it was written, and that is no part of it.
fn things(server: &Aws) -> Vec<String> {
    let written = Regex::new(r#", \d+\], "tags""#).unwrap();
    server.things().iter().map(|thing| written.replace(&thing.what, "], \"tags\"").into_owned()).collect()
}

/// From Terraform, changed and taken back, handed back, ended.
#[track_caller]
fn there_and_back(test: &str, case: &Case, takes_long: bool) {
    if takes_long && std::env::var_os("RETRUE_TEST_FULL").is_none() {
        println!("SKIPPED: {test}: RETRUE_TEST_FULL=1 runs all configurations");
        return;
    }
    let Some(server) = Aws::start(test) else { return };
    let Some(beside) = Beside::new(test) else { return };
    let before = server.truth();
    beside.make(&[("provider.tf", &provider(server.port())), ("main.tf", case.main)]);
    beside.migrate();
    beside.hand_back();
    let made = things(&server);
    beside.there_and_back(case.change.0, case.change.1);
    assert_eq!(things(&server), made);
    beside.hand_back();
    beside.end();
    assert_eq!(server.truth(), before);
}

#[test]
fn a_network_with_blocks_of_all_kinds() {
    there_and_back("a_network_with_blocks_of_all_kinds", &NETWORK, false);
}

#[test]
fn a_group_with_rules_as_blocks() {
    there_and_back("a_group_with_rules_as_blocks", &RULES, true);
}

#[test]
fn a_bucket_with_lists_of_blocks() {
    there_and_back("a_bucket_with_lists_of_blocks", &BUCKET, true);
}

#[test]
fn a_table_with_sets_of_blocks_and_timeouts() {
    there_and_back("a_table_with_sets_of_blocks_and_timeouts", &TABLE, true);
}

#[test]
fn queues_by_key_with_a_heredoc() {
    there_and_back("queues_by_key_with_a_heredoc", &QUEUES, true);
}

#[test]
fn a_role_with_a_policy_in_json() {
    there_and_back("a_role_with_a_policy_in_json", &ROLE, true);
}

#[test]
fn a_secret_parameter_from_a_resource() {
    there_and_back("a_secret_parameter_from_a_resource", &PARAMETER, true);
}

#[test]
fn volumes_in_two_regions() {
    there_and_back("volumes_in_two_regions", &VOLUMES, true);
}
