//! `[stack.resilience]` and `[provider.NAME.resilience]`.

use std::num::NonZeroU32;

use retrue_provider_api::Category;

use super::reader::{Item, Key, Reader};
use crate::config::codes;
use crate::diagnostic::Diagnostic;
use crate::expression::Expression;
use crate::resilience::{Errors, Jitter, Limits, Rate, Settings, pattern};

const KEYS: &[&str] = &["retry", "budget", "breaker", "concurrency", "rate", "time_outs", "types"];
const PROVIDER_KEYS: &[&str] = &["fallback", "retry", "budget", "breaker", "concurrency", "rate", "time_outs", "types"];
const RETRY: &[&str] = &["attempts", "first_wait", "longest_wait", "within", "jitter"];
const BUDGET: &[&str] = &["retries", "most", "per_success"];
const BREAKER: &[&str] = &["failures", "open_for", "probes", "hold", "recovery_check"];
const TIME_OUTS: &[&str] = &["read", "create", "update", "delete"];
const LIMITS: &[&str] = &["concurrency", "rate"];

impl Reader<'_> {
    /// What is done about failures, and how much is asked for at once.
    pub(super) fn resilience(&mut self, key: &Key<'_>, item: &Item<'_>) -> Settings {
        self.settings(key, item, None)
    }

    /// The same for one provider, with the other ways to its objects.
    pub(super) fn resilience_of_provider(&mut self, key: &Key<'_>, item: &Item<'_>) -> (Settings, Vec<Expression>) {
        let mut fallback = Vec::new();
        let settings = self.settings(key, item, Some(&mut fallback));
        (settings, fallback)
    }

    fn settings(&mut self, key: &Key<'_>, item: &Item<'_>, mut fallback: Option<&mut Vec<Expression>>) -> Settings {
        let mut settings = Settings::default();
        for (key, item) in self.table(key, item).into_iter().flatten() {
            match key.get_ref().as_ref() {
                "fallback" => match &mut fallback {
                    Some(fallback) => **fallback = self.ways(key, item),
                    None => {
                        let problem = "`fallback` is another way to the objects of one provider";
                        let diagnostic = Diagnostic::error(codes::UNKNOWN_KEY, problem).at(self.key_span(key));
                        self.report(diagnostic.hint("write it into `[provider.NAME.resilience]`"));
                    }
                },
                "retry" => self.retry(key, item, &mut settings),
                "budget" => self.budget(key, item, &mut settings),
                "breaker" => self.breaker(key, item, &mut settings),
                "time_outs" => self.time_outs(key, item, &mut settings),
                "types" => self.types(key, item, &mut settings),
                "concurrency" | "rate" => self.limit(key, item, &mut settings.limits),
                _ => {
                    let known = if fallback.is_some() { PROVIDER_KEYS } else { KEYS };
                    self.unknown_key(key, "of `resilience`", known, &[]);
                }
            }
        }
        settings
    }

    /// `[provider.NAME.errors]`: parts of texts by what kind of error they mean.
    pub(super) fn errors(&mut self, key: &Key<'_>, item: &Item<'_>) -> Errors {
        let mut errors = Errors::default();
        for (key, item) in self.table(key, item).into_iter().flatten() {
            let Some(category) = Category::named(key.get_ref()) else {
                let known = Category::ALL.map(|category| category.to_string());
                self.unknown_key(key, "of `errors`", &known.each_ref().map(String::as_str), &[]);
                continue;
            };
            let Some(parts) = item.get_ref().as_array() else {
                self.wrong_kind(key, item, "a list of texts");
                continue;
            };
            let mut texts = Vec::with_capacity(parts.len());
            for part in parts.iter() {
                match self.constant(key, part) {
                    Some(text) if text.trim().is_empty() => self.wrong_kind(key, part, "text that is not empty"),
                    Some(text) => texts.push(text.trim().to_owned()),
                    None => {}
                }
            }
            errors.0.insert(category, texts);
        }
        errors
    }

    /// Tables of arguments, each for another way.
    fn ways(&mut self, key: &Key<'_>, item: &Item<'_>) -> Vec<Expression> {
        let mut ways = Vec::new();
        for (item, table) in self.tables(key, item) {
            let span = if item.span().is_empty() { self.key_span(key) } else { self.item_span(item) };
            if table.is_empty() {
                let problem = "an entry of `fallback` without arguments is the way that failed";
                let hint = "write what is other there: `fallback = [{ endpoint = \"https://…\" }]`";
                self.report(Diagnostic::error(codes::MISSING_KEY, problem).at(span).hint(hint));
                continue;
            }
            let body = table.iter().map(|(key, item)| (self.attribute_name(key), self.expression(item))).collect();
            ways.push(Expression::table(body, span));
        }
        ways
    }

    pub(super) fn retry(&mut self, key: &Key<'_>, item: &Item<'_>, settings: &mut Settings) {
        for (key, item) in self.table(key, item).into_iter().flatten() {
            match key.get_ref().as_ref() {
                "attempts" => settings.attempts = self.whole(key, item, 1),
                "first_wait" => settings.first_wait = self.duration(key, item),
                "longest_wait" => settings.longest_wait = self.duration(key, item),
                "within" => settings.within = self.duration(key, item),
                "jitter" => {
                    let kinds = [Jitter::Full, Jitter::Decorrelated, Jitter::None].map(|kind| (kind.word(), kind));
                    settings.jitter = self.choice(key, item, &kinds);
                }
                _ => self.unknown_key(key, "of `retry`", RETRY, &[]),
            }
        }
    }

    fn budget(&mut self, key: &Key<'_>, item: &Item<'_>, settings: &mut Settings) {
        for (key, item) in self.table(key, item).into_iter().flatten() {
            match key.get_ref().as_ref() {
                "retries" => settings.retries = self.whole(key, item, 0),
                "most" => settings.most = self.whole(key, item, 0),
                "per_success" => {
                    let value = item.get_ref();
                    let text = value.as_float().map(|float| float.as_str().to_owned());
                    let text = text.or_else(|| value.as_integer().map(|integer| integer.as_str().to_owned()));
                    let share = text.and_then(|text| text.replace('_', "").parse::<f64>().ok());
                    settings.per_success = share.filter(|share| share.is_finite() && *share >= 0.0);
                    if settings.per_success.is_none() {
                        self.wrong_kind(key, item, "a number that is not below 0");
                    }
                }
                _ => self.unknown_key(key, "of `budget`", BUDGET, &[]),
            }
        }
    }

    fn breaker(&mut self, key: &Key<'_>, item: &Item<'_>, settings: &mut Settings) {
        for (key, item) in self.table(key, item).into_iter().flatten() {
            match key.get_ref().as_ref() {
                "failures" => settings.failures = self.whole(key, item, 0),
                "open_for" => settings.open_for = self.duration(key, item),
                "probes" => settings.probes = self.whole(key, item, 1),
                "hold" => settings.hold = self.duration(key, item),
                "recovery_check" => {
                    let name = self.constant(key, item).map(|name| (name.into(), self.item_span(item)));
                    settings.recovery_check = name;
                }
                _ => self.unknown_key(key, "of `breaker`", BREAKER, &[]),
            }
        }
    }

    fn time_outs(&mut self, key: &Key<'_>, item: &Item<'_>, settings: &mut Settings) {
        for (key, item) in self.table(key, item).into_iter().flatten() {
            let time_outs = &mut settings.time_outs;
            match key.get_ref().as_ref() {
                "read" => time_outs.read = self.duration(key, item),
                "create" => time_outs.create = self.duration(key, item),
                "update" => time_outs.update = self.duration(key, item),
                "delete" => time_outs.delete = self.duration(key, item),
                _ => self.unknown_key(key, "of `time_outs`", TIME_OUTS, &[]),
            }
        }
    }

    fn types(&mut self, key: &Key<'_>, item: &Item<'_>, settings: &mut Settings) {
        for (key, item) in self.table(key, item).into_iter().flatten() {
            if let Err(wrong) = pattern(key.get_ref()) {
                let span = self.key_span(key);
                self.report(
                    Diagnostic::error(
                        codes::WRONG_KIND,
                        format!("`{}` is no pattern: {}", key.get_ref(), wrong.kind()),
                    )
                    .at(span)
                    .hint("write the name of a type, with `*` for anything: \"aws_route53_*\""),
                );
            }
            let mut limits = Limits::default();
            for (key, item) in self.table(key, item).into_iter().flatten() {
                match key.get_ref().as_ref() {
                    "concurrency" | "rate" => self.limit(key, item, &mut limits),
                    _ => self.unknown_key(key, "of a pattern of types", LIMITS, &[]),
                }
            }
            settings.types.insert(key.get_ref().to_string(), limits);
        }
    }

    fn limit(&mut self, key: &Key<'_>, item: &Item<'_>, limits: &mut Limits) {
        if key.get_ref() == "concurrency" {
            limits.concurrency = self.whole(key, item, 1).and_then(NonZeroU32::new);
            return;
        }
        limits.rate = match item.get_ref().as_str() {
            Some(text) => Rate::parse(text),
            None => None,
        };
        if limits.rate.is_none() {
            self.wrong_kind(key, item, "a rate, such as \"20/s\", \"100/m\" or \"5000/h\"");
        }
    }

    /// A whole number that is not below `least`.
    pub(super) fn whole(&mut self, key: &Key<'_>, item: &Item<'_>, least: u32) -> Option<u32> {
        let number = item.get_ref().as_integer().filter(|integer| integer.radix() == 10);
        let number = number.and_then(|integer| integer.as_str().replace('_', "").parse::<u32>().ok());
        let number = number.filter(|number| *number >= least);
        if number.is_none() {
            self.wrong_kind(key, item, &format!("a whole number from {least} on"));
        }
        number
    }
}
