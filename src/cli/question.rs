//! Questions: asked on a terminal, answered beforehand by `--yes`, and otherwise an error.

use std::io::BufRead as _;

use super::codes;
use super::console::Console;
use super::exit::{Exit, Failure};
use super::render::text::bold;
use crate::diagnostic::Diagnostic;
use crate::engine::Cancellation;

/// Asks for agreement. Nothing but `yes` is one.
///
/// Without a terminal this is an error at once: it never waits for somebody who is not there.
pub(crate) async fn agree(
    console: &Console,
    cancellation: &Cancellation,
    yes: bool,
    question: &str,
) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let settings = console.settings();
    if !settings.interactive {
        let text = format!("{question} Nobody can be asked: this is no terminal");
        let diagnostic = Diagnostic::error(codes::NOBODY_TO_ASK, text);
        return Err(Failure::new(Exit::Failed, diagnostic.hint("`--yes` agrees beforehand; nothing was changed")));
    }
    console.tell(&format!("\n{} Only `yes` is taken for an answer: ", bold(question)));
    // Reading blocks, and must not keep signals from being handled.
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        answer = answer => answer,
        () = cancellation.soft.cancelled() => {
            let diagnostic = Diagnostic::error(codes::DECLINED, "cancelled; nothing was changed");
            return Err(Failure::new(Exit::Cancelled, diagnostic.hint("run the same command again")));
        }
    };
    match answer {
        Ok(Ok(line)) if line.trim() == "yes" => Ok(()),
        _ => {
            let diagnostic = Diagnostic::error(codes::DECLINED, "the answer was not `yes`; nothing was changed");
            Err(Failure::new(Exit::Failed, diagnostic.hint("run it again, or agree beforehand with `--yes`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Settings;

    #[tokio::test]
    async fn without_a_terminal_nobody_is_asked() {
        let console = Console::remembering(Settings::PLAIN);
        let failure = agree(&console, &Cancellation::default(), false, "Apply this?").await.unwrap_err();
        assert_eq!((failure.exit, failure.diagnostics[0].code), (Exit::Failed, codes::NOBODY_TO_ASK));
        assert_eq!(console.captured(), (String::new(), String::new()));
        assert!(agree(&console, &Cancellation::default(), true, "Apply this?").await.is_ok());
    }
}
