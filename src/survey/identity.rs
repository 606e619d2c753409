//! One object has one owner: type, provider instance and natural identity are unique.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use retrue_provider_api::{Provider, TypeSchema, Value, canonical_bytes};

use crate::address::{Address, Mode};
use crate::config::{CheckedBody, Repetition, Schemas, Stack};
use crate::diagnostic::Diagnostic;
use crate::plan::{Action, ObjectKey, codes};
use crate::span::Span;
use crate::survey::providers::Providers;
use crate::survey::record::Records;

/// A declared instance and the identity that it asks for.
pub(super) struct Claim {
    /// The instance.
    pub address: Address,
    /// The provider instance.
    pub provider: Arc<str>,
    /// What its identity is unique in.
    pub space: String,
    /// The identity, where the type has one and it is known.
    pub identity: Option<Value>,
    /// The place of the block.
    pub span: Option<Span>,
}

/// The natural identity of a configuration or state; `None` when the type has none, or it is not
/// known yet.
pub fn identity(provider: &Arc<dyn Provider>, schema: &TypeSchema, type_name: &str, config: &Value) -> Option<Value> {
    let value = match provider.identity(type_name, config) {
        Some(value) => value,
        None => {
            let attributes: Vec<(String, Value)> = schema
                .block
                .identity_attributes()
                .map(|name| config.get(name).map(|value| (name.to_owned(), value.clone())))
                .collect::<Option<_>>()?;
            if attributes.is_empty() {
                return None;
            }
            Value::object(attributes)
        }
    };
    let useful = value.is_wholly_known() && !value.is_null();
    useful.then(|| value.unmark_deep().0)
}

/// What makes an object one: the space of its identity, its provider instance, its identity.
type Key = (String, String, Vec<u8>);

fn key(space: &str, provider: &str, identity: &Value) -> Key {
    (space.to_owned(), provider.to_owned(), canonical_bytes(identity))
}

/// By object, who asks for it first; and a problem for everybody who asks for it again.
fn owners(claims: &[Claim]) -> (BTreeMap<Key, &Claim>, Vec<Diagnostic>) {
    let mut problems = Vec::new();
    let mut owners: BTreeMap<Key, &Claim> = BTreeMap::new();
    for claim in claims {
        let Some(identity) = &claim.identity else { continue };
        match owners.entry(key(&claim.space, &claim.provider, identity)) {
            Entry::Occupied(taken) => {
                let first = taken.get();
                let mut problem = Diagnostic::error(
                    codes::SAME_IDENTITY,
                    format!("`{}` and `{}` mean one and the same object", first.address, claim.address),
                )
                .hint("give them different identities, or remove one");
                for (span, text) in [(claim.span, "this one"), (first.span, "and this one")] {
                    if let Some(span) = span {
                        problem = problem.label(span, text);
                    }
                }
                problems.push(problem);
            }
            Entry::Vacant(free) => {
                free.insert(claim);
            }
        }
    }
    (owners, problems)
}

/// All identities that two blocks ask for, as far as that can be told of their text alone. What there may be
/// none of, or several, is left to the plan.
pub fn clashes_of_bodies(
    stack: &Stack,
    schemas: &Schemas,
    bodies: &[CheckedBody<'_>],
    providers: &BTreeMap<Arc<str>, Arc<dyn Provider>>,
) -> Vec<Diagnostic> {
    let claim = |body: &CheckedBody<'_>| {
        let block = body.block.filter(|block| block.address.mode == Mode::Managed)?;
        if block.lifecycle.enabled.is_some() || !matches!(block.repetition, Repetition::One) {
            return None;
        }
        let (type_name, provider) = (block.address.type_name.as_ref(), providers.get(&body.provider)?);
        let schema = schemas.provider(&body.provider)?.resources.get(type_name)?;
        Some(Claim {
            address: block.address.clone().instance(None),
            provider: stack.provider_name(block),
            space: schema.identity_space(type_name).to_owned(),
            identity: identity(provider, schema, type_name, &body.value.clone().unmark_deep().0),
            span: Some(block.span),
        })
    };
    let claims: Vec<Claim> = bodies.iter().filter_map(claim).collect();
    owners(&claims).1
}

/// All identities that two owners ask for, or that are recorded under another address.
pub(super) fn clashes(
    claims: &[Claim],
    records: &Records,
    providers: &Providers,
    actions: &BTreeMap<Address, Action>,
) -> Vec<Diagnostic> {
    let (owners, mut problems) = owners(claims);
    for (address, entry) in &records.0 {
        let current = entry.current.iter().map(|object| (ObjectKey::Current, object));
        let deposed = entry.deposed.iter().map(|(key, object)| (ObjectKey::Deposed(key.as_str().into()), object));
        for (of, object) in current.chain(deposed) {
            let Some(configured) = providers.get(&object.provider.instance) else { continue };
            let Some(schema) = configured.schema.resources.get(address.type_name()) else { continue };
            let state = object.attributes.clone().unmark_deep().0;
            let Some(identity) = identity(&configured.provider, schema, address.type_name(), &state) else { continue };
            let space = schema.identity_space(address.type_name());
            let Some(claim) = owners.get(&key(space, &object.provider.instance, &identity)) else { continue };
            if claim.address == *address {
                continue;
            }
            // What has a new identity of its own and leaves this one is replaced or changed; until
            // then the object is its.
            let leaves = matches!(actions.get(address), Some(Action::Delete | Action::Forget) | None);
            let is_rename = claim.address.type_name() == address.type_name() && !records.holds(&claim.address);
            let problem = Diagnostic::error(
                codes::IDENTITY_ELSEWHERE,
                format!("what `{}` means is recorded as `{}`", claim.address, of.named(address)),
            )
            .maybe_at(claim.span)
            .hint(if !of.is_current() {
                "it was replaced, and the next apply ends it: declare the other one then".to_owned()
            } else if leaves && is_rename {
                if_renamed(&address.to_string(), &claim.address.to_string())
            } else if leaves {
                format!(
                    "nothing takes the place of what ends in the same apply: end `{address}` first, in an apply of its \
                     own, then declare the other"
                )
            } else {
                format!("`{address}` owns it: give one of them another identity")
            });
            problems.push(problem);
        }
    }
    problems
}

/// How to say that something has another name now.
pub(super) fn if_renamed(from: &str, to: &str) -> String {
    let text = |address: &str| toml::Value::String(address.to_owned()).to_string();
    format!("if it was renamed, add: [[moved]] from = {}, to = {}", text(from), text(to))
}
