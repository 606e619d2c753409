//! Adoptions by id: which ones there are, and what their ids find.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Data, ImportRequest, Imported, Observed, Type, Value, convert};

use crate::address::{Address, InstanceKey};
use crate::config::{self, Import, Instances, ResourceBlock};
use crate::diagnostic::Diagnostic;
use crate::expression::{TargetKey, evaluate};
use crate::plan::codes;
use crate::rest::masked_near;
use crate::span::Span;
use crate::survey::calls::Calls;
use crate::survey::expand::{Expanded, repeated_scope};
use crate::survey::providers::Configured;
use crate::survey::record::Records;
use crate::survey::scope::{BlockScope, Known};

/// The id that an address is to be imported by.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// How its system calls it.
    pub id: Arc<str>,
    /// Where that is written.
    pub span: Span,
}

/// What an id found.
#[derive(Clone, Debug)]
pub struct Found {
    /// What becomes the address.
    pub object: Observed,
    /// What else the same id stands for: the type and the id of each.
    pub others: Vec<String>,
}

/// The imports to the instances of a block, by address, and what is wrong with the rest of them.
pub(super) fn wanted(
    imports: &[Import],
    block: &ResourceBlock,
    expanded: &[Expanded],
    known: &Known<'_>,
) -> (BTreeMap<Address, Wanted>, Vec<Diagnostic>) {
    let mut found: BTreeMap<Address, Wanted> = BTreeMap::new();
    let mut problems = Vec::new();
    for import in imports.iter().filter(|import| import.to == block.address) {
        let instances = match instances_of(import, known) {
            Ok(instances) => instances,
            Err(mut wrong) => {
                problems.append(&mut wrong);
                continue;
            }
        };
        for instance in instances {
            let one = target(import, &instance, known).and_then(|key| Ok((key, id(import, &instance, known)?)));
            let (key, id) = match one {
                Ok(one) => one,
                Err(mut wrong) => {
                    problems.append(&mut wrong);
                    continue;
                }
            };
            let address = import.to.instance(key);
            if !expanded.iter().any(|expanded| expanded.key == address.key) {
                problems.push(
                    Diagnostic::error(codes::IMPORT, format!("there is no instance `{address}` to import anything as"))
                        .label(import.to_span, "")
                        .label(block.span, "declared here")
                        .hint(
                            "the block must declare it: an import fills the record, and the block says what shall hold",
                        ),
                );
            } else if found.insert(address.clone(), Wanted { id, span: import.id.span() }).is_some() {
                problems.push(
                    Diagnostic::error(codes::IMPORT, format!("two things are imported as `{address}`"))
                        .at(import.to_span)
                        .hint("an address stands for one thing"),
                );
            }
        }
    }
    (found, problems)
}

fn instances_of(import: &Import, known: &Known<'_>) -> Result<Vec<Expanded>, Vec<Diagnostic>> {
    match config::instances(&import.repetition, &BlockScope::plain(known))? {
        Instances::Known(instances) => Ok(instances),
        Instances::Unknown => {
            let span = import.repetition.expression().map_or(import.to_span, |each| each.span());
            Err(vec![not_known("`for_each`", span)])
        }
    }
}

fn target(import: &Import, instance: &Expanded, known: &Known<'_>) -> Result<Option<InstanceKey>, Vec<Diagnostic>> {
    let key = match &import.key {
        TargetKey::None => return Ok(None),
        TargetKey::Written(key) => return Ok(Some(key.clone())),
        TargetKey::Expression(key) => key,
    };
    let scope = repeated_scope(instance, known);
    let at = |mut told: Diagnostic| {
        // The parser counts from the start of the text, not of the file.
        told.labels.clear();
        told.at(import.to_span)
    };
    let value = evaluate(key, &scope)
        .map_err(|errors| errors.into_iter().map(|error| at(Diagnostic::from(error))).collect::<Vec<_>>())?;
    if !value.marks().is_empty() {
        return Err(vec![secret("the key of an import", import.to_span)]);
    }
    match (key_of(&value), value.data()) {
        (Some(key), _) => Ok(Some(key)),
        (None, Data::Unknown(..)) => Err(vec![not_known("the key", import.to_span)]),
        (None, _) => Err(vec![
            Diagnostic::error(codes::IMPORT, "the key of an import is a text, or a number from 0").at(import.to_span),
        ]),
    }
}

/// The key that a value stands for.
pub(super) fn key_of(value: &Value) -> Option<InstanceKey> {
    match value.data() {
        Data::String(name) => Some(InstanceKey::Name(Arc::clone(name))),
        Data::Number(number) => number.as_u64().map(InstanceKey::Index),
        _ => None,
    }
}

fn id(import: &Import, instance: &Expanded, known: &Known<'_>) -> Result<Arc<str>, Vec<Diagnostic>> {
    let span = import.id.span();
    let value = evaluate(&import.id, &repeated_scope(instance, known))
        .map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())?;
    if !value.marks_deep().is_empty() {
        return Err(vec![secret("the id of an import", span)]);
    }
    let wrong = |message: &str| {
        let hint = "the documentation of the type says what its id looks like";
        vec![Diagnostic::error(codes::IMPORT, message).at(span).hint(hint)]
    };
    let value = convert(&value, &Type::String).map_err(|_| wrong("the id of an import is a text"))?;
    match value.data() {
        Data::String(id) if !id.is_empty() => Ok(Arc::clone(id)),
        Data::Unknown(..) => Err(vec![not_known("the id", span)]),
        _ => Err(wrong("the id of an import is null or empty")),
    }
}

fn secret(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::IMPORT, format!("{what} is secret, and it shows in the plan"))
        .at(span)
        .hint("`nonsensitive` makes it public, where it is no secret")
}

fn not_known(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::IMPORT, format!("{what} of this import is not known while planning")).at(span).hint(
        "it decides what is adopted: let it depend on variables, locals and data, or apply what it depends on first, \
         with --target",
    )
}

/// Finds what an id stands for. Nothing outside is changed.
///
/// # Errors
/// The provider refuses the id, finds nothing, or finds several things of the type; in words.
pub async fn find(
    configured: &Configured,
    address: &Address,
    id: &str,
    config: &Value,
    calls: &Calls,
) -> Result<Found, String> {
    let type_name = address.type_name();
    let limit = configured.provider.capability(type_name, config).time_limits.read;
    let context = calls.context(address, limit);
    let request = ImportRequest { type_name: type_name.to_owned(), id: id.to_owned() };
    let secrets: Vec<&Value> = configured.instance.configs().collect();
    let found = configured
        .provider
        .import(&context, request)
        .await
        .map_err(|error| masked_near(&format!("`{id}` cannot be imported: {error}"), &secrets))?;
    let (mut of_type, others): (Vec<Imported>, Vec<Imported>) =
        found.into_iter().partition(|imported| imported.type_name == type_name);
    // What is called so itself comes before what merely belongs to it.
    if let Some(named) = of_type.iter().position(|imported| id_of(&imported.object.state).as_deref() == Some(id)) {
        of_type.swap(0, named);
    } else if of_type.len() > 1 {
        let names: Vec<String> = of_type.iter().map(named).collect();
        return Err(format!("`{id}` stands for several things: {}; name one of them by its own id", names.join(", ")));
    }
    let mut of_type = of_type.into_iter();
    let Some(first) = of_type.next() else {
        return Err(format!("there is no `{id}`"));
    };
    Ok(Found { object: first.object, others: of_type.chain(others).map(|other| named(&other)).collect() })
}

fn named(imported: &Imported) -> String {
    match id_of(&imported.object.state) {
        Some(id) => format!("{} `{id}`", imported.type_name),
        None => imported.type_name.clone(),
    }
}

fn id_of(state: &Value) -> Option<Arc<str>> {
    state.get("id").and_then(Value::as_str).map(Arc::from)
}

/// The address under which the same object, by its id and its provider, is recorded already.
pub fn owner<'r>(records: &'r Records, address: &Address, instance: &str, state: &Value) -> Option<&'r Address> {
    let id = id_of(state)?;
    let same = |object: &crate::saga::RecordedObject| {
        object.provider.instance == instance && object.id().as_ref() == Some(&id)
    };
    records
        .0
        .iter()
        .filter(|(other, _)| other.type_name() == address.type_name() && *other != address)
        .find(|(_, entry)| entry.objects().any(same))
        .map(|(other, _)| other)
}

/// That the object is recorded elsewhere.
pub fn owned_elsewhere(id: &str, other: &Address) -> Diagnostic {
    Diagnostic::error(codes::IDENTITY_ELSEWHERE, format!("`{id}` is recorded as `{other}` already"))
}
