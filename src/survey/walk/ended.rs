//! What is recorded and no longer declared.

use futures::StreamExt as _;
use retrue_provider_api::Block;

use crate::address::Address;
use crate::diagnostic::Diagnostic;
use crate::plan::decide::{Instance, World, decide};
use crate::plan::{ObjectKey, PlanKind, codes};
use crate::survey::consult::consult_end;

use super::*;

impl<'a> Walk<'a> {
    /// Everything that is recorded and no longer declared.
    pub(super) async fn ended(&mut self) {
        let orphans: Vec<&'a Address> = self
            .records
            .0
            .iter()
            .filter(|(address, entry)| {
                (entry.current.is_some() || !entry.deposed.is_empty())
                    && !self.decisions.contains_key(*address)
                    && self.targets.covers(address)
                    && !self.is_declared(address)
                    && !self.blocked.contains(*address)
            })
            .map(|(address, _)| address)
            .collect();
        let answers = {
            let walk: &Walk<'a> = self;
            let questions: Vec<_> = orphans.iter().map(|address| walk.consult_orphan(address)).collect();
            futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
        };
        for (address, answer) in orphans.into_iter().zip(answers) {
            let Some(entry) = self.entry(address) else { continue };
            let Some(any) = entry.current.as_ref().or_else(|| entry.deposed.values().next()) else { continue };
            let Some(configured) = self.providers.get(&any.provider.instance) else { continue };
            let empty = Block::default();
            let block = configured.schema.resources.get(address.type_name()).map_or(&empty, |schema| &schema.block);
            let config = any.config.clone().unmark_deep().0;
            let (world, capability, responses) = match answer {
                Ok(answer) => answer,
                Err(problem) => {
                    self.problems.push(problem);
                    continue;
                }
            };
            let (fingerprint, fingerprint_of) = self.fingerprint(block, &world, &config, &[]);
            let instance = Instance {
                address: address.clone(),
                provider: any.provider.instance.as_str().into(),
                block,
                schema_version: any.schema_version,
                capability,
                desired: None,
                recorded: entry.current.as_ref(),
                moved_from: entry.moved_from.clone(),
                fingerprint,
                fingerprint_of,
                world,
                responses,
                replace_reason: None,
                replace_because: Vec::new(),
                generation: entry.generation,
                lineage: self.request.lineage,
                used: &[],
                destroying: self.request.kind == PlanKind::Destroy,
            };
            let mut decision = decide(&instance);
            self.problems.append(&mut decision.errors);
            self.add_deposed(address, block, &mut decision);
            self.decisions.insert(address.clone(), (decision, any.dependencies.clone()));
        }
    }

    /// Whether the block still stands in the configuration with this instance; then something was
    /// wrong with it, or it is not to be touched, and it is no orphan.
    pub(super) fn is_declared(&self, address: &Address) -> bool {
        if self.request.kind == PlanKind::Destroy {
            return false;
        }
        match self.known.blocks.get(&address.block) {
            Some(instances) => instances.has(address.key.as_ref()),
            None => false,
        }
    }

    pub(super) async fn consult_orphan(
        &self,
        address: &Address,
    ) -> Result<(World, retrue_provider_api::Capability, crate::plan::decide::Responses), Diagnostic> {
        let gone =
            || Diagnostic::error(codes::NO_PROVIDER, format!("nothing can end `{address}`: its provider is unknown"));
        let entry = self.entry(address).ok_or_else(gone)?;
        let Some(recorded) = entry.current.as_ref() else {
            let any = entry.deposed.values().next().ok_or_else(gone)?;
            let configured = self.providers.get(&any.provider.instance).ok_or_else(gone)?;
            let config = any.config.clone().unmark_deep().0;
            let capability = configured.provider.capability(address.type_name(), &config);
            return Ok((World::Absent, capability, Default::default()));
        };
        let configured = self.providers.get(&recorded.provider.instance).ok_or_else(gone)?;
        let world = self
            .worlds
            .get(&(address.clone(), ObjectKey::Current))
            .cloned()
            .unwrap_or(World::Unreadable("it was not read".into()));
        let (capability, responses) =
            consult_end(address, &configured.provider, recorded, &world, &self.request.calls).await?;
        Ok((world, capability, responses))
    }
}
