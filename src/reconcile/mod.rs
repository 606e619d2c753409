//! Reconcile: compares the world with what is recorded and desired. Pure; reading is the survey's,
//! mending is a plan of its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::Address;
use crate::plan::{Drift, DriftStatus, ObjectKey, Plan};

/// How the world stands to the record.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many recorded resources agree.
    pub in_true: usize,
    /// Those that do not, in the order of their addresses.
    pub drift: Vec<Drift>,
    /// Of those that have drifted or are gone: what mending cannot bring back, and why.
    pub beyond: BTreeMap<(Address, ObjectKey), Beyond>,
    /// Somebody changes things just now: what is compared may be another in a moment.
    pub at_work: Option<AtWork>,
}

/// Why mending does not bring something back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// It was replaced, and only waits for its end.
    SetAside,
    /// It is not declared any more.
    NotDeclared,
    /// It is as it is declared: only the record is another.
    Declared,
    /// Nothing that is declared differs, so that no change would bring it back.
    NothingToChange,
    /// Something stands in the way, of which warnings tell.
    InTheWay,
}

/// Whoever changes things just now.
#[derive(Clone, Debug)]
pub struct AtWork {
    /// Who, in words.
    pub who: String,
    /// What is in flight.
    pub in_flight: BTreeSet<Address>,
}

impl Report {
    /// What a survey found; `undeclared` is what the stack does not declare any more.
    pub fn new(plan: &Plan, in_true: usize, undeclared: &BTreeSet<Address>) -> Self {
        let mends = |address: &Address| {
            let mut steps = plan.steps.iter().filter(|step| step.id.object.is_current() && step.id.address == *address);
            steps.any(|step| step.id.effect.is_external())
        };
        let beyond = plan.drift.iter().filter(|drift| is_off(drift.status)).filter_map(|drift| {
            let reason = match drift.status {
                _ if !drift.object.is_current() => Beyond::SetAside,
                _ if undeclared.contains(&drift.address) => Beyond::NotDeclared,
                _ if mends(&drift.address) => return None,
                DriftStatus::Missing => Beyond::InTheWay,
                _ if drift.declared.is_empty() => Beyond::NothingToChange,
                _ if drift.declared.iter().all(|path| is_as_declared(drift, path)) => Beyond::Declared,
                _ => Beyond::InTheWay,
            };
            Some(((drift.address.clone(), drift.object.clone()), reason))
        });
        Report { in_true, drift: plan.drift.clone(), beyond: beyond.collect(), at_work: None }
    }

    /// Why mending does not bring something back, if that is so.
    pub fn beyond(&self, drift: &Drift) -> Option<Beyond> {
        self.beyond.get(&(drift.address.clone(), drift.object.clone())).copied()
    }

    /// How many have a status.
    pub fn count(&self, status: DriftStatus) -> usize {
        self.drift.iter().filter(|drift| drift.status == status).count()
    }

    /// Whether nothing is to be mended. What was merely changed outside is not.
    pub fn is_true(&self) -> bool {
        self.drift.iter().all(|drift| drift.status == DriftStatus::ChangedOutside)
    }

    /// Whether anything has drifted or is gone, whatever can be done about it.
    pub fn has_drifted(&self) -> bool {
        self.drift.iter().any(|drift| is_off(drift.status))
    }

    /// What `--fix` brings back, of what has drifted and what is gone.
    pub fn to_mend(&self) -> BTreeSet<Address> {
        self.drift
            .iter()
            .filter(|drift| is_off(drift.status) && self.beyond(drift).is_none())
            .map(|drift| drift.address.clone())
            .collect()
    }
}

fn is_off(status: DriftStatus) -> bool {
    matches!(status, DriftStatus::Drifted | DriftStatus::Missing)
}

fn is_as_declared(drift: &Drift, path: &retrue_provider_api::Path) -> bool {
    match (path.get(&drift.desired), path.get(&drift.observed)) {
        (Some(desired), Some(observed)) => desired.clone().unmark_deep().0.same(&observed.clone().unmark_deep().0),
        (desired, observed) => {
            desired.is_none_or(|value| value.is_null()) && observed.is_none_or(|value| value.is_null())
        }
    }
}
