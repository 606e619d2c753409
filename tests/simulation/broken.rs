//! Stores and networks that are broken on purpose: what a suite that catches nothing would never see.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The last writes that were acknowledged are not on the disk: no fsync.
    ForgetsLastWrites,
    /// A begin is acknowledged and never written.
    NoBegin,
    /// A begin is written only together with what comes after it: an effect may come first.
    LateBegin,
    /// The end of a step is acknowledged and never written.
    NoEnd,
    /// The end of a step is written without the state that belongs to it.
    EndWithoutState,
    /// A write that fails is taken for one that did not.
    SwallowsErrors,
    /// The image of what was there is not kept.
    NoImage,
    /// Of what is to be undone nothing is said beforehand.
    NoUndoBegin,
    /// That something was undone is not written.
    NoUndone,
    /// The counter of generations is not kept.
    NoGeneration,
    /// The configuration of a run is not written.
    NoProviders,
    /// A look for what might be there finds nothing, ever.
    BlindLook,
    /// Nothing carries a marker.
    NoMarker,
    /// A create without an answer is sent again.
    SendsTwice,
    /// Where the values of an image came from is not kept.
    NoProvenance,
    /// What was decided about a step in doubt is not written.
    NoResolution,
}

impl Broken {
    /// All of them.
    pub(crate) const ALL: [Broken; 16] = [
        Broken::ForgetsLastWrites,
        Broken::NoBegin,
        Broken::LateBegin,
        Broken::NoEnd,
        Broken::EndWithoutState,
        Broken::SwallowsErrors,
        Broken::NoImage,
        Broken::NoUndoBegin,
        Broken::NoUndone,
        Broken::NoGeneration,
        Broken::NoProviders,
        Broken::BlindLook,
        Broken::NoMarker,
        Broken::SendsTwice,
        Broken::NoProvenance,
        Broken::NoResolution,
    ];
}
