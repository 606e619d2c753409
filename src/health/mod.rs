//! Health checks: whether what was made does its work. `definition.rs` is what is written of a check and carried in
//! plans, `judge.rs` makes one answer of many tries, and each kind of try has a file.
//!
//! Architecture Invariant: a check changes nothing of ours, and what it is told it does not keep: values come
//! evaluated, and what is sensitive in them is in none of its words.

mod command;
mod definition;
mod http;
mod judge;
mod tcp;

pub use definition::{Definition, Http, Kind, Probe, Rules, Severity, kinds};

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use retrue_provider_api::{Data, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::rest::masked_near;
use judge::Judge;

/// What a check is run with, apart from what it is.
#[derive(Clone, Debug)]
pub struct Around<'a> {
    /// Where commands run.
    pub directory: &'a Path,
    /// Ends it.
    pub cancellation: &'a CancellationToken,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why it is unhealthy, without secrets; `None` when it is healthy.
    pub problem: Option<String>,
    /// How many tries there were.
    pub tries: u32,
    /// How long it took.
    pub took: Duration,
    /// Whether it was given up before it was known.
    pub cancelled: bool,
}

impl Finding {
    /// One that could not even be tried.
    pub fn untried(problem: impl Into<String>) -> Finding {
        Finding { problem: Some(problem.into()), tries: 0, took: Duration::ZERO, cancelled: false }
    }

    /// Whether all is as it should be.
    pub fn is_healthy(&self) -> bool {
        self.problem.is_none()
    }
}

/// What came of one of several checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub name: Arc<str>,
    /// What was looked at: `http`, `tcp`, `command` or `condition`.
    pub kind: &'static str,
    /// What it means when it is unhealthy.
    pub severity: Severity,
    /// What came of it.
    pub finding: Finding,
}

impl Report {
    /// Whether something that must work does not.
    pub fn is_failure(&self) -> bool {
        !self.finding.is_healthy() && self.severity == Severity::Error
    }
}

/// Carries out checks, some at once, with their values, or the reason why one has none. `tell` is told of each, in
/// their order.
pub async fn run_all(
    checks: Vec<(&Definition, Result<Value, String>)>,
    around: &Around<'_>,
    at_once: usize,
    mut tell: impl FnMut(&Report),
) -> Vec<Report> {
    let running = checks.iter().map(|(definition, values)| async move {
        let finding = match values {
            Ok(values) => run(definition, values, around).await,
            Err(problem) => Finding::untried(problem.clone()),
        };
        let Definition { name, severity, probe, .. } = definition;
        Report { name: Arc::clone(name), kind: probe.word(), severity: *severity, finding }
    });
    let running: Vec<_> = running.collect();
    let mut running = futures::stream::iter(running).buffered(at_once.max(1));
    let mut reports = Vec::new();
    while let Some(report) = running.next().await {
        tell(&report);
        reports.push(report);
    }
    reports
}

/// Carries out a check with its evaluated values, an object: as many tries as its rules say.
pub async fn run(definition: &Definition, values: &Value, around: &Around<'_>) -> Finding {
    let rules = &definition.rules;
    let mut judge = Judge::new(rules);
    let began = Instant::now();
    let mut tries = 0;
    loop {
        let cancelled = |tries| Finding {
            problem: Some("it was given up before it was known".to_owned()),
            tries,
            took: began.elapsed(),
            cancelled: true,
        };
        tries += 1;
        let answer = tokio::select! {
            answer = tokio::time::timeout(rules.timeout, once(&definition.probe, values, around)) => answer,
            () = around.cancellation.cancelled() => return cancelled(tries),
        };
        let problem = match answer {
            Ok(problem) => problem,
            Err(_) => Some(format!("no answer within {}", people(rules.timeout))),
        };
        match judge.take(problem.is_none()) {
            Some(true) => return Finding { problem: None, tries, took: began.elapsed(), cancelled: false },
            Some(false) => {
                let problem = problem.unwrap_or_else(|| "it is healthy at times, and then it is not".to_owned());
                let problem = Some(masked_near(&problem, &[values]));
                return Finding { problem, tries, took: began.elapsed(), cancelled: false };
            }
            None => {}
        }
        tokio::select! {
            () = tokio::time::sleep(rules.interval) => {}
            () = around.cancellation.cancelled() => return cancelled(tries),
        }
    }
}

/// One try: what is wrong, if anything is.
async fn once(probe: &Probe, values: &Value, around: &Around<'_>) -> Option<String> {
    match probe {
        Probe::Http(http) => http::probe(http, values).await.err(),
        Probe::Tcp => tcp::probe(values).await.err(),
        Probe::Command { exit_code } => command::probe(*exit_code, values, around).await.err(),
        Probe::Condition => condition(values),
    }
}

fn condition(values: &Value) -> Option<String> {
    let holds = values.get("condition").map(|value| value.clone().unmark_deep().0);
    match holds.as_ref().map(Value::data) {
        Some(Data::Bool(true)) => None,
        Some(Data::Bool(false)) => Some(match values.get("message") {
            Some(message) if !message.marks_deep().is_empty() => {
                "its condition does not hold (its message holds something sensitive, and is not shown)".to_owned()
            }
            message => message.and_then(Value::as_str).unwrap_or("its condition does not hold").to_owned(),
        }),
        _ => Some("its condition is neither true nor false".to_owned()),
    }
}

/// A text among the values of a check; `None` where there is none.
fn text<'v>(values: &'v Value, name: &str) -> Option<&'v str> {
    values.get(name).and_then(Value::as_str)
}

/// Whether a value must not be told.
fn is_secret(values: &Value, name: &str) -> bool {
    values.get(name).is_some_and(|value| !value.marks_deep().is_empty())
}

/// Whether a text holds what it should: a regular expression, and a part.
fn holds(what: &str, found: &str, values: &Value, (pattern, part): (&str, &str)) -> Result<(), String> {
    if let Some(written) = text(values, pattern) {
        let regex = regex::Regex::new(written).map_err(|error| format!("`{pattern}` is wrong: {error}"))?;
        // `$` means the end of what was said; the line break behind it is none of it.
        let said = found.strip_suffix('\n').map(|said| said.strip_suffix('\r').unwrap_or(said));
        if !regex.is_match(found) && !said.is_some_and(|said| regex.is_match(said)) {
            return Err(format!("{what} does not match `{written}`"));
        }
    }
    match text(values, part) {
        Some(written) if !found.contains(written) => Err(format!("{what} does not contain `{written}`")),
        _ => Ok(()),
    }
}

/// A time as people say it.
fn people(time: Duration) -> String {
    match time.as_millis() {
        whole if whole % 1000 == 0 => format!("{} s", time.as_secs()),
        whole => format!("{whole} ms"),
    }
}

/// All that an error says, from the outside in.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
