//! From a block to its instances while planning: `count`, `for_each` and `enabled`, all known.

use crate::config::{self, Instances, ResourceBlock};
use crate::diagnostic::Diagnostic;
use crate::plan::codes;
use crate::span::Span;
use crate::survey::scope::{BlockScope, Known};

pub(super) use crate::config::Instance as Expanded;

/// The scope that an instance of a block is evaluated in.
pub(super) fn instance_scope<'a>(
    block: &'a ResourceBlock,
    instance: &Expanded,
    known: &'a Known<'a>,
) -> BlockScope<'a> {
    let for_each = block.repetition.expression().map(|for_each| (&block.address, for_each));
    BlockScope { for_each, ..repeated_scope(instance, known) }
}

/// The scope of one of several of whatever is repeated.
pub(super) fn repeated_scope<'a>(instance: &Expanded, known: &'a Known<'a>) -> BlockScope<'a> {
    let plain = BlockScope::plain(known);
    match (instance.key_value(), &instance.value) {
        (Some(key), Some(value)) => BlockScope { each: Some((key, value.clone())), ..plain },
        (Some(index), None) => BlockScope { index: index.as_number().and_then(|number| number.as_u64()), ..plain },
        _ => plain,
    }
}

/// The instances that a block has now, in the order of their keys; none when it is not enabled.
pub(super) fn expand(block: &ResourceBlock, known: &Known<'_>) -> Result<Vec<Expanded>, Vec<Diagnostic>> {
    let scope = BlockScope::plain(known);
    if let Some(enabled) = &block.lifecycle.enabled {
        match config::decided(enabled, &scope)? {
            Some(true) => {}
            Some(false) => return Ok(Vec::new()),
            None => return Err(vec![unknown("enabled", enabled.span())]),
        }
    }
    match config::instances(&block.repetition, &scope)? {
        Instances::Known(instances) => Ok(instances),
        Instances::Unknown => {
            let what = match &block.repetition {
                config::Repetition::Count(_) => "count",
                _ => "for_each",
            };
            Err(vec![unknown(what, block.repetition.expression().map_or(block.span, |value| value.span()))])
        }
    }
}

fn unknown(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(codes::REPETITION_UNKNOWN, format!("`{what}` is not known while planning")).at(span).hint(
        "it decides which instances there are: let it depend on variables and locals, or apply what it depends on \
         first, with --target",
    )
}
