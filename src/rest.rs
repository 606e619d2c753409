//! Values at rest: secrets sealed, ephemeral ones absent, everything else readable.

use std::collections::BTreeMap;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use retrue_provider_api::{Marks, Path, Private, Type, Value, WireValue, from_wire, secrets, to_wire};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use thiserror::Error;

use crate::broken;

/// Seals bytes, and names them without telling what they are. Implemented by the store's sealer.
pub trait Seal: Send + Sync {
    /// Seals bytes under a key that is not in the store. Equal bytes give equal texts, so that
    /// plans are the same whenever their input is.
    fn seal(&self, plain: &[u8]) -> String;
    /// Opens what [`Seal::seal`] made; `None` when the key is another or the text was changed.
    fn unseal(&self, sealed: &str) -> Option<Vec<u8>>;
    /// A hash that only the holder of the key can make, in hexadecimal.
    fn keyed_hash(&self, plain: &[u8]) -> String;
}

/// A value as it rests in state, journal and plan files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestingValue {
    /// The value, with null where something is sealed or left out.
    pub value: WireValue,
    /// What is sensitive, by path, sealed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sealed: BTreeMap<Path, String>,
    /// What was ephemeral and is not here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ephemeral: Vec<Path>,
}

/// A sealed part could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a sealed value at `{0}` cannot be opened: the key is not the one that sealed it, or the store was changed")]
pub struct UnsealError(pub Path);

impl RestingValue {
    /// Lays a value to rest.
    pub fn new(value: &Value, seal: &dyn Seal) -> Self {
        let (plain, marks) = value.clone().unmark_with_paths();
        // Only the outermost marked paths matter: what is inside one is sealed with it.
        let mut outermost: Vec<(Path, Marks)> = Vec::new();
        for (path, marks) in marks {
            match outermost.last_mut() {
                Some((outer, union)) if outer.is_prefix_of(&path) => *union = union.union(marks),
                _ => outermost.push((path, marks)),
            }
        }
        let mut resting =
            RestingValue { value: WireValue(plain.clone()), sealed: BTreeMap::new(), ephemeral: Vec::new() };
        if outermost.is_empty() || broken!(NothingSealed) {
            return resting;
        }
        let mut hidden = BTreeMap::new();
        for (path, marks) in outermost {
            if marks.ephemeral {
                resting.ephemeral.push(path.clone());
            } else if let Some(part) = path.get(&plain) {
                resting.sealed.insert(path.clone(), seal.seal(to_wire(part).to_string().as_bytes()));
            }
            hidden.insert(path, ());
        }
        resting.value = WireValue(plain.map_parts(&mut |path, part| {
            if hidden.contains_key(path) { Value::null(part.kind()) } else { part }
        }));
        resting
    }

    /// The value again, with its marks. What was ephemeral is null and marked.
    pub fn wake(&self, seal: &dyn Seal) -> Result<Value, UnsealError> {
        let mut opened = BTreeMap::new();
        for (path, sealed) in &self.sealed {
            let part = seal
                .unseal(sealed)
                .and_then(|bytes| serde_json::from_slice(&bytes).ok())
                .and_then(|json| from_wire(&json).ok())
                .ok_or_else(|| UnsealError(path.clone()))?;
            opened.insert(path, part.sensitive());
        }
        if opened.is_empty() && self.ephemeral.is_empty() {
            return Ok(self.value.0.clone());
        }
        Ok(self.value.0.clone().map_parts(&mut |path, part| match opened.get(path) {
            Some(secret) => secret.clone(),
            None if self.ephemeral.contains(path) => part.with_marks(Marks::EPHEMERAL),
            None => part,
        }))
    }

    /// Null, of no type in particular.
    pub fn null() -> Self {
        RestingValue { value: WireValue(Value::null(Type::Dynamic)), sealed: BTreeMap::new(), ephemeral: Vec::new() }
    }

    /// The paths that a person must not see.
    pub fn hidden(&self) -> impl Iterator<Item = &Path> {
        self.sealed.keys().chain(&self.ephemeral)
    }
}

/// A value in which every text that holds a secret that is known in this process is marked, whoever gave it: it may stand
/// elsewhere as something that nobody called secret.
pub fn wary(value: &Value) -> Value {
    let mut found: Vec<Path> = Vec::new();
    value.visit(&mut |path, part| {
        if part.as_str().is_some_and(|text| part.marks().is_empty() && !standing_in(text).is_empty()) {
            found.push(path.clone());
        }
        part.marks().is_empty()
    });
    value.clone().with_marked_paths(found.iter().map(|path| (path, Marks::SENSITIVE)))
}

/// Tells the values that are sealed in a record, as a store holds it. What this key does not open is left out.
pub fn each_sealed(record: &Json, seal: &dyn Seal, told: &mut dyn FnMut(&Value)) {
    match record {
        Json::Object(fields) => {
            for (name, inner) in fields {
                let Some(sealed) = inner.as_object().filter(|_| name == "sealed") else {
                    each_sealed(inner, seal, told);
                    continue;
                };
                for text in sealed.values().filter_map(Json::as_str) {
                    let wire = seal.unseal(text).and_then(|bytes| serde_json::from_slice::<Json>(&bytes).ok());
                    if let Some(value) = wire.and_then(|wire| from_wire(&wire).ok()) {
                        told(&value);
                    }
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| each_sealed(item, seal, told)),
        _ => {}
    }
}

/// Has the secrets known that are sealed in a record: words that stand beside them are about to be shown or written.
pub fn know_sealed(record: &Json, seal: &dyn Seal) {
    each_sealed(record, seal, &mut secrets::learn);
}

/// Provider-private bytes at rest: always sealed; nothing where there are none.
pub fn seal_private(private: &Private, seal: &dyn Seal) -> Option<String> {
    (!private.0.is_empty()).then(|| seal.seal(BASE64.encode(&private.0).as_bytes()))
}

/// The bytes again.
pub fn wake_private(sealed: Option<&str>, seal: &dyn Seal) -> Result<Private, UnsealError> {
    let Some(sealed) = sealed else { return Ok(Private::default()) };
    seal.unseal(sealed).and_then(|text| BASE64.decode(text).ok()).map(Private).ok_or_else(|| UnsealError(Path::root()))
}

/// A text without the secrets that are known in this process, in whatever form they stand in it: what may be shown, told
/// and laid to rest. Everything that leaves as words goes through here; values never do.
pub fn masked(text: &str) -> String {
    if broken!(TextsNotMasked) {
        return text.to_owned();
    }
    secrets::masked(text).into_owned()
}

/// The same for what is said about an object with some values: short secrets among them are hidden as well.
pub fn masked_near(text: &str, values: &[&Value]) -> String {
    if broken!(TextsNotMasked) {
        return text.to_owned();
    }
    secrets::masked_near(text, values)
}

/// Where secrets stand in a text.
pub fn standing_in(text: &str) -> Vec<Range<usize>> {
    if broken!(TextsNotMasked) { Vec::new() } else { secrets::standing_in(text) }
}

/// A seal for tests that need no secrecy.
#[cfg(test)]
pub(crate) struct PlainSeal;

#[cfg(test)]
impl Seal for PlainSeal {
    fn seal(&self, plain: &[u8]) -> String {
        format!("sealed:{}", BASE64.encode(plain))
    }

    fn unseal(&self, sealed: &str) -> Option<Vec<u8>> {
        BASE64.decode(sealed.strip_prefix("sealed:")?).ok()
    }

    fn keyed_hash(&self, plain: &[u8]) -> String {
        blake3::hash(plain).to_hex().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_sealed_and_ephemeral_values_absent() {
        let value = Value::object([
            ("name", Value::from("n")),
            ("password", Value::from("hunter2").sensitive()),
            ("nested", Value::tuple([Value::from("hunter3").sensitive(), Value::from(1i64)])),
            ("token", Value::from("hunter4").with_marks(Marks::EPHEMERAL)),
        ]);
        let resting = RestingValue::new(&value, &PlainSeal);
        let text = serde_json::to_string(&resting).unwrap();
        assert!(!text.contains("hunter"), "{text}");
        let read: RestingValue = serde_json::from_str(&text).unwrap();
        let woken = read.wake(&PlainSeal).unwrap();
        assert_eq!(woken.get("password"), value.get("password"));
        assert_eq!(woken.get("nested"), value.get("nested"));
        assert_eq!(woken.get("token"), Some(&Value::null(Type::String).with_marks(Marks::EPHEMERAL)));
    }

    #[test]
    fn a_changed_seal_is_an_error() {
        let resting = RestingValue::new(&Value::from("x").sensitive(), &PlainSeal);
        let mut changed = resting.clone();
        changed.sealed.insert(Path::root(), "sealed:!".into());
        assert_eq!(changed.wake(&PlainSeal), Err(UnsealError(Path::root())));
        assert_eq!(resting.wake(&PlainSeal), Ok(Value::from("x").sensitive()));
    }
}
