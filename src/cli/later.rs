//! What the command line names and this version does not do yet.

/// A verb of later work.
#[derive(Clone, Copy, Debug)]
pub struct Later {
    /// The verb as it is typed.
    pub verb: &'static str,
    /// What to do in its place.
    pub instead: &'static str,
}

/// All of them. Each ends in one error, and does nothing.
pub const LATER: &[Later] = &[Later { verb: "runs replay", instead: "`retrue apply` plans anew from the stack" }];
