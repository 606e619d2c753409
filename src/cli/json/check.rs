//! Health checks as lines for programs.

use serde::Serialize;

use crate::health::Report;

/// One check.
#[derive(Debug, Serialize)]
pub(crate) struct WireCheck<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    duration_ms: u128,
    #[serde(flatten)]
    check: WireReport<'a>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct WireReport<'a> {
    check: &'a str,
    probe: &'static str,
    severity: &'static str,
    outcome: &'static str,
    tries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

/// The last line.
#[derive(Debug, Serialize)]
pub(crate) struct WireFinished<'a> {
    ts: &'a str,
    event: &'static str,
    run_id: Option<&'a str>,
    #[serde(flatten)]
    counts: WireCounts,
}

/// How many came to what.
#[derive(Debug, Serialize)]
pub(crate) struct WireCounts {
    healthy: usize,
    unhealthy: usize,
    warnings: usize,
}

/// What came of a check, without the time.
pub(crate) fn report(report: &Report) -> WireReport<'_> {
    WireReport {
        check: &report.name,
        probe: report.kind,
        severity: report.severity.word(),
        outcome: if report.finding.is_healthy() { "healthy" } else { "unhealthy" },
        tries: report.finding.tries,
        message: report.finding.problem.as_deref(),
    }
}

/// The line of a check outside of a run.
pub(crate) fn event<'a>(now: &'a str, of: &'a Report) -> WireCheck<'a> {
    let duration_ms = of.finding.took.as_millis();
    WireCheck { ts: now, event: "check_finished", run_id: None, duration_ms, check: report(of) }
}

/// How many of several came to what.
pub(crate) fn counts(reports: &[Report]) -> WireCounts {
    let healthy = reports.iter().filter(|report| report.finding.is_healthy()).count();
    let unhealthy = reports.iter().filter(|report| report.is_failure()).count();
    WireCounts { healthy, unhealthy, warnings: reports.len().saturating_sub(healthy + unhealthy) }
}

/// The line after all of them.
pub(crate) fn finished<'a>(now: &'a str, reports: &[Report]) -> WireFinished<'a> {
    WireFinished { ts: now, event: "checks_finished", run_id: None, counts: counts(reports) }
}
