//! What is recorded, for programs.

use std::collections::{BTreeMap, BTreeSet};

use retrue_provider_api::Path;
use serde::Serialize;
use serde_json::Value as Json;

use super::value::Shown;
use crate::address::Address;
use crate::cli::render::state::marked;
use crate::config::Schemas;
use crate::rest::RestingValue;
use crate::saga::{Counts, ObjectStatus, RestingObject, RunKind, RunRecord, RunState, State};

/// One object in `state list --json`.
#[derive(Debug, Serialize)]
pub(crate) struct WireEntry<'a> {
    address: &'a Address,
    #[serde(rename = "type")]
    kind: &'a str,
    provider: &'a str,
    id: Option<String>,
    run_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposed: Option<&'a str>,
}

/// One object in `show --json`.
#[derive(Debug, Serialize)]
pub(crate) struct WireObject<'a> {
    address: &'a Address,
    #[serde(rename = "type")]
    kind: &'a str,
    provider: &'a str,
    run_id: &'a str,
    status: ObjectStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    deposed: Option<&'a str>,
    attributes: Json,
    sensitive: BTreeSet<Path>,
}

/// An output. A secret has no `value`.
#[derive(Debug, Serialize)]
pub(crate) struct WireOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Json>,
    sensitive: bool,
}

/// `show --json`.
#[derive(Debug, Serialize)]
pub(crate) struct WireState<'a> {
    format: &'static str,
    lineage: &'a str,
    resources: Vec<WireObject<'a>>,
    outputs: BTreeMap<&'a str, WireOutput>,
}

/// One run in `runs list --json`.
#[derive(Debug, Serialize)]
pub(crate) struct WireRun<'a> {
    run_id: &'a str,
    kind: RunKind,
    state: RunState,
    started: &'a str,
    finished: Option<&'a str>,
    actor: &'a str,
    counts: Counts,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    accepted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    continues: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    compensates: &'a [String],
}

/// All objects, current ones and those that were set aside.
fn objects(state: &State) -> impl Iterator<Item = (&Address, Option<&str>, &RestingObject)> {
    state.addresses.iter().flat_map(|(address, entry)| {
        let current = entry.current.iter().map(move |object| (address, None, object));
        current.chain(entry.deposed.iter().map(move |(key, object)| (address, Some(key.as_str()), object)))
    })
}

/// `state list --json`.
pub(crate) fn list<'a>(state: &'a State, schemas: &Schemas) -> Vec<WireEntry<'a>> {
    objects(state)
        .map(|(address, deposed, object)| WireEntry {
            address,
            kind: address.type_name(),
            provider: &object.provider().instance,
            id: id(address, object, schemas),
            run_id: object.run(),
            deposed,
        })
        .collect()
}

/// What tells an object of a type from the others: the attribute `id`, else what the schema calls its
/// identity; `None` where there is neither, or it is secret.
pub(crate) fn id(address: &Address, object: &RestingObject, schemas: &Schemas) -> Option<String> {
    let text = |name: &str| object.attributes().value.0.get(name).and_then(|id| id.as_str()).map(str::to_owned);
    let identity = || {
        let schema = schemas.iter().find_map(|(_, schema)| schema.resources.get(address.type_name()))?;
        let names = schema.block.attributes.iter().filter(|(_, attribute)| attribute.identity);
        names.map(|(name, _)| text(name)).collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty())
    };
    text("id").or_else(|| Some(identity()?.join("/")))
}

/// The objects of one address, or all.
pub(crate) fn shown<'a>(state: &'a State, wanted: impl Fn(&Address) -> bool) -> Vec<WireObject<'a>> {
    objects(state)
        .filter(|(address, ..)| wanted(address))
        .map(|(address, deposed, object)| {
            let mut shown = Shown::default();
            let attributes = shown.json(&marked(object.attributes()));
            WireObject {
                address,
                kind: address.type_name(),
                provider: &object.provider().instance,
                run_id: object.run(),
                status: object.status(),
                deposed,
                attributes,
                sensitive: shown.sensitive,
            }
        })
        .collect()
}

/// The outputs, without secrets.
pub(crate) fn outputs(state: &State) -> BTreeMap<&str, WireOutput> {
    state.outputs.iter().map(|(name, recorded)| (name.as_str(), output(&recorded.value))).collect()
}

fn output(value: &RestingValue) -> WireOutput {
    let mut shown = Shown::default();
    let json = shown.json(&marked(value));
    let sensitive = !shown.sensitive.is_empty();
    WireOutput { value: (!sensitive).then_some(json), sensitive }
}

/// `show --json`.
pub(crate) fn state<'a>(lineage: &'a str, state: &'a State) -> WireState<'a> {
    WireState { format: "retrue.state/1", lineage, resources: shown(state, |_| true), outputs: outputs(state) }
}

/// One run.
pub(crate) fn run(run: &RunRecord) -> WireRun<'_> {
    WireRun {
        run_id: &run.run,
        kind: run.kind,
        state: run.state,
        started: &run.started,
        finished: run.finished.as_deref(),
        actor: &run.actor,
        counts: run.counts,
        accepted: run.accepted,
        continues: run.continues.as_deref(),
        compensates: &run.compensates,
    }
}
