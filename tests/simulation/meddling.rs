//! What somebody else does to the cloud, beforehand or in the middle of a life.

use std::collections::BTreeMap;
use std::sync::Mutex;

use retrue_provider_testcloud::cloud::{Call, Cloud, MARKER_TAG, Method, TruthObject, lock};
use serde_json::{Value as Json, json};

use super::outside::FOREIGN;
use super::script::{Meddling, SLOTS};
use super::stack::{address, addressed};

/// What somebody else did, as it must still be found when nobody was to overwrite it.
#[derive(Clone, Debug)]
pub(crate) enum Meddled {
    /// An object was given an attribute.
    Changed { collection: String, id: String, name: &'static str, value: Json },
    /// Another stack took an object for its own.
    Claimed { collection: String, id: String, before: Json, attributes: Attributes },
    /// A thing was made that has the name of one of ours.
    Made { name: String },
}

/// The attributes of an object.
type Attributes = BTreeMap<String, Json>;

/// The id of a network that somebody else made.
const THEIRS: &str = "net-of-somebody-else";

fn object_of(cloud: &Mutex<Cloud>, slot: u8) -> Option<TruthObject> {
    let wanted = address(slot);
    lock(cloud).truth().into_iter().find(|object| match slot {
        2..=4 => addressed(object).as_deref() == Some(&wanted),
        0 | 1 => object.attributes.get("name") == Some(&json!(network(slot))),
        5 | 6 => object.id.starts_with(&format!("b{slot}-")),
        7 => object.collection == "databases",
        _ => false,
    })
}

fn network(slot: u8) -> String {
    format!("n{slot}")
}

/// Does it. Returns what came of it, if anything did.
pub(crate) fn meddle(cloud: &Mutex<Cloud>, meddling: Meddling) -> Option<Meddled> {
    match meddling {
        Meddling::Row => {
            let body = json!({ "a": "row" });
            let row = Call { body, ..Call::new(Method::Post, "/v1/databases/db/rows") };
            lock(cloud).serve(&row);
            None
        }
        Meddling::Change(slot) => {
            let object = object_of(cloud, slot)?;
            let (name, value) = match slot {
                0 | 1 => ("description", json!("somebody else's")),
                2..=4 => ("size", json!("large")),
                5 | 6 => ("versioning", json!(true)),
                _ => ("size", json!(99)),
            };
            lock(cloud).put_object(&object.collection, &object.id, &[(name.to_owned(), value.clone())].into());
            let differs = object.attributes.get(name) != Some(&value);
            differs.then_some(Meddled::Changed { collection: object.collection, id: object.id, name, value })
        }
        Meddling::Delete(slot) => {
            let object = object_of(cloud, slot)?;
            lock(cloud).remove_object(&object.collection, &object.id);
            None
        }
        Meddling::Claim(slot) => {
            let object = object_of(cloud, slot)?;
            let before = object.attributes.get("tags").cloned().unwrap_or(Json::Null);
            let mut tags = before.as_object().cloned().unwrap_or_default();
            tags.insert(MARKER_TAG.to_owned(), json!(FOREIGN));
            lock(cloud).put_object(&object.collection, &object.id, &[("tags".to_owned(), Json::Object(tags))].into());
            let attributes = content(cloud, &object.collection, &object.id)?;
            Some(Meddled::Claimed { collection: object.collection, id: object.id, before, attributes })
        }
        Meddling::Create(slot) => {
            if object_of(cloud, slot).is_some() {
                return None;
            }
            let name = network(slot);
            let attributes = [("id", THEIRS), ("name", &name), ("cidr", "192.168.0.0/16")];
            let attributes = attributes.map(|(key, value)| (key.to_owned(), json!(value)));
            lock(cloud).put_object("networks", THEIRS, &attributes.into());
            Some(Meddled::Made { name })
        }
    }
}

/// All that is said of an object, but for how often it was looked at.
fn content(cloud: &Mutex<Cloud>, collection: &str, id: &str) -> Option<Attributes> {
    let found = lock(cloud).truth().into_iter().find(|object| object.collection == collection && object.id == id)?;
    Some(found.attributes.into_iter().filter(|(name, _)| name != "reads").collect())
}

/// The same in the middle of a life: where a thing is not there, it is the next one that somebody changes.
pub(crate) fn meddle_with_any(cloud: &Mutex<Cloud>, meddling: Meddling) -> Option<Meddled> {
    let Meddling::Change(first) = meddling else { return meddle(cloud, meddling) };
    (0..SLOTS).find_map(|next| meddle(cloud, Meddling::Change((first + next) % SLOTS)))
}

impl Meddled {
    /// What became of it in a life that did not know of it, if that must not be. What was made goes again.
    pub(crate) fn overwritten(&self, cloud: &Mutex<Cloud>) -> Option<(&'static str, String)> {
        let truth = lock(cloud).truth();
        match self {
            Meddled::Changed { collection, id, name, value } => {
                let found = truth.iter().find(|object| object.collection == *collection && object.id == *id);
                let kept = found.and_then(|object| object.attributes.get(*name)) == Some(value);
                let rule = "what somebody else changed since the plan is not overwritten";
                (!kept).then(|| (rule, format!("`{name}` of {id} was set to {value}, and now: {found:?}")))
            }
            Meddled::Claimed { collection, id, before, attributes } => {
                let found = content(cloud, collection, id);
                // They give it up again.
                lock(cloud).put_object(collection, id, &[("tags".to_owned(), before.clone())].into());
                let kept = found.as_ref() == Some(attributes);
                let rule = "what another stack owns is not adopted";
                (!kept).then(|| (rule, format!("{id} was {attributes:?}, and now: {found:?}")))
            }
            Meddled::Made { name } => {
                let named = |object: &&TruthObject| object.attributes.get("name") == Some(&json!(name));
                let count = truth.iter().filter(named).count();
                lock(cloud).remove_object("networks", THEIRS);
                let rule = "nothing is made where something with its identity is";
                (count > 1).then(|| (rule, format!("{count} networks are called {name}")))
            }
        }
    }
}
