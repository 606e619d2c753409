//! The ways to the objects of one provider instance: as it is configured, and what is declared in place of that.
//!
//! A run goes over to the next way where the one that it uses does not work, and never back: nothing is looked at
//! here and changed there because a side comes and goes. All ways lead to the same objects, so what is known of
//! them holds on each.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use retrue_provider_api::{Category, Provider, ProviderResult};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::witness::Kept;

/// Another way to the objects of a provider instance.
#[async_trait]
pub trait Alternative: Send + Sync {
    /// Makes a provider that goes this way, and configures it.
    async fn open(&self) -> ProviderResult<Arc<dyn Provider>>;
}

/// That a run goes another way, and goes it to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovedOver {
    /// The name of the provider instance.
    pub provider: String,
    /// Which entry of its `fallback` it is, from 1 on.
    pub fallback: usize,
    /// Why.
    pub reason: String,
}

impl fmt::Display for MovedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the provider `{}` is reached by its fallback {} until the end of the run: {}",
            self.provider, self.fallback, self.reason
        )
    }
}

/// All moves of a run, in their order.
#[derive(Debug, Default)]
pub(super) struct Moves {
    all: Mutex<(Vec<MovedOver>, usize)>,
}

impl Moves {
    pub(super) fn add(&self, moved: MovedOver) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).0.push(moved);
    }

    pub(super) fn all(&self) -> Vec<MovedOver> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Those that nobody was told of yet; whoever asks tells.
    pub(super) fn untold(&self) -> Vec<MovedOver> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let untold = all.0.get(all.1..).unwrap_or_default().to_vec();
        all.1 = all.0.len();
        untold
    }
}

/// An alternative, and the provider that was made for it.
type Offered = (Arc<dyn Alternative>, OnceCell<Arc<dyn Provider>>);

/// The alternatives of one instance, each made when it is first needed.
#[derive(Default)]
pub(super) struct Ways {
    alternatives: OnceLock<Vec<Offered>>,
    /// How long the first one may take to be configured, where there are others.
    configured_within: OnceLock<Duration>,
    /// What was there on the ways so far.
    pub(super) seen: Kept,
}

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ways {{ alternatives: {} }}", self.count())
    }
}

impl Ways {
    /// Says what they are, and how long it may take to configure the first one; once.
    pub(super) fn offer(&self, alternatives: Vec<Arc<dyn Alternative>>, configured_within: Duration) {
        if !alternatives.is_empty() {
            let _ = self.configured_within.set(configured_within);
        }
        let _ = self.alternatives.set(alternatives.into_iter().map(|one| (one, OnceCell::new())).collect());
    }

    /// How long it may take to configure the first one; whoever has no other decides by himself.
    pub(super) fn configured_within(&self) -> Option<Duration> {
        self.configured_within.get().copied()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.alternatives.get().map_or(0, Vec::len)
    }

    /// The provider that goes a way; `first` goes the one that has the number 0.
    ///
    /// # Errors
    /// It cannot be made, or not be configured, or leads elsewhere. The next one who asks tries again.
    pub(super) async fn provider(&self, way: usize, first: &Arc<dyn Provider>) -> ProviderResult<Arc<dyn Provider>> {
        let alternative = way.checked_sub(1).and_then(|index| self.alternatives.get()?.get(index));
        let Some((alternative, made)) = alternative else { return Ok(Arc::clone(first)) };
        let open = async || -> ProviderResult<Arc<dyn Provider>> {
            let provider = alternative.open().await?;
            if let Some(seen) = self.seen.one() {
                seen.is_seen_by(&*provider).await?;
            }
            Ok(provider)
        };
        made.get_or_try_init(open).await.cloned().map_err(|error| error.with("fallback", way))
    }

    /// The same, where it is made already; else the first one.
    pub(super) fn made<'w>(&'w self, way: usize, first: &'w Arc<dyn Provider>) -> &'w Arc<dyn Provider> {
        let alternative = way.checked_sub(1).and_then(|index| self.alternatives.get()?.get(index));
        alternative.and_then(|(_, made)| made.get()).unwrap_or(first)
    }

    /// All alternatives that were made.
    pub(super) fn all_made(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.alternatives.get().into_iter().flatten().filter_map(|(_, made)| made.get())
    }
}

/// Why a way is left, in words that hold nothing of what was configured.
pub(super) fn reason(category: Category) -> String {
    match category {
        Category::Network => "it cannot be reached".to_owned(),
        Category::TimeOut => "it does not answer in time".to_owned(),
        category => format!("it does not work ({category})"),
    }
}
