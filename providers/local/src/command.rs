//! `local_command`: something that commands make, look at, change and end.

use std::time::Duration;

use retrue_provider_api::process::GRACE;
use retrue_provider_api::{
    Applied, Attribute, Block, Capability, Category, Change, Context, Effect, FindRequest, Findable, Found, Observed,
    Outcome, Path as AttributePath, PlanRequest, PlanResponse, ProviderDiagnostic, ProviderError, ProviderResult,
    ReadRequest, Reversibility, TimeLimits, Type, TypeSchema, Value, stable_id,
};

use crate::command_config::{self, Spec, TIMEOUT, can_look, is_set};
use crate::command_effect;
use crate::command_run::{Output, Presence, Runner};
use crate::config::Places;

pub(crate) const TYPE: &str = "local_command";

/// The attributes that hold commands.
const LINES: [&str; 5] = ["create", "read", "update", "delete", "unless"];

/// What the output may repeat of what a command was given.
const SOURCES: [&str; 5] = ["inputs", "environment", "create", "read", "update"];

pub(crate) fn schema() -> TypeSchema {
    let any = || Type::Dynamic;
    let attributes = [
        ("create", Attribute::required(any(), "Makes it: a line for the shell, or a list of a program and its arguments.").inert()),
        ("read", Attribute::optional(any(), "Looks at it: ends with 0 when it is there, with `absent_exit_code` when it is not. Anything else is an error.").inert()),
        ("update", Attribute::optional(any(), "Changes it when `inputs` change. Without it, such a change replaces.").inert()),
        ("delete", Attribute::optional(any(), "Ends it. Without it nothing is run, and a create cannot be undone.").inert()),
        ("creates", Attribute::optional(Type::String, "A path, relative to the working directory: where it exists, the thing is there.").inert()),
        ("unless", Attribute::optional(any(), "A command: where it ends with 0, the thing is there.").inert()),
        ("inputs", Attribute::optional(any(), "Any value, given to every command as JSON in `RETRUE_INPUTS`.").unobserved()),
        ("environment", Attribute::optional(Type::map(Type::String), "Further variables.").inert()),
        ("working_directory", Attribute::optional(Type::String, "Where commands run; the stack's directory where it is not set.").inert()),
        ("timeout", Attribute::optional(any(), "How long each command may take: seconds, or text like `\"5m\"`; 20 minutes where it is not set.").inert()),
        ("absent_exit_code", Attribute::optional(Type::Number, "How `read` says that it is not there; 44 where it is not set.").inert()),
        ("id", Attribute::computed(Type::String, "An id that is made with it and stays: `RETRUE_ID` of every command.")),
        ("stdout", Attribute::computed(Type::String, "What `read` wrote, or else what `create` or `update` wrote last.").derived_from(&SOURCES)),
        ("output", Attribute::computed(any(), "The same, parsed where it is JSON; else without the newlines at its end.").derived_from(&SOURCES)),
    ];
    TypeSchema {
        version: 0,
        identity_space: None,
        block: Block {
            attributes: attributes.map(|(name, attribute)| (name.to_owned(), attribute)).into(),
            documentation: "Something that commands make, look at, change and end.".to_owned(),
            ..Block::default()
        },
    }
}

pub(crate) fn validate(config: &Value) -> Vec<ProviderDiagnostic> {
    let mut found = command_config::check(config, &LINES);
    found.extend(command_config::check_given(config));
    found
}

pub(crate) fn capability(config: &Value) -> Capability {
    let looks = can_look(config);
    let one = command_config::timeout(config).ok().flatten();
    // A change may look before and after.
    let change = one.unwrap_or(TIMEOUT).saturating_mul(3).saturating_add(3 * GRACE);
    let read = one.unwrap_or(Duration::from_secs(120)).saturating_add(2 * GRACE);
    Capability {
        findable: if looks { Findable::ByIdentity } else { Findable::No },
        observes: looks,
        reads_back: true,
        imports: false,
        by_processes: true,
        time_limits: TimeLimits { create: change, read, update: change, delete: change },
        ..Capability::default()
    }
}

pub(crate) async fn read(context: &Context, places: &Places, request: ReadRequest) -> ProviderResult<Option<Observed>> {
    let values = if request.config.is_null() { &request.state } else { &request.config };
    let mut spec = Spec::of("read", places, values)?;
    // What is there was made with the inputs that were recorded, whatever is configured now.
    spec.inputs = attribute(&request.state, "inputs");
    let runner = runner(context, &spec, &request.state);
    Ok(match runner.look().await? {
        Presence::Absent => None,
        Presence::There(Some(output)) => Some(Observed::of(with_output(request.state, &output))),
        Presence::There(None) | Presence::Unseen => Some(Observed::of(request.state)),
    })
}

/// What is there already, by what the configuration says about looking. Its inputs are taken to be
/// those that are configured: nothing tells them.
pub(crate) async fn find(context: &Context, places: &Places, request: FindRequest) -> ProviderResult<Found> {
    let spec = Spec::of("find", places, &request.config)?;
    // The id that the create in doubt has given, or, where there was none, one that stays the same.
    let id = if context.idempotency_key.is_empty() { stable_id(&context.address) } else { context.stable_id() };
    let runner = Runner { context, spec: &spec, id: &id, last: None, old_inputs: None };
    let null = Value::null(Type::Dynamic);
    let state = || {
        let state = request.config.clone().with_attribute("id", Value::from(id.as_str()));
        state.with_attribute("stdout", Value::null(Type::String)).with_attribute("output", null.clone())
    };
    Ok(match runner.look().await? {
        Presence::Absent | Presence::Unseen => Found::None,
        Presence::There(None) => Found::One(Box::new(Observed::of(state()))),
        Presence::There(Some(output)) => Found::One(Box::new(Observed::of(with_output(state(), &output)))),
    })
}

pub(crate) fn plan(request: PlanRequest) -> PlanResponse {
    let PlanRequest { config, prior, proposed, .. } = request;
    if proposed.is_null() {
        // Without a command nothing is run, so nothing has to be undone either.
        return PlanResponse::of(proposed);
    }
    let creating = prior.is_null();
    let changed = creating || !attribute(&prior, "inputs").same(&attribute(&config, "inputs"));
    if !changed {
        return PlanResponse::of(proposed);
    }
    let mut planned = proposed;
    let mut response = PlanResponse::of(Value::null(Type::Dynamic));
    let replaces = !creating && !is_set(&config, "update");
    if creating || replaces {
        planned = planned.with_attribute("id", Value::unknown(Type::String));
    }
    planned = planned.with_attribute("stdout", Value::unknown(Type::String));
    planned = planned.with_attribute("output", Value::unknown(Type::Dynamic));
    if replaces {
        response.requires_replace.push(AttributePath::attribute("inputs"));
    }
    if creating && !is_set(&config, "delete") {
        response.reversibility = Reversibility::No("there is no `delete` command".to_owned());
    }
    if !can_look(&config) {
        response.warnings.push("without `read`, drift cannot be seen, and doubt not be settled".to_owned());
    } else if !creating && !replaces {
        response.warnings.extend(blind_to_updates(&config, &prior).map(str::to_owned));
    }
    PlanResponse { planned, ..response }
}

/// Why a look will not tell what came of an update that is cut off, where that is known beforehand.
fn blind_to_updates(config: &Value, prior: &Value) -> Option<&'static str> {
    if !is_set(config, "read") {
        return Some(
            "without `read`, it cannot be seen what came of an update that is cut off: doubt cannot be settled",
        );
    }
    let silent = prior.get("stdout").and_then(Value::as_str).is_some_and(|text| text.trim().is_empty());
    silent.then_some("`read` writes nothing, so it cannot be seen what came of an update that is cut off")
}

pub(crate) async fn apply(context: &Context, places: &Places, change: Change) -> Outcome {
    let done = match change.effect {
        Effect::Create => command_effect::create(context, places, &change).await,
        Effect::Update => command_effect::update(context, places, &change).await,
        Effect::Delete => command_effect::delete(context, places, &change).await,
    };
    done.unwrap_or_else(Outcome::NotApplied)
}

/// What a command made that a person says has run: its id is known, what it wrote is not.
pub(crate) fn presume(context: &Context, planned: Value) -> Value {
    let known = |state: Value, name: &str, value: Value| match state.get(name) {
        Some(now) if now.is_wholly_known() => state,
        _ => state.with_attribute(name, value),
    };
    let state = known(planned, "id", Value::from(context.stable_id()));
    let state = known(state, "stdout", Value::null(Type::String));
    known(state, "output", Value::null(Type::Dynamic))
}

/// The runner of an object that is recorded.
pub(crate) fn runner<'r>(context: &'r Context, spec: &'r Spec, state: &'r Value) -> Runner<'r> {
    let text = |name| state.get(name).and_then(Value::as_str);
    Runner { context, spec, id: text("id").unwrap_or_default(), last: text("stdout"), old_inputs: None }
}

pub(crate) fn attribute(values: &Value, name: &str) -> Value {
    values.get(name).cloned().unwrap_or_else(|| Value::null(Type::Dynamic))
}

pub(crate) fn with_output(state: Value, output: &Output) -> Value {
    state.with_attribute("stdout", output.stdout.clone()).with_attribute("output", output.output.clone())
}

/// The state with what a command wrote.
pub(crate) fn applied(state: Value, output: &Output) -> Applied {
    let warnings = output.warning.iter().cloned().collect();
    Applied { warnings, ..Applied::of(with_output(state, output)) }
}

pub(crate) fn there_already(spec: &Spec) -> ProviderError {
    let by = match (&spec.read, &spec.creates) {
        (Some(_), _) => "`read` finds it".to_owned(),
        (None, Some(path)) if fs_err::symlink_metadata(path).is_ok() => format!("{} exists", path.display()),
        _ => "`unless` ended with 0".to_owned(),
    };
    ProviderError::new(Category::Conflict, "create", format!("it is there already: {by}"))
}
