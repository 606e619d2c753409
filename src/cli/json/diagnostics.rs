//! Diagnostics for programs.

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Severity, Sources};

/// One diagnostic, as `validate --json` lists them.
#[derive(Debug, Serialize)]
pub(crate) struct WireDiagnostic {
    code: &'static str,
    severity: Severity,
    message: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// The wire form of diagnostics, without secrets in their words.
pub(crate) fn wire(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<WireDiagnostic> {
    diagnostics
        .iter()
        .map(|diagnostic| {
            let place = diagnostic.labels.first().and_then(|label| sources.place(label.span));
            let (file, line, column) = match place {
                Some(place) => (Some(place.file), Some(place.line), Some(place.column)),
                None => (None, None, None),
            };
            let Diagnostic { code, severity, message, hint, notes, .. } = diagnostic.masked();
            WireDiagnostic { code, severity, message, file, line, column, hint, notes }
        })
        .collect()
}
