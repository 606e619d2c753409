//! What is there that we did not make: how it was, and what may become of it. Told by what is done to the cloud; the store
//! is never asked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use retrue_provider_testcloud::cloud::{Cloud, EffectKind, MARKER_TAG, TruthObject, lock};
use serde_json::{Map, Value as Json, json};

use super::script::{Ending, Outside, Script};
use super::stack::{Blocks, Thing, address, description, observed};

/// The attributes of an object.
type Attributes = Map<String, Json>;
/// A collection, and an id in it.
pub(crate) type Key = (String, String);

/// The marker of a stack that is not ours.
pub(crate) const FOREIGN: &str =
    "retrue/99999999-0000-4000-8000-000000000009/default/1/current/testcloud_network.theirs";

/// One thing that somebody else made.
struct Outsider {
    slot: u8,
    /// How it may be when nobody owns it: as it was made, or as somebody changed it since.
    originals: Vec<Attributes>,
    /// Whether another stack owns it.
    theirs: bool,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Outsiders {
    things: BTreeMap<Key, Outsider>,
    ends: BTreeMap<u8, Ending>,
    /// Slots that were ever declared.
    declared: BTreeSet<u8>,
}

/// A rule, and what was seen.
type Broken = (&'static str, String);

/// The slot whose object this could be, of those that can be found by a name.
fn slot_of(object: &TruthObject) -> Option<u8> {
    let name = object.attributes.get("name").and_then(Json::as_str)?;
    let slot = match object.collection.as_str() {
        "networks" => name.strip_prefix('n')?,
        "buckets" => name.strip_prefix('b')?.split('-').next()?,
        _ => return None,
    };
    slot.parse().ok()
}

/// Whether a stack declares an object.
fn declares(blocks: &Blocks, slot: u8, name: &str) -> bool {
    match (slot, blocks.get(&slot)) {
        (5 | 6, Some(block)) => name == format!("b{slot}-{}", block.zone),
        (_, block) => block.is_some(),
    }
}

fn name_of(object: &TruthObject) -> &str {
    object.attributes.get("name").and_then(Json::as_str).unwrap_or_default()
}

fn key_of(object: &TruthObject) -> Key {
    (object.collection.clone(), object.id.clone())
}

/// All that is said of an object, but for how often it was looked at.
fn content(object: &TruthObject) -> Attributes {
    let mut content: Attributes = object.attributes.clone().into_iter().collect();
    content.remove("reads");
    content
}

/// The same, but for what it refers to.
fn but_for_reference(content: &Attributes) -> Attributes {
    let mut content = content.clone();
    if let Some(Json::Object(tags)) = content.get_mut("tags") {
        tags.remove("of");
    }
    content
}

impl Outsiders {
    pub(crate) fn new(script: &Script) -> Self {
        Outsiders { ends: script.ends.clone(), ..Outsiders::default() }
    }

    fn ending(&self, slot: u8) -> Option<Ending> {
        self.ends.get(&slot).copied()
    }

    /// Whether what we made under a slot stays when it is no longer declared.
    fn stays(&self, slot: u8) -> bool {
        matches!(self.ending(slot), Some(Ending::Forget | Ending::Restore))
    }

    /// Somebody makes a thing, where nothing is and no owner of ours is.
    pub(crate) fn make(&mut self, cloud: &Mutex<Cloud>, outside: Outside, blocks: &Blocks) {
        let Outside { slot, zone, size, theirs, .. } = outside;
        let bucket = matches!(slot, 5 | 6);
        let name = if bucket { format!("b{slot}-{zone}") } else { format!("n{slot}") };
        let (collection, id) =
            if bucket { ("buckets", name.clone()) } else { ("networks", format!("net-outside-{slot}")) };
        let taken = lock(cloud).truth().iter().any(|object| object.collection == collection && name_of(object) == name);
        if taken || declares(blocks, slot, &name) {
            return;
        }
        let mut tags = Map::new();
        if size == 1 {
            tags.insert("team".into(), json!("x"));
        }
        if theirs {
            tags.insert(MARKER_TAG.into(), json!(FOREIGN));
        }
        let mut set = Map::from_iter([("name".to_owned(), json!(name))]);
        if !tags.is_empty() {
            set.insert("tags".into(), Json::Object(tags));
        }
        if bucket {
            set.insert("versioning".into(), json!(size > 0));
        } else {
            set.insert("cidr".into(), json!(format!("10.{slot}.0.0/16")));
            if size < 2 {
                set.insert("description".into(), json!(description(size)));
            }
        }
        lock(cloud).put_object(collection, &id, &set.into_iter().collect());
        let made = lock(cloud).truth().into_iter().find(|object| object.collection == collection && object.id == id);
        if let Some(made) = made {
            let outsider = Outsider { slot, originals: vec![content(&made)], theirs };
            self.things.insert(key_of(&made), outsider);
        }
    }

    /// Somebody did something, or may have: what is gone is theirs no longer, and what was nobody's is now as it is.
    /// `surely` where it is known which of them are ours: those that are declared.
    pub(crate) fn meddled(&mut self, truth: &[TruthObject], blocks: &Blocks, surely: bool) {
        let now: BTreeMap<Key, &TruthObject> = truth.iter().map(|object| (key_of(object), object)).collect();
        self.things.retain(|key, _| now.contains_key(key));
        for (key, outsider) in &mut self.things {
            let Some(object) = now.get(key) else { continue };
            let content = content(object);
            let ours = declares(blocks, outsider.slot, name_of(object));
            if surely && !ours {
                outsider.originals = vec![content];
            } else if !surely && !outsider.originals.contains(&content) {
                outsider.originals.push(content);
            }
        }
    }

    /// Somebody takes away what would stand in the way of a replacement: only what is new adopts.
    pub(crate) fn make_way(&mut self, cloud: &Mutex<Cloud>, before: &Blocks, edits: &Blocks) {
        for (slot, block) in edits.iter().filter(|(slot, _)| matches!(slot, 5 | 6)) {
            let name = format!("b{slot}-{}", block.zone);
            if before.get(slot).is_some_and(|was| was.zone != block.zone) {
                lock(cloud).remove_object("buckets", &name);
                self.things.remove(&("buckets".to_owned(), name));
            }
        }
    }

    /// Blocks are declared.
    pub(crate) fn declare(&mut self, blocks: &Blocks) {
        self.declared.extend(blocks.keys());
    }

    /// Whether something is there that could be adopted under a slot.
    pub(crate) fn could_be_adopted(&self, slot: u8) -> bool {
        self.things.values().any(|outsider| outsider.slot == slot && !outsider.theirs)
    }

    /// The owners of what belongs to other stacks take it away.
    pub(crate) fn theirs_go(&mut self, cloud: &Mutex<Cloud>) -> Vec<Key> {
        let theirs: Vec<Key> =
            self.things.iter().filter(|(_, outsider)| outsider.theirs).map(|(key, _)| key.clone()).collect();
        for key in &theirs {
            lock(cloud).remove_object(&key.0, &key.1);
            self.things.remove(key);
        }
        theirs
    }

    /// What must not have become of what somebody else made.
    pub(crate) fn judge(
        &self,
        cloud: &Mutex<Cloud>,
        known: &BTreeSet<Key>,
        doubts: &BTreeSet<String>,
    ) -> Option<Broken> {
        let cloud = lock(cloud);
        let truth = cloud.truth();
        for (key, outsider) in &self.things {
            let may_go = self.ending(outsider.slot) == Some(Ending::Delete) && self.declared.contains(&outsider.slot);
            let ours = |entry: &&retrue_provider_testcloud::cloud::AuditEntry| {
                entry.effect == EffectKind::Delete
                    && !entry.by_other
                    && (&entry.collection, &entry.id) == (&key.0, &key.1)
            };
            let Some(object) = truth.iter().find(|object| key_of(object) == *key) else {
                if may_go && !outsider.theirs {
                    continue;
                }
                return Some(("what somebody else made is not deleted", format!("{key:?} is gone")));
            };
            // What we made where it was taken away stands under the same name.
            if !may_go && cloud.audit().iter().rev().take_while(|entry| !entry.by_other).any(|entry| ours(&entry)) {
                return Some(("what somebody else made is not deleted", format!("{key:?} was, and is made again")));
            }
            let untouched = outsider.originals.contains(&content(object));
            if outsider.theirs && (known.contains(key) || !untouched) {
                let what = format!("{key:?} was {:?}, and is {object:?}", outsider.originals);
                return Some(("what another stack owns is not adopted", what));
            }
            if known.contains(key) || doubts.contains(&address(outsider.slot)) {
                continue;
            }
            if !untouched && self.ending(outsider.slot) != Some(Ending::Forget) {
                let what = format!("{key:?} was {:?}, and is {object:?}", outsider.originals);
                return Some(("what is not ours any more is as it was when it was adopted", what));
            }
        }
        None
    }

    /// Whether an object that is not recorded is no orphan.
    pub(crate) fn explains(&self, object: &TruthObject) -> bool {
        self.things.contains_key(&key_of(object))
            || slot_of(object).is_some_and(|slot| self.stays(slot) && self.declared.contains(&slot))
    }

    /// What stands beside a stack: what somebody else made, or we made and were told to leave.
    pub(crate) fn beside(&self, truth: &[TruthObject], blocks: &Blocks) -> Vec<TruthObject> {
        let beside = |object: &&TruthObject| {
            self.explains(object) && !slot_of(object).is_some_and(|slot| declares(blocks, slot, name_of(object)))
        };
        truth.iter().filter(beside).cloned().collect()
    }

    /// What must have become of what is not declared any more, when an apply has come to its end.
    pub(crate) fn ended(
        &self,
        was: &[TruthObject],
        is: &[TruthObject],
        blocks: [&Blocks; 2],
        calm: bool,
    ) -> Option<Broken> {
        for object in was {
            let Some(slot) = slot_of(object) else { continue };
            let declared = |blocks: &Blocks| declares(blocks, slot, name_of(object));
            if !declared(blocks[0]) || declared(blocks[1]) {
                continue;
            }
            let now = is.iter().find(|now| key_of(now) == key_of(object));
            let told = || format!("{object:?} is now {now:?}");
            match self.ending(slot) {
                Some(Ending::Delete) if now.is_some() => return Some(("what is to be deleted is deleted", told())),
                Some(Ending::Forget | Ending::Restore) if now.is_none() => {
                    return Some(("what is to stay stays", told()));
                }
                Some(Ending::Forget) if calm && now.map(content) != Some(content(object)) => {
                    return Some(("what is forgotten stays as it is", told()));
                }
                _ => {}
            }
        }
        None
    }

    /// What was not as it was before, to the byte, after all was undone.
    pub(crate) fn undone(&self, was: &[TruthObject], is: &[TruthObject]) -> Option<Broken> {
        for (object, now) in was.iter().filter_map(|object| {
            self.things
                .get(&key_of(object))
                .and(is.iter().find(|now| key_of(now) == key_of(object)))
                .map(|now| (object, now))
        }) {
            let (before, after) = (content(object), content(now));
            // Where what it refers to was made again, a look at what that is says more.
            let (before, after) = match before.get("tags") == after.get("tags") {
                true => (before, after),
                false => (but_for_reference(&before), but_for_reference(&after)),
            };
            if before != after {
                let rule = "what was adopted is after an undo what it was before, to the byte";
                return Some((rule, format!("{object:?} is now {now:?}")));
            }
        }
        None
    }

    /// Leaves out of a world what stands beside it.
    pub(crate) fn without(things: Vec<Thing>, beside: &[TruthObject]) -> Vec<Thing> {
        let known: BTreeSet<(&str, String)> =
            observed(beside).into_iter().map(|thing| (thing.kind, thing.name)).collect();
        things.into_iter().filter(|thing| !known.contains(&(thing.kind, thing.name.clone()))).collect()
    }
}
