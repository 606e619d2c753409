//! Answers in place of providers, from a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use retrue_provider_api::{Category, Provider, ProviderError, ProviderResult, ProviderSchema, Value};
use serde_json::{Value as Json, json};
use tokio::sync::Notify;

use super::format::What;
use super::matching::{Bindings, Difference, filled, parts, same};
use super::read::Trace;
use super::wrapped::Wrapped;
use super::{Made, Reading, Secrets, Tap, codes};
use crate::diagnostic::Diagnostic;
use crate::plan::ProviderOrigin;

/// When nothing at all has happened for so long, what an answer waits for will not happen any more.
const QUIET: Duration = Duration::from_secs(1);

/// In which way a replay did something else than the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The call is made with another request.
    Changed,
    /// The call was not made in the recording.
    New,
    /// The call is not made any more.
    Gone,
}

/// What a replay came to.
#[derive(Clone, Debug)]
pub struct Told {
    /// What was done otherwise, in the order of addresses.
    pub differences: Vec<Difference>,
    /// How many calls were answered as they were recorded.
    pub answered: usize,
    /// How many calls came after the end of a recording that was cut off.
    pub beyond: usize,
}

/// Answers in place of providers.
///
/// A call is answered when all is over that was over when it was answered in the recording: what follows from
/// what, and what a failure came too late to stop, is the same then, however fast the machine is.
pub struct Player {
    trace: Arc<Trace>,
    by_what: BTreeMap<What, Vec<usize>>,
    secrets: Secrets,
    open: Mutex<Open>,
    moved: Notify,
}

#[derive(Default)]
struct Open {
    used: BTreeSet<usize>,
    bindings: Bindings,
    /// The beginnings and ends that have not happened yet.
    ahead: BTreeSet<u64>,
    waiting: BTreeSet<u64>,
    progress: u64,
    differences: Vec<Difference>,
    answered: usize,
    beyond: usize,
}

impl Player {
    /// One that answers from a trace, and knows what stands in the replay in place of some of its secrets.
    pub fn new(trace: Arc<Trace>, known: Bindings) -> Arc<Player> {
        let mut by_what: BTreeMap<What, Vec<usize>> = BTreeMap::new();
        for (index, call) in trace.calls.iter().enumerate() {
            by_what.entry(call.what.clone()).or_default().push(index);
        }
        let ahead = trace.calls.iter().flat_map(|call| [call.began, call.ended]).collect();
        // Of equal calls the first one is answered first, and that is the one that began first.
        by_what.values_mut().for_each(|calls| {
            calls.sort_by_key(|index| trace.calls.get(*index).map(|call| call.began));
        });
        let open = Mutex::new(Open { ahead, bindings: known, ..Open::default() });
        Arc::new(Player { by_what, secrets: Secrets::new([0; 32]), open, moved: Notify::new(), trace })
    }

    /// The trace.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What stands in the replay where something secret was recorded, as far as it was seen.
    pub fn bindings(&self) -> Bindings {
        self.lock().bindings.clone()
    }

    /// A text without what is secret in the replay.
    pub fn hidden(&self, text: &str) -> String {
        self.secrets.hide_text(text)
    }

    /// What the replay came to, when it is over.
    pub fn finish(&self) -> Told {
        let open = self.lock();
        let mut differences = open.differences.clone();
        for (what, calls) in &self.by_what {
            // What is only checked follows from the rest.
            let left = calls.iter().filter(|index| !open.used.contains(index) && what.verb != "validate");
            differences.extend(left.map(|_| difference(Kind::Gone, what, Vec::new())));
        }
        differences.sort_by(|one, other| {
            let key = |difference: &Difference| (difference.address.clone(), difference.kind, difference.verb.clone());
            key(one).cmp(&key(other))
        });
        Told { differences, answered: open.answered, beyond: open.beyond }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn schema(&self, instance: &str) -> ProviderResult<Arc<ProviderSchema>> {
        match self.trace.instances.get(instance) {
            Some(one) => Ok(Arc::new(one.schema.clone())),
            None => Err(not_recorded("schema", "this provider was not used")),
        }
    }

    /// What a provider said of a type, with that configuration or, if `any`, with whatever it has.
    pub(super) fn fact(&self, instance: &str, verb: &str, type_name: &str, config: &Json, any: bool) -> Option<Json> {
        let open = self.lock();
        let facts = self.trace.facts.iter();
        let of_type =
            facts.filter(|fact| fact.instance == instance && fact.verb == verb && fact.type_name == type_name);
        let mut first = None;
        for fact in of_type {
            if let Some(found) = same(&fact.config, config, &open.bindings) {
                let known: Bindings = open.bindings.iter().chain(&found).map(|(a, b)| (a.clone(), b.clone())).collect();
                return Some(filled(&fact.answer, &known));
            }
            first = first.or(Some(fact));
        }
        first.filter(|_| any).map(|fact| fact.answer.clone())
    }

    /// What was answered to a request.
    pub(super) async fn answer(&self, what: &What, request: &Json) -> Result<Json, ProviderError> {
        let index = self.find(what, request)?;
        let Some(call) = index.and_then(|index| self.trace.calls.get(index)) else {
            return Ok(json!({ "ok": if what.verb == "validate" { json!([]) } else { Json::Null } }));
        };
        self.turn(call.ended).await;
        Ok(filled(&call.answer, &self.lock().bindings))
    }

    /// The call that a request is; none where there is none and it does not matter.
    fn find(&self, what: &What, request: &Json) -> Result<Option<usize>, ProviderError> {
        let mut open = self.lock();
        let calls = self.by_what.get(what).map(Vec::as_slice).unwrap_or_default();
        let left: Vec<usize> = calls.iter().copied().filter(|index| !open.used.contains(index)).collect();
        let recorded = |index: usize| self.trace.calls.get(index);
        for index in &left {
            let Some(call) = recorded(*index) else { continue };
            if let Some(found) = same(&call.request, request, &open.bindings) {
                open.bindings.extend(found);
                open.answered += 1;
                open.used.insert(*index);
                self.happened(&mut open, call.began);
                return Ok(Some(*index));
            }
        }
        let error = match left.first().and_then(|index| Some((*index, recorded(*index)?))) {
            // What a check has to say about another configuration is not known; what is done with it is compared.
            _ if what.verb == "validate" => return Ok(None),
            Some((index, call)) => {
                let hide = |text: Option<String>| text.map(|text| self.secrets.hide_text(&text));
                let parts = parts(&call.request, request);
                let parts = parts.into_iter().map(|(path, before, now)| (path, before, hide(now))).collect();
                open.differences.push(difference(Kind::Changed, what, parts));
                open.used.insert(index);
                let (began, ended) = (call.began, call.ended);
                self.happened(&mut open, began);
                self.happened(&mut open, ended);
                not_recorded(&what.verb, "the recording has this call with another request")
            }
            None if self.trace.end.is_none() => {
                open.beyond += 1;
                not_recorded(&what.verb, "the recording was cut off before this call")
            }
            None => {
                open.differences.push(difference(Kind::New, what, Vec::new()));
                not_recorded(&what.verb, "the recording has no such call")
            }
        };
        if what.verb == "configure" { Ok(None) } else { Err(error) }
    }

    fn happened(&self, open: &mut Open, event: u64) {
        open.ahead.remove(&event);
        open.progress += 1;
        self.moved.notify_waiters();
    }

    /// Waits until all has happened that had happened before an end.
    async fn turn(&self, ended: u64) {
        let _waiting = Waiting::new(self, ended);
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let seen = {
                let mut open = self.lock();
                if open.ahead.first().is_none_or(|first| *first >= ended) {
                    self.happened(&mut open, ended);
                    return;
                }
                open.progress
            };
            if tokio::time::timeout(QUIET, moved).await.is_err() {
                let mut open = self.lock();
                // The replay went another way: what did not happen by now does not happen.
                if open.progress == seen && open.waiting.first() == Some(&ended) {
                    open.ahead = open.ahead.split_off(&ended);
                }
            }
        }
    }
}

/// An answer that waits for its turn.
struct Waiting<'p> {
    player: &'p Player,
    ended: u64,
}

impl<'p> Waiting<'p> {
    fn new(player: &'p Player, ended: u64) -> Self {
        player.lock().waiting.insert(ended);
        Waiting { player, ended }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.player.lock().waiting.remove(&self.ended);
    }
}

fn difference(kind: Kind, what: &What, parts: Vec<(String, Option<String>, Option<String>)>) -> Difference {
    Difference {
        kind,
        instance: what.instance.clone(),
        verb: what.verb.clone(),
        type_name: what.type_name.clone(),
        address: what.address.clone(),
        parts,
    }
}

fn not_recorded(verb: &str, why: &str) -> ProviderError {
    ProviderError { retry: false, ..ProviderError::new(Category::Unknown, verb, why) }
}

impl Tap for Arc<Player> {
    fn make(&self, instance: &str, _made: Made<'_>) -> Result<Arc<dyn Provider>, Diagnostic> {
        match self.trace.instances.contains_key(instance) {
            true => Ok(Wrapped::played(instance, Arc::clone(self))),
            false => {
                let problem = format!("the provider `{instance}` was not used when the trace was recorded");
                let hint = "what needs it cannot be replayed; record it again with `--record FILE`";
                Err(Diagnostic::error(codes::NOT_HERE, problem).hint(hint))
            }
        }
    }

    fn located(&self, instance: &str) -> Option<Option<ProviderOrigin>> {
        Some(self.trace.instances.get(instance).and_then(|one| one.program.clone()))
    }

    fn learn(&self, value: &Value) {
        self.secrets.learn(value);
    }

    fn source(&self, source: &str, _real: Reading<'_>) -> Result<Value, Diagnostic> {
        self.trace.sources.get(source).map(|value| value.clone().sensitive()).ok_or_else(|| {
            Diagnostic::error(codes::NOT_HERE, format!("`{source}` was not read when the trace was recorded"))
                .hint("what needs it cannot be replayed; record it again with `--record FILE`")
        })
    }

    fn recent(&self) -> BTreeMap<String, Duration> {
        self.trace.header.recent.clone()
    }
}
