//! Where providers are and how they are configured, for both programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use crate::environment::peers::{cache, there};
use crate::folders::{Folders, KEY};

/// A provider that takes part: what its types begin with, how Terraform calls it, where it lies.
const PROVIDERS: [(&str, &str, &str); 5] = [
    ("aws", "hashicorp/aws", "bin/terraform-provider-aws_v3.39.0_x5"),
    ("null", "hashicorp/null", "bin/terraform-provider-null_v2.1.2_x4"),
    ("pyvider", "local/beside/pyvider", "pyvider/terraform-provider-pyvider"),
    ("test", "local/beside/test", "tf/terraform-provider-example"),
    ("workato", "local/beside/workato", "bin/terraform-provider-workato_v0.16.0"),
];

/// Variables of the environment that providers of tests want.
const VARIABLES: [(&str, &str); 2] =
    [("PYVIDER_TESTMODE", "true"), ("PYVIDER_PRIVATE_STATE_SHARED_SECRET", "a secret of the tests")];

/// What a case needs, with a server at an address.
pub(crate) struct Settings {
    providers: BTreeSet<String>,
    address: String,
    /// Whether there is a second configuration of aws, for another region.
    west: bool,
    /// Where folders are, and the file with the certificate of that service.
    folders: Option<(String, PathBuf)>,
    /// How often the provider of aws makes a failed call again; `None` for what it does by itself.
    retries: Option<u32>,
}

fn program(provider: &str) -> PathBuf {
    cache().join(PROVIDERS.iter().find(|(name, ..)| *name == provider).unwrap().2)
}

/// Whether all of these providers are there; if not, it is said.
pub(crate) fn are_there(case: &str, providers: &BTreeSet<String>) -> bool {
    providers.iter().filter(|name| *name != "retrue" && *name != "terraform").all(|name| {
        let file = PROVIDERS.iter().find(|(known, ..)| known == name).unwrap_or_else(|| panic!("{case}: {name}")).2;
        there(case, file).is_some()
    })
}

/// Directories in which Terraform finds the providers, and the file that tells it so.
pub(crate) fn overrides(directory: &Path) -> PathBuf {
    let mut text = String::from("disable_checkpoint = true\nprovider_installation {\n  dev_overrides {\n");
    for (name, source, file) in PROVIDERS {
        let own = directory.join(name);
        fs_err::create_dir_all(&own).unwrap();
        std::os::unix::fs::symlink(cache().join(file), own.join(format!("terraform-provider-{name}"))).unwrap();
        text += &format!("    \"{source}\" = \"{}\"\n", own.display());
    }
    let file = directory.join("terraform.rc");
    fs_err::write(&file, text + "  }\n  direct {}\n}\n").unwrap();
    file
}

/// Settings are texts, flags and whole numbers. (Serde's way would write a number as a table.)
fn in_toml(value: &Json) -> toml::Value {
    match value {
        Json::Object(entries) => {
            toml::Value::Table(entries.iter().map(|(key, value)| (key.clone(), in_toml(value))).collect())
        }
        Json::Array(items) => toml::Value::Array(items.iter().map(in_toml).collect()),
        Json::String(text) => text.as_str().into(),
        Json::Bool(flag) => (*flag).into(),
        other => other.as_i64().unwrap().into(),
    }
}

impl Settings {
    pub(crate) fn new(providers: BTreeSet<String>, west: bool, port: u16) -> Settings {
        Settings { providers, address: format!("http://127.0.0.1:{port}"), west, folders: None, retries: Some(1) }
    }

    /// The same with a service of folders.
    pub(crate) fn with_folders(self, service: &Folders) -> Settings {
        Settings { folders: Some((service.address().to_owned(), service.certificate())), ..self }
    }

    /// The same with so many tries again by the provider itself.
    pub(crate) fn with_retries(self, retries: Option<u32>) -> Settings {
        Settings { retries, ..self }
    }

    /// Variables of the environment that providers of these settings want.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let fixed = VARIABLES.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let trusted = self.folders.iter().map(|(_, file)| ("SSL_CERT_FILE", file.display().to_string()));
        fixed.chain(trusted).collect()
    }

    fn of(&self, provider: &str, region: &str) -> Json {
        match provider {
            "aws" => {
                let services = [
                    "s3",
                    "ec2",
                    "iam",
                    "sqs",
                    "sts",
                    "dynamodb",
                    "ssm",
                    "sns",
                    "kms",
                    "cloudwatchlogs",
                    "ecr",
                    "cloudwatchevents",
                    "cloudwatch",
                    "secretsmanager",
                    "lambda",
                    "route53",
                    "elb",
                    "stepfunctions",
                    "kinesis",
                    "autoscaling",
                ];
                let endpoints: Map<String, Json> =
                    services.iter().map(|name| ((*name).to_owned(), json!(self.address))).collect();
                let mut settings = json!({
                    "region": region, "access_key": "test", "secret_key": "test", "s3_force_path_style": true,
                    "skip_credentials_validation": true, "skip_metadata_api_check": true,
                    "skip_requesting_account_id": true, "skip_get_ec2_platforms": true,
                    "skip_region_validation": true, "endpoints": [endpoints],
                });
                if let Some(retries) = self.retries {
                    settings["max_retries"] = json!(retries);
                }
                settings
            }
            "pyvider" => json!({"pyvider_testmode": true}),
            "workato" => json!({"api_key": KEY, "base_url": self.folders.as_ref().map(|(address, _)| address)}),
            _ => json!({}),
        }
    }

    /// The blocks of providers in a stack of ours.
    pub(crate) fn ours(&self) -> String {
        let mut blocks = Map::new();
        for (name, ..) in PROVIDERS.iter().filter(|(name, ..)| self.providers.contains(*name)) {
            let mut settings = self.of(name, "us-east-1");
            settings["path"] = json!(program(name));
            blocks.insert((*name).to_owned(), settings);
        }
        if self.west {
            let mut settings = self.of("aws", "eu-west-1");
            settings["path"] = json!(program("aws"));
            settings["type"] = json!("aws");
            blocks.insert("west".into(), settings);
        }
        let blocks = json!({"stack": {"schema": 1, "name": "beside"}, "provider": blocks});
        toml::to_string(&in_toml(&blocks)).unwrap()
    }

    /// What Terraform requires, and the blocks of providers.
    pub(crate) fn theirs(&self) -> (Json, Json) {
        let (mut required, mut blocks) = (Map::new(), Map::new());
        for (name, source, _) in PROVIDERS.iter().filter(|(name, ..)| self.providers.contains(*name)) {
            required.insert((*name).to_owned(), json!({"source": source}));
            blocks.insert((*name).to_owned(), json!([self.of(name, "us-east-1")]));
        }
        if self.west {
            let mut settings = self.of("aws", "eu-west-1");
            settings["alias"] = json!("west");
            blocks["aws"].as_array_mut().unwrap().push(settings);
        }
        (Json::Object(required), Json::Object(blocks))
    }
}
