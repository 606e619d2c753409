//! What becomes of a recorded object whose rename gives it another type, where the provider of that type offers it.

use std::sync::Arc;

use retrue_provider_api::{Attribute, Block, Nesting, Observed, ProviderError, Type, Value};

use crate::address::Address;
use crate::config::{Moved, Stack};
use crate::diagnostic::Diagnostic;
use crate::plan::marks::mark_observed;
use crate::saga::RecordedObject;
use crate::survey::providers::{Configured, Providers};
use crate::survey::record::{Entry, Records};

/// Whether a rename gives something another type.
pub fn is_turned(from: Option<&Address>, to: &Address) -> bool {
    from.is_some_and(|from| from.type_name() != to.type_name())
}

/// An object as one of the type that its new address has. What its values came from is of the other type, and is not
/// known any more.
///
/// # Errors
/// The provider does not make the one of the other.
pub async fn turned(
    object: &RecordedObject,
    from: &Address,
    to: &Address,
    configured: &Configured,
    instance: &str,
) -> Result<RecordedObject, ProviderError> {
    let type_name = to.type_name();
    let schema = configured.schema.resources.get(type_name);
    let schema = schema.ok_or_else(|| ProviderError::unsupported("move_state"))?;
    let before = Observed {
        private: object.private.clone(),
        identity: object.identity.clone(),
        ..Observed::of(object.attributes.clone().unmark_deep().0)
    };
    let Observed { state, private, identity, .. } =
        configured.provider.move_state(from.type_name(), type_name, before).await?;
    let config = turned_config(&schema.block, &object.config, &state);
    // What was secret under a name stays so under the same one, and wherever its text stands.
    let secret = common(&object.attributes, &state);
    Ok(RecordedObject {
        attributes: mark_observed(&schema.block, state, Some(&secret), Some(&config)),
        config,
        private,
        identity,
        schema_version: schema.version,
        provider: configured.recorded_as(instance),
        provenance: Default::default(),
        sent_write_only: false,
        ..object.clone()
    })
}

/// The configuration of what became another type: what was set by the same name in the same form stays, the rest is what
/// the state says.
fn turned_config(block: &Block, before: &Value, state: &Value) -> Value {
    let Type::Object(kinds) = block.value_type() else { return presumed_config(block, state) };
    let settable = |name: &str| block.attributes.get(name).is_none_or(|attribute| attribute.settable());
    let stays = |name: &str| {
        let kind = kinds.attributes.get(name).filter(|_| settable(name))?;
        before.get(name).filter(|value| *kind == Type::Dynamic || value.kind() == *kind).cloned()
    };
    match presumed_config(block, state).as_entries() {
        Some(entries) => {
            let stays =
                |(name, value): (&Arc<str>, &Value)| (name.clone(), stays(name).unwrap_or_else(|| value.clone()));
            Value::object(entries.iter().map(stays).collect::<Vec<_>>())
        }
        None => before.clone(),
    }
}

/// The attributes that another value has as well.
fn common(attributes: &Value, other: &Value) -> Value {
    let entries = attributes.as_entries().into_iter().flatten();
    let of_both = entries.filter(|(name, _)| other.get(name).is_some());
    Value::object(of_both.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>())
}

/// The configuration that an object probably had: what can be set and is not computed. Where a plan can be
/// made, what it evaluates takes its place.
pub fn presumed_config(block: &Block, state: &Value) -> Value {
    let Some(entries) = state.as_entries() else { return state.clone() };
    let attribute = |(name, attribute): (&String, &Attribute)| {
        let settable = attribute.settable() && !attribute.computed && !attribute.write_only;
        let value = settable.then(|| entries.get(name.as_str()).cloned()).flatten();
        (Arc::<str>::from(name.as_str()), value.unwrap_or_else(|| Value::null(attribute.value_type())))
    };
    let attributes = block.attributes.iter().map(attribute);
    let nested = block.blocks.iter().filter_map(|(name, nested)| {
        let value = entries.get(name.as_str())?;
        let inner = |item: &Value| presumed_config(&nested.block, item);
        let value = match (nested.nesting, value.as_items(), value.as_entries()) {
            (Nesting::List | Nesting::Set, Some(items), _) if !nested.block.value_type().has_dynamic() => {
                let items: Vec<Value> = items.iter().map(inner).collect();
                let kind = nested.block.value_type();
                if nested.nesting == Nesting::Set { Value::set(kind, items) } else { Value::list(kind, items) }
            }
            (Nesting::Single | Nesting::Group, _, Some(_)) => inner(value),
            _ => value.clone(),
        };
        Some((Arc::<str>::from(name.as_str()), value))
    });
    Value::object(attributes.chain(nested).collect::<Vec<_>>())
}

/// Gives what is recorded under a rename to another type that type. Returns what is wrong.
pub(super) async fn turn_all(
    records: &mut Records,
    stack: &Stack,
    moved: &[Moved],
    providers: &Providers,
) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (address, entry) in &mut records.0 {
        let Some(from) = entry.moved_from.clone().filter(|from| is_turned(Some(from), address)) else { continue };
        let Some(block) = stack.blocks.get(&address.block) else { continue };
        let instance = stack.provider_name(block);
        let done = match (entry.deposed.is_empty(), providers.get(&instance)) {
            (false, _) => Err("what it replaced is still there: apply without the move first".to_owned()),
            (true, None) => Err(format!("the provider `{instance}` is configured only while applying")),
            (true, Some(configured)) => turn(entry, &from, address, configured, &instance).await,
        };
        if let Err(why) = done {
            let span = moved.iter().find(|moved| moved.to.block == address.block).map_or(block.span, |one| one.to_span);
            let message = format!("`{from}` does not become `{address}`: {why}");
            let hint = "without the move, the one is deleted and the other made";
            problems.push(Diagnostic::error(crate::config::codes::BAD_MOVE, message).at(span).hint(hint));
        }
    }
    problems
}

async fn turn(
    entry: &mut Entry,
    from: &Address,
    to: &Address,
    configured: &Configured,
    instance: &str,
) -> Result<(), String> {
    let Some(object) = &entry.current else { return Ok(()) };
    let object = turned(object, from, to, configured, instance).await;
    let refused = |error: ProviderError| {
        let (kind, of) = (to.type_name(), from.type_name());
        format!("the provider `{instance}` makes no `{kind}` of a `{of}` ({})", error.message)
    };
    entry.current = Some(object.map_err(refused)?);
    entry.is_turned = true;
    Ok(())
}
