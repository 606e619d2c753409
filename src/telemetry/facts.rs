//! What the rooms tell, in words of nobody.

use std::time::Duration;

/// A step of a run, or its undo.
#[derive(Clone, Copy, Debug)]
pub struct StepFacts<'s> {
    /// The run.
    pub run: &'s str,
    /// The name of the step.
    pub step: &'s str,
    /// The instance.
    pub address: &'s str,
    /// `create`, `update`, `delete` and so on.
    pub action: &'static str,
    /// Whether it is the undo of a step.
    pub undo: bool,
    /// 1 for the first try.
    pub attempt: u32,
    /// The same for every try; empty where the step has none.
    pub idempotency_key: &'s str,
}

/// How a step ended.
#[derive(Clone, Copy, Debug)]
pub struct StepEnd<'e> {
    /// `applied`, `partial`, `not_applied`, `unknown`, `undone` or `stuck`.
    pub outcome: &'static str,
    /// The category of its failure.
    pub category: Option<&'e str>,
    /// How long it took, where that is known.
    pub took: Option<Duration>,
}

/// A call of a provider.
#[derive(Clone, Copy, Debug)]
pub struct CallFacts<'c> {
    /// The name of the instance of the provider.
    pub provider: &'c str,
    /// What is called.
    pub operation: &'static str,
    /// The type that it is about; empty where it is about none.
    pub type_name: &'c str,
    /// The run; empty outside of one.
    pub run: &'c str,
    /// The step; empty outside of one.
    pub step: &'c str,
    /// The instance; empty where there is none.
    pub address: &'c str,
    /// 1 for the first try of the step; 0 outside of one.
    pub attempt: u32,
    /// The key of the step.
    pub idempotency_key: &'c str,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallOutcome<'e> {
    /// `ok`, `error`, `given_up`, or what came of a change.
    pub outcome: &'static str,
    /// The category of its failure.
    pub category: Option<&'e str>,
    /// How long it took.
    pub took: Duration,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything goes through.
    Closed,
    /// One after the other is tried.
    HalfOpen,
    /// Nothing is sent.
    Open,
}

impl BreakerState {
    /// The number for it.
    pub fn number(self) -> f64 {
        match self {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        }
    }
}
