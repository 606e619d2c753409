//! What the attributes of a `local_command` say.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use retrue_provider_api::process::Command;
use retrue_provider_api::{
    Data, Path as AttributePath, ProviderDiagnostic, ProviderError, ProviderResult, Value, to_plain_json,
};

use crate::config::Places;
use crate::errors;

/// How long one command may take where nothing is said.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// How `read` says that the thing is not there, where nothing is said.
const ABSENT: i32 = 44;

/// The most that one variable may hold: the kernel takes 128 KiB, name included.
pub(crate) const VARIABLE_LIMIT: usize = 120 * 1024;

/// A command as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A program and its arguments.
    Arguments(Vec<String>),
    /// A line for the shell.
    Shell(String),
}

impl Line {
    fn parse(value: &Value) -> Result<Self, &'static str> {
        if let Some(text) = value.as_str() {
            return if text.trim().is_empty() { Err("the command is empty") } else { Ok(Line::Shell(text.to_owned())) };
        }
        let wrong = "a command is a line of text for the shell, or a list: the program and its arguments";
        let items = match value.data() {
            Data::List(..) | Data::Tuple(_) => value.as_items().unwrap_or_default(),
            _ => return Err(wrong),
        };
        let words: Option<Vec<String>> = items
            .iter()
            .map(|item| match item.data() {
                Data::String(text) => Some(text.to_string()),
                Data::Number(number) => Some(number.to_string()),
                Data::Bool(truth) => Some(truth.to_string()),
                _ => None,
            })
            .collect();
        let words = words.ok_or(wrong)?;
        if words.first().is_none_or(|program| program.is_empty()) {
            return Err("the list names no program");
        }
        Ok(Line::Arguments(words))
    }

    /// The command in the attribute; `None` where it is not set.
    pub(crate) fn of(operation: &str, values: &Value, name: &str) -> ProviderResult<Option<Line>> {
        match values.get(name).filter(|value| !value.is_null()) {
            None => Ok(None),
            Some(value) => Line::parse(value).map(Some).map_err(|message| wrong(operation, name, message)),
        }
    }

    /// The command, to be run in a directory.
    pub(crate) fn in_directory(&self, directory: PathBuf) -> Command {
        match self {
            Line::Shell(line) => Command::shell(line, &directory),
            Line::Arguments(words) => {
                let mut words = words.iter().map(OsString::from);
                let program = words.next().unwrap_or_default();
                Command { arguments: words.collect(), ..Command::new(program, &directory) }
            }
        }
    }
}

/// Where, with what and for how long commands run.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// The working directory.
    pub(crate) directory: PathBuf,
    /// Further variables.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// For each command.
    pub(crate) timeout: Duration,
}

impl Surroundings {
    pub(crate) fn of(operation: &str, places: &Places, values: &Value) -> ProviderResult<Self> {
        let directory = match values.get("working_directory").and_then(Value::as_str) {
            Some(written) => places.resolve(written),
            None => places.directory().to_owned(),
        };
        let mut environment = Vec::new();
        for (name, value) in values.get("environment").and_then(Value::as_entries).into_iter().flatten() {
            // Null is as good as not set.
            if let Some(text) = value.as_str() {
                environment.push((OsString::from(name.as_ref()), OsString::from(text)));
            }
        }
        let timeout = timeout(values).map_err(|message| wrong(operation, "timeout", &message))?;
        Ok(Surroundings { directory, environment, timeout: timeout.unwrap_or(TIMEOUT) })
    }
}

/// All that the attributes say.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) create: Option<Line>,
    pub(crate) read: Option<Line>,
    pub(crate) update: Option<Line>,
    pub(crate) delete: Option<Line>,
    pub(crate) unless: Option<Line>,
    pub(crate) creates: Option<PathBuf>,
    pub(crate) absent: i32,
    pub(crate) inputs: Value,
    pub(crate) surroundings: Surroundings,
}

impl Spec {
    /// What a configuration or a state says.
    pub(crate) fn of(operation: &str, places: &Places, values: &Value) -> ProviderResult<Self> {
        let line = |name| Line::of(operation, values, name);
        let surroundings = Surroundings::of(operation, places, values)?;
        let absent = values.get("absent_exit_code").and_then(Value::as_number).and_then(|number| number.as_i64());
        Ok(Spec {
            create: line("create")?,
            read: line("read")?,
            update: line("update")?,
            delete: line("delete")?,
            unless: line("unless")?,
            creates: values.get("creates").and_then(Value::as_str).map(|path| surroundings.directory.join(path)),
            absent: absent.and_then(|code| i32::try_from(code).ok()).unwrap_or(ABSENT),
            inputs: values.get("inputs").cloned().unwrap_or_else(|| Value::null(retrue_provider_api::Type::Dynamic)),
            surroundings,
        })
    }
}

/// Whether it can be told if the thing is there.
pub(crate) fn can_look(values: &Value) -> bool {
    ["read", "creates", "unless"].iter().any(|name| is_set(values, name))
}

/// Whether an attribute is set; what is not known yet counts.
pub(crate) fn is_set(values: &Value, name: &str) -> bool {
    values.get(name).is_some_and(|value| !value.is_null())
}

/// A value as a command gets it.
pub(crate) fn as_variable(operation: &str, name: &str, value: &Value) -> ProviderResult<String> {
    let json = to_plain_json(value).ok_or_else(|| {
        errors::invalid(operation, format!("`{name}` is not known")).at(AttributePath::attribute(name))
    })?;
    let text = json.to_string();
    if text.len() > VARIABLE_LIMIT {
        let message = format!(
            "`{name}` has {} bytes in JSON, and a command can be given {VARIABLE_LIMIT}: write it into a file instead",
            text.len()
        );
        return Err(wrong(operation, name, &message));
    }
    Ok(text)
}

/// The timeout that is set: seconds, or text like `30s`, `5m`, `1h30m`, `500ms`.
pub(crate) fn timeout(values: &Value) -> Result<Option<Duration>, String> {
    let Some(value) = values.get("timeout").filter(|value| value.is_known() && !value.is_null()) else {
        return Ok(None);
    };
    let duration = match value.data() {
        Data::Number(number) => Duration::try_from_secs_f64(number.to_f64()).ok(),
        Data::String(text) => parse_duration(text),
        _ => None,
    };
    match duration.filter(|duration| !duration.is_zero() && *duration <= Duration::from_secs(7 * 24 * 3600)) {
        Some(duration) => Ok(Some(duration)),
        None => {
            Err("a timeout is a number of seconds, or text like \"30s\", \"5m\" or \"1h30m\", up to a week".to_owned())
        }
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let number: u64 = number.parse().ok()?;
        let unit = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let part = match unit {
            "ms" => Duration::from_millis(number),
            "s" | "" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        };
        total = total.checked_add(part)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// The variables that every command of a resource is given, so that nothing else may stand in their place.
const GIVEN: [&str; 6] =
    ["RETRUE_ACTION", "RETRUE_ADDRESS", "RETRUE_ID", "RETRUE_INPUTS", "RETRUE_OLD_INPUTS", "RETRUE_STDOUT"];

/// What of `environment` would stand in the place of what commands are given.
pub(crate) fn check_given(config: &Value) -> Vec<ProviderDiagnostic> {
    let names = config.get("environment").and_then(Value::as_entries).into_iter().flat_map(|entries| entries.keys());
    let taken = names.filter(|name| GIVEN.contains(&name.as_ref()));
    let told = taken.map(|name| {
        let message = format!("`{name}` is given to every command by retrue, and cannot be set; give it another name");
        ProviderDiagnostic::error(AttributePath::attribute("environment"), message)
    });
    told.collect()
}

/// What is wrong with a configuration.
pub(crate) fn check(config: &Value, lines: &[&str]) -> Vec<ProviderDiagnostic> {
    let mut found = Vec::new();
    let mut tell = |name: &str, message: String| {
        found.push(ProviderDiagnostic::error(AttributePath::attribute(name), message));
    };
    for name in lines {
        let Some(value) = config.get(name).filter(|value| !value.is_null() && value.is_wholly_known()) else {
            continue;
        };
        if let Err(message) = Line::parse(value) {
            tell(name, format!("`{name}`: {message}"));
        }
    }
    if let Err(message) = timeout(config) {
        tell("timeout", message);
    }
    let code = config.get("absent_exit_code").and_then(Value::as_number);
    if code.is_some_and(|code| !code.as_i64().is_some_and(|code| (1..=255).contains(&code))) {
        tell("absent_exit_code", "an exit code that means absent is between 1 and 255".to_owned());
    }
    for name in config.get("environment").and_then(Value::as_entries).into_iter().flat_map(|entries| entries.keys()) {
        if name.is_empty() || name.contains(['=', '\0']) {
            tell("environment", format!("`{name}` is not the name of a variable"));
        }
    }
    found
}

fn wrong(operation: &str, name: &str, message: &str) -> ProviderError {
    errors::invalid(operation, message).at(AttributePath::attribute(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        for (text, millis) in [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("500ms", 500), ("7", 7_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "5x", "-1s", "1.5h", "99999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        let of = |value: Value| timeout(&Value::object([("timeout", value)]));
        assert_eq!(of(Value::from(2i64)), Ok(Some(Duration::from_secs(2))));
        assert!(
            of(Value::from(0i64)).is_err() && of(Value::from(-1i64)).is_err() && of(Value::from("8 days")).is_err()
        );
    }

    #[test]
    fn commands_are_lines_or_lists() {
        let list = Value::tuple([Value::from("sleep"), Value::from(5i64), Value::from(true)]);
        assert_eq!(Line::parse(&list), Ok(Line::Arguments(vec!["sleep".into(), "5".into(), "true".into()])));
        assert_eq!(Line::parse(&Value::from("a | b")), Ok(Line::Shell("a | b".into())));
        for wrong in [Value::from(" "), Value::from(1i64), Value::tuple([]), Value::tuple([Value::tuple([])])] {
            assert!(Line::parse(&wrong).is_err(), "{wrong:?}");
        }
    }
}
