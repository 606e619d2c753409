//! `retrue explain`.

use clap::Args;
use retrue_provider_api::Severity;
use serde::Serialize;

use crate::address::Address;
use crate::cli::exit::{Ending, Exit};
use crate::cli::render::plan::Screen;
use crate::cli::render::text::{bold, dim, visible};
use crate::cli::session::Session;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::engine;
use crate::saga::history::StepHistory;
use crate::saga::{StepFailure, StepStatus};

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

#[derive(Serialize)]
struct Explained<'a> {
    address: &'a Address,
    step: String,
    attempts: u32,
    error: &'a StepFailure,
    severity: Severity,
    meaning: Option<&'static str>,
    done: String,
    next: &'static str,
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
    let history = look.journal(&record.run)?;
    let failed = history.iter().flat_map(|history| &history.steps).filter_map(|step| {
        let wanted = arguments.address.as_ref().is_none_or(|address| *address == step.id.address);
        wanted.then_some((step, step.failure.as_ref()?))
    });
    let explained: Vec<Explained<'_>> = failed.map(|(step, failure)| explain(step, failure)).collect();
    let console = &session.console;
    if console.settings().json {
        return session.document(&explained);
    }
    if explained.is_empty() {
        console.hint("nothing failed there\n");
        return Ok(Exit::Done);
    }
    let mut screen = Screen::new(session.detail());
    for one in &explained {
        screen.line(&bold(&visible(&one.address.to_string())));
        screen.words(&dim("  what failed   "), &visible(&one.error.message));
        let meaning = one.meaning.unwrap_or("a code of another version");
        screen.words(&dim("  code          "), &format!("{}: {meaning}", visible(&one.error.code)));
        screen.words(&dim("  category      "), &format!("{}: {}", one.error.category, kind(one.error)));
        screen.words(&dim("  severity      "), &one.severity.to_string());
        screen.words(&dim("  what was done "), &one.done);
        screen.words(&dim("  what to do    "), one.next);
    }
    console.data(&screen.finish());
    Ok(Exit::Done)
}

/// What a failure is, and what was and will be done about it.
fn explain<'a>(step: &'a StepHistory, failure: &'a StepFailure) -> Explained<'a> {
    let attempts = step.begin.as_ref().map_or(1, |begin| begin.attempt);
    let tries = match attempts {
        1 => "it was tried once".to_owned(),
        more => format!("it was tried {more} times"),
    };
    let (came_of_it, next) = match step.status {
        StepStatus::NotApplied => {
            ("nothing was changed", "`retrue apply` tries it again; `retrue compensate` takes back the rest of the run")
        }
        StepStatus::Partial => (
            "a part of it was done, and is recorded",
            "`retrue apply` finishes or replaces it; `retrue compensate` takes it back",
        ),
        StepStatus::Begun | StepStatus::Unknown => (
            "what came of it is not known",
            "`retrue apply` looks; what it cannot tell, `retrue resolve ADDR` takes from you",
        ),
        _ => ("it was done at last", "nothing"),
    };
    Explained {
        address: &step.id.address,
        step: step.id.to_string(),
        attempts,
        error: failure,
        severity: failure.category.severity(),
        meaning: codes::meaning(&failure.code),
        done: format!("{tries}; {came_of_it}"),
        next,
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
