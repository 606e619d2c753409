//! What a user knows of errors of which their provider only says that they are unknown: `[provider.NAME.errors]`.

use std::collections::BTreeMap;

use retrue_provider_api::{Category, Outcome, ProviderError, ProviderResult};
use serde::{Deserialize, Serialize};

/// Parts of the texts of errors, by what kind of error they mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errors(pub BTreeMap<Category, Vec<String>>);

impl Errors {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The error with the category that its text means, where its provider knows of none. Of two parts of the text the
    /// longer one says more.
    pub(super) fn told(&self, error: ProviderError) -> ProviderError {
        if self.is_empty() || error.category != Category::Unknown {
            return error;
        }
        let text = format!("{error:#}").to_lowercase();
        let parts =
            self.0.iter().flat_map(|(category, parts)| parts.iter().map(|part| (*category, part.to_lowercase())));
        let fitting = parts.filter(|(_, part)| text.contains(part.as_str()));
        match fitting.max_by_key(|(_, part)| part.len()) {
            Some((category, _)) => ProviderError { category, retry: category.retryable(), ..error },
            None => error,
        }
    }

    /// The same of an answer.
    pub(super) fn answer<T>(&self, answer: ProviderResult<T>) -> ProviderResult<T> {
        answer.map_err(|error| self.told(error))
    }

    /// The same of what came of a change.
    pub(super) fn outcome(&self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Applied(applied) => Outcome::Applied(applied),
            Outcome::Partial { applied, error } => Outcome::Partial { applied, error: self.told(error) },
            Outcome::NotApplied(error) => Outcome::NotApplied(self.told(error)),
            Outcome::Unknown { error, best_known } => Outcome::Unknown { error: self.told(error), best_known },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_part_of_an_unknown_text_says_what_it_is() {
        let known = |category, parts: &[&str]| (category, parts.iter().map(|part| (*part).to_owned()).collect());
        let errors = Errors(BTreeMap::from([
            known(Category::Transient, &["Busy"]),
            known(Category::Conflict, &["busy for GOOD", "held"]),
        ]));
        let told = |category, text: &str| {
            let error = errors.told(ProviderError::new(category, "read", text).with("stderr", "held"));
            (error.category, error.retry)
        };
        let plain = |text: &str| {
            let error = errors.told(ProviderError::new(Category::Unknown, "read", text));
            (error.category, error.retry)
        };
        assert_eq!(plain("it is BUSY"), (Category::Transient, true));
        assert_eq!(plain("it is busy for good"), (Category::Conflict, false));
        assert_eq!(plain("it is not there"), (Category::Unknown, false));
        assert_eq!(told(Category::Unknown, "see there"), (Category::Conflict, false), "its facts say something, too");
        assert_eq!(told(Category::NotFound, "busy"), (Category::NotFound, false), "the provider knows better");
    }
}
