//! What is seen of a step, in one form for both programs, and where two of them differ.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::map::Entry;
use serde_json::{Map, Value as Json, json};

/// A step as one document: `plan`, `state`, `outputs`, `world`, and how it ended.
pub(crate) type Seen = Json;

/// What stands for a value that is not known.
pub(crate) const UNKNOWN: &str = "<unknown>";

/// What was made up by the server, by the provider or by the clock.
static MADE_UP: LazyLock<Regex> = LazyLock::new(|| {
    let forms = [
        r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.]*(Z|\+00:00)?",
        r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
        // What is put behind the name of a secret.
        r":secret:\w+-[A-Za-z0-9]{6}\b",
        r"\bA[A-Z0-9]{15,}\b",
        r"\b[a-z0-9]{20}\b",
        r"[0-9a-f]{8,}(\.\d+)?",
        // Addresses that the server gives out.
        r"127\.(?:[1-9]|\d{2,3})\.\d+\.\d+",
        r"54\.\d+\.\d+\.\d+",
        r"(?:ec2|ip)-(?:127|54)-\d+-\d+-\d+",
    ];
    Regex::new(&forms.join("|")).unwrap()
});

/// The server, which has another port each time.
static HOST: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"http://(127\.0\.0\.1|localhost):\d+").unwrap());

/// The account that the server plays.
const ACCOUNT: &str = "123456789012";

/// Names for what was made up: the attribute that it was first seen in.
#[derive(Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Learns from a state: by address, the attributes. Ids come first, so that what refers to them is named by them.
    pub(crate) fn learn(&mut self, state: &Json) {
        let objects = || state.as_object().into_iter().flatten();
        for (address, object) in objects() {
            if let Some(id) = object["attributes"]["id"].as_str() {
                self.name(id, address);
            }
        }
        for (address, object) in objects() {
            for (attribute, value) in object["attributes"].as_object().into_iter().flatten() {
                if let Some(text) = value.as_str() {
                    self.name(text, &format!("{address}.{attribute}"));
                }
            }
        }
    }

    fn name(&mut self, text: &str, name: &str) {
        for found in MADE_UP.find_iter(text).map(|found| found.as_str()) {
            if found != ACCOUNT && !found.contains(':') {
                self.0.entry(found.to_owned()).or_insert_with(|| name.to_owned());
            }
        }
    }

    /// The text with names in it.
    fn steady(&self, text: &str) -> String {
        // Most texts have nothing of the kind in them, and searching is not for nothing.
        if text.len() < 8 || !text.bytes().any(|byte| byte.is_ascii_digit() || byte == b'A') {
            return text.to_owned();
        }
        let named = MADE_UP.replace_all(text, |found: &Captures<'_>| match &found[0] {
            ACCOUNT => ACCOUNT.to_owned(),
            found => format!("<{}>", self.0.get(found).map_or("made up", String::as_str)),
        });
        if named.contains("http://") {
            HOST.replace_all(&named, "http://<server>").into_owned()
        } else {
            named.into_owned()
        }
    }

    /// The document in a form that can be compared: made-up texts are named, lists sorted, markers left out, what is
    /// null left out.
    pub(crate) fn comparable(&self, value: &Json) -> Json {
        match value {
            Json::Array(items) => {
                let mut items: Vec<Json> =
                    items.iter().filter(|item| item["Key"] != MARKER).map(|item| self.comparable(item)).collect();
                items.sort_by_key(ToString::to_string);
                Json::Array(items)
            }
            Json::Object(entries) => {
                let mut comparable = Map::new();
                for (key, value) in entries {
                    if value.is_null() || key == MARKER || (key == "Tags" && has_no_tags(value)) {
                        continue;
                    }
                    let value =
                        if ACCIDENTS.contains(&key.as_str()) { json!("<made up>") } else { self.comparable(value) };
                    match comparable.entry(self.steady(key)) {
                        Entry::Vacant(free) => {
                            free.insert(value);
                        }
                        // Two ids of one name, of an object and of the one that it replaced.
                        Entry::Occupied(mut taken) => {
                            let both = self.comparable(&json!([taken.get(), value]));
                            taken.insert(both);
                        }
                    }
                }
                Json::Object(comparable)
            }
            Json::String(text) => match serde_json::from_str(text) {
                Ok(inner @ (Json::Object(_) | Json::Array(_))) => json!({"<json>": self.comparable(&inner)}),
                _ => Json::String(self.steady(text)),
            },
            other => other.clone(),
        }
    }
}

/// Whether there are no tags but the marker. The server shows that as an empty list, or not at all.
fn has_no_tags(value: &Json) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(|item| item["Key"] == MARKER))
}

/// What is of the moment, and nobody could recognise by its form.
const ACCIDENTS: [&str; 4] = ["creationTime", "ClientToken", "MacAddress", "CreationDate"];

/// The tag that marks an object as ours.
const MARKER: &str = "retrue:object";

/// Where two documents differ: each place, and both sides.
pub(crate) fn differences(theirs: &Json, ours: &Json) -> Vec<(String, String)> {
    let mut found = Vec::new();
    compare("", theirs, ours, &mut found);
    found
}

fn compare(path: &str, theirs: &Json, ours: &Json, found: &mut Vec<(String, String)>) {
    if theirs == ours {
        return;
    }
    match (theirs, ours) {
        // A set with something unknown in it is unknown as a whole to us, and to Terraform just there.
        (Json::Array(_), Json::String(word)) if word == UNKNOWN && theirs.to_string().contains(UNKNOWN) => {}
        (Json::Object(a), Json::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, &theirs[key], &ours[key], found);
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            let only = |these: &[Json], those: &[Json]| -> Vec<Json> {
                these.iter().filter(|item| !those.contains(item)).cloned().collect()
            };
            let (theirs, ours) = (only(a, b), only(b, a));
            if theirs.len() == ours.len() {
                theirs.iter().zip(&ours).for_each(|(a, b)| compare(&format!("{path}[]"), a, b, found));
            }
            if theirs.len() != ours.len() || theirs.is_empty() {
                found.push((path.to_owned(), told(&json!(theirs), &json!(ours))));
            }
        }
        _ => found.push((path.to_owned(), told(theirs, ours))),
    }
}

fn told(theirs: &Json, ours: &Json) -> String {
    format!("terraform {theirs}, retrue {ours}")
}

/// Puts something into a document at a path like `a.b["c"][0]`.
pub(crate) fn put(into: &mut Json, path: &str, value: Json) {
    let mut at = into;
    for part in parts(path) {
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => &mut at[index],
            _ => {
                if !at.is_object() {
                    *at = Json::Object(Map::new());
                }
                &mut at[part]
            }
        };
    }
    *at = value;
}

/// The parts of a path.
pub(crate) fn parts(path: &str) -> Vec<String> {
    static PART: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)"#).unwrap());
    PART.captures_iter(path)
        .map(|part| part.iter().skip(1).flatten().next().unwrap().as_str().replace("\\\"", "\""))
        .collect()
}
