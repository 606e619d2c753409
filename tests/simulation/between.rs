//! What is between the program and its cloud: calls take time, fail, get lost, and arrive after the
//! program died.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use fastrand::Rng;
use retrue_provider_testcloud::cloud::{Answer, Call, Cloud, MARKER_TAG, Method, lock};
use retrue_provider_testcloud::{SendError, Transport};
use serde_json::{Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::broken::Broken;
use super::disk::Written;
use super::life::Death;
use super::script::{Crash, Fault, Stop, Trouble};

/// How long a call that was on its way may still take to arrive. The cloud is said to settle within this.
pub(crate) const STRAGGLES: Duration = Duration::from_secs(4);

/// The network of one life.
pub(crate) struct Between {
    pub(crate) cloud: Arc<Mutex<Cloud>>,
    pub(crate) death: Death,
    pub(crate) written: Written,
    pub(crate) crash: Option<Crash>,
    pub(crate) stop: Option<Stop>,
    pub(crate) soft: CancellationToken,
    pub(crate) hard: CancellationToken,
    pub(crate) slow: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) passing: Mutex<Passing>,
    /// Calls that were on their way when the program died.
    pub(crate) stragglers: Arc<Mutex<Vec<Call>>>,
}

/// What has passed.
pub(crate) struct Passing {
    pub(crate) rng: Rng,
    pub(crate) calls: u16,
    pub(crate) faults: Vec<(Fault, u8)>,
    /// How often there was trouble.
    pub(crate) troubled: u64,
    /// How many calls went the other of two ways.
    pub(crate) other_way: u64,
    pub(crate) violations: Vec<String>,
}

impl Passing {
    fn trouble(&mut self, changes: bool) -> Option<Trouble> {
        let mut due = None;
        for (fault, seen) in &mut self.faults {
            if fault.changes && !changes {
                continue;
            }
            *seen = seen.saturating_add(1);
            let within = *seen >= fault.nth && (fault.times == 0 || *seen < fault.nth.saturating_add(fault.times));
            if within && due.is_none() {
                due = Some(fault.what);
            }
        }
        self.troubled += u64::from(due.is_some());
        due
    }
}

impl Between {
    /// The cloud does what is asked for.
    fn serve(&self, call: &Call) -> Answer {
        let answer = arrive(&self.cloud, call, self.broken);
        if call.method.changes() && answer.is_success() {
            // What is left of a change that was done in part is asked for under a key below that of its step.
            let asked = call.idempotency_key.as_deref().unwrap_or_default();
            let key = asked.split_once('/').map_or(asked, |(key, _)| key);
            let mut violations = Vec::new();
            if !self.written.begun.lock().unwrap().contains(key) {
                violations.push(format!("an effect that no record tells of beforehand: {call:?}"));
            }
            // Nothing rests on what is not written down yet.
            let names = [&call.body["network_id"], &call.body["tags"]["of"]];
            let ids = self.written.ids.lock().unwrap();
            for id in names.into_iter().filter_map(Json::as_str).filter(|id| !ids.contains(*id)) {
                violations.push(format!("an effect that rests on {id}, of which no record tells: {call:?}"));
            }
            self.passing.lock().unwrap().violations.extend(violations);
        }
        answer
    }

    async fn delay(&self) {
        if self.slow {
            let milliseconds = self.passing.lock().unwrap().rng.u64(..300);
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }
}

/// A call arrives.
pub(crate) fn arrive(cloud: &Mutex<Cloud>, call: &Call, broken: Option<Broken>) -> Answer {
    let mut call = call.clone();
    match broken {
        Some(Broken::BlindLook) if call.method == Method::Get && !call.query.is_empty() => {
            return Answer::new(200, json!([]));
        }
        Some(Broken::NoMarker) => {
            if let Some(Json::Object(tags)) = call.body.get_mut("tags") {
                tags.remove(MARKER_TAG);
            }
        }
        _ => {}
    }
    lock(cloud).serve(&call)
}

/// A call on its way: when the program dies now, it may arrive all the same.
struct OnItsWay<'b> {
    between: &'b Between,
    call: Option<Call>,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if self.between.death.came()
            && let Some(call) = self.call.take()
        {
            self.between.stragglers.lock().unwrap().push(call);
        }
    }
}

#[async_trait]
impl Transport for Between {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        self.pass(call, false).await
    }
}

/// Another way to the same cloud: nothing is wrong with it, and the program may die on it all the same.
pub(crate) struct OtherWay(pub(crate) Arc<Between>);

#[async_trait]
impl Transport for OtherWay {
    async fn send(&self, call: &Call) -> Result<Answer, SendError> {
        self.0.pass(call, true).await
    }
}

impl Between {
    async fn pass(&self, call: &Call, other: bool) -> Result<Answer, SendError> {
        let changes = call.method.changes();
        let (number, trouble) = {
            let mut passing = self.passing.lock().unwrap();
            passing.calls += 1;
            passing.other_way += u64::from(other);
            if other && passing.troubled == 0 {
                passing.violations.push(format!("it goes another way without any trouble: {call:?}"));
            }
            (passing.calls, if other { None } else { passing.trouble(changes) })
        };
        if let Some(stop) = self.stop
            && stop.nth == number
        {
            self.soft.cancel();
            if stop.hard {
                self.hard.cancel();
            }
        }
        let mut way = OnItsWay { between: self, call: changes.then(|| call.clone()) };
        if let Some(Crash::Call { nth, done }) = self.crash
            && nth == number
        {
            if done {
                way.call = None;
                self.serve(call);
            }
            return self.death.comes().await;
        }
        if trouble != Some(Trouble::NotSent) {
            self.delay().await;
        }
        way.call = None;
        let lost = |what: &str| Err(SendError::Lost(what.to_owned()));
        // As many do, it repeats what it was asked: with a password in the middle of it.
        let said = format!("trouble with {}", call.body);
        let refused = |status: u16, code: &str| Ok(Answer::error(status, code, &said));
        match trouble {
            None => {
                let answer = self.serve(call);
                self.delay().await;
                Ok(answer)
            }
            Some(Trouble::Throttled) => Ok(Answer { retry_after: Some(2), ..Answer::error(429, "slow_down", &said) }),
            Some(Trouble::Unavailable) => refused(503, "unavailable"),
            Some(Trouble::ErrorBefore) => refused(500, "failed"),
            Some(Trouble::ErrorAfter) => {
                self.serve(call);
                refused(500, "failed")
            }
            Some(Trouble::LostAnswer) => {
                self.serve(call);
                if self.broken == Some(Broken::SendsTwice) && call.method == Method::Post {
                    return Ok(self.serve(call));
                }
                lost("the connection closed")
            }
            Some(Trouble::Reset) => lost("the connection was reset"),
            Some(Trouble::NotSent) => Err(SendError::NotSent("nobody listens".to_owned())),
            Some(Trouble::TimedOutDone) => {
                self.serve(call);
                std::future::pending().await
            }
            Some(Trouble::TimedOut) => std::future::pending().await,
            Some(Trouble::Expired) => refused(401, "expired"),
        }
    }
}
