//! The comparison at the end of an unwinding: is the world as it was?

use std::collections::BTreeMap;

use futures::StreamExt as _;
use retrue_provider_api::{Findable, Observed, Path};

use crate::address::Address;
use crate::apply::context::{Call, Caller};
use crate::apply::undo::Place;
use crate::apply::undo::act::Expected;
use crate::engine::RunEventKind;
use crate::plan::StepId;
use crate::plan::compare::settable_difference;
use crate::saga::Event;
use crate::saga::journal::{Entry, JournalError};
use crate::survey::patiently;
use crate::survey::providers::Providers;

/// Reads what was undone, and writes down whether it is as it was. Returns what is not, with the
/// attributes that differ; the whole where it is there and should not be, or the other way round.
/// What cannot be read is left to the next reconcile.
pub(in crate::apply) async fn compare(
    caller: &Caller<'_>,
    providers: &Providers,
    parallelism: usize,
    expected: BTreeMap<Place, (StepId, Expected)>,
) -> Result<Vec<(Address, Vec<Path>)>, JournalError> {
    let looks = expected.into_iter().map(|((address, _), (id, expected))| async move {
        let differing = look(caller, providers, &address, &id, &expected).await;
        (address, id, differing)
    });
    let looked: Vec<_> = futures::stream::iter(looks).buffered(parallelism.max(1)).collect().await;
    let mut entries = Vec::new();
    let mut differ = Vec::new();
    for (address, id, differing) in looked {
        let Some(differing) = differing else { continue };
        let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
        if differing.is_empty() {
            entries.push(Entry::of(&id, Event::StepVerified));
        } else {
            caller.tell(RunEventKind::Verified { address: address.clone(), differing: names });
            entries.push(Entry::of(&id, Event::StepVerifyMismatch { attributes: differing.clone() }));
            differ.push((address, differing));
        }
    }
    if !entries.is_empty() {
        caller.journal.write(entries).await?;
    }
    Ok(differ)
}

/// What differs; `None` when it cannot be told. Patient while the type may still be settling.
async fn look(
    caller: &Caller<'_>,
    providers: &Providers,
    address: &Address,
    id: &StepId,
    expected: &Expected,
) -> Option<Vec<Path>> {
    let reader = &expected.reader;
    let configured = providers.get(&reader.provider.instance)?;
    let schema = configured.schema.resources.get(address.type_name())?;
    let config = reader.config.clone().unmark_deep().0;
    let capability = configured.provider.capability(address.type_name(), &config);
    // That something is gone is taken from a provider that looks by itself: some read what they were told.
    let looks_itself = expected.state.is_none() && capability.reads_back;
    if looks_itself || !capability.observes || capability.findable == Findable::NothingOutside {
        return None;
    }
    let limit = capability.time_limits.read;
    let differing = |found: &Option<Observed>| match (&expected.state, found) {
        (None, None) => Vec::new(),
        (None, Some(_)) | (Some(_), None) => vec![Path::root()],
        (Some(state), Some(observed)) => settable_difference(&schema.block, state, &observed.state)
            .into_iter()
            .filter(|path| !expected.lost.contains(path))
            .collect(),
    };
    let read = || async {
        let context = caller.context(Call {
            address,
            id: None,
            step: &format!("undo/{id}"),
            attempt: 1,
            idempotency_key: "",
            marker: None,
            limit,
        });
        let request = crate::survey::refresh::read_request(address.type_name(), reader);
        configured.provider.read(&context, request).await
    };
    let found = patiently(capability.settles_within, |found| differing(found).is_empty(), read).await.ok()?;
    Some(differing(&found))
}
