//! What is done about failures, and how much is asked for at once: what `[stack.resilience]` and
//! `[provider.NAME.resilience]` say, and what holds where they say nothing. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use globset::{GlobBuilder, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::errors::Errors;
use crate::span::Span;

/// What holds for one provider instance.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// When and how often a failed call is made again.
    pub retry: Retry,
    /// How many retries there are for all calls together.
    pub budget: Budget,
    /// When nothing is sent for a while.
    pub breaker: BreakerRules,
    /// How much is asked for at once, for all types.
    pub limits: Limits,
    /// The same for types whose name fits a pattern (`aws_route53_*`); all that fit hold.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub types: BTreeMap<String, Limits>,
    /// How long a call may take, in place of what the types say.
    pub time_outs: TimeOuts,
    /// What errors mean that their provider does not know.
    #[serde(skip_serializing_if = "Errors::is_empty")]
    pub errors: Errors,
}

impl Policy {
    /// The same where a recording answers: as many tries, and no waits. Whether something was held back shows in what
    /// was called; a recording does not get well by waiting.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.retry = self.retry.at_once();
        self.breaker.failures = 0;
        self.limits.rate = None;
        self.types.values_mut().for_each(|limits| limits.rate = None);
        self
    }
}

/// When and how often a failed call is made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How many tries there are, the first included; at least 1.
    pub attempts: u32,
    /// What the waits grow from.
    pub first_wait: Duration,
    /// No wait is longer, but where the other side asks for it.
    pub longest_wait: Duration,
    /// No retry begins later than this after the first try.
    pub within: Duration,
    /// How the waits are spread.
    pub jitter: Jitter,
}

impl Retry {
    /// The same without waits.
    #[must_use]
    pub fn at_once(self) -> Self {
        Retry { first_wait: Duration::ZERO, longest_wait: Duration::ZERO, jitter: Jitter::None, ..self }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 4,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(20),
            within: Duration::from_secs(600),
            jitter: Jitter::Full,
        }
    }
}

/// How waits are spread, so that those who failed together do not come back together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Anything from nothing to the whole wait, which doubles.
    #[default]
    Full,
    /// Anything from the first wait to three times the last one.
    Decorrelated,
    /// The whole wait, which doubles.
    None,
}

impl Jitter {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Jitter::Full => "full",
            Jitter::Decorrelated => "decorrelated",
            Jitter::None => "none",
        }
    }
}

/// How many retries there are for all calls together: a storm of failures does not become one of retries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// How many there are in the beginning.
    pub retries: u32,
    /// How many there can be saved up.
    pub most: u32,
    /// How many each success adds.
    pub per_success: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { retries: 20, most: 100, per_success: 0.5 }
    }
}

/// When nothing is sent for a while, because the other side does not work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerRules {
    /// After how many failures in a row; 0 for never.
    pub failures: u32,
    /// How long nothing is sent before somebody tries.
    pub open_for: Duration,
    /// How many tries must succeed before all goes on.
    pub probes: u32,
    /// How long a step is held back before it fails.
    pub hold: Duration,
    /// The health check that must be healthy before more is sent at once, after it has closed again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_check: Option<Arc<str>>,
}

impl Default for BreakerRules {
    fn default() -> Self {
        BreakerRules {
            failures: 5,
            open_for: Duration::from_secs(10),
            probes: 1,
            hold: Duration::from_secs(300),
            recovery_check: None,
        }
    }
}

/// How much is asked for at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many calls may run at once; by default as many as the run makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// How many calls may begin in a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// How long calls may take. What is not said is as the type has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeOuts {
    /// Whatever changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read: Option<Duration>,
    /// Making something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Duration>,
    /// Changing something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update: Option<Duration>,
    /// Deleting something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Duration>,
}

/// So many in a time: `20/s`, `100/m`, `5000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many; as many may come at once.
    pub count: NonZeroU32,
    /// In how long.
    pub per: Duration,
}

impl Rate {
    /// Reads `20/s`.
    pub fn parse(text: &str) -> Option<Rate> {
        let (count, per) = text.split_once('/')?;
        let per = match per.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        Some(Rate { count: count.trim().parse().ok()?, per: Duration::from_secs(per) })
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Rate::parse(&text).ok_or_else(|| format!("`{text}` is no rate"))
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{per}", self.count)
    }
}

/// What somebody wrote of a policy: what is not written is as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// See [`Retry::attempts`].
    pub attempts: Option<u32>,
    /// See [`Retry::first_wait`].
    pub first_wait: Option<Duration>,
    /// See [`Retry::longest_wait`].
    pub longest_wait: Option<Duration>,
    /// See [`Retry::within`].
    pub within: Option<Duration>,
    /// See [`Retry::jitter`].
    pub jitter: Option<Jitter>,
    /// See [`Budget::retries`].
    pub retries: Option<u32>,
    /// See [`Budget::most`].
    pub most: Option<u32>,
    /// See [`Budget::per_success`].
    pub per_success: Option<f64>,
    /// See [`BreakerRules::failures`].
    pub failures: Option<u32>,
    /// See [`BreakerRules::open_for`].
    pub open_for: Option<Duration>,
    /// See [`BreakerRules::probes`].
    pub probes: Option<u32>,
    /// See [`BreakerRules::hold`].
    pub hold: Option<Duration>,
    /// See [`BreakerRules::recovery_check`]; with its place.
    pub recovery_check: Option<(Arc<str>, Span)>,
    /// See [`Policy::limits`].
    pub limits: Limits,
    /// See [`Policy::types`].
    pub types: BTreeMap<String, Limits>,
    /// See [`Policy::time_outs`].
    pub time_outs: TimeOuts,
    /// See [`Policy::errors`].
    pub errors: Errors,
}

fn set<T: Clone>(value: &mut T, written: &Option<T>) {
    if let Some(written) = written {
        *value = written.clone();
    }
}

impl Retry {
    /// The same with what somebody wrote of it in place of what it says.
    #[must_use]
    pub fn with(mut self, settings: &Settings) -> Retry {
        set(&mut self.attempts, &settings.attempts);
        set(&mut self.first_wait, &settings.first_wait);
        set(&mut self.longest_wait, &settings.longest_wait);
        set(&mut self.within, &settings.within);
        set(&mut self.jitter, &settings.jitter);
        self
    }
}

impl Policy {
    /// The policy with what somebody wrote in place of what it says.
    #[must_use]
    pub fn with(mut self, settings: &Settings) -> Policy {
        fn limit(limits: &mut Limits, written: &Limits) {
            limits.concurrency = written.concurrency.or(limits.concurrency);
            limits.rate = written.rate.or(limits.rate);
        }
        self.retry = self.retry.with(settings);
        set(&mut self.budget.retries, &settings.retries);
        set(&mut self.budget.most, &settings.most);
        set(&mut self.budget.per_success, &settings.per_success);
        set(&mut self.breaker.failures, &settings.failures);
        set(&mut self.breaker.open_for, &settings.open_for);
        set(&mut self.breaker.probes, &settings.probes);
        set(&mut self.breaker.hold, &settings.hold);
        if let Some((check, _)) = &settings.recovery_check {
            self.breaker.recovery_check = Some(Arc::clone(check));
        }
        limit(&mut self.limits, &settings.limits);
        for (pattern, written) in &settings.types {
            limit(self.types.entry(pattern.clone()).or_default(), written);
        }
        self.time_outs.read = settings.time_outs.read.or(self.time_outs.read);
        self.time_outs.create = settings.time_outs.create.or(self.time_outs.create);
        self.time_outs.update = settings.time_outs.update.or(self.time_outs.update);
        self.time_outs.delete = settings.time_outs.delete.or(self.time_outs.delete);
        self.errors.0.extend(settings.errors.0.clone());
        self
    }

    /// Whether it is what holds where nobody wrote anything.
    pub fn is_default(&self) -> bool {
        *self == Policy::default()
    }
}

/// A pattern for names of types; `*` stands for anything.
///
/// # Errors
/// It is none.
pub fn pattern(text: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(text).literal_separator(false).build()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, name, answer) in [
            ("aws_route53_*", "aws_route53_record", true),
            ("aws_route53_*", "aws_route53", false),
            ("*", "x", true),
            ("aws_vpc", "aws_vpc", true),
            ("aws_vpc", "aws_vpc_endpoint", false),
            ("*_policy", "aws_iam_policy", true),
            ("aws_*_policy", "aws_iam_role_policy", true),
            ("aws_*_policy", "aws_policy", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1c", false),
        ] {
            assert_eq!(super::pattern(pattern).unwrap().is_match(name), answer, "{pattern} {name}");
        }
    }

    #[test]
    fn rates_are_read_and_written() {
        for text in ["20/s", "100/m", "5000/h"] {
            assert_eq!(Rate::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "20", "0/s", "-1/s", "2/d", "x/s", "1.5/s"] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_takes_the_place_of_what_was_and_nothing_else_does() {
        let stack = Settings { attempts: Some(9), hold: Some(Duration::from_secs(1)), ..Settings::default() };
        let limits = Limits { rate: Rate::parse("1/s"), concurrency: None };
        let provider = Settings {
            attempts: Some(2),
            types: BTreeMap::from([("aws_*".to_owned(), limits)]),
            ..Settings::default()
        };
        let policy = Policy::default().with(&stack).with(&provider);
        assert_eq!((policy.retry.attempts, policy.breaker.hold), (2, Duration::from_secs(1)));
        assert_eq!(policy.types.get("aws_*").and_then(|limits| limits.rate), Rate::parse("1/s"));
        let rest = Policy { types: BTreeMap::new(), ..policy };
        let retry = Retry { attempts: 2, ..Retry::default() };
        let breaker = BreakerRules { hold: Duration::from_secs(1), ..BreakerRules::default() };
        assert_eq!(rest, Policy { retry, breaker, ..Policy::default() });
    }
}
