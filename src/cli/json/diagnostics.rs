//! Diagnostics for programs.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity, Sources};

/// One diagnostic, as `validate --json` lists them.
#[derive(Debug, Serialize)]
pub(crate) struct WireDiagnostic<'a> {
    code: &'a str,
    severity: Severity,
    message: &'a str,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    notes: &'a [String],
}

/// The wire form of diagnostics.
pub(crate) fn wire<'a>(diagnostics: &'a [Diagnostic], sources: &Sources) -> Vec<WireDiagnostic<'a>> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic.labels.first().and_then(|label| sources.place(label.span));
            let (file, line, column) = match place {
                Some(place) => (Some(place.file), Some(place.line), Some(place.column)),
                None => (None, None, None),
            };
            WireDiagnostic {
                code: diagnostic.code,
                severity: diagnostic.severity,
                message: &diagnostic.message,
                file,
                line,
                column,
                hint: diagnostic.hint.as_deref(),
                notes: &diagnostic.notes,
            }
        })
        .collect()
}
