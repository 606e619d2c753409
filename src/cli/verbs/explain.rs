//! `retrue explain`.

use clap::Args;
use retrue_provider_api::Severity;
use serde::Serialize;

use crate::address::Address;
use crate::apply::codes::UNHEALTHY;
use crate::cli::exit::{Ending, Exit};
use crate::cli::render::plan::Screen;
use crate::cli::render::text::{bold, dim, visible};
use crate::cli::report::goes_on;
use crate::cli::session::Session;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::saga::history::{StepHistory, UndoHistory};
use crate::saga::{Event, RunState, StepFailure, StepStatus, UndoStatus};

/// Tell what an error code means, or why a run failed
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// A code, such as RT0501; or a run, or the beginning of its id
    #[arg(value_name = "CODE|RUN")]
    pub(crate) what: String,
    /// Only the step at this address
    #[arg(value_name = "ADDR", value_parser = address)]
    pub(crate) address: Option<Address>,
}

fn address(text: &str) -> Result<Address, String> {
    text.parse::<Address>().map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Page<'a> {
    code: &'a str,
    meaning: &'a str,
    page: &'a str,
}

/// Something of a run that did not go as it should.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The name of a health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a StepFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<Severity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<&'static str>,
    #[serde(skip)]
    name: String,
    #[serde(skip)]
    failed: String,
    #[serde(skip)]
    code: Option<&'a str>,
    #[serde(skip)]
    kind: Option<&'static str>,
    done: String,
    next: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let code = arguments.what.to_ascii_uppercase();
    if let (Some(meaning), Some(page)) = (codes::meaning(&code), codes::page(&code)) {
        if session.console.settings().json {
            return session.document(&Page { code: &code, meaning, page });
        }
        session.console.data(page);
        return Ok(Exit::Done);
    }
    if code.starts_with("RT") && code.len() == 6 {
        return Err(Diagnostic::error(crate::cli::codes::NO_SUCH_CODE, format!("there is no code `{code}`"))
            .hint("codes are such as RT0501; an error shows its own in brackets")
            .into());
    }
    steps(session, &arguments)
}

fn steps(session: &Session, arguments: &Arguments) -> Ending {
    let looked = session.look()?;
    let look = looked.ok_or_else(|| {
        Diagnostic::error(crate::store::NO_STORE, "there is no state, and so there are no runs")
            .hint("`retrue apply` makes it; `-C` and `--env` choose another stack or environment")
    })?;
    let record = engine::find_run(&look.state, &arguments.what)?;
    let history = look.journal(&record.run)?.ok_or_else(|| engine::journal_gone(&record.run))?;
    let wanted = |of: &Address| arguments.address.as_ref().is_none_or(|address| address == of);
    let steps = history
        .steps
        .iter()
        .filter(|step| wanted(&step.id.address))
        .filter_map(|step| of_step(step, goes_on(record.kind)));
    let undos = history.undos.iter().filter(|undo| wanted(&undo.id.address)).filter_map(of_undo);
    let checks =
        history.events.iter().filter(|_| arguments.address.is_none()).filter_map(|event| of_check(&event.event));
    let explained: Vec<Explained<'_>> = steps.chain(undos).chain(checks).collect();
    let console = &session.console;
    if console.settings().json {
        return session.document(&explained);
    }
    if explained.is_empty() {
        let ended = history.events.iter().rev().find_map(|event| match &event.event {
            Event::RunFinished(finished) => finished.error.as_deref(),
            _ => None,
        });
        let why = match (ended, record.state) {
            (_, RunState::Succeeded) => None,
            (Some(why), _) if arguments.address.is_none() => Some(why),
            _ => None,
        };
        console.hint(&match why {
            Some(why) => format!("no step failed there; the run is {}: {}\n", record.state.word(), visible(why)),
            None => "nothing failed there\n".to_owned(),
        });
        return Ok(Exit::Done);
    }
    let mut screen = Screen::new(session.detail());
    for one in &explained {
        screen.line(&bold(&visible(&one.name)));
        screen.words(&dim("  what failed   "), &visible(&one.failed));
        if let Some(code) = one.code {
            let meaning = one.meaning.unwrap_or("a code of another version");
            screen.words(&dim("  code          "), &format!("{}: {meaning}", visible(code)));
        }
        if let (Some(error), Some(kind)) = (one.error, one.kind) {
            screen.words(&dim("  category      "), &format!("{}: {kind}", error.category));
        }
        if let Some(severity) = &one.severity {
            screen.words(&dim("  severity      "), &severity.to_string());
        }
        screen.words(&dim("  what was done "), &one.done);
        screen.words(&dim("  what to do    "), &one.next);
    }
    console.data(&screen.finish());
    Ok(Exit::Done)
}

/// What a failure of a step is, and what was and will be done about it; `None` where there is none. The verb `again` goes
/// on with the run.
fn of_step<'a>(step: &'a StepHistory, again: &str) -> Option<Explained<'a>> {
    let failure = step.failure.as_ref();
    if failure.is_none() && !step.status.in_doubt() {
        return None;
    }
    let attempts = step.begin.as_ref().map_or(1, |begin| begin.attempt);
    let tries = format!("it was tried {}", times(attempts));
    let (came_of_it, next) = match step.status {
        StepStatus::NotApplied => (
            "nothing was changed",
            format!("`{again}` tries it again; `retrue compensate` takes back the rest of the run"),
        ),
        StepStatus::Partial => (
            "a part of it was done, and is recorded",
            format!("`{again}` finishes or replaces it; `retrue compensate` takes it back"),
        ),
        StepStatus::Begun | StepStatus::Unknown => (
            "what came of it is not known",
            format!("`{again}` looks; what it cannot tell, `retrue resolve ADDR` takes from you"),
        ),
        _ => ("it was done at last", "nothing".to_owned()),
    };
    let kind = failure.map(|failure| match step.status.in_doubt() {
        true => "it may have been done all the same, so it is not sent again before somebody has looked",
        false => kind(failure),
    });
    Some(Explained {
        address: Some(&step.id.address),
        step: Some(step.id.to_string()),
        attempts: Some(attempts),
        name: step.id.address.to_string(),
        kind,
        done: format!("{tries}; {came_of_it}"),
        next,
        ..of_failure(failure, "it was cut off before anybody saw what came of it")
    })
}

/// The same of an undo that is stuck, or in doubt.
fn of_undo(undo: &UndoHistory) -> Option<Explained<'_>> {
    let (done, next) = match undo.status {
        UndoStatus::Stuck => (
            "it was not undone; what is there is as the record says",
            "mend what is wrong, and `retrue compensate` goes on; `--skip ADDR` leaves it as it is",
        ),
        UndoStatus::Begun => (
            "what came of its undo is not known",
            "`retrue compensate` looks; what it cannot tell, `retrue resolve ADDR` takes from you",
        ),
        _ => return None,
    };
    Some(Explained {
        address: Some(&undo.id.address),
        step: Some(undo.id.to_string()),
        name: format!("{} (undo of {})", undo.id.address, undo.id.effect.word()),
        kind: None,
        done: done.to_owned(),
        next: next.to_owned(),
        ..of_failure(undo.failure.as_ref(), "it was cut off before anybody saw what came of it")
    })
}

/// The same of a health check that did not become healthy.
fn of_check(event: &Event) -> Option<Explained<'_>> {
    let Event::Checked { name, healthy: false, tries, problem } = event else { return None };
    Some(Explained {
        check: Some(name),
        attempts: Some(*tries),
        name: format!("check.{name}"),
        failed: problem.as_deref().unwrap_or("it did not become healthy").to_owned(),
        code: Some(UNHEALTHY),
        meaning: codes::meaning(UNHEALTHY),
        done: format!("it was looked at {}; the steps of the run were carried out", times(*tries)),
        next: "`retrue check` looks again; `retrue compensate` takes back the run".to_owned(),
        ..of_failure(None, "")
    })
}

fn times(tries: u32) -> String {
    if tries == 1 { "once".to_owned() } else { format!("{tries} times") }
}

/// What the failure alone says.
fn of_failure<'a>(failure: Option<&'a StepFailure>, without: &str) -> Explained<'a> {
    Explained {
        address: None,
        step: None,
        check: None,
        attempts: None,
        error: failure,
        severity: failure.map(|failure| failure.category.severity()),
        meaning: failure.and_then(|failure| codes::meaning(&failure.code)),
        name: String::new(),
        failed: failure.map_or(without, |failure| &failure.message).to_owned(),
        code: failure.map(|failure| failure.code.as_str()),
        kind: failure.map(kind),
        done: String::new(),
        next: String::new(),
    }
}

/// What a category means for another try.
fn kind(failure: &StepFailure) -> &'static str {
    use retrue_provider_api::Category;
    match (failure.category, failure.retryable) {
        (Category::RateLimited, _) => "it was too much at once; it is tried again when the other side asks for it",
        (Category::TimeOut, false) => "nobody answered in time; it may still be under way, so it is not sent again",
        (Category::Unknown, true) => "nobody knows what it means; it is tried again once",
        (_, true) => "it may pass; it is tried again within the budget, and held back where nothing works",
        (Category::Authentication, false) => "who we are, or what we may do; it is not tried again",
        (Category::Validation, false) => "what was asked for is not valid; it is not tried again",
        (Category::Conflict, false) => "something stands in the way; it is not tried again",
        (_, false) => "it would fail again, and is not tried again",
    }
}
