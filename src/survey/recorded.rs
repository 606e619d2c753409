//! What references stand for by the record alone, before anything is planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Type, Value};

use crate::address::{Address, BlockAddress, InstanceKey};
use crate::config::{Repetition, Stack};
use crate::survey::record::{Entry, Records};
use crate::survey::scope::Instances;
use crate::survey::turned::is_turned;

/// What every block of a stack stands for, as far as it is recorded. What is not recorded is unknown.
pub fn recorded_instances(stack: &Stack, records: &Records) -> BTreeMap<BlockAddress, Instances> {
    let mut values: BTreeMap<&BlockAddress, Vec<(&Option<InstanceKey>, &Value)>> = BTreeMap::new();
    // What is of another type yet says nothing of what it will be.
    let fits = |address: &Address, entry: &Entry| !is_turned(entry.moved_from.as_ref(), address) || entry.is_turned;
    for (address, entry) in records.0.iter().filter(|(address, entry)| fits(address, entry)) {
        if let Some(object) = &entry.current {
            values.entry(&address.block).or_default().push((&address.key, &object.attributes));
        }
    }
    let of_block = |(address, block): (&BlockAddress, &crate::config::ResourceBlock)| {
        let recorded = values.remove(address).unwrap_or_default();
        (address.clone(), instances(&block.repetition, &recorded))
    };
    stack.blocks.iter().map(of_block).collect()
}

fn instances(repetition: &Repetition, recorded: &[(&Option<InstanceKey>, &Value)]) -> Instances {
    let unknown = || Value::unknown(Type::Dynamic);
    match repetition {
        Repetition::One => match recorded.iter().find(|(key, _)| key.is_none()) {
            Some((_, value)) => Instances::one((*value).clone()),
            None => Instances::unknown(),
        },
        Repetition::Count(_) => {
            let mut counted = Vec::new();
            for (key, value) in recorded {
                let Some(InstanceKey::Index(index)) = key else { continue };
                // Numbers keep their places where one between them is missing.
                let Some(index) = usize::try_from(*index).ok().filter(|index| *index <= MOST) else { continue };
                if counted.len() <= index {
                    counted.resize_with(index + 1, unknown);
                }
                if let Some(place) = counted.get_mut(index) {
                    *place = (*value).clone();
                }
            }
            if counted.is_empty() { Instances::unknown() } else { Instances::counted(counted) }
        }
        Repetition::ForEach(_) => {
            let named: BTreeMap<Arc<str>, Value> = recorded
                .iter()
                .filter_map(|(key, value)| match key {
                    Some(InstanceKey::Name(name)) => Some((Arc::clone(name), (*value).clone())),
                    _ => None,
                })
                .collect();
            if named.is_empty() { Instances::unknown() } else { Instances::named(named) }
        }
    }
}

/// The largest number that an instance can have.
const MOST: usize = 1_000_000;
