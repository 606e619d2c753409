//! What an object will look like.

use retrue_provider_api::{
    Block, Category, Path, PlanRequest, PlanResponse, Private, ProviderError, ProviderResult, Reversibility, Subject,
    ValidateRequest, Value, without_write_only,
};

use crate::check::plan_mistakes;
use crate::client::capabilities;
use crate::codec::{decode, encode, nothing};
use crate::diagnostic::{path_of, refuse_errors};
use crate::marker::unmarked;
use crate::provider::{Terraform, null};
use crate::restore::{Open, configuration_of};
use crate::schema::Kind;
use crate::shape::shape;
use crate::tables::Tables;
use crate::wire;
use crate::wire::Method;

/// A plan as the provider made it.
pub(crate) struct Planned {
    pub(crate) state: Value,
    pub(crate) private: Vec<u8>,
    pub(crate) requires_replace: Vec<Path>,
    pub(crate) deferred: Option<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) identity: Option<wire::IdentityData>,
}

impl Terraform {
    pub(crate) async fn plan_change(&self, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let (_, kind) = self.resource("plan", &request.type_name).await?;
        if request.proposed.is_null() {
            return self.plan_delete(&kind, request).await;
        }
        let config = shape(kind.form(), &request.config);
        let unknown = self.client.unknown_settings().await;
        if let Some(first) = unknown.first() {
            if !request.prior.is_null() {
                return Err(self.settings_unknown(first));
            }
            let name = &self.client.launch().name;
            return Ok(PlanResponse {
                deferred: Some(format!("`{first}` of the configuration of provider `{name}` is not known yet")),
                ..PlanResponse::of(open(kind.block(), &config))
            });
        }
        let prior = shape(kind.form(), &request.prior);
        let proposed = shape(kind.form(), &request.proposed);
        let planned =
            self.ask_plan(&request.type_name, &kind, &config, &prior, &proposed, &request.prior_private).await?;
        let mut response = PlanResponse {
            planned_private: Private(planned.private),
            requires_replace: planned.requires_replace,
            deferred: planned.deferred,
            warnings: planned.warnings,
            ..PlanResponse::of(unmarked(kind.block(), planned.state, &proposed))
        };
        if response.planned.same(&prior) {
            // Without a change, providers return no bytes: those that are there stay.
            if response.planned_private.0.is_empty() {
                response.planned_private = request.prior_private;
            }
        } else if !prior.is_null() && response.requires_replace.is_empty() {
            response.reversibility =
                self.way_back(&request.type_name, &kind, &config, &prior, &request.prior_private).await;
        }
        Ok(response)
    }

    /// Asks for a plan of a create or an update, and holds it against the rules for plans.
    pub(crate) async fn ask_plan(
        &self,
        type_name: &str,
        kind: &Kind,
        config: &Value,
        prior: &Value,
        proposed: &Value,
        prior_private: &Private,
    ) -> ProviderResult<Planned> {
        let unsendable = |error| self.client.unsendable("plan", error);
        let proposed = without_write_only(kind.block(), proposed);
        let message = wire::PlanRequest {
            type_name: type_name.to_owned(),
            prior: Some(encode(prior, kind.wire()).map_err(unsendable)?),
            proposed: Some(encode(&proposed, kind.wire()).map_err(unsendable)?),
            config: Some(encode(config, kind.wire()).map_err(unsendable)?),
            prior_private: prior_private.0.clone(),
            meta: Some(nothing()),
            capabilities: Some(capabilities(false)),
            prior_identity: None,
        };
        let answer: wire::PlanResponse = self.client.ask(Method::Plan, message).await?;
        let warnings = refuse_errors(self.client.tables(), "plan", &answer.diagnostics, &[config])?;
        self.note_legacy(type_name, answer.legacy);
        let planned = decode(answer.planned.as_ref(), kind.wire())
            .map_err(|error| self.client.unreadable("plan", error))
            .map(|planned| shape(kind.form(), &planned))?;
        let deferred = answer.deferred.map(|deferred| deferral(deferred.reason));
        if deferred.is_none() {
            let mistakes = plan_mistakes(kind.block(), prior, config, &planned);
            if answer.legacy {
                mistakes.iter().for_each(|mistake| tracing::debug!(type_name, "tolerated: {mistake}"));
            } else if let Some(first) = mistakes.into_iter().next() {
                return Err(first.into_error(&self.client, "plan"));
            }
        }
        let mut requires_replace = Vec::new();
        if !prior.is_null() {
            for path in &answer.requires_replace {
                let path = path_of(path, &[prior, &planned]);
                if differs(&path, prior, &planned) && !requires_replace.contains(&path) {
                    requires_replace.push(path);
                }
            }
        }
        Ok(Planned {
            state: planned,
            private: answer.planned_private,
            requires_replace,
            deferred,
            warnings,
            identity: answer.planned_identity,
        })
    }

    async fn plan_delete(&self, kind: &Kind, request: PlanRequest) -> ProviderResult<PlanResponse> {
        let loaded = self.client.loaded().await?;
        self.client.configured("plan").await?;
        let mut response = PlanResponse {
            reversibility: Reversibility::Lossy(loss(self.client.tables(), &request.type_name, kind)),
            planned_private: request.prior_private.clone(),
            ..PlanResponse::of(null())
        };
        if loaded.plans_deletes {
            let prior = shape(kind.form(), &request.prior);
            let message = wire::PlanRequest {
                type_name: request.type_name.clone(),
                prior: Some(encode(&prior, kind.wire()).map_err(|error| self.client.unsendable("plan", error))?),
                proposed: Some(nothing()),
                config: Some(nothing()),
                prior_private: request.prior_private.0,
                meta: Some(nothing()),
                capabilities: Some(capabilities(false)),
                prior_identity: None,
            };
            let answer: wire::PlanResponse = self.client.ask(Method::Plan, message).await?;
            response.warnings = refuse_errors(self.client.tables(), "plan", &answer.diagnostics, &[&prior])?;
            if !answer.planned_private.is_empty() {
                response.planned_private = Private(answer.planned_private);
            }
        }
        Ok(response)
    }

    /// How much of an update can be undone: all, unless the provider refuses the configuration for it.
    async fn way_back(
        &self,
        type_name: &str,
        kind: &Kind,
        config: &Value,
        prior: &Value,
        private: &Private,
    ) -> Reversibility {
        let request = ValidateRequest {
            subject: Subject::Resource,
            type_name: type_name.to_owned(),
            config: configuration_of(kind, config, prior, prior, Open::Said),
        };
        match self.validate_config(request).await {
            Ok(said) => match said.into_iter().any(|diagnostic| diagnostic.error) {
                false => Reversibility::Full,
                true => match self.way_to(type_name, kind, [config, prior, prior], private).await {
                    Ok(less) => self.accepted(type_name, less).await,
                    Err(error) => Reversibility::Lossy(format!("the provider refuses it as it was: {}", error.message)),
                },
            },
            Err(error) => Reversibility::Lossy(format!("whether it can be as it was is not known: {}", error.message)),
        }
    }

    /// Whether the provider takes a configuration that says as little as it can.
    async fn accepted(&self, type_name: &str, config: Value) -> Reversibility {
        let request = ValidateRequest { subject: Subject::Resource, type_name: type_name.to_owned(), config };
        match self.validate_config(request).await {
            Ok(said) => match said.into_iter().find(|diagnostic| diagnostic.error) {
                None => Reversibility::Full,
                Some(told) => Reversibility::Lossy(format!("the provider refuses it as it was: {}", told.message)),
            },
            Err(error) => Reversibility::Lossy(format!("whether it can be as it was is not known: {}", error.message)),
        }
    }

    fn settings_unknown(&self, path: &Path) -> ProviderError {
        let what = format!("`{path}` of its configuration is not known yet: apply what it depends on first");
        self.client.error(Category::Validation, "plan", what)
    }
}

/// What an undo of a delete does not bring back.
fn loss(tables: &Tables, type_name: &str, kind: &Kind) -> String {
    let computed_id = kind.block().attributes.get("id").is_some_and(|id| id.computed);
    match (tables.holds_data(type_name), computed_id) {
        (true, _) => "its data is gone, and it gets a new id".into(),
        (false, true) => "it gets a new id".into(),
        (false, false) => "it is made anew".into(),
    }
}

/// Whether a path leads to different values, or to one that is not known.
fn differs(path: &Path, prior: &Value, planned: &Value) -> bool {
    match (path.get(prior), path.get(planned)) {
        (Some(prior), Some(planned)) => !planned.is_wholly_known() || !prior.same(planned),
        (None, None) => false,
        _ => true,
    }
}

/// A configuration with unknown for all that the provider computes.
fn open(block: &Block, config: &Value) -> Value {
    let Some(entries) = config.as_entries() else { return config.clone() };
    let entries = entries.iter().map(|(name, value)| {
        let computed = block.attributes.get(name.as_ref()).filter(|attribute| attribute.computed && value.is_null());
        let value = computed.map_or_else(|| value.clone(), |attribute| Value::unknown(attribute.value_type()));
        (name.clone(), value)
    });
    Value::object(entries)
}

fn deferral(reason: i32) -> String {
    match reason {
        1 => "the provider waits for values of its configuration that are not known yet",
        2 => "the provider waits for values of its own configuration that are not known yet",
        3 => "the provider waits for something else that must be there first",
        _ => "the provider cannot plan it yet",
    }
    .into()
}
