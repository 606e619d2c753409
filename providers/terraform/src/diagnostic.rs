//! What providers have to say: diagnostics, with the paths that they are about.

use std::sync::Arc;

use retrue_provider_api::{Category, Path, PathStep, ProviderDiagnostic, ProviderError, ProviderResult, Value};

use crate::tables::Tables;
use crate::wire;
use crate::wire::Selector;

const WARNING: i32 = 2;

/// The path of an attribute; it ends where it leads into a set, whose elements have no names here.
pub(crate) fn path_of(path: &wire::AttributePath, values: &[&Value]) -> Path {
    let mut steps = Vec::new();
    for step in &path.steps {
        match &step.selector {
            Some(Selector::Attribute(name)) => steps.push(PathStep::Attribute(Arc::from(name.as_str()))),
            Some(Selector::Key(key)) => steps.push(PathStep::Key(Arc::from(key.as_str()))),
            Some(Selector::Index(index)) => match usize::try_from(*index) {
                Ok(index) => steps.push(PathStep::Index(index)),
                Err(_) => break,
            },
            None => break,
        }
    }
    let mut path = Path(steps);
    while !values.is_empty() && !path.0.is_empty() && !values.iter().any(|value| path.get(value).is_some()) {
        path.0.pop();
    }
    path
}

/// The diagnostics in the contract's form.
pub(crate) fn translate(diagnostics: &[wire::Diagnostic], values: &[&Value]) -> Vec<ProviderDiagnostic> {
    diagnostics
        .iter()
        .map(|diagnostic| ProviderDiagnostic {
            // What is neither an error nor a warning is a mistake, and is taken seriously.
            error: diagnostic.severity != WARNING,
            message: one_line(&diagnostic.summary),
            detail: diagnostic.detail.trim().to_owned(),
            path: diagnostic.attribute.as_ref().filter(|path| !path.steps.is_empty()).map(|path| path_of(path, values)),
        })
        .collect()
}

/// The warnings among diagnostics, one line each.
pub(crate) fn warnings(diagnostics: &[wire::Diagnostic]) -> Vec<String> {
    let warnings = diagnostics.iter().filter(|diagnostic| diagnostic.severity == WARNING);
    warnings.map(|diagnostic| text(&diagnostic.summary, &diagnostic.detail)).collect()
}

/// All errors among diagnostics as one; `None` when there is none.
pub(crate) fn error_of(
    tables: &Tables,
    operation: &str,
    diagnostics: &[wire::Diagnostic],
    values: &[&Value],
) -> Option<ProviderError> {
    let errors: Vec<_> = translate(diagnostics, values).into_iter().filter(|diagnostic| diagnostic.error).collect();
    let first = errors.first()?;
    let message: Vec<String> = errors.iter().map(|error| text(&error.message, &error.detail)).collect();
    let message = message.join("; ");
    let category = tables.category_of(&message).unwrap_or(match operation {
        "validate" | "plan" | "configure" | "schema" => Category::Validation,
        _ => Category::Unknown,
    });
    let error = ProviderError::new(category, operation, message);
    Some(match &first.path {
        Some(path) => error.at(path.clone()),
        None => error,
    })
}

/// The warnings, or the errors as one.
pub(crate) fn refuse_errors(
    tables: &Tables,
    operation: &str,
    diagnostics: &[wire::Diagnostic],
    values: &[&Value],
) -> ProviderResult<Vec<String>> {
    match error_of(tables, operation, diagnostics, values) {
        Some(error) => Err(error),
        None => Ok(warnings(diagnostics)),
    }
}

/// Diagnostics that hold one error of ours.
#[cfg(test)]
pub(crate) fn an_error(summary: &str) -> wire::Diagnostic {
    wire::Diagnostic { severity: 1, summary: summary.into(), ..Default::default() }
}

fn text(summary: &str, detail: &str) -> String {
    let (summary, detail) = (one_line(summary), one_line(detail));
    if detail.is_empty() || detail == summary { summary } else { format!("{summary}: {detail}") }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use retrue_provider_api::Type;

    use super::*;

    fn path(steps: Vec<Selector>) -> wire::AttributePath {
        wire::AttributePath {
            steps: steps.into_iter().map(|selector| wire::Step { selector: Some(selector) }).collect(),
        }
    }

    #[test]
    fn paths_end_at_sets() {
        let value = Value::object([
            ("rule", Value::set(Type::String, [Value::from("a")])),
            ("list", Value::list(Type::String, [Value::from("a")])),
        ]);
        let into_set = path(vec![Selector::Attribute("rule".into()), Selector::Index(0)]);
        assert_eq!(path_of(&into_set, &[&value]).to_string(), "rule");
        let into_list = path(vec![Selector::Attribute("list".into()), Selector::Index(0)]);
        assert_eq!(path_of(&into_list, &[&value]).to_string(), "list[0]");
    }

    #[test]
    fn several_errors_are_one_line() {
        let all = [an_error("first\nline"), an_error("AccessDenied: no")];
        let error = error_of(&Tables::default(), "read", &all, &[]).unwrap();
        assert_eq!(error.message, "first line; AccessDenied: no");
        assert_eq!(error.category, Category::Authentication);
    }
}
