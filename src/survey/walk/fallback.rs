//! What stands in place of data that cannot be read.

use std::collections::BTreeMap;

use retrue_provider_api::{Block, Value, convert};

use crate::address::Address;
use crate::config::{Fallback, kept};
use crate::diagnostic::Diagnostic;
use crate::expression::{evaluate, nearest};
use crate::plan::Instead;
use crate::survey::expand::instance_scope;

use super::*;

impl<'a> Walk<'a> {
    /// What stands in place of data, in the order in which it is tried. What is wrong with what is written is
    /// wrong whether the data can be read or not.
    pub(super) fn instead(&self, candidate: &Candidate<'a>) -> Result<Vec<Instead>, Vec<Diagnostic>> {
        let (block, schema) = (candidate.block, &candidate.schema.block);
        let scope = instance_scope(block, &candidate.expanded, &self.known);
        let mut chain = Vec::new();
        for fallback in &block.fallback {
            match fallback {
                Fallback::LastKnown => {
                    let Some(recorded) = self.request.state.data.get(&candidate.address) else { continue };
                    let wrong = |error: crate::rest::UnsealError| {
                        vec![Diagnostic::error(crate::saga::codes::SEALED, error.to_string()).at(block.span)]
                    };
                    let value = recorded.value.wake(self.request.seal).map_err(wrong)?;
                    // It was recorded for the type as it was then.
                    if let Ok(value) = convert(&value, &schema.value_type()) {
                        chain.push(Instead { value, what: format!("what the run {} read of it", recorded.run) });
                    }
                }
                Fallback::Value(expression) => {
                    let value = evaluate(expression, &scope)
                        .map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())?;
                    if value.marks_deep().ephemeral {
                        return Err(vec![kept("a fallback", expression.span())]);
                    }
                    let value = whole(&candidate.config, &value, schema)
                        .map_err(|problem| vec![problem.at(expression.span())])?;
                    if value.is_wholly_known() {
                        chain.push(Instead { value, what: "the value that its fallback says".to_owned() });
                    }
                }
            }
        }
        Ok(chain)
    }

    /// What is to be remembered of data once the plan is applied, and, without a value, what is to be forgotten.
    pub(super) fn remembered(&mut self) -> BTreeMap<Address, Option<Value>> {
        let mut remembered: BTreeMap<Address, Option<Value>> = BTreeMap::new();
        for (address, value) in std::mem::take(&mut self.data_values) {
            let recorded = self.request.state.data.get(&address);
            let known = recorded.and_then(|recorded| recorded.value.wake(self.request.seal).ok());
            if known.as_ref() != Some(&value) {
                remembered.insert(address, Some(value));
            }
        }
        let wanted = |address: &Address| {
            let block = self.request.stack.blocks.get(&address.block);
            block.is_some_and(|block| block.fallback.contains(&Fallback::LastKnown))
        };
        let stale = self.request.state.data.keys().filter(|address| !wanted(address));
        remembered.extend(stale.map(|address| (address.clone(), None)));
        remembered
    }
}

/// The configuration of a data source with what was written of its answer.
fn whole(config: &Value, written: &Value, block: &Block) -> Result<Value, Diagnostic> {
    let wrong = |code, message: String| Diagnostic::error(code, message);
    let types = block.value_type();
    let types = match &types {
        retrue_provider_api::Type::Object(object) => &object.attributes,
        _ => return Ok(config.clone()),
    };
    let entries = written
        .as_entries()
        .ok_or_else(|| wrong(crate::config::codes::TYPE_MISMATCH, "a fallback is a table of attributes".to_owned()))?;
    let marks = written.marks();
    let mut value = config.clone();
    for (name, part) in entries {
        let Some(kind) = types.get(name.as_ref()) else {
            let problem =
                wrong(crate::config::codes::UNKNOWN_ATTRIBUTE, format!("there is no attribute `{name}` there"));
            return Err(match nearest(name, types.keys().map(AsRef::as_ref)) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        };
        let part = convert(part, kind).map_err(|_| {
            let found = part.kind().friendly_name();
            let message = format!("`{name}` takes {}, and this is {found}", kind.friendly_name());
            wrong(crate::config::codes::TYPE_MISMATCH, message)
        })?;
        value = value.with_attribute(name, part.with_marks(marks));
    }
    // What was not written has no value, rather than one that nobody knows.
    for (name, kind) in types {
        if value.get(name).is_none_or(|part| !part.is_wholly_known()) && !entries.contains_key(name.as_ref()) {
            value = value.with_attribute(name, Value::null(kind.clone()));
        }
    }
    Ok(value)
}
