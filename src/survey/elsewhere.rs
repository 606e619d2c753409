//! Other ways that do not lead to the same objects: of all that is recorded, nothing is there.

use std::collections::BTreeMap;

use crate::config::Stack;
use crate::diagnostic::Diagnostic;
use crate::plan::ObjectKey;
use crate::plan::codes;
use crate::plan::decide::World;
use crate::survey::providers::Providers;
use crate::survey::record::Records;
use crate::survey::refresh::{Worlds, plain_config};

/// The providers that went over to another way on which nothing that is recorded was found. Believed, all of it would
/// be made a second time.
pub(super) fn led_elsewhere(
    stack: &Stack,
    records: &Records,
    worlds: &Worlds,
    providers: &Providers,
) -> Vec<Diagnostic> {
    // The last one that was gone, of each.
    let moved: BTreeMap<String, usize> =
        providers.moves().into_iter().map(|moved| (moved.provider, moved.fallback)).collect();
    let problems = moved.into_iter().filter_map(|(name, fallback)| {
        let configured = providers.get(&name)?;
        let looked_for = worlds.iter().filter(|((address, key), _)| {
            let entry = records.0.get(address);
            let object = entry.and_then(|entry| match key {
                ObjectKey::Current => entry.current.as_ref(),
                ObjectKey::Deposed(key) => entry.deposed.get(&**key),
            });
            object.is_some_and(|object| {
                // What only repeats what was recorded says nothing of the world.
                let capability = configured.provider.capability(address.type_name(), &plain_config(object));
                object.provider.instance == name && capability.observes
            })
        });
        let (mut there, mut gone) = (0usize, 0usize);
        for (_, world) in looked_for {
            match world {
                World::Present(_) | World::Many(_) => there += 1,
                World::Absent => gone += 1,
                _ => {}
            }
        }
        if there > 0 || gone == 0 {
            return None;
        }
        let block = stack.providers.get(name.as_str());
        let entry = block.and_then(|block| block.fallback.get(fallback.checked_sub(1)?));
        let span = entry.map(|entry| entry.span()).or(block.map(|block| block.span));
        let message = format!(
            "the provider `{name}` is reached by its fallback {fallback}, and nothing of what is recorded is there ({gone} looked for)"
        );
        let problem = Diagnostic::error(codes::LED_ELSEWHERE, message).maybe_at(span);
        Some(problem.hint(
            "every entry of `fallback` has to lead to the same objects; if it does, and all of them are gone, try again \
             when the provider can be reached as it is configured",
        ))
    });
    problems.collect()
}
