//! How the world stands to the record: the screen of `reconcile`.

use retrue_provider_api::{Data, Path, PathStep, Value};

use super::difference::{Difference, shown_at};
use super::plan::{Detail, Screen};
use super::text::{bold, count, dim, green, red, visible, yellow};
use super::value::veil;
use crate::address::Address;
use crate::plan::{Drift, DriftStatus, InDoubt};
use crate::reconcile::{Beyond, Report};

/// The whole report.
pub(crate) fn report(report: &Report, in_doubt: &[InDoubt], detail: Detail) -> String {
    let mut screen = Screen::new(detail);
    screen.line(&summary(report, in_doubt));
    for doubt in in_doubt {
        screen.separate();
        screen.line(&format!("{} {}  {}", yellow("?"), bold(&visible(&doubt.address.to_string())), yellow("in doubt")));
        screen.words("    ", &visible(&doubt.reason));
    }
    if let Some(at_work) = &report.at_work {
        for address in &at_work.in_flight {
            screen.separate();
            screen.line(&format!("{} {}  {}", dim("…"), bold(&visible(&address.to_string())), dim("in flight")));
        }
    }
    for drift in &report.drift {
        show(&mut screen, drift);
        if let Some(beyond) = report.beyond(drift) {
            screen.words("    ", &dim(&format!("`--fix` cannot bring it back: {}", way_out(beyond, &drift.address))));
        }
    }
    if let Some(at_work) = &report.at_work {
        screen.separate();
        screen.words("", &format!("{} is at work: look again when it has ended", visible(&at_work.who)));
    }
    screen.finish()
}

/// Why it is not mended, and what a person can do about it.
fn way_out(beyond: Beyond, address: &Address) -> String {
    match beyond {
        Beyond::SetAside => "it was replaced, and the next `retrue apply` ends it".to_owned(),
        Beyond::NotDeclared => "it is not declared any more, and the next `retrue apply` ends it".to_owned(),
        Beyond::Declared => "it is as it is declared; `--accept` or the next `retrue apply` records that".to_owned(),
        Beyond::NothingToChange => format!(
            "nothing that is declared differs; `--accept {address}` takes it as it is, `retrue apply --replace {address}` \
             makes it anew"
        ),
        Beyond::InTheWay => {
            format!("the warnings say what is in the way; `--accept {address}` takes what was found as it is")
        }
    }
}

fn summary(report: &Report, in_doubt: &[InDoubt]) -> String {
    let parts = [
        (report.count(DriftStatus::Drifted), "drifted"),
        (report.count(DriftStatus::Missing), "missing"),
        (report.count(DriftStatus::Unreadable), "unreadable"),
        (report.count(DriftStatus::ChangedOutside), "changed outside"),
        (in_doubt.len(), "in doubt"),
        (report.at_work.as_ref().map_or(0, |at_work| at_work.in_flight.len()), "in flight"),
    ];
    let others: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| yellow(&format!("{number} {word}")))
        .collect();
    let good = format!("{} in true", count(report.in_true, "resource is", "resources are"));
    if others.is_empty() {
        return match report.at_work {
            None => format!("All in true: {}.", green(&good)),
            Some(_) => format!("{good}."),
        };
    }
    format!("{good}, {}.", others.join(", "))
}

fn show(screen: &mut Screen, drift: &Drift) {
    let (sign, word) = match drift.status {
        DriftStatus::InTrue => return,
        DriftStatus::Drifted => (yellow("~"), yellow("drifted")),
        DriftStatus::ChangedOutside => (dim("·"), dim("changed outside, where nothing of ours depends on it")),
        DriftStatus::Missing => (red("-"), red("missing")),
        DriftStatus::Unreadable => (red("!"), red("unreadable")),
    };
    screen.separate();
    screen.line(&format!("{sign} {}  {word}", bold(&visible(&drift.name()))));
    if let Some(error) = &drift.error {
        screen.words("    ", &visible(error));
    }
    if drift.status == DriftStatus::Missing {
        return;
    }
    let columns = screen.width().saturating_sub(4).max(16);
    for path in &drift.attributes {
        let (before, after) = (path.get(&drift.recorded), path.get(&drift.observed));
        for line in (Difference { path: path.clone(), before, after }).lines(None, columns) {
            screen.line(&format!("    {line}"));
        }
        if let Some(line) = third_side(path, drift) {
            screen.line(&dim(&format!("        {line}")));
        }
    }
}

/// What is declared, where that is not what was recorded. Of what nothing is declared, or what is ignored, there is no
/// third side.
fn third_side(path: &Path, drift: &Drift) -> Option<String> {
    if !drift.declared.contains(path) {
        return None;
    }
    let plain = |value: &Value| value.clone().unmark_deep().0;
    let desired = path.get(&drift.desired)?;
    if !desired.is_wholly_known() {
        return None;
    }
    let wanted = plain(desired);
    let same = |side: Option<&Value>| side.map(plain).is_some_and(|side| side.same(&wanted));
    if same(path.get(&drift.recorded)) {
        return None;
    }
    Some(match same(path.get(&drift.observed)) {
        true => "and this is what is declared now".to_owned(),
        false => format!("declared: {}", shown_at(path, &drift.desired)),
    })
}

/// What was taken for the record, and what the TOML should say so that the next apply agrees.
///
/// `settable` says whether an attribute of an instance can be written: what the provider works out cannot.
pub(crate) fn accepted<'a>(
    drift: impl Iterator<Item = &'a Drift>,
    settable: &dyn Fn(&Drift, &Path) -> bool,
    detail: Detail,
) -> String {
    let mut screen = Screen::new(detail);
    let mut none = true;
    for drift in drift {
        none = false;
        screen.separate();
        let address = visible(&drift.name());
        if drift.status == DriftStatus::Missing {
            screen.line(&format!("{}  accepted: it is gone, and no longer recorded", bold(&address)));
            if !drift.object.is_current() {
                continue;
            }
            screen.words("    ", "remove its block, or the next apply makes it anew");
            continue;
        }
        screen.line(&format!("{}  accepted", bold(&address)));
        if !drift.object.is_current() {
            // Nothing is declared of it.
            continue;
        }
        let writable = drift.attributes.iter().filter(|path| settable(drift, path));
        let mut lines: Vec<String> = writable.filter_map(|path| assignment(path, drift)).collect();
        lines.dedup();
        if !lines.is_empty() {
            screen.line(&dim("    so that the next apply agrees, write in its block:"));
            for line in lines {
                screen.line(&format!("    {line}"));
            }
        }
    }
    if none {
        screen.line("Nothing to accept.");
    }
    screen.finish()
}

/// `mode = "0600"`, where the configuration says something else. TOML has no keys for the items of a list:
/// what is in one stands for the whole list.
fn assignment(path: &Path, drift: &Drift) -> Option<String> {
    let named = path.0.iter().take_while(|step| !matches!(step, PathStep::Index(_)));
    let path = Path(named.cloned().collect());
    let observed = path.get(&drift.observed)?;
    let plain = |value: &Value| value.clone().unmark_deep().0;
    if path.get(&drift.desired).is_some_and(|desired| plain(desired).same(&plain(observed))) {
        return None;
    }
    let keys: Vec<String> = path
        .0
        .iter()
        .map(|step| match step {
            PathStep::Attribute(name) | PathStep::Key(name) => toml_key(name),
            PathStep::Index(index) => index.to_string(),
        })
        .collect();
    Some(format!("{} = {}", keys.join("."), toml(observed)?))
}

/// A value as TOML; `None` for what may not be shown or cannot be written.
fn toml(value: &Value) -> Option<String> {
    if veil(value).is_some() {
        return None;
    }
    Some(match value.data() {
        Data::Null(_) | Data::Unknown(..) => return None,
        Data::Bool(value) => value.to_string(),
        Data::Number(number) => number.to_string(),
        Data::String(text) => toml_text(text),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let parts: Option<Vec<String>> =
                entries.map(|(name, value)| Some(format!("{} = {}", toml_key(name), toml(value)?))).collect();
            format!("{{ {} }}", parts?.join(", "))
        }
    })
}

/// A key as TOML has it, bare where it may be.
fn toml_key(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { toml_text(name) }
}

/// A text as TOML has it. What would be a template is kept from being one.
fn toml_text(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.replace("${", "$${").replace("%{", "%%{").chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            // Neither TOML nor a terminal takes them as they are.
            other if other.is_control() => written.push_str(&format!("\\u{:04X}", u32::from(other))),
            other => written.push(other),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::DriftStatus;

    #[test]
    fn what_is_to_be_written_is_toml() {
        let odd = "a\u{1b}\u{7f}\u{85}\"\\\n\t${x}%{y}é";
        let observed = Value::object([
            ("text", Value::from(odd)),
            ("tags", Value::object([("a.b", Value::from("x")), ("c", Value::from(true))])),
            ("rules", Value::tuple([Value::object([("port", Value::from(1i64))]), Value::from("s")])),
        ]);
        let nothing = Value::object::<&str>([]);
        let paths = ["text", "tags[\"a.b\"]", "rules[1]", "rules[0].port"];
        let drift = Drift {
            object: crate::plan::ObjectKey::Current,
            address: "a_b.c".parse().unwrap(),
            status: DriftStatus::Drifted,
            attributes: paths.iter().map(|path| path.parse().unwrap()).collect(),
            declared: Vec::new(),
            recorded: nothing.clone(),
            desired: nothing,
            observed,
            error: None,
        };
        let screen = crate::cli::console::plain(&accepted(
            std::iter::once(&drift),
            &|_, _| true,
            Detail { width: 100, all: false },
        ));
        let lines: String =
            screen.lines().filter_map(|line| Some(line.strip_prefix("    ")?.to_owned() + "\n")).skip(1).collect();
        let read: toml::Table = lines.parse().unwrap_or_else(|error| panic!("{error}\n{lines}"));
        assert_eq!(read["text"].as_str(), Some("a\u{1b}\u{7f}\u{85}\"\\\n\t$${x}%%{y}é"));
        assert_eq!(read["tags"]["a.b"].as_str(), Some("x"));
        assert_eq!(read["rules"][0]["port"].as_integer(), Some(1));
    }
}
