//! Changes, and what came of them.

use retrue_provider_api::{
    Applied, Category, Change, Context, Effect, Outcome, Private, ProviderError, ProviderResult, Value, proposed_state,
};

use crate::check::result_mistakes;
use crate::classification::leaves_doubt;
use crate::codec::{decode, encode, nothing};
use crate::diagnostic::{error_of, warnings};
use crate::marker::unmarked;
use crate::process::{CallError, Connection};
use crate::provider::{Terraform, null};
use crate::schema::{Kind, Loaded};
use crate::shape::shape;
use crate::tables::Tables;
use crate::wire;
use crate::wire::Method;

/// A change as it is sent.
struct Ready {
    prior: Value,
    config: Value,
    /// Null for a delete.
    planned: Value,
    planned_private: Vec<u8>,
    identity: Option<wire::IdentityData>,
}

impl Terraform {
    pub(crate) async fn apply_change(&self, context: &Context, change: Change) -> Outcome {
        // Until the request is sent, nothing can have been changed.
        let sent = async {
            self.client.configured(word(change.effect)).await?;
            let (loaded, kind) = self.resource(word(change.effect), &change.type_name).await?;
            let ready = self.prepare(&loaded, &kind, context, &change).await?;
            let message = self.message(&kind, &change, &ready)?;
            let connection = self.client.connection().await?;
            record(context, &connection).await?;
            Ok((loaded, kind, ready, message, connection))
        };
        let (loaded, kind, ready, message, connection) =
            match crate::provider::within(context, word(change.effect), sent).await {
                Ok(sent) => sent,
                Err(error) => return Outcome::NotApplied(error),
            };
        if change.restore.is_some() && change.effect == Effect::Update && ready.planned.same(&ready.prior) {
            // It is what it was: some providers would write it all the same.
            let applied = Applied::of(unmarked(kind.block(), ready.prior, like(&change)));
            return Outcome::Applied(Applied {
                private: change.prior_private.clone(),
                identity: change.identity.clone(),
                ..applied
            });
        }
        if context.cancellation.is_cancelled() {
            return Outcome::NotApplied(ProviderError {
                retry: false,
                ..ProviderError::new(Category::TimeOut, word(change.effect), "cancelled before it began")
            });
        }
        // CRASH: from here on it may have been done, whatever happens. The process is recorded: recovery ends it
        // before it looks.
        let answer = tokio::select! {
            biased;
            answer = connection.call::<_, wire::ApplyResponse>(Method::Apply, message) => answer,
            () = context.cancellation.cancelled() => {
                // A request to stop was not enough: what still runs must not go on behind our back.
                connection.kill();
                return self.in_doubt(&kind, &change, &ready, "cancelled while it ran");
            }
            () = tokio::time::sleep_until(context.deadline.into()) => {
                return self.in_doubt(&kind, &change, &ready, "the provider did not answer in time");
            }
        };
        match answer {
            Ok(answer) => {
                self.client.answered();
                let outcome = self.outcome(&loaded, &kind, &change, &ready, &answer);
                self.gone_already(&kind, &change, &ready, outcome).await
            }
            // A provider that does not have the method did nothing.
            Err(CallError::Unimplemented) => Outcome::NotApplied(ProviderError::unsupported(word(change.effect))),
            Err(error) => {
                let error =
                    ProviderError { operation: word(change.effect).into(), ..self.client.failed(Method::Apply, error) };
                Outcome::Unknown { error, best_known: best_known(&kind, &change, &ready) }
            }
        }
    }

    /// Works out what is sent: for what is brought back, a plan of its own.
    async fn prepare(&self, loaded: &Loaded, kind: &Kind, context: &Context, change: &Change) -> ProviderResult<Ready> {
        let operation = word(change.effect);
        let prior = shape(kind.form(), &change.prior);
        let identity = Self::identity_message(loaded, &change.type_name, change.identity.as_ref());
        if change.effect == Effect::Delete {
            let planned_private = match change.planned_private.0.is_empty() || change.restore.is_some() {
                true => change.prior_private.0.clone(),
                false => change.planned_private.0.clone(),
            };
            return Ok(Ready { prior, config: null(), planned: null(), planned_private, identity });
        }
        if let Some(image) = &change.restore {
            // What was made again and left unfinished is another object: what is computed is its own.
            let same = change.prior.get("id") == image.state.get("id");
            let now = if same { prior.clone() } else { null() };
            let (then, private) = (&image.state, &change.prior_private);
            let config = self
                .way_to(&change.type_name, kind, [&change.config, then, &now], private)
                .await
                .map_err(|error| ProviderError { operation: operation.into(), ..error })?;
            let config = marked(self.client.tables(), kind, context, change, &config).unwrap_or(config);
            let proposed = shape(kind.form(), &proposed_state(kind.block(), &prior, &config));
            let planned = self
                .ask_plan(&change.type_name, kind, &config, &prior, &proposed, &change.prior_private)
                .await
                .map_err(|error| ProviderError { operation: operation.into(), ..error })?;
            if let Some(path) = planned.requires_replace.first() {
                let what = format!("`{path}` cannot be brought back in place");
                return Err(self.client.error(Category::Conflict, operation, what).at(path.clone()));
            }
            return Ok(Ready {
                prior,
                config,
                planned: planned.state,
                planned_private: planned.private,
                identity: planned.identity.or(identity),
            });
        }
        let config = shape(kind.form(), &change.config);
        // There are providers that take what is unknown for null, and say nothing.
        if let Some(path) = config.unknown_paths().into_iter().next() {
            let what = format!("`{path}` is not known yet");
            return Err(self.client.error(Category::Validation, operation, what).at(path));
        }
        let planned = shape(kind.form(), &change.planned);
        let planned = retrue_provider_api::without_write_only(kind.block(), &planned);
        if let Some(config) = marked(self.client.tables(), kind, context, change, &config) {
            return self.prepare_marked(kind, change, prior, config, planned, identity).await;
        }
        Ok(Ready { prior, config, planned, planned_private: change.planned_private.0.clone(), identity })
    }

    /// A create whose configuration has the marker is planned with it: what the provider plans, and its bytes, must
    /// fit. But for the marker it must be what was planned before.
    async fn prepare_marked(
        &self,
        kind: &Kind,
        change: &Change,
        prior: Value,
        config: Value,
        before: Value,
        identity: Option<wire::IdentityData>,
    ) -> ProviderResult<Ready> {
        let operation = word(change.effect);
        let proposed = shape(kind.form(), &proposed_state(kind.block(), &prior, &config));
        let planned = self
            .ask_plan(&change.type_name, kind, &config, &prior, &proposed, &change.prior_private)
            .await
            .map_err(|error| ProviderError { operation: operation.into(), ..error })?;
        let bare = unmarked(kind.block(), planned.state.clone(), &before);
        if let Some(first) = result_mistakes(&before, &bare).into_iter().next() {
            if !self.is_legacy(&change.type_name, kind) {
                return Err(first.into_error(&self.client, operation));
            }
            tracing::debug!(change.type_name, "tolerated: {first}");
        }
        Ok(Ready {
            prior,
            config,
            planned: planned.state,
            planned_private: planned.private,
            identity: planned.identity.or(identity),
        })
    }

    fn message(&self, kind: &Kind, change: &Change, ready: &Ready) -> ProviderResult<wire::ApplyRequest> {
        let write = |value: &Value| {
            if value.is_null() {
                return Ok(nothing());
            }
            encode(value, kind.wire()).map_err(|error| self.client.unsendable(word(change.effect), error))
        };
        Ok(wire::ApplyRequest {
            type_name: change.type_name.clone(),
            prior: Some(write(&ready.prior)?),
            planned: Some(write(&ready.planned)?),
            config: Some(write(&ready.config)?),
            planned_private: ready.planned_private.clone(),
            meta: Some(nothing()),
            planned_identity: ready.identity.clone(),
        })
    }

    /// What an answer means. The state that came with an error is kept.
    fn outcome(
        &self,
        loaded: &Loaded,
        kind: &Kind,
        change: &Change,
        ready: &Ready,
        answer: &wire::ApplyResponse,
    ) -> Outcome {
        let operation = word(change.effect);
        let error = error_of(self.client.tables(), operation, &answer.diagnostics, &[&ready.config]);
        let state = match decode(answer.state.as_ref(), kind.wire()) {
            Ok(state) => unmarked(kind.block(), shape(kind.form(), &state), like(change)),
            Err(unreadable) => {
                let error = error.unwrap_or_else(|| self.client.unreadable(operation, unreadable));
                return Outcome::Unknown { error, best_known: best_known(kind, change, ready) };
            }
        };
        // The answer to a delete does not say it, whatever the type is.
        if !state.is_null() {
            self.note_legacy(&change.type_name, answer.legacy);
        }
        let (state, left_unknown) = known(state);
        let applied = |state: Value, private: &[u8]| Applied {
            state,
            private: Private(private.to_vec()),
            identity: Self::identity_of(loaded, &change.type_name, answer.identity.as_ref())
                .or_else(|| change.identity.clone()),
            warnings: warnings(&answer.diagnostics),
        };
        let before = || applied(ready.prior.clone(), &change.prior_private.0);
        match (change.effect, state.is_null(), error) {
            (Effect::Delete, true, None) => {
                Outcome::Applied(Applied { warnings: warnings(&answer.diagnostics), ..Applied::gone() })
            }
            (Effect::Delete, false, None) => {
                let error = self.client.error(
                    Category::Unknown,
                    operation,
                    "it says neither that the object is gone nor why not",
                );
                Outcome::Partial { applied: applied(state, &answer.private), error }
            }
            // An error without a state: what was there counts, so that the error can be mended.
            (Effect::Delete | Effect::Update, true, Some(error)) => Outcome::Partial { applied: before(), error },
            // The provider's own request may have got through where no answer to it came.
            (Effect::Create, true, Some(error)) if leaves_doubt(&error.message) => {
                Outcome::Unknown { error, best_known: best_known(kind, change, ready) }
            }
            (Effect::Create, true, Some(error)) => Outcome::NotApplied(error),
            (Effect::Create | Effect::Update, true, None) => {
                let error = self.client.error(
                    Category::Unknown,
                    operation,
                    "it says that the object is not there, and gives no error",
                );
                Outcome::Unknown { error, best_known: best_known(kind, change, ready) }
            }
            (_, false, Some(error)) => Outcome::Partial { applied: applied(state, &answer.private), error },
            (Effect::Create | Effect::Update, false, None) => {
                let planned = unmarked(kind.block(), ready.planned.clone(), like(change));
                let mut mistakes = result_mistakes(&planned, &state);
                if answer.legacy {
                    mistakes.iter().for_each(|mistake| tracing::debug!(change.type_name, "tolerated: {mistake}"));
                    mistakes.clear();
                }
                let applied = applied(state, &answer.private);
                if let Some(first) = mistakes.into_iter().next() {
                    return Outcome::Partial { applied, error: first.into_error(&self.client, operation) };
                }
                if let Some(path) = left_unknown {
                    let what = format!("after the change it leaves `{path}` unknown, which is a mistake in it");
                    let error = self.client.error(Category::Unknown, operation, what).at(path);
                    return Outcome::Partial { applied, error: ProviderError { retry: false, ..error } };
                }
                Outcome::Applied(applied)
            }
        }
    }

    /// Deleting what is gone is a success, which not every provider knows: where it says that the object is not
    /// found, and a read says so, too, it is gone.
    async fn gone_already(&self, kind: &Kind, change: &Change, ready: &Ready, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Partial { error, .. }
                if change.effect == Effect::Delete && error.category == Category::NotFound =>
            {
                let private = change.prior_private.clone();
                let identity = change.identity.clone();
                let read = self.read_state(&change.type_name, kind, &ready.prior, private, identity, None).await;
                if matches!(read, Ok(None)) { Outcome::Applied(Applied::gone()) } else { outcome }
            }
            _ => outcome,
        }
    }

    fn in_doubt(&self, kind: &Kind, change: &Change, ready: &Ready, what: &str) -> Outcome {
        let error = self.client.error(Category::TimeOut, word(change.effect), what);
        Outcome::Unknown { error: ProviderError { retry: false, ..error }, best_known: best_known(kind, change, ready) }
    }
}

/// Tells whoever must know of the process before it has effects for a step.
async fn record(context: &Context, connection: &Connection) -> ProviderResult<()> {
    let Some(child) = connection.child() else { return Ok(()) };
    context.children.started(child).await.map_err(|error| {
        ProviderError::new(Category::Unknown, "apply", "the process of the provider could not be recorded")
            .because(error)
    })
}

/// The configuration of a create with the marker in it, where the type takes one.
fn marked(tables: &Tables, kind: &Kind, context: &Context, change: &Change, config: &Value) -> Option<Value> {
    let recipe = tables.recipe(&change.type_name).filter(|_| change.effect == Effect::Create)?;
    crate::marker::marked(kind.block(), recipe.marker.as_deref()?, config, context.marker.as_ref()?)
}

/// What says whether no tags are null or an empty map.
fn like(change: &Change) -> &Value {
    &change.planned
}

/// What is probably there when nobody knows: what was planned for a create, what was before for the others.
fn best_known(kind: &Kind, change: &Change, ready: &Ready) -> Option<Box<Applied>> {
    let (state, private) = match change.effect {
        Effect::Create => (
            known(unmarked(kind.block(), ready.planned.clone(), like(change))).0,
            Private(ready.planned_private.clone()),
        ),
        Effect::Update | Effect::Delete => (ready.prior.clone(), change.prior_private.clone()),
    };
    Some(Box::new(Applied { state, private, identity: change.identity.clone(), warnings: Vec::new() }))
}

/// The value with null for what is unknown, and the first path where something was.
fn known(value: Value) -> (Value, Option<retrue_provider_api::Path>) {
    let Some(first) = value.unknown_paths().into_iter().next() else { return (value, None) };
    let known = value.map_parts(&mut |_, part| if part.is_known() { part } else { Value::null(part.kind()) });
    (known, Some(first))
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Create => "create",
        Effect::Update => "update",
        Effect::Delete => "delete",
    }
}
