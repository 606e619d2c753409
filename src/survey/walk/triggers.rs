//! `replace_triggered_by`: what is replaced because something else changes, or has changed before it came to that.

use retrue_provider_api::{Path, canonical_bytes};

use crate::address::Address;
use crate::config::Trigger as Declared;
use crate::expression::{Reference, evaluate};
use crate::plan::{Action, Trigger};
use crate::survey::expand::instance_scope;
use crate::survey::importing::key_of;

use super::*;

/// Why an instance is replaced.
pub(super) struct Triggered {
    /// In words.
    pub why: String,
    /// What changes, or has changed.
    pub by: Vec<Trigger>,
}

impl Walk<'_> {
    /// Why `replace_triggered_by` replaces an instance, if it does.
    pub(super) fn triggered(&self, candidate: &Candidate<'_>) -> Option<Triggered> {
        let scope = || instance_scope(candidate.block, &candidate.expanded, &self.known);
        for Declared { reference, key } in &candidate.block.lifecycle.replace_triggered_by {
            let Some(target) = reference.root.block() else { continue };
            // One that cannot be told may be any of them.
            let chosen = key.as_ref().and_then(|key| key_of(&evaluate(key, &scope()).ok()?));
            let wanted = reference.key.as_ref().or(chosen.as_ref());
            let instances = self.decisions.range(target.instance(None)..).take_while(|(of, _)| of.block == target);
            let changed = instances.into_iter().filter(|(address, (decision, _))| {
                let is_meant = wanted.is_none_or(|key| address.key.as_ref() == Some(key));
                let change = &decision.change;
                is_meant
                    && matches!(change.action, Action::Update | Action::Replace)
                    && (reference.path.0.is_empty()
                        || match (reference.path.get(&change.before), reference.path.get(&change.after)) {
                            (Some(before), Some(after)) => !before.same(after),
                            (None, None) => false,
                            _ => true,
                        })
            });
            let by: Vec<Trigger> = changed.map(|(address, _)| self.trigger(address, &reference.path)).collect();
            if !by.is_empty() {
                let of = shown(&target, &wanted.cloned(), &reference.path);
                return Some(Triggered { why: format!("`replace_triggered_by`: {of} changes"), by });
            }
        }
        self.owed(candidate)
    }

    /// What an earlier apply planned to replace it for, and changed without coming to that.
    fn owed(&self, candidate: &Candidate<'_>) -> Option<Triggered> {
        if self.looking {
            return None;
        }
        let owed = &self.entry(&candidate.address)?.current.as_ref()?.owed;
        let declared = |trigger: &Trigger| {
            let follows = |reference: &Reference| {
                reference.root.block().as_ref() == Some(&trigger.by.block) && reference.path == trigger.path
            };
            candidate.block.lifecycle.replace_triggered_by.iter().any(|declared| follows(&declared.reference))
        };
        let changed = |trigger: &&Trigger| declared(trigger) && self.trigger(&trigger.by, &trigger.path) != **trigger;
        let first = owed.iter().find(changed)?;
        let of = shown(&first.by.block, &first.by.key, &first.path);
        let why =
            format!("`replace_triggered_by`: {of} has changed, and the apply that changed it did not come to this");
        Some(Triggered { why, by: owed.clone() })
    }

    /// What is recorded of an instance now.
    fn trigger(&self, by: &Address, path: &Path) -> Trigger {
        let recorded = self.entry(by).and_then(|entry| path.get(&entry.current.as_ref()?.attributes));
        let was = recorded.map(|value| self.request.seal.keyed_hash(&canonical_bytes(&value.clone().unmark_deep().0)));
        Trigger { by: by.clone(), path: path.clone(), was: was.unwrap_or_default() }
    }
}
