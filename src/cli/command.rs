//! The command line: every verb, flag and alias.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::address::Address;

use super::verbs::{
    apply, check, compensate, completions, config, destroy, eval, explain, graph, import, init, migrate, output, plan,
    providers, reconcile, replay, resolve, runs, schema, show, state, validate,
};

/// Infrastructure as a transaction: plan, apply, reconcile, compensate.
#[derive(Debug, Parser)]
#[command(name = "retrue", version, subcommand_required = true, styles = STYLES)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(init::Arguments),
    Validate(validate::Arguments),
    Plan(plan::Arguments),
    Apply(apply::Arguments),
    Destroy(destroy::Arguments),
    Reconcile(reconcile::Arguments),
    Check(check::Arguments),
    Compensate(compensate::Arguments),
    Resolve(resolve::Arguments),
    Show(show::Arguments),
    Output(output::Arguments),
    Graph(graph::Arguments),
    Eval(eval::Arguments),
    #[command(subcommand)]
    State(state::Verb),
    #[command(subcommand)]
    Runs(runs::Verb),
    Import(import::Arguments),
    Migrate(migrate::Arguments),
    #[command(subcommand)]
    Providers(providers::Verb),
    Schema(schema::Arguments),
    Config(config::Arguments),
    Explain(explain::Arguments),
    Replay(replay::Arguments),
    Completions(completions::Arguments),
}

// What every verb takes, before or after its name. No doc comment: clap would show it as the verb's.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// The directory of the stack, in place of the current one
    #[arg(short = 'C', value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// The value of a variable; wins over every other source
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) variables: Vec<String>,
    /// A TOML file with values of variables
    #[arg(long = "var-file", value_name = "FILE")]
    pub(crate) variable_files: Vec<PathBuf>,
    /// The environment: its values, and a state of its own
    #[arg(long = "env", value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// How many things may happen at once [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) parallelism: Option<u16>,
    /// Write documents for programs to standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// How logs are written to standard error [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// Use no colours; so does the variable NO_COLOR
    #[arg(long)]
    pub(crate) no_color: bool,
    /// No progress and no hints
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// More detail, and logs; twice for all of them
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

impl Common {
    /// The options that choose the stack, as they would be typed again; empty, or with a space before.
    pub(crate) fn chosen(&self) -> String {
        let mut chosen = String::new();
        if let Some(directory) = &self.directory {
            chosen.push_str(&format!(" -C {}", typed(&directory.to_string_lossy())));
        }
        if let Some(environment) = &self.environment {
            chosen.push_str(&format!(" --env {}", typed(environment)));
        }
        chosen
    }
}

/// A word as a shell takes it.
pub(crate) fn typed(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-./:@%+,=".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

// What `plan`, `apply` and `destroy` share. No doc comment: clap would show it as the verb's.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Planning options")]
pub(crate) struct Planning {
    /// Only these, and what they depend on
    #[arg(long = "target", value_name = "ADDR", value_parser = address_text)]
    pub(crate) targets: Vec<String>,
    /// Make these anew, although nothing demands it
    #[arg(long = "replace", value_name = "ADDR", value_parser = address_text)]
    pub(crate) replace: Vec<String>,
    /// Whether to look at the world first; without it what is recorded is believed
    #[arg(
        long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
        default_value = "true", action = clap::ArgAction::Set
    )]
    pub(crate) refresh: bool,
}

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The verbs as the help lists them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Begin", &["init", "validate"]),
    ("Change", &["plan", "apply", "destroy"]),
    ("Keep true", &["reconcile", "check", "compensate", "resolve"]),
    ("Look", &["show", "output", "graph", "eval", "runs", "explain", "replay"]),
    ("State", &["state", "import", "migrate"]),
    ("Tools", &["providers", "schema", "config", "completions"]),
];

const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n{before-help}\nCommon options:\n{options}{after-help}\n";

const EXAMPLES: &str = "\
Examples:
  retrue init site && retrue -C site apply     make a small stack that works, and apply it
  retrue plan -o p && retrue apply p           look first, then apply just that
  retrue reconcile --fix                       bring what has drifted back into true
  retrue compensate                            unwind the last run

`retrue VERB --help` tells more about a verb.";

/// The whole command line.
pub fn command() -> clap::Command {
    let mut command = with_common(Line::command());
    let mut verbs = String::new();
    let heading = STYLES.get_header();
    let literal = STYLES.get_literal();
    for (name, members) in GROUPS {
        verbs.push_str(&format!("\n{heading}{name}:{heading:#}\n"));
        for member in *members {
            let about = command.find_subcommand(member).and_then(|verb| verb.get_about().map(ToString::to_string));
            verbs.push_str(&format!("  {literal}{member:<12}{literal:#} {}\n", about.unwrap_or_default()));
        }
    }
    command = command.help_template(TEMPLATE).before_help(verbs).after_help(EXAMPLES);
    command
}

/// Gives a verb, and all below it, the common options. Done here and not by clap's global
/// arguments, because those lose values that stand both before and after the verb.
fn with_common(command: clap::Command) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let mut command = Common::augment_args(command);
    for name in names {
        command = command.mut_subcommand(name, with_common);
    }
    command
}

/// Reads the command line.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(Verb, Common), clap::Error> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(arguments)?;
    let mut common = Common::default();
    merge(&mut common, &matches).map_err(|error| error.format(&mut command))?;
    let line = Line::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((line.verb, common))
}

/// Puts together what stands before and behind each verb.
fn merge(common: &mut Common, matches: &ArgMatches) -> Result<(), clap::Error> {
    let here = Common::from_arg_matches(matches)?;
    once(&mut common.directory, here.directory, "-C")?;
    once(&mut common.environment, here.environment, "--env")?;
    once(&mut common.parallelism, here.parallelism, "--parallelism")?;
    once(&mut common.log_format, here.log_format, "--log-format")?;
    common.variables.extend(here.variables);
    common.variable_files.extend(here.variable_files);
    common.json |= here.json;
    common.no_color |= here.no_color;
    common.quiet |= here.quiet;
    common.verbose = common.verbose.saturating_add(here.verbose);
    match matches.subcommand() {
        Some((_, below)) => merge(common, below),
        None => Ok(()),
    }
}

fn once<T>(slot: &mut Option<T>, value: Option<T>, name: &str) -> Result<(), clap::Error> {
    if slot.is_some() && value.is_some() {
        let message = format!("the argument '{name}' cannot be used multiple times");
        return Err(clap::Error::raw(clap::error::ErrorKind::ArgumentConflict, message));
    }
    if value.is_some() {
        *slot = value;
    }
    Ok(())
}

/// An address, as it was typed.
fn address_text(text: &str) -> Result<String, String> {
    text.parse::<Address>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

fn assignment(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.trim().is_empty() => Ok(text.to_owned()),
        _ => Err("it should look like NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(Verb, Common), clap::Error> {
        parse(std::iter::once("retrue").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_is_in_the_help() {
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, members)| members.iter().copied()).collect();
        for verb in command().get_subcommands() {
            assert!(listed.contains(&verb.get_name()), "{}", verb.get_name());
            assert!(verb.get_about().is_some(), "{}", verb.get_name());
        }
    }

    #[test]
    fn common_options_count_before_and_after_the_verb() {
        let (_, common) = read("--var a=1 -C x -v state --var b=2 list --var c=3 --json -v").unwrap();
        assert_eq!(common.variables, ["a=1", "b=2", "c=3"]);
        assert_eq!(common.directory, Some(PathBuf::from("x")));
        assert!(common.json);
        assert_eq!(common.verbose, 2);
        assert!(read("-C x plan -C y").is_err());
        assert!(read("plan --var a").is_err());
        assert!(read("plan --parallelism 0").is_err());
    }

    #[test]
    fn expressions_may_begin_with_a_dash() {
        for line in ["eval -1", "eval --json -1", "eval -(1+2)", "--json eval -var.x", "eval -- -1", "eval -1 --json"] {
            let (verb, _) = read(line).unwrap();
            let Verb::Eval(arguments) = verb else { panic!("{line}") };
            assert!(arguments.expression.starts_with('-'), "{line}: {}", arguments.expression);
        }
    }
}
