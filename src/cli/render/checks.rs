//! Health checks on the screen: a line for each.

use super::text::{bold, count, dim, green, red, visible, yellow};
use crate::health::{Report, Severity};

/// What came of one.
pub(crate) fn line(report: &Report) -> String {
    let name = bold(&visible(&format!("check.{}", report.name)));
    let finding = &report.finding;
    let tries = match finding.tries {
        0 | 1 => String::new(),
        tries => dim(&format!("  ({tries} tries)")),
    };
    let Some(problem) = &finding.problem else {
        return format!("{} {name}  {}{tries}", green("✓"), green("healthy"));
    };
    let problem = visible(&problem.replace('\n', " "));
    match report.severity {
        Severity::Error => format!("{} {name}  {} {problem}{tries}", red("✗"), red("unhealthy:")),
        Severity::Warning => format!("{} {name}  {} {problem}{tries}", yellow("!"), yellow("warning:")),
    }
}

/// How many came to what.
pub(crate) fn summary(reports: &[Report]) -> String {
    let healthy = reports.iter().filter(|report| report.finding.is_healthy()).count();
    let failed = reports.iter().filter(|report| report.is_failure()).count();
    let warned = reports.len().saturating_sub(healthy + failed);
    let parts = [(healthy, "healthy"), (failed, "unhealthy"), (warned, "only a warning")];
    let parts: Vec<String> =
        parts.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    format!("{}: {}.", bold(&count(reports.len(), "check", "checks")), parts.join(", "))
}
