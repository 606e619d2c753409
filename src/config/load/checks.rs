//! `[check.NAME]`.

use std::sync::Arc;

use retrue_provider_api::{Value, convert};

use super::reader::{Item, Key, Reader};
use super::{Loader, insert};
use crate::config::codes;
use crate::config::stack::Check;
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::health::{Definition, Http, Probe, Rules, Severity, kinds};
use crate::span::Span;

const KEYS: &[&str] = &[
    "http",
    "tcp",
    "command",
    "condition",
    "message",
    "severity",
    "retries",
    "interval",
    "timeout",
    "healthy",
    "unhealthy",
    "description",
];
const HTTP: &[&str] =
    &["url", "method", "headers", "send", "status", "matches", "contains", "latency", "certificate_days"];
const TCP: &[&str] = &["address"];
const COMMAND: &[&str] = &["run", "exit_code", "stdout", "contains"];

/// More retries than this are no patience, but a check that is meant to run for ever.
const MOST_RETRIES: u32 = 10_000;

type Values = Vec<(Arc<str>, Expression)>;

/// A check as it is read.
#[derive(Default)]
struct Draft {
    /// What is tried, and where that is written.
    probe: Option<(Probe, Span)>,
    values: Values,
    message: Option<(Expression, Span)>,
    severity: Severity,
    description: Option<Arc<str>>,
    rules: Rules,
    unhealthy: Option<u32>,
    /// The first key that is about several tries.
    repeats: Option<(String, Span)>,
}

impl Loader {
    pub(super) fn check(&mut self, reader: &mut Reader<'_>, name: Arc<str>, key: &Key<'_>, item: &Item<'_>) {
        let Some(table) = reader.table(key, item) else { return };
        let span = reader.key_span(key);
        let mut draft = Draft::default();
        for (key, item) in table {
            let word = key.get_ref().as_ref();
            let at = reader.key_span(key);
            if matches!(word, "retries" | "interval" | "timeout" | "healthy" | "unhealthy") {
                draft.repeats.get_or_insert_with(|| (word.to_owned(), at));
            }
            match word {
                "http" => {
                    let probe = reader.http_check(key, item, &mut draft.values);
                    draft.take(reader, probe.map(Probe::Http), at);
                }
                "tcp" => {
                    let probe = reader.tcp_check(key, item, &mut draft.values);
                    draft.take(reader, probe, at);
                }
                "command" => {
                    let probe = reader.command_check(key, item, &mut draft.values);
                    draft.take(reader, probe, at);
                }
                "condition" => {
                    draft.values.push(("condition".into(), reader.expression(item)));
                    draft.take(reader, Some(Probe::Condition), at);
                }
                "message" => draft.message = Some((reader.expression(item), at)),
                "severity" => {
                    let choices = [Severity::Error, Severity::Warning].map(|severity| (severity.word(), severity));
                    draft.severity = reader.choice(key, item, &choices).unwrap_or_default();
                }
                "retries" => {
                    if let Some(retries) = reader.whole(key, item, 0) {
                        draft.rules.retries = retries.min(MOST_RETRIES);
                    }
                }
                "interval" => draft.rules.interval = reader.duration(key, item).unwrap_or(draft.rules.interval),
                "timeout" => draft.rules.timeout = reader.duration(key, item).unwrap_or(draft.rules.timeout),
                "healthy" => draft.rules.healthy = reader.whole(key, item, 1).unwrap_or(draft.rules.healthy),
                "unhealthy" => draft.unhealthy = reader.whole(key, item, 1),
                "description" => draft.description = reader.text(key, item).map(Into::into),
                _ => reader.unknown_key(key, "of a check", KEYS, &[]),
            }
        }
        if let Some(check) = draft.finish(reader, name.clone(), span) {
            insert(&mut self.stack.checks, name, check, |check| check.span, "the check", reader);
        }
    }
}

impl Draft {
    fn take(&mut self, reader: &mut Reader<'_>, probe: Option<Probe>, at: Span) {
        let Some(probe) = probe else {
            // What is wrong with it is told; that there is none shall not be told as well.
            self.probe.get_or_insert((Probe::Tcp, at));
            return;
        };
        match &self.probe {
            Some((other, first)) => {
                let message =
                    format!("`{}` and `{}` exclude each other: a check is one thing", probe.word(), other.word());
                let diagnostic = Diagnostic::error(codes::CONFLICTING_KEYS, message).at(at).label(*first, "");
                reader.report(diagnostic.hint("write a check of its own for each"));
            }
            None => self.probe = Some((probe, at)),
        }
    }

    fn finish(mut self, reader: &mut Reader<'_>, name: Arc<str>, span: Span) -> Option<Check> {
        let Some((probe, at)) = self.probe else {
            if reader.is_whole() {
                let problem = format!("the check `{name}` says nothing of what is looked at");
                let hint = "write one of `http`, `tcp`, `command` and `condition`";
                reader.report(Diagnostic::error(codes::MISSING_KEY, problem).at(span).hint(hint));
            }
            return None;
        };
        match (&probe, self.message) {
            (Probe::Condition, Some((message, _))) => self.values.push(("message".into(), message)),
            (Probe::Condition, None) if reader.is_whole() => reader.missing_key("message", "a check", at),
            (_, Some((_, at))) => {
                let problem = "`message` says what it means that a `condition` does not hold, and there is none";
                reader.report(Diagnostic::error(codes::CONFLICTING_KEYS, problem).at(at).hint("leave it out"));
            }
            _ => {}
        }
        match (&probe, self.repeats) {
            (Probe::Condition, Some((word, at))) => {
                let problem = format!("`{word}` means nothing for a `condition`, which is the same each time");
                reader.report(Diagnostic::error(codes::CONFLICTING_KEYS, problem).at(at).hint("leave it out"));
            }
            (Probe::Condition, None) => self.rules.retries = 0,
            _ => {}
        }
        self.rules.unhealthy = self.unhealthy.unwrap_or(self.rules.retries.saturating_add(1));
        reader.check_values(&probe, &self.values);
        let definition = Definition { name: Arc::clone(&name), severity: self.severity, rules: self.rules, probe };
        Some(Check { name, span, definition, values: self.values, description: self.description })
    }
}

impl Reader<'_> {
    fn http_check(&mut self, key: &Key<'_>, item: &Item<'_>, values: &mut Values) -> Option<Http> {
        let table = self.table(key, item)?;
        let mut http = Http { method: "GET".to_owned(), statuses: Vec::new(), latency: None, certificate_days: None };
        for (key, item) in table {
            match key.get_ref().as_ref() {
                word @ ("url" | "headers" | "send" | "matches" | "contains") => {
                    values.push((word.into(), self.expression(item)));
                }
                "method" => {
                    let Some(method) = self.constant(key, item) else { continue };
                    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                        self.wrong_kind(key, item, "a method in capitals, such as \"GET\" or \"HEAD\"");
                    } else {
                        http.method = method.to_owned();
                    }
                }
                "status" => http.statuses = self.statuses(key, item),
                "latency" => http.latency = self.duration(key, item),
                "certificate_days" => http.certificate_days = self.whole(key, item, 1),
                _ => self.unknown_key(key, "of `http`", HTTP, &[]),
            }
        }
        if !table.contains_key("url") && self.is_whole() {
            let span = self.key_span(key);
            self.missing_key("url", "`http`", span);
        }
        Some(http)
    }

    fn statuses(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<u16> {
        let items = item.get_ref().as_array().map_or(std::slice::from_ref(item), |items| items.as_ref());
        let mut statuses = Vec::new();
        for item in items {
            let number = item.get_ref().as_integer().filter(|number| number.radix() == 10);
            match number.and_then(|number| number.as_str().parse::<u16>().ok()).filter(|s| (100..600).contains(s)) {
                Some(status) => statuses.push(status),
                None => self.wrong_kind(key, item, "a status from 100 to 599, or a list of some"),
            }
        }
        statuses
    }

    fn tcp_check(&mut self, key: &Key<'_>, item: &Item<'_>, values: &mut Values) -> Option<Probe> {
        if item.get_ref().as_str().is_some() {
            values.push(("address".into(), self.expression(item)));
            return Some(Probe::Tcp);
        }
        let table = self.table(key, item)?;
        for (key, item) in table {
            match key.get_ref().as_ref() {
                "address" => values.push(("address".into(), self.expression(item))),
                _ => self.unknown_key(key, "of `tcp`", TCP, &[]),
            }
        }
        if !table.contains_key("address") && self.is_whole() {
            let span = self.key_span(key);
            self.missing_key("address", "`tcp`", span);
        }
        Some(Probe::Tcp)
    }

    fn command_check(&mut self, key: &Key<'_>, item: &Item<'_>, values: &mut Values) -> Option<Probe> {
        if item.get_ref().as_array().is_some() {
            values.push(("run".into(), self.expression(item)));
            return Some(Probe::Command { exit_code: 0 });
        }
        let table = self.table(key, item)?;
        let mut exit_code = 0;
        for (key, item) in table {
            match key.get_ref().as_ref() {
                word @ ("run" | "stdout" | "contains") => values.push((word.into(), self.expression(item))),
                "exit_code" => {
                    exit_code = self.whole(key, item, 0).and_then(|code| i32::try_from(code).ok()).unwrap_or_default();
                }
                _ => self.unknown_key(key, "of `command`", COMMAND, &[]),
            }
        }
        if !table.contains_key("run") && self.is_whole() {
            let span = self.key_span(key);
            self.missing_key("run", "`command`", span);
        }
        Some(Probe::Command { exit_code })
    }

    /// What is wrong with values that are written out.
    fn check_values(&mut self, probe: &Probe, values: &Values) {
        for (name, expression) in values {
            let kind = kinds(probe).iter().find(|(known, ..)| *known == name.as_ref()).map(|(_, kind, _)| kind());
            let (Some(value), Some(kind)) = (written(expression), kind) else { continue };
            let problem = match convert(&value, &kind) {
                Ok(value) => probe.wrong_value(name, &value),
                Err(_) => Some(format!(
                    "`{name}` takes {}, and this is {}",
                    kind.friendly_name(),
                    value.kind().friendly_name()
                )),
            };
            if let Some(problem) = problem {
                let hint = "docs/guides/health-checks.md tells what a check takes";
                let diagnostic = Diagnostic::error(codes::WRONG_KIND, problem).at(expression.span());
                self.report(diagnostic.hint(hint));
            }
        }
    }
}

/// A value that is written out, also as a list of such.
fn written(expression: &Expression) -> Option<Value> {
    if let Some(value) = expression.as_literal() {
        return value.is_wholly_known().then(|| value.clone());
    }
    let items: Option<Vec<Value>> = expression.as_list()?.iter().map(written).collect();
    Some(Value::tuple(items?))
}
