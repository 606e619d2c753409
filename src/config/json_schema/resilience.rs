//! `resilience`, as types that are never made: only their schema is.

#![expect(dead_code, reason = "the fields are read by nobody but the derive")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// What is done about failures of calls, and how much is asked for at once. What is not written is as
/// `retrue config` shows it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Resilience {
    /// When and how often a failed call is made again.
    retry: Option<Retry>,
    /// How many retries there are for all calls together.
    budget: Option<Budget>,
    /// When nothing is sent for a while, because the other side does not work.
    breaker: Option<Breaker>,
    /// How many calls may run at once.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// How many calls may begin in a time: "20/s", "100/m", "5000/h".
    #[schemars(regex(pattern = "^ *[1-9][0-9]* */ *[smh] *$"))]
    rate: Option<String>,
    /// How long a call may take, in place of what its type says.
    time_outs: Option<TimeOuts>,
    /// Limits for types whose name fits a pattern, such as "aws_route53_*".
    types: Option<BTreeMap<String, Limits>>,
}

/// What is done about failures of calls to a provider, and how much is asked of it at once. What is not written is as
/// `retrue config` shows it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct ProviderResilience {
    /// Other ways to the same objects, tried in order where the one before does not work: each is a table of the
    /// provider's own arguments, which stand in place of those that are configured.
    fallback: Option<Vec<BTreeMap<String, serde_json::Value>>>,
    #[schemars(flatten)]
    of_all: Resilience,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Retry {
    /// How many tries there are, the first included.
    #[schemars(range(min = 1))]
    attempts: Option<u32>,
    /// What the waits grow from: "250ms".
    first_wait: Option<String>,
    /// No wait is longer, but where the other side asks for it.
    longest_wait: Option<String>,
    /// No retry begins later than this after the first try.
    within: Option<String>,
    /// How the waits are spread.
    jitter: Option<Jitter>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Jitter {
    Full,
    Decorrelated,
    None,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Budget {
    /// How many retries there are in the beginning.
    retries: Option<u32>,
    /// How many there can be saved up.
    most: Option<u32>,
    /// How many each success adds.
    #[schemars(range(min = 0))]
    per_success: Option<f64>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Breaker {
    /// After how many failures in a row nothing is sent; 0 for never.
    failures: Option<u32>,
    /// How long nothing is sent before somebody tries.
    open_for: Option<String>,
    /// How many tries must succeed before all goes on.
    #[schemars(range(min = 1))]
    probes: Option<u32>,
    /// How long a step is held back before it fails.
    hold: Option<String>,
    /// The name of the health check that must be healthy before more is sent at once, after it has closed.
    recovery_check: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TimeOuts {
    /// Whatever changes nothing.
    read: Option<String>,
    /// Making something.
    create: Option<String>,
    /// Changing something.
    update: Option<String>,
    /// Deleting something.
    delete: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Limits {
    /// How many calls may run at once.
    #[schemars(range(min = 1))]
    concurrency: Option<u32>,
    /// How many calls may begin in a time: "5/s".
    #[schemars(regex(pattern = "^ *[1-9][0-9]* */ *[smh] *$"))]
    rate: Option<String>,
}
