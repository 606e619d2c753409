//! What kinds of objects there are, and the rules of each.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::Key;
use super::object::{Attributes, Object};

/// The rules of one collection.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name of the collection.
    pub(crate) collection: &'static str,
    /// What ids begin with; `None` where the name is the id.
    pub(crate) id_prefix: Option<&'static str>,
    /// No two objects may have the same name.
    pub(crate) unique_name: bool,
    /// What a create must set.
    pub(crate) required: &'static [&'static str],
    /// What a create may set besides.
    pub(crate) optional: &'static [&'static str],
    /// What cannot be changed once it is set.
    pub(crate) fixed: &'static [&'static str],
    /// What is taken and never given back.
    pub(crate) hidden: &'static [&'static str],
    /// What is set by a call of its own, to a path of the same name.
    pub(crate) parts: &'static [&'static str],
    /// Attributes that name an object of another collection, which must exist and cannot go before.
    pub(crate) refers: &'static [(&'static str, &'static str)],
    /// A create takes time.
    pub(crate) slow: bool,
    /// It can hold rows.
    pub(crate) holds_rows: bool,
    /// What the cloud fills in, given the id.
    pub(crate) fill: fn(&mut Attributes, &str),
}

const KINDS: &[Kind] = &[
    Kind {
        collection: "buckets",
        id_prefix: None,
        unique_name: true,
        required: &["name"],
        optional: &["tags", "versioning"],
        fixed: &["name"],
        hidden: &[],
        parts: &[],
        refers: &[],
        slow: false,
        holds_rows: false,
        fill: |attributes, id| {
            default(attributes, "versioning", json!(false));
            default(attributes, "locator", json!(format!("testcloud:bucket:{id}")));
            default(attributes, "reads", json!(0));
        },
    },
    Kind {
        collection: "networks",
        id_prefix: Some("net"),
        unique_name: true,
        required: &["name", "cidr"],
        optional: &["description", "tags"],
        fixed: &["name", "cidr"],
        hidden: &[],
        parts: &[],
        refers: &[],
        slow: false,
        holds_rows: false,
        fill: |_, _| {},
    },
    Kind {
        collection: "instances",
        id_prefix: Some("i"),
        unique_name: false,
        required: &["image", "size"],
        optional: &["zone", "network_id", "tags", "disk"],
        fixed: &["zone"],
        hidden: &[],
        parts: &["rule"],
        refers: &[("network_id", "networks")],
        slow: true,
        holds_rows: false,
        fill: fill_instance,
    },
    Kind {
        collection: "tokens",
        id_prefix: Some("t"),
        unique_name: false,
        required: &["scope"],
        optional: &["audience"],
        fixed: &["audience"],
        hidden: &[],
        parts: &[],
        refers: &[],
        slow: false,
        holds_rows: false,
        fill: |attributes, id| default(attributes, "secret", json!(format!("secret-of-{id}"))),
    },
    Kind {
        collection: "databases",
        id_prefix: None,
        unique_name: true,
        required: &["name", "engine"],
        optional: &["size", "password", "tags"],
        fixed: &["name", "engine"],
        hidden: &["password"],
        parts: &[],
        refers: &[],
        slow: false,
        holds_rows: true,
        fill: |attributes, id| {
            default(attributes, "size", json!(10));
            default(attributes, "endpoint", json!(format!("{id}.databases.testcloud.invalid")));
        },
    },
];

/// The rules of a collection; `None` where there is no such collection to write to.
pub(crate) fn kind(collection: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.collection == collection)
}

fn default(attributes: &mut Attributes, name: &str, value: Json) {
    if attributes.get(name).is_none_or(Json::is_null) {
        attributes.insert(name.to_owned(), value);
    }
}

fn fill_instance(attributes: &mut Attributes, id: &str) {
    default(attributes, "zone", json!("a"));
    default(attributes, "rule", json!([]));
    default(attributes, "status", json!("pending"));
    if let Some(Json::Array(disks)) = attributes.get_mut("disk") {
        for (index, disk) in disks.iter_mut().enumerate() {
            if let Json::Object(disk) = disk {
                disk.insert("device".to_owned(), json!(format!("disk{index}")));
            }
        }
    }
    if let Some(Json::Array(rules)) = attributes.get_mut("rule") {
        for rule in rules.iter_mut().filter_map(Json::as_object_mut) {
            if rule.get("protocol").is_none_or(Json::is_null) {
                rule.insert("protocol".to_owned(), json!("tcp"));
            }
        }
    }
    let network = attributes.get("network_id").and_then(Json::as_str).unwrap_or("public");
    let address = format!("{id}.{network}.testcloud.invalid");
    attributes.insert("address".to_owned(), json!(address));
}

/// What a read does to an object: it gets ready, it counts.
pub(crate) fn pass_time(object: &mut Object) {
    if object.is_pending() {
        if object.polls_left > 0 {
            object.polls_left -= 1;
        } else {
            let status = if object.fails { "failed" } else { "running" };
            object.attributes.insert("status".to_owned(), json!(status));
        }
    }
    if let Some(reads) = object.attributes.get("reads").and_then(Json::as_u64) {
        object.attributes.insert("reads".to_owned(), json!(reads.saturating_add(1)));
    }
}

/// The images that always exist.
pub(crate) fn images() -> BTreeMap<Key, Object> {
    [("debian-12", "img-1", 2), ("debian-13", "img-2", 3), ("alpine-3", "img-3", 1)]
        .into_iter()
        .map(|(name, id, size)| {
            let attributes: Attributes = [("id", json!(id)), ("name", json!(name)), ("size", json!(size))]
                .map(|(k, v)| (k.to_owned(), v))
                .into();
            (("images".to_owned(), id.to_owned()), Object { attributes, ..Object::default() })
        })
        .collect()
}
