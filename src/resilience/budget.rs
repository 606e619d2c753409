//! How many retries are left for all calls together. Pure.

use super::policy::Budget;

/// What is left of a budget: each success adds to it, each retry takes one.
#[derive(Clone, Debug)]
pub(super) struct Purse {
    rules: Budget,
    left: f64,
}

impl Purse {
    /// A full one.
    pub(super) fn new(rules: &Budget) -> Purse {
        Purse { left: f64::from(rules.retries), rules: rules.clone() }
    }

    /// Makes room for as much as another budget says, where that is more.
    pub(super) fn widen(&mut self, rules: &Budget) {
        self.left += f64::from(rules.retries.saturating_sub(self.rules.retries));
        self.rules = Budget {
            retries: self.rules.retries.max(rules.retries),
            most: self.rules.most.max(rules.most),
            per_success: self.rules.per_success.max(rules.per_success),
        };
    }

    /// Something succeeded.
    pub(super) fn earn(&mut self) {
        let most = f64::from(self.rules.most.max(self.rules.retries));
        self.left = (self.left + self.rules.per_success.max(0.0)).min(most);
    }

    /// Whether there is a retry left.
    pub(super) fn has(&self) -> bool {
        self.left >= 1.0
    }

    /// Takes one; only after [`has`](Self::has).
    pub(super) fn spend(&mut self) {
        self.left = (self.left - 1.0).max(0.0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn retries_never_exceed_what_was_given_and_earned(
            retries in 0u32..50, most in 0u32..50, per_success in 0.0f64..2.0,
            successes in prop::collection::vec(any::<bool>(), 0..500),
        ) {
            let mut purse = Purse::new(&Budget { retries, most, per_success });
            let (mut earned, mut spent) = (f64::from(retries), 0.0);
            for success in successes {
                if success {
                    purse.earn();
                    earned += per_success;
                } else if purse.has() {
                    purse.spend();
                    spent += 1.0;
                }
                prop_assert!(spent <= earned + 1e-6);
                prop_assert!(purse.left <= f64::from(most.max(retries)) && purse.left >= 0.0);
            }
        }
    }

    #[test]
    fn it_is_as_wide_as_the_widest() {
        let mut purse = Purse::new(&Budget { retries: 0, most: 0, per_success: 0.0 });
        assert!(!purse.has());
        purse.widen(&Budget { retries: 2, most: 2, per_success: 0.5 });
        purse.widen(&Budget { retries: 1, most: 3, per_success: 0.0 });
        (0..2).for_each(|_| purse.spend());
        assert!(!purse.has());
        (0..100).for_each(|_| purse.earn());
        (0..3).for_each(|_| purse.spend());
        assert!(!purse.has());
    }

    #[test]
    fn it_grows_with_success_and_shrinks_with_failure() {
        let mut purse = Purse::new(&Budget { retries: 2, most: 3, per_success: 0.5 });
        purse.spend();
        purse.spend();
        assert!(!purse.has());
        purse.earn();
        assert!(!purse.has());
        purse.earn();
        assert!(purse.has());
        (0..100).for_each(|_| purse.earn());
        (0..3).for_each(|_| purse.spend());
        assert!(!purse.has());
    }
}
