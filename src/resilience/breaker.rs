//! Circuit breakers: where the other side does not work, nothing is sent for a while; then somebody tries.
//! Pure: time is given.
//!
//! | state | asked | success | failure |
//! |---|---|---|---|
//! | closed | go | the count begins anew | counted; at the limit: open |
//! | open | wait; after its time: half-open, and try | nothing (it was sent before) | nothing |
//! | half-open | one at a time tries, the others wait | counted; at the limit: closed | open |

use std::time::Duration;

use tokio::time::Instant;

use super::policy::BreakerRules;

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All goes through.
    Closed,
    /// Nothing does.
    Open,
    /// One at a time does, to see whether it works again.
    HalfOpen,
}

impl Standing {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Standing::Closed => "closed",
            Standing::Open => "open",
            Standing::HalfOpen => "half-open",
        }
    }
}

/// What somebody who asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may be sent.
    Go,
    /// It may be sent, and what comes of it decides: [`Breaker::ended`] must be told.
    Try,
    /// Not before then, or before somebody else's try has ended.
    Wait(Instant),
}

/// One breaker.
#[derive(Clone, Debug)]
pub(super) struct Breaker {
    rules: BreakerRules,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { trying: bool, succeeded: u32, since: Instant },
}

impl Breaker {
    /// A closed one.
    pub(super) fn new(rules: &BreakerRules) -> Breaker {
        Breaker { rules: rules.clone(), state: State::Closed { failures: 0 } }
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Standing {
        match self.state {
            State::Closed { .. } => Standing::Closed,
            State::Open { .. } => Standing::Open,
            State::HalfOpen { .. } => Standing::HalfOpen,
        }
    }

    /// What would be answered, without taking it.
    pub(super) fn look(&self, now: Instant) -> Answer {
        match self.state {
            State::Closed { .. } => Answer::Go,
            State::Open { until } if now < until => Answer::Wait(until),
            State::Open { .. } | State::HalfOpen { trying: false, .. } => Answer::Try,
            // Whoever tries may have died of it: then another one may.
            State::HalfOpen { trying: true, since, .. } => {
                let again = later(since, self.rules.open_for.max(Duration::from_secs(1)).saturating_mul(6));
                if now < again { Answer::Wait(again) } else { Answer::Try }
            }
        }
    }

    /// Asks to send something.
    pub(super) fn ask(&mut self, now: Instant) -> Answer {
        let answer = self.look(now);
        if answer == Answer::Try {
            let succeeded = match self.state {
                State::HalfOpen { succeeded, .. } => succeeded,
                _ => 0,
            };
            self.state = State::HalfOpen { trying: true, succeeded, since: now };
        }
        answer
    }

    /// Takes what came of something that was sent: whether the other side worked, and whether it was a try.
    pub(super) fn ended(&mut self, worked: bool, tried: bool, now: Instant) {
        self.state = match (self.state, worked) {
            (State::Closed { .. }, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) => {
                let failures = failures.saturating_add(1);
                if self.rules.failures > 0 && failures >= self.rules.failures {
                    State::Open { until: later(now, self.rules.open_for) }
                } else {
                    State::Closed { failures }
                }
            }
            (State::HalfOpen { succeeded, since, .. }, true) if tried => {
                let succeeded = succeeded.saturating_add(1);
                if succeeded >= self.rules.probes.max(1) {
                    State::Closed { failures: 0 }
                } else {
                    State::HalfOpen { trying: false, succeeded, since }
                }
            }
            (State::HalfOpen { .. }, false) if tried => State::Open { until: later(now, self.rules.open_for) },
            // It was sent before.
            (state, _) => state,
        };
    }

    /// A try that came to nothing, neither way: another one may try.
    pub(super) fn let_go(&mut self) {
        if let State::HalfOpen { succeeded, since, .. } = self.state {
            self.state = State::HalfOpen { trying: false, succeeded, since };
        }
    }
}

fn later(now: Instant, wait: Duration) -> Instant {
    now.checked_add(wait).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> BreakerRules {
        BreakerRules {
            failures: 3,
            open_for: Duration::from_secs(10),
            probes: 2,
            hold: Duration::from_secs(60),
            recovery_check: None,
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_when_tries_succeed() {
        let mut breaker = Breaker::new(&rules());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for worked in [false, false, true, false, false] {
            assert_eq!(breaker.ask(at(0)), Answer::Go);
            breaker.ended(worked, false, at(0));
        }
        assert_eq!(breaker.standing(), Standing::Closed);
        breaker.ended(false, false, at(1));
        assert_eq!(breaker.ask(at(5)), Answer::Wait(at(11)));
        // What was sent before it opened changes nothing.
        breaker.ended(true, false, at(5));
        assert_eq!(breaker.standing(), Standing::Open);
        assert_eq!(breaker.ask(at(11)), Answer::Try);
        assert!(matches!(breaker.ask(at(11)), Answer::Wait(_)), "one at a time");
        breaker.ended(false, true, at(12));
        assert_eq!(breaker.ask(at(13)), Answer::Wait(at(22)));
        for _ in 0..2 {
            assert_eq!(breaker.ask(at(22)), Answer::Try);
            breaker.ended(true, true, at(22));
        }
        assert_eq!((breaker.standing(), breaker.ask(at(22))), (Standing::Closed, Answer::Go));
    }

    #[test]
    fn whoever_tries_and_is_never_heard_of_again_does_not_block_it_for_ever() {
        let mut breaker = Breaker::new(&rules());
        let start = Instant::now();
        (0..3).for_each(|_| breaker.ended(false, false, start));
        assert_eq!(breaker.ask(start + Duration::from_secs(10)), Answer::Try);
        let Answer::Wait(again) = breaker.ask(start + Duration::from_secs(20)) else { panic!("two try at once") };
        assert_eq!(breaker.ask(again), Answer::Try);
    }

    #[test]
    fn one_without_a_limit_never_opens() {
        let mut breaker = Breaker::new(&BreakerRules { failures: 0, ..rules() });
        (0..1000).for_each(|_| breaker.ended(false, false, Instant::now()));
        assert_eq!(breaker.standing(), Standing::Closed);
    }

    proptest! {
        /// The table at the head of this file, for any sequence of events.
        #[test]
        fn it_follows_its_table(events in prop::collection::vec((0u64..15, 0u8..3), 0..200)) {
            let rules = rules();
            let mut breaker = Breaker::new(&rules);
            let mut now = Instant::now();
            let (mut failures, mut succeeded, mut opened, mut trying) = (0, 0, None, false);
            for (passed, event) in events {
                now += Duration::from_secs(passed);
                let before = breaker.standing();
                match event {
                    0 => {
                        let answer = breaker.ask(now);
                        match before {
                            Standing::Closed => prop_assert_eq!(answer, Answer::Go),
                            Standing::Open => {
                                let until = opened.unwrap() + rules.open_for;
                                prop_assert_eq!(answer, if now < until { Answer::Wait(until) } else { Answer::Try });
                            }
                            Standing::HalfOpen => prop_assert!(answer != Answer::Go),
                        }
                        if answer == Answer::Try {
                            prop_assert_eq!(breaker.standing(), Standing::HalfOpen);
                            succeeded = if before == Standing::Open { 0 } else { succeeded };
                            trying = true;
                        }
                    }
                    event => {
                        let worked = event == 1;
                        let tried = trying && before == Standing::HalfOpen;
                        breaker.ended(worked, tried, now);
                        trying = false;
                        match (before, worked) {
                            (Standing::Closed, true) => failures = 0,
                            (Standing::Closed, false) => {
                                failures += 1;
                                let full = failures >= rules.failures;
                                prop_assert_eq!(breaker.standing() == Standing::Open, full);
                                if full {
                                    (opened, failures) = (Some(now), 0);
                                }
                            }
                            (Standing::HalfOpen, true) if tried => {
                                succeeded += 1;
                                prop_assert_eq!(breaker.standing() == Standing::Closed, succeeded >= rules.probes);
                            }
                            (Standing::HalfOpen, false) if tried => {
                                prop_assert_eq!(breaker.standing(), Standing::Open);
                                opened = Some(now);
                            }
                            _ => prop_assert_eq!(breaker.standing(), before),
                        }
                    }
                }
            }
        }
    }
}
