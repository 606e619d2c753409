//! The stack of a script: its TOML, and the world that it declares. The second never looks at the first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use retrue_provider_testcloud::cloud::{MARKER_TAG, TruthObject};
use serde_json::Value as Json;

use super::script::{Block, Ending};

/// What must be in no file in the clear.
pub(crate) const SECRET: &str = "planted-Passw0rd-in-no-file";

/// The blocks of a stack, by slot.
pub(crate) type Blocks = BTreeMap<u8, Block>;

/// One thing of the world as a person would compare it: without ids and what follows from them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Thing {
    pub(crate) kind: &'static str,
    /// What it is called, by which it is the same thing after it was made anew.
    pub(crate) name: String,
    pub(crate) is: String,
    /// How many rows it holds.
    pub(crate) rows: usize,
}

/// The address of a slot.
pub(crate) fn address(slot: u8) -> String {
    format!("{}.s{slot}", type_of(slot))
}

fn type_of(slot: u8) -> &'static str {
    match slot {
        0 | 1 => "testcloud_network",
        2..=4 => "testcloud_instance",
        5 | 6 => "testcloud_bucket",
        7 => "testcloud_database",
        8 => "testcloud_token",
        _ => "retrue_data",
    }
}

const SIZES: [&str; 3] = ["small", "medium", "large"];
const ZONES: [&str; 2] = ["a", "b"];
const ENGINES: [&str; 2] = ["postgres", "mysql"];

/// What a network is said to be.
pub(crate) fn description(size: u8) -> &'static str {
    SIZES[usize::from(size) % SIZES.len()]
}

fn size(block: Block) -> &'static str {
    SIZES[usize::from(block.size) % SIZES.len()]
}

fn pick(of: [&'static str; 2], block: Block) -> &'static str {
    of[usize::from(block.zone) % 2]
}

/// The slot that a block refers to, if it is there.
fn referred(blocks: &Blocks, slot: u8, block: Block) -> Option<u8> {
    let to = match slot {
        2..=4 => slot % 2,
        5 | 6 => slot - 3,
        8 => 7,
        9 => 8,
        _ => return None,
    };
    (block.refers && blocks.contains_key(&to)).then_some(to)
}

/// The file of a stack.
pub(crate) fn toml(blocks: &Blocks, ends: &BTreeMap<u8, Ending>, ways: [Option<String>; 2], settles: u64) -> String {
    let [url, other] = ways.map(Option::unwrap_or_default);
    let other = match other.is_empty() {
        true => String::new(),
        false => format!("[provider.testcloud.resilience]\nfallback = [{{ url = \"{other}\" }}]\n"),
    };
    let mut toml = format!(
        "[stack]\nschema = 1\nname = \"simulated\"\n\n[provider.testcloud]\nurl = \"{url}\"\nsettles_within = {settles}\n\
         {other}[variable.password]\ntype = \"string\"\nsensitive = true\ndefault = \"{SECRET}\"\n"
    );
    for (slot, block) in blocks {
        let _ = writeln!(toml, "\n[resource.{}.s{slot}]", type_of(*slot));
        let refers = referred(blocks, *slot, *block).map(address);
        let _ = match slot {
            0 | 1 => writeln!(
                toml,
                // What others are in cannot be replaced, by anybody.
                "name = \"n{slot}\"\ncidr = \"10.{slot}.0.0/16\"\ndescription = \"{}\"",
                size(*block)
            ),
            2..=4 => {
                let network = refers.map(|to| format!("network_id = \"${{{to}.id}}\"\n")).unwrap_or_default();
                writeln!(
                    toml,
                    "image = \"debian-13\"\nsize = \"{}\"\nzone = \"{}\"\n{network}rule = [{{ port = {} }}]",
                    size(*block),
                    pick(ZONES, *block),
                    400 + u16::from(block.size)
                )
            }
            5 | 6 => {
                let tags = refers.map(|to| format!("tags = {{ of = \"${{{to}.id}}\" }}\n")).unwrap_or_default();
                writeln!(toml, "name = \"b{slot}-{}\"\nversioning = {}\n{tags}", block.zone, block.size % 2 == 1)
            }
            7 => writeln!(
                toml,
                "name = \"db\"\nengine = \"{}\"\nsize = {}\npassword = \"${{var.password}}\"",
                pick(ENGINES, *block),
                10 + block.size
            ),
            8 => {
                let scope = refers.map_or(size(*block).to_owned(), |to| format!("{}-${{{to}.endpoint}}", size(*block)));
                writeln!(toml, "scope = \"{scope}\"\naudience = \"{}\"", pick(ZONES, *block))
            }
            _ => {
                let input = refers.map_or(size(*block).to_owned(), |to| format!("${{{to}.id}}"));
                writeln!(toml, "input = \"{input}\"")
            }
        };
        if let Some(ending) = ends.get(slot) {
            let word = match ending {
                Ending::Restore => "restore",
                Ending::Forget => "forget",
                Ending::Delete => "delete",
            };
            let _ = writeln!(toml, "lifecycle = {{ on_destroy = \"{word}\" }}");
        }
        // What has one name cannot be there twice; nor can what such a one refers to, which is made first, too.
        if block.first && (matches!(slot, 2..=4) || *slot == 8 && !block.refers) {
            toml.push_str("lifecycle = { create_before_destroy = true }\n");
        }
    }
    toml
}

/// The world that a stack declares, but for rows.
pub(crate) fn declared(blocks: &Blocks) -> Vec<Thing> {
    let mut things = Vec::new();
    for (slot, block) in blocks {
        let refers = referred(blocks, *slot, *block);
        let (kind, name, is) = match slot {
            0 | 1 => ("networks", format!("n{slot}"), format!("10.{slot}.0.0/16 {}", size(*block))),
            2..=4 => {
                let network = refers.map_or("none".to_owned(), |to| format!("n{to}"));
                let is = format!(
                    "debian-13 {} {} in {network}, port {}",
                    size(*block),
                    pick(ZONES, *block),
                    400 + u16::from(block.size)
                );
                ("instances", address(*slot), is)
            }
            5 | 6 => {
                let of = refers.map_or("none".to_owned(), address);
                ("buckets", format!("b{slot}-{}", block.zone), format!("versioning {}, of {of}", block.size % 2 == 1))
            }
            7 => ("databases", "db".to_owned(), format!("{} {} {SECRET}", pick(ENGINES, *block), 10 + block.size)),
            8 => {
                let to = refers.map_or(String::new(), |_| "-db.databases.testcloud.invalid".to_owned());
                ("tokens", "token".to_owned(), format!("{}{to} for {}", size(*block), pick(ZONES, *block)))
            }
            _ => continue,
        };
        things.push(Thing { kind, name, is, rows: 0 });
    }
    things.sort();
    things
}

/// The world as it is.
pub(crate) fn observed(truth: &[TruthObject]) -> Vec<Thing> {
    let text = |object: &TruthObject, name: &str| match object.attributes.get(name) {
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "none".to_owned(),
    };
    let called = |object: &TruthObject| match object.collection.as_str() {
        "instances" => addressed(object).unwrap_or_else(|| format!("without a marker: {}", object.id)),
        "tokens" => "token".to_owned(),
        _ => text(object, "name"),
    };
    let names: BTreeMap<&str, String> = truth.iter().map(|object| (object.id.as_str(), called(object))).collect();
    let named = |id: String| names.get(id.as_str()).cloned().unwrap_or(id);
    let mut things: Vec<Thing> = truth
        .iter()
        .map(|object| {
            let get = |name| text(object, name);
            let (kind, is) = match object.collection.as_str() {
                "networks" => ("networks", format!("{} {}", get("cidr"), get("description"))),
                "instances" => {
                    let rules = object.attributes.get("rule").and_then(Json::as_array);
                    let ports: Vec<String> = rules.into_iter().flatten().map(|rule| rule["port"].to_string()).collect();
                    let of = format!("{} {} {}", get("image"), get("size"), get("zone"));
                    ("instances", format!("{of} in {}, port {}", named(get("network_id")), ports.join(" ")))
                }
                "buckets" => {
                    let of = object.attributes.get("tags").and_then(|tags| tags.get("of")).and_then(Json::as_str);
                    let of = of.map_or("none".to_owned(), |id| named(id.to_owned()));
                    ("buckets", format!("versioning {}, of {of}", get("versioning")))
                }
                "databases" => ("databases", format!("{} {} {}", get("engine"), get("size"), get("password"))),
                _ => ("tokens", format!("{} for {}", get("scope"), get("audience"))),
            };
            Thing { kind, name: called(object), is, rows: object.rows.len() }
        })
        .collect();
    things.sort();
    things
}

/// The address in the marker of an object.
pub(crate) fn addressed(object: &TruthObject) -> Option<String> {
    let marker = object.attributes.get("tags")?.get(MARKER_TAG)?.as_str()?;
    (0..super::script::SLOTS).map(address).find(|address| marker.contains(address.as_str()))
}
