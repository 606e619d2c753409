//! What shall go wrong, and when.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::call::{Answer, Call, Method};
use super::{Cloud, object::Attributes};

/// Something that goes wrong at calls that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only calls of this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Only calls to this collection: `buckets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Only calls whose path ends with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_end: Option<String>,
    /// The first match at which it happens, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// At how many matches in a row it happens; 0 for all.
    #[serde(default = "one")]
    pub times: u64,
    /// What happens.
    pub action: Action,
}

fn one() -> u64 {
    1
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Answers with an error and does nothing.
    ErrorBefore {
        /// The HTTP status.
        status: u16,
        /// The header `Retry-After`, in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Does what was asked for and answers with an error.
    ErrorAfter {
        /// The HTTP status.
        status: u16,
    },
    /// Does what was asked for and closes the connection without an answer.
    LoseAnswer,
    /// Resets the connection and does nothing.
    Reset,
    /// Waits, then goes on as if nothing had happened, even if the caller has gone.
    Delay {
        /// For so long.
        milliseconds: u64,
    },
    /// Does nothing and does not answer until the faults are cleared; then closes the connection.
    Hang,
    /// Does what was asked for and does not answer until the faults are cleared.
    HangAfter,
    /// Takes the create of an instance, which then ends in the status `failed`.
    FailProvisioning,
    /// Somebody else changes an object just before the call has its effect.
    Meddle {
        /// The collection of the object.
        collection: String,
        /// The id of the object.
        id: String,
        /// The attributes that change; null removes the object.
        set: Json,
    },
}

impl Fault {
    /// A fault at the next call of any kind.
    pub fn next(action: Action) -> Self {
        Fault { method: None, collection: None, path_end: None, nth: 1, times: 1, action }
    }

    /// A fault at the next call of a method to a collection.
    pub fn at(method: Method, collection: &str, action: Action) -> Self {
        Fault { method: Some(method), collection: Some(collection.to_owned()), ..Fault::next(action) }
    }

    /// The same fault at every match from the n-th on.
    #[must_use]
    pub fn always(self) -> Self {
        Fault { times: 0, ..self }
    }

    /// The same fault at the n-th match, counted from 1.
    #[must_use]
    pub fn nth(self, nth: u64) -> Self {
        Fault { nth, ..self }
    }

    /// The same fault only where the path ends with this.
    #[must_use]
    pub fn path_end(self, end: &str) -> Self {
        Fault { path_end: Some(end.to_owned()), ..self }
    }

    fn matches(&self, call: &Call) -> bool {
        self.method.is_none_or(|method| method == call.method)
            && self.collection.as_deref().is_none_or(|name| call.segments().get(1) == Some(&name))
            && self.path_end.as_deref().is_none_or(|end| call.path.ends_with(end))
    }
}

/// A fault and how many calls matched it.
#[derive(Clone, Debug)]
pub(crate) struct ArmedFault {
    pub(crate) fault: Fault,
    seen: u64,
}

impl Cloud {
    /// Arms a fault. Of several that are due at one call the oldest happens.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.push(ArmedFault { fault, seen: 0 });
    }

    /// Disarms all faults and lets go of calls that hang.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.released.send_modify(|count| *count += 1);
    }

    /// How many calls of the API have arrived, whatever became of them.
    pub fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Counts a call against every fault and tells what shall happen at it.
    pub(crate) fn next_action(&mut self, call: &Call) -> Option<Action> {
        self.arrived += 1;
        let mut due = None;
        for armed in &mut self.faults {
            if !armed.fault.matches(call) {
                continue;
            }
            armed.seen += 1;
            let first = armed.fault.nth.max(1);
            let over = match armed.fault.times {
                0 => false,
                times => armed.seen >= first.saturating_add(times),
            };
            if armed.seen >= first && !over && due.is_none() {
                due = Some(armed.fault.action.clone());
            }
        }
        due
    }

    /// A change by somebody else, as [`Action::Meddle`] has it.
    pub(crate) fn meddle(&mut self, collection: &str, id: &str, set: &Json) {
        match set {
            Json::Object(set) => self.put_object(collection, id, &Attributes::from_iter(set.clone())),
            _ => self.remove_object(collection, id),
        };
    }
}

/// The answer of a fault.
pub(crate) fn fault_answer(status: u16, retry_after: Option<u64>) -> Answer {
    let (code, message) = match status {
        401 | 403 => ("not_authorised", "not authorised"),
        409 => ("conflict", "in a state that forbids this"),
        429 => ("too_many_requests", "too many requests"),
        503 => ("unavailable", "not available at the moment"),
        _ => ("injected", "the cloud failed"),
    };
    Answer { retry_after, ..Answer::error(status, code, message) }
}
