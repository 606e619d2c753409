//! Asks the provider about one instance: what is there, and what it would do.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use retrue_provider_api::{
    Capability, Category, FindRequest, Findable, Found, Observed, Path, PlanRequest, PlanResponse, Private, Provider,
    ProviderError, Subject, Type, TypeSchema, ValidateRequest, Value, canonical_bytes, proposed_state,
};

use crate::address::Address;
use crate::config::IgnoreChanges;
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::plan::codes;
use crate::plan::compare::{differing_attributes, effective_difference, with_kept};
use crate::plan::decide::{Responses, World};
use crate::rest::masked_near;
use crate::saga::ObjectStatus;
use crate::saga::RecordedObject;
use crate::span::Span;
use crate::survey::calls::Calls;
use crate::survey::identity::identity;
use crate::survey::importing::{self, Wanted};
use crate::survey::patiently;
use crate::survey::providers::{Configured, attribute_span, told};

/// What is asked about one declared instance.
pub(super) struct Question<'a> {
    /// The instance.
    pub address: Address,
    /// The provider.
    pub provider: &'a Arc<dyn Provider>,
    /// The type.
    pub schema: &'a TypeSchema,
    /// The configuration without marks.
    pub config: Value,
    /// Values with secrets in them, which no message may repeat.
    pub secrets: Vec<&'a Value>,
    /// The block that it comes from, for places.
    pub body: &'a Expression,
    /// The place of the block.
    pub span: Span,
    /// What is recorded.
    pub recorded: Option<&'a RecordedObject>,
    /// Whether what is recorded is not deleted when it is let go of.
    pub given_back: bool,
    /// What a read of it found; `None` when nothing is recorded.
    pub world: Option<World>,
    /// What does not count.
    pub ignore: &'a IgnoreChanges,
    /// Whether it is to be made anew in any case.
    pub replace: bool,
    /// Whether something that it depends on will change.
    pub waits: bool,
    /// The id that it is to be imported by.
    pub import: Option<(&'a Wanted, &'a Configured)>,
}

/// What came of it.
pub(super) struct Answer {
    /// What is there.
    pub world: World,
    /// What the type can do with this configuration.
    pub capability: Capability,
    /// What the provider would do.
    pub responses: Responses,
    /// The attributes that force a replacement.
    pub replace_because: Vec<Path>,
    /// It is to be made anew elsewhere, and something is there already.
    pub occupied: bool,
    /// It is to be made anew just where it stands, and is not deleted when it is let go of.
    pub same_place: bool,
    /// What else the id of an import stands for.
    pub also_found: Vec<String>,
    /// What is wrong, and what a person should know.
    pub diagnostics: Vec<Diagnostic>,
}

/// Asks. Nothing outside is changed.
pub(super) async fn consult(question: &Question<'_>, calls: &Calls) -> Answer {
    let type_name = question.address.type_name();
    let capability = question.provider.capability(type_name, &question.config);
    let mut answer = Answer {
        world: question.world.clone().unwrap_or(World::Absent),
        capability,
        responses: Responses::default(),
        replace_because: Vec::new(),
        occupied: false,
        same_place: false,
        also_found: Vec::new(),
        diagnostics: Vec::new(),
    };
    if let Err(problem) = ask(question, calls, &mut answer).await {
        answer.diagnostics.push(problem);
    }
    answer
}

impl Question<'_> {
    fn problem(&self, error: &ProviderError) -> Diagnostic {
        let at = error.path.as_ref().and_then(|path| attribute_span(self.body, path)).unwrap_or(self.span);
        let told = masked_near(&error.to_string(), &self.secrets);
        Diagnostic::error(codes::PROVIDER, format!("`{}`: {told}", self.address))
            .at(at)
            .note(format!("category: {}", error.category))
            .hint("mend what the provider names, then plan again")
    }
}

async fn ask(question: &Question<'_>, calls: &Calls, answer: &mut Answer) -> Result<(), Diagnostic> {
    let type_name = question.address.type_name();
    let request = ValidateRequest {
        subject: Subject::Resource,
        type_name: type_name.to_owned(),
        config: question.config.clone(),
    };
    let said = question.provider.validate(request).await.map_err(|error| question.problem(&error))?;
    for diagnostic in said {
        let named = question.address.to_string();
        answer.diagnostics.push(told(&named, diagnostic, question.body, question.span));
    }
    if answer.diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    if let (None, Some((wanted, configured))) = (&question.world, question.import) {
        let found = importing::find(configured, &question.address, &wanted.id, &question.config, calls).await;
        let found = found.map_err(|told| {
            Diagnostic::error(codes::IMPORT, format!("`{}`: {told}", question.address))
                .at(wanted.span)
                .hint("the documentation of the type says what its id looks like")
        })?;
        answer.world = World::Present(Box::new(found.object));
        answer.also_found = found.others;
    } else if question.world.is_none() {
        answer.world = look(question, &answer.capability, calls).await;
    }
    match &answer.world {
        World::Unreadable(_) | World::Many(_) => Ok(()),
        World::Present(observed) => {
            let observed = observed.clone();
            plan_existing(question, calls, &observed, answer).await
        }
        World::Absent | World::NotKnownYet | World::CannotLook => {
            if let Some(recorded) = question.recorded {
                let was = recorded.attributes.clone().unmark_deep().0;
                answer.occupied = is_occupied(question, &answer.capability, &was, calls).await;
            }
            answer.responses.create = Some(plan_create(question, calls).await?);
            Ok(())
        }
    }
}

/// Looks whether something with the identity exists.
async fn look(question: &Question<'_>, capability: &Capability, calls: &Calls) -> World {
    let type_name = question.address.type_name();
    match capability.findable {
        Findable::NothingOutside | Findable::ByMarker => return World::Absent,
        Findable::No => return World::CannotLook,
        Findable::ByIdentity => {}
    }
    if !identity_is_known(question) {
        return World::NotKnownYet;
    }
    let limit = capability.time_limits.read;
    let context = calls.context(&question.address, limit);
    let request = FindRequest { type_name: type_name.to_owned(), config: question.config.clone(), marker: None };
    match question.provider.find(&context, request).await {
        Ok(Found::None) => World::Absent,
        Ok(Found::One(observed)) => World::Present(observed),
        Ok(Found::Many(found)) => World::Many(found.len()),
        // What it is looked for with (a directory, a server) may be what this very plan makes: then it is
        // looked for while applying, just before it would be made.
        Err(_) if question.waits => World::NotKnownYet,
        Err(error) => World::Unreadable(masked_near(&format!("{error:#}"), &question.secrets)),
    }
}

/// Whether something stands where what is recorded is to be made anew. Where it stands itself is free for it.
async fn is_occupied(question: &Question<'_>, capability: &Capability, was: &Value, calls: &Calls) -> bool {
    let of = |value: &Value| identity(question.provider, question.schema, question.address.type_name(), value);
    let (Some(wanted), held) = (of(&question.config), of(was)) else { return false };
    if held.is_some_and(|held| canonical_bytes(&held) == canonical_bytes(&wanted)) {
        return false;
    }
    // What a run before this one ended a moment ago may still show.
    let young = calls.recent.values().any(|age| *age < capability.settles_within);
    let settles = if young { capability.settles_within } else { Duration::ZERO };
    let occupied = || async {
        Ok::<_, Infallible>(matches!(look(question, capability, calls).await, World::Present(_) | World::Many(_)))
    };
    let Ok(occupied) = patiently(settles, |occupied| !occupied, occupied).await;
    occupied
}

/// Whether what is not deleted stands just where what is declared is to be made. Where a type has no natural identity,
/// all that is found by a configuration is in the way of what it would make.
async fn is_in_its_place(question: &Question<'_>, capability: &Capability, is: &Value, calls: &Calls) -> bool {
    if !question.given_back {
        return false;
    }
    let of = |value: &Value| identity(question.provider, question.schema, question.address.type_name(), value);
    match (of(&question.config), of(is)) {
        (Some(wanted), Some(held)) => canonical_bytes(&held) == canonical_bytes(&wanted),
        (None, None) => matches!(look(question, capability, calls).await, World::Present(_) | World::Many(_)),
        _ => false,
    }
}

fn identity_is_known(question: &Question<'_>) -> bool {
    match question.provider.identity(question.address.type_name(), &question.config) {
        Some(identity) => identity.is_wholly_known(),
        None => question
            .schema
            .block
            .identity_attributes()
            .all(|name| question.config.get(name).is_some_and(Value::is_wholly_known)),
    }
}

async fn plan(
    question: &Question<'_>,
    calls: &Calls,
    config: Value,
    prior: Value,
    proposed: Value,
    prior_private: Private,
) -> Result<PlanResponse, Diagnostic> {
    let limit = question.provider.capability(question.address.type_name(), &question.config).time_limits.read;
    let context = calls.context(&question.address, limit);
    let request = PlanRequest {
        type_name: question.address.type_name().to_owned(),
        config: config.clone(),
        prior,
        proposed,
        prior_private,
    };
    let response = question.provider.plan(&context, request).await.map_err(|error| question.problem(&error))?;
    if let Some(reason) = &response.deferred {
        let error = ProviderError::new(Category::Validation, "plan", format!("it cannot be planned yet: {reason}"));
        return Err(question.problem(&error));
    }
    let capability = question.provider.capability(question.address.type_name(), &question.config);
    if !capability.checks_plans {
        check_consistency(question, &config, &response)?;
    }
    Ok(response)
}

/// A plan keeps every value that the configuration sets.
fn check_consistency(question: &Question<'_>, config: &Value, response: &PlanResponse) -> Result<(), Diagnostic> {
    if response.planned.is_null() || config.is_null() {
        return Ok(());
    }
    for (name, attribute) in &question.schema.block.attributes {
        let (Some(set), Some(planned)) = (config.get(name), response.planned.get(name)) else { continue };
        let free = set.is_null() || !set.is_wholly_known() || attribute.write_only || !attribute.settable();
        if !free && !set.same(planned) {
            return Err(Diagnostic::error(
                codes::PROVIDER_INCONSISTENT,
                format!(
                    "the provider planned another value for `{}` of `{}` than is configured",
                    name, question.address
                ),
            )
            .at(attribute_span(question.body, &Path::attribute(name.as_str())).unwrap_or(question.span))
            .hint("this is a defect of the provider"));
        }
    }
    Ok(())
}

async fn plan_create(question: &Question<'_>, calls: &Calls) -> Result<PlanResponse, Diagnostic> {
    let config = question.config.clone();
    plan(question, calls, config.clone(), Value::null(Type::Dynamic), config, Private::default()).await
}

async fn plan_existing(
    question: &Question<'_>,
    calls: &Calls,
    observed: &Observed,
    answer: &mut Answer,
) -> Result<(), Diagnostic> {
    let block = &question.schema.block;
    let config = ignoring(question, &observed.state);
    let proposed = proposed_state(block, &observed.state, &config);
    let private = match (&observed.private, question.recorded) {
        (private, Some(recorded)) if private.0.is_empty() => recorded.private.clone(),
        (private, _) => private.clone(),
    };
    let update = plan(question, calls, config, observed.state.clone(), proposed, private.clone()).await?;
    let mut because: Vec<Path> = update
        .requires_replace
        .iter()
        .filter(|path| match (path.get(&observed.state), path.get(&update.planned)) {
            (Some(before), Some(after)) => !before.same(after),
            (None, None) => false,
            _ => true,
        })
        .cloned()
        .collect();
    if because.is_empty() && !answer.capability.updates && effective_difference(block, &observed.state, &update.planned)
    {
        because = differing_attributes(&observed.state, &update.planned)
            .into_iter()
            .filter(|path| {
                path.first_attribute()
                    .and_then(|name| block.attributes.get(name))
                    .is_none_or(|attribute| attribute.settable())
            })
            .collect();
    }
    because.sort();
    because.dedup();
    let tainted = question.recorded.is_some_and(|recorded| recorded.status == ObjectStatus::Tainted);
    if question.recorded.is_some() && (tainted || question.replace || !because.is_empty()) {
        answer.occupied = is_occupied(question, &answer.capability, &observed.state, calls).await;
        answer.same_place = is_in_its_place(question, &answer.capability, &observed.state, calls).await;
        answer.responses.create = Some(plan_create(question, calls).await?);
        let null = || Value::null(Type::Dynamic);
        answer.responses.delete = Some(plan(question, calls, null(), observed.state.clone(), null(), private).await?);
    }
    answer.responses.update = Some(update);
    answer.replace_because = because;
    Ok(())
}

/// The configuration with what is there in place of what does not count.
fn ignoring(question: &Question<'_>, observed: &Value) -> Value {
    // What is not ours yet is first made as declared.
    if question.recorded.is_none() {
        return question.config.clone();
    }
    let kept = question.ignore.paths();
    with_kept(&question.schema.block, question.config.clone(), &kept, observed)
}

/// Plans the end of an object that is no longer declared.
pub(super) async fn consult_end(
    address: &Address,
    provider: &Arc<dyn Provider>,
    recorded: &RecordedObject,
    world: &World,
    calls: &Calls,
) -> Result<(Capability, Responses), Diagnostic> {
    let config = recorded.config.clone().unmark_deep().0;
    let capability = provider.capability(address.type_name(), &config);
    let World::Present(observed) = world else { return Ok((capability, Responses::default())) };
    let private = if observed.private.0.is_empty() { recorded.private.clone() } else { observed.private.clone() };
    let limit = capability.time_limits.read;
    let context = calls.context(address, limit);
    let request = PlanRequest {
        type_name: address.type_name().to_owned(),
        config: Value::null(Type::Dynamic),
        prior: observed.state.clone(),
        proposed: Value::null(Type::Dynamic),
        prior_private: private,
    };
    let response = provider.plan(&context, request).await.map_err(|error| {
        let told = masked_near(&error.to_string(), &[&recorded.config, &recorded.attributes]);
        Diagnostic::error(codes::PROVIDER, format!("`{address}`: {told}"))
    })?;
    Ok((capability, Responses { delete: Some(response), ..Responses::default() }))
}
