//! Holds a kept plan against the world before anything of it is carried out.

use futures::StreamExt as _;

use crate::plan::compare::fingerprint;
use crate::plan::decide::World;
use crate::plan::{ObjectKey, Plan};
use crate::rest::Seal;
use crate::saga::State;
use crate::survey::Calls;
use crate::survey::providers::Providers;
use crate::survey::refresh::read;

/// Reads everything that the plan changes. The error names what is not as the plan saw it.
pub async fn check_world(
    plan: &Plan,
    state: &State,
    providers: &Providers,
    seal: &dyn Seal,
    parallelism: usize,
    calls: &Calls,
) -> Result<(), String> {
    let wanted = plan.steps.iter().filter(|step| !step.fingerprint.is_empty() && step.id.object == ObjectKey::Current);
    let checks: Vec<_> = wanted
        .filter_map(|step| {
            let address = step.moved_from.as_ref().unwrap_or(&step.id.address);
            let object = state.object(address, &ObjectKey::Current)?.wake(seal).ok()?;
            Some((step, object))
        })
        .map(|(step, object)| async move {
            let address = &step.id.address;
            let configured = providers.get(&step.provider)?;
            match read(address, &object, configured, calls).await {
                World::Present(observed) => (fingerprint(&step.fingerprint_of, &observed.state, seal)
                    != step.fingerprint)
                    .then(|| format!("`{address}` was changed outside since")),
                World::Unreadable(reason) => Some(format!("`{address}` cannot be read: {reason}")),
                _ => Some(format!("`{address}` has disappeared since")),
            }
        })
        .collect();
    let moved: Vec<String> =
        futures::stream::iter(checks).buffered(parallelism.max(1)).filter_map(|moved| async { moved }).collect().await;
    if moved.is_empty() { Ok(()) } else { Err(moved.join("; ")) }
}
