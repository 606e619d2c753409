//! What the API does: create, read, list, change and delete.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};

use super::audit::{AuditEntry, EffectKind};
use super::call::{Answer, Call, Method};
use super::kind::{Kind, kind};
use super::object::{Attributes, Object, marker_of};
use super::{Cloud, Key};

/// Either way an answer: `Err` ends a call early.
type Served = Result<Answer, Answer>;

impl Cloud {
    /// Carries out a call of the API, without faults.
    pub fn serve(&mut self, call: &Call) -> Answer {
        if let Some(token) = &self.settings.token
            && call.token.as_ref() != Some(token)
        {
            return Answer::error(401, "not_authorised", "the token is missing or wrong");
        }
        let served = match (call.method, call.segments().as_slice()) {
            (Method::Get, ["v1", collection]) => Ok(self.list(collection, call)),
            (Method::Get, ["v1", collection, id]) => self.get(collection, id),
            (Method::Post, ["v1", collection]) => self.create(collection, call),
            (Method::Patch, ["v1", collection, id]) => self.change(collection, id, call),
            (Method::Put, ["v1", collection, id, part]) => self.set_part(collection, id, part, call),
            (Method::Delete, ["v1", collection, id]) => self.delete(collection, id, call),
            (Method::Post, ["v1", collection, id, "rows"]) => self.add_rows(collection, id, call),
            _ => Err(Answer::error(404, "no_such_path", format!("there is no {} {}", call.method, call.path))),
        };
        served.unwrap_or_else(|error| error)
    }

    fn list(&mut self, collection: &str, call: &Call) -> Answer {
        let mut found = Vec::new();
        for key in self.keys_of(collection) {
            let Some(object) = self.visible(&key) else { continue };
            let matches = call.query.iter().all(|(name, wanted)| match name.strip_prefix("tag.") {
                Some(tag) => object.attributes.get("tags").and_then(|tags| tags.get(tag)) == Some(&json!(wanted)),
                None => object.text(name) == Some(wanted),
            });
            if matches {
                found.push(shown(collection, &object));
            }
        }
        Answer::new(200, Json::Array(found))
    }

    fn get(&mut self, collection: &str, id: &str) -> Served {
        let object = self.visible(&key(collection, id)).ok_or_else(|| not_found(collection, id))?;
        Ok(Answer::new(200, shown(collection, &object)))
    }

    fn create(&mut self, collection: &str, call: &Call) -> Served {
        let kind = kind(collection).ok_or_else(|| no_collection(collection))?;
        if self.settings.honour_idempotency_key
            && let Some(answer) = call.idempotency_key.as_ref().and_then(|key| self.answered.get(key))
        {
            return Ok(answer.clone());
        }
        let mut attributes = body(call)?;
        attributes.retain(|_, value| !value.is_null());
        check_names(kind, &attributes)?;
        if let Some(missing) = kind.required.iter().find(|name| !attributes.contains_key(**name)) {
            return Err(Answer::error(422, "missing", format!("`{missing}` must be set")));
        }
        self.check_references(kind, &attributes)?;
        self.check_room(kind, &attributes)?;
        self.begin_effect()?;
        let id = match kind.id_prefix {
            Some(prefix) => {
                let counter = self.counters.entry(collection.to_owned()).or_default();
                *counter += 1;
                let id = format!("{prefix}-{counter}");
                attributes.insert("id".to_owned(), json!(id));
                id
            }
            None => attributes.get("name").and_then(Json::as_str).unwrap_or_default().to_owned(),
        };
        (kind.fill)(&mut attributes, &id);
        let object = Object { attributes, polls_left: self.settings.polls, ..Object::default() };
        let status = if kind.slow { 202 } else { 201 };
        let answer = Answer::new(status, shown(collection, &object));
        let key = key(collection, &id);
        self.lag(&key, None);
        self.note(EffectKind::Create, &key, Some(call), &object.attributes);
        self.objects.insert(key, object);
        if let Some(idempotency_key) = &call.idempotency_key {
            self.answered.insert(idempotency_key.clone(), answer.clone());
        }
        Ok(answer)
    }

    fn change(&mut self, collection: &str, id: &str, call: &Call) -> Served {
        let kind = kind(collection).ok_or_else(|| no_collection(collection))?;
        let changes = body(call)?;
        check_names(kind, &changes)?;
        self.check_references(kind, &changes)?;
        let before = self.ready(collection, id)?;
        if let Some(name) = kind.fixed.iter().find(|name| {
            changes.get(**name).is_some_and(|new| before.attributes.get(**name).unwrap_or(&Json::Null) != new)
        }) {
            return Err(Answer::error(422, "fixed", format!("`{name}` cannot be changed")));
        }
        self.put(kind, id, before, changes, call)
    }

    fn set_part(&mut self, collection: &str, id: &str, part: &str, call: &Call) -> Served {
        let kind = kind(collection).ok_or_else(|| no_collection(collection))?;
        if !kind.parts.contains(&part) {
            return Err(Answer::error(404, "no_such_path", format!("`{collection}` have no `{part}`")));
        }
        let before = self.ready(collection, id)?;
        self.put(kind, id, before, [(part.to_owned(), call.body.clone())].into(), call)
    }

    fn put(&mut self, kind: &Kind, id: &str, before: Object, changes: Attributes, call: &Call) -> Served {
        self.begin_effect()?;
        let mut after = before.clone();
        merge(&mut after.attributes, changes);
        (kind.fill)(&mut after.attributes, id);
        let key = key(kind.collection, id);
        self.lag(&key, Some(before));
        self.note(EffectKind::Update, &key, Some(call), &after.attributes);
        let answer = Answer::new(200, shown(kind.collection, &after));
        self.objects.insert(key, after);
        Ok(answer)
    }

    fn delete(&mut self, collection: &str, id: &str, call: &Call) -> Served {
        kind(collection).ok_or_else(|| no_collection(collection))?;
        let key = key(collection, id);
        let before = self.objects.get(&key).cloned().ok_or_else(|| not_found(collection, id))?;
        if let Some((of, by)) = self.referrer(collection, id) {
            return Err(Answer::error(409, "in_use", format!("`{id}` is in use by `{by}` of `{of}`")));
        }
        self.begin_effect()?;
        self.note(EffectKind::Delete, &key, Some(call), &before.attributes);
        self.objects.remove(&key);
        self.lag(&key, Some(before));
        Ok(Answer::new(204, Json::Null))
    }

    fn add_rows(&mut self, collection: &str, id: &str, call: &Call) -> Served {
        let holds_rows = kind(collection).is_some_and(|kind| kind.holds_rows);
        let key = key(collection, id);
        if !holds_rows || !self.objects.contains_key(&key) {
            return Err(not_found(collection, id));
        }
        self.begin_effect()?;
        let rows = match &call.body {
            Json::Array(rows) => rows.clone(),
            row => vec![row.clone()],
        };
        let Some(object) = self.objects.get_mut(&key) else { return Err(not_found(collection, id)) };
        object.rows.extend(rows);
        let (count, attributes) = (object.rows.len(), object.attributes.clone());
        self.note(EffectKind::AddRows, &key, Some(call), &attributes);
        Ok(Answer::new(200, json!({ "rows": count })))
    }

    /// The object as it is, if it can be changed.
    fn ready(&self, collection: &str, id: &str) -> Result<Object, Answer> {
        let object = self.objects.get(&key(collection, id)).ok_or_else(|| not_found(collection, id))?;
        if object.is_pending() {
            return Err(Answer::error(409, "pending", format!("`{id}` is still being made")));
        }
        Ok(object.clone())
    }

    fn check_room(&self, kind: &Kind, attributes: &Attributes) -> Result<(), Answer> {
        let siblings = || self.objects.iter().filter(|((of, _), _)| of == kind.collection);
        let name = attributes.get("name").and_then(Json::as_str);
        let unique = kind.unique_name && !(self.settings.names_are_shared && kind.id_prefix.is_some());
        if unique && siblings().any(|(_, object)| object.text("name") == name) {
            let name = name.unwrap_or_default();
            return Err(Answer::error(409, "exists", format!("`{name}` exists already in `{}`", kind.collection)));
        }
        match self.settings.quota.get(kind.collection) {
            Some(quota) if u64::try_from(siblings().count()).is_ok_and(|count| count >= *quota) => {
                Err(Answer::error(409, "quota", format!("no more than {quota} `{}` are allowed", kind.collection)))
            }
            _ => Ok(()),
        }
    }

    fn check_references(&self, kind: &Kind, attributes: &Attributes) -> Result<(), Answer> {
        for (name, to) in kind.refers {
            if let Some(id) = attributes.get(*name).and_then(Json::as_str)
                && !self.objects.contains_key(&key(to, id))
            {
                return Err(Answer::error(422, "no_such_reference", format!("`{name}`: there is no `{id}` in `{to}`")));
            }
        }
        Ok(())
    }

    fn referrer(&self, collection: &str, id: &str) -> Option<&Key> {
        self.objects.iter().find_map(|(key, object)| {
            let refers = kind(&key.0)?.refers;
            refers.iter().any(|(name, to)| *to == collection && object.text(name) == Some(id)).then_some(key)
        })
    }

    /// Is called when nothing can go wrong any more, just before an effect.
    fn begin_effect(&mut self) -> Result<(), Answer> {
        let Some(kill) = &mut self.kill else { return Ok(()) };
        kill.effect = kill.effect.saturating_sub(1);
        if kill.effect > 0 {
            return Ok(());
        }
        let (pid, carried_out) = (kill.pid, kill.carried_out);
        self.kill = None;
        if let Some(pid) = Pid::from_raw(pid) {
            // An error means that there is no such process: it is as dead as it should be.
            let _ = kill_process(pid, Signal::KILL);
        }
        if carried_out { Ok(()) } else { Err(Answer::error(503, "killed", "the caller was killed before this")) }
    }

    pub(crate) fn note(&mut self, effect: EffectKind, key: &Key, call: Option<&Call>, attributes: &Attributes) {
        let sequence = self.audit.last().map_or(0, |last| last.sequence) + 1;
        self.audit.push(AuditEntry {
            sequence,
            effect,
            collection: key.0.clone(),
            id: key.1.clone(),
            idempotency_key: call.and_then(|call| call.idempotency_key.clone()),
            marker: marker_of(attributes).map(str::to_owned),
            by_other: call.is_none(),
        });
    }

    /// Lets the object that a create just answered with end in failure.
    pub(crate) fn fail_provisioning(&mut self, answer: &Answer) {
        if let Some(id) = answer.body.get("id").and_then(Json::as_str)
            && let Some(object) = self.objects.get_mut(&key("instances", id))
        {
            object.fails = true;
        }
    }
}

pub(crate) fn key(collection: &str, id: &str) -> Key {
    (collection.to_owned(), id.to_owned())
}

/// Sets what is given; null removes.
pub(crate) fn merge(attributes: &mut Attributes, changes: Attributes) {
    for (name, value) in changes {
        if value.is_null() {
            attributes.remove(&name);
        } else {
            attributes.insert(name, value);
        }
    }
}

/// What the API shows of an object.
fn shown(collection: &str, object: &Object) -> Json {
    let kind = kind(collection);
    let mut shown: serde_json::Map<String, Json> = object
        .attributes
        .iter()
        .filter(|(name, _)| kind.is_none_or(|kind| !kind.hidden.contains(&name.as_str())))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if kind.is_some_and(|kind| kind.holds_rows) {
        shown.insert("rows".to_owned(), json!(object.rows.len()));
    }
    Json::Object(shown)
}

fn body(call: &Call) -> Result<Attributes, Answer> {
    match &call.body {
        Json::Object(body) => Ok(body.clone().into_iter().collect()),
        _ => Err(Answer::error(400, "no_object", "the body must be a JSON object")),
    }
}

fn check_names(kind: &Kind, attributes: &Attributes) -> Result<(), Answer> {
    let known = |name: &str| kind.required.contains(&name) || kind.optional.contains(&name);
    match attributes.keys().find(|name| !known(name)) {
        Some(name) => Err(Answer::error(422, "unknown_attribute", format!("`{name}` cannot be set"))),
        None => Ok(()),
    }
}

fn not_found(collection: &str, id: &str) -> Answer {
    Answer::error(404, "not_found", format!("there is no `{id}` in `{collection}`"))
}

fn no_collection(collection: &str) -> Answer {
    Answer::error(404, "no_such_collection", format!("there is no collection `{collection}`"))
}
