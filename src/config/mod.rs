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

mod body;
mod check;
mod checks;
pub mod codes;
mod conditions;
mod ephemeral;
mod files;
mod imports;
mod json_schema;
mod load;
mod moved;
mod optional;
mod parse;
mod provider;
mod references;
mod repetition;
mod scan;
mod scopes;
mod stack;
mod variables;

pub use body::evaluate_body;
pub use check::{CheckedBody, Schemas, check, check_bodies, check_unseen, types};
pub use checks::blocks_of;
pub use conditions::{check_conditions, decided, truth};
pub use ephemeral::{kept, refuse_ephemeral};
pub use files::{FURTHER_FILES, MAIN_FILE, MAX_FILE_SIZE, absolute_directory, stack_files};
pub use json_schema::json_schema;
pub use load::{Failed, Part, Parts, duration, load, load_texts};
pub use repetition::{Instance, Instances, MAX_INSTANCES, instances};
pub use stack::{
    Check, Condition, DeleteOrder, DependsOn, Fallback, IgnoreChanges, Import, Lifecycle, Local, Moved, OnDestroy,
    OnExisting, Output, ProviderBlock, ProviderProgram, ProviderTables, Repetition, ResourceBlock, Settings, Stack,
    Trigger, ValueSource, Variable,
};
pub use variables::{Inputs, Origin, VARIABLE_PREFIX, Variables, read_source, resolve_variables, value_of};

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::shown as shown_for_tests;
