//! Running the commands of a `local_command`, and what their ends mean.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use retrue_provider_api::process::{self, Ended, Finished};
use retrue_provider_api::{
    Category, ChildProcess, Children, Context, ProviderError, ProviderResult, Value, from_plain_json, secrets,
};

use crate::command_config::{Line, Spec, Surroundings, VARIABLE_LIMIT, as_variable};

/// Whether the thing is there, as far as it can be told.
pub(crate) enum Presence {
    /// It is, and `read`, if it was that, wrote this.
    There(Option<Output>),
    /// It is not.
    Absent,
    /// Nothing says how to look.
    Unseen,
}

/// What a command wrote.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    /// As it is.
    pub(crate) stdout: Value,
    /// Parsed, where it is JSON; else without the newlines at its end.
    pub(crate) output: Value,
    /// What a person should know about it.
    pub(crate) warning: Option<String>,
}

impl Output {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let warning = matches!(text, std::borrow::Cow::Owned(_))
            .then(|| "the output is not UTF-8: bytes that are no text were replaced".to_owned());
        let parsed = serde_json::from_str(text.trim()).ok().and_then(|json| from_plain_json(&json).ok());
        let output = parsed.unwrap_or_else(|| Value::from(text.trim_end_matches(['\n', '\r'])));
        Output { stdout: Value::from(text.as_ref()), output, warning }
    }
}

/// How a command that was to change something ended.
pub(crate) enum Ending {
    /// With 0.
    Done(Output),
    /// With 0, but it wrote more than can be held.
    TooMuch(Output, ProviderError),
    /// With another status.
    Failed(ProviderError),
    /// Not by itself: nobody can tell what it did.
    Unknown(ProviderError),
}

/// What all commands of one object are given.
pub(crate) struct Runner<'r> {
    pub(crate) context: &'r Context,
    pub(crate) spec: &'r Spec,
    /// The id of the object.
    pub(crate) id: &'r str,
    /// What was last written, if anything was recorded.
    pub(crate) last: Option<&'r str>,
    /// What the inputs were before an update.
    pub(crate) old_inputs: Option<&'r Value>,
}

impl Runner<'_> {
    /// Runs what changes something. An error means that it did not begin.
    pub(crate) async fn change(&self, action: &str, line: &Line) -> ProviderResult<Ending> {
        let finished = self.run(self.context, action, line).await?;
        Ok(match finished.ended {
            Ended::Exited(0) => {
                let output = Output::of(&finished.stdout);
                if finished.stdout_cut { Ending::TooMuch(output, too_much(action)) } else { Ending::Done(output) }
            }
            Ended::Exited(status) => Ending::Failed(failed(action, status, &finished)),
            _ => Ending::Unknown(interrupted(action, &finished)),
        })
    }

    /// Looks whether the thing is there: by `read`, or else by `creates` and `unless`.
    pub(crate) async fn look(&self) -> ProviderResult<Presence> {
        // What only looks need not be ended before the world is read, so it is not recorded.
        let context = Context { children: Arc::new(Unrecorded), ..self.context.clone() };
        if let Some(read) = &self.spec.read {
            let finished = self.run(&context, "read", read).await?;
            return match finished.ended {
                Ended::Exited(0) if finished.stdout_cut => Err(too_much("read")),
                Ended::Exited(0) => Ok(Presence::There(Some(Output::of(&finished.stdout)))),
                Ended::Exited(status) if status == self.spec.absent => Ok(Presence::Absent),
                Ended::Exited(status) => Err(failed("read", status, &finished)),
                _ => Err(interrupted("read", &finished)),
            };
        }
        if self.spec.creates.is_none() && self.spec.unless.is_none() {
            return Ok(Presence::Unseen);
        }
        // A link that leads nowhere is there, too.
        if self.spec.creates.as_ref().is_some_and(|path| fs_err::symlink_metadata(path).is_ok()) {
            return Ok(Presence::There(None));
        }
        let Some(unless) = &self.spec.unless else { return Ok(Presence::Absent) };
        let finished = self.run(&context, "unless", unless).await?;
        match finished.ended {
            Ended::Exited(0) => Ok(Presence::There(None)),
            Ended::Exited(_) => Ok(Presence::Absent),
            _ => Err(interrupted("unless", &finished)),
        }
    }

    async fn run(&self, context: &Context, action: &str, line: &Line) -> ProviderResult<Finished> {
        let mut variables = vec![
            ("RETRUE_ACTION", action.to_owned()),
            ("RETRUE_ADDRESS", context.address.clone()),
            ("RETRUE_ID", self.id.to_owned()),
            ("RETRUE_INPUTS", as_variable(action, "inputs", &self.spec.inputs)?),
        ];
        if let Some(trace) = &context.trace_parent {
            variables.push(("TRACEPARENT", trace.clone()));
        }
        if let Some(old) = self.old_inputs {
            variables.push(("RETRUE_OLD_INPUTS", as_variable(action, "inputs", old)?));
        }
        if let Some(last) = self.last.filter(|last| last.len() <= VARIABLE_LIMIT && !last.contains('\0')) {
            variables.push(("RETRUE_STDOUT", last.to_owned()));
        }
        run(context, action, line, &self.spec.surroundings, &variables).await
    }
}

/// Runs one command.
pub(crate) async fn run(
    context: &Context,
    action: &str,
    line: &Line,
    surroundings: &Surroundings,
    variables: &[(&str, String)],
) -> ProviderResult<Finished> {
    let mut command = line.in_directory(surroundings.directory.clone());
    command.environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    command.environment.extend(surroundings.environment.iter().cloned());
    command.deadline = Instant::now().checked_add(surroundings.timeout);
    process::run(context, &command).await.map_err(|error| error.into_provider_error(action))
}

/// Data that a command writes.
pub(crate) async fn output(
    context: &Context,
    action: &str,
    line: &Line,
    surroundings: &Surroundings,
) -> ProviderResult<Output> {
    let context = Context { children: Arc::new(Unrecorded), ..context.clone() };
    let finished = run(&context, action, line, surroundings, &[]).await?;
    match finished.ended {
        Ended::Exited(0) if finished.stdout_cut => Err(too_much(action)),
        Ended::Exited(0) => Ok(Output::of(&finished.stdout)),
        Ended::Exited(status) => Err(failed(action, status, &finished)),
        _ => Err(interrupted(action, &finished)),
    }
}

fn failed(action: &str, status: i32, finished: &Finished) -> ProviderError {
    let error = ProviderError::new(Category::Unknown, action, ended_with(action, status, finished));
    // The last line is in the message already.
    let (before, last) = finished.stderr.trim_end().rsplit_once('\n').unwrap_or(("", &finished.stderr));
    let rest = if last.trim().chars().count() > MOST_CHARACTERS { finished.stderr.as_str() } else { before };
    if rest.trim().is_empty() { error } else { error.with("stderr", rest) }
}

/// One line, with the last that the command had to say: on standard error, or else, as many tools do, on
/// standard output.
fn ended_with(action: &str, status: i32, finished: &Finished) -> String {
    let stdout = String::from_utf8_lossy(&finished.stdout);
    let said = [finished.stderr.as_str(), &stdout];
    let last = said.into_iter().find_map(|text| text.lines().rev().map(str::trim).find(|line| !line.is_empty()));
    match last {
        Some(line) => format!("`{action}` ended with {status}: {}", shortened(line)),
        None => format!("`{action}` ended with {status}"),
    }
}

/// A line that may be long, such as one of JSON. It is cut off behind the secrets in it, or what is left of one that is
/// cut through would not be known for a secret.
fn shortened(line: &str) -> String {
    let line = secrets::masked(line);
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.into_owned(),
    }
}

/// So much of a line is shown.
const MOST_CHARACTERS: usize = 300;

fn interrupted(action: &str, finished: &Finished) -> ProviderError {
    let (category, message) = match finished.ended {
        Ended::TimedOut => (Category::TimeOut, format!("`{action}` took too long and was ended")),
        Ended::Cancelled => (Category::Unknown, format!("`{action}` was cancelled and ended")),
        Ended::Signalled(signal) => (Category::Unknown, format!("`{action}` was ended by signal {signal}")),
        Ended::Lost | Ended::Exited(_) => {
            (Category::Unknown, format!("`{action}` was killed together with what watches over it"))
        }
    };
    let mut error = ProviderError::new(category, action, message);
    error.retry = false;
    with_stderr(error, finished)
}

fn too_much(action: &str) -> ProviderError {
    ProviderError::new(Category::Validation, action, format!("`{action}` wrote more than 16 MiB"))
}

fn with_stderr(error: ProviderError, finished: &Finished) -> ProviderError {
    if finished.stderr.is_empty() { error } else { error.with("stderr", &finished.stderr) }
}

/// For what only looks.
struct Unrecorded;

#[async_trait]
impl Children for Unrecorded {
    async fn started(&self, _child: &ChildProcess) -> io::Result<()> {
        Ok(())
    }
}
