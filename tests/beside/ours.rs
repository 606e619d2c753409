//! Our program, and what it says, in the form of `seen`.

use serde_json::{Map, Value as Json, json};

use super::case::Step;
use super::seen::{UNKNOWN, parts, put};
use super::settings::Settings;
use crate::environment::Environment;

/// A place of ours. It is used for one case after another: what is kept of providers stays.
pub(super) struct Ours {
    place: Environment,
    settings: String,
}

impl Ours {
    pub(super) fn new() -> Ours {
        Ours { place: Environment::new(), settings: String::new() }
    }

    /// Begins anew, with these settings.
    pub(super) fn begin(&mut self, settings: &Settings) {
        fs_err::remove_dir_all(self.place.work()).unwrap();
        fs_err::create_dir(self.place.work()).unwrap();
        settings.variables().iter().for_each(|(name, value)| self.place.set(name, value));
        self.settings = settings.ours();
    }

    pub(super) fn write(&self, step: &Step, files: &str) {
        self.place.write("retrue.toml", step.stack(&self.settings).replace("@files@", files));
    }

    pub(super) fn import(&self, address: &str, id: &str) {
        self.place.run(&["import", address, id]).ends(0);
    }

    /// Plans into a file; the screen when it is refused.
    pub(super) fn plan(&self, step: &Step) -> Result<Json, String> {
        let _ = fs_err::remove_file(self.place.path("plan"));
        let mut arguments = vec!["plan", "-o", "plan", "--json"];
        arguments.extend(step.replace.iter().flat_map(|address| ["--replace", address]));
        arguments.extend(step.targets.iter().flat_map(|address| ["--target", address]));
        let shown = self.place.run(&arguments);
        if shown.code == 0 { Ok(planned(&shown.json())) } else { Err(shown.screen()) }
    }

    /// Applies the plan of the file; the screen when it fails.
    pub(super) fn apply(&self) -> Result<(), String> {
        let shown = self.place.run(&["apply", "plan", "--yes"]);
        if shown.code == 0 { Ok(()) } else { Err(shown.screen()) }
    }

    pub(super) fn destroy(&self) {
        self.place.run(&["destroy", "--yes"]).ends(0);
    }

    /// What is recorded: objects by address, and outputs.
    pub(super) fn recorded(&self) -> (Json, Json) {
        let state = self.place.run(&["show", "--json"]).ends(0).json();
        let mut objects = Map::new();
        for object in state["resources"].as_array().unwrap() {
            let deposed = if object["deposed"].is_null() { "" } else { " deposed" };
            let address = format!("{}{deposed}", object["address"].as_str().unwrap());
            let status = Some(&object["status"]).filter(|status| **status != "ok");
            objects.insert(address, json!({"attributes": object["attributes"], "status": status}));
        }
        let outputs: Map<String, Json> = state["outputs"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, output)| {
                let secret = output["sensitive"] == true;
                (name.clone(), if secret { json!("<sensitive>") } else { output["value"].clone() })
            })
            .collect();
        (Json::Object(objects), Json::Object(outputs))
    }
}

/// A plan in the form of `seen`.
fn planned(plan: &Json) -> Json {
    let mut changes = Map::new();
    for change in plan["changes"].as_array().unwrap() {
        let mut because: Vec<String> = texts(&change["replace_because"]).map(|path| parts(path).join(".")).collect();
        because.sort();
        let mut seen = json!({
            "action": change["action"], "replace_because": because, "moved_from": change["moved_from"],
            "create_before_destroy": change["create_before_destroy"],
        });
        if change["action"] != "no-op" {
            seen["after"] = with_unknown(change);
        }
        changes.insert(change["address"].as_str().unwrap().to_owned(), seen);
    }
    let outputs: Map<String, Json> = plan["outputs"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, change)| (name.clone(), with_unknown(change)))
        .collect();
    json!({"changes": changes, "outputs": outputs})
}

fn texts(list: &Json) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap())
}

fn with_unknown(change: &Json) -> Json {
    let mut after = change["after"].clone();
    // What is secret as well is not shown to be unknown.
    let secret: Vec<&str> = texts(&change["sensitive"]).collect();
    for path in texts(&change["unknown"]).filter(|path| !secret.contains(path)) {
        put(&mut after, path, json!(UNKNOWN));
    }
    after
}
