//! Where a type is known not to keep a rule yet.
//!
//! A deviation that is no longer one fails the suite, so that the list only ever holds what is true.

use libtest_mimic::{Completion, Failed};

use crate::judge::{Judged, Verdict};

/// A rule that one type is known to break.
pub struct Deviation {
    subject: &'static str,
    check: &'static str,
    /// Why, and what follows from it.
    because: &'static str,
}

const DEVIATIONS: &[Deviation] = &[
    Deviation {
        subject: "local_directory",
        check: "image_of_what_changed_is_a_conflict",
        because: "the image keeps the mode that is there, and does not compare it with the one that was read",
    },
    Deviation {
        subject: "local_directory(recursive)",
        check: "image_of_what_changed_is_a_conflict",
        because: "the image keeps the mode that is there, and does not compare it with the one that was read",
    },
    Deviation {
        subject: "local_command(blind)",
        check: "find_is_refused_where_nothing_can_be_found",
        because: "`find` answers none where nothing says how to look; the engine does not ask there",
    },
];

/// The deviation of a type from a rule, if it is known.
pub fn of(subject: &str, check: &str) -> Option<&'static Deviation> {
    DEVIATIONS.iter().find(|deviation| deviation.subject == subject && deviation.check == check)
}

impl Deviation {
    /// Ignored as long as it is true.
    pub fn confirm(&self, verdict: Judged) -> Result<Completion, Failed> {
        match verdict {
            Err(_) => Ok(Completion::ignored_with(format!("known deviation: {}", self.because))),
            Ok(Verdict::Kept | Verdict::DoesNotApply(_)) => {
                Err(format!("the rule is kept now: remove the deviation ({})", self.because).into())
            }
        }
    }
}
