//! Numbers and spans of what runs do: begun with the program, written and sent at its end.

use std::path::PathBuf;

use super::codes;
use super::command::Verb;
use super::exit::Exit;
use super::render;
use super::session::Session;
use super::verbs::runs::{Verb as Runs, with_letters};
use crate::diagnostic::Diagnostic;
use crate::engine::{METRICS_FILE, ledger};
use crate::telemetry;

/// Begins to count, where there is somebody to tell. Verbs that call nobody outside are not told of.
pub(super) fn start(session: &Session, verb: &Verb) {
    let Some(word) = word(verb) else { return };
    let (export, trouble) = telemetry::exporter(word, &|name| std::env::var(name).ok());
    for trouble in trouble {
        tell(session, not_sent(&trouble));
    }
    let textfile = std::env::var_os(METRICS_FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
    telemetry::start(textfile, export);
}

/// The name of a verb that may call somebody.
fn word(verb: &Verb) -> Option<&'static str> {
    Some(match verb {
        Verb::Plan(_) => "plan",
        Verb::Apply(_) => "apply",
        Verb::Destroy(_) => "destroy",
        Verb::Reconcile(_) => "reconcile",
        Verb::Compensate(_) => "compensate",
        Verb::Resolve(_) => "resolve",
        Verb::Import(_) => "import",
        Verb::Migrate(_) => "migrate",
        Verb::Eval(_) => "eval",
        Verb::Runs(Runs::Replay(_)) => "runs replay",
        _ => return None,
    })
}

/// One of several rounds of the same ended.
pub(super) fn round(session: &Session) {
    write(session);
    if let Some(telemetry) = telemetry::get() {
        telemetry.round();
    }
}

/// Writes and sends what is left. Whatever goes wrong with that is told, and changes nothing of how the verb ends.
pub(super) fn finish(session: &Session, exit: Exit) {
    write(session);
    let Some(telemetry) = telemetry::get() else { return };
    for trouble in telemetry.finish(!matches!(exit, Exit::Done | Exit::Changes)) {
        tell(session, not_sent(&trouble));
    }
}

fn write(session: &Session) {
    let Some(telemetry) = telemetry::get().filter(|telemetry| telemetry.has_news()) else { return };
    // Where the record cannot be read, that was told already, and the rest is known all the same.
    if let Ok(Some(look)) = session.look()
        && let Ok(runs) = with_letters(&look)
    {
        telemetry.dead_letters(ledger::dead_letters(runs.iter().map(|(record, history)| (*record, history))).len());
    }
    if let Err(error) = telemetry.write() {
        let problem = Diagnostic::warning(codes::METRICS_NOT_WRITTEN, format!("the metrics were not written: {error}"));
        tell(session, problem.hint("the run is not touched by it; what it counted is lost"));
    }
}

fn not_sent(trouble: &str) -> Diagnostic {
    Diagnostic::warning(codes::NOT_SENT, format!("telemetry was not sent: {trouble}"))
        .hint("the run is not touched by it; `OTEL_SDK_DISABLED=true` sends nothing")
}

fn tell(session: &Session, warning: Diagnostic) {
    let width = session.console.settings().width_err;
    session.console.tell(&render::diagnostics(&[warning], &Default::default(), width));
}
