//! The command line: one file per verb, and all that people read and see.
//!
//! Rendering, progress and questions live in this room and nowhere else; no other room knows a
//! terminal.

pub mod codes;
mod command;
pub mod console;
mod converge;
pub mod exit;
mod json;
mod logs;
mod observing;
mod progress;
mod question;
pub mod render;
mod report;
mod screen;
mod session;
mod signals;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

pub use command::command;

use self::command::{LogFormat, Verb};
use self::console::{Console, Settings};
use self::exit::{Ending, Exit, Failure};
use self::session::Session;
use crate::diagnostic::Diagnostic;

/// The stack of threads that parse and evaluate what people nest.
const THREAD_STACK: usize = 32 << 20;

/// How long the threads of the runtime have to end. What still waits (for an answer that nobody gave) is not
/// waited for longer. Without any time they would be let go of while they end, and glibc's `pthread_detach`
/// reads the memory of a thread that ended meanwhile.
const END_OF_THREADS: Duration = Duration::from_millis(200);

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    logs::mask_panics();
    // Parsing and evaluation recurse as deep as the input does, deeper than a first thread may.
    let worker = std::thread::Builder::new().name("retrue".into()).stack_size(THREAD_STACK);
    match worker.spawn(|| run(std::env::args_os())).map(std::thread::JoinHandle::join) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(_)) => ExitCode::from(101),
        Err(error) => {
            let console = Console::new(Settings::PLAIN);
            report(&console, &cannot_start(error));
            Exit::Failed.into()
        }
    }
}

fn cannot_start(error: std::io::Error) -> Failure {
    Diagnostic::error(codes::CANNOT_START, format!("the program cannot start: {error}"))
        .hint("the system has no threads or memory left for it")
        .into()
}

/// Runs the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let (verb, common) = match command::parse(arguments) {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    let mut settings = Settings::detect(common.json, common.quiet, common.verbose, common.no_color);
    settings.log_json = common.log_format == Some(LogFormat::Json);
    settings.bars &= !settings.log_json;
    let console = Console::new(settings);
    let console = console.choosing(render::text::visible(&common.chosen()));
    logs::start(common.verbose, common.log_format, console.settings());
    let session = Session::new(common, console);
    observing::start(&session, &verb);
    let ending = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(THREAD_STACK)
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let ending = runtime.block_on(async {
                let ending = dispatch(&session, verb).await;
                crate::engine::close_ephemerals().await;
                crate::registry::shut_down().await;
                ending
            });
            runtime.shutdown_timeout(END_OF_THREADS);
            ending
        }
        Err(error) => Err(cannot_start(error)),
    };
    let exit = match ending {
        Ok(exit) => exit,
        Err(failure) => {
            report(&session.console, &failure);
            failure.exit
        }
    };
    observing::finish(&session, exit);
    match session.console.trouble() {
        Some(error) => {
            let lost = Diagnostic::error(codes::OUTPUT_LOST, format!("standard output could not be written: {error}"));
            report(&session.console, &lost.hint("what was asked for was done; only its report is lost").into());
            if exit == Exit::Done { Exit::Failed } else { exit }
        }
        None => exit,
    }
}

async fn dispatch(session: &Session, verb: Verb) -> Ending {
    match verb {
        Verb::Init(arguments) => verbs::init::run(session, arguments).await,
        Verb::Validate(arguments) => verbs::validate::run(session, arguments).await,
        Verb::Plan(arguments) => verbs::plan::run(session, arguments).await,
        Verb::Apply(arguments) => verbs::apply::run(session, arguments).await,
        Verb::Destroy(arguments) => verbs::destroy::run(session, arguments).await,
        Verb::Reconcile(arguments) => verbs::reconcile::run(session, arguments).await,
        Verb::Check(arguments) => verbs::check::run(session, arguments).await,
        Verb::Compensate(arguments) => verbs::compensate::run(session, arguments).await,
        Verb::Resolve(arguments) => verbs::resolve::run(session, arguments).await,
        Verb::Show(arguments) => verbs::show::run(session, arguments).await,
        Verb::Output(arguments) => verbs::output::run(session, arguments).await,
        Verb::Graph(arguments) => verbs::graph::run(session, arguments).await,
        Verb::Eval(arguments) => verbs::eval::run(session, arguments).await,
        Verb::State(verb) => verbs::state::run(session, verb).await,
        Verb::Runs(verb) => verbs::runs::run(session, verb).await,
        Verb::Import(arguments) => verbs::import::run(session, arguments).await,
        Verb::Migrate(arguments) => verbs::migrate::run(session, arguments).await,
        Verb::Providers(verb) => verbs::providers::run(session, verb).await,
        Verb::Schema(arguments) => verbs::schema::run(session, arguments).await,
        Verb::Config(arguments) => verbs::config::run(session, arguments).await,
        Verb::Explain(arguments) => verbs::explain::run(session, arguments).await,
        Verb::Replay(arguments) => verbs::replay::run(session, arguments).await,
        Verb::Completions(arguments) => verbs::completions::run(session, arguments).await,
    }
}

/// Tells what went wrong: as text on standard error. What programs need is in the exit status, and
/// for `validate --json` in its document.
fn report(console: &Console, failure: &Failure) {
    let settings = console.settings();
    console.tell(&render::diagnostics(&failure.diagnostics, &failure.sources, settings.width_err));
}

/// Shows the help or the version that was asked for, or what is wrong with the command line.
fn usage(error: &clap::Error) -> Exit {
    // The flag itself may be what is wrong, so it is looked for in the raw arguments.
    let no_color = std::env::args_os().any(|argument| argument == "--no-color");
    let console = Console::new(Settings::detect(false, false, 0, no_color));
    let text = error.render().ansi().to_string();
    if !error.use_stderr() {
        console.data(&text);
        return Exit::Done;
    }
    let plain = console::plain(&text);
    match plain.strip_prefix("error: ") {
        Some(message) => console.tell(&format!("error[{}]: {}\n", codes::USAGE, message.trim_end())),
        None => console.tell(&text),
    }
    Exit::Usage
}
