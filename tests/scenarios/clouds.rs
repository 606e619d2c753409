//! A stack in a cloud that gives the ids and holds the truth, and what is compared of it.

use std::collections::BTreeSet;

use retrue_provider_testcloud::Server;

use crate::environment::{Environment, stack};

/// Four kinds of things. What changes between old and new: an update in place, a replacement, a
/// delete, a create.
pub(super) fn blocks(server: &Server, new: bool) -> String {
    let (size, zone, own) = if new { ("large", "b", "new") } else { ("small", "a", "old") };
    stack(&format!(
        r#"
[provider.testcloud]
url = "{}"

[resource.testcloud_network.main]
name = "main"
cidr = "10.0.0.0/16"

[resource.testcloud_instance.resized]
image = "debian-13"
size = "{size}"
network_id = "${{testcloud_network.main.id}}"
tags = {{ is = "resized" }}

[[resource.testcloud_instance.resized.rule]]
port = 443

[resource.testcloud_instance.replaced]
image = "alpine-3"
size = "small"
zone = "{zone}"
network_id = "${{testcloud_network.main.id}}"
tags = {{ is = "replaced" }}

[resource.testcloud_bucket.{own}]
name = "{own}"
tags = {{ of = "${{testcloud_instance.resized.id}}" }}
"#,
        server.url()
    ))
}

/// All that exists, without what the cloud chose by itself.
pub(super) fn truth(server: &Server) -> Vec<String> {
    let mut truth: Vec<String> = server
        .cloud()
        .truth()
        .iter()
        .map(|object| {
            let of = |name: &str| object.attributes.get(name).map(ToString::to_string).unwrap_or_default();
            let tag = object.attributes.get("tags").and_then(|tags| tags.get("is")).map(ToString::to_string);
            format!("{} {} {} {} {tag:?}", object.collection, of("name"), of("size"), of("zone"))
        })
        .collect();
    truth.sort();
    truth
}

pub(super) const APPLY: [&str; 4] = ["apply", "--yes", "--parallelism", "1"];
pub(super) const COMPENSATE: [&str; 4] = ["compensate", "--yes", "--parallelism", "1"];
/// The undo of a replacement gives a new id, and of that the plan warned.
pub(super) const PAST: [&str; 8] = [
    "compensate",
    "--yes",
    "--parallelism",
    "1",
    "--past",
    "testcloud_instance.replaced",
    "--past",
    "testcloud_instance.resized",
];

/// A cloud, and a stack that was applied to it and then changed.
pub(super) fn changing() -> (Server, Environment) {
    let server = Server::start().unwrap();
    let place = Environment::with_stack(&blocks(&server, false));
    place.run(&APPLY).ends(0);
    place.run(&["runs", "accept", &place.runs()[0]]).ends(0);
    place.write("retrue.toml", blocks(&server, true));
    (server, place)
}

/// What exists is what is recorded, one to one.
#[track_caller]
pub(super) fn nothing_is_lost(server: &Server, place: &Environment, when: &str) {
    let state = place.run(&["state", "list", "--json"]).ends(0).json();
    // A bucket has no id but its name, which here is that of its block, too.
    let id = |entry: &serde_json::Value| {
        let name = entry["address"].as_str().unwrap().rsplit('.').next();
        entry["id"].as_str().or(name).unwrap().to_owned()
    };
    let known: Vec<String> = state.as_array().unwrap().iter().map(id).collect();
    let exists: Vec<String> = server.cloud().truth().iter().map(|object| object.id.clone()).collect();
    let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&known), set(&exists), "{when}: recorded, and existing");
    assert_eq!(known.len(), exists.len(), "{when}: twice the same");
}
