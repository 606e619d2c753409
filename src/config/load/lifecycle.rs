//! `[resource.TYPE.NAME.lifecycle]`.

use retrue_provider_api::{Path, PathStep};

use super::blocks::bare;
use super::reader::{Item, Key, Reader};
use crate::address::Mode;
use crate::config::codes;
use crate::config::stack::{IgnoreChanges, Lifecycle, OnDestroy, OnExisting, Trigger};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Reference};
use crate::resilience::Settings;

const KEYS: &[&str] = &[
    "prevent_destroy",
    "create_before_destroy",
    "ignore_changes",
    "replace_triggered_by",
    "enabled",
    "on_existing",
    "on_destroy",
    "precondition",
    "postcondition",
    "timeout",
    "optional",
    "retry",
];
/// What means something for data, which is only read, and for what is ephemeral.
const DATA_KEYS: &[&str] = &["enabled", "precondition", "postcondition", "timeout", "optional"];
const LATER: &[&str] = &["phase"];

impl Reader<'_> {
    pub(super) fn lifecycle(&mut self, key: &Key<'_>, item: &Item<'_>, mode: Mode) -> Lifecycle {
        let mut lifecycle = Lifecycle::default();
        let Some(table) = self.table(key, item) else { return lifecycle };
        for (key, item) in table {
            let word = key.get_ref().as_ref();
            if mode != Mode::Managed && KEYS.contains(&word) && !DATA_KEYS.contains(&word) {
                let span = self.key_span(key);
                let message = match mode {
                    Mode::Data => format!("`{word}` means nothing for data, which is only read"),
                    _ => format!("`{word}` means nothing for what is ephemeral, which is opened and closed"),
                };
                self.report(Diagnostic::error(codes::UNKNOWN_KEY, message).at(span).hint("leave it out"));
                continue;
            }
            match word {
                "prevent_destroy" => lifecycle.prevent_destroy = self.bool(key, item).unwrap_or_default(),
                "create_before_destroy" => lifecycle.create_before_destroy = self.bool(key, item).unwrap_or_default(),
                "ignore_changes" => lifecycle.ignore_changes = self.ignore_changes(key, item),
                "replace_triggered_by" => lifecycle.replace_triggered_by = self.triggers(key, item),
                "enabled" => lifecycle.enabled = Some(self.expression(item)),
                "on_existing" => {
                    let choices = [("adopt", OnExisting::Adopt), ("fail", OnExisting::Fail)];
                    lifecycle.on_existing = self.choice(key, item, &choices).unwrap_or_default();
                }
                "on_destroy" => {
                    let choices =
                        [("delete", OnDestroy::Delete), ("restore", OnDestroy::Restore), ("forget", OnDestroy::Forget)];
                    lifecycle.on_destroy = self.choice(key, item, &choices);
                }
                "precondition" => lifecycle.preconditions = self.conditions(key, item),
                "postcondition" => lifecycle.postconditions = self.conditions(key, item),
                "timeout" => lifecycle.timeout = self.duration(key, item),
                "optional" if mode == Mode::Ephemeral => {
                    let span = self.key_span(key);
                    let message = "`optional` means nothing for what is ephemeral: what needs it cannot do without";
                    self.report(Diagnostic::error(codes::UNKNOWN_KEY, message).at(span).hint("leave it out"));
                }
                "optional" => lifecycle.optional = self.bool(key, item).unwrap_or_default(),
                "retry" => {
                    let mut settings = Settings::default();
                    self.retry(key, item, &mut settings);
                    lifecycle.retry = Some(settings);
                }
                _ => self.unknown_key(key, "in `lifecycle`", KEYS, LATER),
            }
        }
        lifecycle
    }

    fn ignore_changes(&mut self, key: &Key<'_>, item: &Item<'_>) -> IgnoreChanges {
        if item.get_ref().as_str() == Some("all") {
            return IgnoreChanges::All;
        }
        let mut paths = Vec::new();
        for item in self.array(key, item) {
            let Some(text) = self.text(key, item) else { continue };
            let span = self.item_span(item);
            let path = text.trim().parse::<Path>().ok();
            let path = path.filter(|path| matches!(path.0.first(), Some(PathStep::Attribute(name)) if is_word(name)));
            match path {
                Some(path) => paths.push((path, span)),
                None => self.report(
                    Diagnostic::error(codes::BAD_REFERENCE, format!("`{text}` is not the path of an attribute"))
                        .at(span)
                        .hint("such as `tags`, `rule[0].port` or `tags[\"a.b\"]`; or \"all\" in place of the list"),
                ),
            }
        }
        IgnoreChanges::Paths(paths)
    }

    /// References as plain texts, without `${}`.
    fn triggers(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<Trigger> {
        let mut found = Vec::new();
        for item in self.array(key, item) {
            let Some(text) = self.text(key, item) else { continue };
            let span = self.item_span(item);
            let parsed = Expression::bare(text.trim(), self.file);
            let parsed = parsed.ok().and_then(|parsed| Some((parsed.as_reference()?, parsed.chosen_by().cloned())));
            match parsed.filter(|(found, _)| found.root.block().is_some()) {
                // The parser counts from the start of the text, not of the file.
                Some((reference, key)) => found.push(Trigger { reference: Reference { span, ..reference }, key }),
                None => {
                    let message = format!("`{text}` is no reference to a resource");
                    let diagnostic = Diagnostic::error(codes::BAD_REFERENCE, message).at(span);
                    self.report(match bare(text) {
                        Some(bare) => diagnostic.hint(format!("write \"{bare}\", without `${{}}`")),
                        None => diagnostic.hint("such as \"TYPE.NAME\" or \"TYPE.NAME.attribute\""),
                    });
                }
            }
        }
        found
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
}
