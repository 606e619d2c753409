//! The record, as a survey sees it: opened, and with renames carried out.

use std::collections::BTreeMap;

use crate::address::Address;
use crate::config::Moved;
use crate::rest::{Seal, UnsealError};
use crate::saga::{RecordedObject, State};

/// What is recorded for one address.
#[derive(Debug, Default)]
pub struct Entry {
    /// The last generation.
    pub generation: u64,
    /// The object that the address stands for.
    pub current: Option<RecordedObject>,
    /// Objects that were replaced and are still there.
    pub deposed: BTreeMap<String, RecordedObject>,
    /// The address that it had.
    pub moved_from: Option<Address>,
}

/// All that is recorded, by the address that it has now.
#[derive(Debug, Default)]
pub struct Records(pub BTreeMap<Address, Entry>);

impl Records {
    /// Opens what is recorded and carries out the renames, in their order.
    pub fn open(state: &State, moved: &[Moved], seal: &dyn Seal) -> Result<Self, UnsealError> {
        let mut records = BTreeMap::new();
        for (address, entry) in &state.addresses {
            let deposed = entry
                .deposed
                .iter()
                .map(|(key, object)| Ok((key.clone(), object.wake(seal)?)))
                .collect::<Result<_, UnsealError>>()?;
            let current = entry.current.as_ref().map(|object| object.wake(seal)).transpose()?;
            records.insert(address.clone(), Entry { generation: entry.generation, current, deposed, moved_from: None });
        }
        let mut records = Records(records);
        for rename in moved {
            records.rename(rename);
        }
        Ok(records)
    }

    fn rename(&mut self, rename: &Moved) {
        let whole = rename.from.key.is_none() && rename.to.key.is_none();
        let sources: Vec<Address> = self
            .0
            .iter()
            .filter(|(address, entry)| {
                let meant = if whole { address.block == rename.from.block } else { **address == rename.from };
                meant && (entry.current.is_some() || !entry.deposed.is_empty())
            })
            .map(|(address, _)| address.clone())
            .collect();
        for from in sources {
            let to = if whole { rename.to.block.instance(from.key.clone()) } else { rename.to.clone() };
            let taken = self.0.get(&to).is_some_and(|entry| entry.current.is_some());
            if taken {
                // What is recorded at the new address is what the configuration means by it.
                continue;
            }
            let Some(mut entry) = self.0.remove(&from) else { continue };
            // The old address keeps its counter: a generation is never used twice.
            self.0.insert(from.clone(), Entry { generation: entry.generation, ..Entry::default() });
            let before = self.0.get(&to).map_or(0, |entry| entry.generation);
            entry.generation = entry.generation.max(before);
            entry.moved_from = Some(entry.moved_from.unwrap_or(from));
            self.0.insert(to, entry);
        }
    }
}
