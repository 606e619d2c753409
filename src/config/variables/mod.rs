//! The values of variables.
//!
//! Later wins: default, `from`, files of values, `RETRUE_VAR_name`, `--var`, and what a run had that is replayed. A source (`from`) is read
//! only where nothing later gives a value. Texts are parsed by the variable's type: as they are for
//! text, numbers and truth values, as an expression for lists, maps and objects.

mod command;
mod files;
mod given;
mod source;
pub use given::value_of;
pub use source::read_source;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use retrue_provider_api::{Data, Value};

use super::codes;
use super::conditions::check_conditions;
use super::scopes::{StackFiles, VariableScope};
use super::stack::{Stack, ValueSource, Variable};
use crate::diagnostic::{Diagnostic, Sources, sort};
use crate::expression::{evaluate, nearest, with_deep_stack};

/// What a user gives besides the configuration.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Files of values (`--var-file`), relative to the current directory, in order.
    pub var_files: Vec<PathBuf>,
    /// Single values (`--var NAME=TEXT`), in order.
    pub vars: Vec<(String, String)>,
    /// Values that an earlier run had: they win over all others.
    pub recorded: BTreeMap<Arc<str>, Value>,
    /// The environment of the process: for `RETRUE_VAR_name`, and for `from = "env:NAME"`.
    pub environment: BTreeMap<OsString, OsString>,
}

/// The beginning of the names of environment variables that give values.
pub const VARIABLE_PREFIX: &str = "RETRUE_VAR_";

/// The values of all variables of a stack.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// By name: the values, converted to the types, marked where they are sensitive.
    pub values: BTreeMap<Arc<str>, Value>,
    /// By name: where the values came from.
    pub origins: BTreeMap<Arc<str>, Origin>,
    /// What is no error and yet to be told.
    pub warnings: Vec<Diagnostic>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default in the configuration.
    Default,
    /// The `from` of the variable: it can be read again, so that a secret need not be kept.
    Source(ValueSource),
    /// A file of values.
    File(PathBuf),
    /// An environment variable, by its whole name.
    Environment(String),
    /// `--var`.
    Option,
    /// What an earlier run had.
    Run,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("its default"),
            Origin::Source(source) => write!(f, "`{source}`"),
            Origin::File(path) => write!(f, "`{}`", path.display()),
            Origin::Environment(name) => write!(f, "the environment variable `{name}`"),
            Origin::Option => f.write_str("`--var`"),
            Origin::Run => f.write_str("the run that is replayed"),
        }
    }
}

/// Gives every variable its value.
///
/// `sources` gains the files of values, so that places in them can be shown.
///
/// # Errors
/// Everything that is wrong: files that cannot be used, names that are not declared, values that do not
/// convert or that a validation refuses, variables without a value.
pub fn resolve_variables(stack: &Stack, inputs: &Inputs, sources: &mut Sources) -> Result<Variables, Vec<Diagnostic>> {
    let resolved = with_deep_stack(|| {
        let files = StackFiles::new(&stack.directory);
        let mut resolver = Resolver { stack, files: &files, found: Variables::default(), diagnostics: Vec::new() };
        resolver.resolve(inputs, sources);
        (resolver.found, resolver.diagnostics)
    });
    let (mut found, mut diagnostics) = resolved.map_err(|error| vec![error.into()])?;
    sort(&mut diagnostics);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    found.warnings = diagnostics;
    Ok(found)
}

struct Resolver<'r> {
    stack: &'r Stack,
    files: &'r StackFiles,
    found: Variables,
    diagnostics: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn resolve(&mut self, inputs: &Inputs, sources: &mut Sources) {
        let mut given = given::Given::default();
        for path in &inputs.var_files {
            self.read_file(path, sources, &mut given);
        }
        self.read_environment(inputs, &mut given);
        self.read_options(inputs, &mut given);
        self.read_recorded(inputs, &mut given);
        for variable in self.stack.variables.values() {
            if let Some((value, origin)) = self.value(variable, given.remove(&variable.name), inputs) {
                self.found.values.insert(Arc::clone(&variable.name), value);
                self.found.origins.insert(Arc::clone(&variable.name), origin);
            }
        }
        // A validation may refer to other variables: without all of them it would only echo.
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let scope = VariableScope { values: &self.found.values, host: self.files };
        for variable in self.stack.variables.values() {
            self.diagnostics.extend(check_conditions(&variable.validations, &scope, codes::VALIDATION));
        }
    }

    /// The value of a variable: what was given, else what its source holds, else its default.
    fn value(&mut self, variable: &Variable, given: Option<given::One>, inputs: &Inputs) -> Option<(Value, Origin)> {
        let (value, origin) = match given {
            Some(given) => (self.given_value(variable, &given)?, given.origin),
            None => self.own_value(variable, inputs)?,
        };
        let value = match value.data() {
            Data::Null(_) if !variable.nullable && origin != Origin::Default && variable.default.is_some() => {
                self.default(variable)?
            }
            Data::Null(_) if !variable.nullable => {
                let message = format!("the variable `{}` is not nullable, and null came from {origin}", variable.name);
                self.diagnostics.push(Diagnostic::error(codes::BAD_VALUE, message).at(variable.span));
                return None;
            }
            _ => value,
        };
        Some((variable.marked(value), origin))
    }

    fn own_value(&mut self, variable: &Variable, inputs: &Inputs) -> Option<(Value, Origin)> {
        if let Some((source, span)) = &variable.from {
            match source::read(source, &self.stack.directory, &inputs.environment) {
                Ok(Some(text)) => {
                    let origin = Origin::Source(source.clone());
                    let given =
                        given::One { content: given::Content::Text(text), origin: origin.clone(), span: Some(*span) };
                    return Some((self.given_value(variable, &given)?, origin));
                }
                // What is not there leaves room for the default.
                Ok(None) => {}
                Err(message) => {
                    self.diagnostics.push(
                        Diagnostic::error(codes::SOURCE, format!("the variable `{}`: {message}", variable.name))
                            .at(*span),
                    );
                    return None;
                }
            }
        }
        if variable.default.is_some() {
            return Some((self.default(variable)?, Origin::Default));
        }
        let diagnostic = Diagnostic::error(codes::NO_VALUE, format!("the variable `{}` has no value", variable.name));
        self.diagnostics.push(match &variable.from {
            Some((source, span)) => {
                diagnostic.at(*span).hint(format!("`{source}` is not there, and there is no default"))
            }
            None => diagnostic.at(variable.span).hint(format!(
                "give one with `--var {name}=…`, `--var-file` or {VARIABLE_PREFIX}{name}, or write a default",
                name = variable.name
            )),
        });
        None
    }

    fn default(&mut self, variable: &Variable) -> Option<Value> {
        match default_value(variable, self.files) {
            Ok(value) => value,
            Err(diagnostics) => {
                self.diagnostics.extend(diagnostics);
                None
            }
        }
    }

    /// Reports a name that is not declared.
    fn unknown_name(&mut self, name: &str, diagnostic: impl FnOnce(String) -> Diagnostic) {
        let diagnostic = diagnostic(format!("there is no variable `{name}`"));
        let near = nearest(name, self.stack.variables.keys().map(AsRef::as_ref));
        self.diagnostics.push(match near {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint("declare it, as in `[variable.NAME]`, or leave the value out"),
        });
    }
}

/// The default of a variable, converted to its type; `None` where there is none.
pub(super) fn default_value(variable: &Variable, files: &StackFiles) -> Result<Option<Value>, Vec<Diagnostic>> {
    let Some(default) = &variable.default else { return Ok(None) };
    let nothing = BTreeMap::new();
    let value = evaluate(default, &VariableScope { values: &nothing, host: files })
        .map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())?;
    let wrong = |message: String| vec![Diagnostic::error(codes::BAD_VALUE, message).at(default.span())];
    let value = variable
        .convert(&value)
        .map_err(|error| wrong(format!("the default of `{}` does not fit its type: {error}", variable.name)))?;
    if value.is_null() && !variable.nullable {
        return Err(wrong(format!("the variable `{}` is not nullable, and its default is null", variable.name)));
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests;
