//! Defects of the engine, for tests that must notice them: a suite that catches nothing proves nothing.
//!
//! Each is one rule broken at the one place where it holds. They are compiled in only under the feature `broken`;
//! otherwise the macro says `false`, and nothing of them is in the program. `armed::with` breaks the
//! engine on the thread that calls it, and on no other.

/// Whether the engine has this defect here and now. See [`crate::broken`].
#[cfg(feature = "broken")]
#[macro_export]
macro_rules! broken {
    ($defect:ident) => {
        $crate::broken::has($crate::broken::Defect::$defect)
    };
}

/// Whether the engine has this defect: it has none.
#[cfg(not(feature = "broken"))]
#[macro_export]
macro_rules! broken {
    ($defect:ident) => {
        false
    };
}

#[cfg(feature = "broken")]
mod armed {
    use std::cell::Cell;

    thread_local! {
        static DEFECT: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// A rule of the engine that is broken.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Defect {
        /// The begin of a step is written when its effect is done.
        BeginAfterEffect,
        /// That something is deleted is written before it is.
        EndBeforeEffect,
        /// Nobody waits for the end of a step to be written: what depends on it starts at once.
        EndNotWaitedFor,
        /// A create is sent without a look for what may be there, also when it is tried again.
        NoLook,
        /// What is in doubt is taken for not applied.
        DoubtIsNotApplied,
        /// What is in doubt is taken for applied.
        DoubtIsApplied,
        /// The image shows what the step leaves behind, as one does that is taken afterwards.
        ImageAfterEffect,
        /// Undos come in the order of the steps, whatever depends on what.
        UndoForward,
        /// A record that cannot be written stops nothing.
        WriteErrorSwallowed,
        /// The state that came with an error is thrown away.
        StateThrownAway,
        /// What was deleted and is made again gets a generation that was used.
        GenerationReused,
        /// That something was changed after the plan was made stops no step.
        DriftOverwritten,
        /// What another stack took for its own after the plan was made is adopted all the same.
        TakenFromOthers,
        /// One look is enough, however long the type may take to settle.
        NoPatience,
        /// What an earlier unwinding did is undone again.
        UndoneTwice,
        /// Secrets rest as they are.
        NothingSealed,
        /// Words are told and laid to rest as they come.
        TextsNotMasked,
    }

    impl Defect {
        /// All of them.
        pub const ALL: [Defect; 17] = [
            Defect::BeginAfterEffect,
            Defect::EndBeforeEffect,
            Defect::EndNotWaitedFor,
            Defect::NoLook,
            Defect::DoubtIsNotApplied,
            Defect::DoubtIsApplied,
            Defect::ImageAfterEffect,
            Defect::UndoForward,
            Defect::WriteErrorSwallowed,
            Defect::StateThrownAway,
            Defect::GenerationReused,
            Defect::DriftOverwritten,
            Defect::TakenFromOthers,
            Defect::NoPatience,
            Defect::UndoneTwice,
            Defect::NothingSealed,
            Defect::TextsNotMasked,
        ];
    }

    /// Whether the engine has this defect on this thread.
    pub fn has(defect: Defect) -> bool {
        DEFECT.get() == Some(defect)
    }

    /// Does something with an engine that has a defect, or none.
    pub fn with<T>(defect: Option<Defect>, deed: impl FnOnce() -> T) -> T {
        let before = DEFECT.replace(defect);
        let done = deed();
        DEFECT.set(before);
        done
    }
}

#[cfg(feature = "broken")]
pub use armed::{Defect, has, with};
