//! What the undo of one step works with.

use std::time::Duration;

use retrue_provider_api::{Capability, Category, Context, Data, Image, Observed, Path, TypeSchema, Value};

use crate::address::Address;
use crate::apply::codes as apply_codes;
use crate::apply::context::{Call, Caller, failure};
use crate::apply::undo::record::{Remade, before, follow};
use crate::plan::compare::settable_difference;
use crate::plan::{ObjectKey, StepEffect};
use crate::saga::history::StepHistory;
use crate::saga::{RecordedObject, RestingObject, StepFailure, codes};
use crate::survey::providers::{Configured, Providers};
use crate::survey::{identity, patiently};

/// What one undo works with.
pub(in crate::apply) struct Scene<'s> {
    pub(super) caller: &'s Caller<'s>,
    pub(super) step: &'s StepHistory,
    /// The address that the object has once the step is undone.
    pub(super) address: Address,
    pub(super) configured: &'s Configured,
    pub(super) schema: &'s TypeSchema,
    pub(super) capability: Capability,
    /// What is recorded now.
    pub(super) now: Option<RecordedObject>,
    /// What the step left in the record.
    pub(super) left: Option<RecordedObject>,
    /// What was recorded before the step.
    pub(super) prior: Option<RecordedObject>,
    /// What the step was to bring about.
    planned: Option<Value>,
    /// What was observed before the step; what was made again is followed.
    pub(super) image: Option<Image>,
    pub(super) image_identity: Option<Value>,
    /// The generation that the object gets if it is made again.
    pub(super) generation: u64,
    pub(super) key: String,
    /// 1 for the first try: what is looked at before and after it belongs to it.
    pub(super) attempt: u32,
    pub(super) remade: Remade,
    /// What a later run made of the object, where that is of another type.
    pub(super) became: Option<Address>,
}

/// What a scene is made from.
pub(in crate::apply) struct Setting<'s> {
    pub(in crate::apply) caller: &'s Caller<'s>,
    pub(in crate::apply) providers: &'s Providers,
    pub(in crate::apply) step: &'s StepHistory,
    /// The address that the object has once the step is undone.
    pub(in crate::apply) address: Address,
    /// What is recorded now.
    pub(in crate::apply) now: Option<&'s RestingObject>,
    pub(in crate::apply) generation: u64,
    pub(in crate::apply) key: String,
    pub(in crate::apply) remade: Remade,
    /// What a later run made of the object, where that is of another type.
    pub(in crate::apply) became: Option<Address>,
}

/// A failure that another try does not mend.
pub(super) fn stuck(code: &str, category: Category, message: impl Into<String>) -> StepFailure {
    StepFailure { code: code.into(), category, message: message.into(), retryable: false, retry_after: None }
}

impl<'s> Scene<'s> {
    /// Opens what is written about the step.
    pub(in crate::apply) fn new(setting: Setting<'s>) -> Result<Self, StepFailure> {
        let Setting { caller, providers, step, address, now, generation, key, remade, became } = setting;
        let unreadable = |why: String| stuck(codes::RECORD, Category::Unknown, why);
        let begin = step.begin.as_ref().ok_or_else(|| unreadable("the beginning of the step is not written".into()))?;
        let configured = providers
            .get(&begin.provider)
            .ok_or_else(|| unreadable(format!("the provider `{}` is not configured", begin.provider)))?;
        let schema = configured
            .schema
            .resources
            .get(&begin.type_name)
            .ok_or_else(|| unreadable(format!("the provider has no type `{}`", begin.type_name)))?;
        let sealed = |error: crate::rest::UnsealError| stuck(codes::SEALED, Category::Unknown, error.to_string());
        let wake =
            |object: Option<&RestingObject>| object.map(|object| object.wake(caller.seal)).transpose().map_err(sealed);
        let event = step.image.as_ref();
        let now = wake(now)?;
        let left = wake(step.object.as_ref())?;
        let prior = wake(event.and_then(|event| event.recorded.as_ref()))?;
        let planned = begin.planned.wake(caller.seal).map_err(sealed)?.unmark_deep().0;
        let stored = event.and_then(|event| event.image.as_ref());
        let image = stored.map(|stored| stored.image.wake(caller.seal)).transpose().map_err(sealed)?;
        let image = image.map(|image| Image {
            state: match event {
                Some(event) => follow(image.state.unmark_deep().0, &event.provenance, &remade),
                None => image.state.unmark_deep().0,
            },
            ..image
        });
        let image_identity = stored
            .and_then(|stored| stored.identity.as_ref())
            .map(|identity| identity.wake(caller.seal))
            .transpose()
            .map_err(sealed)?;
        let config = [now.as_ref(), prior.as_ref(), left.as_ref()].into_iter().flatten().next();
        let config = config.map_or_else(
            || Value::null(retrue_provider_api::Type::Dynamic),
            |object| object.config.clone().unmark_deep().0,
        );
        let capability = configured.provider.capability(&begin.type_name, &config);
        Ok(Scene {
            caller,
            step,
            address,
            configured,
            schema,
            capability,
            now,
            left,
            prior,
            planned: Some(planned).filter(|planned| !planned.is_null()),
            image,
            image_identity,
            generation,
            key,
            attempt: 1,
            remade,
            became,
        })
    }

    /// Whether something else is recorded now than the step left, or took out of the record: somebody put it there
    /// by hand. What an unwinding made again stands for what it was.
    pub(super) fn is_another(&self, made_again: impl Fn(&str) -> bool) -> bool {
        let was = match self.step.id.effect {
            StepEffect::Forget => &self.prior,
            _ => &self.left,
        };
        let (Some(was), Some(now)) = (was, &self.now) else { return false };
        if made_again(&now.run) {
            return false;
        }
        let natural = |object: &RecordedObject| {
            let state = object.attributes.clone().unmark_deep().0;
            identity(&self.configured.provider, self.schema, self.type_name(), &state)
        };
        match (natural(was), natural(now)) {
            (Some(was), Some(now)) => !was.same(&now),
            _ => was.id().zip(now.id()).is_some_and(|(was, now)| was != now),
        }
    }

    /// The record as it was before the step; `None` when nothing was recorded.
    pub(super) fn restored(&self) -> Option<RecordedObject> {
        self.prior.as_ref().map(|prior| before(prior, self.left.as_ref(), self.now.as_ref(), &self.remade))
    }

    /// The same where nothing outside was touched by the undo: what refers to something that was made again refers to
    /// what it was still.
    pub(super) fn restored_as_it_was(&self) -> Option<RecordedObject> {
        self.prior.as_ref().map(|prior| before(prior, self.left.as_ref(), self.now.as_ref(), &Remade::new()))
    }

    pub(super) fn type_name(&self) -> &str {
        self.step.id.address.type_name()
    }

    pub(super) fn context(&self, limit: Duration) -> Context {
        let id = &self.step.id;
        self.caller.context(Call {
            address: &self.address,
            id: Some(id),
            step: &format!("undo/{id}"),
            attempt: self.attempt,
            idempotency_key: &self.key,
            marker: Some(self.caller.marker(&self.address, &ObjectKey::Current, self.generation)),
            limit,
        })
    }

    /// Reads an object.
    pub(super) async fn read(&self, object: &RecordedObject) -> Result<Option<Observed>, StepFailure> {
        let limit = self.capability.time_limits.read;
        let context = self.context(limit);
        let request = crate::survey::refresh::read_request(self.type_name(), object);
        self.configured
            .provider
            .read(&context, request)
            .await
            .map_err(|error| failure(apply_codes::PROVIDER, &error, &self.secrets()))
    }

    /// Reads an object until it is as wanted, or its type has had the time to settle: a late read would show
    /// it as it was before the step, or not at all.
    pub(super) async fn read_settled(
        &self,
        object: &RecordedObject,
        wanted: impl Fn(&Observed) -> bool,
    ) -> Result<Option<Observed>, StepFailure> {
        let settles = self.capability.settles_within;
        patiently(settles, |found: &Option<Observed>| found.as_ref().is_some_and(&wanted), || self.read(object)).await
    }

    /// What somebody else changed: it differs from what is recorded, and is not what the step was to bring
    /// about either, of which a part may have been done that nobody saw.
    pub(super) fn foreign(&self, now: &RecordedObject, observed: &Value) -> Vec<Path> {
        let differing = self.differs(&now.attributes.clone().unmark_deep().0, observed);
        match &self.planned {
            Some(planned) if !differing.is_empty() => {
                let unplanned = self.differs(planned, observed);
                differing.into_iter().filter(|path| unplanned.contains(path)).collect()
            }
            _ => differing,
        }
    }

    /// Values with secrets in them, which no message may repeat.
    pub(super) fn secrets(&self) -> Vec<&Value> {
        [self.now.as_ref(), self.left.as_ref(), self.prior.as_ref()]
            .into_iter()
            .flatten()
            .flat_map(|object| [&object.attributes, &object.config])
            .chain(self.configured.instance.configs())
            .collect()
    }

    /// The same of something that was found, and not read by what is known of it: what is never given back
    /// cannot differ.
    pub(super) fn differs_as_found(&self, from: &Value, to: &Value) -> Vec<Path> {
        let attribute = |path: &Path| path.first_attribute().and_then(|name| self.schema.block.attributes.get(name));
        let mut differing = self.differs(from, to);
        differing.retain(|path| attribute(path).is_none_or(|attribute| !attribute.unobserved));
        differing
    }

    /// What was found, with what is never given back as it was sent.
    pub(super) fn completed(&self, sent: &Value, found: Value) -> Value {
        let unobserved = self.schema.block.attributes.iter().filter(|(_, attribute)| attribute.unobserved);
        unobserved.fold(found, |found, (name, _)| match sent.get(name) {
            Some(value) => found.with_attribute(name, value.clone()),
            None => found,
        })
    }

    /// What differs in what a configuration may set. That there is nothing is null or an empty collection, whichever
    /// a provider was asked with: both mean the same here.
    pub(super) fn differs(&self, from: &Value, to: &Value) -> Vec<Path> {
        let mut differing = settable_difference(&self.schema.block, from, to);
        differing.retain(|path| !(is_nothing(path.get(from)) && is_nothing(path.get(to))));
        differing
    }
}

/// Whether a value is absent, null, or a collection of nothing.
fn is_nothing(value: Option<&Value>) -> bool {
    value.is_none_or(|value| match value.data() {
        Data::Null(_) => true,
        Data::List(_, items) | Data::Set(_, items) => items.is_empty(),
        Data::Map(_, entries) => entries.is_empty(),
        _ => false,
    })
}
