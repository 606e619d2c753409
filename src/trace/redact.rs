//! What stands in a trace in place of secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use retrue_provider_api::{Data, Entries, Number, Private, Refinement, Value, secrets};
use serde_json::Value as Json;

use crate::rest::{Seal, each_sealed};

/// The key that seals what rests in a trace: no secret, for no secret is in it.
pub const KEY: [u8; 32] = *b"retrue trace: there is no secret";

/// What the bytes of a provider become, before a digest of them.
const PRIVATE: &str = "retrue trace private ";
/// What a placeholder begins with.
const OPEN: &str = "(secret ";
/// Texts shorter than this are secrets only where nothing stands beside them.
const SHORTEST: usize = 3;
/// Numbers that stand for secret ones begin here.
const NUMBERS: i64 = 900_000_000_000_000;

/// The secrets that are known so far, and what stands for them.
pub struct Secrets {
    /// For digests of bytes: they shall not be guessed.
    salt: [u8; 32],
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    /// Texts, in all their forms, and what stands for each.
    texts: BTreeMap<Arc<str>, Arc<str>>,
    /// Those that are looked for inside of others, the longest first.
    inside: Vec<(Arc<str>, Arc<str>)>,
    numbers: BTreeMap<String, i64>,
    count: i64,
}

impl Secrets {
    /// None yet.
    pub fn new(salt: [u8; 32]) -> Self {
        Secrets { salt, known: RwLock::default() }
    }

    /// Takes what is marked in a value for secret.
    pub fn learn(&self, value: &Value) {
        if value.marks_deep().is_empty() {
            return;
        }
        let (plain, marked) = value.clone().unmark_with_paths();
        for part in marked.keys().filter_map(|path| path.get(&plain)) {
            self.learn_all(part);
        }
    }

    /// Takes all of a value for secret. Truth values are not: what they say is too little to be found again.
    pub fn learn_all(&self, value: &Value) {
        let mut found: Vec<Value> = Vec::new();
        value.visit(&mut |_, leaf| {
            let told = leaf.as_str().is_some_and(|text| !text.is_empty()) || leaf.as_number().is_some();
            if told && !self.knows(leaf) {
                found.push(leaf.clone());
            }
            true
        });
        if found.is_empty() {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for leaf in found {
            match leaf.as_number() {
                Some(number) => known.number(number),
                None => known.text(leaf.as_str().unwrap_or_default()),
            }
        }
        known.order();
    }

    fn knows(&self, leaf: &Value) -> bool {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        match leaf.as_number() {
            Some(number) => known.numbers.contains_key(&number.to_string()),
            None => leaf.as_str().is_some_and(|text| text.contains(OPEN) || known.texts.contains_key(text)),
        }
    }

    /// A value without secrets.
    pub fn hide(&self, value: &Value) -> Value {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        hide(value, &known, &|bytes| self.digest(bytes))
    }

    /// A text without secrets.
    pub fn hide_text(&self, text: &str) -> String {
        self.known.read().unwrap_or_else(PoisonError::into_inner).hidden(text)
    }

    /// What stands for the bytes of a provider.
    pub fn digest(&self, bytes: &[u8]) -> Vec<u8> {
        if bytes.is_empty() || bytes.starts_with(PRIVATE.as_bytes()) {
            return bytes.to_vec();
        }
        format!("{PRIVATE}{}", blake3::keyed_hash(&self.salt, bytes).to_hex()).into_bytes()
    }

    /// Recorded state, as a store holds it, with everything sealed replaced and sealed anew.
    pub fn reseal(&self, records: BTreeMap<String, Json>, seal: &dyn Seal, anew: &dyn Seal) -> BTreeMap<String, Json> {
        // All secrets are learned first: one may stand elsewhere in the clear, as a part of something else.
        for json in records.values() {
            each_sealed(json, seal, &mut |value| self.learn_all(value));
        }
        let records = records.into_iter();
        records.map(|(key, json)| (key, self.resealed(&json, false, seal, anew))).collect()
    }

    fn resealed(&self, json: &Json, below_sealed: bool, seal: &dyn Seal, anew: &dyn Seal) -> Json {
        match json {
            Json::Object(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(name, inner)| {
                        // What is no value is a word of ours: an address, the name of a provider.
                        let value = Some(inner).filter(|_| name == "value");
                        let inner = match value.and_then(|inner| retrue_provider_api::from_wire(inner).ok()) {
                            Some(value) => retrue_provider_api::to_wire(&self.hide(&value)),
                            None => self.resealed(inner, below_sealed || name == "sealed", seal, anew),
                        };
                        (name.clone(), inner)
                    })
                    .collect(),
            ),
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.resealed(item, below_sealed, seal, anew)).collect())
            }
            Json::String(text) => match seal.unseal(text) {
                None => json.clone(),
                Some(bytes) if below_sealed => {
                    let wire = serde_json::from_slice::<Json>(&bytes).ok();
                    let value = wire.and_then(|wire| retrue_provider_api::from_wire(&wire).ok());
                    let hidden = value.map(|value| retrue_provider_api::to_wire(&self.hide(&value)));
                    Json::String(anew.seal(hidden.unwrap_or_default().to_string().as_bytes()))
                }
                Some(bytes) => {
                    let private = STANDARD.decode(&bytes).unwrap_or(bytes);
                    Json::String(anew.seal(STANDARD.encode(self.digest(&private)).as_bytes()))
                }
            },
            other => other.clone(),
        }
    }

    /// See [`Secrets::digest`].
    pub fn private(&self, private: &Private) -> String {
        String::from_utf8_lossy(&self.digest(&private.0)).into_owned()
    }
}

impl Known {
    fn text(&mut self, text: &str) {
        if text.contains(OPEN) || self.texts.contains_key(text) {
            return;
        }
        self.count += 1;
        let number = self.count;
        self.form(text.to_owned(), format!("{OPEN}{number})"));
        if text.len() < SHORTEST {
            return;
        }
        let bytes = text.as_bytes();
        for encoded in [STANDARD.encode(bytes), URL_SAFE.encode(bytes)] {
            self.form(encoded, format!("{OPEN}{number}, base64)"));
        }
        secrets::each_form(text, &mut |form, kind| self.form(form.to_owned(), format!("{OPEN}{number}, {kind})")));
    }

    fn form(&mut self, form: String, placeholder: String) {
        if !form.is_empty() {
            self.texts.entry(form.into()).or_insert_with(|| placeholder.into());
        }
    }

    fn number(&mut self, number: &Number) {
        let text = number.to_string();
        if self.numbers.contains_key(&text) || number.as_i64().is_some_and(|number| number >= NUMBERS) {
            return;
        }
        self.count += 1;
        self.numbers.insert(text.clone(), NUMBERS + self.count);
        self.form(text, format!("{OPEN}{})", self.count));
    }

    fn order(&mut self) {
        let inside = self.texts.iter().filter(|(text, _)| text.len() >= SHORTEST);
        self.inside = inside.map(|(text, placeholder)| (Arc::clone(text), Arc::clone(placeholder))).collect();
        self.inside.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
    }

    fn hidden(&self, text: &str) -> String {
        if let Some(placeholder) = self.texts.get(text) {
            return placeholder.to_string();
        }
        let mut text = text.to_owned();
        for (secret, placeholder) in &self.inside {
            if text.contains(secret.as_ref()) {
                text = outside_placeholders(&text, secret, placeholder);
            }
        }
        text
    }
}

/// Replaces a secret, but not in what stands for others already.
fn outside_placeholders(text: &str, secret: &str, placeholder: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let end = rest.get(start..).and_then(|tail| tail.find(')')).map_or(rest.len(), |end| start + end + 1);
        done.push_str(&rest.get(..start).unwrap_or_default().replace(secret, placeholder));
        done.push_str(rest.get(start..end).unwrap_or_default());
        rest = rest.get(end..).unwrap_or_default();
    }
    done.push_str(&rest.replace(secret, placeholder));
    done
}

fn hide(value: &Value, known: &Known, digest: &dyn Fn(&[u8]) -> Vec<u8>) -> Value {
    let all = |items: &[Value]| items.iter().map(|item| hide(item, known, digest)).collect::<Vec<_>>();
    let entries = |entries: &Entries| -> Vec<(Arc<str>, Value)> {
        entries.iter().map(|(key, item)| (Arc::from(known.hidden(key)), hide(item, known, digest))).collect()
    };
    match value.data() {
        Data::String(text) => Value::string(known.hidden(text)),
        Data::Number(number) => match known.numbers.get(&number.to_string()) {
            Some(stand_in) => Value::from(*stand_in),
            None => Value::from(number.clone()),
        },
        Data::List(kind, items) => Value::list(kind.clone(), all(items)),
        Data::Set(kind, items) => Value::set(kind.clone(), all(items)),
        Data::Tuple(items) => Value::tuple(all(items)),
        Data::Map(kind, inner) => Value::map(kind.clone(), entries(inner)),
        Data::Object(inner) => {
            // Names of attributes are no secrets.
            Value::object(inner.iter().map(|(name, item)| (Arc::clone(name), hide(item, known, digest))))
        }
        Data::Unknown(kind, Some(refinement)) => {
            let refinement = Refinement {
                prefix: refinement.prefix.as_deref().map(|prefix| known.hidden(prefix).into()),
                opaque: refinement.opaque.as_deref().map(|bytes| digest(bytes).into()),
                ..refinement.as_ref().clone()
            };
            Value::unknown_refined(kind.clone(), refinement)
        }
        _ => value.clone().unmark().0,
    }
}

/// Whether something in a recorded text stands for a secret.
pub(super) fn has_placeholder(text: &str) -> bool {
    text.contains(OPEN)
}

/// Whether a recorded number stands for a secret one.
pub(super) fn is_placeholder(number: &serde_json::Number) -> bool {
    number.as_i64().is_some_and(|number| number > NUMBERS && number < NUMBERS + 1_000_000)
}

/// The parts of a recorded text that are no placeholders, in order; the first and the last may be empty.
pub(super) fn around_placeholders(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        parts.push(rest.get(..start).unwrap_or_default());
        let end = rest.get(start..).and_then(|tail| tail.find(')')).map_or(rest.len(), |end| start + end + 1);
        rest = rest.get(end..).unwrap_or_default();
    }
    parts.push(rest);
    parts
}
