//! Makes one answer of many tries. Pure.

use super::definition::Rules;

/// Counts tries until there is an answer.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    healthy: u32,
    unhealthy: u32,
    retries: u32,
    good: u32,
    bad: u32,
    failures: u32,
}

impl Judge {
    /// Nothing is known.
    pub(super) fn new(rules: &Rules) -> Judge {
        Judge {
            healthy: rules.healthy.max(1),
            unhealthy: rules.unhealthy.max(1),
            retries: rules.retries,
            good: 0,
            bad: 0,
            failures: 0,
        }
    }

    /// Takes what came of a try; the answer, once there is one. There is one after `healthy` good ones in a row,
    /// after `unhealthy` bad ones in a row, and after more bad ones than there are retries.
    pub(super) fn take(&mut self, worked: bool) -> Option<bool> {
        if worked {
            (self.good, self.bad) = (self.good.saturating_add(1), 0);
            return (self.good >= self.healthy).then_some(true);
        }
        (self.good, self.bad) = (0, self.bad.saturating_add(1));
        self.failures = self.failures.saturating_add(1);
        (self.bad >= self.unhealthy || self.failures > self.retries).then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(rules: &Rules, tries: &[bool]) -> Option<(bool, usize)> {
        let mut judge = Judge::new(rules);
        tries.iter().enumerate().find_map(|(index, worked)| Some((judge.take(*worked)?, index + 1)))
    }

    fn rules(retries: u32, healthy: u32, unhealthy: u32) -> Rules {
        Rules { retries, healthy, unhealthy, ..Rules::default() }
    }

    #[test]
    fn it_answers_after_so_many_in_a_row() {
        for (rules, tries, expected) in [
            (rules(2, 1, 3), "+", Some((true, 1))),
            (rules(2, 1, 3), "--+", Some((true, 3))),
            (rules(2, 1, 3), "---", Some((false, 3))),
            (rules(0, 1, 1), "-", Some((false, 1))),
            (rules(9, 3, 10), "++-+++", Some((true, 6))),
            (rules(9, 3, 2), "+-+--", Some((false, 5))),
            // Whoever is healthy at times is not for ever asked.
            (rules(2, 2, 9), "+-+-+-", Some((false, 6))),
            (rules(2, 2, 9), "+-+-+", None),
        ] {
            let tries: Vec<bool> = tries.chars().map(|sign| sign == '+').collect();
            assert_eq!(answer(&rules, &tries), expected, "{rules:?} {tries:?}");
        }
    }

    proptest! {
        /// Whatever happens, the number of tries has a bound.
        #[test]
        fn the_tries_are_bounded(
            retries in 0u32..20, healthy in 1u32..6, unhealthy in 1u32..6,
            tries in prop::collection::vec(any::<bool>(), 200),
        ) {
            let rules = rules(retries, healthy, unhealthy);
            let (healthy_now, needed) = answer(&rules, &tries).unwrap();
            prop_assert!(needed <= ((retries + 1) * healthy) as usize);
            let bad = tries[..needed].iter().filter(|worked| !**worked).count() as u32;
            prop_assert!(bad <= retries + 1);
            prop_assert_eq!(healthy_now, tries[needed - 1]);
        }
    }
}
