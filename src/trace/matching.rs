//! Whether a request is one that was recorded, although secrets are not in the recording.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::play::Kind;
use super::redact::{around_placeholders, has_placeholder, is_placeholder};
use crate::rest::Seal;

/// What a replay did otherwise than the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which way.
    pub kind: Kind,
    /// The provider instance.
    pub instance: String,
    /// The call: `plan`, `apply` and so on.
    pub verb: String,
    /// The type.
    pub type_name: String,
    /// For which instance of what resource; empty where it is for none.
    pub address: String,
    /// For a call with another request, what differs in it: where, what was recorded, what is asked now.
    pub parts: Vec<(String, Option<String>, Option<String>)>,
}

/// What stands, in a replay, where something secret was recorded: by what was recorded.
pub type Bindings = BTreeMap<String, Json>;

/// Whether a request is the recorded one, and what it says of secrets that nothing is known about yet.
pub(super) fn same(recorded: &Json, asked: &Json, known: &Bindings) -> Option<Bindings> {
    let mut found = Bindings::new();
    agree(recorded, asked, known, &mut found).then_some(found)
}

fn agree(recorded: &Json, asked: &Json, known: &Bindings, found: &mut Bindings) -> bool {
    match (recorded, asked) {
        (Json::Array(recorded), Json::Array(asked)) => {
            recorded.len() == asked.len()
                && recorded.iter().zip(asked).all(|(recorded, asked)| agree(recorded, asked, known, found))
        }
        (Json::Object(recorded), Json::Object(asked)) => {
            if let (Some(Json::Array(before)), Some(Json::Array(now))) = (recorded.get("set"), asked.get("set"))
                && let ([kind, Json::Array(before)], [kind_now, Json::Array(now)]) = (before.as_slice(), now.as_slice())
            {
                return kind == kind_now && agree_as_set(before, now, known, found);
            }
            recorded.len() == asked.len()
                && recorded.iter().zip(asked).all(|((name, recorded), (name_now, asked))| {
                    let same = name == name_now || has_placeholder(name) && fits(name, name_now);
                    same && agree(recorded, asked, known, found)
                })
        }
        (Json::String(text), Json::String(now)) => {
            text == now || has_placeholder(text) && fits(text, now) && bind(text, asked, known, found)
        }
        (Json::Number(number), Json::Number(now)) => {
            number == now || is_placeholder(number) && bind(&number.to_string(), asked, known, found)
        }
        (recorded, asked) => recorded == asked,
    }
}

/// Elements of sets are in the order of their values, and those of secrets are not known.
fn agree_as_set(recorded: &[Json], asked: &[Json], known: &Bindings, found: &mut Bindings) -> bool {
    let mut left: Vec<&Json> = asked.iter().collect();
    // What is equal needs no secret to be so.
    let mut unequal: Vec<&Json> = Vec::new();
    for recorded in recorded {
        match left.iter().position(|asked| *asked == recorded) {
            Some(position) => drop(left.remove(position)),
            None => unequal.push(recorded),
        }
    }
    recorded.len() == asked.len()
        && unequal.into_iter().all(|recorded| {
            let position = left.iter().position(|asked| {
                let mut tried = found.clone();
                let agrees = agree(recorded, asked, known, &mut tried);
                if agrees {
                    *found = tried;
                }
                agrees
            });
            position.map(|position| left.remove(position)).is_some()
        })
}

/// The same secret is the same everywhere.
fn bind(recorded: &str, asked: &Json, known: &Bindings, found: &mut Bindings) -> bool {
    match known.get(recorded).or_else(|| found.get(recorded)) {
        Some(bound) => bound == asked,
        None => {
            found.insert(recorded.to_owned(), asked.clone());
            true
        }
    }
}

/// Whether a text is a recorded one with anything in place of its secrets.
fn fits(recorded: &str, text: &str) -> bool {
    let parts = around_placeholders(recorded);
    let (Some((first, rest)), Some(last)) = (parts.split_first(), parts.last()) else { return false };
    let Some(mut left) = text.strip_prefix(first).and_then(|left| left.strip_suffix(last)) else { return false };
    for part in rest.iter().take(rest.len().saturating_sub(1)) {
        let Some(found) = left.find(part) else { return false };
        left = left.get(found + part.len()..).unwrap_or_default();
    }
    true
}

/// An answer with what is known to stand in place of its secrets.
pub(super) fn filled(answer: &Json, known: &Bindings) -> Json {
    match answer {
        Json::String(text) => known.get(text).cloned().unwrap_or_else(|| answer.clone()),
        Json::Number(number) => known.get(&number.to_string()).cloned().unwrap_or_else(|| answer.clone()),
        Json::Array(items) => items.iter().map(|item| filled(item, known)).collect(),
        Json::Object(fields) => {
            let name = |name: &String| match known.get(name).and_then(Json::as_str) {
                Some(bound) => bound.to_owned(),
                None => name.clone(),
            };
            Json::Object(fields.iter().map(|(key, item)| (name(key), filled(item, known))).collect())
        }
        other => other.clone(),
    }
}

/// What a trace began from, sealed with its key, with what is known to stand in place of its secrets.
pub fn refilled(json: &Json, seal: &dyn Seal, known: &Bindings) -> Json {
    match json {
        Json::String(text) => match seal.unseal(text).and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok()) {
            Some(sealed) => Json::String(seal.seal(filled(&sealed, known).to_string().as_bytes())),
            None => filled(json, known),
        },
        Json::Array(items) => items.iter().map(|item| refilled(item, seal, known)).collect(),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, inner)| (name.clone(), refilled(inner, seal, known)));
            Json::Object(fields.collect())
        }
        other => filled(other, known),
    }
}

/// What differs in two requests, by the path to it.
pub(super) fn parts(recorded: &Json, asked: &Json) -> Vec<(String, Option<String>, Option<String>)> {
    let (mut before, mut now) = (BTreeMap::new(), BTreeMap::new());
    flatten(recorded, "", &mut before);
    flatten(asked, "", &mut now);
    let paths: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differing = paths.into_iter().filter(|path| match (before.get(*path), now.get(*path)) {
        (Some(before), Some(now)) => before != now && !(has_placeholder(before) && fits(before, now)),
        _ => true,
    });
    differing.map(|path| (path.clone(), before.get(path).cloned(), now.get(path).cloned())).collect()
}

fn flatten(json: &Json, path: &str, into: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match json {
        Json::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{index}]"), into);
            }
        }
        Json::Object(fields) => {
            let mut only = fields.iter();
            match (only.next(), only.next()) {
                // The typed form of a value: what it is made of, without the words for its kind.
                (Some((kind, inner)), None) if ["object", "tuple"].contains(&kind.as_str()) => {
                    flatten_inner(inner, path, into);
                }
                (Some((kind, Json::Array(pair))), None) if ["list", "set", "map"].contains(&kind.as_str()) => {
                    flatten_inner(pair.get(1).unwrap_or(&Json::Null), path, into);
                }
                (Some((kind, _)), None) if kind == "null" => drop(into.insert(path.to_owned(), "null".to_owned())),
                (Some((kind, _)), _) if kind == "unknown" => {
                    into.insert(path.to_owned(), "(known after apply)".to_owned());
                }
                _ => fields.iter().for_each(|(name, inner)| flatten(inner, &below(name), into)),
            }
        }
        Json::String(text) => drop(into.insert(path.to_owned(), format!("{text:?}"))),
        other => drop(into.insert(path.to_owned(), other.to_string())),
    }
}

fn flatten_inner(inner: &Json, path: &str, into: &mut BTreeMap<String, String>) {
    match inner {
        Json::Object(fields) => {
            for (name, inner) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(inner, &below, into);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(item, &format!("{path}[{index}]"), into);
            }
        }
        other => flatten(other, path, into),
    }
}
