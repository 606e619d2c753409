//! Reconcile: compares the world with what is recorded and desired. Pure; reading is the survey's,
//! mending is a plan of its own.

use std::collections::BTreeSet;

use crate::address::Address;
use crate::plan::{Drift, DriftStatus, Plan};

/// How the world stands to the record.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many recorded resources agree.
    pub in_true: usize,
    /// Those that do not, in the order of their addresses.
    pub drift: Vec<Drift>,
}

impl Report {
    /// What a survey found.
    pub fn new(plan: &Plan, in_true: usize) -> Self {
        Report { in_true, drift: plan.drift.clone() }
    }

    /// How many have a status.
    pub fn count(&self, status: DriftStatus) -> usize {
        self.drift.iter().filter(|drift| drift.status == status).count()
    }

    /// Whether nothing is to be mended. What was merely changed outside is not.
    pub fn is_true(&self) -> bool {
        self.drift.iter().all(|drift| drift.status == DriftStatus::ChangedOutside)
    }

    /// What `--fix` brings back: what has drifted, and what is gone.
    pub fn to_mend(&self) -> BTreeSet<Address> {
        self.drift
            .iter()
            .filter(|drift| matches!(drift.status, DriftStatus::Drifted | DriftStatus::Missing))
            .map(|drift| drift.address.clone())
            .collect()
    }
}
