//! What becomes of a recorded object whose rename gives it another type, where the provider of that type offers it.

use std::sync::Arc;

use retrue_provider_api::{Private, ProviderError, Value};

use crate::address::Address;
use crate::config::{Moved, Stack};
use crate::diagnostic::Diagnostic;
use crate::plan::marks::mark_planned;
use crate::saga::RecordedObject;
use crate::survey::providers::{Configured, Providers};
use crate::survey::record::{Entry, Records};

/// Whether a rename gives something another type.
pub fn is_turned(from: Option<&Address>, to: &Address) -> bool {
    from.is_some_and(|from| from.type_name() != to.type_name())
}

/// An object as one of the type that its new address has. What it was made from is of the other type, and is not known
/// any more.
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
    let state = object.attributes.clone().unmark_deep().0;
    let state = configured.provider.move_state(from.type_name(), type_name, state).await?;
    Ok(RecordedObject {
        attributes: mark_planned(&schema.block, state, None),
        config: Value::object(Vec::<(Arc<str>, Value)>::new()),
        private: Private::default(),
        identity: None,
        schema_version: schema.version,
        provider: configured.recorded_as(instance),
        provenance: Default::default(),
        sent_write_only: false,
        ..object.clone()
    })
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
