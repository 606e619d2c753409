//! What the commands of a `local_command` change, and what came of it.
//!
//! A command that ends by itself says whether it worked; where there is a `read`, that has the last word.
//! A command that was ended leaves doubt, which is never settled here.

use retrue_provider_api::{Applied, Change, Context, Outcome, ProviderError, ProviderResult, Type, Value};

use crate::command::{applied, attribute, runner, there_already, with_output};
use crate::command_config::{Spec, is_set};
use crate::command_run::{Ending, Output, Presence, Runner};
use crate::config::Places;
use crate::errors;

pub(crate) async fn create(context: &Context, places: &Places, change: &Change) -> ProviderResult<Outcome> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    if change.restore.is_some() && !is_set(values, "delete") {
        // Nothing was run to end it: it is still there.
        return Ok(Outcome::Applied(Applied::of(values.clone())));
    }
    let spec = Spec::of("create", places, values)?;
    let id = match values.get("id").and_then(Value::as_str) {
        Some(id) if change.restore.is_some() => id.to_owned(),
        _ => context.stable_id(),
    };
    let state = values.clone().with_attribute("id", Value::from(id.as_str()));
    let runner = Runner { context, spec: &spec, id: &id, last: None, old_inputs: None };
    if let Presence::There(_) = runner.look().await? {
        return Err(there_already(&spec));
    }
    let line = spec.create.as_ref().ok_or_else(|| errors::invalid("create", "there is no `create` command"))?;
    // CRASH: from here until the outcome is recorded the step is in doubt; `read` tells, or a person.
    match runner.change("create", line).await? {
        Ending::Done(output) => Ok(confirmed(&runner, "create", state, &output, None).await),
        Ending::TooMuch(output, error) => Ok(confirmed(&runner, "create", state, &output, Some(error)).await),
        Ending::Failed(error) => Ok(match runner.look().await {
            Ok(Presence::There(output)) => {
                let state = with_any_output(state, output.as_ref());
                Outcome::Partial { applied: Applied::of(state), error }
            }
            Ok(Presence::Absent | Presence::Unseen) => Outcome::NotApplied(error),
            Err(blind) => unknown(error.with("read", blind), None),
        }),
        Ending::Unknown(error) => Ok(unknown(error, None)),
    }
}

pub(crate) async fn update(context: &Context, places: &Places, change: &Change) -> ProviderResult<Outcome> {
    let values = change.restore.as_ref().map_or(&change.config, |image| &image.state);
    let old = attribute(&change.prior, "inputs");
    let mut state = change.restore.as_ref().map_or(&change.planned, |image| &image.state).clone();
    for name in ["id", "stdout", "output"] {
        if !attribute(&state, name).is_wholly_known() {
            state = state.with_attribute(name, attribute(&change.prior, name));
        }
    }
    if old.same(&attribute(values, "inputs")) {
        // Only how it is done is another: that is recorded, and nothing is run.
        return Ok(Outcome::Applied(Applied::of(state)));
    }
    // An undo has the commands that held before; where there was no `update` among them, those that hold now.
    let commands = if is_set(values, "update") { values } else { &change.prior };
    let spec = Spec { inputs: attribute(values, "inputs"), ..Spec::of("update", places, commands)? };
    let runner = Runner { old_inputs: Some(&old), ..runner(context, &spec, &change.prior) };
    let line = spec.update.as_ref().ok_or_else(|| errors::invalid("update", "there is no `update` command"))?;
    match runner.change("update", line).await? {
        Ending::Done(output) => Ok(confirmed(&runner, "update", state, &output, None).await),
        Ending::TooMuch(output, error) => Ok(confirmed(&runner, "update", state, &output, Some(error)).await),
        Ending::Failed(error) => Ok(match runner.look().await {
            Ok(Presence::There(Some(output))) if !output.stdout.same(&attribute(&change.prior, "stdout")) => {
                // It looks different, but the command says that it is not what was wanted.
                Outcome::Partial { applied: applied(half(&change.prior, &spec.inputs), &output), error }
            }
            Ok(Presence::There(_) | Presence::Unseen) => Outcome::NotApplied(error),
            Ok(Presence::Absent) => unknown(error.with("read", "it is no longer there"), None),
            Err(blind) => unknown(error.with("read", blind), None),
        }),
        Ending::Unknown(error) => Ok(unknown(error, None)),
    }
}

pub(crate) async fn delete(context: &Context, places: &Places, change: &Change) -> ProviderResult<Outcome> {
    let spec = Spec::of("delete", places, &change.prior)?;
    let Some(line) = &spec.delete else {
        let warnings = vec!["there is no `delete` command: nothing was run".to_owned()];
        return Ok(Outcome::Applied(Applied { warnings, ..Applied::gone() }));
    };
    let runner = runner(context, &spec, &change.prior);
    if let Presence::Absent = runner.look().await? {
        return Ok(Outcome::Applied(Applied::gone()));
    }
    match runner.change("delete", line).await? {
        // What `creates` and `unless` look at need not go with it: only `read` may contradict.
        Ending::Done(_) | Ending::TooMuch(..) if spec.read.is_none() => Ok(Outcome::Applied(Applied::gone())),
        Ending::Done(_) | Ending::TooMuch(..) => Ok(match runner.look().await {
            Ok(Presence::There(_)) => {
                let error = errors::invalid("delete", "`delete` ended with 0, but it is still there");
                unknown(error, Some(change.prior.clone()))
            }
            Ok(Presence::Absent | Presence::Unseen) => Outcome::Applied(Applied::gone()),
            Err(error) => unknown(error, None),
        }),
        Ending::Failed(error) => Ok(match runner.look().await {
            Ok(Presence::Absent) => {
                let warnings = vec![format!("{error:#}, but it is gone")];
                Outcome::Applied(Applied { warnings, ..Applied::gone() })
            }
            Ok(Presence::There(_) | Presence::Unseen) => Outcome::NotApplied(error),
            Err(blind) => unknown(error.with("read", blind), None),
        }),
        Ending::Unknown(error) => Ok(unknown(error, None)),
    }
}

/// A command said that it worked: so it is, unless `read` says otherwise.
async fn confirmed(
    runner: &Runner<'_>,
    action: &str,
    state: Value,
    output: &Output,
    error: Option<ProviderError>,
) -> Outcome {
    if runner.spec.read.is_none() {
        let applied = applied(state, output);
        return match error {
            None => Outcome::Applied(applied),
            Some(error) => Outcome::Partial { applied, error },
        };
    }
    match runner.look().await {
        Ok(Presence::There(seen)) => Outcome::Applied(applied(state, seen.as_ref().unwrap_or(output))),
        Ok(Presence::Absent | Presence::Unseen) => {
            let message = format!("`{action}` ended with 0, but `read` does not find it");
            unknown(errors::invalid(action, message), None)
        }
        // It is there by the word of one command; what the other would have written is not known.
        Err(error) => unknown(error, Some(with_output(state, output))),
    }
}

/// The state of what is neither as it was nor as it was to be: which inputs it has cannot be said, and whichever are
/// wanted next, `update` is run.
fn half(prior: &Value, wanted: &Value) -> Value {
    if wanted.is_null() { prior.clone() } else { prior.clone().with_attribute("inputs", Value::null(Type::Dynamic)) }
}

fn with_any_output(state: Value, output: Option<&Output>) -> Value {
    match output {
        Some(output) => with_output(state, output),
        None => state
            .with_attribute("stdout", Value::null(Type::String))
            .with_attribute("output", Value::null(Type::Dynamic)),
    }
}

fn unknown(error: ProviderError, best_known: Option<Value>) -> Outcome {
    Outcome::Unknown { error, best_known: best_known.map(|state| Box::new(Applied::of(state))) }
}
