//! What is recorded and no longer declared.

use futures::StreamExt as _;
use retrue_provider_api::{Block, Capability};

use crate::address::{Address, InstanceKey};
use crate::config::{Moved, decided};
use crate::diagnostic::Diagnostic;
use crate::plan::decide::{Instance, Responses, World, decide};
use crate::plan::{ObjectKey, PlanKind, codes};
use crate::survey::consult::consult_end;
use crate::survey::scope::BlockScope;

use super::*;

impl<'a> Walk<'a> {
    /// Everything that is recorded and no longer declared; where only the standing is asked for,
    /// everything that nothing was decided about yet.
    pub(super) async fn ended(&mut self) {
        let mut orphans: Vec<&'a Address> = self
            .records
            .0
            .iter()
            .filter(|(address, entry)| {
                let recorded = match self.looking {
                    true => entry.objects().next().is_some(),
                    false => entry.objects().next().is_some() && !self.is_declared(address),
                };
                recorded
                    && !self.decisions.contains_key(*address)
                    && self.targets.covers(address)
                    && !self.doubt.about(address)
            })
            .map(|(address, _)| address)
            .collect();
        if !self.looking {
            let (held, free) = orphans.into_iter().partition(|address| self.doubt.holds(address));
            orphans = free;
            let held: Vec<&'a Address> = held;
            held.into_iter().for_each(|address| self.warn_of_doubt(address, None));
        }
        if !self.looking && self.request.kind != PlanKind::Destroy {
            let untaken: Vec<Diagnostic> =
                orphans.iter().filter_map(|address| self.rename_that_is_taken(address)).collect();
            self.problems.extend(untaken);
        }
        let answers = {
            let walk: &Walk<'a> = self;
            let questions: Vec<_> = orphans.iter().map(|address| walk.consult_orphan(address)).collect();
            futures::stream::iter(questions).buffered(self.request.parallelism.max(1)).collect::<Vec<_>>().await
        };
        for (address, answer) in orphans.into_iter().zip(answers) {
            match answer {
                Ok((world, capability, responses)) => self.end_one(address, world, capability, responses),
                Err(problem) => self.problems.push(problem),
            }
        }
    }

    fn end_one(&mut self, address: &'a Address, world: World, capability: Capability, responses: Responses) {
        let Some(entry) = self.entry(address) else { return };
        let Some(any) = entry.objects().next() else { return };
        let empty = Block::default();
        let schema = self
            .providers
            .get(&any.provider.instance)
            .and_then(|configured| configured.schema.resources.get(address.type_name()));
        let block = schema.map_or(&empty, |schema| &schema.block);
        let config = any.config.clone().unmark_deep().0;
        let used = match self.looking {
            true => self.used_attributes.get(&address.block).map_or(&[][..], Vec::as_slice),
            false => &[],
        };
        let (fingerprint, fingerprint_of) = self.fingerprint(block, &world, &config, used);
        let instance = Instance {
            address: address.clone(),
            provider: any.provider.instance.as_str().into(),
            block,
            schema_version: any.schema_version,
            capability,
            desired: None,
            declared: self.request.stack.blocks.get(&address.block).map(|block| self.lifecycle(block)),
            recorded: entry.current.as_ref(),
            outdated: entry.outdated,
            moved_from: entry.moved_from.clone(),
            fingerprint,
            fingerprint_of,
            world,
            same_place: false,
            responses,
            replace_reason: None,
            replace_because: Vec::new(),
            generation: entry.generation,
            lineage: self.request.lineage,
            used,
            ends_because: self.ends_because(address).into(),
            looking: self.looking,
            import: None,
        };
        let mut decision = decide(&instance);
        let place = self.request.stack.blocks.get(&address.block).map(|block| block.span);
        self.problems.extend(decision.errors.drain(..).map(|problem| problem.else_at(place)));
        self.add_deposed(address, block, &mut decision);
        self.decisions.insert(address.clone(), (decision, any.dependencies.clone()));
    }

    /// That what a `[[moved]]` is to keep under another name would be deleted, because something is recorded under
    /// that name already.
    fn rename_that_is_taken(&self, address: &Address) -> Option<Diagnostic> {
        let stack = self.request.stack;
        self.entry(address)?.current.as_ref()?;
        let written = stack.moved.iter().find(|moved| moved.from == *address).or_else(|| {
            let whole = |moved: &&Moved| moved.from.key.is_none() && moved.to.key.is_none();
            stack.moved.iter().filter(whole).find(|moved| moved.from.block == address.block)
        })?;
        let to = Records::renamed(address, &moves(stack, self.request.state))?;
        let message = format!("`{address}` cannot become `{to}`, under which something else is recorded already");
        let problem = Diagnostic::error(crate::config::codes::BAD_MOVE, message)
            .label(written.from_span, format!("without it, `{address}` is deleted"))
            .label(written.to_span, "recorded already");
        Some(problem.hint(format!(
            "take the `[[moved]]` out if `{address}` is to end; if it is to be kept as `{to}`, forget what is recorded \
             there first: `retrue state rm '{to}'`"
        )))
    }

    /// Why something ends that nothing is declared for.
    fn ends_because(&self, address: &Address) -> &'static str {
        if self.request.kind == PlanKind::Destroy {
            return "everything is to end";
        }
        let Some(block) = self.request.stack.blocks.get(&address.block) else { return "it is no longer declared" };
        let scope = BlockScope::plain(&self.known);
        let is_off = |enabled: &Expression| matches!(decided(enabled, &scope), Ok(Some(false)));
        if block.lifecycle.enabled.as_ref().is_some_and(is_off) {
            return "`enabled` is false";
        }
        match (&block.repetition, &address.key) {
            (Repetition::Count(_), Some(InstanceKey::Index(_))) => "its number is not below `count` any more",
            (Repetition::ForEach(_), Some(InstanceKey::Name(_))) => "its key is not in `for_each` any more",
            (Repetition::One, _) => "its block stands for a single one now",
            (Repetition::Count(_), _) => "its block has `count` now",
            (Repetition::ForEach(_), _) => "its block has `for_each` now",
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

    async fn consult_orphan(&self, address: &Address) -> Result<(World, Capability, Responses), Diagnostic> {
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
        let world = self
            .worlds
            .get(&(address.clone(), ObjectKey::Current))
            .cloned()
            .unwrap_or(World::Unreadable("it was not read".into()));
        if self.looking {
            return Ok((world, Capability::default(), Responses::default()));
        }
        let configured = self.providers.get(&recorded.provider.instance).ok_or_else(gone)?;
        let (capability, responses) =
            consult_end(address, &configured.provider, recorded, &world, &self.request.calls).await?;
        Ok((world, capability, responses))
    }
}
