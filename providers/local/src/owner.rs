//! Modes, users and groups: as they are written, and as the system has them.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use retrue_provider_api::{
    Attribute, Path as AttributePath, ProviderDiagnostic, ProviderError, ProviderResult, Type, Value,
};

use crate::errors;

/// Who owns an object and what may be done with it; where `None`, it is left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// The twelve mode bits.
    pub(crate) mode: Option<u32>,
    /// The user.
    pub(crate) user: Option<u32>,
    /// The group.
    pub(crate) group: Option<u32>,
}

/// The attributes `mode`, `owner` and `group`.
pub(crate) fn attributes(new_mode: &str) -> [(&'static str, Attribute); 3] {
    let mode = format!(
        "Permissions as four octal digits, `\"0644\"`. Where it is not set they are left alone, and a new one \
         has {new_mode} less the umask."
    );
    [
        ("mode", Attribute::optional_computed(Type::String, &mode)),
        (
            "owner",
            Attribute::optional_computed(Type::String, "The user, by name or number. Left alone where it is not set."),
        ),
        (
            "group",
            Attribute::optional_computed(Type::String, "The group, by name or number. Left alone where it is not set."),
        ),
    ]
}

/// What is wrong with `mode`, `owner` and `group`, as far as it can be told without the system.
pub(crate) fn check(config: &Value) -> Vec<ProviderDiagnostic> {
    let mut found = Vec::new();
    if let Some(text) = text(config, "mode")
        && parse_mode(text).is_none()
    {
        let message = format!("`{text}` is not a mode: write four octal digits as text, like \"0644\"");
        found.push(ProviderDiagnostic::error(AttributePath::attribute("mode"), message));
    }
    for name in ["owner", "group"] {
        if text(config, name).is_some_and(|text| text.is_empty() || text.contains([':', '\n', '\0'])) {
            let message = format!("`{name}` is a name or a number");
            found.push(ProviderDiagnostic::error(AttributePath::attribute(name), message));
        }
    }
    found
}

/// The mode bits of four octal digits.
pub(crate) fn parse_mode(text: &str) -> Option<u32> {
    let digits = text.len() == 4 && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    digits.then(|| u32::from_str_radix(text, 8).ok()).flatten()
}

/// Four octal digits.
pub(crate) fn mode_text(mode: u32) -> String {
    format!("{:04o}", mode & 0o7777)
}

/// What `values` (a configuration or a planned state) wants, with names looked up.
pub(crate) fn wanted(operation: &str, values: &Value) -> ProviderResult<Access> {
    let mode = match text(values, "mode") {
        Some(text) => Some(
            parse_mode(text)
                .ok_or_else(|| errors::invalid(operation, format!("`{text}` is not a mode like \"0644\"")))?,
        ),
        None => None,
    };
    let id = |name: &str, list: &str| match text(values, name) {
        Some(text) => number(text, Path::new(list)).map(Some).ok_or_else(|| unknown_name(operation, name, text, list)),
        None => Ok(None),
    };
    Ok(Access { mode, user: id("owner", USERS)?, group: id("group", GROUPS)? })
}

/// The attributes `mode`, `owner` and `group` of an object: as `written` where that means the same.
pub(crate) fn observed(written: &Value, mode: u32, user: u32, group: u32) -> [(&'static str, Value); 3] {
    let mode = match text(written, "mode") {
        Some(text) if parse_mode(text) == Some(mode & 0o7777) => text.to_owned(),
        _ => mode_text(mode),
    };
    let id = |name: &str, list: &str, id: u32| match text(written, name) {
        Some(text) if number(text, Path::new(list)) == Some(id) => text.to_owned(),
        _ => name_of(id, Path::new(list)).unwrap_or_else(|| id.to_string()),
    };
    [
        ("mode", Value::from(mode)),
        ("owner", Value::from(id("owner", USERS, user))),
        ("group", Value::from(id("group", GROUPS, group))),
    ]
}

/// The mode bits, user and group of something that was looked at.
pub(crate) fn of_metadata(metadata: &std::fs::Metadata) -> (u32, u32, u32) {
    (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
}

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

fn text<'v>(values: &'v Value, name: &str) -> Option<&'v str> {
    values.get(name)?.as_str()
}

fn unknown_name(operation: &str, attribute: &str, name: &str, list: &str) -> ProviderError {
    errors::invalid(operation, format!("there is no {attribute} `{name}` in {list}: give its number"))
        .at(AttributePath::attribute(attribute))
}

/// The lines of `/etc/passwd` or `/etc/group`: name, something, number, … Names that only a directory
/// service knows are given as numbers: asking it takes calls into the C library that are not safe.
fn number(text: &str, list: &Path) -> Option<u32> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let content = fs_err::read(list).ok()?;
    String::from_utf8_lossy(&content).lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(text)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

fn name_of(number: u32, list: &Path) -> Option<String> {
    let number = number.to_string();
    let content = fs_err::read(list).ok()?;
    String::from_utf8_lossy(&content).lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(&number)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_octal_digits_are_a_mode() {
        assert_eq!(parse_mode("0644"), Some(0o644));
        assert_eq!(parse_mode("4755"), Some(0o4755));
        // `mode = 0o644` in TOML arrives as 420.
        for wrong in ["644", "420", "0o644", "08", "0684", "+644", "", "00644"] {
            assert_eq!(parse_mode(wrong), None, "{wrong}");
        }
        assert_eq!(mode_text(0o100604), "0604");
    }

    #[test]
    fn names_and_numbers_are_shown_as_written() {
        let written = Value::object([("owner", Value::from("0")), ("group", Value::from("root"))]);
        let shown = Value::object(observed(&written, 0o100644, 0, 0));
        assert_eq!(shown.get("owner"), Some(&Value::from("0")));
        assert_eq!(shown.get("group"), Some(&Value::from("root")));
        let shown = Value::object(observed(&written, 0o644, 1, 4_000_000_000));
        assert_eq!(shown.get("owner"), Some(&Value::from("daemon")));
        assert_eq!(shown.get("group"), Some(&Value::from("4000000000")));
    }

    #[test]
    fn unknown_names_are_told() {
        let error = wanted("create", &Value::object([("owner", Value::from("no-such-user"))])).unwrap_err();
        assert!(error.message.contains("no-such-user"), "{}", error.message);
    }
}
