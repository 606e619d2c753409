//! The whole state as one document, and the way back.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{StoreError, StoreResult, Write};

/// The format of an exported state.
pub const FORMAT: &str = "retrue.state/1";

/// An exported state. What is sealed in it stays sealed, so it opens only with the same key.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The lineage of the store that it comes from.
    pub lineage: String,
    /// The state.
    pub state: BTreeMap<String, Value>,
    /// The bodies of the records of runs that are not over with, by run.
    pub journals: BTreeMap<String, Vec<Value>>,
}

impl Export {
    /// The document: `format`, `lineage`, `state`, and `journals` where there are any.
    pub fn to_document(&self) -> Value {
        let state: Map<String, Value> = self.state.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        let mut document = Map::new();
        document.insert("format".to_owned(), FORMAT.into());
        document.insert("lineage".to_owned(), self.lineage.clone().into());
        document.insert("state".to_owned(), state.into());
        if !self.journals.is_empty() {
            let journals = self.journals.iter().map(|(run, bodies)| (run.clone(), bodies.clone().into()));
            document.insert("journals".to_owned(), journals.collect::<Map<String, Value>>().into());
        }
        document.into()
    }

    /// Reads a document. Fails when it is of another format, or not complete.
    pub fn from_document(document: &Value) -> StoreResult<Export> {
        let refused = |what: &str| StoreError::Export(what.to_owned());
        match document.get("format").and_then(Value::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(StoreError::Export(format!("its format is {other:?}, not {FORMAT:?}"))),
            None => return Err(refused("it has no `format`")),
        }
        let lineage = document.get("lineage").and_then(Value::as_str).ok_or_else(|| refused("it has no `lineage`"))?;
        let state = document.get("state").and_then(Value::as_object).ok_or_else(|| refused("it has no `state`"))?;
        let journals = match document.get("journals").map(Value::as_object) {
            None => BTreeMap::new(),
            Some(Some(journals)) => journals
                .iter()
                .map(|(run, bodies)| Some((run.clone(), bodies.as_array()?.clone())))
                .collect::<Option<_>>()
                .ok_or_else(|| refused("its `journals` are no lists of records"))?,
            Some(None) => return Err(refused("its `journals` are no table")),
        };
        Ok(Export {
            lineage: lineage.to_owned(),
            state: state.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            journals,
        })
    }

    /// The changes that turn `current` into this state; what is equal is left out. Appended as one
    /// record, they replace the whole state or nothing.
    pub fn writes(&self, current: &BTreeMap<String, Value>) -> Vec<Write> {
        let gone = current.keys().filter(|key| !self.state.contains_key(*key));
        let changed = self.state.iter().filter(|(key, value)| current.get(*key) != Some(value));
        gone.map(|key| Write::Delete { key: key.clone() })
            .chain(changed.map(|(key, value)| Write::Put { key: key.clone(), value: value.clone() }))
            .collect()
    }
}
