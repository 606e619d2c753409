//! `retrue replay`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::cli::exit::{Ending, Exit, usage};
use crate::cli::render;
use crate::cli::render::text::{bold, dim, green, red, visible, yellow};
use crate::cli::session::Session;
use crate::engine::{self, Retraced};
use crate::trace::{Difference, End, Kind, StepEnd};

/// Do a recorded run once more, with nothing outside
///
/// Does in memory what was done while `--record` wrote the trace, from what it began with, on providers that answer
/// what was recorded. Ends with 0 when all is as it was, with 2 when something differs.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// What `--record` wrote: of `apply`, `destroy`, `compensate`, `reconcile` or `runs replay`
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    session.listen();
    let common = &session.common;
    if !common.variables.is_empty() || !common.variable_files.is_empty() || common.environment.is_some() {
        return Err(usage("a replay has the variables and the environment of its trace and takes no others"));
    }
    let replayed = engine::retrace(&session.options(), &arguments.trace, &session.cancellation).await?;
    let console = &session.console;
    if console.settings().json {
        session.document(&document(&replayed))?;
    } else {
        if replayed.ended_otherwise() || !replayed.differences.is_empty() {
            console.tell(&render::diagnostics(&replayed.problems, &replayed.sources, console.settings().width_err));
        }
        console.data(&screen(&replayed));
    }
    Ok(if replayed.is_same() { Exit::Done } else { Exit::Changes })
}

/// How a run ended, in a word.
fn ended(end: &End) -> String {
    let mut words = match (&end.state, end.failed.as_slice()) {
        (Some(state), _) => vec![state.clone()],
        (None, []) if end.drift.is_some() => Vec::new(),
        (None, []) => vec!["nothing was done".to_owned()],
        (None, failed) => vec![format!("refused ({})", failed.join(", "))],
    };
    words.extend(end.unwound.clone());
    words.extend(end.drift.as_ref().map(|drift| {
        let one = |(address, status): (&String, &String)| format!("{address} {}", status.replace('_', " "));
        let told: Vec<String> = drift.iter().map(one).collect();
        if told.is_empty() { "all in true".to_owned() } else { told.join(", ") }
    }));
    words.join(", then ")
}

fn step(step: Option<&StepEnd>) -> String {
    match step {
        None => "not planned".to_owned(),
        Some(StepEnd { status, failure: Some(failure), .. }) => format!("{status} ({failure})"),
        Some(StepEnd { status, .. }) => status.clone(),
    }
}

fn screen(replayed: &Retraced) -> String {
    let (time, version) = &replayed.recorded;
    let mut text = format!(
        "{}\n",
        bold(&visible(&format!(
            "Replay of {}, recorded {time} by version {version}",
            with_article(replayed.kind.word())
        )))
    );
    let mut line = |words: String| text.push_str(&format!("{words}\n"));
    let mut before = None;
    for difference in &replayed.differences {
        let about = match difference.address.is_empty() {
            true => format!("provider {}", difference.instance),
            false => difference.address.clone(),
        };
        if before.as_ref() != Some(&about) {
            line(String::new());
            line(format!("  {}", bold(&visible(&about))));
            before = Some(about);
        }
        let verb = visible(&difference.verb);
        line(match difference.kind {
            Kind::Changed => format!("    {} {verb}: with another request", yellow("~")),
            Kind::New => format!("    {} {verb}: was not called", green("+")),
            Kind::Gone => format!("    {} {verb}: is not called any more", red("-")),
        });
        for (path, was, is) in &difference.parts {
            let side = |side: &Option<String>| side.as_deref().map_or_else(|| dim("not there"), visible_text);
            line(format!("        {}: {} -> {}", visible(path), side(was), side(is)));
        }
    }
    let steps = replayed.steps();
    if !steps.is_empty() {
        line(format!("\n{}", bold("Steps that end otherwise:")));
    }
    for (was, is) in steps {
        let Some(named) = was.or(is) else { continue };
        let name = visible(&format!("{} {}", named.address, named.effect));
        line(format!("  {name}: {} -> {}", step(was), step(is)));
    }
    line(String::new());
    match &replayed.before {
        None => line(format!(
            "The recording was cut off: it has {} calls, and {} more were made behind its end.",
            replayed.calls, replayed.beyond
        )),
        Some(before) if replayed.ended_otherwise() => {
            line(format!("It ended: {} -> {}", visible(&ended(before)), visible(&ended(&replayed.now))));
        }
        Some(before) => line(format!("It ended as it did: {}", visible(&ended(before)))),
    }
    if replayed.unreached > 0 {
        line(format!("Without a plan, {} recorded calls were not reached.", replayed.unreached));
    }
    line(match replayed.is_same() {
        true => format!("The same: {} calls, answered as they were recorded.", replayed.answered),
        false => format!("It differs: {} of {} calls are as they were.", replayed.answered, replayed.calls),
    });
    text
}

fn visible_text(text: &str) -> String {
    visible(text).to_string()
}

fn with_article(kind: &str) -> String {
    if kind.starts_with('a') { format!("an {kind}") } else { format!("a {kind}") }
}

fn document(replayed: &Retraced) -> Json {
    let difference = |difference: &Difference| {
        json!({
            "kind": match difference.kind {
                Kind::Changed => "changed",
                Kind::New => "new",
                Kind::Gone => "gone",
            },
            "address": Some(&difference.address).filter(|address| !address.is_empty()),
            "provider": difference.instance,
            "type": difference.type_name,
            "call": difference.verb,
            "parts": difference.parts.iter().map(|(path, was, is)| {
                json!({ "path": path, "recorded": was, "now": is })
            }).collect::<Vec<_>>(),
        })
    };
    let steps = replayed.steps().into_iter().filter_map(|(was, is)| {
        let named = was.or(is)?;
        Some(json!({ "address": named.address, "action": named.effect, "recorded": was.map(|was| step(Some(was))), "now": is.map(|is| step(Some(is))) }))
    });
    json!({
        "same": replayed.is_same(),
        "complete": replayed.before.is_some(),
        "kind": replayed.kind.word(),
        "calls": { "recorded": replayed.calls, "same": replayed.answered, "beyond": replayed.beyond, "unreached": replayed.unreached },
        "differences": replayed.differences.iter().map(difference).collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
        "ended": { "recorded": replayed.before.as_ref().map(ended), "now": ended(&replayed.now) },
    })
}
