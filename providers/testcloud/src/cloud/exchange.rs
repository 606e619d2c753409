//! One call from its arrival to its answer, with whatever goes wrong on the way.

use std::sync::Mutex;
use std::time::Duration;

use super::call::{Answer, Call};
use super::fault::{Action, fault_answer};
use super::{Cloud, lock};

/// How a call ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exchange {
    /// With an answer.
    Answer(Answer),
    /// The connection is closed without one.
    Closed,
    /// The connection is reset without one.
    Reset,
}

/// Carries out a call. Faults do not touch the admin interface.
pub async fn exchange(cloud: &Mutex<Cloud>, call: &Call) -> Exchange {
    if call.path.starts_with("/_") {
        return Exchange::Answer(lock(cloud).administer(call));
    }
    let (action, mut released) = {
        let mut cloud = lock(cloud);
        (cloud.next_action(call), cloud.released.subscribe())
    };
    let serve = || lock(cloud).serve(call);
    match action {
        None => Exchange::Answer(serve()),
        Some(Action::ErrorBefore { status, retry_after }) => Exchange::Answer(fault_answer(status, retry_after)),
        Some(Action::ErrorAfter { status }) => {
            serve();
            Exchange::Answer(fault_answer(status, None))
        }
        Some(Action::LoseAnswer) => {
            serve();
            Exchange::Closed
        }
        Some(Action::Reset) => Exchange::Reset,
        Some(Action::Delay { milliseconds }) => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            Exchange::Answer(serve())
        }
        Some(Action::Hang) => {
            // An error means that the cloud itself is gone: nothing to wait for either.
            let _ = released.changed().await;
            Exchange::Closed
        }
        Some(Action::HangAfter) => {
            serve();
            let _ = released.changed().await;
            Exchange::Closed
        }
        Some(Action::FailProvisioning) => {
            let answer = serve();
            lock(cloud).fail_provisioning(&answer);
            Exchange::Answer(answer)
        }
        Some(Action::Meddle { collection, id, set }) => {
            let mut cloud = lock(cloud);
            cloud.meddle(&collection, &id, &set);
            Exchange::Answer(cloud.serve(call))
        }
    }
}
