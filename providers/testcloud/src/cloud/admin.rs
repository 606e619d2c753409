//! What tests may do that no customer may: look at everything, change anything, break anything.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::audit::{AuditEntry, EffectKind, KillAtEffect};
use super::call::{Answer, Call, Method};
use super::object::{Attributes, Object, TruthObject};
use super::serve::{key, merge};
use super::settings::Settings;
use super::{Cloud, kind};

impl Cloud {
    /// Every object, by collection and id; the images that always exist are left out.
    pub fn truth(&self) -> Vec<TruthObject> {
        self.objects
            .iter()
            .filter(|((collection, _), _)| collection != "images")
            .map(|((collection, id), object)| TruthObject {
                collection: collection.clone(),
                id: id.clone(),
                attributes: object.attributes.clone(),
                rows: object.rows.clone(),
            })
            .collect()
    }

    /// Every effect so far, oldest first.
    pub fn audit(&self) -> &[AuditEntry] {
        &self.audit
    }

    /// How the cloud behaves, to be changed.
    pub fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Ends a process at an effect that is still to come.
    pub fn kill_at_effect(&mut self, kill: KillAtEffect) {
        self.kill = Some(kill);
    }

    /// Somebody else sets attributes of an object (null removes one), and makes it if need be.
    pub fn put_object(&mut self, collection: &str, id: &str, set: &Attributes) {
        let key = key(collection, id);
        let before = self.objects.get(&key).cloned();
        let effect = if before.is_some() { EffectKind::Update } else { EffectKind::Create };
        let mut object = before.clone().unwrap_or_default();
        merge(&mut object.attributes, set.clone());
        if before.is_none() {
            complete(&mut object, collection, id);
        }
        self.lag(&key, before);
        self.note(effect, &key, None, &object.attributes);
        self.objects.insert(key, object);
    }

    /// Somebody else removes an object, whatever refers to it.
    pub fn remove_object(&mut self, collection: &str, id: &str) {
        let key = key(collection, id);
        if let Some(before) = self.objects.remove(&key) {
            self.note(EffectKind::Delete, &key, None, &before.attributes);
            self.lag(&key, Some(before));
        }
    }

    /// Carries out a call of the admin interface.
    pub(crate) fn administer(&mut self, call: &Call) -> Answer {
        match (call.method, call.segments().as_slice()) {
            (Method::Get, ["_truth"]) => answer(&self.truth()),
            (Method::Get, ["_audit"]) => answer(&self.audit),
            (Method::Get, ["_settings"]) => answer(&self.settings),
            (Method::Put, ["_settings"]) => self.with_body(call, |cloud, settings| cloud.settings = settings),
            (Method::Post, ["_faults"]) => self.with_body(call, Cloud::add_fault),
            (Method::Get, ["_faults"]) => answer(&self.faults.iter().map(|armed| &armed.fault).collect::<Vec<_>>()),
            (Method::Delete, ["_faults"]) => {
                self.clear_faults();
                done()
            }
            (Method::Post, ["_kill"]) => self.with_body(call, Cloud::kill_at_effect),
            (Method::Put, ["_objects", collection, id]) => {
                self.with_body(call, |cloud, set: Attributes| cloud.put_object(collection, id, &set))
            }
            (Method::Delete, ["_objects", collection, id]) => {
                self.remove_object(collection, id);
                done()
            }
            _ => Answer::error(404, "no_such_path", format!("there is no {} {}", call.method, call.path)),
        }
    }

    fn with_body<T: DeserializeOwned>(&mut self, call: &Call, take: impl FnOnce(&mut Cloud, T)) -> Answer {
        match serde_json::from_value(call.body.clone()) {
            Ok(body) => {
                take(self, body);
                done()
            }
            Err(error) => Answer::error(422, "wrong_body", error),
        }
    }
}

/// Gives an object that somebody else made what the cloud would have given it.
fn complete(object: &mut Object, collection: &str, id: &str) {
    let Some(kind) = kind::kind(collection) else { return };
    let name = if kind.id_prefix.is_some() { "id" } else { "name" };
    object.attributes.insert(name.to_owned(), json!(id));
    (kind.fill)(&mut object.attributes, id);
    if object.is_pending() {
        object.attributes.insert("status".to_owned(), json!("running"));
    }
}

fn done() -> Answer {
    Answer::new(204, Json::Null)
}

fn answer(body: &impl Serialize) -> Answer {
    match serde_json::to_value(body) {
        Ok(body) => Answer::new(200, body),
        Err(error) => Answer::error(500, "not_json", error),
    }
}
