//! The configuration: from TOML to a [`Stack`].
//!
//! [`load`] reads, parses and merges the files of a stack and checks everything that can be checked
//! without knowing the types; [`check`] checks the rest of what `validate` promises, given the
//! schemas of the providers; [`resolve_variables`] gives the variables their values; and
//! [`evaluate_body`] makes of a block the value that its provider is given.
//!
//! Several mistakes are reported at once, each at its place. Where a file is not TOML, nothing more is
//! said about the part that is broken.
//!
//! Architecture Invariant: only [`load`] and [`resolve_variables`] read files, and nothing here reads
//! the environment of the process: it is handed in.

pub mod codes;
mod files;
mod load;
mod moved;
mod parse;
mod provider;
mod references;
mod scan;
mod stack;

pub use files::{FURTHER_FILES, MAIN_FILE, MAX_FILE_SIZE};
pub use load::{Failed, load, load_texts};
pub use stack::{
    Condition, DeleteOrder, DependsOn, IgnoreChanges, Lifecycle, Local, Moved, OnDestroy, OnExisting, Output,
    ProviderBlock, Repetition, ResourceBlock, Settings, Stack, ValueSource, Variable,
};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::shown as shown_for_tests;
