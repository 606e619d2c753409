//! The three inverses: a create is undone by a delete, an update by an update, a delete by a create.

use retrue_provider_api::{
    Applied, Category, Change, Effect, FindRequest, Findable, Found, Image, Observed, Outcome, Path, Private,
    ProviderError, Reversibility, Type, Value,
};

use crate::apply::codes as apply_codes;
use crate::apply::context::failure;
use crate::apply::undo::record::{followed, lost, made_again, overlay, settable};
use crate::apply::undo::scene::{Scene, stuck};
use crate::plan::NOT_MADE_AGAIN;
use crate::saga::{ObjectStatus, RecordedObject, StepFailure, codes};
use crate::survey::patiently;

/// An undo that was carried out.
pub(super) struct Done {
    /// What is recorded now.
    pub(super) object: Option<RecordedObject>,
    /// What did not come back, in words.
    pub(super) lost: Vec<String>,
    /// What a comparison shall find.
    pub(super) expected: Option<Expected>,
}

/// What shall be there once a step is undone.
pub(in crate::apply) struct Expected {
    /// What to read it with.
    pub(super) reader: RecordedObject,
    /// What shall be there; `None` when nothing shall be.
    pub(super) state: Option<Value>,
    /// What is known not to have come back.
    pub(super) lost: Vec<Path>,
}

/// An undo that was not carried out in full.
pub(super) struct Trouble {
    pub(super) failure: StepFailure,
    /// Nobody can tell what came of it.
    pub(super) in_doubt: bool,
    /// What is recorded now, where a part of it was done; `None` when the record stays.
    pub(super) object: Option<RecordedObject>,
}

impl From<StepFailure> for Trouble {
    fn from(failure: StepFailure) -> Self {
        Trouble { failure, in_doubt: false, object: None }
    }
}

/// How a call ended that did not end well: what is there now, where the provider said so.
type NotSent = (Trouble, Option<Applied>);

impl Scene<'_> {
    async fn send(&self, effect: Effect, change: Change) -> Result<Applied, NotSent> {
        let limits = self.capability.time_limits;
        let limit = match effect {
            Effect::Create => limits.create,
            Effect::Update => limits.update,
            Effect::Delete => limits.delete,
        };
        let lifecycle = self.now.as_ref().or(self.prior.as_ref()).map(|object| &object.lifecycle);
        let limit = lifecycle.and_then(|lifecycle| lifecycle.timeout).unwrap_or(limit);
        let context = self.context(limit);
        let outcome = self.configured.provider.apply(&context, change).await;
        let failed = |error: &ProviderError| failure(codes::UNDO_STUCK, error, &self.secrets());
        match outcome {
            Outcome::Applied(applied) => Ok(applied),
            Outcome::NotApplied(error) => Err((failed(&error).into(), None)),
            Outcome::Partial { applied, error } => {
                Err((StepFailure { retryable: false, ..failed(&error) }.into(), Some(applied)))
            }
            Outcome::Unknown { error, .. } => {
                Err((Trouble { failure: failed(&error), in_doubt: true, object: None }, None))
            }
        }
    }

    fn changed_since(&self, differing: &[Path]) -> StepFailure {
        let names: Vec<String> = differing.iter().map(ToString::to_string).collect();
        let address = &self.step.id.address;
        stuck(
            codes::CHANGED_SINCE,
            Category::Conflict,
            format!(
                "`{address}` was changed since ({}), and undoing would overwrite that: `retrue reconcile --accept \
                 {address}` gives it up, `--skip {address}` leaves it as it is",
                names.join(", "),
            ),
        )
    }

    fn unrecorded(&self) -> StepFailure {
        let address = &self.step.id.address;
        let what = match &self.became {
            Some(became) => format!(
                "`{address}` has become `{became}` since, a `{}`, and between types there is no way back: a plan without \
                 `{became}` deletes it, `--skip {address}` leaves it as it is",
                became.type_name()
            ),
            None => {
                format!(
                    "`{address}` is there, and nothing is recorded for it any more: it was moved or dropped by hand"
                )
            }
        };
        stuck(codes::CHANGED_SINCE, Category::Conflict, what)
    }

    /// Something stands in the record that the step did not leave there.
    pub(super) fn taken(&self) -> StepFailure {
        let address = &self.address;
        let what = format!(
            "something else is recorded as `{address}` since, moved there or imported by hand: move it away with `retrue \
             state mv`, or `--skip {address}` leaves both as they are"
        );
        stuck(codes::CHANGED_SINCE, Category::Conflict, what)
    }

    /// A create is undone by a delete. `seen` are states of it that are kept in images: what is as in one
    /// of them can be brought back, and nothing is lost with it.
    pub(super) async fn undo_create(&self, seen: &[Value]) -> Result<Done, Trouble> {
        // What was recorded and gone before the run is recorded and gone again.
        let restored = self.prior.clone();
        let gone = |reader: Option<&RecordedObject>| Done {
            object: restored.clone(),
            lost: Vec::new(),
            expected: reader.map(|reader| Expected { reader: reader.clone(), state: None, lost: Vec::new() }),
        };
        let Some(reader) = self.now.as_ref().or(self.left.as_ref()) else { return Ok(gone(None)) };
        let as_recorded =
            |observed: &Observed| self.now.as_ref().is_none_or(|now| self.foreign(now, &observed.state).is_empty());
        let observed = match self.read_settled(reader, as_recorded).await? {
            Some(observed) if self.capability.observes || self.now.is_some() => observed,
            _ => return Ok(gone(None)),
        };
        let Some(now) = &self.now else { return Err(self.unrecorded().into()) };
        let differing = self.foreign(now, &observed.state);
        let kept = || seen.iter().any(|seen| self.differs(seen, &observed.state).is_empty());
        if !differing.is_empty() && !kept() {
            return Err(self.changed_since(&differing).into());
        }
        let change = Change {
            type_name: self.type_name().to_owned(),
            effect: Effect::Delete,
            config: Value::null(Type::Dynamic),
            prior: observed.state.clone(),
            prior_private: private(&observed, now),
            planned: Value::null(Type::Dynamic),
            planned_private: Private::default(),
            identity: observed.identity.clone().or_else(|| now.identity.clone()),
            restore: None,
        };
        self.send(Effect::Delete, change).await.map_err(|(trouble, _)| trouble)?;
        Ok(gone(Some(now)))
    }

    /// An update is undone by an update back to the image.
    pub(super) async fn undo_update(&self, seen: &[Value]) -> Result<Done, Trouble> {
        let reader = self.now.as_ref().or(self.prior.as_ref()).or(self.left.as_ref());
        let (Some(image), Some(reader)) = (&self.image, reader) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to").into());
        };
        // What is as before already may only look so: the step was carried out, at least in part.
        let settled = |observed: &Observed| {
            let as_recorded = self.now.as_ref().is_none_or(|now| self.foreign(now, &observed.state).is_empty());
            as_recorded && !self.differs(&image.state, &observed.state).is_empty()
        };
        let Some(observed) = self.read_settled(reader, settled).await? else {
            let what = format!("`{}` has disappeared since", self.step.id.address);
            return Err(stuck(codes::CHANGED_SINCE, Category::Conflict, what).into());
        };
        if self.now.is_none() && self.left.is_some() {
            return Err(self.unrecorded().into());
        }
        let done = |lost_paths: Vec<Path>| {
            let object = self.restored();
            Done {
                lost: lost_paths.iter().map(another).collect(),
                expected: Some(Expected {
                    reader: object.as_ref().unwrap_or(reader).clone(),
                    state: Some(image.state.clone()),
                    lost: lost_paths,
                }),
                object,
            }
        };
        if self.differs(&image.state, &observed.state).is_empty() && image.blobs.is_empty() {
            return Ok(done(Vec::new()));
        }
        if let Some(now) = &self.now {
            let halfway = self.differs(&image.state, &observed.state);
            let foreign: Vec<Path> =
                self.foreign(now, &observed.state).into_iter().filter(|path| halfway.contains(path)).collect();
            if !foreign.is_empty() && !seen.iter().any(|seen| self.differs(seen, &observed.state).is_empty()) {
                return Err(self.changed_since(&foreign).into());
            }
        }
        let change = self.back(image, Effect::Update, Some(&observed), reader);
        let applied = self.send(Effect::Update, change).await.map_err(|(trouble, applied)| {
            let halfway = |(now, applied)| self.referring_back(self.with_state(now, applied), image);
            Trouble { object: self.now.as_ref().zip(applied).map(halfway), ..trouble }
        })?;
        Ok(done(lost(self.schema, &image.state, &applied.state)))
    }

    fn with_state(&self, now: &RecordedObject, applied: Applied) -> RecordedObject {
        RecordedObject {
            attributes: crate::plan::marks::mark_planned(&self.schema.block, applied.state, Some(&now.attributes)),
            private: applied.private,
            identity: applied.identity,
            ..now.clone()
        }
    }

    /// A record of what is back in part: what refers again to where it referred before the step follows that, should
    /// it be made anew.
    fn referring_back(&self, mut object: RecordedObject, image: &Image) -> RecordedObject {
        let Some(prior) = &self.prior else { return object };
        for (path, from) in &prior.provenance {
            let is_back = match (path.get(&object.attributes), path.get(&image.state)) {
                (Some(is), Some(was)) => is.clone().unmark_deep().0.same(was),
                _ => false,
            };
            if is_back {
                object.provenance.insert(path.clone(), from.clone());
                if !object.dependencies.contains(&from.0.block) {
                    object.dependencies.push(from.0.block.clone());
                }
            }
        }
        object
    }

    fn back(&self, image: &Image, effect: Effect, observed: Option<&Observed>, reader: &RecordedObject) -> Change {
        let config = self.prior.as_ref().map_or_else(
            || settable(self.schema, &image.state),
            |prior| overlay(self.schema, &prior.config.clone().unmark_deep().0, &image.state),
        );
        Change {
            type_name: self.type_name().to_owned(),
            effect,
            config,
            prior: observed.map_or_else(|| Value::null(Type::Dynamic), |observed| observed.state.clone()),
            prior_private: observed.map_or_else(Private::default, |observed| private(observed, reader)),
            planned: image.state.clone(),
            planned_private: image.private.clone(),
            identity: observed.and_then(|observed| observed.identity.clone()).or_else(|| self.image_identity.clone()),
            restore: Some(image.clone()),
        }
    }

    /// A delete is undone by a create from the image.
    pub(super) async fn undo_delete(&self) -> Result<Done, Trouble> {
        let (Some(image), Some(prior)) = (&self.image, &self.prior) else {
            return Err(stuck(codes::RECORD, Category::Unknown, "there is no image to go back to").into());
        };
        // What was never finished is not made again.
        if prior.status == ObjectStatus::Tainted {
            return Ok(Done { object: None, lost: vec![NOT_MADE_AGAIN.to_owned()], expected: None });
        }
        // It failed, and left what it was to delete: that is brought back to what it was, and no second one is made.
        if let (Some(left), Some(now)) = (&self.left, &self.now)
            && left.generation == now.generation
            && now.status == ObjectStatus::Ok
            && self.read(now).await?.is_some()
        {
            return self.undo_update(&[]).await;
        }
        // An earlier try made a part of it: that is finished, and no second one is made.
        if let Some(now) = &self.now {
            let is_left = self.left.as_ref().is_some_and(|left| left.generation == now.generation);
            if now.status == ObjectStatus::Ok && !is_left {
                return Err(self.taken().into());
            }
            if let Some(observed) = self.read(now).await? {
                let change = self.back(image, Effect::Update, Some(&observed), now);
                let applied = self.send(Effect::Update, change).await.map_err(|(trouble, applied)| {
                    let object = applied.map(|applied| self.with_state(now, applied));
                    Trouble { object, ..trouble }
                })?;
                return Ok(self.again(prior, image, applied, now.generation));
            }
        }
        // A create is never sent before a look. What was deleted a moment ago may still show.
        if let Some(observed) = patiently(self.capability.settles_within, Option::is_none, || self.look(image)).await? {
            let differing = self.differs_as_found(&image.state, &observed.state);
            if !differing.is_empty() {
                return Err(self.changed_since(&differing).into());
            }
            return Ok(self.found(prior, image, observed));
        }
        let change = self.back(image, Effect::Create, None, prior);
        let applied = self.send(Effect::Create, change).await.map_err(|(trouble, applied)| {
            let object = applied.map(|applied| RecordedObject {
                status: ObjectStatus::Tainted,
                ..self.again(prior, image, applied, self.generation).object.unwrap_or_else(|| prior.clone())
            });
            Trouble { object, ..trouble }
        })?;
        let mut done = self.again(prior, image, applied, self.generation);
        if let Some(Reversibility::Lossy(reason)) = self.step.begin.as_ref().map(|begin| &begin.reversibility) {
            done.lost.push(reason.clone());
        }
        Ok(done)
    }

    /// What was found in place of a create: it is as the image, and stands for it.
    pub(super) fn found(&self, prior: &RecordedObject, image: &Image, observed: Observed) -> Done {
        let Observed { state, private, identity, .. } = observed;
        let state = self.completed(&image.state, state);
        self.again(prior, image, Applied { private, identity, ..Applied::of(state) }, self.generation)
    }

    fn again(&self, prior: &RecordedObject, image: &Image, applied: Applied, generation: u64) -> Done {
        let Applied { state, private, identity, .. } = applied;
        let lost = lost(self.schema, &image.state, &state);
        let prior = followed(prior.clone(), &self.remade);
        let object = made_again(self.schema, &prior, image, state, private, identity, generation);
        Done {
            lost: lost.iter().map(another).collect(),
            expected: Some(Expected { reader: object.clone(), state: Some(image.state.clone()), lost }),
            object: Some(object),
        }
    }

    /// Looks for what a create would make.
    pub(super) async fn look(&self, image: &Image) -> Result<Option<Observed>, StepFailure> {
        let marker = match self.capability.findable {
            Findable::ByIdentity => None,
            Findable::ByMarker => {
                Some(self.caller.marker(&self.address, &crate::plan::ObjectKey::Current, self.generation))
            }
            Findable::No | Findable::NothingOutside => return Ok(None),
        };
        let limit = self.capability.time_limits.read;
        let context = self.context(limit);
        let request =
            FindRequest { type_name: self.type_name().to_owned(), config: settable(self.schema, &image.state), marker };
        match self.configured.provider.find(&context, request).await {
            Ok(Found::None) => Ok(None),
            Ok(Found::One(observed)) => Ok(Some(*observed)),
            Ok(Found::Many(found)) => Err(stuck(
                codes::CHANGED_SINCE,
                Category::Conflict,
                format!("{} things exist that `{}` could be", found.len(), self.address),
            )),
            Err(error) => Err(failure(apply_codes::PROVIDER, &error, &self.secrets())),
        }
    }
}

fn another(path: &Path) -> String {
    format!("`{path}` is another")
}

fn private(observed: &Observed, recorded: &RecordedObject) -> Private {
    if observed.private.0.is_empty() { recorded.private.clone() } else { observed.private.clone() }
}
