//! Looks at the world just before a step, and keeps what is needed to bring it back.

use retrue_provider_api::{Category, Effect, FindRequest, Findable, Found, Image, ImageRequest, Observed, ReadRequest};

use crate::apply::codes;
use crate::broken;
use crate::plan::compare::fingerprint;
use crate::plan::decide::foreign_marker;
use crate::plan::marks::mark_planned;
use crate::plan::{ExistingObject, ObjectKey};
use crate::saga::RecordedObject;

use super::*;

impl Executor<'_> {
    /// Makes sure that nothing with the identity of a create is there.
    pub(super) async fn look_before_create(&self, ready: &Ready<'_>) -> Result<(), Stop> {
        let step = ready.step;
        let config = ready.config.clone().unmark_deep().0;
        let marker = match ready.capability.findable {
            Findable::ByIdentity => None,
            Findable::ByMarker => Some(self.caller.marker(&step.id.address, &ObjectKey::Current, step.generation)),
            Findable::No | Findable::NothingOutside => return Ok(()),
        };
        if broken!(NoLook) {
            return Ok(());
        }
        let has_identity = ready.schema.block.identity_attributes().next().is_some()
            || ready.configured.provider.identity(&step.type_name, &config).is_some();
        if marker.is_none() && !has_identity {
            return Ok(());
        }
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, "", limit);
        let request = FindRequest { type_name: step.type_name.to_string(), config, marker };
        match ready.configured.provider.find(&context, request).await {
            Ok(Found::None) => Ok(()),
            Ok(Found::One(_) | Found::Many(_)) => {
                let code = match step.existing {
                    ExistingObject::Absent => codes::WORLD_MOVED,
                    _ => codes::EXISTS,
                };
                let message =
                    format!("`{}`: something with its identity exists, and the plan did not see it", step.id.address);
                Err(stop(code, Category::Conflict, message))
            }
            Err(error) => Err(stop_provider(&error, &ready.secrets())),
        }
    }

    /// Reads the object just before the step, and makes sure that it is what the plan saw.
    pub(super) async fn observe(&self, ready: &Ready<'_>, recorded: Option<&RecordedObject>) -> Result<Observed, Stop> {
        let step = ready.step;
        let address = &step.id.address;
        let limit = ready.capability.time_limits.read;
        let context = self.call(ready, "", limit);
        let (state, private, identity, config) = match recorded {
            Some(recorded) => (
                recorded.attributes.clone().unmark_deep().0,
                recorded.private.clone(),
                recorded.identity.clone(),
                recorded.config.clone().unmark_deep().0,
            ),
            None => (
                step.observed.clone().unmark_deep().0,
                step.observed_private.clone(),
                step.observed_identity.clone(),
                ready.config.clone().unmark_deep().0,
            ),
        };
        let request = ReadRequest { type_name: step.type_name.to_string(), state, config, private, identity };
        let found = ready
            .configured
            .provider
            .read(&context, request)
            .await
            .map_err(|error| stop_provider(&error, &ready.secrets()))?;
        let moved = |what: &str| {
            stop(codes::WORLD_MOVED, Category::Conflict, format!("`{address}` {what} since the plan was made"))
        };
        let observed = found.ok_or_else(|| moved("has disappeared"))?;
        let drifted = fingerprint(&step.fingerprint_of, &observed.state, self.caller.seal) != step.fingerprint;
        if drifted && !broken!(DriftOverwritten) {
            return Err(moved("was changed"));
        }
        // A marker is in no attribute.
        if step.adopts
            && let Some(marker) = foreign_marker(&observed, &self.caller.lineage)
            && !broken!(TakenFromOthers)
        {
            let owner = format!("was taken over by another stack, whose marker of `{}` it carries,", marker.address);
            return Err(moved(&owner));
        }
        Ok(observed)
    }

    pub(super) async fn take_image(
        &self,
        ready: &Ready<'_>,
        observed: &Observed,
        effect: Option<Effect>,
    ) -> Result<Image, Stop> {
        let step = ready.step;
        let limit = ready.capability.time_limits.update;
        let context = self.call(ready, "", limit);
        let request = ImageRequest {
            object: ReadRequest {
                type_name: step.type_name.to_string(),
                state: observed.state.clone(),
                config: ready.config.clone().unmark_deep().0,
                private: observed.private.clone(),
                identity: observed.identity.clone(),
            },
            effect,
            planned: ready.planned.clone().unmark_deep().0,
        };
        let image = ready
            .configured
            .provider
            .image(&context, request)
            .await
            .map_err(|error| stop_provider(&error, &ready.secrets()))?;
        Ok(Image { state: mark_planned(&ready.schema.block, image.state, Some(&step.observed)), ..image })
    }
}
