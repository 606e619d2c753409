//! Terraform, and what it says, in the form of `seen`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value as Json, json};

use super::case::Step;
use super::seen::{UNKNOWN, put};
use super::settings::Settings;

/// A directory of Terraform's.
pub(crate) struct Terraform {
    directory: PathBuf,
    overrides: PathBuf,
    settings: (Json, Json),
    variables: Vec<(&'static str, String)>,
}

impl Terraform {
    pub(crate) fn new(directory: &Path, overrides: &Path, settings: &Settings) -> Terraform {
        fs_err::create_dir_all(directory).unwrap();
        Terraform {
            directory: directory.to_owned(),
            overrides: overrides.to_owned(),
            settings: settings.theirs(),
            variables: settings.variables(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The program, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("terraform");
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env("TF_CLI_CONFIG_FILE", &self.overrides)
            .env("HOME", &self.directory)
            .env("CHECKPOINT_DISABLE", "1")
            .env("TF_IN_AUTOMATION", "1")
            .env("NO_COLOR", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Where it works.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs what must succeed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "terraform {arguments:?}: {}", all(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn write(&self, step: &Step, files: &str) {
        let text = step.terraform(&self.settings.0, &self.settings.1);
        fs_err::write(self.directory.join("main.tf.json"), format!("{text:#}").replace("@files@", files)).unwrap();
    }

    pub(crate) fn import(&self, address: &str, id: &str) {
        self.done(&["import", "-input=false", address, id]);
    }

    /// Plans into a file; the screen when it is refused.
    pub(crate) fn plan(&self, step: &Step) -> Result<Json, String> {
        let mut arguments =
            vec!["plan".to_owned(), "-input=false".to_owned(), "-no-color".to_owned(), "-out=plan".to_owned()];
        arguments.extend(step.replace.iter().map(|address| format!("-replace={address}")));
        arguments.extend(step.targets.iter().map(|address| format!("-target={address}")));
        let output = self.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        if !output.status.success() {
            return Err(all(&output));
        }
        let plan: Json = serde_json::from_str(&self.done(&["show", "-json", "plan"])).unwrap();
        Ok(planned(&plan))
    }

    /// Applies the plan of the file; the screen when it fails.
    pub(crate) fn apply(&self) -> Result<(), String> {
        let output = self.run(&["apply", "-input=false", "-no-color", "plan"]);
        if output.status.success() { Ok(()) } else { Err(all(&output)) }
    }

    pub(crate) fn destroy(&self) {
        self.done(&["destroy", "-auto-approve", "-input=false", "-no-color"]);
    }

    /// What is recorded: objects by address, and outputs.
    pub(crate) fn recorded(&self) -> (Json, Json) {
        let Ok(text) = fs_err::read_to_string(self.directory.join("terraform.tfstate")) else {
            return (json!({}), json!({}));
        };
        let state: Json = serde_json::from_str(&text).unwrap();
        let mut objects = Map::new();
        for resource in state["resources"].as_array().into_iter().flatten().filter(|of| of["mode"] == "managed") {
            for instance in resource["instances"].as_array().into_iter().flatten() {
                let mut attributes = plain(&instance["attributes"]);
                for path in instance["sensitive_attributes"].as_array().into_iter().flatten() {
                    put(&mut attributes, &path_of(path), Json::Null);
                }
                let name = |part: &str| resource[part].as_str().unwrap().to_owned();
                let mut address = format!("{}.{}{}", name("type"), name("name"), key(&instance["index_key"]));
                if !instance["deposed"].is_null() {
                    address += " deposed";
                }
                objects.insert(address, json!({"attributes": attributes, "status": instance["status"]}));
            }
        }
        let outputs: Map<String, Json> = state["outputs"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, output)| {
                let secret = output["sensitive"] == true;
                (name.clone(), if secret { json!("<sensitive>") } else { output["value"].clone() })
            })
            .collect();
        (Json::Object(objects), Json::Object(outputs))
    }
}

fn all(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn key(key: &Json) -> String {
    if key.is_null() { String::new() } else { format!("[{key}]") }
}

/// A path of the state file.
fn path_of(path: &Json) -> String {
    let mut text = String::new();
    for step in path.as_array().into_iter().flatten() {
        let value = if step["value"].is_object() { &step["value"]["value"] } else { &step["value"] };
        match value {
            Json::String(name) if step["type"] == "get_attr" => text += &format!(".{name}"),
            other => text += &format!("[{other}]"),
        }
    }
    text
}

/// A value without the types that stand beside what is dynamic.
fn plain(value: &Json) -> Json {
    match value {
        Json::Object(entries)
            if entries.len() == 2 && entries.contains_key("type") && entries.contains_key("value") =>
        {
            plain(&entries["value"])
        }
        Json::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), plain(value))).collect(),
        Json::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

/// A plan in the form of `seen`.
fn planned(plan: &Json) -> Json {
    let mut changes = Map::new();
    for change in plan["resource_changes"].as_array().into_iter().flatten() {
        let about = &change["change"];
        let actions: Vec<&str> =
            about["actions"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let moved = &change["previous_address"];
        let action = match actions.as_slice() {
            [one] => *one,
            _ => "replace",
        };
        if action == "no-op" && moved.is_null() {
            continue;
        }
        let mut address = change["address"].as_str().unwrap().to_owned();
        if !change["deposed"].is_null() {
            address += " deposed";
        }
        let mut because: Vec<String> = about["replace_paths"].as_array().into_iter().flatten().map(replaced).collect();
        because.sort();
        let mut seen = json!({
            "action": action, "replace_because": because, "moved_from": moved,
            "create_before_destroy": (action == "replace" && actions[0] == "create").then_some(true),
        });
        if action != "no-op" {
            seen["after"] = hidden(&with_unknown(&about["after"], &about["after_unknown"]), &about["after_sensitive"]);
        }
        changes.insert(address, seen);
    }
    let mut outputs = Map::new();
    for (name, change) in plan["output_changes"].as_object().into_iter().flatten() {
        if change["actions"][0] != "no-op" {
            let after = with_unknown(&change["after"], &change["after_unknown"]);
            outputs.insert(name.clone(), hidden(&after, &change["after_sensitive"]));
        }
    }
    json!({"changes": changes, "outputs": outputs})
}

/// A path by which something is replaced, as a list of its names.
fn replaced(path: &Json) -> String {
    let parts = path.as_array().into_iter().flatten();
    parts.map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned)).collect::<Vec<_>>().join(".")
}

/// What is planned, with what is unknown in it.
fn with_unknown(after: &Json, unknown: &Json) -> Json {
    match (after, unknown) {
        (_, Json::Bool(true)) => json!(UNKNOWN),
        (after, Json::Object(unknowns)) => {
            let mut merged = after.as_object().cloned().unwrap_or_default();
            for (key, unknown) in unknowns {
                let value = with_unknown(&after[key], unknown);
                if !value.is_null() {
                    merged.insert(key.clone(), value);
                }
            }
            if after.is_null() && merged.is_empty() { Json::Null } else { Json::Object(merged) }
        }
        (Json::Array(items), Json::Array(unknowns)) => {
            let unknown = |index| unknowns.get(index).unwrap_or(&Json::Null);
            items.iter().enumerate().map(|(index, item)| with_unknown(item, unknown(index))).collect()
        }
        (after, _) => after.clone(),
    }
}

/// The same without what is sensitive.
fn hidden(value: &Json, sensitive: &Json) -> Json {
    match (value, sensitive) {
        (_, Json::Bool(true)) => Json::Null,
        (Json::Object(entries), Json::Object(_)) => {
            entries.iter().map(|(name, value)| (name.clone(), hidden(value, &sensitive[name]))).collect()
        }
        (Json::Array(items), Json::Array(marks)) => {
            let mark = |index| marks.get(index).unwrap_or(&Json::Null);
            items.iter().enumerate().map(|(index, item)| hidden(item, mark(index))).collect()
        }
        _ => value.clone(),
    }
}
