//! `retrue eval`.

use clap::Args;
use retrue_provider_api::to_plain_json;

use crate::cli::codes;
use crate::cli::exit::{Ending, Exit, Failure};
use crate::cli::render::value::whole;
use crate::cli::session::Session;
use crate::diagnostic::Diagnostic;
use crate::engine;

/// Evaluate an expression
///
/// Over the variables and locals of the stack, and what is recorded: `retrue eval 'upper(var.name)'`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// A bare expression, without `${}`
    #[arg(value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) expression: String,
}

/// Runs the verb.
pub(crate) async fn run(session: &Session, arguments: Arguments) -> Ending {
    let value = engine::eval(&session.options(), arguments.expression.trim()).await?;
    if session.console.settings().json {
        if !value.marks_deep().is_empty() {
            let diagnostic = Diagnostic::error(codes::SECRET, "the value holds a secret, and is not shown");
            return Err(Failure::from(diagnostic.hint("`nonsensitive(…)` around it shows it all the same")));
        }
        let Some(json) = to_plain_json(&value) else {
            let diagnostic = Diagnostic::error(codes::NOT_KNOWN, "the value is known only after an apply");
            return Err(diagnostic.hint("without `--json` the parts that are known are shown").into());
        };
        return session.document(&json);
    }
    for line in whole(&value, session.detail().width) {
        session.console.line(&line);
    }
    Ok(Exit::Done)
}
