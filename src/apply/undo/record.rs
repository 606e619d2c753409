//! What is recorded once a step is undone: what was recorded before it, following what was made again
//! with a new id. Pure.

use std::collections::BTreeMap;

use retrue_provider_api::{Image, Path, PathStep, Private, TypeSchema, Value};

use crate::address::Address;
use crate::plan::compare::differing_attributes;
use crate::plan::marks::mark_planned;
use crate::saga::RecordedObject;

/// The attributes of what was made again, without marks: what referred to the old ones follows.
pub(in crate::apply) type Remade = BTreeMap<Address, Value>;

/// The part of [`Remade`] that an object refers to.
pub(in crate::apply) fn referred(provenance: &BTreeMap<Path, (Address, Path)>, remade: &Remade) -> Remade {
    provenance.values().filter_map(|(address, _)| Some((address.clone(), remade.get(address)?.clone()))).collect()
}

/// The record as it was before a step (`prior`). `left` is what the step recorded, `now` what is
/// recorded now.
///
/// Where what is recorded now is another incarnation, because it was made again meanwhile, what the
/// step did not change stays as it is now: ids above all. Everywhere else the record is exactly as it
/// was, so that drift from before shows again.
pub(super) fn before(
    prior: &RecordedObject,
    left: Option<&RecordedObject>,
    now: Option<&RecordedObject>,
    remade: &Remade,
) -> RecordedObject {
    let object = match (left, now) {
        (Some(left), Some(now)) if left.generation != now.generation => RecordedObject {
            attributes: patched(&prior.attributes, &left.attributes, &now.attributes),
            private: now.private.clone(),
            identity: now.identity.clone(),
            generation: now.generation,
            ..prior.clone()
        },
        _ => prior.clone(),
    };
    followed(object, remade)
}

/// A record that refers to what was made again.
pub(super) fn followed(object: RecordedObject, remade: &Remade) -> RecordedObject {
    RecordedObject {
        attributes: follow(object.attributes, &object.provenance, remade),
        config: follow(object.config, &object.provenance, remade),
        ..object
    }
}

/// `now` with what a change from `prior` to `left` changed taken back.
fn patched(prior: &Value, left: &Value, now: &Value) -> Value {
    let (Some(before), Some(now_entries)) = (prior.as_entries(), now.as_entries()) else { return prior.clone() };
    Value::object(before.iter().map(|(name, value)| {
        let untouched = left.get(name).is_some_and(|left| left.same(value));
        let value = now_entries.get(name).filter(|_| untouched).unwrap_or(value);
        (name.clone(), value.clone())
    }))
}

/// The record of what was made again from an image. What came back as it was is recorded as it was
/// before, so that drift from before shows again; the rest as it is now.
pub(super) fn made_again(
    schema: &TypeSchema,
    prior: &RecordedObject,
    image: &Image,
    state: Value,
    private: Private,
    identity: Option<Value>,
    generation: u64,
) -> RecordedObject {
    let marked = mark_planned(&schema.block, state, Some(&prior.attributes));
    let attributes = match (marked.as_entries(), image.state.as_entries()) {
        (Some(now), Some(image)) => Value::object(now.iter().map(|(name, value)| {
            let as_it_was = image.get(name).is_some_and(|image| image.same(&value.clone().unmark_deep().0));
            let before = prior.attributes.get(name).filter(|_| as_it_was);
            (name.clone(), before.unwrap_or(value).clone())
        })),
        _ => marked,
    };
    RecordedObject { attributes, private, identity, generation, ..prior.clone() }
}

/// What is not as it was: ids, times, data.
pub(super) fn lost(schema: &TypeSchema, was: &Value, is: &Value) -> Vec<Path> {
    differing_attributes(was, is)
        .into_iter()
        .filter(|path| {
            path.first_attribute()
                .and_then(|name| schema.block.attributes.get(name))
                .is_none_or(|attribute| !attribute.volatile && !attribute.write_only)
        })
        .collect()
}

/// The part of a state that a configuration may set.
pub(super) fn settable(schema: &TypeSchema, state: &Value) -> Value {
    let Some(entries) = state.as_entries() else { return state.clone() };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        (name.clone(), if settable { value.clone() } else { Value::null(value.kind()) })
    }))
}

/// The recorded configuration, with what was observed in place of what it set.
pub(super) fn overlay(schema: &TypeSchema, config: &Value, observed: &Value) -> Value {
    let Some(entries) = config.as_entries() else { return settable(schema, observed) };
    Value::object(entries.iter().map(|(name, value)| {
        let settable = schema.block.attributes.get(name.as_ref()).is_none_or(|attribute| attribute.settable());
        let seen = observed.get(name).filter(|seen| settable && !value.is_null() && !seen.is_null());
        (name.clone(), seen.unwrap_or(value).clone())
    }))
}

/// Puts the new values of what was made again where the old ones stood; marks stay.
pub(in crate::apply) fn follow(state: Value, provenance: &BTreeMap<Path, (Address, Path)>, remade: &Remade) -> Value {
    if remade.is_empty() || provenance.is_empty() {
        return state;
    }
    let new: BTreeMap<Path, &Value> = provenance
        .iter()
        .filter_map(|(path, (address, from))| Some((alike(path), from.get(remade.get(address)?)?)))
        .collect();
    if new.is_empty() {
        return state;
    }
    state.map_parts(&mut |path, part| match new.get(&alike(path)) {
        Some(new) => (*new).clone().with_marks(part.marks_deep()),
        None => part,
    })
}

/// A path in one form: the configuration has tables where the value has maps.
fn alike(path: &Path) -> Path {
    Path(
        path.0
            .iter()
            .map(|step| match step {
                PathStep::Attribute(name) => PathStep::Key(name.clone()),
                other => other.clone(),
            })
            .collect(),
    )
}
