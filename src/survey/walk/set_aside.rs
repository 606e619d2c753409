//! Objects that were replaced and are still there.

use futures::StreamExt as _;
use retrue_provider_api::{Block, Capability};

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::plan::decide::{Decision, Instance, Responses, World};
use crate::plan::ending::{end_deposed, standing_deposed};
use crate::plan::{Lifecycle, ObjectKey};
use crate::saga::RecordedObject;
use crate::survey::consult::consult_end;
use crate::survey::record::Entry;

use super::*;

/// What a provider says of the end of one of them.
pub(super) type Answer = Result<(Capability, Responses), Diagnostic>;

impl<'a> Walk<'a> {
    /// Asks the providers about the end of all of them that are there.
    pub(super) async fn consult_set_aside(&mut self) {
        if self.looking {
            return;
        }
        let answers = {
            let walk: &Walk<'a> = self;
            let there = walk.worlds.iter().filter_map(|((address, object), world)| {
                let ObjectKey::Deposed(key) = object else { return None };
                let recorded = walk.entry(address)?.deposed.get(key.as_ref())?;
                let configured = walk.providers.get(&recorded.provider.instance)?;
                let calls = &walk.request.calls;
                Some(async move {
                    let answer = consult_end(address, &configured.provider, recorded, world, calls).await;
                    ((address.clone(), object.clone()), answer)
                })
            });
            let questions: Vec<_> = there.collect();
            futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
        };
        self.set_aside.extend(answers);
    }

    /// Adds their end to what happens to the address; where only the standing is asked for, how they stand.
    pub(super) fn add_deposed(&mut self, address: &Address, block: &Block, decision: &mut Decision) {
        let Some(entry) = self.entry(address) else { return };
        if !entry.deposed.is_empty() && !self.looking && self.doubt.holds(address) {
            return self.warn_of_doubt(address, None);
        }
        for (key, object) in &entry.deposed {
            let name = (address.clone(), ObjectKey::Deposed(key.as_str().into()));
            let Some(world) = self.worlds.get(&name).cloned() else { continue };
            let (capability, responses) = match self.set_aside.remove(&name) {
                Some(Ok(answer)) => answer,
                Some(Err(problem)) => {
                    self.problems.push(problem);
                    continue;
                }
                None => Default::default(),
            };
            let instance = self.deposed(address, block, (entry, object), world, (capability, responses));
            if self.looking {
                decision.set_aside.push(standing_deposed(&instance, key));
                continue;
            }
            match end_deposed(&instance, object, key) {
                Ok((step, set_aside)) => {
                    decision.steps.push(step);
                    decision.set_aside.push(set_aside);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    /// What is known of one of them.
    fn deposed<'b>(
        &self,
        address: &Address,
        block: &'b Block,
        (entry, object): (&'b Entry, &'b RecordedObject),
        world: World,
        (capability, responses): (Capability, Responses),
    ) -> Instance<'b>
    where
        'a: 'b,
    {
        let config = object.config.clone().unmark_deep().0;
        let (fingerprint, fingerprint_of) = self.fingerprint(block, &world, &config, &[]);
        Instance {
            address: address.clone(),
            provider: object.provider.instance.as_str().into(),
            block,
            schema_version: object.schema_version,
            capability,
            desired: None,
            declared: self.lifecycle_now(address, entry),
            outdated: false,
            recorded: Some(object),
            moved_from: entry.moved_from.clone(),
            fingerprint,
            fingerprint_of,
            world,
            same_place: false,
            responses,
            replace_reason: None,
            replace_because: Vec::new(),
            generation: object.generation,
            lineage: self.request.lineage,
            used: &[],
            ends_because: Default::default(),
            looking: false,
            import: None,
        }
    }

    /// What holds now, of the block or of what stands in its place, wins over what held when it was set aside.
    fn lifecycle_now(&self, address: &Address, entry: &Entry) -> Option<Lifecycle> {
        match self.request.stack.blocks.get(&address.block) {
            Some(block) => Some(self.lifecycle(block)),
            None => entry.current.as_ref().map(|current| current.lifecycle.clone()),
        }
    }
}
